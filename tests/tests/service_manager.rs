//! What a service manager is told of a real process, over a real socket: systemd's protocol, `sd_notify(3)`.

use anyhow::{Context, Result, ensure};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use system_tests::process::free_address;
use system_tests::stage::{FOUND_WITHIN, Stage};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::time::timeout;

/// Longer than three looks at the tasks take, each of which would feed a watchdog.
const THREE_LOOKS: Duration = Duration::from_millis(3_500);

/// A task stands still for ten seconds before it is said to.
const SAID_WITHIN: Duration = Duration::from_secs(30);

/// Whoever has started the bridge, and what it is told.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Result<Manager> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700))?;
        let socket = UnixDatagram::bind(folder.path().join("notify"))?;
        Ok(Manager { socket, folder })
    }

    /// What the bridge is to find in its environment. The process is not named: any may say that it lives.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let path: &Path = &self.folder.path().join("notify");
        vec![
            ("NOTIFY_SOCKET", path.display().to_string()),
            ("WATCHDOG_USEC", "30000000".to_owned()),
        ]
    }

    /// The next message, if one comes.
    async fn next(&self, within: Duration) -> Option<String> {
        let mut message = [0; 4096];
        let length = timeout(within, self.socket.recv(&mut message)).await.ok()?.ok()?;
        String::from_utf8(message[..length].to_vec()).ok()
    }

    /// All messages until one has this line; that one comes last.
    async fn until(&self, line: &str) -> Result<Vec<String>> {
        let mut all = Vec::new();
        let found = async {
            while !all
                .last()
                .is_some_and(|last: &String| last.lines().any(|it| it.starts_with(line)))
            {
                all.push(self.next(SAID_WITHIN).await.context("nothing is said")?);
            }
            anyhow::Ok(())
        };
        let found = timeout(SAID_WITHIN, found).await;
        ensure!(matches!(found, Ok(Ok(()))), "{line} is not said: {all:?}");
        Ok(all)
    }
}

fn has(messages: &[String], line: &str) -> bool {
    messages.iter().any(|message| message.lines().any(|it| it.starts_with(line)))
}

/// It is ready once it listens, which is when it says where; it feeds the watchdog; a reload begins and ends; a wrong
/// configuration is said; and it says that it stops, and how long that may take.
#[tokio::test]
async fn a_life_is_told_to_whoever_started_it() -> Result<()> {
    let manager = Manager::new()?;
    let mut stage = Stage::prepared("[drain]\nbudget_s = 7\n")?.with_variables(manager.variables());
    stage.restart().await?;
    let told = manager.until("READY=1").await?;
    ensure!(!has(&told, "STOPPING") && !has(&told, "EXTEND_TIMEOUT_USEC"), "{told:?}");
    let last = told.last().context("a message")?;
    ensure!(last.contains("STATUS=takes transfers; 0 of 0 counters connected"), "{told:?}");
    ensure!(stage.said("/readyz").await?.contains("\"ready\""));
    for _ in 0..2 {
        let told = manager.until("WATCHDOG=1").await?;
        ensure!(!has(&told, "READY"), "once: {told:?}");
    }

    stage.reconfigure(|text| text, "the configuration was read again").await?;
    let reloading = manager.until("RELOADING=1").await?;
    let last = reloading.last().context("a message")?;
    let at = last.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    ensure!(at.is_some_and(|at| at.parse::<u64>().is_ok_and(|at| at > 0)), "{reloading:?}");
    manager.until("READY=1").await?;

    stage.reconfigure(|text| format!("nmae = 'x'\n{text}"), "nothing has changed").await?;
    manager.until("RELOADING=1").await?;
    let told = manager.until("READY=1").await?;
    ensure!(told.last().is_some_and(|it| it.contains("is wrong: nothing has changed")), "{told:?}");

    ensure!(stage.terminate().await?.success());
    let told = manager.until("STOPPING=1").await?;
    ensure!(has(&told, "EXTEND_TIMEOUT_USEC=17000000"), "its budget and some: {told:?}");
    Ok(())
}

