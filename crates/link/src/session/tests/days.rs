//! The counter's day: how it is learnt, and what a refusal for its sake waits for.

use super::*;
use wire::conversation::Conversation;
use wire::payload::Payload;

/// A refusal because the day is over, for one that the counter has read.
fn closed(id: RequestId, number: u64) -> Message {
    let Reply::Posting(mut refused) = reply(&crate::testing::debit(number)) else {
        unreachable!("a posting's answer")
    };
    refused.answer.code = domain::message::AnswerCode::CLOSED;
    Message::Payload(Payload::Response(id, Reply::Posting(refused)))
}

fn tomorrow() -> domain::serial::Day {
    domain::serial::Day::from_unix_days(crate::testing::day().unix_days() + 1)
}

#[test]
fn a_refusal_for_the_days_sake_is_told_behind_the_day() {
    let mut talk = signed_on();
    let ids = talk.ask(3, at(0), at(10));
    talk.session.events().for_each(drop);
    for (id, number) in ids.iter().zip(1..) {
        talk.hear(at(0), closed(*id, number)).expect("alive");
    }
    talk.session.hand_out();
    assert!(talk.asks.outcomes().is_empty(), "the counter is asked first");
    assert_eq!(talk.session.in_flight(), 3, "what waits keeps its place in the window");
    let beats = talk.written(at(0));
    assert!(
        matches!(beats.as_slice(), [Message::Conversation(Conversation::Heartbeat(_))]),
        "one question for all: {beats:?}"
    );

    talk.counter.state.settle_day = tomorrow();
    let ack = talk.counter.answer(beats[0].clone()).expect("an answer");
    talk.hear(at(0), ack).expect("alive");
    assert!(talk.asks.outcomes().is_empty(), "not before everybody can see the day");
    let standing = talk.session.events().find(|event| matches!(event, Event::Standing(..)));
    assert_eq!(standing, Some(Event::Standing(tomorrow(), true)));
    talk.session.hand_out();
    let told: Vec<u64> = talk.asks.outcomes().into_iter().map(|(number, _)| number).collect();
    assert_eq!(told, [1, 2, 3]);
    assert_eq!(talk.session.in_flight(), 0);
}

#[test]
fn without_heartbeats_the_day_is_asked_for_too() {
    let mut setup = setup();
    setup.timers = Arc::new(Timers { heartbeat_s: 0, ..Timers::default() });
    let mut talk = talk_with(setup, GoodCounter::default(), SendQueue::new(1), at(0));
    talk.settle(at(0)).expect("a session");
    let ids = talk.ask(1, at(0), at(10));
    talk.hear(at(0), closed(ids[0], 1)).expect("alive");
    assert!(matches!(
        talk.written(at(0)).as_slice(),
        [Message::Conversation(Conversation::Heartbeat(_))]
    ));
}

#[test]
fn an_answer_of_an_earlier_heartbeat_says_nothing_about_the_day_now() {
    let mut talk = signed_on();
    let early = talk.run(at(8)).expect("alive");
    let ids = talk.ask(1, at(8), at(20));
    talk.hear(at(8), closed(ids[0], 1)).expect("alive");
    let ack = talk.counter.answer(early[0].clone()).expect("an answer");
    talk.hear(at(8), ack).expect("alive");
    talk.session.hand_out();
    assert!(talk.asks.outcomes().is_empty(), "it may have been written before the cut-over");
}

#[test]
fn a_refusal_does_not_wait_for_a_counter_that_does_not_say_its_day() {
    let mut talk = signed_on();
    let ids = talk.ask(1, at(0), at(10));
    talk.hear(at(0), closed(ids[0], 1)).expect("alive");
    talk.written(at(0));
    talk.run(at_ms(1_999)).expect("alive");
    talk.session.hand_out();
    assert!(talk.asks.outcomes().is_empty(), "it still may");
    talk.run(at(2)).expect("alive");
    talk.session.hand_out();
    assert!(matches!(talk.asks.outcomes().as_slice(), [(1, RequestOutcome::Answered(_))]));
}

