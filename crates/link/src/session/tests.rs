//! The conversation as data: no bytes, no sockets, no waiting.

use super::*;
use crate::testing::{Asks, GoodCounter, asks, at, at_ms, reply, serial, setup};
use crate::timers::Timers;
use domain::message::Reply;
use domain::message::{AccountId, Instruction};
use domain::profile::Profile;
use foreign::ForeignText;
use port::{RequestOutcome, Unclear};
use tokio::time::Instant;
use wire::payload::Payload;

mod days;
mod leaving;
use domain::message::Severity;
use wire::codec::Malformed;
use wire::conversation::{Conversation, RejectReason, Rejected};

/// A session, what outlives it, and a counter to talk to.
struct Talk {
    session: Session,
    send_queue: SendQueue,
    asks: Asks,
    counter: GoodCounter,
}

fn talk_with(setup: Setup, counter: GoodCounter, send_queue: SendQueue, now: Instant) -> Talk {
    let until = now + setup.timers.sign_on;
    let session = Session::dial(Arc::new(setup), 0, [1; 32], now, until);
    Talk { session, send_queue, asks: asks(), counter }
}

fn talk() -> Talk {
    talk_with(setup(), GoodCounter::default(), SendQueue::new(1), at(0))
}

fn signed_on() -> Talk {
    let mut talk = talk();
    talk.settle(at(0)).expect("a session");
    assert_eq!(talk.session.state(), State::Up);
    talk.session.events().for_each(drop);
    talk
}

impl Talk {
    /// What the session wants to write, all of it handed over.
    fn written(&mut self, now: Instant) -> Vec<Message> {
        let mut written = Vec::new();
        while let Some(outgoing) = self.session.next_outgoing(now, &mut self.send_queue) {
            if let Some(id) = outgoing.request {
                self.session.handed(id);
            }
            written.push(outgoing.message);
        }
        written
    }

    fn hear(&mut self, now: Instant, message: Message) -> Result<(), Cause> {
        self.session.on_message(now, message, &mut self.send_queue)?;
        self.session.advance(now, &self.send_queue)
    }

    /// Lets the counter answer until neither side has anything to say.
    fn settle(&mut self, now: Instant) -> Result<(), Cause> {
        loop {
            let written = self.written(now);
            if written.is_empty() {
                return Ok(());
            }
            for message in written {
                if let Some(answer) = self.counter.answer(message) {
                    self.hear(now, answer)?;
                }
            }
        }
    }

    /// Runs the timers until `until`; what the session wrote by itself.
    fn run(&mut self, until: Instant) -> Result<Vec<Message>, Cause> {
        let mut written = Vec::new();
        while let Some(due) = self.timer().filter(|due| *due <= until) {
            self.send_queue.expire(due);
            self.session.on_timeout(due, &mut self.send_queue, &mut Vec::new())?;
            written.append(&mut self.written(due));
        }
        Ok(written)
    }

    fn timer(&self) -> Option<Instant> {
        [self.session.next_timeout(), self.send_queue.next_timeout()].into_iter().flatten().min()
    }

    /// Asks `count` debits that end at `deadline`, and hands over what may be written now.
    fn ask(&mut self, count: usize, now: Instant, deadline: Instant) -> Vec<RequestId> {
        for _ in 0..count {
            self.send_queue.push(self.asks.debit(deadline));
        }
        requests(&self.written(now))
    }
}

fn requests(messages: &[Message]) -> Vec<RequestId> {
    messages
        .iter()
        .filter_map(|message| match message {
            Message::Payload(Payload::Request(id, _)) => Some(*id),
            _ => None,
        })
        .collect()
}

fn response(id: RequestId, number: u64) -> Message {
    Message::Payload(Payload::Response(id, reply(&crate::testing::debit(number))))
}

