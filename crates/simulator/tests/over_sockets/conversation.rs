//! The counter over real sockets: sign-on, every request in every dialect, books that come back.

use crate::peer::{
    Bridge, Broken, DAY, KEY, account, credit, day, debit, dialects, options, planned, query,
    reverse, start,
};
use domain::message::{EntriesQuery, Finding, Instruction, Look, Reply};
use domain::serial::Role;
use simulator::{Durability, Options};
use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use wire::conversation::{Conversation, Heartbeat, RejectReason};
use wire::dialect::Dialect;
use wire::message::Message;
use wire::payload::RequestId;

#[tokio::test]
async fn every_request_is_answered_in_every_dialect() {
    for dialect in dialects() {
        let counter = start(options(dialect.clone(), "")).await;
        let mut bridge = Bridge::connect(counter.address, dialect.clone()).await;
        let welcome = bridge.sign_on(&KEY, "bridge").await.expect("signs on");
        assert_eq!(welcome.heartbeat_s, 1);
        let state = welcome.counter.expect("says where it stands");
        assert_eq!((state.settle_day, state.open), (day(), true));
        assert_eq!(state.profile, options(dialect.clone(), "").profile);

        assert_eq!(bridge.post(debit(1, 300)).await, Ok(200));
        assert_eq!(bridge.post(debit(1, 300)).await, Ok(201));
        assert_eq!(bridge.post(credit(2, 500)).await, Ok(200));
        assert_eq!(bridge.post(debit(3, 1_000_000)).await, Ok(402));
        assert_eq!(bridge.post(reverse(1, 300)).await, Ok(200));
        assert_eq!(bridge.post(reverse(1, 300)).await, Ok(601));
        assert_eq!(bridge.find(1, Role::Reversal, Look::Only).await, Finding::Done);
        assert_eq!(bridge.find(3, Role::Debit, Look::Only).await, Finding::Refused);
        assert_eq!(bridge.find(4, Role::Debit, Look::Only).await, Finding::NotFound);
        assert_eq!(bridge.find(4, Role::Debit, Look::Fence).await, Finding::Fenced);
        assert_eq!(bridge.post(debit(4, 300)).await, Ok(501));
        assert_eq!(bridge.available("A").await, 100_000);
        let entries =
            EntriesQuery { account: Some(account("A")), day: day(), offset: 0, limit: 10 };
        let Ok(Reply::Entries(entries)) = bridge.ask(Instruction::Entries(entries)).await else {
            panic!("no entries")
        };
        assert_eq!(entries.entries.len(), 2);

        bridge.send(&Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 9 }))).await;
        let Ok(Message::Conversation(Conversation::HeartbeatAck(ack))) = bridge.hear().await else {
            panic!("no ack")
        };
        assert_eq!((ack.number, ack.counter), (9, Some((day(), true))));
        bridge.sign_off().await;
        assert_eq!(
            bridge.hear().await,
            Ok(Message::Conversation(Conversation::SignOffAck)),
            "{dialect:?}"
        );
        assert_eq!(bridge.hear().await, Err(Broken::Closed));
        counter.stop();
        counter.ended().await;
    }
}

#[tokio::test]
async fn a_stranger_is_rejected_by_the_reason() {
    let counter = start(options(Dialect::Securities, "")).await;
    for (key, name, reason) in
        [([8; 32], "bridge", RejectReason::BadProof), (KEY, "stranger", RejectReason::UnknownParty)]
    {
        let mut bridge = Bridge::connect(counter.address, Dialect::Securities).await;
        assert_eq!(bridge.sign_on(&key, name).await, Err(Broken::Rejected(reason)));
        assert_eq!(bridge.receive().await, Err(Broken::Closed));
    }
    let mut early = Bridge::connect(counter.address, Dialect::Securities).await;
    assert_eq!(early.post(debit(1, 1)).await, Err(Broken::Rejected(RejectReason::Other)));
}

#[tokio::test]
async fn many_pipelined_requests_on_many_connections_are_each_answered_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("books.jsonl");
    let counter =
        start(Options { books: Some(path.clone()), ..options(Dialect::Securities, "") }).await;
    let mut bridges = Vec::new();
    for _ in 0..4 {
        bridges.push(counter.bridge().await);
    }
    // Every serial is sent on two connections: one of them is told that it is a duplicate.
    for (place, bridge) in bridges.iter_mut().enumerate() {
        let first = if place < 2 { 1 } else { 251 };
        for sequence in first..first + 250 {
            bridge.request(debit(sequence, 1)).await;
        }
    }
    let mut codes: HashMap<u16, u32> = HashMap::new();
    for bridge in &mut bridges {
        for expected in 1..=250 {
            let Ok(Reply::Posting(reply)) = bridge.reply(RequestId(expected)).await else {
                panic!("no posting")
            };
            *codes.entry(reply.answer.code.number()).or_default() += 1;
        }
    }
    assert_eq!(codes, HashMap::from([(200, 500), (201, 500)]));
    // Each posting was in the file before its answer was here.
    assert_eq!(debits(&path), 500);
    assert_eq!(bridges[0].available("A").await, 99_500);
}

