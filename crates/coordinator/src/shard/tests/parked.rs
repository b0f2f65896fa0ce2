//! What waits for a person: it says what is proven, ends by itself when all is and nothing is to be
//! sent, and not while somebody has claimed it.

use super::*;
use crate::claimant::MOST_CLAIMS;
use crate::recovery;

impl Stage {
    /// Makes everything durable that is wanted, one after the other.
    fn persist(&mut self) -> Vec<Write> {
        let mut writes = Vec::new();
        while self.out.iter().any(|output| matches!(output, Output::Write(_))) {
            writes.push(self.durable());
        }
        writes
    }

    fn shown(&self, sequence: u64) -> View {
        self.shard.view(master(sequence).sequence).expect("it is open")
    }

    fn phase_of(&self, sequence: u64) -> Phase {
        self.shown(sequence).transfer.phase
    }

    /// Begins a transfer that its counters say nothing about, from the credit on or from the debit on,
    /// until it is parked; and the question that is asked of it then, for ever.
    fn park(&mut self, sequence: u64, role: Role) -> oneshot::Receiver<WaiterReply> {
        let told = self.begin(sequence);
        self.persist();
        let (ticket, debit) = self.asked();
        if role == Role::Credit {
            self.deliver(ticket, answer(&debit, AnswerCode::DONE));
            let (ticket, _credit) = self.asked();
            self.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
        } else {
            self.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
        }
        while !matches!(self.phase_of(sequence), Phase::Parked(_)) {
            match self.ask() {
                Some((ticket, _)) => {
                    self.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
                }
                None => self.pass(1),
            }
        }
        self.persist();
        self.out.clear();
        told
    }

    /// Lets the slow question be asked, and answers it.
    fn answer_slowly(&mut self, sequence: u64, finding: Finding) {
        let (ticket, question) = self.question(sequence);
        self.deliver(ticket, found(&question, finding));
    }

    /// The next question about a transfer; others wait for their answers.
    fn question(&mut self, sequence: u64) -> (Ticket, Instruction) {
        self.pass(60);
        loop {
            let (ticket, question) = self.asked();
            if let Instruction::Query(query) = &question
                && query.serial.sequence == master(sequence).sequence
            {
                return (ticket, question);
            }
        }
    }

    fn claim(&mut self, sequence: u64, who: &str) -> Result<Claimant, DecideRefused> {
        let (done, mut answer) = oneshot::channel();
        let (who, note) = (who.to_owned(), "on the telephone".to_owned());
        self.handle(Input::Claim {
            master: master(sequence),
            who: who.into(),
            note: note.into(),
            done,
        });
        answer.try_recv().expect("an answer")
    }

    fn unclaim(&mut self, sequence: u64, who: &str) -> Result<bool, DecideRefused> {
        let (done, mut answer) = oneshot::channel();
        self.handle(Input::Unclaim { master: master(sequence), who: who.into(), done });
        answer.try_recv().expect("an answer")
    }

    fn resume_proven(&mut self, sequence: u64) -> Result<Outlook, DecideRefused> {
        let (done, mut answer) = oneshot::channel();
        let (who, note) = ("lin".to_owned(), "futures is back".to_owned());
        self.handle(Input::ResumeProven {
            master: master(sequence),
            who: who.into(),
            note: note.into(),
            done,
        });
        answer.try_recv().expect("an answer")
    }

    fn decide(
        &mut self,
        sequence: u64,
        decision: Decision,
    ) -> Result<Option<Claimant>, DecideRefused> {
        let (done, mut answer) = oneshot::channel();
        let (who, note) = ("lin".to_owned(), "seen".to_owned());
        self.handle(Input::Decide {
            master: master(sequence),
            decision,
            who: who.into(),
            note: note.into(),
            done,
        });
        answer.try_recv().expect("an answer")
    }

    fn alarms_of(&self, kind: Kind) -> usize {
        let of_kind =
            |output: &&Output| matches!(output, Output::Alarm { kind: it, .. } if *it == kind);
        self.out.iter().filter(of_kind).count()
    }

