//! A record that the first version filled and left in the middle of its work, taken over by this one: what lies in
//! `fixtures/first-version` is that version's own work, its counters' books, and what its API said.

use anyhow::{Context, Result, bail, ensure};
use reqwest::StatusCode;
use sea_orm::ConnectionTrait;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::Store;
use system_tests::audit::{Finding, Legs, State, Told, audit as compare};
use system_tests::auditor::{Statements, audit};
use system_tests::caller::{Caller, END_WITHIN, LOOK_EVERY, Order, Said};
use system_tests::database::{Database, Kind};
use system_tests::operator::{look, resolve};
use system_tests::process::Process;
use system_tests::town::{Faults, Town};
use tokio::time::{Instant, sleep};

/// Whoever does not answer is asked again soon, and a person is called after a few seconds.
const PACE: &str = "posting_deadline_ms = 2000\nquery_deadline_ms = 2000\npatience = 5\n\
                    first_pause_ms = 50\nlongest_pause_ms = 500\nparked_pause_s = 1";

/// What becomes of the transfers that the first version left open, once their counters answer: nothing new is begun for
/// one whose deadline is over, so that those whose credit never arrived are given back.
const LEFT_OPEN: [(&str, State, &str); 10] = [
    ("debit-never-arrived", State::Debiting, "refused"),
    ("debit-done-unheard", State::Debiting, "reversed"),
    ("credit-never-arrived", State::Crediting, "reversed"),
    ("credit-done-unheard", State::Crediting, "completed"),
    ("reversal-never-arrived", State::Reversing, "reversed"),
    ("reversal-done-unheard", State::Reversing, "reversed"),
    ("debit-unresolved", State::NeedsOperator, "refused"),
    ("credit-unresolved-done", State::NeedsOperator, "completed"),
    // What would send something waits for two persons.
    ("credit-unresolved-never", State::NeedsOperator, "needs_operator"),
    ("reversal-refused", State::NeedsOperator, "needs_operator"),
];

/// What the first version's API said of a transfer, last.
#[derive(Clone, Debug, Deserialize)]
struct Earlier {
    /// Whose it is.
    app: String,
    /// Its idempotency key.
    key: String,
    /// The order, as it was sent.
    body: String,
    /// What its key was answered with, if it had ended.
    status: Option<u16>,
    /// The body of that answer; how it stood, if it had not ended.
    answer: String,
}

impl Earlier {
    fn value(&self) -> Value {
        serde_json::from_str(&self.answer).expect("JSON")
    }

    fn told(&self) -> Told {
        serde_json::from_str(&self.answer).expect("a transfer")
    }

    /// What is known of each leg.
    fn legs(&self) -> Vec<Value> {
        self.value()["legs"].as_array().cloned().unwrap_or_default()
    }
}

/// A town whose record, and whose counters' books, are those that the first version left.
struct TakenOver {
    town: Town,
    answers: Vec<Earlier>,
    callers: BTreeMap<&'static str, Caller>,
}

