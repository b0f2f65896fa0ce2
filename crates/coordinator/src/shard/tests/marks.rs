//! Answers that bear another mark than the transfer's, or none.

use super::*;
use domain::transfer::Doubt;
use foreign::ForeignText;

/// The same answer with another mark.
fn bearing(mark: Option<Mark>, outcome: RequestOutcome) -> RequestOutcome {
    match outcome {
        RequestOutcome::Answered(Reply::Posting(reply)) => {
            RequestOutcome::Answered(Reply::Posting(PostingReply { mark, ..reply }))
        }
        RequestOutcome::Answered(Reply::Query(reply)) => {
            RequestOutcome::Answered(Reply::Query(QueryReply { mark, ..reply }))
        }
        other => other,
    }
}

impl Stage {
    /// What was doubted since the last look: at which counter, why, and about which leg.
    fn doubts(&mut self) -> Vec<(usize, Doubt, Role)> {
        let doubted = |output: &Output| match output {
            Output::Doubted { counter, doubt, role, .. } => Some((counter.0, *doubt, *role)),
            _ => None,
        };
        let doubts = self.out.iter().filter_map(doubted).collect();
        self.out.retain(|output| !matches!(output, Output::Doubted { .. }));
        doubts
    }

    fn why(&self) -> Option<ParkReason> {
        match self.shard.view(master(1).sequence)?.transfer.phase {
            Phase::Parked(why) => Some(why),
            _ => None,
        }
    }
}

/// A record from a copy gives an old serial out again: whatever the counter says of the old posting,
/// the new order is not told done, and the counter is doubted once.
#[test]
fn a_serial_that_is_held_under_another_mark_parks_and_is_doubted_once() {
    let duplicate = |debit: &Instruction| match answer(debit, AnswerCode::DONE) {
        RequestOutcome::Answered(Reply::Posting(reply)) => {
            let answer = Answer { code: AnswerCode::DUPLICATE, text: ForeignText::default() };
            RequestOutcome::Answered(Reply::Posting(PostingReply { answer, ..reply }))
        }
        other => panic!("{other:?}"),
    };
    for echoes_marks in [true, false] {
        for (mark, doubt, why) in [
            (Some(Mark(8)), Doubt::OtherMark, ParkReason::OtherMark),
            (None, Doubt::KnownBefore, ParkReason::KnownBefore),
        ] {
            let mut stage = Stage::new(Profile { echoes_marks, ..Profile::default() });
            let mut told = stage.begin(1);
            stage.durable();
            let (ticket, debit) = stage.asked();
            stage.deliver(ticket, bearing(mark, duplicate(&debit)));
            assert_eq!(stage.doubts(), [(0, doubt, Role::Debit)]);
            assert_eq!(stage.why(), Some(why));
            assert!(stage.ask().is_none(), "nothing is sent");
            // Asked slowly, and answered the same, with the posting and all.
            for _ in 0..3 {
                stage.pass(7200);
                let (ticket, question) = stage.asked();
                stage.deliver(ticket, bearing(mark, found(&question, Finding::Done)));
                assert_eq!((stage.doubts(), stage.why()), (Vec::new(), Some(why)));
            }
            assert!(told.try_recv().is_err(), "nobody is told anything");
        }
    }
}

/// A leg that is sought under one day after another keeps no doubt. A person who has readmitted its counter would
/// see it held again at the next answer, and at the next: what was told is not told again.
#[test]
fn what_a_leg_does_not_keep_is_told_once_all_the_same() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, bearing(Some(Mark(8)), answer(&debit, AnswerCode::DONE)));
    assert_eq!(stage.doubts(), [(0, Doubt::OtherMark, Role::Debit)]);
    for _ in 0..3 {
        let sequence = master(1).sequence.number();
        stage.shard.open.get_mut(&sequence).expect("open").transfer.debit.doubt = None;
        stage.pass(7200);
        let (ticket, question) = stage.asked();
        stage.deliver(ticket, bearing(Some(Mark(8)), found(&question, Finding::Done)));
        assert_eq!(stage.doubts(), []);
    }
}

/// An unasked answer, and one to a question, do the same.
#[test]
fn another_mark_is_seen_whichever_way_it_comes() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    let (question, asked) = stage.asked();
    let late = bearing(Some(Mark(8)), answer(&debit, AnswerCode::INSUFFICIENT_FUNDS));
    let RequestOutcome::Answered(late) = late else { panic!("{late:?}") };
    stage.handle(Input::Unasked { speaker: counter("securities"), reply: late });
    assert_eq!(stage.doubts(), [(0, Doubt::OtherMark, Role::Debit)]);
    assert_eq!(stage.why(), Some(ParkReason::OtherMark));
    stage.deliver(question, bearing(Some(Mark(8)), found(&asked, Finding::NotFound)));
    assert_eq!((stage.doubts(), stage.why()), (Vec::new(), Some(ParkReason::OtherMark)));
}

/// A counter that promises to repeat the mark and does not has not answered; one that does not
/// promise it is believed, as ever.
#[test]
fn no_mark_from_a_counter_that_promises_it_is_no_answer() {
    for echoes_marks in [true, false] {
        let mut stage = Stage::new(Profile { echoes_marks, ..Profile::default() });
        let _told = stage.begin(1);
        stage.durable();
        let (ticket, debit) = stage.asked();
        stage.deliver(ticket, bearing(None, answer(&debit, AnswerCode::DONE)));
        let (_, next) = stage.asked();
        assert_eq!(matches!(next, Instruction::Query(_)), echoes_marks);
        assert_eq!(matches!(next, Instruction::Credit(_)), !echoes_marks);
        assert_eq!(stage.doubts(), []);
    }
}
