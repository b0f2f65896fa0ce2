//! A panic in one transfer's step parks that transfer; the next start does not begin with it.

use super::*;
use crate::recovery::{Tail, taken_up};
use crate::shard::broken::doubt;
use std::sync::Mutex;
use store::memory::Memory;

/// Renders nothing of a transfer that ends otherwise than well: this is where these tests let the
/// work on a transfer fail, in the middle of writing its ending.
fn broken_for_refusals(view: &View) -> Rendered {
    assert_ne!(view.transfer.phase, Phase::Refused, "cannot be rendered");
    Rendered { status: 201, body: view.transfer.state().as_str().as_bytes().to_vec().into() }
}

fn stage() -> Stage {
    let mut stage = Stage::new(Profile::default());
    stage.shard.render = broken_for_refusals;
    stage
}

fn alarms(stage: &Stage) -> Vec<String> {
    let told = stage.out.iter().filter_map(|output| match output {
        Output::Alarm { kind, text, .. } => Some(format!("{kind:?}: {text}")),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_panic_in_a_step_parks_that_transfer_durably_and_others_go_on() {
    let (mut stage, mut memory) = (stage(), Memory::default());
    let mut told = stage.begin(1);
    let mut other = stage.begin(2);
    stage.record(&mut memory);
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::INSUFFICIENT_FUNDS));
    assert_eq!(stage.shard.open[&1].transfer.phase, Phase::Parked(ParkReason::Panicked));
    assert!(
        alarms(&stage)[0].starts_with("NeedsOperator: this software failed while it worked on"),
        "{:?}",
        alarms(&stage)
    );
    stage.record(&mut memory);
    let trail = memory.trail(master(1)).join("\n");
    assert!(trail.contains("debit: refused") && trail.contains("cannot be rendered"), "{trail}");
    assert!(told.try_recv().is_err(), "its end is not known, and none is told");

    let (ticket, debit) = stage.asked();
    assert!(stage.ask().is_none(), "nothing more is sent for the one that failed");
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let (ticket, credit) = stage.asked();
    stage.deliver(ticket, answer(&credit, AnswerCode::DONE));
    stage.record(&mut memory);
    assert!(matches!(other.try_recv(), Ok(WaiterReply::Final(_))), "the other one ends");

    // Day after day it is left alone, until a person resumes it with a program that can.
    for _ in 0..100 {
        stage.pass(3_600);
    }
    assert!(stage.ask().is_none() && stage.out.iter().all(|out| !matches!(out, Output::Write(_))));
    stage.shard.render = |_| Rendered { status: 201, body: bytes::Bytes::new() };
    assert_eq!(stage.decide(1, Decision::Resume), Ok(()));
}

#[test]
fn at_take_up_it_is_parked_unread_and_the_others_are_taken_up() {
    let (mut before, mut memory) = (stage(), Memory::default());
    let _told = [before.begin(1), before.begin(2)];
    before.record(&mut memory);
    let (ticket, debit) = before.asked();
    before.deliver(ticket, answer(&debit, AnswerCode::INSUFFICIENT_FUNDS));
    before.record(&mut memory);

    let mut after = stage();
    for open in memory.open_transfers() {
        after.handle(taken_up(open.transfer, &open.trail, Tail::Whole));
    }
    assert_eq!(after.shard.len(), 2);
    assert_eq!(after.shard.open[&1].transfer.phase, Phase::Parked(ParkReason::Panicked));
    let asked: Vec<Instruction> =
        std::iter::from_fn(|| after.ask()).map(|(_, what)| what).collect();
    assert!(!asked.is_empty(), "the other one is asked about");
    for question in asked {
        let Instruction::Query(query) = question else { panic!("{question:?} is no question") };
        assert_eq!(query.serial.sequence.number(), 2, "nothing about the one that failed");
    }
}

#[test]
fn one_that_cannot_even_be_read_is_left_alone_and_nothing_is_written_about_it() {
    let mut stage = stage();
    let new = stage.new_transfer(1);
    let mut transfer = Transfer::accepted(intent(&new));
    transfer.phase = Phase::Parked(ParkReason::Illegal);
    transfer.debit.knowledge = Knowledge::Unknown;
    let input = |left_alone| Input::Recovered {
        new: new.clone(),
        transfer: Box::new(transfer.clone()),
        updated_at: 0,
        next_part: 3,
        left_alone,
        dealing: Dealing::Nobody,
    };
    stage.handle(input(true));
    for _ in 0..100 {
        stage.pass(3_600);
    }
    assert_eq!(stage.shard.len(), 1);
    assert!(stage.out.is_empty(), "{:?}", stage.out);
    stage.handle(input(false));
    assert!(stage.ask().is_some(), "one that can be worked on is asked about");
}

#[test]
fn a_panic_while_it_is_taken_up_parks_it_too() {
    let (mut before, mut memory) = (stage(), Memory::default());
    let _told = before.begin(1);
    before.record(&mut memory);
    let (ticket, _) = before.asked();
    before.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    before.record(&mut memory);
    for life in 0..5 {
        let mut after = stage();
        for open in memory.open_transfers() {
            after.handle(taken_up(open.transfer, &open.trail, Tail::Whole));
        }
        if life == 0 {
            // That neither leg happened is what it fails on.
            for finding in [Finding::Refused, Finding::Fenced] {
                let (ticket, question) = after.asked();
                after.deliver(ticket, found(&question, finding));
                after.record(&mut memory);
            }
        }
        assert_eq!(
            after.shard.open[&1].transfer.phase,
            Phase::Parked(ParkReason::Panicked),
            "{life}"
        );
        assert!(after.ask().is_none(), "{life}");
    }
    let parts = memory.trail(master(1)).len();
    assert!(parts < 10, "{parts} parts: starting again and again adds nothing");
}

#[test]
fn a_panic_before_it_was_to_be_recorded_begins_nothing() {
    let mut stage = stage();
    // A counter that the world does not have any more.
    let mut told = stage.begin(1);
    let write = stage.write();
    assert!(write.accept.is_some());
    stage.out.push(Output::Write(write));
    let about = About::transfer(1);
    stage.shard.guarded(&about, stage.now, &mut stage.out, |_, _| panic!("no"));
    // What was handed over before the failure is the record's, and goes on.
    assert!(matches!(stage.out[0], Output::Write(_)));
    assert!(told.try_recv().is_err());
    assert_eq!(
        alarms(&stage),
        ["Defect: this software failed while it worked on the transfer: no"]
    );
    stage.out.clear();

    let mut told = {
        let (waiter, told) = oneshot::channel();
        let again = stage.new_transfer(2);
        let (now, world) = (stage.now, stage.world.clone());
        stage.shard.guarded(&About::transfer(2), now, &mut stage.out, |shard, out| {
            shard.take(Input::Begin { new: again, waiter }, now, &world, out);
            panic!("no");
        });
        told
    };
    assert!(
        matches!(told.try_recv(), Ok(WaiterReply::NotRecorded(_))),
        "its caller is told at once"
    );
    assert!(!stage.shard.open.contains_key(&2));
    assert!(matches!(stage.out[..], [Output::Closed { ended: None, .. }, Output::Alarm { .. }]));
}

/// What a test logs.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whoever reads of it in the log finds the transfer by its master serial, as everywhere.
#[test]
fn a_panic_about_what_is_not_open_is_logged_with_the_master_serial() {
    let (mut stage, logged) = (stage(), Logged::default());
    let (waiter, _told) = oneshot::channel();
    let about = About::input(&Input::Begin { new: stage.new_transfer(1), waiter });
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        stage.shard.guarded(&about, stage.now, &mut stage.out, |_, _| panic!("no"));
    });
    let logged = String::from_utf8(logged.0.lock().expect("no panic").clone()).expect("text");
    let named = format!("{}", master(1));
    assert!(logged.contains("that is not open failed") && logged.contains(&named), "{logged}");
    assert!(matches!(stage.out[..], [Output::Closed { ended: None, .. }]));
}

