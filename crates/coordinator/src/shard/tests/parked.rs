//! What waits for a person: it says what is proven, ends by itself when all is and nothing is to be
//! sent, and not while somebody has claimed it.

use super::*;

impl Stage {
    /// Makes everything durable that is wanted, one after the other.
    pub(super) fn persist(&mut self) -> Vec<Write> {
        let mut writes = Vec::new();
        while self.out.iter().any(|output| matches!(output, Output::Write(_))) {
            writes.push(self.durable());
        }
        writes
    }

    pub(super) fn shown(&self, sequence: u64) -> View {
        self.shard.view(master(sequence).sequence).expect("it is open")
    }

    pub(super) fn phase_of(&self, sequence: u64) -> Phase {
        self.shown(sequence).transfer.phase
    }

    /// Begins a transfer that its counters say nothing about, from the credit on or from the debit on,
    /// until it is parked; and the question that is asked of it then, for ever.
    pub(super) fn park(&mut self, sequence: u64, role: Role) -> oneshot::Receiver<WaiterReply> {
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
    pub(super) fn answer_slowly(&mut self, sequence: u64, finding: Finding) {
        let (ticket, question) = self.question(sequence);
        self.deliver(ticket, found(&question, finding));
    }

    /// The next question about a transfer; others wait for their answers.
    pub(super) fn question(&mut self, sequence: u64) -> (Ticket, Instruction) {
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

    pub(super) fn alarms_of(&self, kind: Kind) -> usize {
        let of_kind =
            |output: &&Output| matches!(output, Output::Alarm { kind: it, .. } if *it == kind);
        self.out.iter().filter(of_kind).count()
    }

    /// The words that people read: why, and what is next.
    pub(super) fn words(&self, sequence: u64) -> [String; 2] {
        let view = self.shown(sequence);
        [view.reason(), view.next()].map(|words| words.expect("words"))
    }
}

pub(super) fn ended(writes: &[Write]) -> Option<&store::Outcome> {
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
    let claim = Said::Claim { note: "on the telephone".into() };
    assert_eq!(stage.hears(1, "lin", claim), Err(PersonRefused::Busy));
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
    assert_eq!(stage.decide(1, Decision::Resume), Ok(()));
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
fn what_waits_for_a_person_is_listed_until_its_end_is_recorded() {
    let mut stage = Stage::new(Profile::default());
    let mut goes_on = stage.begin(1);
    stage.persist();
    stage.out.clear();
    let _told = [stage.park(3, Role::Credit), stage.park(2, Role::Credit)];
    assert!(stage.claim(3, "lin").is_ok());
    let waiting = |sequence, dealt, ends| Waiting { master: master(sequence), dealt, ends };
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
        let (left_alone, dealing) = (false, Dealing::Nobody);
        stage.handle(Input::Recovered {
            new,
            transfer,
            updated_at,
            next_part,
            left_alone,
            dealing,
        });
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
