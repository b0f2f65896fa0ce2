//! The record itself: put back from an older copy, altered by hand, or opened by a second bridge.

use reqwest::StatusCode;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use system_tests::audit::State;
use system_tests::auditor::{Statements, audit};
use system_tests::books::Kind as Line;
use system_tests::caller::Order;
use system_tests::database::Kind;
use system_tests::operator::{self, connected, look};
use system_tests::process::{Process, free_address};
use system_tests::town::{Faults, Town};

fn folder(town: &Town) -> PathBuf {
    let config = town.bridge.config_file();
    config.parent().expect("a folder").to_owned()
}

fn record_of(town: &Town) -> PathBuf {
    folder(town).join("bridge.sqlite")
}

/// Copies a record in a file that nobody writes to, with its log.
fn copy(record: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let from = PathBuf::from(format!("{}{suffix}", record.display()));
        let to = PathBuf::from(format!("{}{suffix}", to.display()));
        if from.exists() {
            std::fs::copy(from, to).expect("copied");
        } else {
            let _ = std::fs::remove_file(to);
        }
    }
    let _ = std::fs::remove_file(format!("{}-shm", to.display()));
}

/// Runs a command to its end: its exit code, and all that it said.
async fn run(town: &Town, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = town.bridge.config_file();
    let config = config.to_str().expect("text");
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--config", config]).collect();
    let mut process = Process::start("command", folder.path(), &arguments).expect("it starts");
    let ended = process.ended(Duration::from_secs(30)).await.expect("it ends");
    (ended.code(), process.log())
}

/// The configuration of the town's bridge, with other listeners: of another bridge on its record.
fn another(town: &Town) -> PathBuf {
    let text = std::fs::read_to_string(town.bridge.config_file()).expect("a configuration");
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("listen = ") {
            lines.push(format!("listen = \"{}\"", free_address().expect("an address")));
        } else {
            lines.push(line.to_owned());
        }
    }
    let path = folder(town).join("another.toml");
    std::fs::write(&path, lines.join("\n")).expect("written");
    path
}

fn credits(town: &Town) -> usize {
    let book = town.futures.books().expect("books");
    book.postings().filter(|line| line.kind == Line::Credit).count()
}

async fn readiness(town: &Town) -> (StatusCode, String) {
    let answer =
        system_tests::http::get(format!("{}/readyz", town.bridge.operators())).await.expect("asks");
    (answer.status, answer.text())
}

