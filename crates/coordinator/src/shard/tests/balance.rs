//! An ending in which money does not add up is not written: the transfer stays open for a person, and it is told as an
//! error of this software.

use super::*;
use crate::recovery::taken_up;
use domain::transfer::EndReason;
use store::memory::Memory;

fn alarms(stage: &Stage) -> Vec<(Kind, MasterSerial, &str)> {
    let told = stage.out.iter().filter_map(|output| match output {
        Output::Alarm { kind, master, text } => Some((*kind, *master, text.as_str())),
        _ => None,
    });
    told.collect()
}

/// As if a rule had forgotten what became of the debit: the credit's answer would end it.
#[test]
fn a_transfer_that_would_end_out_of_balance_waits_for_a_person_instead() {
    let (mut stage, mut memory) = (Stage::new(Profile::default()), Memory::default());
    let mut told = stage.begin(1);
    stage.record(&mut memory);
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let (ticket, credit) = stage.asked();
    stage.shard.open.get_mut(&1).expect("it is open").transfer.debit.knowledge = Knowledge::Unknown;
    stage.deliver(ticket, answer(&credit, AnswerCode::DONE));

    let Output::Write(write) =
        stage.out.iter().find(|out| matches!(out, Output::Write(_))).expect("a write")
    else {
        panic!("no write")
    };
    assert_eq!((write.state, &write.outcome), (Some(store::OpenState::NeedsOperator), &None));
    let words = "it was to end by itself as completed, and its money does not add up so: the debit is unknown, the \
                 credit is done, the reversal is never sent";
    let reason = ParkReason::Unbalanced.as_str();
    let said = [(Kind::Defect, master(1), words), (Kind::NeedsOperator, master(1), reason)];
    assert_eq!(alarms(&stage), said);
    stage.record(&mut memory);
    assert!(memory.trail(master(1)).join("\n").contains(words));
    assert!(told.try_recv().is_err(), "no end is told");
    let waits = Phase::Parked(ParkReason::Unbalanced);
    assert_eq!(stage.shard.open[&1].transfer.phase, waits);

    // Nothing is done about it, neither in this life nor in the next.
    for _ in 0..100 {
        stage.pass(3_600);
    }
    assert!(stage.ask().is_none() && stage.out.iter().all(|out| !matches!(out, Output::Write(_))));
    let mut after = Stage::new(Profile::default());
    for open in memory.open_transfers() {
        after.handle(taken_up(open.transfer, &open.trail, Tail::Whole));
    }
    assert_eq!(after.shard.open[&1].transfer.phase, waits);
    assert!(after.ask().is_none(), "not asked about before a person has looked");

    // Two persons end it, and that it was by hand is recorded.
    assert_eq!(after.decide(1, Decision::Completed), Ok(()));
    let ended = after.write().outcome.expect("an ending");
    let reason = Some("an operator decided".to_owned());
    assert_eq!((ended.state, ended.reason), (store::FinalState::Completed, reason));
}

/// Whatever rule is wrong, and on whose word it is to end: what would be written is looked at where it is written.
#[test]
fn no_ending_is_written_that_does_not_balance() {
    use Knowledge::{Done, NotExecuted, NotSent, Unknown};
    let decided = Some(EndReason::Decided);
    for (phase, legs, reason, is_written) in [
        (Phase::Completed, [Done, Done, NotSent], None, true),
        (Phase::Completed, [Done, NotExecuted, NotSent], None, false),
        (Phase::Completed, [Done, Unknown, NotSent], None, false),
        (Phase::Completed, [Done, Unknown, NotSent], decided, true),
        (Phase::Completed, [Done, NotExecuted, NotSent], decided, false),
        (Phase::Refused, [NotExecuted, NotSent, NotSent], Some(EndReason::DebitNotExecuted), true),
        (Phase::Refused, [Done, NotSent, NotSent], Some(EndReason::DebitNotExecuted), false),
        (Phase::Reversed, [Done, NotExecuted, Done], Some(EndReason::CreditNotExecuted), true),
        (Phase::Reversed, [Done, Done, Done], Some(EndReason::CreditNotExecuted), false),
        // No ending agrees with it, and a person has put the books right.
        (Phase::Refused, [NotExecuted, Done, NotSent], decided, true),
    ] {
        let mut stage = Stage::new(Profile::default());
        let _told = stage.begin(1);
        stage.durable();
        stage.out.clear();
        let transfer = &mut stage.shard.open.get_mut(&1).expect("it is open").transfer;
        (transfer.phase, transfer.reason) = (phase, reason);
        for (role, knowledge) in Role::ALL.into_iter().zip(legs) {
            transfer.leg_mut(role).knowledge = knowledge;
        }
        stage.shard.write(1, None, stage.now, &mut stage.out);
        assert_eq!(stage.write().outcome.is_some(), is_written, "{phase:?} {legs:?} {reason:?}");
        let is_told = alarms(&stage).iter().any(|(kind, ..)| *kind == Kind::Defect);
        assert_eq!(is_told, !is_written, "{phase:?} {legs:?} {reason:?}");
        let after = &stage.shard.open[&1].transfer;
        let waits = after.phase == Phase::Parked(ParkReason::Unbalanced);
        assert_eq!(waits, !is_written, "{phase:?} {legs:?} {reason:?}");
        assert!(is_written || after.reason != decided, "it has not been decided");
    }
}

/// What waited for a person is not said to have ended by itself when it has not.
#[test]
fn one_that_waited_is_not_said_to_end_by_itself_when_it_does_not() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let _credit = stage.asked();
    stage.out.clear();
    let record = stage.shard.open.get_mut(&1).expect("it is open");
    record.transfer.phase = Phase::Completed;
    record.transfer.credit.knowledge = Knowledge::NotExecuted;
    super::super::happen::tell_persons(
        record,
        Phase::Parked(ParkReason::CreditUnresolved),
        stage.now,
        &mut stage.out,
    );
    assert_eq!(alarms(&stage), []);
}
