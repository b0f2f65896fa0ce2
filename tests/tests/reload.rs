//! Keys, certificates and apps change while the bridge runs: SIGHUP takes them over, and what was
//! withdrawn is believed no more.

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use system_tests::audit::State;
use system_tests::bridge::App;
use system_tests::caller::{Caller, LOOK_EVERY, Order};
use system_tests::certificates::{Authority, Naming};
use system_tests::database::Database;
use system_tests::mariadb::MariaDb;
use system_tests::operator;
use system_tests::private;
use system_tests::process::{Process, free_address, program};
use system_tests::stage::{FOUND_WITHIN, Stage};
use system_tests::town::{Faults, RICH, Town};
use tokio::time::{Instant, sleep};

const READ_AGAIN: &str = "the configuration was read again";
const NOTHING: &str = "is wrong: nothing has changed";

/// Two counters that are dialled, and a bridge between them.
async fn pair() -> Result<(Stage, [Process; 2])> {
    let (securities, futures) = (free_address()?.to_string(), free_address()?.to_string());
    let stage = Stage::start(&format!(
        "[[counter]]\nid = 'securities'\ndialect = 'securities'\naddresses = ['{securities}']\n\
         key_file = 'k'\n[[counter]]\nid = 'futures'\ndialect = 'futures'\naddresses = \
         ['{futures}']\nkey_file = 'f'\n"
    ))
    .await?;
    let counters = [
        stage.counter("securities", &["--listen", &securities, "--account", "6001=1000"])?,
        stage.counter("futures", &["--listen", &futures, "--account", "8001=0"])?,
    ];
    for counter in ["securities", "futures"] {
        stage.until(counter, true, FOUND_WITHIN).await?;
    }
    Ok((stage, counters))
}

/// A question to a database that is frozen is given up after ten seconds; this does not wait for it.
const SOONER_THAN_A_DATABASE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn apps_come_and_go_and_change_without_a_restart_and_a_mistake_changes_nothing() -> Result<()>
{
    let (mut stage, _counters) = pair().await?;
    let second = App::new("second", "second-hmac", stage.folder())?;
    let caller = Caller::new(&second, &format!("http://{}", stage.api()))?;
    let order = Order::new("of-the-second", 10);
    let said = caller.post(&order.key, &order.body(), 5).await?;
    assert_eq!(said.status, StatusCode::UNAUTHORIZED, "{said:?}");
    let section = "[[app]]\nname = 'second'\nlargest_transfer = 10\ntransfers_a_day = 2\n[[app.key]]\n\
                   id = 'second-hmac'\nalgorithm = 'hmac-sha256'\nsecret_file = 'second-hmac.secret'\n";
    stage.reconfigure(|text| format!("{text}\n{section}"), READ_AGAIN).await?;
    assert_eq!(caller.ending(&order).await?, State::Completed);
    let over = Order::new("too-much", 11);
    let said = caller.post(&over.key, &over.body(), 5).await?;
    assert_eq!(said.status, StatusCode::UNPROCESSABLE_ENTITY, "its rights came with it: {said:?}");
    stage
        .reconfigure(
            |text| text.replace("largest_transfer = 10", "largest_transfer = 11"),
            READ_AGAIN,
        )
        .await?;
    ensure!(stage.log().contains("changed=\"app.1.largest_transfer\""), "{}", stage.log());
    assert_eq!(caller.ending(&over).await?, State::Completed);
    let third = Order::new("a-third", 1);
    let said = caller.post(&third.key, &third.body(), 5).await?;
    assert_eq!(said.status, StatusCode::FORBIDDEN, "two were moved before: {said:?}");
    // What is wrong is told with its line, and all stays as it was.
    stage
        .reconfigure(
            |text| text.replace("transfers_a_day = 2", "transfers_a_day = 'three'"),
            NOTHING,
        )
        .await?;
    ensure!(stage.log().contains("app.transfers_a_day"), "{}", stage.log());
    let said = caller.post(&third.key, &third.body(), 5).await?;
    assert_eq!(said.status, StatusCode::FORBIDDEN, "{said:?}");
    stage
        .reconfigure(
            |text| text.replace("transfers_a_day = 'three'", "transfers_a_day = 3"),
            READ_AGAIN,
        )
        .await?;
    assert_eq!(caller.ending(&third).await?, State::Completed);
    // One that is gone is nobody; the other goes on.
    stage
        .reconfigure(
            |text| {
                text.replace(section, "")
                    .split("[[app]]\nname = 'second'")
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            },
            READ_AGAIN,
        )
        .await?;
    let said = caller.get("/v1/transfers").await?;
    assert_eq!(said.status, StatusCode::UNAUTHORIZED, "{said:?}");
    assert_eq!(stage.caller()?.ending(&Order::new("of-the-first", 1)).await?, State::Completed);
    // What needs a restart is named.
    stage
        .reconfigure(
            |text| text.replace("[operators]\n", "[operators]\nfeeds_per_address = 3\n"),
            "these wait for the next start",
        )
        .await?;
    ensure!(stage.log().contains("operators.feeds_per_address"), "{}", stage.log());
    assert!(stage.terminate().await?.success());
    Ok(())
}