    /// The words that people read: why, and what is next.
    fn words(&self, sequence: u64) -> [String; 2] {
        let view = self.shown(sequence);
        [view.reason(), view.next()].map(|words| words.expect("words"))
    }
}

fn ended(writes: &[Write]) -> Option<&store::Outcome> {
    writes.iter().find_map(|write| write.outcome.as_ref())
}

#[test]
fn what_is_proven_while_it_is_parked_ends_it_by_itself_once_that_is_durable() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.park(1, Role::Credit);
    assert_eq!(stage.words(1)[0], "the credit's outcome could not be established");
    stage.answer_slowly(1, Finding::Done);
    assert!(told.try_recv().is_err(), "it is not durable yet");
    let view = stage.shown(1);
    assert_eq!(view.transfer.phase, Phase::Parked(ParkReason::CreditUnresolved), "as it was");
    assert_eq!(view.next().as_deref(), Some("both legs are proven done; it ends by itself"));
    assert_eq!(view.reason().as_deref(), Some("proven: debit done, credit done"));
    let (done, mut refused) = oneshot::channel();
    let (who, note) = ("lin".to_owned(), String::new());
    stage.handle(Input::Claim { master: master(1), who: who.into(), note: note.into(), done });
    assert_eq!(refused.try_recv().expect("an answer"), Err(DecideRefused::Busy));
    let writes = stage.persist();
    let ending = ended(&writes).expect("an end");
    assert_eq!((ending.state, &ending.reason), (store::FinalState::Completed, &None));
    let last = writes.iter().find(|write| write.outcome.is_some()).expect("an end");
    let trail = last.trail.as_ref().expect("a trail");
    assert!(trail.1.contains("all is proven: it ends by itself as completed"), "{}", trail.1);
    assert!(writes.iter().all(|write| write.decision.is_none()), "nobody decided");
    assert!(
        matches!(told.try_recv(), Ok(WaiterReply::Final(rendered)) if rendered.body == "completed")
    );
    assert_eq!((stage.alarms_of(Kind::Resolved), stage.shard.len()), (1, 0));
}

#[test]
fn what_is_to_be_sent_waits_for_a_persons_word_and_says_so() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    stage.answer_slowly(1, Finding::Fenced);
    let [reason, next] = stage.words(1);
    assert_eq!(reason, "proven: debit done, credit never executed");
    assert_eq!(
        next,
        "proven: debit done, credit never executed; the debit is to be returned: resume"
    );
    for _ in 0..100 {
        stage.pass(60);
        assert!(stage.ask().is_none(), "there is nothing to ask, and nothing is sent");
    }
    assert!(ended(&stage.persist()).is_none());
    assert_eq!(stage.decide(1, Decision::Resume), Ok(None));
    stage.persist();
    assert!(matches!(stage.asked().1, Instruction::Reverse(_)));
}

#[test]
fn words_follow_the_evidence() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Debit);
    let asked = "securities is still asked what became of the debit; proven so far: credit never sent; \
                 an operator may decide without it";
    assert_eq!(
        stage.words(1),
        ["the debit's outcome could not be established".to_owned(), asked.to_owned()]
    );
    assert!(stage.claim(1, "lin").is_ok());
    assert_eq!(stage.words(1)[1], format!("{asked}; lin has claimed it"));
    stage.answer_slowly(1, Finding::Done);
    // It is past its deadline: the credit is buried before the debit is returned.
    assert_eq!(stage.words(1)[0], "proven: debit done, credit never sent");
    let next = "futures is still asked what became of the credit; \
                proven so far: debit done, credit never sent; an operator may decide without it; \
                lin has claimed it";
    assert_eq!(stage.words(1)[1], next);
    let _told = stage.park(2, Role::Credit);
    assert!(stage.claim(2, "wang").is_ok());
    stage.answer_slowly(2, Finding::Done);
    assert_eq!(
        stage.words(2),
        [
            "proven: debit done, credit done".to_owned(),
            "both legs are proven done; it ends as completed when wang claims it no longer"
                .to_owned()
        ]
    );
}