#[tokio::test]
async fn a_record_that_was_put_back_from_an_older_copy_moves_nothing_until_it_is_released() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    let first = Order::new("first", 700);
    assert_eq!(town.caller.ending(&first).await.expect("it ends"), State::Completed);
    town.bridge.kill().await.expect("killed");
    let copied = folder(&town).join("copy");
    copy(&record_of(&town), &copied);
    town.bridge.restart().await.expect("it starts again");
    for key in ["second", "third"] {
        let order = Order::new(key, 700);
        assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
    }
    let moved = credits(&town);
    town.bridge.kill().await.expect("killed");
    copy(&copied, &record_of(&town));

    town.bridge.restart().await.expect("it starts again");
    let (status, said) = readiness(&town).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    assert!(said.contains("batches are missing"), "{said}");
    // What the record lost may not be ordered again, nor anything new.
    for key in ["second", "new"] {
        let order = Order::new(key, 700);
        let said = town.caller.send(&order).await.expect("an answer");
        assert_eq!(said.status, StatusCode::SERVICE_UNAVAILABLE, "{said:?}");
        let problem: serde_json::Value = said.json().expect("a problem");
        assert_eq!(problem["type"], "/errors/record_behind", "{problem}");
    }
    // The counters name what it lacks: both legs of both.
    let audited = audit(&town, &Statements::Asked).await.expect("an audit");
    assert_eq!((audited.code, audited.kinds()), (1, vec!["unexplained"; 4]), "{}", audited.log);
    // What it knows is still answered.
    assert_eq!(town.caller.ending(&first).await.expect("it ends"), State::Completed);
    let (one, other) =
        (town.bridge.token_file(), operator::another(&town).await.expect("another operator"));
    let (one, other) = (one.to_str().expect("text"), other.to_str().expect("text"));
    let reason = ["--reason", "the counters were asked"];
    let by = |one, other| {
        let tokens = ["--token-file", one, "--approver-token-file", other];
        [&["record", "release"][..], &tokens, &reason].concat()
    };
    let release = by(one, other);
    let (code, said) = run(&town, &release).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is held by process"), "no bridge may run meanwhile: {said}");
    assert_eq!(credits(&town), moved, "nothing moved");

    town.bridge.terminate().await.expect("it ends");
    let (code, said) = run(&town, &["record", "status"]).await;
    assert_eq!(code, Some(1), "{said}");
    // Nobody releases it alone.
    let (code, said) = run(&town, &by(other, other)).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("both tokens are another's"), "{said}");
    let (code, said) = run(&town, &release).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("tester and another released it, although"), "{said}");
    let (code, said) = run(&town, &["record", "status"]).await;
    assert_eq!(code, Some(0), "{said}");

    town.bridge.restart().await.expect("it starts again");
    let fourth = Order::new("fourth", 700);
    assert_eq!(town.caller.ending(&fourth).await.expect("it ends"), State::Completed);
    assert_eq!(credits(&town), moved + 1, "its serials are new to the counters");
    assert_eq!(readiness(&town).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_second_bridge_on_one_record_does_not_start_and_says_who_holds_it() {
    for kind in Kind::all() {
        let town = Town::start(kind, Faults::default()).await.expect("the town starts");
        // With the same configuration its ports are taken too; who holds the record comes first.
        for config in [another(&town), town.bridge.config_file()] {
            let folder = tempfile::tempdir().expect("a folder");
            let arguments = ["serve", "--config", config.to_str().expect("text")];
            let mut second = Process::start("second", folder.path(), &arguments).expect("starts");
            let ended = second.ended(Duration::from_secs(30)).await.expect("it ends");
            let log = second.log();
            assert_eq!(ended.code(), Some(1), "{kind:?}: {log}");
            assert!(log.contains("is held by process "), "{kind:?}: {log}");
            assert!(log.contains("counter-bridge"), "{kind:?}: {log}");
        }
        let order = Order::new("beside", 700);
        assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
        assert_eq!(town.audit().await.expect("an audit"), [], "{kind:?}");
    }
}

/// The volume is not mounted, or the path is mistyped: no record, no position file, no account that
/// anybody could name.
#[tokio::test]
async fn beside_an_empty_record_an_audit_names_every_posting_of_every_account() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    for (key, amount) in [("first", 700), ("second", 800)] {
        let order = Order::new(key, amount);
        assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
    }
    town.bridge.kill().await.expect("killed");
    for suffix in ["", "-wal", "-shm", ".position", ".lock"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", record_of(&town).display()));
    }
    town.bridge.restart().await.expect("it starts again");
    town.bridge.provide().await.expect("who looks is lost as well");
    connected(&town).await.expect("connected");
    let audited = audit(&town, &Statements::Asked).await.expect("an audit");
    assert_eq!((audited.code, audited.kinds()), (1, vec!["unexplained"; 4]), "{}", audited.log);
    let books = Statements::Books(town.securities.books_file(), town.futures.books_file());
    let audited = audit(&town, &books).await.expect("an audit");
    assert_eq!((audited.code, audited.kinds()), (1, vec!["unexplained"; 4]), "{}", audited.log);

    // Where nobody tells anything, nothing is said to be accounted for.
    town.bridge.terminate().await.expect("it ends");
    let audited = audit(&town, &Statements::Asked).await.expect("an audit");
    assert_eq!((audited.code, audited.kinds()), (1, vec!["not_told"; 2]), "{}", audited.log);
}

/// Counters that do not say at sign-on how far they have seen our serials are asked for their last
/// entries: of all accounts, or of those that the record names.
#[tokio::test]
async fn counters_that_do_not_say_what_they_have_seen_are_asked_for_their_entries() {
    for states_all_accounts in [true, false] {
        let faults = Faults { silent: true, states_all_accounts, ..Faults::default() };
        let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
        let first = Order::new("first", 700);
        assert_eq!(town.caller.ending(&first).await.expect("it ends"), State::Completed);
        town.bridge.kill().await.expect("killed");
        let copied = folder(&town).join("copy");
        copy(&record_of(&town), &copied);
        town.bridge.restart().await.expect("it starts again");
        connected(&town).await.expect("connected");
        let second = Order::new("second", 700);
        assert_eq!(town.caller.ending(&second).await.expect("it ends"), State::Completed);
        town.bridge.kill().await.expect("killed");
        for suffix in ["", "-wal", "-shm", ".position"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", record_of(&town).display()));
        }
        if !states_all_accounts {
            copy(&copied, &record_of(&town));
        }
        town.bridge.restart().await.expect("it starts again");
        town.bridge.provide().await.expect("who looks is lost as well");
        look(&town, "/ops/v1/counters", |counters| {
            let held = counters.as_array()?.iter().filter(|counter| !counter["held"].is_null());
            (held.count() == 2).then_some(())
        })
        .await
        .expect("both are held");
        let (status, said) = readiness(&town).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    }
}

