//! Links over real kernels: counters that dial in, a network that swallows everything, a process that
//! stands still.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use system_tests::audit::State;
use system_tests::bridge::App;
use system_tests::caller::{Caller, Order};
use system_tests::process::{Process, free_address, program};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long a bridge with nothing in its way may take to find a counter.
const FOUND_WITHIN: Duration = Duration::from_secs(20);

/// A bridge with a configuration of its own.
struct Stage {
    folder: TempDir,
    bridge: Process,
    api: String,
    operators: String,
    app: App,
}

impl Stage {
    async fn start(counters: &str) -> Result<Stage> {
        let folder = tempfile::tempdir()?;
        let app = App::new("demo", "demo-hmac", folder.path())?;
        let (api, operators) = (free_address()?, free_address()?);
        fs::write(folder.path().join("k"), "k".repeat(32))?;
        let database = folder.path().join("record.sqlite");
        let text = format!(
            "database = 'sqlite://{}'\n[api]\nlisten = '{api}'\n[operators]\nlisten = \
             '{operators}'\n[[app]]\nname = 'demo'\n[[app.key]]\nid = 'demo-hmac'\nalgorithm = \
             'hmac-sha256'\nsecret_file = '{}'\n{counters}",
            database.display(),
            app.secret_file.display(),
        );
        fs::write(folder.path().join("bridge.toml"), text)?;
        let arguments = ["serve", "--config", "bridge.toml"];
        let mut bridge = Process::start("bridge", folder.path(), &arguments)?;
        bridge.ready().await?;
        let (api, operators) = (format!("http://{api}"), format!("http://{operators}"));
        Ok(Stage { folder, bridge, api, operators, app })
    }

    /// Starts a counter that shares the key; more options behind its dialect.
    fn counter(&self, dialect: &str, more: &[&str]) -> Result<Process> {
        let mut arguments = vec!["simulate", dialect, "--key-file", "k"];
        arguments.extend(more);
        Process::start(dialect, self.folder.path(), &arguments)
    }

    async fn health(&self, counter: &str) -> Result<String> {
        let all: Value =
            reqwest::get(format!("{}/ops/v1/counters", self.operators)).await?.json().await?;
        let list = all.as_array().context("a list")?;
        let one = list.iter().find(|one| one["counter"] == counter).context("no such counter")?;
        Ok(one["health"].as_str().context("a word")?.to_owned())
    }

    /// Waits until the counter's health is, or is not, `up`; how long that took.
    async fn until(&self, counter: &str, up: bool, within: Duration) -> Result<Duration> {
        let began = Instant::now();
        while (self.health(counter).await? == "up") != up {
            ensure!(began.elapsed() < within, "not in {within:?}:\n{}", self.bridge.log());
            sleep(Duration::from_millis(20)).await;
        }
        Ok(began.elapsed())
    }
}

#[tokio::test]
async fn counters_that_dial_in_carry_transfers_and_may_be_killed() -> Result<()> {
    let door = free_address()?;
    let stage = Stage::start(&format!(
        "[accept]\nlisten = '{door}'\n[[counter]]\nid = 'securities'\ndialect = 'securities'\n\
         dials_in = true\nkey_file = 'k'\n[[counter]]\nid = 'futures'\ndialect = 'futures'\n\
         dials_in = true\nkey_file = 'k'\n"
    ))
    .await?;
    let door = door.to_string();
    let securities = ["--connect", &door, "--account", "6001=1000", "--books", "s.jsonl"];
    let futures = ["--connect", &door, "--account", "8001=0", "--books", "f.jsonl"];
    let first = stage.counter("securities", &securities)?;
    let _futures = stage.counter("futures", &futures)?;
    for counter in ["securities", "futures"] {
        stage.until(counter, true, FOUND_WITHIN).await?;
    }
    let caller = Caller::new(&stage.app, &stage.api)?;
    assert_eq!(caller.ending(&Order::new("before", 10)).await?, State::Completed);
    first.kill().await?;
    stage.until("securities", false, Duration::from_secs(5)).await?;
    let _second = stage.counter("securities", &securities)?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    assert_eq!(caller.ending(&Order::new("after", 10)).await?, State::Completed);
    Ok(())
}

