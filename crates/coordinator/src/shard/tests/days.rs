//! A cut-over on a transfer's way: what goes out again is durable first, and a restart asks under every
//! day.

use super::*;
use crate::recovery::taken_up;

fn bound(instruction: &Instruction) -> Day {
    match instruction {
        Instruction::Debit(posting) | Instruction::Credit(posting) => posting.settle_day,
        Instruction::Query(query) => query.settle_day,
        other => panic!("{other:?}"),
    }
}

fn cut_over(stage: &mut Stage) {
    for facts in &mut stage.world.counters {
        facts.settle_day = Some(day(20_261_122));
    }
}

#[test]
fn a_debit_refused_for_its_day_goes_out_under_the_new_one_once_that_is_durable() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.begin(1);
    let new = stage.durable().accept.expect("an acceptance");
    let (ticket, debit) = stage.asked();
    cut_over(&mut stage);
    stage.deliver(ticket, answer(&debit, AnswerCode::CLOSED));
    assert!(stage.ask().is_none(), "the new day is durable first");
    let rebound = stage.durable();
    let (_, again) = stage.asked();
    assert_eq!((again.serial(), bound(&again)), (debit.serial(), day(20_261_122)));

    // The first refusal once more, from nowhere: it names no day.
    let RequestOutcome::Answered(reply) = answer(&debit, AnswerCode::CLOSED) else {
        unreachable!()
    };
    stage.handle(Input::Unasked {
        speaker: CounterId::new("securities").expect("a counter"),
        reply,
    });
    assert!(told.try_recv().is_err(), "it is not the answer to what was sent since");
    let view = stage.shard.view(master(1).sequence).expect("it is open");
    assert_eq!(view.transfer.state(), State::Debiting);

    let trail = [rebound.trail.expect("what happened").1];
    let mut stage = Stage::new(Profile::default());
    cut_over(&mut stage);
    stage.handle(taken_up(new, &trail, Tail::Whole));
    let (ticket, question) = stage.asked();
    assert_eq!(bound(&question), day(20_261_121));
    stage.deliver(ticket, found(&question, Finding::Refused));
    let (_, question) = stage.asked();
    assert_eq!(bound(&question), day(20_261_122));
}

#[test]
fn a_cut_over_between_the_legs_undoes_nothing() {
    let mut stage = Stage::new(Profile::default());
    stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, RequestOutcome::NotSent(NotSent::Down));
    cut_over(&mut stage);
    stage.out.clear();
    stage.pass(1);
    assert!(stage.ask().is_none(), "the new day is durable first");
    stage.durable();
    let (_, again) = stage.asked();
    assert_eq!((again.serial(), bound(&again)), (debit.serial(), day(20_261_122)));
}

/// The record was restored: a life of which it knows nothing may have bound either leg to the new day
/// and sent it, so that it is refused is told only once both are dead under both.
#[test]
fn a_leg_of_a_record_that_lost_its_tail_is_sought_under_the_days_since() {
    let mut stage = Stage::new(Profile::default());
    stage.begin(1);
    let new = stage.durable().accept.expect("an acceptance");
    let mut stage = Stage::new(Profile::default());
    cut_over(&mut stage);
    stage.handle(taken_up(new, &[], Tail::Lost));
    for (state, role) in [(State::Debiting, Role::Debit), (State::Crediting, Role::Credit)] {
        for today in [20_261_121, 20_261_122] {
            let view = stage.shard.view(master(1).sequence).expect("it is open");
            assert_eq!(view.transfer.state(), state);
            let next = view.next().expect("something follows");
            assert_eq!(next.contains("the debit did not happen"), role == Role::Credit, "{next}");
            let (ticket, question) = stage.asked();
            let asked = question.serial().map(|serial| serial.role);
            assert_eq!((asked, bound(&question)), (Some(role), day(today)));
            stage.deliver(ticket, found(&question, Finding::Fenced));
        }
    }
    // Before the ending it is recorded that it was taken up and asked about.
    let ended = std::iter::repeat_with(|| stage.durable()).find_map(|write| write.outcome);
    let ended = ended.expect("an ending");
    assert_eq!(ended.state, store::FinalState::Refused);
}
