//! The program's own audit: it agrees with a town in order, and finds out every way in which one
//! may not be.

use std::path::{Path, PathBuf};
use std::time::Duration;
use system_tests::audit::State;
use system_tests::auditor::{Audited, Statements, audit};
use system_tests::books::Kind as Line;
use system_tests::caller::Order;
use system_tests::database::Kind;
use system_tests::operator::{connected, parked, resolve};
use system_tests::process::Process;
use system_tests::tester::NAME;
use system_tests::town::{Faults, NOBODY, POOR, Town};

/// Credits never arrive, and questions about them are not heard.
const GONE: &str = "[[rule]]\non = ['credit', 'query', 'fence']\ndo = 'drop'";

/// A bridge that calls a person after a second.
const IMPATIENT: &str = "posting_deadline_ms = 300\nquery_deadline_ms = 200\npatience = 1\n\
                         first_pause_ms = 50\nparked_pause_s = 1";

fn books(town: &Town) -> Statements {
    Statements::Books(town.securities.books_file(), town.futures.books_file())
}

/// A transfer for each ending: completed, reversed, refused.
async fn every_ending(town: &Town) {
    let orders = [
        (Order::new("completed", 700), State::Completed),
        (Order::new("reversed", 800).to(NOBODY), State::Reversed),
        (Order::new("refused", 900).from(POOR), State::Refused),
    ];
    for (order, ending) in orders {
        assert_eq!(town.caller.ending(&order).await.expect("it ends"), ending, "{order:?}");
    }
}

#[tokio::test]
async fn a_town_in_order_is_found_so_by_asking_and_by_its_books() {
    for kind in Kind::all() {
        let town = Town::start(kind, Faults::default()).await.expect("the town starts");
        let nothing = audit(&town, &books(&town)).await.expect("an audit");
        nothing.clean().expect("nothing has happened");
        every_ending(&town).await;
        for statements in [Statements::Asked, books(&town)] {
            let audited = audit(&town, &statements).await.expect("an audit");
            audited.clean().unwrap_or_else(|error| panic!("{kind:?} {statements:?}: {error:#}"));
            assert_eq!(audited.report["transfers"], 3, "{}", audited.report);
            assert_eq!(audited.report["postings"], 4, "{}", audited.report);
            let sums = &audited.report["currencies"][0];
            let told = ["debited", "credited", "returned", "in_transit", "unaccounted"];
            assert_eq!(told.map(|word| sums[word].as_i64()), [1500, 700, 800, 0, 0].map(Some));
        }
    }
}

/// Copies books, changed line by line; a line may become none, or several.
fn changed(books: &Path, to: &Path, change: impl Fn(&str) -> Vec<String>) -> PathBuf {
    let text = std::fs::read_to_string(books).expect("books");
    let lines: Vec<String> = text.lines().flat_map(change).map(|line| line + "\n").collect();
    std::fs::write(to, lines.concat()).expect("a copy");
    to.to_owned()
}

/// From a line and the kind of posting to tamper with, to the lines instead of it.
type Change = fn(&str, &str) -> Vec<String>;

fn is(line: &str, kind: &str) -> bool {
    line.contains(&format!("\"kind\":\"{kind}\""))
}

#[tokio::test]
async fn books_that_were_tampered_with_are_found_out() {
    let town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    every_ending(&town).await;
    let changes: [(&str, Change, &str); 4] = [
        (
            "removed",
            |line, kind| if is(line, kind) { vec![] } else { vec![line.into()] },
            "wrong_legs",
        ),
        (
            "doubled",
            |line, kind| vec![line.to_owned(); if is(line, kind) { 2 } else { 1 }],
            "doubled",
        ),
        (
            "amount",
            |line, kind| {
                let mended = line.replace("00,\"currency\"", "01,\"currency\"");
                vec![if is(line, kind) { mended } else { line.to_owned() }]
            },
            "not_as_recorded",
        ),
        (
            "stranger",
            |line, kind| {
                let mut lines = vec![line.to_owned()];
                if is(line, kind) {
                    let start = line.find("\"serial\":\"").expect("a serial") + 10;
                    let digit = &line[start + 11..=start + 11];
                    lines.push(format!(
                        "{}99999999999{digit}{}",
                        &line[..start],
                        &line[start + 12..]
                    ));
                }
                lines
            },
            "unexplained",
        ),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for (name, change, kind) in changes {
        for leg in ["debit", "credit", "reversal"] {
            let change = |line: &str| change(line, leg);
            let copy = |counter| folder.path().join(format!("{name}-{leg}-{counter}"));
            let securities = changed(&town.securities.books_file(), &copy("securities"), change);
            let futures = changed(&town.futures.books_file(), &copy("futures"), change);
            let audited =
                audit(&town, &Statements::Books(securities, futures)).await.expect("an audit");
            assert_eq!(audited.code, 1, "{name} {leg}: {}", audited.log);
            assert!(audited.kinds().contains(&kind), "{name} {leg}: {}", audited.log);
            assert!(audited.kinds().contains(&"unbalanced"), "{name} {leg}: {}", audited.log);
            assert_eq!(audited.report["accounted"], false);
        }
    }
}

#[tokio::test]
async fn a_counter_that_forgot_a_posting_is_found_out_by_asking_it() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    every_ending(&town).await;
    town.futures.kill().await.expect("it is killed");
    let books = town.futures.books_file();
    changed(&books, &books, |line| if is(line, "credit") { vec![] } else { vec![line.into()] });
    town.futures.restart().await.expect("it starts again");
    connected(&town).await.expect("they connect");
    let audited = audit(&town, &Statements::Asked).await.expect("an audit");
    assert_eq!(audited.code, 1, "{}", audited.log);
    assert_eq!(audited.kinds(), ["wrong_legs", "unbalanced"], "{}", audited.log);
    assert_eq!(audited.report["currencies"][0]["unaccounted"], 700);
}