#[tokio::test]
async fn a_counters_key_is_changed_without_losing_its_session() -> Result<()> {
    let address = free_address()?.to_string();
    let mut stage = Stage::start(&format!(
        "[[counter]]\nid = 'securities'\ndialect = 'securities'\naddresses = ['{address}']\n\
         key_file = 'k'\n"
    ))
    .await?;
    private::write(stage.folder().join("next"), "the key that takes the place of the old one")?;
    let with_key = |stage: &Stage, key: &str| {
        let arguments = ["simulate", "securities", "--key-file", key, "--listen", &address];
        Process::start("securities", stage.folder(), &arguments)
    };
    let counter = with_key(&stage, "k")?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    let both = "key_file = 'k'\nsecond_key_file = 'next'\n";
    stage.reconfigure(|text| text.replace("key_file = 'k'\n", both), READ_AGAIN).await?;
    // The counter changes when it likes.
    counter.kill().await?;
    stage.until("securities", false, FOUND_WITHIN).await?;
    let log = stage.log();
    let lost = log.lines().find(|line| line.contains("the connection is lost"));
    let lost = lost.unwrap_or_else(|| panic!("nobody is told:\n{log}"));
    ensure!(lost.contains(" WARN ") && lost.contains("counter=securities"), "{lost}");
    let _counter = with_key(&stage, "next")?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    stage.reconfigure(|text| text.replace(both, "key_file = 'next'\n"), READ_AGAIN).await?;
    assert_eq!(stage.health("securities").await?, "up");
    let left = "the key that it signed on by was withdrawn";
    ensure!(!stage.log().contains(left), "{}", stage.log());
    // A key that is withdrawn takes its session with it.
    stage.reconfigure(|text| text.replace("key_file = 'next'\n", "key_file = 'k'\n"), left).await?;
    stage.until("securities", false, FOUND_WITHIN).await?;
    Ok(())
}

/// It is not waited for until it would be tried anyway, which after a rejection is a minute, or never.
#[tokio::test]
async fn a_counter_that_was_rejected_is_tried_again_with_its_new_key() -> Result<()> {
    let address = free_address()?.to_string();
    let mut stage = Stage::prepared(&format!(
        "[[counter]]\nid = 'securities'\ndialect = 'securities'\naddresses = ['{address}']\n\
         key_file = 'k'\n"
    ))?;
    private::write(stage.folder().join("next"), "the key that takes the place of the old one")?;
    let arguments = ["simulate", "securities", "--key-file", "next", "--listen", &address];
    let mut counter = Process::start("securities", stage.folder(), &arguments)?;
    counter.ready().await?;
    stage.restart().await?;
    stage
        .look("/ops/v1/counters", |said| {
            let counters: serde_json::Value = serde_json::from_str(said).ok()?;
            let connection = &counters[0]["connections"][0];
            let wait = connection["next_attempt_at"].as_i64()? - connection["since"].as_i64()?;
            (connection["state"] == "backing_off" && wait > 30_000_000).then_some(())
        })
        .await?;
    // By a word of a person; of a counter that there is.
    reconnect(&stage, "securities", true, "securities is tried again").await?;
    reconnect(&stage, "elsewhere", false, "there is no counter elsewhere").await?;
    let next = |text: String| text.replace("key_file = 'k'\n", "key_file = 'next'\n");
    stage.reconfigure(next, READ_AGAIN).await?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    reconnect(&stage, "securities", true, "nothing waits to be tried again").await
}

