//! How a session ends in order, by whichever side.

use super::*;
use foreign::ForeignText;
use wire::conversation::Conversation;

#[test]
fn stopping_waits_for_what_is_in_flight_and_signs_off() {
    let mut talk = signed_on();
    let ids = talk.ask(1, at(0), at(900));
    talk.run(at(4)).expect("alive");
    talk.send_queue.push(talk.asks.debit(at(900)));
    talk.session.stop(at(5), &mut talk.send_queue).expect("in order");
    assert_eq!(talk.asks.outcomes(), [(2, RequestOutcome::NotSent(NotSent::Stopping))]);
    assert_eq!(talk.session.state(), State::Draining);
    talk.hear(at(6), response(ids[0], 1)).expect("alive");
    assert_eq!(talk.session.state(), State::SigningOff);
    assert_eq!(talk.settle(at(6)), Err(Cause::SignedOff));
}

#[test]
fn stopping_ends_though_nothing_is_answered() {
    let mut talk = signed_on();
    talk.ask(1, at(0), at(900));
    talk.session.stop(at(0), &mut talk.send_queue).expect("in order");
    let beat = Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 9 }));
    for second in 1..15 {
        talk.run(at(second)).expect("alive");
        talk.hear(at(second), beat.clone()).expect("alive");
    }
    assert_eq!(talk.session.state(), State::Draining);
    let written = talk.run(at(15)).expect("alive");
    assert!(
        matches!(written.last(), Some(Message::Conversation(Conversation::SignOff(_)))),
        "{written:?}"
    );
    // Whoever stops waits for no more than a word.
    assert_eq!(talk.run(at(16)), Err(Cause::SignedOff));
}

#[test]
fn a_bridge_that_only_leaves_for_a_while_waits_for_the_acknowledgement_as_agreed() {
    let mut talk = signed_on();
    talk.session.leave(at(0), &mut talk.send_queue, "for a while").expect("in order");
    assert!(matches!(
        talk.written(at(0)).as_slice(),
        [Message::Conversation(Conversation::SignOff(_))]
    ));
    talk.run(at(1)).expect("still there");
    assert_eq!(talk.run(at(2)), Err(Cause::SignedOff));
}

#[test]
fn when_the_counter_signs_off_what_is_in_flight_is_still_heard() {
    let mut talk = signed_on();
    let ids = talk.ask(1, at(0), at(9));
    talk.send_queue.push(talk.asks.debit(at(9)));
    talk.hear(
        at(1),
        Message::Conversation(Conversation::SignOff(SignOff { text: "night".into() })),
    )
    .expect("alive");
    assert_eq!(talk.asks.outcomes(), [(2, RequestOutcome::NotSent(NotSent::Down))]);
    assert!(!talk.session.takes_requests());
    assert!(talk.written(at(1)).is_empty(), "no new requests");
    talk.hear(at(2), response(ids[0], 1)).expect("alive");
    assert_eq!(talk.session.flushed(), Ok(()), "the last word is still to be written");
    assert!(matches!(
        talk.written(at(2)).as_slice(),
        [Message::Conversation(Conversation::SignOffAck)]
    ));
    assert_eq!(talk.session.flushed(), Err(Cause::PeerSignedOff("night".into())));
}

#[test]
fn two_sign_offs_at_once_acknowledge_each_other() {
    let mut talk = signed_on();
    talk.session.stop(at(0), &mut talk.send_queue).expect("in order");
    assert!(matches!(
        talk.written(at(0)).as_slice(),
        [Message::Conversation(Conversation::SignOff(_))]
    ));
    talk.hear(
        at(0),
        Message::Conversation(Conversation::SignOff(SignOff { text: ForeignText::default() })),
    )
    .expect("alive");
    assert!(matches!(
        talk.written(at(0)).as_slice(),
        [Message::Conversation(Conversation::SignOffAck)]
    ));
    assert_eq!(talk.session.flushed(), Err(Cause::SignedOff));
}

#[test]
fn a_question_that_nobody_answers_does_not_keep_a_bridge_from_going() {
    let mut talk = signed_on();
    talk.send_queue.push(talk.asks.query(at(9)));
    assert_eq!(talk.written(at(0)).len(), 1);
    talk.session.stop(at(0), &mut talk.send_queue).expect("in order");
    assert!(matches!(
        talk.written(at(0)).as_slice(),
        [Message::Conversation(Conversation::SignOff(_))]
    ));
    assert_eq!(talk.run(at(1)), Err(Cause::SignedOff));
}

#[test]
fn the_last_word_to_a_counter_that_signed_off_has_half_a_second_to_leave() {
    let mut talk = signed_on();
    talk.hear(
        at(1),
        Message::Conversation(Conversation::SignOff(SignOff { text: "night".into() })),
    )
    .expect("alive");
    assert_eq!(talk.session.next_timeout(), Some(at_ms(1_500)));
    let mut time_out = |now| talk.session.on_timeout(now, &mut talk.send_queue, &mut Vec::new());
    assert_eq!(time_out(at_ms(1_499)), Ok(()));
    assert_eq!(time_out(at_ms(1_500)), Err(Cause::PeerSignedOff("night".into())));
}
