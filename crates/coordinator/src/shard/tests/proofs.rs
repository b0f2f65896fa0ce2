//! What proves without a fence, and what an old refusal is worth (decision 0015).

use super::*;
use foreign::ForeignText;

/// A counter that dedupes, cannot fence, and may change its mind about a refusal.
fn fickle() -> Profile {
    Profile { refusals_stick: false, can_fence: false, ..Profile::default() }
}

fn refused(question: &Instruction) -> RequestOutcome {
    let Instruction::Query(Query { serial, .. }) = question else { panic!("{question:?}") };
    RequestOutcome::Answered(Reply::Query(QueryReply {
        serial: *serial,
        finding: Finding::Refused,
        answer: Answer { code: AnswerCode::INSUFFICIENT_FUNDS, text: ForeignText::default() },
        posted: None,
        mark: None,
    }))
}

impl Stage {
    fn phase(&self) -> Phase {
        self.shard.view(master(1).sequence).expect("it is open").transfer.phase
    }

    fn alarms(&self) -> usize {
        self.out.iter().filter(|output| matches!(output, Output::Alarm { .. })).count()
    }

    /// For which counters new sessions are wanted, and after when.
    fn wanted(&mut self) -> Vec<(CounterIndex, Instant)> {
        let wanted = self.out.extract_if(.., |out| matches!(out, Output::NewSessions { .. }));
        wanted
            .map(|output| match output {
                Output::NewSessions { counter, after } => (counter, after),
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

/// Where refusals do not stick, what was said before the posting is no contradiction of it.
#[test]
fn an_old_refusal_is_no_contradiction() {
    let mut stage = Stage::new(fickle());
    let _told = stage.begin(1);
    stage.durable();
    let (first, debit) = stage.asked();
    stage.deliver(first, RequestOutcome::Unknown(Unclear::TimedOut));
    let (question, query) = stage.asked();
    stage.deliver(question, found(&query, Finding::NotFound));
    let (second, _) = stage.asked();
    // The second copy is refused; the first still lies at the counter. It is asked about.
    stage.deliver(second, answer(&debit, AnswerCode::INSUFFICIENT_FUNDS));
    let (question, query) = stage.asked();
    // The first copy is posted, and says so, before the answer to the question arrives.
    let RequestOutcome::Answered(done) = answer(&debit, AnswerCode::DONE) else { panic!() };
    stage.handle(Input::Unasked { speaker: counter("securities"), reply: done });
    let (_credit, instruction) = stage.asked();
    assert!(matches!(instruction, Instruction::Credit(_)));
    stage.deliver(question, refused(&query));
    assert_eq!((stage.phase(), stage.alarms()), (Phase::CreditSent, 0), "no counter lied");
}

/// Of one copy there is one answer, whatever the counter's refusals are worth.
#[test]
fn two_answers_to_one_copy_are_a_contradiction() {
    let mut stage = Stage::new(fickle());
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let RequestOutcome::Answered(refused) = answer(&debit, AnswerCode::INSUFFICIENT_FUNDS) else {
        panic!()
    };
    stage.handle(Input::Unasked { speaker: counter("securities"), reply: refused });
    assert_eq!(stage.phase(), Phase::Parked(ParkReason::Contradicted));
}

/// A question that is answered in vain says which session is too old, once nothing leaves any more.
#[test]
fn what_a_session_cannot_prove_a_new_one_is_asked_for() {
    let weak = Profile { dedupes: false, can_fence: false, ..Profile::default() };
    let mut stage = Stage::new(weak);
    let mut told = stage.begin(1);
    stage.durable();
    let (ticket, _) = stage.asked();
    stage.pass(1);
    let lost_at = stage.now.at;
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::LinkLost));
    let (ticket, question) = stage.asked();
    stage.deliver(ticket, found(&question, Finding::NotFound));
    assert!(stage.wanted().is_empty(), "one that began now would be no younger than the copy");
    stage.pass(1);
    let (ticket, question) = stage.asked();
    stage.deliver(ticket, found(&question, Finding::NotFound));
    assert_eq!(stage.wanted(), [(CounterIndex(0), lost_at)]);
    // The new session proves it when the limit has passed, and no other is wanted.
    for facts in &mut stage.world.counters {
        facts.sessions = Some(Sessions::at(stage.now.at));
    }
    stage.pass(1);
    let (ticket, question) = stage.asked();
    stage.deliver(ticket, found(&question, Finding::NotFound));
    assert!(stage.wanted().is_empty(), "there is one");
    stage.pass(61);
    let (ticket, question) = stage.asked();
    stage.deliver(ticket, found(&question, Finding::NotFound));
    assert!(stage.wanted().is_empty());
    while stage.out.iter().any(|output| matches!(output, Output::Write(_))) {
        stage.durable();
    }
    assert!(matches!(told.try_recv(), Ok(WaiterReply::Final(answer)) if answer.body == "refused"));
}

/// A counter that can fence needs no new session, and one that may still get the leg again neither.
#[test]
fn no_session_is_wanted_where_something_else_proves() {
    for profile in [Profile::default(), Profile { can_fence: false, ..Profile::default() }] {
        let mut stage = Stage::new(profile);
        let _told = stage.begin(1);
        stage.durable();
        let (ticket, _) = stage.asked();
        stage.deliver(ticket, RequestOutcome::Unknown(Unclear::LinkLost));
        stage.pass(1);
        let (ticket, question) = stage.asked();
        stage.deliver(ticket, found(&question, Finding::NotFound));
        assert!(stage.wanted().is_empty());
        assert!(matches!(stage.asked().1, Instruction::Debit(_)), "it is sent again");
    }
}

/// Where a fence can prove it, that nothing was found proves nothing, however new the sessions are and
/// however long ago it was sent; and no session is wanted for it.
#[test]
fn what_a_fence_can_prove_a_look_does_not() {
    let fencing = Profile { dedupes: false, in_flight_limit_ms: 1_000, ..Profile::default() };
    let mut stage = Stage::new(fencing);
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, _) = stage.asked();
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::LinkLost));
    for _ in 0..2 {
        stage.pass(5);
        let (ticket, question) = stage.asked();
        stage.deliver(ticket, found(&question, Finding::NotFound));
        let view = stage.shard.view(master(1).sequence).expect("it is open");
        assert_eq!(view.transfer.debit.knowledge, Knowledge::Unknown);
        assert!(stage.wanted().is_empty());
        for facts in &mut stage.world.counters {
            facts.sessions = Some(Sessions::at(stage.now.at));
        }
    }
}