#[test]
fn what_is_claimed_does_not_end_until_the_claim_is_over() {
    let mut stage = Stage::new(Profile::default());
    let mut told = stage.park(1, Role::Credit);
    let claimed = stage.claim(1, "lin").expect("claimed");
    assert_eq!(claimed.until - claimed.since, 3_600 * SECOND);
    stage.answer_slowly(1, Finding::Done);
    assert!(ended(&stage.persist()).is_none(), "somebody has claimed it");
    stage.pass(1_800);
    // Said again, it lasts from then on.
    let renewed = stage.claim(1, "lin").expect("renewed");
    assert_eq!(renewed.since, claimed.since);
    assert_eq!(renewed.until, stage.now.wall + 3_600 * SECOND);
    stage.pass(3_599);
    assert!(ended(&stage.persist()).is_none());
    assert!(stage.shown(1).claim.is_some());
    let due = stage.shard.next_timer().expect("a timer");
    assert!(due <= stage.now.at + Duration::from_secs(1), "nothing else need happen");
    stage.pass(1);
    assert!(ended(&stage.persist()).is_some());
    assert!(matches!(told.try_recv(), Ok(WaiterReply::Final(_))));
}

#[test]
fn only_who_has_claimed_it_claims_it_no_longer_and_then_it_ends() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    let claimed = stage.claim(1, "lin").expect("claimed");
    stage.answer_slowly(1, Finding::Done);
    assert_eq!(stage.claim(1, "wang"), Err(DecideRefused::Claimed(claimed.clone())));
    assert_eq!(stage.unclaim(1, "wang"), Err(DecideRefused::Claimed(claimed)));
    assert!(ended(&stage.persist()).is_none());
    assert_eq!(stage.unclaim(1, "lin"), Ok(true));
    assert!(ended(&stage.persist()).is_some());
    assert_eq!(stage.unclaim(1, "lin"), Err(DecideRefused::NotOpen));
}

/// One that is being asked about as its claim ends hears of that with the answer: it is not asked twice.
#[test]
fn a_claim_that_ends_while_it_is_asked_about_asks_nothing_more() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    assert!(stage.claim(1, "lin").is_ok());
    let (ticket, question) = stage.question(1);
    assert_eq!(stage.unclaim(1, "lin"), Ok(true));
    assert!(stage.ask().is_none());
    stage.deliver(ticket, found(&question, Finding::Done));
    assert!(ended(&stage.persist()).is_some());
}

#[test]
fn what_waits_for_a_person_is_listed_until_its_end_is_recorded() {
    let mut stage = Stage::new(Profile::default());
    let mut goes_on = stage.begin(1);
    stage.persist();
    stage.out.clear();
    let _told = [stage.park(3, Role::Credit), stage.park(2, Role::Credit)];
    assert!(stage.claim(3, "lin").is_ok());
    let waiting = |sequence, claimed, ends| Waiting { master: master(sequence), claimed, ends };
    assert_eq!(stage.shard.waiting(), [waiting(2, false, false), waiting(3, true, false)]);
    stage.answer_slowly(2, Finding::Done);
    assert_eq!(stage.shard.waiting(), [waiting(2, false, true), waiting(3, true, false)]);
    stage.persist();
    assert_eq!(stage.shard.waiting(), [waiting(3, true, false)]);
    assert!(goes_on.try_recv().is_err(), "it needs nobody");
}

