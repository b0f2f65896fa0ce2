//! What becomes of requests.

use super::*;
use domain::message::AccountId;
use wire::payload::Payload;

#[tokio::test(start_paused = true)]
async fn what_is_asked_is_answered() {
    let mut stage = stage();
    assert!(!stage.link.is_up());
    assert_eq!((stage.link.settle_day(), stage.link.session_began()), (None, None));
    let peer = stage.signed_on().await;
    assert!(stage.link.is_up());
    assert_eq!(stage.link.settle_day(), Some(crate::testing::day()));
    assert!(stage.link.session_began().is_some());
    tokio::spawn(peer.serve());
    let asks = (1..=200).map(|n| stage.make(n, debit(n), Duration::from_secs(10)));
    stage.link.ask_all(asks.collect());
    for _ in 1..=200 {
        let (number, outcome) = stage.outcome().await;
        assert_eq!(outcome, RequestOutcome::Answered(reply(&debit(number))));
    }
    let (to, answer) = tokio::sync::oneshot::channel();
    let ask = stage.make(1, query(1), Duration::from_secs(5));
    stage.link.ask(Ask { reply_to: ReplyTo::Once(to), ..ask });
    assert_eq!(answer.await, Ok(RequestOutcome::Answered(reply(&query(1)))));
    let mut status = stage.link.follow();
    let settled = status.wait_for(|now| now.counts.answered == 201 && now.queued == 0);
    timeout(Duration::from_secs(1), settled).await.expect("a fresh snapshot").expect("a link");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_down_refuses_at_once_and_writes_nothing_of_it_later() {
    let mut stage = stage();
    let mut peer = stage.accept().await;
    stage.ask(1);
    assert_eq!(stage.outcome().await, down(1));
    drop(peer);
    stage.until(|state| state == State::BackingOff).await;
    stage.ask(2);
    assert_eq!(stage.outcome().await, down(2));
    peer = stage.signed_on().await;
    stage.ask(3);
    assert_eq!(peer.request().await.1, debit(3), "the first that is ever written");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_expires_behind_a_stalled_transport_is_never_written() {
    // The pipe holds two requests or so; the counter reads nothing.
    let mut stage = stage_with(300, |config| {
        config.timers.write_progress = Duration::from_secs(100);
        config.timers.early_probe = Duration::from_secs(100);
        config.timers.heartbeat_s = 120;
    });
    let mut peer = stage.signed_on().await;
    for number in 1..=500 {
        stage.link.ask(stage.make(number, debit(number), Duration::from_secs(5)));
    }
    let mut expired = HashSet::new();
    let mut timed_out = HashSet::new();
    for _ in 1..=500 {
        match stage.outcome().await {
            (number, RequestOutcome::NotSent(NotSent::Expired)) => expired.insert(number),
            (number, RequestOutcome::Unknown(Unclear::TimedOut)) => timed_out.insert(number),
            other => panic!("{other:?}"),
        };
    }
    assert!(expired.len() > 400 && !timed_out.is_empty(), "{}", expired.len());
    stage.ask(501);
    let mut written = HashSet::new();
    loop {
        let (_, instruction) = peer.request().await;
        let number = instruction.serial().expect("a serial").sequence.number();
        if number == 501 {
            break;
        }
        written.insert(number);
    }
    assert_eq!(written, timed_out, "what was begun, and nothing that was told to be unsent");
}

#[tokio::test(start_paused = true)]
async fn beyond_the_queues_bound_the_answer_is_busy_at_once() {
    let mut stage = stage_with(300, |config| config.bounds.queued = 100);
    let _frozen = stage.signed_on().await;
    let asks = (1..=150).map(|n| stage.make(n, debit(n), Duration::from_secs(5)));
    stage.link.ask_all(asks.collect::<Vec<_>>());
    for number in 101..=150 {
        assert_eq!(stage.outcome().await, (number, RequestOutcome::NotSent(NotSent::Busy)));
    }
    let mut rest = HashSet::new();
    for _ in 1..=100 {
        rest.insert(stage.outcome().await.0);
    }
    assert_eq!(rest, (1..=100).collect());
    let mut status = stage.link.follow();
    let told = status.wait_for(|now| now.counts.busy == 50 && now.queued == 0);
    timeout(Duration::from_mins(1), told).await.expect("a fresh snapshot").expect("a link");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_counted() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    let stray = Message::Payload(Payload::Response(RequestId(1), reply(&debit(9))));
    peer.say(&vec![stray; 10]).await;
    let mut status = stage.link.follow();
    let told = status.wait_for(|now| now.counts.unmatched == 10);
    timeout(Duration::from_secs(1), told).await.expect("a fresh snapshot").expect("a link");
    assert_eq!(stage.counts().unmatched_dropped, 6, "the queue holds 4");
    let events = stage.link.history().since(0);
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event.what, port::history::What::Unmatched { .. }))
            .count(),
        10
    );
}

