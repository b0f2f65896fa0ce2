//! Nothing dies or stands still unnoticed: the log's reader goes away, parts of the bridge fail on
//! purpose, strangers hold connections while it stops.

use serde_json::Value;
use std::fs::File;
use std::io::{Read, pipe};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use system_tests::audit::State;
use system_tests::caller::{LOOK_EVERY, Order};
use system_tests::database::Kind;
use system_tests::operator::{connected, look, parked, resolve};
use system_tests::process::{free_address, program};
use system_tests::stage::{FOUND_WITHIN, Stage};
use system_tests::town::{Faults, Town};
use tokio::time::timeout;

/// How impatient a bridge is in these tests.
const BRISK: &str = "patience = 2\nfirst_pause_ms = 50\nlongest_pause_ms = 100\n\
                     posting_deadline_ms = 300\nquery_deadline_ms = 300\ntransfer_deadline_s = 2";

async fn ready(town: &Town) -> (u16, Value) {
    let answer = system_tests::http::get(format!("{}/readyz", town.bridge.operators()))
        .await
        .expect("it answers");
    (answer.status.as_u16(), answer.json().expect("JSON"))
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
    let metrics = system_tests::http::get(url).await.expect("metrics").text();
    let dropped = metrics
        .lines()
        .find_map(|line| line.strip_prefix("counter_bridge_log_lines_dropped_total "));
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

/// Whatever a collector of lines is asked about a transfer, it finds by the master serial: from the alarm on, over
/// each person's word, to its end.
#[tokio::test]
async fn every_line_of_the_log_about_a_transfer_has_its_master_serial() {
    let silence = "[[rule]]\non = ['credit', 'query', 'fence']\ntimes = 1000\ndo = 'no_answer'";
    let faults = Faults { futures: silence, coordinator: BRISK, ..Faults::default() };
    let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    let before = town.bridge.log().len();
    town.bridge.restart_with_log("json").await.expect("it starts");
    connected(&town).await.expect("they connect");
    let order = Order::new("first", 700);
    let _ = town.caller.send(&order).await.expect("an answer");
    let item = parked(&town).await.expect("a person is called");
    let serial = item["master_serial"].as_str().expect("a serial").to_owned();
    assert!(resolve(&town, &serial, "completed").await.expect("it is said"));
    assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
    assert!(town.bridge.terminate().await.expect("it ends").success());

    let log = town.bridge.log();
    let mut about = Vec::new();
    for line in log[before..].lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        // The line that says where it listens is for whoever started it.
        let Some(target) = line["target"].as_str() else { continue };
        let is_of_a_transfer = target == "coordinator::actor" || line.to_string().contains(&serial);
        if is_of_a_transfer {
            assert_eq!(line["master"], serial.as_str(), "{line}");
            assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
            about.push(line["message"].as_str().unwrap_or_default().to_owned());
        }
    }
    for word in ["could not be established", "proposes", "decided"] {
        assert!(about.iter().any(|line| line.contains(word)), "{word}: {about:?}");
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

/// The metric's value, if it is there.
fn value(metrics: &str, name: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}

#[tokio::test]
async fn a_panic_in_a_links_task_is_begun_anew_and_after_five_it_is_held() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    town.bridge.restart_with_traps("link/futures=panic").await.expect("it starts");
    let state = |counters: &Value, of: &str| {
        let one = counters.as_array()?.iter().find(|one| one["counter"] == of)?;
        one["connections"][0]["state"].as_str().map(str::to_owned)
    };
    let begun = Instant::now();
    let held = look(&town, "/ops/v1/counters", |counters| {
        (state(counters, "futures")? == "held").then_some(counters.clone())
    });
    let counters = held.await.expect("it is held");
    // Four pauses lie between five failures, each about twice as long as the one before.
    assert!(begun.elapsed() > Duration::from_millis(500), "{:?}", begun.elapsed());
    let cause = &counters.as_array().expect("a list")[1]["connections"][0]["last_cause"];
    assert!(counters.to_string().contains("a trap: link futures"), "{cause}");
    // The other goes on, and so does the bridge: no transfer can begin at a counter that is held.
    assert_eq!(state(&counters, "securities").as_deref(), Some("up"), "{counters}");
    let (status, said) = ready(&town).await;
    assert_eq!((status, &said["status"]), (200, &"ready".into()), "{said}");
    let said = town.caller.send(&Order::new("none", 10)).await.expect("an answer");
    assert_eq!(said.status, 503, "{said:?}");
    assert!(town.bridge.log().contains("a trap: link futures"), "{}", town.bridge.log());
    // With a program that is mended it is found again.
    town.bridge.restart_with_traps("").await.expect("it starts");
    connected(&town).await.expect("they connect");
    settles(&town, "none").await;
}

/// Whatever is on its way when a part of the bridge dies ends in the next life, and nothing is doubled.
#[tokio::test]
async fn the_death_of_a_shard_or_of_the_journal_at_work_loses_nothing() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    let folder = tempfile::tempdir().expect("a folder");
    for (place, cause) in
        [("journal", "the journal has died: it panicked"), ("shard", "has died: it panicked")]
    {
        let now = folder.path().join(place);
        let traps = format!("{place}=panic:{}", now.display());
        town.bridge.restart_with_traps(&traps).await.expect("it starts");
        connected(&town).await.expect("they connect");
        settles(&town, &format!("before-{place}")).await;
        assert_eq!(ready(&town).await.0, 200);
        let orders: Vec<Order> =
            (0..20).map(|number| Order::new(format!("{place}-{number}"), 10)).collect();
        let sent: Vec<_> = orders
            .iter()
            .map(|order| {
                let (caller, order) = (town.caller.clone(), order.clone());
                tokio::spawn(async move { caller.send(&order).await })
            })
            .collect();
        std::fs::write(&now, "").expect("the trap opens");
        let status = town.bridge.ended(Duration::from_secs(25)).await.expect("it ends");
        let log = town.bridge.log();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(cause), "{log}");
        for sent in sent {
            // Told something or cut off: what was told stands.
            let _ = sent.await.expect("no panic");
        }
        town.bridge.restart_with_traps("").await.expect("it starts again");
        connected(&town).await.expect("they connect");
        for order in &orders {
            let ending = town.caller.ending(order).await.expect("it ends");
            assert!(matches!(ending, State::Completed | State::Refused), "{order:?}: {ending:?}");
        }
        assert_eq!(town.audit().await.expect("an audit"), [], "{}", town.bridge.log());
    }
}