/// A shard that hangs hangs for good, whatever else goes on: the watchdog is not fed any more, and what Prometheus
/// asks still tells what is wrong.
#[tokio::test]
async fn the_watchdog_is_not_fed_while_a_shard_hangs() -> Result<()> {
    let address = free_address()?.to_string();
    let counter = format!(
        "[[counter]]\nid = 'securities'\ndialect = 'securities'\naddresses = ['{address}']\n\
         key_file = 'k'\nheartbeat_s = 1\n"
    );
    let manager = Manager::new()?;
    let mut variables = manager.variables();
    variables.push((supervise::trap::VARIABLE, "step/4242=hang".to_owned()));
    let mut stage = Stage::prepared(&counter)?.with_variables(variables);
    stage.restart().await?;
    let accounts = ["--account", "6001=10000", "--account", "6002=0", "--books", "s.jsonl"];
    let options = [&["--listen", &address][..], &accounts[..]].concat();
    let running = stage.counter("securities", &options)?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    manager.until("STATUS=takes transfers; 1 of 1 counters connected").await?;
    manager.until("WATCHDOG=1").await?;

    let caller = stage.caller()?;
    let stuck = tokio::spawn(async move {
        let body = "{\"from\":{\"counter\":\"securities\",\"account\":\"6001\"},\"to\":\
                    {\"counter\":\"securities\",\"account\":\"6002\"},\"amount\":4242,\
                    \"currency\":\"CNY\"}";
        caller.post("stuck", body, 20).await
    });
    let told = manager.until("STATUS=takes no transfers: shard ").await?;
    ensure!(told.last().is_some_and(|it| it.ends_with("stands still\n")), "{told:?}");
    // What was on its way, perhaps; and from then on nothing.
    let mut after = Vec::new();
    while let Some(message) = manager.next(THREE_LOOKS).await {
        after.push(message);
        ensure!(after.len() < 3, "it is fed: {after:?}");
    }
    ensure!(!has(after.get(1..).unwrap_or_default(), "WATCHDOG"), "{after:?}");

    let metrics = stage.said("/metrics").await?;
    ensure!(metrics.contains("\ncounter_bridge_tasks_ailing 1\n"), "{metrics}");
    ensure!(metrics.contains("\ncounter_bridge_ready 0\n"), "{metrics}");
    ensure!(!metrics.contains("\ncounter_bridge_transfers_open{"), "what is not known: {metrics}");

    stuck.abort();
    running.kill().await?;
    stage.terminate().await?;
    manager.until("STOPPING=1").await?;
    Ok(())
}

/// A database that is not there yet is waited for, for longer than a start may take: each attempt says so, and none
/// that the bridge is ready.
#[tokio::test]
async fn a_start_that_waits_for_its_database_asks_for_time_at_each_attempt() -> Result<()> {
    let manager = Manager::new()?;
    let mut stage = Stage::prepared("")?.with_variables(manager.variables());
    let file = stage.folder().join("bridge.toml");
    let (text, nowhere) = (std::fs::read_to_string(&file)?, free_address()?);
    let (_, rest) = text.split_once('\n').context("a line")?;
    std::fs::write(&file, format!("database = 'mysql://bridge@{nowhere}/bridge'\n{rest}"))?;
    stage.restart_without_waiting().await?;
    for _ in 0..3 {
        let told = manager.until("EXTEND_TIMEOUT_USEC=120000000").await?;
        ensure!(has(&told, "STATUS=waiting for the database: "), "{told:?}");
        ensure!(!has(&told, "READY") && !has(&told, "WATCHDOG"), "{told:?}");
    }
    ensure!(stage.terminate().await?.success());
    let told = manager.until("STOPPING=1").await?;
    ensure!(!has(&told, "READY"), "{told:?}");
    Ok(())
}

/// A manager that is gone, or does not read, stops nothing.
#[tokio::test]
async fn a_manager_that_is_gone_stops_nothing() -> Result<()> {
    let manager = Manager::new()?;
    let mut stage = Stage::prepared("")?.with_variables(manager.variables());
    drop(manager);
    stage.restart().await?;
    stage.logged("the service manager is not told how the bridge is", 1).await?;
    ensure!(stage.said("/readyz").await?.contains("\"ready\""));
    ensure!(stage.terminate().await?.success());
    Ok(())
}
