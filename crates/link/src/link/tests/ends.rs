//! How a link stops, and what it survives.

use super::*;
use wire::conversation::Conversation;
use wire::payload::Payload;

#[tokio::test(start_paused = true)]
async fn a_panic_costs_the_connection_and_nothing_else() {
    let mut stage = stage();
    for round in 1..=3 {
        let mut peer = stage.signed_on().await;
        stage.link.synced();
        stage.until(|state| state == State::Up).await;
        stage.ask(round);
        peer.request().await;
        stage.panic.store(true, Ordering::Relaxed);
        peer.say(&[Message::Conversation(Conversation::Heartbeat(
            wire::conversation::Heartbeat { number: 1 },
        ))])
        .await;
        assert_eq!(stage.outcome().await, (round, RequestOutcome::Unknown(Unclear::LinkLost)));
        stage.until(|state| state == State::BackingOff).await;
        let cause = stage.link.follow().borrow().connections[0].last_cause.clone();
        assert_eq!(cause.as_deref(), Some("the link's task failed: told to"));
    }
    stage.signed_on().await;
    assert_eq!(stage.counts().drops, 3);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_goes_on_panicking_is_held_until_it_is_released() {
    let mut stage = stage();
    for round in 1..=5 {
        let mut peer = stage.signed_on().await;
        stage.panic.store(true, Ordering::Relaxed);
        peer.say(&[Message::Conversation(Conversation::Heartbeat(
            wire::conversation::Heartbeat { number: 1 },
        ))])
        .await;
        let then = if round < 5 { State::BackingOff } else { State::Held };
        stage.until(|state| state == then).await;
    }
    stage.link.release();
    stage.signed_on().await;
    assert_eq!(stage.counts().drops, 5);
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_stops_at_once_and_in_order() {
    let mut stage = stage();
    let peer = stage.signed_on().await;
    let served = tokio::spawn(peer.serve());
    stage.stop.cancel();
    assert!(stage.ended().await <= Duration::from_millis(100));
    served.await.expect("the pipe is closed");
    stage.ask(1);
    assert_eq!(stage.outcome().await, (1, RequestOutcome::NotSent(NotSent::Stopping)));
    assert_eq!(stage.link.follow().borrow().connections[0].state, State::Stopped);
    assert_eq!((stage.counts().drops, stage.link.session_began()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_answers_but_takes_nothing_new() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    stage.ask(1);
    let (id, asked) = peer.request().await;
    stage.stop.cancel();
    stage.until(|state| state == State::Draining).await;
    stage.ask(2);
    assert_eq!(stage.outcome().await, (2, RequestOutcome::NotSent(NotSent::Stopping)));
    peer.say(&[Message::Payload(Payload::Response(id, reply(&asked)))]).await;
    assert_eq!(stage.outcome().await, (1, RequestOutcome::Answered(reply(&asked))));
    assert!(matches!(peer.hear().await, Some(Message::Conversation(Conversation::SignOff(_)))));
    peer.say(&[Message::Conversation(Conversation::SignOffAck)]).await;
    assert!(stage.ended().await <= Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_within_its_budget_whatever_the_counter_does() {
    // It answers nothing; it does not even read; it is not there; it has rejected us.
    let mut stage = stage();
    let _silent = stage.signed_on().await;
    stage.ask(1);
    stage.until(|state| state == State::Up).await;
    stage.stop.cancel();
    assert!(stage.ended().await <= Duration::from_secs(20));
    assert!(matches!(
        stage.outcome().await,
        (1, RequestOutcome::Unknown(_) | RequestOutcome::NotSent(_))
    ));

    let mut stage = stage_with(300, |_| {});
    let _stuffed = stage.signed_on().await;
    (1..=50).for_each(|number| stage.ask(number));
    stage.stop.cancel();
    assert!(stage.ended().await <= Duration::from_secs(20));

    let stage = stage_with(300, |config| config.addresses = vec!["closed:1".to_owned()]);
    stage.until(|state| state == State::BackingOff).await;
    stage.stop.cancel();
    assert!(stage.ended().await <= Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn a_link_whose_last_handle_is_gone_ends_in_order() {
    let mut stage = stage();
    let peer = stage.signed_on().await;
    let served = tokio::spawn(peer.serve());
    let Stage { link, tasks, .. } = stage;
    drop(link);
    timeout(Duration::from_secs(1), tasks.wait()).await.expect("in time");
    served.await.expect("the pipe is closed");
}

pub(super) fn hours(opens_in_s: i64, closes_in_s: i64) -> Option<crate::ServiceHours> {
    let now = now_micros() / 1_000_000;
    let second = |shift: i64| u32::try_from((now + shift).rem_euclid(86_400)).expect("a day");
    crate::ServiceHours::new(second(opens_in_s), second(closes_in_s), 0)
}

#[tokio::test(start_paused = true)]
async fn outside_its_service_hours_a_counter_is_left_alone_unless_an_operator_wants_it() {
    let mut stage = stage_with(1 << 20, |config| config.hours = hours(3600, 7200));
    stage.until(|state| state == State::OutOfHours).await;
    stage.ask(1);
    assert_eq!(stage.outcome().await, down(1));
    assert!(timeout(Duration::from_mins(10), stage.accepted.recv()).await.is_err());
    let next = stage.link.follow().borrow().connections[0].next_attempt_at;
    assert!(next.is_some_and(|next| next > now_micros() + 3_000_000_000));
    stage.link.reconnect_now();
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn when_its_service_hours_end_what_is_in_flight_is_answered_and_the_session_signed_off() {
    let mut stage = stage_with(1 << 20, |config| config.hours = hours(-3600, 60));
    let mut peer = stage.signed_on().await;
    let serve = async {
        loop {
            match peer.hear().await.expect("an open session") {
                Message::Conversation(Conversation::SignOff(sign_off)) => return sign_off.text,
                message => {
                    let answer: Vec<Message> = peer.good.answer(message).into_iter().collect();
                    peer.say(&answer).await;
                }
            }
        }
    };
    let text = timeout(Duration::from_secs(62), serve).await.expect("at its closing");
    assert_eq!(text, "the service hours are over");
    peer.say(&[Message::Conversation(Conversation::SignOffAck)]).await;
    let mut status = stage.link.follow();
    let told = status.wait_for(|now| {
        now.connections[0].last_cause.as_deref() == Some("outside the counter's service hours")
    });
    timeout(Duration::from_secs(5), told).await.expect("in time").expect("a link");
    assert_eq!(stage.counts().drops, 0);
}