#[tokio::test]
async fn money_in_transit_is_listed_and_a_persons_word_is_not_hidden() {
    let faults = Faults { futures: GONE, coordinator: IMPATIENT, ..Faults::default() };
    let town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    connected(&town).await.expect("they connect");
    town.caller.send(&Order::new("gone", 700)).await.expect("an answer");
    Town::wait_for(&town.securities, Line::Debit, 1).await.expect("it is debited");
    let transfer = parked(&town).await.expect("it needs a person");
    let serial = transfer["master_serial"].as_str().expect("a serial").to_owned();

    let audited = audit(&town, &Statements::Asked).await.expect("an audit");
    audited.clean().expect("money in transit is accounted for");
    let open = &audited.report["open"][0];
    assert_eq!(open["master_serial"], serial.as_str());
    assert_eq!((&open["in_transit"], &open["state"]), (&700.into(), &"needs_operator".into()));
    assert!(open["age_s"].as_i64().is_some_and(|age| (0..120).contains(&age)), "{open}");

    assert!(resolve(&town, &serial, "reversed").await.expect("it ends"), "{}", town.bridge.log());
    let audited = audit(&town, &Statements::Asked).await.expect("an audit");
    audited.clean().expect("a person said where it is");
    let word = &audited.report["on_a_persons_word"][0];
    let who = format!("{NAME} and another");
    assert_eq!((&word["who"], &word["amount"]), (&who.into(), &700.into()), "{word}");
}

/// An audit while transfers run must not cry wolf.
#[tokio::test]
async fn an_audit_under_load_finds_nothing() {
    let town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    let load = tokio::spawn({
        let caller = town.caller.clone();
        async move {
            for number in 0..300 {
                caller.settle(&Order::new(format!("load-{number}"), 10)).await.expect("it ends");
            }
        }
    });
    let mut audits = 0;
    while !load.is_finished() || audits == 0 {
        let audited = audit(&town, &Statements::Asked).await.expect("an audit");
        audited.clean().expect("everything is accounted for");
        audits += 1;
    }
    load.await.expect("no panic");
}

/// Runs `audit` with these arguments; the exit code and what it wrote.
async fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [&["audit"], arguments].concat();
    let mut process = Process::start("audit", folder.path(), &arguments).expect("it starts");
    let status = process.ended(Duration::from_mins(2)).await.expect("it ends");
    (status.code(), process.log())
}

#[tokio::test]
async fn what_an_audit_cannot_read_is_named() {
    let town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    every_ending(&town).await;
    let config = town.bridge.config_file().display().to_string();
    let books = format!("securities={}", town.securities.books_file().display());
    let nowhere = town.bridge.config_file().with_file_name("nowhere").display().to_string();
    let not_books = format!("futures={config}");
    let not_there = format!("futures={nowhere}");
    for (arguments, code, words) in [
        (vec!["--config", &nowhere], 2, "cannot be read"),
        (vec!["--config", &config], 2, "--key-id"),
        (vec!["--config", &config, "--books", &books], 2, "--books futures=FILE"),
        (vec!["--config", &config, "--books", "wallet=w"], 2, "wallet"),
        (vec!["--config", &config, "--account", "future:8001"], 2, "--account names future"),
        (vec!["--config", &config, "--books", &books, "--books", &books], 2, "twice"),
        (vec!["--config", &config, "--books", &books, "--books", &not_there], 1, "cannot be read"),
        (vec!["--config", &config, "--books", &books, "--books", &not_books], 1, "bridge.toml:2: "),
    ] {
        let (ended, text) = said(&arguments).await;
        assert_eq!(ended, Some(code), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    }
}

/// Books need nobody who is asked, so that what says whom to ask may be broken.
#[tokio::test]
async fn books_are_judged_though_the_client_file_is_broken() {
    let town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    every_ending(&town).await;
    let config = town.bridge.config_file().display().to_string();
    let broken = town.bridge.config_file().with_file_name("client.toml");
    std::fs::write(&broken, "key_id = \"app\"\nurl = 1\n").expect("a client file");
    let broken = broken.display().to_string();
    let books = |name, path: PathBuf| format!("{name}={}", path.display());
    let securities = books("securities", town.securities.books_file());
    let futures = books("futures", town.futures.books_file());

    let asked = ["--config", &config, "--client", &broken];
    let (ended, text) =
        said(&[&asked[..], &["--books", &securities, "--books", &futures]].concat()).await;
    assert_eq!(ended, Some(0), "{text}");
    assert!(text.contains("3 transfers"), "{text}");
    let (ended, text) = said(&asked).await;
    assert_eq!(ended, Some(2), "{text}");
    assert!(text.contains("client.toml:2: "), "{text}");
}

#[tokio::test]
async fn a_record_that_is_not_there_is_not_made() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    town.bridge.kill().await.expect("it is killed");
    let record = town.bridge.config_file().with_file_name("bridge.sqlite");
    std::fs::remove_file(&record).expect("there was one");
    let audited: Audited = audit(&town, &books(&town)).await.expect("an audit");
    assert_eq!(audited.code, 1, "{}", audited.log);
    assert!(audited.log.contains("there is no such file"), "{}", audited.log);
    assert!(!record.exists(), "looking makes nothing");
}
