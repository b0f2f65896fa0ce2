//! Nothing dies or stands still unnoticed: the log's reader goes away, parts of the bridge fail on
//! purpose, strangers hold connections while it stops.

use serde_json::Value;
use std::fs::File;
use std::io::{Read, pipe};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use system_tests::audit::State;
use system_tests::caller::{LOOK_EVERY, Order};
use system_tests::database::Kind;
use system_tests::operator::{connected, look, parked, resolve};
use system_tests::process::program;
use system_tests::town::{Faults, Town};
use tokio::time::timeout;

/// How impatient a bridge is in these tests.
const BRISK: &str = "patience = 2\nfirst_pause_ms = 50\nlongest_pause_ms = 100\n\
                     posting_deadline_ms = 300\nquery_deadline_ms = 300\ntransfer_deadline_s = 2";

async fn ready(town: &Town) -> (u16, Value) {
    let answer =
        reqwest::get(format!("{}/readyz", town.bridge.operators())).await.expect("it answers");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

async fn settles(town: &Town, key: &str) {
    let ending = town.caller.ending(&Order::new(key, 10)).await.expect("it ends");
    assert_eq!(ending, State::Completed, "{key}\n{}", town.bridge.log());
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    // The first transfer's credit is never answered: its owner has an error to log.
    let silence = "[[rule]]\non = ['credit']\ntimes = 1\ndo = 'no_answer'\n\
                   [[rule]]\non = ['query']\ntimes = 60\ndo = 'no_answer'";
    let faults = Faults { futures: silence, coordinator: BRISK, ..Faults::default() };
    let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    town.bridge.stop_reading_its_log().expect("it runs");
    let first = Order::new("first", 700);
    let sent = town.caller.send(&first).await.expect("an answer");
    parked(&town).await.unwrap_or_else(|error| panic!("{sent:?}: {error:#}"));
    settles(&town, "after-an-alarm").await;
    // The links have something to log, again and again.
    for round in 0..3 {
        town.futures.cure().await.expect("it starts again");
        connected(&town).await.expect("they connect");
        settles(&town, &format!("after-a-loss-{round}")).await;
    }
    let (status, said) = ready(&town).await;
    assert_eq!((status, &said["status"]), (200, &"ready".into()), "{said}");
    let url = format!("{}/metrics", town.bridge.operators());
    let metrics = reqwest::get(url).await.expect("metrics").text().await.expect("text");
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("log_lines_dropped_total "));
    assert_ne!(dropped, Some("0"), "{metrics}");
    assert!(town.bridge.terminate().await.expect("it ends").success());
}

#[tokio::test]
async fn a_panic_in_one_transfers_step_parks_it_and_no_start_fails_on_it() {
    for kind in Kind::all() {
        let mut town = Town::start(kind, Faults::default()).await.expect("the town starts");
        town.bridge.restart_with_traps("step/4242=panic").await.expect("it starts");
        connected(&town).await.expect("they connect");
        let broken = Order::new("broken", 4242);
        let _ = town.caller.send(&broken).await.expect("an answer");
        let item = parked(&town).await.expect("a person is called");
        assert!(item["reason"].as_str().is_some_and(|why| why.contains("failed")), "{item}");
        settles(&town, "beside-it").await;
        for traps in ["step/4242=panic", "step/4242=panic,take-up/4242=panic", "step/4242=panic"] {
            town.bridge.restart_with_traps(traps).await.expect("it starts again");
            connected(&town).await.expect("they connect");
            parked(&town).await.expect("it is still with a person");
            settles(&town, &rand_key()).await;
            assert_eq!(ready(&town).await.0, 200);
        }
        town.bridge.restart_with_traps("").await.expect("a program that is mended");
        connected(&town).await.expect("they connect");
        let serial = parked(&town).await.expect("it waits")["master_serial"].to_string();
        assert!(resolve(&town, serial.trim_matches('"'), "resume").await.expect("it is said"));
        let ending = town.caller.ending(&broken).await.expect("it ends");
        assert!(matches!(ending, State::Completed | State::Refused), "{ending:?}");
        assert_eq!(town.audit().await.expect("an audit"), [], "{}", town.bridge.log());
    }
}

fn rand_key() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[tokio::test]
async fn the_death_of_a_shard_or_of_the_journal_ends_the_process_with_its_cause() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    settles(&town, "before").await;
    for (traps, cause) in [
        ("shard=panic", "has died: it panicked: a trap: shard"),
        ("journal=panic", "the journal has died: it panicked: a trap: journal"),
    ] {
        // It may be dead before it is ready.
        let status = match town.bridge.restart_with_traps(traps).await {
            Ok(()) => town.bridge.ended(Duration::from_secs(20)).await.expect("it ends").code(),
            Err(_) => Some(1),
        };
        let log = town.bridge.log();
        assert_eq!(status, Some(1), "{log}");
        assert!(log.contains(cause), "{log}");
    }
    town.bridge.restart_with_traps("").await.expect("it starts again");
    settles(&town, "after").await;
}