/// The same of one that dedupes: it is sent again, and not given up.
#[test]
fn what_was_looked_for_in_vain_is_sent_again_where_a_fence_could_prove_it() {
    let fencing = Profile { in_flight_limit_ms: 1_000, ..Profile::default() };
    let mut stage = Stage::new(fencing);
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, _) = stage.asked();
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::LinkLost));
    for facts in &mut stage.world.counters {
        facts.sessions = Some(Sessions::at(stage.now.at + Duration::from_millis(1)));
    }
    stage.pass(5);
    let (ticket, question) = stage.asked();
    stage.deliver(ticket, found(&question, Finding::NotFound));
    assert!(matches!(stage.asked().1, Instruction::Debit(_)));
}

/// The first copy of the undoing lies at the counter, the second is refused, the first is done after
/// all: a person is called for the refusal, and what is done is learnt.
#[test]
fn a_reversal_that_is_refused_while_a_copy_is_on_its_way_is_not_taken_for_dead() {
    let mut stage = Stage::new(fickle());
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let (ticket, credit) = stage.asked();
    stage.deliver(ticket, answer(&credit, AnswerCode::NO_SUCH_ACCOUNT));
    let sent = |stage: &mut Stage| {
        while stage.out.iter().any(|output| matches!(output, Output::Write(_))) {
            stage.durable();
        }
        stage.ask()
    };
    let (first, reversal) = sent(&mut stage).expect("it is undone");
    assert!(matches!(reversal, Instruction::Reverse(_)));
    stage.deliver(first, RequestOutcome::Unknown(Unclear::TimedOut));
    stage.pass(1);
    let (second, _) = sent(&mut stage).expect("it is sent again");
    stage.deliver(second, answer(&reversal, AnswerCode::REVERSAL_REFUSED));
    assert_eq!(stage.phase(), Phase::Parked(ParkReason::ReversalRefused));
    let reversal_of = |stage: &Stage| {
        stage.shard.view(master(1).sequence).expect("open").transfer.reversal.knowledge
    };
    assert_eq!(reversal_of(&stage), Knowledge::Unknown);
    let RequestOutcome::Answered(done) = answer(&reversal, AnswerCode::DONE) else { panic!() };
    stage.handle(Input::Unasked { speaker: counter("securities"), reply: done });
    assert_eq!(reversal_of(&stage), Knowledge::Unknown, "a query proves it (rule 3)");
    stage.pass(60);
    let (ticket, question) = sent(&mut stage).expect("it is asked about");
    stage.deliver(ticket, found(&question, Finding::Done));
    assert_eq!(reversal_of(&stage), Knowledge::Done);
    assert_eq!(stage.phase(), Phase::Parked(ParkReason::ReversalRefused), "that is for a person");
}