#[test]
fn a_refusal_that_waits_is_told_when_the_connection_ends() {
    let mut talk = signed_on();
    let ids = talk.ask(2, at(0), at(10));
    talk.hear(at(0), closed(ids[0], 1)).expect("alive");
    talk.session.lose(&mut talk.send_queue);
    let told = talk.asks.outcomes();
    assert!(
        told.iter()
            .any(|(number, told)| *number == 1 && matches!(told, RequestOutcome::Answered(_)))
    );
    let mut talk = signed_on();
    let ids = talk.ask(1, at(0), at(10));
    talk.hear(at(0), closed(ids[0], 1)).expect("alive");
    talk.session.stop(at(0), &mut talk.send_queue).expect("in order");
    talk.session.hand_out();
    assert_eq!(talk.asks.outcomes().len(), 1, "a stop does not wait for a day");
}

#[test]
fn a_later_day_in_any_answer_makes_the_bridge_ask_once() {
    let mut talk = signed_on();
    let ids = talk.ask(2, at(0), at(10));
    for (id, number) in ids.iter().zip(1..) {
        let Reply::Posting(mut done) = reply(&crate::testing::debit(number)) else {
            unreachable!("a posting's answer")
        };
        done.posted = Some(crate::testing::posted(tomorrow()));
        talk.hear(at(0), Message::Payload(Payload::Response(*id, Reply::Posting(done))))
            .expect("alive");
        let written = talk.written(at(0));
        assert_eq!(written.len(), usize::from(number == 1), "{written:?}");
    }
    assert_eq!(talk.asks.outcomes().len(), 2, "neither waits");
}

#[test]
fn a_refusal_behind_a_question_that_has_left_asks_anew() {
    let mut talk = signed_on();
    let ids = talk.ask(2, at(0), at(10));
    let mut beats = Vec::new();
    for (id, number) in ids.iter().zip(1..) {
        talk.hear(at(0), closed(*id, number)).expect("alive");
        beats.push(talk.written(at(0)).pop().expect("a question"));
    }
    for (number, beat) in (1..).zip(beats) {
        let ack = talk.counter.answer(beat).expect("an answer");
        talk.hear(at(0), ack).expect("alive");
        talk.session.hand_out();
        let told: Vec<u64> = talk.asks.outcomes().into_iter().map(|(number, _)| number).collect();
        assert_eq!(told, [number], "each waits for the answer to its own question");
    }
}

#[test]
fn a_refusal_by_a_counter_that_is_being_left_is_told_at_once() {
    let mut talk = signed_on();
    let ids = talk.ask(1, at(0), at(10));
    talk.session.stop(at(0), &mut talk.send_queue).expect("in order");
    talk.hear(at(0), closed(ids[0], 1)).expect("alive");
    assert!(matches!(talk.asks.outcomes().as_slice(), [(1, RequestOutcome::Answered(_))]));
    let written = talk.written(at(0));
    assert!(
        matches!(written.as_slice(), [Message::Conversation(Conversation::SignOff(_))]),
        "nobody asks: {written:?}"
    );
}

#[test]
fn a_refusal_that_waits_is_told_even_by_a_session_that_is_dropped() {
    let mut talk = signed_on();
    let ids = talk.ask(1, at(0), at(10));
    talk.hear(at(0), closed(ids[0], 1)).expect("alive");
    let Talk { session, mut asks, .. } = talk;
    assert!(asks.outcomes().is_empty());
    drop(session);
    assert!(matches!(asks.outcomes().as_slice(), [(1, RequestOutcome::Answered(_))]));
}

#[test]
fn an_answer_of_the_day_that_is_known_makes_nobody_ask() {
    let mut talk = signed_on();
    let ids = talk.ask(1, at(0), at(10));
    let Reply::Posting(mut done) = reply(&crate::testing::debit(1)) else {
        unreachable!("a posting's answer")
    };
    done.posted = Some(crate::testing::posted(crate::testing::day()));
    talk.hear(at(0), Message::Payload(Payload::Response(ids[0], Reply::Posting(done))))
        .expect("alive");
    assert!(talk.written(at(0)).is_empty());
}
