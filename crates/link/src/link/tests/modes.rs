//! The failure modes that users of other engines hit, one test each, by their numbers.
//! Number 13 is where counters dial in; 1 and 2 are also tried with real kernels and processes, in
//! the tests of the whole system.

use super::*;
use crate::reconnect::backoff::{Backoff, Next};
use crate::request::in_flight::InFlight;
use crate::request::send_queue::{Admission, SendQueue};
use crate::session::cause::Verdict;
use crate::testing::{asks, at_ms};
use domain::message::{Notice, Severity};
use foreign::ForeignText;
use wire::conversation::{Conversation, Heartbeat, HeartbeatAck};
use wire::payload::Payload;

/// How long until it is seen that the counter is gone.
async fn seen_after(stage: &Stage) -> Duration {
    let began = Instant::now();
    stage.until(|state| state == State::BackingOff).await;
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn mode_01_a_dead_peer_is_seen_while_we_write() {
    // The network takes a little and nothing comes back.
    let mut stage = stage_with(2000, |_| {});
    let _dead = stage.signed_on().await;
    let link = stage.link.clone();
    let (queue, _outcomes) = mpsc::unbounded_channel();
    let busy = tokio::spawn(async move {
        for number in 1.. {
            link.ask(Ask {
                ticket: Ticket(number),
                instruction: debit(number),
                deadline: Instant::now() + Duration::from_secs(10),
                reply_to: ReplyTo::Queue(queue.clone()),
            });
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let took = seen_after(&stage).await;
    assert!(took <= Duration::from_millis(17_100), "{took:?}");
    busy.abort();
}

#[tokio::test(start_paused = true)]
async fn mode_02_a_frozen_process_behind_a_live_kernel_is_seen() {
    for (heartbeat_s, limit_ms) in [(10, 17_100), (2, 4_000)] {
        let mut stage = stage_with(1 << 20, |config| config.timers.heartbeat_s = heartbeat_s);
        let frozen = stage.signed_on().await;
        let took = seen_after(&stage).await;
        assert!(took <= Duration::from_millis(limit_ms), "{took:?} at {heartbeat_s} s");
        drop(frozen);
    }
}

#[tokio::test(start_paused = true)]
async fn mode_03_load_does_not_starve_heartbeats() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    let link = stage.link.clone();
    let (queue, mut outcomes) = mpsc::unbounded_channel();
    let ask = move |number: u64| {
        link.ask(Ask {
            ticket: Ticket(number),
            instruction: debit(number % 1_000_000 + 1),
            deadline: Instant::now() + Duration::from_secs(10),
            reply_to: ReplyTo::Queue(queue.clone()),
        });
    };
    (0..200).for_each(&ask);
    let busy = tokio::spawn(async move {
        let mut number = 200;
        while outcomes.recv().await.is_some() {
            number += 1;
            ask(number);
        }
    });
    let (end, mut last) = (Instant::now() + Duration::from_mins(1), Instant::now());
    let (mut longest, mut answered) = (Duration::ZERO, 0_u64);
    while Instant::now() < end {
        let message = peer.hear().await.expect("an open session");
        if matches!(message, Message::Conversation(Conversation::Heartbeat(_))) {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        let answer: Vec<Message> = peer.good.answer(message).into_iter().collect();
        peer.say(&answer).await;
        answered += 1;
        if answered.is_multiple_of(20) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(longest <= Duration::from_secs(11) && answered > 20_000, "{longest:?}, {answered}");
    busy.abort();
}

#[tokio::test(start_paused = true)]
async fn mode_04_a_session_that_lives_is_not_killed_for_its_manners() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    // It answers no heartbeat, but says something now and then; and it numbers as it likes.
    let end = Instant::now() + Duration::from_mins(10);
    while Instant::now() < end {
        let heard = timeout(Duration::from_secs(5), peer.hear()).await;
        assert!(!matches!(heard, Ok(None)), "killed");
        if heard.is_err() {
            let text = "still here".to_owned();
            let notice = Message::Conversation(Conversation::Notice(Notice {
                severity: Severity::Info,
                text: text.into(),
            }));
            let odd = Message::Conversation(Conversation::HeartbeatAck(HeartbeatAck {
                number: 77,
                counter: None,
            }));
            peer.say(&[
                notice,
                odd,
                Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 3 })),
            ])
            .await;
        }
    }
    assert_eq!((stage.counts().drops, stage.counts().sign_ons), (0, 1));
}

#[test]
fn mode_05_a_million_requests_that_end_without_an_answer_leave_nothing() {
    let (mut send_queue, mut in_flight, mut asks) =
        (SendQueue::new(1), InFlight::default(), asks());
    let mut unwritten = Vec::new();
    for round in 0..4000_u64 {
        let now = at_ms(round * 20);
        for number in 0..250 {
            // Every fifth caller has gone.
            let mut queued = asks.queue(debit(number + 1), now + Duration::from_millis(10));
            if number % 5 == 0 {
                let (gone, _) = tokio::sync::oneshot::channel();
                asks.shared.queued.fetch_add(1, Ordering::Relaxed);
                queued.pending_reply =
                    PendingReply::new(&asks.shared, Ticket(0), ReplyTo::Once(gone));
            }
            send_queue.push(queued);
        }
        while let Some(queued) = send_queue.pop(now, Admission::All) {
            let id = send_queue.next_id();
            in_flight.submit(id, queued, now);
            in_flight.handed(id);
        }
        in_flight.expire(now + Duration::from_millis(10), &mut send_queue, &mut unwritten);
        asks.outcomes();
    }
    assert_eq!(send_queue.counts.timed_out, 1_000_000);
    assert!(in_flight.is_empty() && send_queue.is_empty() && unwritten.is_empty());
    assert_eq!((asks.queued(), asks.shared.load()), (0, 0));
    assert_eq!(in_flight.next_timeout(), None);
}

#[tokio::test(start_paused = true)]
async fn mode_06_frames_of_the_old_connection_never_reach_the_new_one() {
    let mut stage = stage();
    let mut old = stage.signed_on().await;
    stage.ask(1);
    let (id, asked) = old.request().await;
    // It hangs for so long that it is given up, then says what it had to say.
    let mut new = stage.signed_on().await;
    assert!(matches!(stage.outcome().await, (1, RequestOutcome::Unknown(_))));
    stage.link.synced();
    stage.until(|state| state == State::Up).await;
    stage.ask(2);
    let (_, second) = new.request().await;
    let mut bytes = BytesMut::new();
    their_codec()
        .encode(&Message::Payload(Payload::Response(id, reply(&asked))), &mut bytes)
        .expect("sayable");
    their_codec()
        .encode(
            &Message::Conversation(Conversation::SignOff(wire::conversation::SignOff {
                text: ForeignText::default(),
            })),
            &mut bytes,
        )
        .expect("sayable");
    // The pipe is closed, or nobody reads it.
    let _ = timeout(Duration::from_secs(1), old.stream.write_all(&bytes)).await;
    assert_eq!(second, debit(2));
    assert!(timeout(Duration::from_secs(2), stage.unmatched.recv()).await.is_err());
    assert!(stage.link.is_up());
    assert_eq!(stage.link.follow().borrow().connections[0].epoch, 2);
}

#[tokio::test(start_paused = true)]
async fn mode_07_already_signed_on_never_wedges_it_whatever_went_before() {
    let mut stage = stage();
    for round in 0..24 {
        let mut peer = stage.accept().await;
        peer.hear().await;
        match round % 4 {
            // Lost in the middle of the sign-on.
            0 => {}
            1 => {
                let text = "channel 0".to_owned();
                let reason = RejectReason::AlreadySignedOn;
                peer.say(&[Message::Conversation(Conversation::Rejected(Rejected {
                    reason,
                    text: text.into(),
                }))])
                .await;
            }
            // Accepted, and hanging.
            2 => assert!(timeout(Duration::from_mins(1), peer.hear()).await.is_ok()),
            _ => peer.say(&[Message::Conversation(Conversation::SignOffAck)]).await,
        }
        drop(peer);
    }
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn mode_08_a_counter_that_accepts_and_closes_is_dialled_at_most_12_times_a_minute() {
    let mut stage = stage();
    let began = Instant::now();
    let mut minutes = [0_u32; 10];
    while let Ok(Some(stream)) =
        timeout_at(began + Duration::from_mins(10), stage.accepted.recv()).await
    {
        if let Some(minute) =
            usize::try_from(began.elapsed().as_secs() / 60).ok().and_then(|n| minutes.get_mut(n))
        {
            *minute += 1;
        }
        drop(stream);
    }
    assert!(minutes[1..].iter().all(|dials| (1..=12).contains(dials)), "{minutes:?}");
    assert!(minutes[0] <= 16, "the first steps are short: {minutes:?}");
}

#[test]
fn mode_09_after_an_outage_they_do_not_come_in_a_herd() {
    let mut rng = StdRng::seed_from_u64(9);
    let mut herd: Vec<(Backoff, Duration)> = vec![(Backoff::default(), Duration::ZERO); 5000];
    for failures in 0..10_u32 {
        let open_for = (failures == 0).then(|| Duration::from_hours(1));
        for (backoff, next) in &mut herd {
            let Next::Wait(wait) = backoff.ended(open_for, Verdict::Retry, &mut rng) else {
                panic!("held")
            };
            *next += wait;
        }
        // Of the nine in ten in the middle: a few stragglers would make any mean small.
        let mut times: Vec<u128> = herd.iter().map(|(_, next)| next.as_millis() / 100).collect();
        times.sort_unstable();
        let middle = &times[250..4750];
        let width = usize::try_from(middle[4499] - middle[0] + 1).expect("a few minutes");
        let mut buckets: HashMap<u128, usize> = HashMap::new();
        for time in middle {
            *buckets.entry(*time).or_default() += 1;
        }
        let busiest = buckets.values().max().copied().expect("some");
        assert!(busiest <= 3 * (4500 / width + 1), "{busiest} in {width} after {failures}");
        // The last step alone spreads them over eight tenths of its length.
        let step_ms = match failures {
            0 => 250,
            _ => (500_usize << (failures - 1)).min(30_000),
        };
        assert!(width * 100 >= step_ms / 2, "{width} after {failures}");
    }
}

#[tokio::test(start_paused = true)]
async fn mode_10_after_a_panic_it_comes_back_and_says_so() {
    let mut stage = stage();
    // The fifth within minutes would be a person's business.
    for round in 1..=4 {
        let mut peer = stage.signed_on().await;
        stage.panic.store(true, Ordering::Relaxed);
        peer.say(&[Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 1 }))]).await;
        stage.until(|state| state == State::BackingOff).await;
        let cause = stage.link.follow().borrow().connections[0].last_cause.clone();
        assert!(cause.is_some_and(|cause| cause.contains("failed")), "round {round}");
    }
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn mode_11_nothing_that_has_expired_is_written_after_an_outage() {
    let mut stage = stage_with(300, |_| {});
    let stalled = stage.signed_on().await;
    for number in 1..=500 {
        stage.link.ask(stage.make(number, debit(number), Duration::from_secs(2)));
    }
    for _ in 1..=500 {
        stage.outcome().await;
    }
    stage.until(|state| state == State::BackingOff).await;
    drop(stalled);
    for number in 501..=600 {
        stage.ask(number);
        assert_eq!(stage.outcome().await, down(number), "no backlog is begun");
    }
    let mut peer = stage.signed_on().await;
    stage.link.synced();
    stage.ask(601);
    assert_eq!(peer.request().await.1, debit(601), "the first that is written");
}

