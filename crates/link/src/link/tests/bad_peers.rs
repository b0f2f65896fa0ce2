//! Peers that say what they should not: each ends as docs/peers/counter.md says, is counted, and is told to
//! operators with its cause.

use super::*;
use domain::message::CounterId;
use port::history::What;
use wire::codec::FRAME_LIMIT;
use wire::payload::Payload;

/// Waits until the connection has ended, and looks what operators were told: the cause in the
/// snapshot and in the history, and one drop more if a session was open.
async fn ends_with(stage: &Stage, word: &str, drops: u64) {
    stage.until(|state| state == State::BackingOff).await;
    let told = stage.link.follow().borrow().connections[0].last_cause.clone();
    assert!(told.as_ref().is_some_and(|cause| cause.contains(word)), "{word}: {told:?}");
    let history = stage.link.history().since(0);
    let recorded = history.iter().any(|event| match &event.what {
        What::State { state: State::BackingOff, cause: Some(cause), .. } => cause.contains(word),
        _ => false,
    });
    assert!(recorded, "{word}: {history:?}");
    assert_eq!(stage.counts().drops, drops, "{word}");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_frame_end_the_session_at_once_with_what_is_wrong() {
    for (bytes, word) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "exceeds the limit of 1048576"),
        (&[0xff; 64], "frame of 4294967295 bytes exceeds"),
        (&[0x40, 0, 0, 0], "frame of 1073741824 bytes exceeds"),
        (&[0, 0, 0, 0], "frame is empty"),
    ] {
        let mut stage = stage();
        let mut peer = stage.signed_on().await;
        stage.ask(1);
        peer.request().await;
        let began = Instant::now();
        peer.stream.write_all(bytes).await.expect("an open pipe");
        ends_with(&stage, word, 1).await;
        assert!(began.elapsed() <= Duration::from_millis(10), "{word}");
        assert_eq!(
            stage.outcome().await,
            (1, RequestOutcome::Unknown(Unclear::LinkLost)),
            "{word}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_ends_with_its_sender_or_with_its_silence() {
    for (closes, word) in [(true, "closed the connection"), (false, "nothing heard for 17.0 s")] {
        let mut stage = stage();
        let mut peer = stage.signed_on().await;
        peer.stream.write_all(&[0, 0, 1, 0, 7, 7]).await.expect("an open pipe");
        let kept = (!closes).then_some(peer);
        ends_with(&stage, word, 1).await;
        drop(kept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_a_byte_at_a_time_is_slow_and_not_wrong() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    stage.ask(1);
    let (id, asked) = peer.request().await;
    let mut bytes = BytesMut::new();
    let answer = Message::Payload(Payload::Response(id, reply(&asked)));
    their_codec().encode(&answer, &mut bytes).expect("sayable");
    for byte in bytes {
        peer.stream.write_all(&[byte]).await.expect("an open pipe");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stage.outcome().await, (1, RequestOutcome::Answered(reply(&asked))));
    let counts = stage.counts();
    assert_eq!((counts.drops, counts.malformed, counts.unmatched), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_nothing_is_handed_out_counted_and_told_and_the_session_goes_on() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    let unasked = reply(&debit(77));
    peer.say(&[Message::Payload(Payload::Response(RequestId(12_345), unasked.clone()))]).await;
    let handed = timeout(Duration::from_secs(1), stage.unmatched.recv()).await.expect("in time");
    let expected = Unmatched::Reply { counter: counter(), reply: unasked, late: false };
    assert_eq!(handed, Some(expected));
    let mut status = stage.link.follow();
    let counted = status.wait_for(|now| now.counts.unmatched == 1);
    timeout(Duration::from_secs(1), counted).await.expect("in time").expect("a link");
    let told = stage.link.history().since(0).into_iter().any(|event| {
        let serial = Some(crate::testing::serial(77));
        event.what == What::Unmatched { serial, late: false }
    });
    assert!(told);
    stage.ask(1);
    let (id, asked) = peer.request().await;
    peer.say(&[Message::Payload(Payload::Response(id, reply(&asked)))]).await;
    assert_eq!(stage.outcome().await.0, 1);
    assert_eq!(stage.counts().drops, 0);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_cannot_be_read_are_counted_and_the_fifth_ends_it() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    for _ in 0..5 {
        peer.stream.write_all(b"\0\0\0\x03abc").await.expect("an open pipe");
    }
    ends_with(&stage, "5 unreadable messages", 1).await;
    assert_eq!(stage.counts().malformed, 5);
    let history = stage.link.history().since(0);
    let told = history.iter().filter(|event| matches!(event.what, What::Malformed { .. }));
    assert_eq!(told.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_never_ends_is_waited_for_as_long_as_silence_is() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    let length = u32::try_from(FRAME_LIMIT).expect("a mebibyte");
    peer.stream.write_all(&length.to_be_bytes()).await.expect("an open pipe");
    peer.stream.write_all(&[7; 100]).await.expect("an open pipe");
    // Half a frame proves no life.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(stage.counts().drops, 0);
    }
    ends_with(&stage, "nothing heard for 17.0 s", 1).await;
}

#[tokio::test(start_paused = true)]
async fn somebody_else_at_the_counters_address_is_named_and_not_talked_to() {
    let mut stage = stage();
    let mut peer = stage.accept().await;
    peer.good.state.id = CounterId::new("futures").expect("an id");
    for _ in 0..2 {
        peer.answer().await;
    }
    ends_with(&stage, "but futures signed on", 0).await;
    // Nor is a thief who does not hold the key.
    let mut stage = self::stage();
    let mut thief = stage.accept().await;
    thief.good.key = [8; 32];
    thief.answer().await;
    ends_with(&stage, "does not hold this link's key", 0).await;
    assert_eq!(stage.counts().sign_ons, 0);
}