#[tokio::test]
async fn what_stands_still_is_named_and_the_bridge_is_not_ready() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    town.bridge.restart_with_traps("step/4242=hang").await.expect("it starts");
    connected(&town).await.expect("they connect");
    let caller = town.caller.clone();
    let stuck = tokio::spawn(async move { caller.send(&Order::new("stuck", 4242)).await });
    let named = look(&town, "/readyz", |said| {
        let ailing = said["ailing"][0].as_str()?.to_owned();
        (said["status"] == "not ready").then_some(ailing)
    });
    let named = named.await.expect("it is named");
    assert!(named.starts_with("shard ") && named.contains("has stood still"), "{named}");
    // The log says so as well, at the latest when it is looked at the next time.
    let said = async {
        while !town.bridge.log().contains("has stood still") {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    timeout(Duration::from_secs(10), said).await.expect("the log says so, too");
    stuck.abort();
    // It can still be ended, and the next one goes on.
    town.bridge.terminate().await.expect("it ends");
    town.bridge.restart_with_traps("").await.expect("it starts");
    settles(&town, "after").await;
}

#[tokio::test]
async fn a_stranger_with_half_a_request_does_not_hold_a_stop_up() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    settles(&town, "before").await;
    let mut strangers = Vec::new();
    for url in [town.bridge.api(), town.bridge.operators()] {
        let address = url.strip_prefix("http://").expect("an address").to_owned();
        for half in [
            "",
            "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half",
            "POST /v1/transfers HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        ] {
            let mut stranger = TcpStream::connect(&address).expect("it listens");
            std::io::Write::write_all(&mut stranger, half.as_bytes()).expect("it is sent");
            strangers.push(stranger);
        }
    }
    // They are there before it is told to stop.
    assert_eq!(ready(&town).await.0, 200);
    let begun = Instant::now();
    assert!(town.bridge.terminate().await.expect("it ends").success(), "{}", town.bridge.log());
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}\n{}", town.bridge.log());
    assert!(!town.bridge.log().contains("did not end in time"), "{}", town.bridge.log());
}

/// How a command ends whose output goes there, and what it says on standard error.
fn end_of(arguments: &[&str], output: Stdio) -> (Option<i32>, String) {
    let mut child = Command::new(program().expect("the program"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = String::new();
    child.stderr.take().expect("its words").read_to_string(&mut said).expect("text");
    (child.wait().expect("it ends").code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_reader_has_gone_ends_quietly() {
    let town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    settles(&town, "one").await;
    let operators = town.bridge.operators();
    let config = town.bridge.config_file();
    let config = config.to_str().expect("text");
    let commands: [&[&str]; 5] = [
        &["openapi"],
        &["--help"],
        &["check", "--config", config],
        &["status", "--operators", &operators],
        &["status", "--json", "--operators", &operators],
    ];
    for arguments in commands {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let (code, said) = end_of(arguments, writer.into());
        assert!(matches!(code, Some(0 | 141)), "{arguments:?}: {code:?} {said}");
        assert_eq!(said, "", "{arguments:?}");
        if !Path::new("/dev/full").exists() || arguments == ["--help"] {
            continue;
        }
        let full = File::options().write(true).open("/dev/full").expect("a full disk");
        let (code, said) = end_of(arguments, full.into());
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("counter-bridge: standard output cannot be written"), "{said}");
    }
}

/// `println!` and its like panic when the reader has gone; `supervise::say!` and `tell!` do not.
#[test]
fn no_program_says_anything_by_what_panics() {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..")];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in
            folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path())
        {
            let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if entry.is_dir() {
                if !["target", "tests", ".git", "fuzz"].contains(&name) {
                    folders.push(entry);
                }
                continue;
            }
            if entry.extension().is_none_or(|kind| kind != "rs")
                || ["build.rs", "tests.rs"].contains(&name)
            {
                continue;
            }
            looked_at += 1;
            let text = std::fs::read_to_string(&entry).expect("text");
            let program = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let prints = |line: &&str| {
                let line = line.trim_start();
                !line.starts_with("//")
                    && ["println!(", "print!("].iter().any(|word| line.contains(word))
            };
            found.extend(
                program.lines().filter(prints).map(|line| format!("{}: {line}", entry.display())),
            );
        }
    }
    assert!(looked_at > 200, "{looked_at}");
    assert_eq!(found, Vec::<String>::new());
}
