//! The wall clock is stepped while transfers are open: nothing is believed, begun or put off by it.

use super::*;

const HOUR: i64 = 3_600 * SECOND;

/// A counter that only time can prove something of.
fn weak() -> Profile {
    Profile { can_fence: false, dedupes: false, in_flight_limit_ms: 60_000, ..Profile::default() }
}

impl Stage {
    /// The same, with all the patience there is.
    fn patient(profile: Profile) -> Stage {
        let mut stage = Stage::new(profile);
        let config = Config { patience: u16::MAX, ..Config::default() };
        stage.shard = Shard::new(config, stage.shard.render, 7);
        stage
    }

    /// Makes durable what is to be.
    fn settle(&mut self) {
        while self.out.iter().any(|output| matches!(output, Output::Write(_))) {
            self.durable();
        }
    }

    /// Answers every question about the credit: there is no trace of it. How long it takes from now
    /// on until that proves that it never ran.
    fn dead_after(&mut self) -> Duration {
        let from = self.now.at;
        while self.credit() == Knowledge::Unknown {
            self.settle();
            match self.ask() {
                Some((ticket, question)) => {
                    self.deliver(ticket, found(&question, Finding::NotFound));
                }
                None => self.pass(1),
            }
            assert!(self.now.at - from < Duration::from_hours(1), "nothing is asked any more");
        }
        assert_eq!(self.credit(), Knowledge::NotExecuted);
        self.now.at - from
    }

    /// Until the credit was sent and its answer is lost.
    fn lose_credit(&mut self) -> NewTransfer {
        self.begin(1);
        let new = self.durable().accept.expect("an acceptance");
        let (ticket, debit) = self.asked();
        self.deliver(ticket, answer(&debit, AnswerCode::DONE));
        self.settle();
        let (ticket, credit) = self.asked();
        assert!(matches!(credit, Instruction::Credit(_)));
        self.pass(10);
        self.deliver(ticket, RequestOutcome::Unknown(Unclear::LinkLost));
        self.settle();
        new
    }

    fn sign_on_again(&mut self) {
        self.now.at += Duration::from_millis(1);
        for facts in &mut self.world.counters {
            facts.sessions = Some(Sessions::at(self.now.at));
        }
        self.handle(Input::SessionBegan(CounterIndex(1)));
    }

    fn credit(&self) -> Knowledge {
        let view = self.shard.view(master(1).sequence).expect("it is open");
        view.transfer.credit.knowledge
    }
}

/// The counter's limit and the longest pause between two questions.
fn is_right(took: Duration) -> bool {
    (Duration::from_mins(1)..Duration::from_secs(92)).contains(&took)
}

/// The limit begins when the request has reached the counter: here ten seconds after it was handed
/// to the link, in whose queue it may have waited so long.
#[test]
fn a_stepped_clock_makes_no_not_found_count_early_or_late() {
    for step in [-10 * HOUR, -SECOND, 0, 30 * SECOND, HOUR] {
        let mut stage = Stage::patient(weak());
        stage.lose_credit();
        stage.sign_on_again();
        stage.now.wall += step;
        let took = stage.dead_after();
        assert!(is_right(took), "step {step}: {took:?}");
    }
}

/// Nobody knows any more when it was sent, and the clock that is recorded may have been stepped.
#[test]
fn after_a_restart_the_whole_limit_is_waited_from_there() {
    for step in [-10 * HOUR, 0, 10 * HOUR] {
        let mut stage = Stage::patient(weak());
        let new = stage.lose_credit();
        let (wall, at) = (stage.now.wall + step, stage.now.at + Duration::from_secs(30));
        let mut stage = Stage::patient(weak());
        stage.now = Now { wall, at };
        for facts in &mut stage.world.counters {
            facts.sessions = None;
        }
        let mut transfer = Transfer::accepted(intent(&new));
        transfer.phase = Phase::CreditAsking;
        transfer.debit.knowledge = Knowledge::Done;
        transfer.credit.knowledge = Knowledge::Unknown;
        transfer.credit.sent = 2;
        let transfer = Box::new(transfer);
        stage.handle(Input::Recovered {
            new,
            transfer,
            updated_at: 0,
            next_part: 9,
            left_alone: false,
            dealing: Dealing::Nobody,
        });
        stage.sign_on_again();
        let took = stage.dead_after();
        assert!(is_right(took), "step {step}: {took:?}");
    }
}