/// What a counter says late or unasked is written down where it is news: where something is learned, or
/// contradicted.
#[test]
fn what_is_said_unasked_is_written_down_where_it_is_news() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    let credit = stage.shard.open[&1].transfer.posting(Role::Credit);
    let says = |stage: &mut Stage, code| {
        let RequestOutcome::Answered(reply) = answer(&credit, code) else { unreachable!() };
        stage.handle(Input::Unasked { speaker: counter("futures"), reply });
        let parts = stage.persist().into_iter().filter_map(|write| write.trail);
        let mut news: String = parts.map(|(_, part)| part).collect();
        // What leads to no more is written with what comes next.
        let record = stage.shard.open.get_mut(&1).expect("it is open");
        news += &crate::trail::parts(&std::mem::take(&mut record.pending)).join("");
        news.matches("(late or unasked)").count()
    };
    assert_eq!(says(&mut stage, AnswerCode::NO_SUCH_ACCOUNT), 1, "it is learned");
    assert_eq!(says(&mut stage, AnswerCode::NO_SUCH_ACCOUNT), 0, "it is known");
    assert_eq!(says(&mut stage, AnswerCode::DONE), 1, "it is contradicted");
    assert_eq!(says(&mut stage, AnswerCode::DONE), 1, "it is contradicted again");
    assert_eq!(stage.phase_of(1), Phase::Parked(ParkReason::Contradicted));
}

#[test]
fn a_claim_is_of_what_waits_for_a_person_and_a_decision_ends_it() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    stage.persist();
    stage.out.clear();
    assert_eq!(stage.claim(1, "lin"), Err(DecideRefused::Illegal(Illegal::NotParked)));
    assert_eq!(stage.claim(7, "lin"), Err(DecideRefused::NotOpen));
    let _told = stage.park(2, Role::Credit);
    assert_eq!(stage.unclaim(2, "lin"), Ok(false), "nobody had");
    assert!(stage.claim(2, "lin").is_ok());
    assert!(matches!(stage.decide(2, Decision::Refused), Err(DecideRefused::Illegal(_))));
    assert!(stage.shown(2).claim.is_some(), "what was not taken ends nothing");
    let ended = stage.decide(2, Decision::Resume).expect("taken");
    assert_eq!(ended.map(|claimant| claimant.who), Some("lin".into()));
    stage.persist();
    assert!(stage.shown(2).claim.is_none());
    assert_eq!(stage.shard.claims.next(), None);
}

/// Slow asking goes on while something is not known, and no longer: a person decides, and no counter is
/// asked meanwhile.
#[test]
fn what_is_known_as_far_as_it_can_be_is_asked_about_no_more() {
    for (reversal, is_asked) in [(Knowledge::Refused, false), (Knowledge::Unknown, true)] {
        let mut stage = Stage::new(Profile::default());
        let new = stage.new_transfer(1);
        let mut transfer = Transfer::accepted(intent(&new));
        transfer.phase = Phase::Parked(ParkReason::ReversalRefused);
        transfer.debit.knowledge = Knowledge::Done;
        transfer.credit.knowledge = Knowledge::NotExecuted;
        transfer.reversal.knowledge = reversal;
        let transfer = Box::new(transfer);
        let (updated_at, next_part) = (0, 0);
        stage.handle(Input::Recovered { new, transfer, updated_at, next_part, left_alone: false });
        stage.persist();
        assert_eq!(stage.ask().is_some(), is_asked, "{reversal:?}");
        assert_eq!(stage.shard.next_timer(), None, "{reversal:?}");
    }
}

/// A record that is behind fences nothing, and looks in vain; a new session is wanted only where it can
/// prove something.
#[test]
fn while_the_record_is_behind_sessions_are_wanted_only_of_counters_that_cannot_fence() {
    for can_fence in [true, false] {
        let mut stage = Stage::new(Profile { can_fence, ..Profile::default() });
        let _told = stage.park(1, Role::Debit);
        stage.world.behind = true;
        stage.answer_slowly(1, Finding::NotFound);
        assert!(matches!(stage.phase_of(1), Phase::Parked(_)));
        let wanted = stage.out.iter().any(|output| matches!(output, Output::NewSessions { .. }));
        assert_eq!(wanted, !can_fence, "can fence: {can_fence}");
    }
}