/// Where the work of the first version on such a database lies.
fn fixtures(kind: Kind) -> PathBuf {
    let folder = match kind {
        Kind::Sqlite => "sqlite",
        Kind::Server => "mysql",
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/first-version").join(folder)
}

/// Reads the record into an empty database.
async fn fill(kind: Kind, url: &str) -> Result<()> {
    let script = fs::read_to_string(fixtures(kind).join("record.sql"))?;
    let url = match kind {
        Kind::Sqlite => format!("{url}?mode=rwc"),
        Kind::Server => url.to_owned(),
    };
    let connection = sea_orm::Database::connect(url).await?;
    connection.execute_unprepared(&script).await.context("the record of the first version")?;
    Ok(connection.close().await?)
}

impl TakenOver {
    async fn start(kind: Kind) -> Result<TakenOver> {
        let from = fixtures(kind);
        let answers = fs::read_to_string(from.join("answers.jsonl"))?;
        let answers: Vec<Earlier> =
            answers.lines().map(serde_json::from_str).collect::<serde_json::Result<_>>()?;
        let folder = tempfile::tempdir()?;
        for counter in ["securities", "futures"] {
            let books = format!("{counter}.books.jsonl");
            fs::copy(from.join(&books), folder.path().join(&books))?;
        }
        let database = Database::create(kind, folder.path()).await?;
        fill(kind, database.url()).await?;
        // A debit can be undone on its own settle day only.
        let day = answers[0].told().master_serial[..8].parse()?;
        let faults = Faults { day: Some(day), coordinator: PACE, ..Faults::default() };
        let town = Town::start_in(folder, database, faults).await?;
        let callers = [&town.app, &town.other_app]
            .map(|app| Caller::new(app, &town.bridge.api()).map(|caller| (app.name, caller)));
        let callers = callers.into_iter().collect::<Result<_>>()?;
        Ok(TakenOver { town, answers, callers })
    }

    fn caller(&self, answer: &Earlier) -> &Caller {
        &self.callers[answer.app.as_str()]
    }

    /// Those that had ended, or those that had not.
    fn which_had_ended(&self, ended: bool) -> impl Iterator<Item = &Earlier> {
        self.answers.iter().filter(move |answer| answer.status.is_some() == ended)
    }

    fn named(&self, key: &str) -> Result<&Earlier> {
        self.answers.iter().find(|answer| answer.key == key).context("no such key")
    }

    /// Every transfer of both apps.
    async fn told(&self) -> Result<Vec<Told>> {
        let mut all = Vec::new();
        for caller in self.callers.values() {
            all.extend(caller.told().await?);
        }
        Ok(all)
    }

    /// Waits until one stands so, and what is said of it then.
    async fn until(&self, answer: &Earlier, state: &str) -> Result<Value> {
        let path = format!("/v1/transfers/{}", answer.told().master_serial);
        let deadline = Instant::now() + END_WITHIN;
        loop {
            let said: Value = self.caller(answer).get(&path).await?.json()?;
            if said["state"] == state {
                return Ok(said);
            }
            if Instant::now() >= deadline {
                bail!("{} is not {state}: {said}\n{}", answer.key, self.town.bridge.log());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until each that was left open stands as it has to.
    async fn settled(&self) -> Result<()> {
        for (key, _, becomes) in LEFT_OPEN {
            self.until(self.named(key)?, becomes).await?;
        }
        Ok(())
    }

    /// The postings of these transfers, in the counters' books.
    fn postings(&self, serials: &BTreeSet<String>) -> Result<usize> {
        let mut postings = 0;
        for book in [self.town.securities.books()?, self.town.futures.books()?] {
            let of_them = |master: &String| serials.contains(master);
            postings +=
                book.postings().filter(|line| line.master.as_ref().is_some_and(of_them)).count();
        }
        Ok(postings)
    }

    /// What the counters' books say against what is told of every transfer.
    async fn findings(&self) -> Result<Vec<Finding>> {
        let books = [self.town.securities.books()?, self.town.futures.books()?];
        Ok(compare(&books, &self.told().await?))
    }

    /// Whether a list of the operators' side has the transfer, as soon as what had ended is in the indexes.
    async fn is_listed(&self, path: &str, serial: &str) -> Result<()> {
        let has = |said: &Value| {
            let lines = said["transfers"].as_array()?;
            lines.iter().any(|line| line["master_serial"] == serial).then_some(())
        };
        look(&self.town, path, has).await
    }

    /// Whether the search finds the transfer by a text.
    async fn is_found(&self, text: &str, serial: &str) -> Result<()> {
        // Whatever stands in a key or a serial of these is good in a query, but for quotation marks.
        let path = format!("/ops/v1/search?q={}", text.replace('"', "%22"));
        look(&self.town, &path, |said| said.to_string().contains(serial).then_some(())).await
    }

    /// What `counter-bridge record status` says.
    async fn status(&self) -> Result<(Option<i32>, String)> {
        let folder = tempfile::tempdir()?;
        let config = self.town.bridge.config_file();
        let arguments = ["record", "status", "--config", config.to_str().context("text")?];
        let mut process = Process::start("status", folder.path(), &arguments)?;
        let ended = process.ended(Duration::from_secs(30)).await?;
        Ok((ended.code(), process.log()))
    }
}

/// The names of the migrations that were made in a database.
async fn migrations(url: &str) -> Result<Vec<String>> {
    let connection = sea_orm::Database::connect(url).await?;
    let sql = "SELECT version FROM seaql_migrations ORDER BY version";
    let asked = sea_orm::Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(asked).await?;
    connection.close().await?;
    rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
}

/// Whether `said` is, byte for byte, what the first version said.
fn same(said: &Said, answer: &Earlier, status: StatusCode) -> Result<()> {
    let body = String::from_utf8_lossy(&said.body);
    ensure!(said.status == status && body == answer.answer, "{}: {said:?}", answer.key);
    Ok(())
}

#[tokio::test]
async fn what_had_ended_is_found_and_answered_as_the_first_version_did() -> Result<()> {
    for kind in Kind::all() {
        let taken = TakenOver::start(kind).await?;
        let ended: Vec<&Earlier> = taken.which_had_ended(true).collect();
        let states: BTreeSet<String> =
            ended.iter().map(|answer| answer.value()["state"].to_string()).collect();
        ensure!(ended.len() > 25 && states.len() == 3, "{} {states:?}", ended.len());
        let serials: BTreeSet<String> =
            ended.iter().map(|answer| answer.told().master_serial).collect();
        let postings = taken.postings(&serials)?;

        for answer in &ended {
            let caller = taken.caller(answer);
            let Told { master_serial, from, to, amount, state, .. } = answer.told();
            let one = caller.get(&format!("/v1/transfers/{master_serial}")).await?;
            same(&one, answer, StatusCode::OK)?;
            // Its key is answered as ever, and moves nothing.
            let then = StatusCode::from_u16(answer.status.context("it had ended")?)?;
            same(&caller.post(&answer.key, &answer.body, 5).await?, answer, then)?;
            let other = answer.body.replace("CNY", "USD");
            let other = caller.post(&answer.key, &other, 5).await?;
            ensure!(other.status == StatusCode::UNPROCESSABLE_ENTITY, "{other:?}");

            for text in [&master_serial, &answer.key] {
                taken.is_found(text, &master_serial).await?;
            }
            let mut lists = vec![
                format!("amount={amount}&currency=CNY"),
                format!(
                    "app={}&state={}",
                    answer.app,
                    answer.value()["state"].as_str().context("a state")?
                ),
            ];
            for place in [&from, &to] {
                lists.push(format!("counter={}&account={}", place.counter, place.account));
            }
            for leg in answer.legs() {
                if let Some(sub_serial) = leg["sub_serial"].as_str() {
                    taken.is_found(sub_serial, &master_serial).await?;
                }
                if let Some(serial) = leg["counter_serial"].as_str() {
                    taken.is_found(serial, &master_serial).await?;
                    lists.push(format!("counter_serial={serial}"));
                }
            }
            for list in lists {
                let path = format!("/ops/v1/history?limit=200&{list}");
                taken.is_listed(&path, &master_serial).await?;
            }
            let path = format!("/v1/transfers?limit=200&account={}", from.account);
            let listed: Value = caller.get(&path).await?.json()?;
            let listed = listed["transfers"].as_array().context("a list")?;
            let line = listed.iter().find(|line| line["master_serial"] == master_serial.as_str());
            let line: Told = serde_json::from_value(line.context("it is not listed")?.clone())?;
            ensure!(line.state == state && line.amount == amount, "{line:?}");
        }
        let told: BTreeSet<String> =
            taken.told().await?.into_iter().map(|told| told.master_serial).collect();
        let expected: BTreeSet<String> =
            taken.answers.iter().map(|answer| answer.told().master_serial).collect();
        assert_eq!(told, expected, "{kind:?}: the lists of both apps");
        assert_eq!(taken.postings(&serials)?, postings, "{kind:?}: nothing moved");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_open_ends_or_is_with_persons_and_no_money_is_lost() -> Result<()> {
    for kind in Kind::all() {
        let mut taken = TakenOver::start(kind).await?;
        let open: BTreeMap<String, State> = taken
            .which_had_ended(false)
            .map(|answer| (answer.key.clone(), answer.told().state))
            .collect();
        let expected = LEFT_OPEN.map(|(key, state, _)| (key.to_owned(), state));
        assert_eq!(open, expected.into(), "what the first version left open");
        taken.settled().await?;
        assert_eq!(taken.findings().await?, [], "{kind:?}: {}", taken.town.bridge.log());
        // A kill of this version changes nothing of it.
        taken.town.bridge.restart().await?;
        taken.settled().await?;
        assert_eq!(taken.findings().await?, [], "{kind:?}: {}", taken.town.bridge.log());

        for (key, leg, knowledge, decision, becomes) in [
            ("credit-unresolved-never", 1, "not_executed", "resume", "reversed"),
            ("reversal-refused", 2, "refused", "reversed", "reversed"),
        ] {
            let answer = taken.named(key)?;
            let said = taken.until(answer, "needs_operator").await?;
            ensure!(said["legs"][leg]["knowledge"] == knowledge, "{said}");
            ensure!(said["reason"].is_string() && said["next"].is_string(), "no reason: {said}");
            let serial = answer.told().master_serial;
            ensure!(resolve(&taken.town, &serial, decision).await?, "{}", taken.town.bridge.log());
            taken.until(answer, becomes).await?;
        }
        // The money that two persons gave back by hand is the only one that is not in the counters' books.
        let by_hand = taken.named("reversal-refused")?.told();
        let posted = Legs { debits: 1, credits: 0, reversals: 0 };
        let findings = taken.findings().await?;
        let (master, state) = (by_hand.master_serial, State::Reversed);
        let wrong = Finding::WrongLegs { master, state, posted };
        let [first, Finding::NotConserved { opened, held, on_its_way: 0, .. }] = &findings[..]
        else {
            bail!("{kind:?}: {findings:?}")
        };
        assert_eq!((first, opened - held), (&wrong, i128::from(by_hand.amount)), "{kind:?}");

        // Every key is answered as what became of its transfer, and new ones go on beside.
        let postings = taken.town.securities.books()?.postings().count();
        for answer in taken.which_had_ended(false) {
            let said = taken.caller(answer).post(&answer.key, &answer.body, 5).await?;
            let told: Told = said.json()?;
            ensure!(said.status == StatusCode::CREATED && told.state.is_final(), "{said:?}");
            assert_eq!(told.master_serial, answer.told().master_serial);
        }
        assert_eq!(taken.town.securities.books()?.postings().count(), postings, "{kind:?}");
        let order = Order::new("after-the-upgrade", 700);
        assert_eq!(taken.town.caller.ending(&order).await?, State::Completed);
        assert_eq!(taken.findings().await?, findings, "{kind:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_record_is_brought_up_to_date_once_and_is_whole() -> Result<()> {
    for kind in Kind::all() {
        let mut taken = TakenOver::start(kind).await?;
        let folder = tempfile::tempdir()?;
        let fresh = Database::create(kind, folder.path()).await?;
        Store::open(fresh.url()).await?.close().await;
        let url = taken.town.bridge.database().to_owned();
        let made = migrations(&url).await?;
        assert_eq!(made, migrations(fresh.url()).await?, "{kind:?}");
        taken.settled().await?;
        for _ in 0..2 {
            let (code, said) = taken.status().await?;
            ensure!(code == Some(0) && said.contains("the record is complete"), "{said}");
            // Every row is looked at: the sums of those that have one, and what each says.
            let audited = audit(&taken.town, &Statements::Asked).await?;
            audited.clean()?;
            taken.town.bridge.restart().await?;
            system_tests::operator::connected(&taken.town).await?;
        }
        assert_eq!(migrations(&url).await?, made, "{kind:?}");
        let log = taken.town.bridge.log();
        ensure!(!log.contains("ERROR"), "{kind:?}: {log}");
        let first = "the record is of an earlier version: from now on it says where it ends";
        assert_eq!(log.matches(first).count(), 1, "{kind:?}: {log}");
    }
    Ok(())
}

/// Whoever goes back to the copy from before the upgrade has lost what was done since.
#[tokio::test]
async fn a_copy_from_before_the_upgrade_that_is_put_back_is_behind() -> Result<()> {
    let mut taken = TakenOver::start(Kind::Sqlite).await?;
    taken.settled().await?;
    taken.town.bridge.kill().await?;
    let url = taken.town.bridge.database().to_owned();
    let file = url.strip_prefix("sqlite://").context("a file")?;
    for log in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{file}{log}"));
    }
    fill(Kind::Sqlite, &url).await?;
    taken.town.bridge.restart().await?;
    let (code, said) = taken.status().await?;
    ensure!(code == Some(1) && said.contains("belongs to another record"), "{said}");
    let said = taken.town.caller.send(&Order::new("after-the-copy", 700)).await?;
    ensure!(said.status == StatusCode::SERVICE_UNAVAILABLE, "{said:?}");
    assert_eq!(taken.findings().await?, [], "nothing moved: {}", taken.town.bridge.log());
    Ok(())
}