#[test]
fn a_sign_on_succeeds_and_tells_where_the_counter_stands() {
    let mut talk = talk();
    assert_eq!(talk.session.state(), State::SigningOn);
    talk.send_queue.push(talk.asks.debit(at(9)));
    let first = talk.written(at(0));
    assert!(
        matches!(first.as_slice(), [Message::Conversation(Conversation::SignOn(_))]),
        "no request before the sign-on"
    );
    let challenge = talk.counter.answer(first[0].clone()).expect("a challenge");
    talk.hear(at(0), challenge).expect("a good challenge");
    talk.settle(at(0)).expect("a session");
    assert_eq!(talk.session.state(), State::Up);
    let events: Vec<Event> = talk.session.events().collect();
    assert_eq!(events, [Event::Opened(None), Event::Standing(crate::testing::day(), true)]);
    assert_eq!(talk.asks.outcomes().len(), 1, "the request was written and answered");
}

#[test]
fn who_cannot_prove_the_key_gets_no_answer() {
    let mut talk = talk();
    talk.counter.key = [8; 32];
    assert_eq!(talk.settle(at(0)), Err(Cause::BadProof));
    assert!(talk.written(at(0)).is_empty(), "our own proof must not leave");
}

#[test]
fn a_sign_on_that_is_not_this_counters_is_refused() {
    let wrong_id = |counter: &mut GoodCounter| counter.state.id = "bank".parse().expect("an id");
    let cannot_fence = |counter: &mut GoodCounter| {
        counter.state.profile = Profile { can_fence: false, ..Profile::default() };
    };
    let mut causes = Vec::new();
    for spoil in [&wrong_id as &dyn Fn(&mut GoodCounter), &cannot_fence] {
        let mut talk = talk();
        spoil(&mut talk.counter);
        let cause = talk.settle(at(0)).expect_err("refused");
        assert_eq!(cause.verdict(), crate::session::cause::Verdict::Rejected);
        causes.push(cause.to_string());
    }
    assert_eq!(
        causes,
        [
            "counter securities is configured, but bank signed on",
            "profile: `can_fence` is configured as true but the counter signed on with false",
        ]
    );
}

#[test]
fn a_rejection_is_told_with_its_reason() {
    for reason in [RejectReason::Version, RejectReason::UnknownParty, RejectReason::AlreadySignedOn]
    {
        let mut talk = talk();
        let text = "x".repeat(1000);
        let cause = talk
            .hear(
                at(0),
                Message::Conversation(Conversation::Rejected(Rejected {
                    reason,
                    text: text.into(),
                })),
            )
            .expect_err("no");
        assert_eq!(cause, Cause::Rejected { reason, text: "x".repeat(200).into() });
    }
}

#[test]
fn a_message_out_of_place_ends_the_conversation() {
    let early =
        talk().hear(at(0), Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 1 })));
    assert_eq!(
        early.expect_err("out of place").to_string(),
        "the counter sent a heartbeat while its challenge was expected"
    );
    let asked = Message::Payload(Payload::Request(RequestId(1), crate::testing::query(1)));
    let cause = signed_on().hear(at(0), asked).expect_err("out of place");
    assert_eq!(cause.to_string(), "the counter sent a request while the session was open");
}

#[test]
fn a_sign_on_has_ten_seconds() {
    let mut talk = talk();
    talk.written(at(0));
    assert_eq!(talk.run(at_ms(9_999)), Ok(vec![]));
    assert_eq!(talk.run(at(10)), Err(Cause::SignOnTimedOut));
}

#[test]
fn a_silent_counter_is_dead_after_17_seconds() {
    let mut talk = signed_on();
    let written = talk.run(at_ms(16_999)).expect("alive");
    assert_eq!(
        written,
        [1, 2].map(|number| Message::Conversation(Conversation::Heartbeat(Heartbeat { number })))
    );
    assert_eq!(talk.session.state(), State::Suspect);
    assert_eq!(talk.run(at(17)), Err(Cause::Unheard(Duration::from_secs(17))));
}

#[test]
fn a_counter_that_only_answers_heartbeats_lives_and_its_day_is_followed() {
    let mut talk = signed_on();
    talk.ask(1, at(0), at(1000));
    let mut standings = Vec::new();
    for second in 0..600 {
        let now = at(second);
        talk.counter.state.open = second < 300;
        for beat in talk.run(now).expect("alive") {
            let ack = talk.counter.answer(beat).expect("an answer");
            talk.hear(now, ack).expect("alive");
        }
        standings
            .extend(talk.session.events().filter(|event| matches!(event, Event::Standing(..))));
    }
    assert_eq!(standings.last(), Some(&Event::Standing(crate::testing::day(), false)));
    assert_eq!(talk.session.in_flight(), 1, "the hanging request is still waited for");
}

