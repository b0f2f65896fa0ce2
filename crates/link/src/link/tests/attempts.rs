//! When a counter is dialled, and when it is not.

use super::*;
use wire::conversation::Conversation;
use wire::payload::Payload;

#[tokio::test(start_paused = true)]
async fn after_a_drop_it_comes_back_and_asks_before_it_sends() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    stage.ask(1);
    let (old_id, _) = peer.request().await;
    drop(peer);
    assert_eq!(stage.outcome().await, (1, RequestOutcome::Unknown(Unclear::LinkLost)));
    assert!(!stage.link.is_up() && stage.link.session_began().is_none());

    let mut peer = stage.signed_on().await;
    let snapshot = Arc::clone(&stage.link.follow().borrow());
    assert_eq!((snapshot.connections[0].state, snapshot.connections[0].epoch), (State::Syncing, 2));
    assert_eq!(
        snapshot.connections[0].last_cause.as_deref(),
        Some("the counter closed the connection")
    );
    assert!(!stage.link.is_up());
    stage.ask(2);
    stage.link.ask(stage.make(3, query(1), Duration::from_secs(5)));
    let (id, asked) = peer.request().await;
    assert_eq!(asked, query(1));
    // The old connection's answer comes on the new one: late, and still handed out.
    peer.say(&[
        Message::Payload(Payload::Response(old_id, reply(&debit(1)))),
        Message::Payload(Payload::Response(id, reply(&query(1)))),
    ])
    .await;
    assert_eq!(stage.outcome().await, (3, RequestOutcome::Answered(reply(&query(1)))));
    let late = Unmatched::Reply { counter: counter(), reply: reply(&debit(1)), late: true };
    assert_eq!(stage.unmatched.recv().await, Some(late));
    stage.link.synced();
    assert_eq!(peer.request().await.1, debit(2));
    stage.until(|state| state == State::Up).await;
}

#[tokio::test(start_paused = true)]
async fn a_frozen_counter_is_left_after_17_seconds_and_dialled_again() {
    let mut stage = stage();
    let _frozen = stage.signed_on().await;
    let began = Instant::now();
    stage.until(|state| state == State::Suspect).await;
    stage.until(|state| state == State::BackingOff).await;
    assert!(began.elapsed() >= Duration::from_millis(16_990), "{:?}", began.elapsed());
    assert!(began.elapsed() <= Duration::from_millis(17_100), "{:?}", began.elapsed());
    stage.signed_on().await;
}

/// A bridge that was stopped for a while does not know whether its record is another's by now.
#[tokio::test(start_paused = true)]
async fn no_session_is_begun_before_there_is_leave() {
    let given = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&given);
    let leave = Leave::of(move || told.load(Ordering::Relaxed));
    let mut stage = stage_with(1 << 20, |config| config.leave = leave);
    assert!(timeout(Duration::from_secs(10), stage.accepted.recv()).await.is_err());
    assert_eq!(stage.dials.lock().expect("no panic").len(), 0);
    given.store(true, Ordering::Relaxed);
    let peer = stage.signed_on().await;
    // Nor a second one, once it is gone again.
    given.store(false, Ordering::Relaxed);
    drop(peer);
    assert!(timeout(Duration::from_secs(10), stage.accepted.recv()).await.is_err());
    given.store(true, Ordering::Relaxed);
    stage.signed_on().await;
}

async fn reject(stage: &mut Stage, reason: RejectReason) {
    let mut peer = stage.accept().await;
    peer.hear().await;
    peer.say(&[Message::Conversation(Conversation::Rejected(Rejected {
        reason,
        text: "no".into(),
    }))])
    .await;
    assert_eq!(peer.hear().await, None, "the link closes");
}

#[tokio::test(start_paused = true)]
async fn three_rejections_hold_the_link_until_it_is_released() {
    let mut stage = stage();
    for _ in 0..3 {
        reject(&mut stage, RejectReason::BadProof).await;
    }
    stage.until(|state| state == State::Held).await;
    stage.link.reconnect_now();
    assert!(timeout(Duration::from_hours(1), stage.accepted.recv()).await.is_err());
    stage.link.release();
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn already_signed_on_is_no_wedge() {
    let mut stage = stage();
    for _ in 0..20 {
        reject(&mut stage, RejectReason::AlreadySignedOn).await;
    }
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_may_end_a_wait() {
    let mut stage = stage();
    reject(&mut stage, RejectReason::BadProof).await;
    stage.until(|state| state == State::BackingOff).await;
    let began = Instant::now();
    stage.link.reconnect_now();
    stage.signed_on().await;
    assert!(began.elapsed() < Duration::from_secs(1), "not the 60 s of a rejection");
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_accepts_and_closes_is_not_dialled_without_end() {
    let mut stage = stage();
    let end = Instant::now() + Duration::from_mins(10);
    while let Ok(Some(stream)) = timeout_at(end, stage.accepted.recv()).await {
        drop(stream);
    }
    let dials = stage.dials.lock().expect("no panic").len();
    assert!((10..=120).contains(&dials), "{dials} in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn addresses_are_tried_in_order() {
    let mut stage = stage_with(1 << 20, |config| {
        config.addresses = ["closed:1", "counter:2", "counter:3"].map(str::to_owned).to_vec();
    });
    drop(stage.signed_on().await);
    stage.signed_on().await;
    let dials = stage.dials.lock().expect("no panic").clone();
    assert_eq!(dials, ["closed:1", "counter:2", "counter:3"]);
}

/// Whoever reads the configuration again meets links that are signing on: they go on, and end in time.
#[tokio::test(start_paused = true)]
async fn a_look_at_who_is_believed_disturbs_no_sign_on() {
    let mut stage = stage();
    let mut silent = stage.accept().await;
    silent.hear().await;
    stage.link.recheck();
    assert_eq!(silent.hear().await, None, "it is given up when its time is over");
    let mut peer = stage.accept().await;
    peer.hear().await;
    stage.link.recheck();
    drop(peer);
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_key_was_withdrawn_is_left_in_order() {
    let keys: crate::LinkKeys = KEY.to_vec().into();
    let mut stage = stage_with(1 << 20, |config| config.keys = keys.clone());
    let mut peer = stage.signed_on().await;
    stage.link.recheck();
    assert!(
        timeout(Duration::from_secs(1), peer.hear()).await.is_err(),
        "nothing has changed, and nobody is disturbed"
    );
    keys.replace(&vec![8; 32].into());
    stage.link.recheck();
    let mut heard = peer.hear().await.expect("a frame");
    while matches!(heard, Message::Conversation(Conversation::Heartbeat(_))) {
        heard = peer.hear().await.expect("a frame");
    }
    assert!(matches!(heard, Message::Conversation(Conversation::SignOff(_))), "{heard:?}");
    peer.say(&[Message::Conversation(Conversation::SignOffAck)]).await;
    let left = |now: &Arc<port::status::Snapshot>| {
        let cause = now.connections[0].last_cause.as_deref();
        cause == Some("signed off: the key that it signed on by was withdrawn")
    };
    let mut status = stage.link.follow();
    timeout(Duration::from_secs(200), status.wait_for(left))
        .await
        .expect("in time")
        .expect("a link");
    // With the old key nobody comes in any more.
    let mut peer = stage.accept().await;
    peer.answer().await;
    stage.until(|state| state == State::BackingOff).await;
}