/// A disk of its own; unmounted when it is dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None`: whoever runs this may not mount one.
    fn small() -> Option<Disk> {
        let folder = tempfile::tempdir().expect("a folder");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(Disk(folder))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may still be written to: it goes when that ends.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_under_the_log_stops_nothing_and_is_said_once_there_is_room() {
    let address = free_address().expect("an address").to_string();
    let counter = format!(
        "[[counter]]\nid = 'securities'\ndialect = 'securities'\naddresses = ['{address}']\n\
         key_file = 'k'\nheartbeat_s = 1\n"
    );
    let disk = Disk::small();
    let log = disk.as_ref().map_or(PathBuf::from("/dev/full"), |disk| disk.file("log"));
    let mut stage = Stage::prepared(&counter).expect("a stage").with_log(log.clone());
    stage.restart().await.expect("it starts");
    let accounts = ["--account", "6001=1000", "--account", "6002=0", "--books", "s.jsonl"];
    let options = ["--listen", &address];
    let options = [&options[..], &accounts[..]].concat();
    let up = |up| stage.until("securities", up, FOUND_WITHIN);
    let mut running = stage.counter("securities", &options).expect("it starts");
    up(true).await.expect("it is found");
    if let Some(disk) = &disk {
        let mut ballast = File::create(disk.file("ballast")).expect("a file");
        while std::io::Write::write_all(&mut ballast, &[0; 512]).is_ok() {}
        // What is left of the page in which the log ends.
        let mut log = File::options().append(true).open(&log).expect("the log");
        while std::io::Write::write_all(&mut log, b"\n").is_ok() {}
    }
    // Every loss of the link has something to log, and so has its return.
    let caller = stage.caller().expect("a caller");
    let mut dropped = 0;
    for round in 0..3 {
        running.kill().await.expect("it is gone");
        up(false).await.expect("it is missed");
        running = stage.counter("securities", &options).expect("it starts");
        up(true).await.expect("it is found again");
        let body = "{\"from\":{\"counter\":\"securities\",\"account\":\"6001\"},\"to\":\
                    {\"counter\":\"securities\",\"account\":\"6002\"},\"amount\":1,\
                    \"currency\":\"CNY\"}";
        let said = caller.post(&format!("full-{round}"), body, 20).await.expect("an answer");
        assert_eq!(said.status, 201, "{said:?}");
        let now = stage
            .look("/metrics", |all| {
                value(all, "counter_bridge_log_lines_dropped_total ").filter(|now| *now > dropped)
            })
            .await
            .expect("they are counted");
        dropped = now;
        assert!(stage.said("/readyz").await.expect("an answer").contains("\"ready\""));
    }
    let Some(disk) = &disk else {
        eprintln!(
            "NOT TRIED: a disk of its own can be made by root only; nothing is written again"
        );
        return;
    };
    std::fs::remove_file(disk.file("ballast")).expect("there is room");
    running.kill().await.expect("it is gone");
    up(false).await.expect("it is missed");
    let said = async {
        loop {
            let text = std::fs::read_to_string(&log).expect("a log");
            if text.contains("lines before this one could not be written") {
                return text;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let text = timeout(FOUND_WITHIN, said).await.expect("it is said that lines are missing");
    let behind = text.rsplit("could not be written\n").next().unwrap_or_default();
    assert!(!behind.contains('\0') && text.lines().count() > 3, "{text}");
    assert!(stage.terminate().await.expect("it ends").success());
}

/// Programs that go on for their own sake, whoever reads what they say of it.
#[tokio::test]
async fn a_program_that_serves_goes_on_without_a_reader_and_ends_when_it_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("k"), [b'k'; 32]).expect("a key");
    let address = free_address().expect("an address").to_string();
    let simulate: &[&str] = &["simulate", "futures", "--key-file", "k", "--listen", &address];
    for (arguments, heard) in [(simulate, Some(&address)), (&["demo"], None)] {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let mut child = Command::new(program().expect("the program"))
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(writer.try_clone().expect("a pipe"))
            .stderr(writer)
            .spawn()
            .expect("it starts");
        let begun = Instant::now();
        let Some(address) = heard else {
            // What is only there to be read may as well end, quietly.
            let ended = loop {
                if let Some(status) = child.try_wait().expect("it can be looked at") {
                    break status;
                }
                assert!(begun.elapsed() < Duration::from_mins(1), "{arguments:?} goes on");
                tokio::time::sleep(LOOK_EVERY).await;
            };
            assert!(matches!(ended.code(), Some(0 | 141)), "{arguments:?}: {ended}");
            continue;
        };
        while TcpStream::connect(address).is_err() {
            let ended = child.try_wait().expect("it can be looked at");
            assert!(ended.is_none(), "{arguments:?}: {ended:?}");
            assert!(begun.elapsed() < Duration::from_secs(30), "{arguments:?} does not listen");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let number = i32::try_from(child.id()).expect("a number");
        let number = rustix::process::Pid::from_raw(number).expect("a process");
        rustix::process::kill_process(number, rustix::process::Signal::TERM).expect("it is told");
        let status = child.wait().expect("it ends");
        assert!(status.success(), "{arguments:?}: {status}");
    }
}

/// Every program that is built beside this test, whichever it is.
#[test]
fn every_program_ends_quietly_when_nobody_reads_its_help() {
    let folder = program().expect("the program").parent().expect("a folder").to_owned();
    let mut tried = Vec::new();
    for name in ["counter-bridge", "simulate", "chaos", "link-bench", "counts", "xtask"] {
        let path = folder.join(name);
        if !path.is_file() {
            continue;
        }
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let mut child = Command::new(path)
            .arg("--help")
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = String::new();
        child.stderr.take().expect("its words").read_to_string(&mut said).expect("text");
        let status = child.wait().expect("it ends");
        assert!(!said.contains("panicked"), "{name}: {status} {said}");
        assert!(status.code().is_some_and(|code| code != 101), "{name}: {status} {said}");
        tried.push(name);
    }
    assert!(tried.contains(&"counter-bridge"), "{tried:?}");
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
    let token_file = town.bridge.token_file();
    let token_file = token_file.to_str().expect("text");
    let config = town.bridge.config_file();
    let config = config.to_str().expect("text");
    let commands: [&[&str]; 5] = [
        &["openapi"],
        &["--help"],
        &["check", "--config", config],
        &["status", "--operators", &operators, "--token-file", token_file],
        &["status", "--json", "--operators", &operators, "--token-file", token_file],
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
                if !["target", "tests", ".git"].contains(&name) {
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