#[test]
fn while_suspect_money_waits_and_questions_go() {
    let mut talk = signed_on();
    talk.run(at(12)).expect("alive");
    assert_eq!(talk.session.state(), State::Suspect);
    assert!(talk.ask(1, at(13), at(60)).is_empty());
    talk.send_queue.push(talk.asks.query(at(60)));
    assert_eq!(talk.written(at(13)).len(), 1);
    talk.hear(at(14), Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 1 })))
        .expect("alive");
    assert_eq!(talk.session.state(), State::Up);
    let written = talk.written(at(14));
    assert!(matches!(
        written.as_slice(),
        [
            Message::Conversation(Conversation::HeartbeatAck(_)),
            Message::Payload(Payload::Request(..))
        ]
    ));
}

#[test]
fn the_window_is_the_smallest_of_all_and_keeps_a_share_for_questions() {
    for (configured, declared, bound, money, all) in [
        (256, 256, 256, 240, 256),
        (1000, 1000, 256, 240, 256),
        (64, 256, 256, 60, 64),
        (256, 32, 256, 30, 32),
        (256, 256, 8, 8, 8),
        (0, 256, 256, 1, 1),
    ] {
        let mut setup = setup();
        setup.profile = Arc::new(Profile { max_in_flight: configured, ..Profile::default() });
        setup.bounds.in_flight = bound;
        let mut counter = GoodCounter::default();
        counter.state.profile.max_in_flight = declared;
        let mut talk = talk_with(setup, counter, SendQueue::new(1), at(0));
        talk.settle(at(0)).expect("a session");
        let written = talk.ask(300, at(0), at(9));
        assert_eq!(written.len(), money);
        for _ in 0..300 {
            talk.send_queue.push(talk.asks.query(at(9)));
        }
        talk.written(at(0));
        assert_eq!(talk.session.in_flight(), all);
        talk.hear(at(0), response(written[0], 1)).expect("an answer");
        assert_eq!(talk.written(at(0)).len(), 1, "an answer makes room for one");
    }
}

#[test]
fn deadlines_end_requests_and_late_answers_are_still_handed_out() {
    let mut talk = signed_on();
    let ids = talk.ask(2, at(0), at(2));
    talk.hear(at(1), response(ids[1], 2)).expect("an answer");
    talk.run(at(2)).expect("alive");
    let outcomes = talk.asks.outcomes();
    assert_eq!(outcomes[0].0, 2);
    assert_eq!(outcomes[1], (1, RequestOutcome::Unknown(Unclear::TimedOut)));
    assert_eq!(talk.session.in_flight(), 0);

    talk.session.events().for_each(drop);
    let late = reply(&crate::testing::debit(1));
    for expected in [true, false] {
        talk.hear(at(3), Message::Payload(Payload::Response(ids[0], late.clone()))).expect("alive");
        let events: Vec<Event> = talk.session.events().collect();
        assert_eq!(events, [Event::Unmatched { reply: late.clone(), late: expected }]);
    }
    assert!(talk.asks.outcomes().is_empty(), "an outcome is told once");
    let counts = talk.send_queue.counts;
    assert_eq!((counts.answered, counts.timed_out, counts.late, counts.unmatched), (1, 1, 1, 1));
}

#[test]
fn an_expired_request_is_not_written() {
    let mut talk = signed_on();
    assert!(talk.ask(3, at(5), at(5)).is_empty());
    let expired = RequestOutcome::NotSent(NotSent::Expired);
    assert_eq!(talk.asks.outcomes(), [1, 2, 3].map(|number| (number, expired.clone())));
}

