//! Several connections to one counter, and several addresses.

use super::*;
use domain::message::Posting;
use wire::payload::Payload;

/// A debit of another account than all others.
fn debit_of(number: u64, account: &str) -> Instruction {
    let Instruction::Debit(posting) = debit(number) else { panic!("a debit") };
    Instruction::Debit(Posting { account: account.parse().expect("an account"), ..posting })
}

/// Two connections, both signed on.
async fn two(capacity: usize) -> (Stage, Peer, Peer) {
    let mut stage = stage_with(capacity, |config| {
        config.connections = 2;
        config.timers.early_probe = Duration::from_secs(100);
        config.bounds.in_flight = 8;
    });
    let (mut one, mut other) = (stage.accept().await, stage.accept().await);
    for peer in [&mut one, &mut other] {
        peer.answer().await;
        peer.answer().await;
    }
    health(&stage, Health::Up).await;
    (stage, one, other)
}

async fn health(stage: &Stage, wanted: Health) {
    let mut status = stage.link.follow();
    let wait = status.wait_for(|snapshot| snapshot.health == wanted);
    timeout(Duration::from_secs(200), wait).await.expect("in time").expect("a link");
}

#[tokio::test(start_paused = true)]
async fn requests_go_where_least_is_owed_and_an_account_stays_together() {
    let (mut stage, mut one, mut other) = two(1 << 20).await;
    stage.ask(1);
    let within = Duration::from_secs(10);
    stage.link.ask(stage.make(2, debit_of(2, "77"), within));
    stage.link.ask(stage.make(3, debit_of(3, "77"), within));
    stage.ask(4);
    let first = [one.request().await, one.request().await];
    let second = [other.request().await, other.request().await];
    let numbers = |asked: &[(RequestId, Instruction); 2]| {
        [0, 1].map(|n| asked[n].1.serial().expect("a serial").sequence.number())
    };
    let mut told = [numbers(&first), numbers(&second)];
    told.sort_unstable();
    assert_eq!(told, [[1, 4], [2, 3]], "each account on one connection, in its order");
    let ids: HashSet<RequestId> = first.iter().chain(&second).map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 4, "numbered together");
    for (peer, asked) in [(&mut one, first), (&mut other, second)] {
        for (id, instruction) in asked {
            peer.say(&[Message::Payload(Payload::Response(id, reply(&instruction)))]).await;
        }
    }
    for _ in 0..4 {
        assert!(matches!(stage.outcome().await.1, RequestOutcome::Answered(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_written_moves_and_what_was_never_does() {
    // The pipes hold two requests or so, and nobody reads.
    let (mut stage, one, mut other) = two(300).await;
    for number in 1..=40 {
        stage.link.ask(stage.make(number, debit_of(number, "77"), Duration::from_mins(1)));
    }
    let mut status = stage.link.follow();
    let full = status.wait_for(|snapshot| snapshot.connections[0].in_flight == 8);
    timeout(Duration::from_secs(10), full).await.expect("in time").expect("a link");
    // The one whose counter goes away leaves what it had not begun to the other, which reads on.
    let served = tokio::spawn(async move {
        let mut seen = HashSet::new();
        while let Some(message) = other.hear().await {
            if let Message::Payload(Payload::Request(_, instruction)) = &message {
                seen.insert(instruction.serial().expect("a serial").sequence.number());
            }
            if let Some(answer) = other.good.answer(message) {
                other.say(&[answer]).await;
            }
        }
        seen
    });
    drop(one);
    let (mut unknown, mut answered) = (HashSet::new(), HashSet::new());
    let mut unsent = HashSet::new();
    for _ in 1..=40 {
        match stage.outcome().await {
            (number, RequestOutcome::Unknown(_)) => unknown.insert(number),
            (number, RequestOutcome::Answered(_)) => answered.insert(number),
            (number, RequestOutcome::NotSent(NotSent::Down)) => unsent.insert(number),
            other => panic!("{other:?}"),
        };
    }
    stage.stop.cancel();
    stage.ended().await;
    let seen = served.await.expect("a counter");
    assert!(unknown.iter().chain(&unsent).all(|number| !seen.contains(number)), "sent twice");
    assert_eq!(seen, answered);
    assert!(!unknown.is_empty() && answered.len() == 32, "{unknown:?}, {answered:?}");
}

#[tokio::test(start_paused = true)]
async fn one_connection_lost_is_half_a_counter_and_work_goes_on() {
    let (mut stage, one, other) = two(1 << 20).await;
    let began = stage.link.session_began();
    drop(one);
    health(&stage, Health::Degraded).await;
    assert!(stage.link.is_up() && stage.link.session_began() >= began);
    let served = tokio::spawn(other.serve());
    for number in 1..=10 {
        stage.ask(number);
        assert_eq!(
            stage.outcome().await,
            (number, RequestOutcome::Answered(reply(&debit(number))))
        );
    }
    let mut back = stage.accept().await;
    back.answer().await;
    back.answer().await;
    health(&stage, Health::Up).await;
    let snapshot = Arc::clone(&stage.link.follow().borrow());
    let epochs: Vec<u64> = snapshot.connections.iter().map(|each| each.epoch).collect();
    assert_eq!(epochs.iter().sum::<u64>(), 3, "the other one was not touched: {epochs:?}");
    assert_eq!(snapshot.counts.drops, 1);
    drop(back);
    served.abort();
}

#[tokio::test(start_paused = true)]
async fn after_a_failover_it_goes_back_when_the_preferred_address_answers_and_nothing_is_lost() {
    let mut stage = stage_with(1 << 20, |config| {
        config.addresses = ["closed:1", "counter:2"].map(str::to_owned).to_vec();
    });
    let mut peer = stage.signed_on().await;
    let snapshot = Arc::clone(&stage.link.follow().borrow());
    let tried = &snapshot.connections[0].addresses[0];
    assert_eq!((tried.failures, tried.last_error.as_deref()), (1, Some("connection refused")));
    stage.link.ask(stage.make(1, debit(1), Duration::from_mins(2)));
    let (id, asked) = peer.request().await;
    stage.opened.store(true, Ordering::Relaxed);
    // It looks, finds it open, and stays while something is in flight.
    let probe = timeout(Duration::from_secs(61), async {
        tokio::select! {
            probe = stage.accepted.recv() => probe,
            () = async { while peer.answer().await {} } => None,
        }
    });
    assert!(probe.await.expect("after a minute").is_some());
    peer.say(&[Message::Payload(Payload::Response(id, reply(&asked)))]).await;
    assert!(matches!(stage.outcome().await, (1, RequestOutcome::Answered(_))));
    tokio::spawn(peer.serve());
    let mut preferred = stage.accept().await;
    preferred.answer().await;
    preferred.answer().await;
    stage.until(|state| state == State::Up).await;
    let snapshot = Arc::clone(&stage.link.follow().borrow());
    assert_eq!(snapshot.connections[0].address, "closed:1");
    assert_eq!(
        snapshot.connections[0].last_cause.as_deref(),
        Some("signed off, to go back to closed:1")
    );
    assert_eq!(snapshot.counts.drops, 0);
}