/// The holder is frozen for longer than its lease lasts; another takes over; the first goes on.
#[tokio::test]
async fn a_frozen_holder_of_a_servers_record_is_superseded_and_writes_nothing_any_more() {
    for kind in Kind::all().into_iter().filter(|kind| *kind == Kind::Server) {
        let mut town = Town::start(kind, Faults::default()).await.expect("the town starts");
        let first = Order::new("first", 700);
        assert_eq!(town.caller.ending(&first).await.expect("it ends"), State::Completed);
        town.bridge.freeze().expect("frozen");
        let sessions = |log: &str| log.matches("signed on").count();
        let before = sessions(&town.bridge.log());
        let config = another(&town);
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = ["serve", "--config", config.to_str().expect("text")];
        let mut second = Process::start("second", folder.path(), &arguments).expect("it starts");
        second.ready().await.expect("it takes over");
        town.bridge.thaw().expect("it goes on");
        let ended = town.bridge.ended(Duration::from_secs(30)).await.expect("it ends by itself");
        assert_eq!(ended.code(), Some(1), "{}", town.bridge.log());
        let log = town.bridge.log();
        assert!(log.contains("the record is lost to another bridge"), "{log}");
        assert!(log.contains("is held by process"), "{log}");
        assert_eq!(sessions(&log), before, "it signs on nowhere once another may hold it: {log}");
        second.terminate().await.expect("it ends");
        town.bridge.restart().await.expect("it starts again");
        assert_eq!(town.audit().await.expect("an audit"), []);
    }
}

#[tokio::test]
async fn altered_rows_are_named_and_never_served() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    for key in ["one", "two"] {
        let order = Order::new(key, 700);
        assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
    }
    let one = Order::new("one", 700);
    let said = town.caller.send(&one).await.expect("an answer");
    let told: serde_json::Value = said.json().expect("a transfer");
    let serial = told["master_serial"].as_str().expect("a serial").to_owned();
    town.bridge.terminate().await.expect("it ends");
    let altered = sea_orm::Database::connect(format!("sqlite://{}", record_of(&town).display()))
        .await
        .expect("a database");
    let sql = format!(
        "UPDATE outcome SET answer_body = CAST(REPLACE(CAST(answer_body AS TEXT), 'completed', \
         'refused') AS BLOB) WHERE master_serial = {serial}"
    );
    sea_orm::ConnectionTrait::execute_unprepared(&altered, &sql).await.expect("altered");
    altered.close().await.expect("closed");

    town.bridge.restart().await.expect("it starts again");
    let said = town.caller.get(&format!("/v1/transfers/{serial}")).await.expect("an answer");
    assert_eq!(said.status, StatusCode::INTERNAL_SERVER_ERROR, "{said:?}");
    let problem: serde_json::Value = said.json().expect("a problem");
    assert_eq!(problem["type"], "/errors/unreadable_record", "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(&serial)), "{problem}");
    let said = town.caller.send(&one).await.expect("an answer");
    assert_eq!(said.status, StatusCode::INTERNAL_SERVER_ERROR, "{said:?}");
    let two = Order::new("two", 700);
    assert_eq!(town.caller.ending(&two).await.expect("it ends"), State::Completed);

    let books = |counter: &system_tests::counter::Counter| {
        format!("{}={}", counter.id(), counter.books_file().display())
    };
    let (securities, futures) = (books(&town.securities), books(&town.futures));
    let (code, _) = run(&town, &["audit", "--books", &securities, "--books", &futures]).await;
    assert_eq!(code, Some(1), "an audit looks at all of them");
}

/// Credits never arrive, and questions about them are not heard.
const GONE: &str = "[[rule]]\non = ['credit', 'query', 'fence']\ndo = 'drop'";