#[test]
fn what_is_not_handed_over_by_its_deadline_is_withdrawn() {
    let mut talk = signed_on();
    for _ in 0..2 {
        talk.send_queue.push(talk.asks.debit(at(2)));
    }
    let first = talk.session.next_outgoing(at(0), &mut talk.send_queue).expect("a request");
    let second = talk.session.next_outgoing(at(0), &mut talk.send_queue).expect("a request");
    talk.session.handed(first.request.expect("an id"));
    let mut unwritten = Vec::new();
    talk.session.on_timeout(at(2), &mut talk.send_queue, &mut unwritten).expect("alive");
    assert_eq!(unwritten, [second.request.expect("an id")]);
    let mut outcomes = talk.asks.outcomes();
    outcomes.sort_by_key(|(number, _)| *number);
    assert_eq!(
        outcomes,
        [
            (1, RequestOutcome::Unknown(Unclear::TimedOut)),
            (2, RequestOutcome::NotSent(NotSent::Expired))
        ]
    );
}

#[test]
fn an_answer_about_something_else_answers_nothing() {
    let account: AccountId = "6200001".parse().expect("an account");
    let balance = Instruction::Balance(domain::message::BalanceQuery {
        account,
        currency: domain::money::Currency::CNY,
    });
    let wrong_serial = reply(&crate::testing::debit(2));
    let wrong_kind = reply(&crate::testing::query(1));
    let other_account = Reply::Balance(domain::message::BalanceReply {
        answer: domain::message::Answer {
            code: domain::message::AnswerCode::DONE,
            text: ForeignText::default(),
        },
        balance: Some(domain::message::Balance {
            account: "6200002".parse().expect("an account"),
            currency: domain::money::Currency::CNY,
            available: 1,
            withdrawable: 1,
        }),
    });
    for (asked, told) in [
        (crate::testing::debit(1), wrong_serial),
        (crate::testing::debit(1), wrong_kind),
        (balance, other_account),
    ] {
        let mut talk = signed_on();
        talk.send_queue.push(talk.asks.queue(asked, at(9)));
        let id = requests(&talk.written(at(0)))[0];
        talk.hear(at(1), Message::Payload(Payload::Response(id, told.clone()))).expect("alive");
        assert_eq!(talk.asks.outcomes(), [(1, RequestOutcome::Unknown(Unclear::BadAnswer))]);
        let events: Vec<Event> = talk.session.events().collect();
        assert_eq!(events, [Event::Unmatched { reply: told, late: false }]);
    }
}

#[test]
fn an_unreadable_answer_ends_its_request_and_five_a_minute_the_session() {
    let malformed = |request, serial| Malformed { request, serial, error: "bad".to_owned() };
    let mut talk = signed_on();
    let ids = talk.ask(2, at(0), at(900));
    let bad = RequestOutcome::Unknown(Unclear::BadAnswer);
    talk.session
        .on_malformed(at(1), malformed(Some(ids[0]), None), &mut talk.send_queue)
        .expect("goes on");
    assert_eq!(talk.asks.outcomes(), [(1, bad.clone())]);
    talk.session
        .on_malformed(at(1), malformed(None, Some(serial(2))), &mut talk.send_queue)
        .expect("goes on");
    assert_eq!(talk.asks.outcomes(), [(2, bad)]);
    for second in [2, 3, 61, 62, 62] {
        talk.session
            .on_malformed(at(second), malformed(None, None), &mut talk.send_queue)
            .expect("goes on");
    }
    let cause = talk
        .session
        .on_malformed(at(62), malformed(None, None), &mut talk.send_queue)
        .expect_err("one too many");
    assert_eq!(cause, Cause::Malformed { count: 5, error: "bad".to_owned() });
    assert_eq!(talk.send_queue.counts.malformed, 8);
}

#[test]
fn a_hundred_thousand_time_outs_leave_nothing_behind() {
    let mut talk = signed_on();
    for round in 0..1_000u64 {
        let now = at(round * 2);
        for _ in 0..100 {
            talk.send_queue.push(talk.asks.debit(now + Duration::from_secs(1)));
        }
        assert_eq!(requests(&talk.written(now)).len(), 100);
        talk.hear(now, Message::Conversation(Conversation::Heartbeat(Heartbeat { number: round })))
            .expect("alive");
        talk.run(now + Duration::from_secs(1)).expect("alive");
        assert_eq!(talk.session.in_flight(), 0);
    }
    assert_eq!(talk.send_queue.counts.timed_out, 100_000);
    assert_eq!(talk.asks.outcomes().len(), 100_000);
    assert_eq!(talk.asks.queued(), 0);
    assert_eq!(talk.session.in_flight.next_timeout(), None);
}