/// What a step had begun is not trusted, however far it came: whatever may have been sent is unknown and
/// may have been sent twice; what is proven, and what nobody has touched, stays.
#[test]
fn what_may_have_been_sent_is_doubted_and_nothing_else() {
    use Knowledge::{Done, NotExecuted, NotSent, Refused, Unknown};
    let stage = stage();
    for (knowledge, sent, doubted) in [
        (NotSent, 0, (NotSent, 0)),
        (NotSent, 1, (Unknown, 2)),
        (Unknown, 0, (Unknown, 2)),
        (Unknown, 1, (Unknown, 2)),
        (Unknown, 3, (Unknown, 3)),
        (Done, 1, (Done, 1)),
        (Refused, 1, (Refused, 1)),
        (NotExecuted, 0, (NotExecuted, 0)),
    ] {
        for role in Role::ALL {
            let mut transfer = Transfer::accepted(intent(&stage.new_transfer(1)));
            (transfer.leg_mut(role).knowledge, transfer.leg_mut(role).sent) = (knowledge, sent);
            doubt(&mut transfer);
            let leg = transfer.leg(role);
            assert_eq!((leg.knowledge, leg.sent), doubted, "{role}: {knowledge:?}, sent {sent}");
            assert_eq!(transfer.phase, Phase::Parked(ParkReason::Panicked));
        }
    }
}

#[test]
fn the_trail_says_which_legs_are_doubted() {
    let (mut stage, mut memory) = (stage(), Memory::default());
    let _told = stage.begin(1);
    stage.record(&mut memory);
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let _credit = stage.asked();
    stage.shard.guarded(&About::transfer(1), stage.now, &mut stage.out, |_, _| panic!("no"));
    stage.record(&mut memory);
    let trail = memory.trail(master(1)).join("");
    let doubted = |role| trail.contains(&format!("the {role} may have been sent"));
    assert_eq!(Role::ALL.map(doubted), [false, true, false], "{trail}");
}
