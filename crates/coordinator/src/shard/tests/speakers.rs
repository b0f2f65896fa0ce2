//! Who may speak about a leg, and what becomes of what anybody else says.

use super::*;
use foreign::ForeignText;

/// Refused, done, buried: whatever could decide a leg.
fn proofs(instruction: &Instruction) -> Vec<Reply> {
    let said = |code| match answer(instruction, code) {
        RequestOutcome::Answered(reply) => reply,
        other => panic!("{other:?}"),
    };
    let serial = instruction.serial().expect("a leg");
    let buried = Reply::Query(QueryReply {
        serial,
        finding: Finding::Fenced,
        answer: Answer { code: AnswerCode::FENCED, text: ForeignText::default() },
        posted: None,
        mark: None,
    });
    vec![said(AnswerCode::INSUFFICIENT_FUNDS), said(AnswerCode::DONE), buried]
}

impl Stage {
    fn unasked(&mut self, speaker: &str, reply: Reply) {
        self.handle(Input::Unasked { speaker: counter(speaker), reply });
    }

    /// What is held against counters, and taken from what is wanted.
    fn accusations(&mut self) -> Vec<(String, Fault)> {
        let (accused, rest): (Vec<_>, Vec<_>) =
            self.out.drain(..).partition(|output| matches!(output, Output::Accuse { .. }));
        self.out = rest;
        let accused = accused.into_iter().map(|output| match output {
            Output::Accuse { counter, fault, .. } => (counter.to_string(), fault),
            other => panic!("{other:?}"),
        });
        accused.collect()
    }
}

/// A counter that takes no part, and each of the two about the other's leg: nothing is believed,
/// nothing is touched, and it stands against the one who spoke.
#[test]
fn foreign_words_decide_nothing_and_are_held_against_the_speaker() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.begin(1);
    stage.durable();
    let (debit_ticket, debit) = stage.asked();
    for reply in proofs(&debit) {
        for speaker in ["evil", "futures"] {
            let before = stage.shard.view(master(1).sequence).expect("open").transfer;
            stage.unasked(speaker, reply.clone());
            assert_eq!(stage.accusations(), [(speaker.to_owned(), Fault::Foreign)]);
            let after = stage.shard.view(master(1).sequence).expect("open").transfer;
            assert_eq!(before, after);
        }
    }
    stage.deliver(debit_ticket, answer(&debit, AnswerCode::DONE));
    let (credit_ticket, credit) = stage.asked();
    for reply in proofs(&credit) {
        for speaker in ["evil", "securities"] {
            stage.unasked(speaker, reply.clone());
            assert_eq!(stage.accusations(), [(speaker.to_owned(), Fault::Foreign)]);
            assert!(stage.out.is_empty(), "{:?}", stage.out);
        }
    }
    stage.deliver(credit_ticket, answer(&credit, AnswerCode::DONE));
    stage.durable();
    assert!(
        matches!(told.try_recv(), Ok(WaiterReply::Final(rendered)) if rendered.body == "completed")
    );
}

/// What is not the speaker's is turned away at once, and not held back until a write is durable: it
/// would take memory without end.
#[test]
fn foreign_words_are_not_held_back() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    let serial = master(1).leg(Role::Debit);
    let refused = Reply::Posting(PostingReply {
        serial,
        answer: Answer { code: AnswerCode::INSUFFICIENT_FUNDS, text: ForeignText::default() },
        posted: None,
        mark: None,
    });
    for _ in 0..1_000 {
        stage.unasked("evil", refused.clone());
    }
    assert!(stage.shard.open[&1].held.is_empty());
    assert_eq!(stage.accusations().len(), 1_000, "all are counted");
}