#[test]
fn claims_are_bounded_and_the_end_of_one_makes_room() {
    let mut stage = Stage::new(Profile::default());
    let count = u64::try_from(MOST_CLAIMS).expect("small") + 1;
    for sequence in 1..=count {
        let new = stage.new_transfer(sequence);
        let mut transfer = Transfer::accepted(intent(&new));
        transfer.phase = Phase::Parked(ParkReason::Contradicted);
        let transfer = Box::new(transfer);
        let (updated_at, next_part) = (0, 0);
        stage.handle(Input::Recovered { new, transfer, updated_at, next_part, left_alone: false });
    }
    for sequence in 1..count {
        assert!(stage.claim(sequence, "lin").is_ok(), "{sequence}");
        assert!(stage.claim(sequence, "lin").is_ok(), "saying it again takes no more room");
    }
    assert_eq!(stage.claim(count, "lin"), Err(DecideRefused::TooManyClaims));
    assert!(stage.claim(1, "lin").is_ok(), "one that is in force is renewed");
    assert_eq!(stage.unclaim(7, "lin"), Ok(true));
    assert!(stage.claim(count, "lin").is_ok());
    stage.pass(3_600);
    assert_eq!(stage.shard.claims.next(), None, "all are over");
}

#[test]
fn all_that_is_proven_is_resumed_and_nothing_else() {
    let mut stage = Stage::new(Profile::default());
    // 1: the credit is dead. 2: the same, and claimed. 3: nothing is known. 4: contradicted.
    for sequence in 1..=4 {
        let _told = stage.park(sequence, Role::Credit);
        match sequence {
            1 | 2 | 4 => stage.answer_slowly(sequence, Finding::Fenced),
            _ => {}
        }
        if sequence == 4 {
            let RequestOutcome::Answered(reply) =
                answer(&stage.shard.open[&4].transfer.posting(Role::Credit), AnswerCode::DONE)
            else {
                panic!()
            };
            stage.handle(Input::Unasked { speaker: counter("futures"), reply });
            assert_eq!(stage.phase_of(4), Phase::Parked(ParkReason::Contradicted));
        }
        stage.persist();
        stage.out.clear();
    }
    assert!(stage.claim(2, "wang").is_ok());
    let numbers = |views: &[View]| -> Vec<u64> {
        views.iter().map(|view| view.transfer.intent.master.sequence.number()).collect()
    };
    let (views, total) = stage.shard.proven(9);
    assert_eq!((numbers(&views), total), (vec![1], 1));
    assert!(matches!(stage.resume_proven(2), Err(DecideRefused::Claimed(_))));
    assert_eq!(stage.resume_proven(3), Err(DecideRefused::NotProven));
    assert_eq!(stage.resume_proven(4), Err(DecideRefused::NotProven));
    assert_eq!(stage.resume_proven(5), Err(DecideRefused::NotOpen));
    assert!(stage.ask().is_none(), "none of them was touched");
    assert_eq!(stage.resume_proven(1), Ok(Outlook::Sends(Role::Reversal)));
    assert!(stage.ask().is_none(), "the intent is durable first");
    let decisions: Vec<_> =
        stage.persist().into_iter().filter_map(|write| write.decision).collect();
    assert_eq!((decisions.len(), decisions[0].decision.as_str()), (1, "resume"));
    assert!(matches!(stage.asked().1, Instruction::Reverse(_)));
    assert_eq!(stage.unclaim(2, "wang"), Ok(true));
    assert_eq!(numbers(&stage.shard.proven(9).0), [2]);
    assert_eq!((stage.shard.proven(0).0.len(), stage.shard.proven(0).1), (0, 1));
}