/// `counter-bridge reconnect` of this counter: whether it went well, and what it says.
async fn reconnect(stage: &Stage, counter: &str, goes_well: bool, words: &str) -> Result<()> {
    let mut command = tokio::process::Command::new(program()?);
    let operators = format!("http://{}", stage.operators());
    command.args(["reconnect", counter, "--operators", &operators]).kill_on_drop(true);
    command.arg("--token-file").arg(stage.token_file());
    let said = tokio::time::timeout(FOUND_WITHIN, command.output()).await??;
    let text = String::from_utf8([said.stdout, said.stderr].concat())?;
    ensure!(text.contains(words) && said.status.success() == goes_well, "{text}");
    Ok(())
}

/// Both ways: of two counters under TLS one is dialled and one dials in.
#[tokio::test]
async fn an_authority_that_is_withdrawn_takes_its_sessions_with_it() -> Result<()> {
    let (door, address) = (free_address()?.to_string(), free_address()?.to_string());
    let (ours, theirs, other) = (Authority::new()?, Authority::new()?, Authority::new()?);
    let mut stage = Stage::prepared(&format!(
        "[accept]\nlisten = '{door}'\ntls = {{ ca_file = 'believed.pem', cert_file = 'bridge.pem', \
         key_file = 'bridge.key.pem' }}\n[[counter]]\nid = 'securities'\ndialect = 'securities'\n\
         dials_in = true\nkey_file = 'k'\n[[counter]]\nid = 'futures'\ndialect = 'futures'\n\
         addresses = ['{address}']\nkey_file = 'f'\ntls = {{ ca_file = 'believed.pem', cert_file = \
         'bridge.pem', key_file = 'bridge.key.pem' }}\n"
    ))?;
    let folder = stage.folder().to_owned();
    let believe = |authority: &Authority| fs::write(folder.join("believed.pem"), authority.pem());
    ours.certify(&folder, "bridge", Naming::Alternative)?;
    fs::write(folder.join("ours.pem"), ours.pem())?;
    for counter in ["securities", "futures"] {
        theirs.certify(&folder, counter, Naming::Alternative)?;
    }
    believe(&theirs)?;
    stage.restart().await?;
    let tls = |name: &str| {
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key.pem"));
        ["--tls-ca", "ours.pem", "--tls-cert", &certificate, "--tls-key", &key].map(str::to_owned)
    };
    let start = |dialect: &str, more: [&str; 2]| {
        let tls = tls(dialect);
        let options: Vec<&str> = more.into_iter().chain(tls.iter().map(String::as_str)).collect();
        stage.counter(dialect, &options)
    };
    let _counters =
        [start("securities", ["--connect", &door])?, start("futures", ["--listen", &address])?];
    for counter in ["securities", "futures"] {
        stage.until(counter, true, FOUND_WITHIN).await?;
    }
    // Read again with nothing changed, nobody is disturbed.
    stage.reconfigure(|text| text, READ_AGAIN).await?;
    let left = "a session is left counter=";
    believe(&other)?;
    stage.reconfigure(|text| text, READ_AGAIN).await?;
    stage.logged(left, 2).await?;
    for counter in ["securities", "futures"] {
        stage.until(counter, false, FOUND_WITHIN).await?;
    }
    let log = stage.log();
    assert_eq!(log.matches(left).count(), 2, "{log}");
    ensure!(log.contains("its certificate is not believed any more"), "{log}");
    believe(&theirs)?;
    for counter in ["securities", "futures"] {
        stage.until(counter, true, Duration::from_mins(1)).await?;
    }
    Ok(())
}