/// The same over real sockets: a name that must be resolved, a refused address before it, and a
/// window's worth of requests in one go.
#[tokio::test]
async fn it_talks_over_tcp() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let closed_port = closed.local_addr().expect("an address").port();
    drop(closed);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let config = LinkConfig::new(
        counter(),
        vec![format!("127.0.0.1:{closed_port}"), format!("localhost:{port}")],
        Dialect::Securities,
        "bridge".to_owned(),
        KEY.to_vec().into(),
    );
    let (unmatched, _held) = mpsc::channel(4);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let link = Link::spawn(config, unmatched, &tasks, stop.clone());
    tasks.close();
    let whole = async {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut peer = Peer { stream, inbox: BytesMut::new(), good: GoodCounter::default() };
        for _ in 0..2 {
            peer.answer().await;
        }
        let served = tokio::spawn(peer.serve());
        link.follow().wait_for(|now| now.health == Health::Up).await.expect("a link");
        let (queue, mut outcomes) = mpsc::unbounded_channel();
        let asks = (1..=1000).map(|number| Ask {
            ticket: Ticket(number),
            instruction: debit(number),
            deadline: Instant::now() + Duration::from_secs(10),
            reply_to: ReplyTo::Queue(queue.clone()),
        });
        link.ask_all(asks.collect());
        for _ in 1..=1000 {
            let delivery = outcomes.recv().await.expect("an outcome");
            let answered = RequestOutcome::Answered(reply(&debit(delivery.ticket.0)));
            assert_eq!(delivery.outcome, answered);
        }
        stop.cancel();
        tasks.wait().await;
        served.await.expect("the connection is closed");
    };
    timeout(Duration::from_secs(30), whole).await.expect("in time");
}

/// Connections are cut at random bytes while requests flow; every request ends exactly once, and
/// what is told to be unsent has never reached the counter.
#[tokio::test(start_paused = true)]
async fn whatever_is_cut_outcomes_are_exact_and_true() {
    for seed in 0..30 {
        let mut rng = StdRng::seed_from_u64(seed);
        let capacity = rng.random_range(40..600);
        let mut stage = stage_with(capacity, |config| config.timers.heartbeat_s = 1);
        let mut seen: HashSet<u64> = HashSet::new();
        let mut outcomes: HashMap<u64, RequestOutcome> = HashMap::new();
        let mut asked = 0;
        for _ in 0..8 {
            let mut peer = stage.signed_on().await;
            stage.link.synced();
            let batch = rng.random_range(1..40);
            for number in asked + 1..=asked + batch {
                stage.ask(number);
            }
            asked += batch;
            let cut_after = rng.random_range(0..4000);
            let mut heard = peer.inbox.len();
            while heard < cut_after {
                let before = peer.inbox.len();
                let read = timeout(Duration::from_secs(1), peer.stream.read_buf(&mut peer.inbox));
                match read.await {
                    Ok(Ok(0) | Err(_)) | Err(_) => break,
                    Ok(Ok(_)) => heard += peer.inbox.len() - before,
                }
                while let Some(incoming) = their_codec().decode(&mut peer.inbox).expect("frames") {
                    let Incoming::Message(message) = incoming else { panic!("seed {seed}") };
                    if let Message::Payload(Payload::Request(_, instruction)) = &message {
                        let serial = instruction.serial().expect("a serial");
                        assert!(seen.insert(serial.sequence.number()), "sent twice, seed {seed}");
                    }
                    if rng.random_bool(0.8) {
                        let answer = peer.good.answer(message);
                        let mut bytes = BytesMut::new();
                        if let Some(answer) = answer {
                            their_codec().encode(&answer, &mut bytes).expect("sayable");
                        }
                        // The link may be gone, or not reading.
                        let write = peer.stream.write_all(&bytes);
                        let _ = timeout(Duration::from_secs(1), write).await;
                    }
                }
            }
            drop(peer);
            stage.until(|state| state == State::BackingOff).await;
        }
        stage.stop.cancel();
        stage.ended().await;
        while let Ok(delivery) = stage.outcomes.try_recv() {
            let twice = outcomes.insert(delivery.ticket.0, delivery.outcome);
            assert!(twice.is_none(), "told twice, seed {seed}");
        }
        assert_eq!(outcomes.len() as u64, asked, "every one is told, seed {seed}");
        for (number, outcome) in outcomes {
            match outcome {
                RequestOutcome::NotSent(_) => {
                    assert!(!seen.contains(&number), "{number}, seed {seed}");
                }
                RequestOutcome::Answered(_) => {
                    assert!(seen.contains(&number), "{number}, seed {seed}");
                }
                RequestOutcome::Unknown(_) => {}
            }
        }
    }
}

/// Where new work is turned away: from there on the rest of the queue is for what has been begun.
#[tokio::test(start_paused = true)]
async fn a_link_is_crowded_from_its_window_and_half_its_queue_on() {
    for connections in [1, 2] {
        let mut stage = stage_with(1 << 20, |config| {
            config.connections = connections;
            (config.profile.max_in_flight, config.bounds.queued) = (4, 21);
        });
        let mut peers = Vec::new();
        for _ in 0..connections {
            let mut peer = stage.accept().await;
            peer.answer().await;
            peer.answer().await;
            peers.push(peer);
        }
        let mut status = stage.link.follow();
        let up = status.wait_for(|now| now.health == Health::Up);
        timeout(Duration::from_secs(1), up).await.expect("in time").expect("a link");
        // All windows, and half of the queue, which they share.
        let edge = u64::from(connections) * 4 + 10;
        // Each of its own account, for one account stays on one connection.
        let ask = |number| {
            let mut instruction = debit(number);
            if let Instruction::Debit(posting) = &mut instruction {
                posting.account = AccountId::new(&format!("{number:012}")).expect("an account");
            }
            stage.link.ask(stage.make(number, instruction, Duration::from_secs(10)));
        };
        for number in 1..edge {
            ask(number);
        }
        assert!(!stage.link.is_crowded(), "one less, over {connections}");
        ask(edge);
        assert!(stage.link.is_crowded(), "at the edge, over {connections}");
        // What leaves the queue is still owed; an answer makes room.
        let (id, asked) = peers[0].request().await;
        peers[0].say(&[Message::Payload(Payload::Response(id, reply(&asked)))]).await;
        assert!(matches!(stage.outcome().await, (_, RequestOutcome::Answered(_))));
        assert!(!stage.link.is_crowded(), "an answer came, over {connections}");
    }
}