#[test]
fn a_deadline_passes_when_it_should_whatever_the_clock_says() {
    for step in [-HOUR, HOUR] {
        let mut stage = Stage::patient(Profile::default());
        let mut told = stage.begin(1);
        stage.durable();
        let (ticket, _) = stage.asked();
        stage.now.wall += step;
        stage.deliver(ticket, RequestOutcome::NotSent(NotSent::Down));
        for _ in 0..59 {
            while let Some((ticket, _)) = stage.ask() {
                stage.deliver(ticket, RequestOutcome::NotSent(NotSent::Down));
            }
            stage.pass(1);
        }
        stage.settle();
        assert!(told.try_recv().is_err(), "step {step}: before its deadline it is tried again");
        while let Some((ticket, _)) = stage.ask() {
            stage.deliver(ticket, RequestOutcome::NotSent(NotSent::Down));
        }
        stage.pass(1);
        stage.settle();
        assert!(
            matches!(told.try_recv(), Ok(WaiterReply::Final(rendered)) if rendered.body == "refused"),
            "step {step}: past its deadline nothing is begun"
        );
    }
}

/// What was on its way may have come in with the end of the old connection: the counter's limit
/// begins when the session does over which it is asked.
#[test]
fn a_young_session_proves_nothing() {
    let mut stage = Stage::patient(weak());
    stage.lose_credit();
    // The network held the credit up for five minutes, and then let in the new session too.
    stage.now.at += Duration::from_mins(5);
    stage.sign_on_again();
    let took = stage.dead_after();
    assert!(is_right(took), "{took:?}");
}

/// A moment too early it is looked at, and what is not found may still come.
#[test]
fn the_limit_has_passed_when_it_is_over_and_not_before() {
    let mut stage = Stage::patient(Profile { in_flight_limit_ms: 20_000, ..weak() });
    stage.lose_credit();
    stage.sign_on_again();
    let began = stage.now.at;
    let limit = Duration::from_secs(20);
    for (after, settled) in
        [(Duration::ZERO, false), (limit, false), (limit + Duration::from_nanos(1), true)]
    {
        while let Some((ticket, question)) = stage.ask() {
            stage.deliver(ticket, found(&question, Finding::NotFound));
            stage.settle();
        }
        assert_eq!(stage.credit(), Knowledge::Unknown, "before {after:?}");
        stage.now.at = began + after;
        stage.handle(Input::SessionBegan(CounterIndex(1)));
        stage.settle();
        let (ticket, question) = stage.asked();
        stage.deliver(ticket, found(&question, Finding::NotFound));
        stage.settle();
        assert_eq!(stage.credit() == Knowledge::NotExecuted, settled, "after {after:?}");
    }
}

#[test]
fn past_its_deadline_it_is_asked_about_no_faster() {
    let mut stage = Stage::patient(Profile::default());
    let _told = stage.begin(1);
    stage.durable();
    let (ticket, _) = stage.asked();
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    let (ticket, _) = stage.asked();
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    stage.pass(60);
    let (ticket, fence) = stage.asked();
    assert!(matches!(fence, Instruction::Query(Query { look: Look::Fence, .. })));
    stage.deliver(ticket, RequestOutcome::Unknown(Unclear::TimedOut));
    assert!(stage.shard.next_timer().expect("it pauses") > stage.now.at);
}

/// Past a transfer's deadline not a byte of a debit or a credit leaves; undoing has all the time there is.
#[test]
fn nothing_but_an_undoing_may_leave_past_the_deadline() {
    let mut stage = Stage::new(Profile::default());
    let config = Config { posting_deadline: Duration::from_secs(30), ..Config::default() };
    stage.shard = Shard::new(config, stage.shard.render, 7);
    let within = |stage: &Stage| -> Vec<u64> {
        let within = stage.out.iter().filter_map(|output| match output {
            Output::Ask { within, .. } => Some(within.as_secs()),
            _ => None,
        });
        within.collect()
    };
    let _told = stage.begin(1);
    stage.durable();
    assert_eq!(within(&stage), [30]);
    let (ticket, _) = stage.asked();
    stage.deliver(ticket, RequestOutcome::NotSent(NotSent::Down));
    stage.pass(50);
    assert_eq!(within(&stage), [10]);
    let (ticket, debit) = stage.asked();
    stage.deliver(ticket, answer(&debit, AnswerCode::DONE));
    stage.settle();
    assert_eq!(within(&stage), [10]);
    let (ticket, credit) = stage.asked();
    stage.deliver(ticket, answer(&credit, AnswerCode::NO_SUCH_ACCOUNT));
    stage.settle();
    assert!(matches!(
        stage.out.iter().find(|out| matches!(out, Output::Ask { .. })),
        Some(Output::Ask { instruction: Instruction::Reverse(_), .. })
    ));
    assert_eq!(within(&stage), [30]);
}