#[test]
fn on_a_drop_only_what_was_handed_over_is_unknown() {
    let mut talk = signed_on();
    talk.ask(1, at(0), at(9));
    talk.send_queue.push(talk.asks.debit(at(9)));
    talk.session.next_outgoing(at(0), &mut talk.send_queue).expect("encoded, not handed over");
    talk.send_queue.push(talk.asks.debit(at(9)));
    talk.session.lose(&mut talk.send_queue);
    let mut outcomes = talk.asks.outcomes();
    outcomes.sort_by_key(|(number, _)| *number);
    assert_eq!(
        outcomes,
        [
            (1, RequestOutcome::Unknown(Unclear::LinkLost)),
            (2, RequestOutcome::NotSent(NotSent::Down)),
            (3, RequestOutcome::NotSent(NotSent::Down)),
        ]
    );
    assert!(talk.send_queue.left_unknown);
}

/// A session after one that left something unknown.
fn syncing() -> Talk {
    let mut send_queue = SendQueue::new(1);
    send_queue.left_unknown = true;
    let mut talk = talk_with(setup(), GoodCounter::default(), send_queue, at(0));
    talk.settle(at(0)).expect("a session");
    assert_eq!(talk.session.state(), State::Syncing);
    talk
}

#[test]
fn after_a_drop_questions_go_before_new_work() {
    let mut talk = syncing();
    talk.send_queue.push(talk.asks.debit(at(60)));
    talk.send_queue.push(talk.asks.query(at(60)));
    let written = talk.written(at(0));
    assert!(matches!(
        written.as_slice(),
        [Message::Payload(Payload::Request(_, Instruction::Query(_)))]
    ));
    talk.run(at(1)).expect("alive");
    assert_eq!(talk.session.state(), State::Syncing, "the question is still open");
    let answer = talk.counter.answer(written[0].clone()).expect("an answer");
    talk.hear(at(1), answer).expect("alive");
    assert!(talk.run(at_ms(1_199)).expect("alive").is_empty());
    let written = talk.run(at_ms(1_200)).expect("alive");
    assert!(matches!(
        written.as_slice(),
        [Message::Payload(Payload::Request(_, Instruction::Debit(_)))]
    ));
    assert_eq!(talk.session.state(), State::Up);
}

#[test]
fn syncing_is_quiet_only_so_long_after_the_last_answer() {
    let mut talk = syncing();
    talk.send_queue.push(talk.asks.query(at(60)));
    let question = talk.written(at(0)).pop().expect("a question");
    let answer = talk.counter.answer(question).expect("an answer");
    talk.hear(at_ms(150), answer).expect("alive");
    talk.run(at_ms(349)).expect("alive");
    assert_eq!(talk.session.state(), State::Syncing, "its asker may have more to ask");
    talk.run(at_ms(350)).expect("alive");
    assert_eq!(talk.session.state(), State::Up);
}

#[test]
fn syncing_ends_by_word_or_after_five_seconds() {
    let mut told = syncing();
    told.session.synced();
    assert_eq!(told.session.state(), State::Up);

    let mut asked = syncing();
    asked.send_queue.push(asked.asks.query(at(60)));
    asked.written(at(0));
    asked.run(at_ms(4_999)).expect("alive");
    assert!(matches!(asked.session.phase, Phase::Syncing { .. }));
    asked.run(at(5)).expect("alive");
    assert!(matches!(asked.session.phase, Phase::Open));

    let mut lost = syncing();
    lost.session.lose(&mut lost.send_queue);
    assert!(lost.send_queue.left_unknown, "the next session asks again");
}