#[tokio::test]
async fn mode_02_a_process_that_stands_still_is_seen_within_four_seconds_at_heartbeat_two()
-> Result<()> {
    let address = free_address()?.to_string();
    let stage = Stage::start(&format!(
        "[[counter]]\nid = 'securities'\ndialect = 'securities'\naddresses = ['{address}']\n\
         key_file = 'k'\nheartbeat_s = 2\n"
    ))
    .await?;
    let counter = stage.counter("securities", &["--listen", &address])?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    counter.freeze()?;
    // Until it is given up, not only suspected.
    let took = down_after(&stage, Duration::from_secs(6)).await?;
    assert!(took <= Duration::from_millis(4200), "{took:?}");
    counter.thaw()?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    Ok(())
}

/// How long until the counter is down.
async fn down_after(stage: &Stage, within: Duration) -> Result<Duration> {
    let began = Instant::now();
    while stage.health("securities").await? != "down" {
        ensure!(began.elapsed() < within, "not in {within:?}:\n{}", stage.bridge.log());
        sleep(Duration::from_millis(10)).await;
    }
    Ok(began.elapsed())
}

/// A network of its own with a counter in it; removed when dropped.
struct Away {
    name: String,
    here: String,
    there: String,
}

impl Away {
    fn new() -> Result<Away> {
        let number = std::process::id() % 60_000;
        let (high, low) = (number / 250, number % 250);
        let away = Away {
            name: format!("cb{number}"),
            here: format!("10.{}.{low}.1", high % 200 + 20),
            there: format!("10.{}.{low}.2", high % 200 + 20),
        };
        let Away { name, here, there } = &away;
        for line in [
            format!("netns add {name}"),
            format!("link add {name}a type veth peer name {name}b netns {name}"),
            format!("address add {here}/30 dev {name}a"),
            format!("link set {name}a up"),
            format!("-n {name} address add {there}/30 dev {name}b"),
            format!("-n {name} link set {name}b up"),
        ] {
            ip(&line)?;
        }
        Ok(away)
    }

    /// From now on everything sent there reaches nobody, and nobody says so.
    fn swallow(&self) -> Result<()> {
        let Away { name, there, .. } = self;
        ip(&format!("neigh replace {there} lladdr 02:00:00:00:00:99 dev {name}a nud permanent"))
    }

    fn heal(&self) -> Result<()> {
        ip(&format!("neigh del {} dev {}a", self.there, self.name))
    }

    fn counter(&self, folder: &Path, address: &str) -> Result<Child> {
        Command::new("ip")
            .args(["netns", "exec", &self.name])
            .arg(program()?)
            .args(["simulate", "securities", "--key-file", "k", "--listen", address])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("`ip netns exec` could not be started")
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // What cannot be removed has a name that says whose it was.
        let _ = ip(&format!("netns delete {}", self.name));
    }
}

fn ip(line: &str) -> Result<()> {
    let output = std::process::Command::new("ip")
        .args(line.split_whitespace())
        .output()
        .context("`ip` (of iproute2) could not be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`ip {line}`: {said}");
    Ok(())
}

#[tokio::test]
async fn mode_01_a_network_that_swallows_everything_is_seen_within_four_seconds_at_heartbeat_two()
-> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TRIED: a network of its own can be made by root only");
        return Ok(());
    }
    let away = Away::new()?;
    let address = format!("{}:9001", away.there);
    let stage = Stage::start(&format!(
        "[[counter]]\nid = 'securities'\ndialect = 'securities'\naddresses = ['{address}']\n\
         plain = true\nkey_file = 'k'\nheartbeat_s = 2\n"
    ))
    .await?;
    let _counter = away.counter(stage.folder.path(), &address)?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    away.swallow()?;
    let took = down_after(&stage, Duration::from_secs(6)).await?;
    assert!(took <= Duration::from_millis(4200), "{took:?}");
    away.heal()?;
    stage.until("securities", true, Duration::from_secs(40)).await?;
    Ok(())
}