/// A certificate that names its counter only by a common name names nobody, at the acceptor as elsewhere.
#[tokio::test]
async fn a_common_name_names_nobody() -> Result<()> {
    let door = free_address()?.to_string();
    let authority = Authority::new()?;
    let mut stage = Stage::prepared(&format!(
        "[accept]\nlisten = '{door}'\ntls = {{ ca_file = 'ca.pem', cert_file = 'bridge.pem', \
         key_file = 'bridge.key.pem' }}\n[[counter]]\nid = 'securities'\ndialect = 'securities'\n\
         dials_in = true\nkey_file = 'k'\n"
    ))?;
    fs::write(stage.folder().join("ca.pem"), authority.pem())?;
    authority.certify(stage.folder(), "bridge", Naming::Alternative)?;
    authority.certify(stage.folder(), "securities", Naming::Common)?;
    stage.restart().await?;
    let options = ["--connect", &door, "--tls-ca", "ca.pem", "--tls-cert", "securities.pem"];
    let key = ["--tls-key", "securities.key.pem"];
    let _counter = stage.counter("securities", &[&options[..], &key[..]].concat())?;
    stage.logged("the certificate names somebody else", 1).await?;
    assert_eq!(stage.health("securities").await?, "down");
    Ok(())
}

#[tokio::test]
async fn what_the_bridge_makes_is_its_owners_alone_whatever_the_shell_thinks() -> Result<()> {
    let mut stage = Stage::prepared("")?;
    let file = stage.folder().join("bridge.toml");
    let text = fs::read_to_string(&file)?;
    let record = stage.folder().join("record.sqlite").display().to_string();
    let deeper = stage.folder().join("deep/er/record.sqlite").display().to_string();
    ensure!(text.contains(&record), "{text}");
    fs::write(&file, text.replace(&record, &deeper))?;
    stage.restart().await?;
    let mut seen = 0;
    let mut folders = vec![stage.folder().join("deep")];
    while let Some(folder) = folders.pop() {
        assert_eq!(folder.metadata()?.permissions().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                let mode = entry.metadata()?.permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", entry.path().display());
                seen += 1;
            }
        }
    }
    ensure!(seen >= 3, "the record, its log and its position: {seen}");
    Ok(())
}

/// A key that has fallen into wrong hands is withdrawn also while the database stands still.
#[tokio::test]
async fn whatever_the_database_does_who_was_taken_out_may_do_nothing() -> Result<()> {
    if !MariaDb::is_installed() {
        println!("LEFT OUT: MariaDB is not installed here");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let server = MariaDb::start(folder.path()).await?;
    let database = Database::on_own_server(&server.url()).await?;
    let town = Town::start_on(database, Faults::default()).await?;
    operator::connected(&town).await?;
    let other = Caller::new(&town.other_app, &town.bridge.api())?;
    let balance = format!("/v1/counters/securities/accounts/{RICH}/balance?currency=CNY");
    assert_eq!(other.get(&balance).await?.status, StatusCode::OK);
    let before = town.caller.ending(&Order::new("before-the-limit", 1)).await?;
    assert_eq!(before, State::Completed);
    server.freeze()?;
    let file = town.bridge.config_file();
    let text = fs::read_to_string(&file)?;
    // One app stays without its key; the other gets a limit of a day, for which the database is asked.
    let fresh = file.with_file_name("a-fresh-key.secret");
    private::write(fresh, b"a secret of the other app's own.")?;
    let text = text.replace(town.other_app.key_id, "a-fresh-key");
    let text = text.replace("name = \"demo\"\n", "name = \"demo\"\ntransfers_a_day = 2\n");
    fs::write(&file, text)?;
    town.bridge.ask_to_read_again()?;
    let until = Instant::now() + SOONER_THAN_A_DATABASE;
    loop {
        let said = other.get(&balance).await?;
        if said.status == StatusCode::UNAUTHORIZED {
            break;
        }
        ensure!(Instant::now() < until, "{said:?}\n{}", town.bridge.log());
        sleep(LOOK_EVERY).await;
    }
    let over = town.caller.post("not-known-yet", &Order::new("x", 1).body(), 0).await?;
    ensure!(over.status == StatusCode::SERVICE_UNAVAILABLE, "{over:?}");
    server.thaw()?;
    // What was moved before there was a limit counts.
    assert_eq!(town.caller.ending(&Order::new("second", 1)).await?, State::Completed);
    let over = Order::new("third", 1);
    let said = town.caller.post(&over.key, &over.body(), 5).await?;
    assert_eq!(said.status, StatusCode::FORBIDDEN, "{said:?}");
    Ok(())
}
