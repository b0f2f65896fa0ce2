//! The counter as a process of its own: what it says when it is ready, and how it ends.

use crate::peer::{Bridge, Broken, KEY, debit, options};
use domain::message::{Finding, Look};
use domain::serial::Role;
use simulator::Options;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use wire::conversation::Conversation;
use wire::dialect::Dialect;
use wire::message::Message;

/// Where the process keeps its books; only a test's child has it in its environment.
const BOOKS: &str = "SIMULATOR_TEST_BOOKS";

/// Not a test when it is run as one: the tests below start it again as the counter's process.
#[tokio::test]
async fn counter_process() {
    let Some(books) = std::env::var_os(BOOKS) else { return };
    let options = Options { books: Some(books.into()), ..options(Dialect::Securities, "") };
    simulator::run_as_process(options).await.expect("ends well");
}

/// Starts the process and waits until it says where it listens.
async fn spawn(books: &Path) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().expect("knows itself"))
        .args(["--exact", "process::counter_process", "--nocapture"])
        .env(BOOKS, books)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
    let ready = async {
        loop {
            let line = lines.next_line().await.expect("reads").expect("says where it listens");
            // The test harness of the child writes to the same line.
            if let Some(json) = line.find('{').map(|start| &line[start..]) {
                let ready: serde_json::Value = serde_json::from_str(json).expect("is JSON");
                return ready["listening"].as_str().expect("an address").parse().expect("parses");
            }
        }
    };
    let address = timeout(Duration::from_secs(10), ready).await.expect("is ready in time");
    // The harness goes on writing: somebody must read it, or a full pipe would stop the child.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, address)
}

async fn bridge(address: SocketAddr) -> Bridge {
    let mut bridge = Bridge::connect(address, Dialect::Securities).await;
    bridge.sign_on(&KEY, "bridge").await.expect("signs on");
    bridge
}

#[tokio::test]
async fn a_killed_process_comes_back_with_its_memory_and_a_terminated_one_ends_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let books = folder.path().join("books.jsonl");
    let (mut child, address) = spawn(&books).await;
    let mut first = bridge(address).await;
    assert_eq!(first.post(debit(1, 300)).await, Ok(200));
    assert_eq!(first.find(2, Role::Debit, Look::Fence).await, Finding::Fenced);
    child.kill().await.expect("SIGKILL");
    assert_eq!(first.hear().await, Err(Broken::Closed));

    let (mut child, address) = spawn(&books).await;
    let mut second = bridge(address).await;
    assert_eq!(second.post(debit(1, 300)).await, Ok(201));
    assert_eq!(second.post(debit(2, 300)).await, Ok(501));
    assert_eq!(second.available("A").await, 99_700);
    let pid = child.id().expect("runs").to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status().await.expect("runs");
    assert!(sent.success());
    assert!(matches!(second.hear().await, Ok(Message::Conversation(Conversation::SignOff(_)))));
    second.send(&Message::Conversation(Conversation::SignOffAck)).await;
    let ended = timeout(Duration::from_secs(10), child.wait()).await.expect("ends in time");
    assert!(ended.expect("ends").success());
}