fn debits(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).expect("reads");
    text.lines().filter(|line| line.contains(r#""kind":"debit""#)).count()
}

/// A counter in a runtime of its own, which ends as suddenly as a process does.
fn start_apart(options: Options) -> (Runtime, std::net::SocketAddr) {
    let runtime = Runtime::new().expect("a runtime");
    let (ready, address) = mpsc::channel();
    runtime.spawn(simulator::run(
        options,
        move |address| ready.send(address).expect("the test waits"),
        CancellationToken::new(),
    ));
    let address = address.recv_timeout(Duration::from_secs(10)).expect("starts");
    (runtime, address)
}

#[test]
fn a_counter_that_died_comes_back_with_its_memory_and_its_day() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("books.jsonl");
    let options = Options {
        books: Some(path.clone()),
        durability: Durability::Disk,
        ..options(Dialect::Securities, "cut_over_after = 3")
    };
    let here = Runtime::new().expect("a runtime");

    let (runtime, address) = start_apart(options.clone());
    here.block_on(async {
        let mut bridge = Bridge::connect(address, Dialect::Securities).await;
        bridge.sign_on(&KEY, "bridge").await.expect("signs on");
        assert_eq!(bridge.post(debit(1, 300)).await, Ok(200));
        assert_eq!(bridge.post(debit(2, 1_000_000)).await, Ok(402));
        assert_eq!(bridge.find(3, Role::Debit, Look::Fence).await, Finding::Fenced);
        assert_eq!(bridge.post(debit(5, 10)).await, Ok(200));
        assert_eq!(bridge.post(reverse(5, 10)).await, Ok(200));
    });
    runtime.shutdown_timeout(Duration::from_secs(5));

    // It died while it wrote.
    let mut text = std::fs::read(&path).expect("reads");
    text.extend_from_slice(br#"{"at":1,"counter":"count"#);
    std::fs::write(&path, text).expect("writes");

    let other_accounts = vec![(account("A"), 5), (account("C"), 77)];
    let (runtime, address) = start_apart(Options { accounts: other_accounts, ..options });
    here.block_on(async {
        let mut bridge = Bridge::connect(address, Dialect::Securities).await;
        let welcome = bridge.sign_on(&KEY, "bridge").await.expect("signs on");
        let settle_day = welcome.counter.expect("says where it stands").settle_day;
        assert_eq!(settle_day.number(), DAY + 1);
        assert_eq!(bridge.post(debit(1, 300)).await, Ok(201));
        assert_eq!(bridge.post(debit(2, 1_000_000)).await, Ok(402));
        assert_eq!(bridge.post(debit(3, 300)).await, Ok(501));
        assert_eq!(bridge.post(reverse(5, 10)).await, Ok(601));
        assert_eq!(bridge.post(reverse(1, 300)).await, Ok(603), "its day has ended");
        assert_eq!(bridge.find(2, Role::Debit, Look::Only).await, Finding::Refused);
        assert_eq!(bridge.available("A").await, 99_700);
        assert_eq!(bridge.available("C").await, 77);
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

#[tokio::test]
async fn a_bridge_that_falls_silent_is_probed_and_dropped() {
    let (_counter, mut bridge) = planned("").await;
    let mut heartbeats = 0;
    let end = loop {
        match bridge.receive().await {
            Ok(Message::Conversation(Conversation::Heartbeat(_))) => heartbeats += 1,
            Ok(other) => panic!("{other:?}"),
            Err(broken) => break broken,
        }
    };
    assert!(heartbeats > 0);
    assert_eq!(end, Broken::Closed);
}

#[tokio::test]
async fn a_counter_that_stops_signs_off_and_answers_what_was_asked() {
    let (counter, mut bridge) = planned("").await;
    counter.stop();
    let Ok(Message::Conversation(Conversation::SignOff(_))) = bridge.hear().await else {
        panic!("no sign-off")
    };
    assert_eq!(bridge.post(debit(1, 1)).await, Ok(200));
    bridge.send(&Message::Conversation(Conversation::SignOffAck)).await;
    assert_eq!(bridge.hear().await, Err(Broken::Closed));
    counter.ended().await;
}

#[tokio::test]
async fn a_bridge_that_does_not_acknowledge_cannot_hold_up_the_end() {
    let (counter, _bridge) = planned("").await;
    counter.stop();
    counter.ended().await;
}

#[tokio::test]
async fn bytes_that_are_no_protocol_end_the_connection_and_nothing_else() {
    let (counter, mut bridge) = planned("").await;
    for garbage in [&[0xff; 64][..], &[0, 0, 0, 0], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut hostile = counter.bridge().await;
        hostile.stream.write_all(garbage).await.expect("writes");
        assert_eq!(hostile.hear().await, Err(Broken::Closed));
    }
    let mut hostile = counter.bridge().await;
    for _ in 0..4 {
        hostile.stream.write_all(&[0, 0, 0, 3, 0xff, 0xff, 0xff]).await.expect("writes");
        let Ok(Message::Conversation(Conversation::Notice(_))) = hostile.hear().await else {
            panic!("no notice")
        };
    }
    assert_eq!(hostile.post(debit(1, 1)).await, Ok(200), "the conversation goes on");
    hostile.stream.write_all(&[0, 0, 0, 3, 0xff, 0xff, 0xff]).await.expect("writes");
    assert_eq!(hostile.hear().await, Err(Broken::Closed));
    assert_eq!(bridge.find(1, Role::Debit, Look::Only).await, Finding::Done);
    assert!(bridge.ask(query(2, Role::Debit, Look::Only)).await.is_ok());
}