/// A bridge that calls a person after a second.
const IMPATIENT: &str = "posting_deadline_ms = 300\nquery_deadline_ms = 200\npatience = 1\n\
                         first_pause_ms = 50\nparked_pause_s = 1";

/// Of two open transfers one can no longer be read: it is named, the other is taken up, and new ones
/// are begun.
#[tokio::test]
async fn an_open_transfer_that_cannot_be_read_keeps_no_other_from_being_taken_up() {
    let faults = Faults { futures: GONE, coordinator: IMPATIENT, ..Faults::default() };
    let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    let mut serials = Vec::new();
    for key in ["one", "two"] {
        let said = town.caller.send(&Order::new(key, 700)).await.expect("an answer");
        let told: serde_json::Value = said.json().expect("a transfer");
        serials.push(told["master_serial"].as_str().expect("a serial").to_owned());
    }
    town.bridge.terminate().await.expect("it ends");
    let altered = sea_orm::Database::connect(format!("sqlite://{}", record_of(&town).display()))
        .await
        .expect("a database");
    let sql = format!("UPDATE transfer SET currency = '??' WHERE master_serial = {}", serials[0]);
    sea_orm::ConnectionTrait::execute_unprepared(&altered, &sql).await.expect("altered");
    altered.close().await.expect("closed");

    town.bridge.restart().await.expect("it starts again");
    let said = town.caller.get(&format!("/v1/transfers/{}", serials[0])).await.expect("an answer");
    assert_eq!(said.status, StatusCode::INTERNAL_SERVER_ERROR, "{said:?}");
    let said = town.caller.get(&format!("/v1/transfers/{}", serials[1])).await.expect("an answer");
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    let log = town.bridge.log();
    let named = format!("an open transfer cannot be taken up: the record of {}", serials[0]);
    assert!(log.contains(&named), "{log}");
    assert_eq!(readiness(&town).await.0, StatusCode::OK);
}

/// A bridge that asks soon, and calls nobody for long.
const PATIENT: &str = "posting_deadline_ms = 300\nquery_deadline_ms = 200\nfirst_pause_ms = 50";

/// Of an open transfer the part is gone that says that its credit was sent: the audit names it, it is left
/// to a person, and nothing is sent that might be sent twice.
#[tokio::test]
async fn a_trail_that_has_lost_its_end_is_named() {
    let faults = Faults { futures: GONE, coordinator: PATIENT, ..Faults::default() };
    let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    let order = Order::new("one", 700);
    let said = town.caller.post(&order.key, &order.body(), 0).await.expect("an answer");
    let told: serde_json::Value = said.json().expect("a transfer");
    let serial = told["master_serial"].as_str().expect("a serial").to_owned();
    let url = format!("sqlite://{}", record_of(&town).display());
    let record = sea_orm::Database::connect(url).await.expect("a database");
    let said_so = format!("trail WHERE master_serial = {serial} AND body LIKE '%\"credit_%'");
    let parts = || async {
        let asked = sea_orm::Statement::from_string(
            sea_orm::DbBackend::Sqlite,
            format!("SELECT COUNT(*) FROM {said_so}"),
        );
        let row = sea_orm::ConnectionTrait::query_one_raw(&record, asked).await.expect("asked");
        row.expect("a row").try_get_by_index::<i64>(0).expect("a count")
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while parts().await == 0 {
        assert!(Instant::now() < deadline, "it is recorded that the credit is asked about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    town.bridge.kill().await.expect("it is gone");
    let lose = format!("DELETE FROM {said_so}");
    sea_orm::ConnectionTrait::execute_unprepared(&record, &lose).await.expect("lost");
    record.close().await.expect("closed");

    let books = |counter: &system_tests::counter::Counter| {
        format!("{}={}", counter.id(), counter.books_file().display())
    };
    let (securities, futures) = (books(&town.securities), books(&town.futures));
    let (code, told) = run(&town, &["audit", "--books", &securities, "--books", &futures]).await;
    assert_eq!(code, Some(1), "{told}");
    let named = format!("the record of {serial} is damaged: part ");
    assert!(told.contains(&named), "{told}");

    town.bridge.restart().await.expect("it starts again");
    let said = town.caller.get(&format!("/v1/transfers/{serial}")).await.expect("an answer");
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    let told: serde_json::Value = said.json().expect("a transfer");
    assert_eq!(told["state"], "needs_operator", "{told}");
}