/// A counter that answers beside the point, or contradicts itself, keeps nobody from being asked about
/// the other leg.
#[test]
fn a_parked_transfer_is_asked_about_on_whatever_was_answered() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Debit);
    let (ticket, _question) = stage.question(1);
    // A word about a reversal that was never asked for, in place of the answer.
    let reversal = stage.shard.open[&1].transfer.posting(Role::Reversal);
    stage.deliver(ticket, answer(&reversal, AnswerCode::INSUFFICIENT_FUNDS));
    let (ticket, question) = stage.question(1);
    stage.deliver(ticket, found(&question, Finding::Done));
    // Past its deadline the credit is to be asked about before anything else.
    assert!(matches!(stage.phase_of(1), Phase::Parked(ParkReason::DebitUnresolved)));

    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Credit);
    let debit = stage.shard.open[&1].transfer.posting(Role::Debit);
    let RequestOutcome::Answered(reply) = answer(&debit, AnswerCode::INSUFFICIENT_FUNDS) else {
        panic!()
    };
    let (ticket, _question) = stage.question(1);
    stage.handle(Input::Unasked { speaker: counter("securities"), reply });
    assert_eq!(stage.phase_of(1), Phase::Parked(ParkReason::Contradicted));
    assert_eq!(stage.alarms_of(Kind::NeedsOperator), 1, "it waits for another reason now");
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    let (_, question) = stage.question(1);
    assert!(matches!(question, Instruction::Query(query) if query.serial.role == Role::Credit));
}

/// The deadline passed while nothing happened to it: whoever resumes sends nothing that is too late.
#[test]
fn a_decision_past_the_deadline_begins_nothing_new() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.park(1, Role::Debit);
    let (ticket, question) = loop {
        match stage.ask() {
            Some(asked) => break asked,
            None => stage.pass(1),
        }
    };
    stage.deliver(ticket, found(&question, Finding::Done));
    stage.persist();
    stage.now.wall += 120 * SECOND;
    stage.now.at += Duration::from_mins(2);
    assert_eq!(stage.decide(1, Decision::Resume), Ok(None));
    stage.persist();
    match stage.asked().1 {
        Instruction::Query(query) => {
            assert_eq!((query.serial.role, query.look), (Role::Credit, Look::Fence));
        }
        other => panic!("{other:?}"),
    }
}

/// A claim is forgotten by a restart, what was proven is not.
#[test]
fn what_was_proven_and_claimed_ends_after_a_restart() {
    let (mut stage, mut memory) =
        (Stage::new(Profile::default()), store::memory::Memory::default());
    let new = stage.new_transfer(1);
    let (waiter, _told) = oneshot::channel();
    stage.handle(Input::Begin { new: new.clone(), waiter });
    stage.record(&mut memory);
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let (ticket, _credit) = stage.asked();
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    while !matches!(stage.phase_of(1), Phase::Parked(_)) {
        match stage.ask() {
            Some((ticket, _)) => stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut)),
            None => stage.pass(1),
        }
    }
    assert!(stage.claim(1, "lin").is_ok());
    stage.answer_slowly(1, Finding::Done);
    stage.record(&mut memory);
    assert_eq!(stage.shard.len(), 1, "it is claimed");
    let mut next = Stage::new(Profile::default());
    next.now = stage.now;
    next.handle(recovery::taken_up(new, &memory.trail(master(1)), Tail::Whole));
    next.pass(60);
    next.record(&mut memory);
    assert!(next.shard.is_empty(), "it has ended");
}

/// Found by seed 700037075: what followed from its deadline was lost to a decision that nobody may make
/// of a transfer that needs no person, and it stood for ever.
#[test]
fn a_decision_about_what_needs_no_person_changes_nothing_at_its_deadline_either() {
    let mut stage = Stage::new(Profile::default());
    let _told = stage.begin(1);
    stage.persist();
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    let (ticket, _credit) = stage.asked();
    stage.deliver(ticket, RequestOutcome::NotSent(NotSent::Down));
    stage.persist();
    let before = stage.shown(1);
    // The time of its deadline has come, and its own timer has not run out yet.
    stage.now.at += Duration::from_hours(1);
    for decision in Decision::ALL {
        let refused = stage.decide(1, decision);
        assert!(matches!(refused, Err(DecideRefused::Illegal(Illegal::NotParked))), "{refused:?}");
        assert_eq!(stage.shown(1).transfer, before.transfer);
    }
    stage.pass(1);
    let (_, question) = stage.asked();
    assert!(
        matches!(question, Instruction::Query(Query { look: Look::Fence, .. })),
        "{question:?}"
    );
}
