//! A counter that is to be left alone: signed off in order, and back when it is wanted.

use super::*;
use crate::request::away::DRAINS;
use wire::conversation::Conversation;
use wire::payload::Payload;

/// The words of the sign-off, once it comes; requests and heartbeats are answered until then.
async fn signs_off(peer: &mut Peer) -> String {
    let text = loop {
        match peer.hear().await.expect("an open session") {
            Message::Conversation(Conversation::SignOff(sign_off)) => break sign_off.text,
            message => {
                let answer: Vec<Message> = peer.good.answer(message).into_iter().collect();
                peer.say(&answer).await;
            }
        }
    };
    peer.say(&[Message::Conversation(Conversation::SignOffAck)]).await;
    text.to_string()
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_answered_before_a_drained_counter_is_signed_off_and_left_alone() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    stage.ask(1);
    let (id, instruction) = peer.request().await;
    stage.link.leave();
    stage.link.leave();
    stage.until(|state| state == State::Draining).await;
    stage.ask(2);
    assert_eq!(stage.outcome().await, down(2), "nothing new is sent");
    peer.say(&[Message::Payload(Payload::Response(id, reply(&instruction)))]).await;
    assert_eq!(stage.outcome().await, (1, RequestOutcome::Answered(reply(&debit(1)))));
    let text = timeout(Duration::from_secs(5), signs_off(&mut peer)).await.expect("in time");
    assert_eq!(text, DRAINS);
    stage.until(|state| state == State::Drained).await;
    let shown = stage.link.follow().borrow().connections[0].clone();
    assert_eq!(shown.last_cause.as_deref(), Some("signed off, for an operator drains it"));
    assert_eq!((shown.next_attempt_at, stage.counts().drops), (None, 0));

    // Whoever wants it tried says so in vain, for it is to be left alone.
    stage.link.reconnect_now();
    stage.link.release();
    assert!(timeout(Duration::from_mins(10), stage.accepted.recv()).await.is_err());
    stage.ask(3);
    assert_eq!(stage.outcome().await, down(3));
    stage.link.come_back();
    let peer = stage.signed_on().await;
    let served = tokio::spawn(peer.serve());
    stage.ask(4);
    assert_eq!(stage.outcome().await, (4, RequestOutcome::Answered(reply(&debit(4)))));
    served.abort();
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_back_while_it_signs_off_signs_on_again() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    stage.ask(1);
    let (id, instruction) = peer.request().await;
    stage.link.leave();
    stage.until(|state| state == State::Draining).await;
    stage.link.come_back();
    peer.say(&[Message::Payload(Payload::Response(id, reply(&instruction)))]).await;
    timeout(Duration::from_secs(5), signs_off(&mut peer)).await.expect("in time");
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_left_alone_from_the_start_is_not_dialled() {
    let mut stage = stage_with(1 << 20, |config| {
        config.away.set(true);
    });
    stage.until(|state| state == State::Drained).await;
    assert!(timeout(Duration::from_mins(10), stage.accepted.recv()).await.is_err());
    assert!(stage.dials.lock().expect("no panic").is_empty());
    stage.link.come_back();
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_away_and_drained_is_not_tried_again() {
    let stage = stage_with(1 << 20, |config| config.addresses = vec!["closed:1".to_owned()]);
    stage.until(|state| state == State::BackingOff).await;
    stage.link.leave();
    stage.until(|state| state == State::Drained).await;
    let dials = || stage.dials.lock().expect("no panic").len();
    let before = dials();
    tokio::time::advance(Duration::from_mins(10)).await;
    assert_eq!(dials(), before);
    stage.stop.cancel();
    assert!(stage.ended().await <= Duration::from_millis(1), "nor does it hold up the end");
}

/// Left alone for a moment, it is not what an operator wants who has it tried: it waits on for what it waited for.
#[tokio::test(start_paused = true)]
async fn one_that_is_left_alone_for_a_moment_is_not_tried_any_sooner() {
    let hours = ends::hours(3600, 7200);
    let mut stage = stage_with(1 << 20, |config| config.hours = hours);
    stage.until(|state| state == State::OutOfHours).await;
    stage.link.leave();
    stage.link.come_back();
    assert!(timeout(Duration::from_mins(10), stage.accepted.recv()).await.is_err());
    assert!(stage.dials.lock().expect("no panic").is_empty());
    // Nor one that was drained in between.
    stage.link.leave();
    stage.until(|state| state == State::Drained).await;
    stage.link.come_back();
    stage.until(|state| state == State::OutOfHours).await;
    assert!(stage.dials.lock().expect("no panic").is_empty());
    stage.link.reconnect_now();
    stage.signed_on().await;

    let away = stage_with(1 << 20, |config| config.addresses = vec!["closed:1".to_owned()]);
    away.until(|state| state == State::BackingOff).await;
    let dials = || away.dials.lock().expect("no panic").len();
    let before = dials();
    for _ in 0..100 {
        away.link.leave();
        away.link.come_back();
        tokio::task::yield_now().await;
    }
    assert_eq!(dials(), before);
}