#[tokio::test(start_paused = true)]
async fn mode_12_a_length_that_cannot_be_meant_ends_it_and_half_a_frame_does_not_stall_it() {
    for (bytes, limit) in [
        (&[0x40, 0, 0, 0][..], Duration::from_millis(100)),
        (&[0, 0, 0, 0], Duration::from_millis(100)),
        (&[0xff; 64], Duration::from_millis(100)),
        // A good length, and less behind it.
        (&[0, 0, 1, 0, 7, 7], Duration::from_millis(17_100)),
        (&[0, 0], Duration::from_millis(17_100)),
    ] {
        let mut stage = stage();
        let mut peer = stage.signed_on().await;
        peer.stream.write_all(bytes).await.expect("an open pipe");
        let took = seen_after(&stage).await;
        assert!(took <= limit, "{bytes:?}: {took:?}");
        let cause = stage.link.follow().borrow().connections[0].last_cause.clone();
        assert!(cause.is_some(), "{bytes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn mode_14_stopping_neither_hangs_nor_waits_for_nothing() {
    // Idle: at once. Busy: as long as its answers take. Dead: its budget.
    for (answers, least_ms, most_ms) in
        [(None, 0, 100), (Some(3000), 3000, 3100), (Some(u64::MAX), 15_000, 20_000)]
    {
        let mut stage = stage_with(1 << 20, |config| {
            config.timers.early_probe = Duration::from_secs(100);
        });
        let mut peer = stage.signed_on().await;
        let mut asked = None;
        if answers.is_some() {
            stage.link.ask(stage.make(1, debit(1), Duration::from_mins(1)));
            asked = Some(peer.request().await);
        }
        stage.stop.cancel();
        let counter_side = async {
            match (answers, asked) {
                (Some(u64::MAX), _) => std::future::pending().await,
                (Some(wait), Some((id, instruction))) => {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    peer.say(&[Message::Payload(Payload::Response(id, reply(&instruction)))]).await;
                }
                _ => {}
            }
            peer.serve().await;
        };
        let took = tokio::select! {
            took = stage.ended() => took,
            () = async { counter_side.await; std::future::pending().await } => unreachable!("it never ends"),
        };
        let bounds = Duration::from_millis(least_ms)..=Duration::from_millis(most_ms);
        assert!(bounds.contains(&took), "{answers:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn mode_15_cut_at_every_byte_nothing_is_sent_twice_and_nothing_sent_is_told_to_have_failed() {
    let mut offset = 0;
    let mut whole = usize::MAX;
    while offset <= whole {
        let mut stage = stage();
        let mut peer = stage.signed_on().await;
        for number in 1..=3 {
            stage.ask(number);
        }
        // So many bytes reach the counter, which does what it can read; then the wire is cut.
        let mut read = vec![0; offset];
        let mut arrived = 0;
        while arrived < offset {
            let more = timeout(Duration::from_millis(500), peer.stream.read(&mut read[arrived..]));
            match more.await {
                Ok(Ok(count @ 1..)) => arrived += count,
                Ok(Ok(0) | Err(_)) | Err(_) => break,
            }
        }
        if arrived < offset {
            whole = arrived;
        }
        let mut executed: HashMap<u64, u32> = HashMap::new();
        let mut inbox = BytesMut::from(&read[..arrived]);
        let mut execute = |message: Message| {
            if let Message::Payload(Payload::Request(_, instruction)) = message {
                let serial = instruction.serial().expect("a serial");
                *executed.entry(serial.sequence.number()).or_default() += 1;
            }
        };
        while let Some(Incoming::Message(message)) =
            their_codec().decode(&mut inbox).expect("frames")
        {
            execute(message);
        }
        drop(peer);
        let mut told = HashMap::new();
        for _ in 0..3 {
            let (number, outcome) = stage.outcome().await;
            told.insert(number, outcome);
        }
        // It comes back, and sends nothing by itself.
        let mut peer = stage.signed_on().await;
        let end = Instant::now() + Duration::from_secs(2);
        while let Ok(Some(message)) = timeout_at(end, peer.hear()).await {
            execute(message);
        }
        assert!(executed.values().all(|times| *times == 1), "{executed:?} at {offset}");
        for (number, outcome) in told {
            let failed = matches!(outcome, RequestOutcome::NotSent(_));
            assert!(!(failed && executed.contains_key(&number)), "{number} at {offset}");
        }
        offset += 1;
    }
    assert!(whole > 100 && whole < usize::MAX, "{whole} bytes were tried");
}