#[test]
fn a_counter_that_writes_but_does_not_read_costs_no_memory() {
    let mut talk = signed_on();
    for number in 1..=100_000 {
        talk.hear(at(0), Message::Conversation(Conversation::Heartbeat(Heartbeat { number })))
            .expect("alive");
    }
    let written = talk.written(at(0));
    assert_eq!(written.len(), OUTGOING_LIMIT);
    let last = HeartbeatAck { number: 100_000, counter: None };
    assert_eq!(written.last(), Some(&Message::Conversation(Conversation::HeartbeatAck(last))));
}

#[test]
fn a_notice_is_handed_out_clipped() {
    let mut talk = signed_on();
    let notice = |count| Notice { severity: Severity::Alarm, text: "x".repeat(count).into() };
    talk.hear(at(0), Message::Conversation(Conversation::Notice(notice(10_000)))).expect("alive");
    assert_eq!(talk.session.events().collect::<Vec<_>>(), [Event::Notice(notice(500))]);
}

#[test]
fn the_smaller_of_two_limits_is_told() {
    let amount = |minor| domain::money::Amount::new(minor).ok();
    let mut counter = GoodCounter::default();
    counter.state.profile.per_transfer_limit = amount(500);
    let mut setup = setup();
    setup.profile = Arc::new(Profile { per_transfer_limit: amount(900), ..Profile::default() });
    let mut talk = talk_with(setup, counter, SendQueue::new(1), at(0));
    talk.settle(at(0)).expect("a session");
    let opened = talk.session.events().next();
    assert_eq!(opened, Some(Event::Opened(amount(500))));
}

#[test]
fn what_nobody_asked_for_is_taken_for_a_while_then_dropped_then_left() {
    let notice = || Notice { severity: Severity::Info, text: "x".into() };
    let mut talk = signed_on();
    talk.session.events().for_each(drop);
    let mut heard = 0;
    let cause = loop {
        match talk.hear(at(0), Message::Conversation(Conversation::Notice(notice()))) {
            Ok(()) => heard += talk.session.events().count(),
            Err(cause) => break cause,
        }
    };
    assert_eq!((heard, cause), (1024, Cause::Flooding { count: 9216 }));
    assert_eq!(talk.send_queue.counts.unmatched_dropped, 8192);

    // A counter that answers everything twice is heard, as far as anybody can look at it.
    let mut talk = signed_on();
    let ids = talk.ask(1, at(0), at(10));
    talk.session.events().for_each(drop);
    talk.hear(at(0), response(ids[0], 1)).expect("an answer");
    for _ in 0..100_000 {
        talk.hear(at(0), response(ids[0], 1)).expect("it is not left for that");
    }
    assert_eq!(talk.session.events().count(), 1024);
    assert_eq!(talk.send_queue.counts.unmatched_dropped, 100_000 - 1024);
}

#[test]
fn what_cannot_be_said_ends_the_request_it_is_of_or_else_the_session() {
    let mut talk = signed_on();
    talk.send_queue.push(talk.asks.debit(at(9)));
    let outgoing = talk.session.next_outgoing(at(0), &mut talk.send_queue).expect("a request");
    let error = || "no such letter".to_owned();
    assert_eq!(talk.session.unsayable(outgoing.request, error()), Ok(()));
    assert_eq!(talk.asks.outcomes(), [(1, RequestOutcome::NotSent(NotSent::Unsayable))]);
    assert_eq!(talk.session.in_flight(), 0);
    assert_eq!(talk.session.unsayable(None, error()), Err(Cause::Unsayable(error())));
}

#[test]
fn a_session_with_nothing_to_say_or_to_tell_holds_no_memory_for_it() {
    let mut talk = signed_on();
    talk.session.probe(at(1));
    let notice = Notice { severity: Severity::Info, text: "x".into() };
    talk.hear(at(1), Message::Conversation(Conversation::Notice(notice))).expect("alive");
    talk.session.shrink();
    assert_eq!((talk.session.outgoing.len(), talk.session.events.len()), (1, 1));
    talk.written(at(1));
    talk.session.events().for_each(drop);
    talk.session.shrink();
    assert_eq!((talk.session.outgoing.capacity(), talk.session.events.capacity()), (0, 0));
}