/// An answer to a question about one leg that speaks of another counter's leg answers nothing: the
/// question is still open, and nobody waits for ever.
#[test]
fn an_answer_about_anothers_leg_is_no_answer() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    let Instruction::Debit(posting) = debit else { panic!("{debit:?}") };
    let credit = Posting { serial: master(1).leg(Role::Credit), ..posting };
    stage.deliver(ticket, answer(&Instruction::Credit(credit), AnswerCode::DONE));
    assert_eq!(stage.accusations(), [("securities".to_owned(), Fault::Foreign)]);
    let (_, question) = stage.asked();
    assert!(matches!(question, Instruction::Query(_)), "the debit is asked about: {question:?}");
}

/// Debit and credit at one counter: both legs are its own, and each answer counts for its leg.
#[test]
fn a_counter_that_is_both_sides_speaks_about_both_legs() {
    let mut stage = Stage::new(Profile::default());
    let (waiter, mut told) = oneshot::channel();
    let mut new = stage.new_transfer(1);
    new.order.to = place("securities", "6002");
    stage.handle(Input::Begin { new, waiter });
    stage.durable();
    let (_, debit) = stage.asked();
    let RequestOutcome::Answered(done) = answer(&debit, AnswerCode::DONE) else { panic!() };
    stage.unasked("securities", done);
    let (_, credit) = stage.asked();
    let RequestOutcome::Answered(done) = answer(&credit, AnswerCode::DONE) else { panic!() };
    stage.unasked("futures", done.clone());
    assert_eq!(stage.accusations(), [("futures".to_owned(), Fault::Foreign)]);
    stage.unasked("securities", done);
    stage.durable();
    assert!(
        matches!(told.try_recv(), Ok(WaiterReply::Final(rendered)) if rendered.body == "completed")
    );
}

/// A posting that is not the leg's is an alarm, asked for or not, and moves nothing.
#[test]
fn a_claim_that_does_not_match_is_an_alarm_asked_for_or_not() {
    for asked_for in [true, false] {
        let mut stage = Stage::new(Profile::default());
        let _told = stage.begin(1);
        stage.durable();
        let (ticket, debit) = stage.asked();
        let RequestOutcome::Answered(Reply::Posting(mut reply)) = answer(&debit, AnswerCode::DONE)
        else {
            panic!()
        };
        reply.posted.as_mut().expect("posted").settle_day = day(20_261_122);
        if asked_for {
            stage.deliver(ticket, RequestOutcome::Answered(Reply::Posting(reply)));
        } else {
            stage.unasked("securities", Reply::Posting(reply));
        }
        assert_eq!(stage.accusations(), [("securities".to_owned(), Fault::Contradiction)]);
        let next = stage.ask().map(|(_, instruction)| instruction);
        let asks = matches!(next, Some(Instruction::Query(_)));
        assert!(if asked_for { asks } else { next.is_none() }, "{next:?}");
    }
}

/// The request's own answer, unasked words and words held back: what comes when the transfer is no
/// longer open is compared with the record under the name of the one who said it.
#[test]
fn whatever_comes_after_the_end_is_compared_with_the_record() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let (credit_ticket, credit) = stage.asked();
    let RequestOutcome::Answered(done) = answer(&credit, AnswerCode::DONE) else { panic!() };
    // Its counter says unasked that it is done, and only then answers the request, with a refusal.
    stage.unasked("futures", done.clone());
    let ending = stage.write();
    assert!(ending.outcome.is_some());
    stage.unasked("futures", done.clone());
    stage.written(&ending, Ok(()));
    stage.deliver(credit_ticket, answer(&credit, AnswerCode::INSUFFICIENT_FUNDS));
    stage.unasked("evil", done);
    let compared: Vec<(String, u16)> = stage
        .out
        .drain(..)
        .filter_map(|output| match output {
            Output::Compare { speaker, reply: Reply::Posting(reply) } => {
                Some((speaker.to_string(), reply.answer.code.number()))
            }
            _ => None,
        })
        .collect();
    let expected = [("futures", 200), ("futures", 402), ("evil", 200)];
    assert_eq!(compared, expected.map(|(speaker, code)| (speaker.to_owned(), code)));
}
