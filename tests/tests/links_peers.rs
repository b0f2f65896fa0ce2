//! Links over real kernels: counters that dial in, a network that swallows everything, a process that
//! stands still.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use system_tests::audit::State;
use system_tests::away::{Away, Way};
use system_tests::caller::Order;
use system_tests::certificates::{Authority, Naming};
use system_tests::process::{free_address, program};
use system_tests::stage::{FOUND_WITHIN, Stage};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn counters_that_dial_in_carry_transfers_and_may_be_killed() -> Result<()> {
    let door = free_address()?;
    let stage = Stage::start(&format!(
        "[accept]\nlisten = '{door}'\n[[counter]]\nid = 'securities'\ndialect = 'securities'\n\
         dials_in = true\nkey_file = 'k'\n[[counter]]\nid = 'futures'\ndialect = 'futures'\n\
         dials_in = true\nkey_file = 'f'\n"
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
    let caller = stage.caller()?;
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
        ensure!(began.elapsed() < within, "not in {within:?}:\n{}", stage.log());
        sleep(Duration::from_millis(10)).await;
    }
    Ok(began.elapsed())
}

#[tokio::test]
async fn mode_01_a_network_that_swallows_everything_is_seen_within_four_seconds_at_heartbeat_two()
-> Result<()> {
    if !Away::is_possible() {
        eprintln!("NOT TRIED: a network of its own can be made by root only");
        return Ok(());
    }
    let away = Away::new()?;
    let address = format!("{}:9001", away.there());
    let stage = Stage::start(&format!(
        "[[counter]]\nid = 'securities'\ndialect = 'securities'\naddresses = ['{address}']\n\
         plain = true\nkey_file = 'k'\nheartbeat_s = 2\n"
    ))
    .await?;
    let _counter = Command::new("ip")
        .args(away.run(&program()?))
        .args(["simulate", "securities", "--key-file", "k", "--listen", &address])
        .current_dir(stage.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("`ip netns exec` could not be started")?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    away.cut(Way::There)?;
    let took = down_after(&stage, Duration::from_secs(6)).await?;
    assert!(took <= Duration::from_millis(4200), "{took:?}");
    away.mend(Way::There)?;
    stage.until("securities", true, Duration::from_secs(40)).await?;
    Ok(())
}

/// Certificates for these names in files of the folder, by an authority that is forgotten at once.
fn certify(folder: &Path, names: &[&str]) -> Result<()> {
    let authority = Authority::new()?;
    fs::write(folder.join("ca.pem"), authority.pem())?;
    names.iter().try_for_each(|name| authority.certify(folder, name, Naming::Alternative))
}

#[tokio::test]
async fn a_counter_dials_in_on_two_channels_and_another_is_dialled_both_under_tls() -> Result<()> {
    let (door, address) = (free_address()?.to_string(), free_address()?.to_string());
    let certificates = tempfile::tempdir()?;
    certify(certificates.path(), &["bridge", "securities", "futures", "stranger"])?;
    let file = |name: &str| certificates.path().join(name).display().to_string();
    let ours = format!(
        "{{ ca_file = '{}', cert_file = '{}', key_file = '{}' }}",
        file("ca.pem"),
        file("bridge.pem"),
        file("bridge.key.pem")
    );
    let stage = Stage::start(&format!(
        "[accept]\nlisten = '{door}'\ntls = {ours}\n[[counter]]\nid = 'securities'\ndialect = \
         'securities'\ndials_in = true\nconnections = 2\nkey_file = 'k'\n[[counter]]\nid = \
         'futures'\ndialect = 'futures'\naddresses = ['{address}']\ntls = {ours}\nkey_file = 'f'\n"
    ))
    .await?;
    let tls = |name: &str| {
        let (certificate, key) = (file(&format!("{name}.pem")), file(&format!("{name}.key.pem")));
        let options = ["--tls-ca", &file("ca.pem"), "--tls-cert", &certificate, "--tls-key", &key];
        options.map(str::to_owned).to_vec()
    };
    let start = |dialect: &str, name: &str, more: &[&str]| {
        let tls = tls(name);
        let options: Vec<&str> =
            more.iter().copied().chain(tls.iter().map(String::as_str)).collect();
        stage.counter(dialect, &options)
    };
    let in_two = ["--connect", &door, "--channels", "2", "--account", "6001=1000"];
    // One with somebody else's certificate does not come in.
    let stranger = start("securities", "stranger", &in_two)?;
    let _futures = start("futures", "futures", &["--listen", &address, "--account", "8001=0"])?;
    stage.until("futures", true, FOUND_WITHIN).await?;
    let rejected = Instant::now() + FOUND_WITHIN;
    while !stage.log().contains("the certificate names somebody else") {
        ensure!(Instant::now() < rejected, "the stranger is not refused:\n{}", stage.log());
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stage.health("securities").await?, "down");
    stranger.kill().await?;
    let _securities = start("securities", "securities", &in_two)?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    let caller = stage.caller()?;
    assert_eq!(caller.ending(&Order::new("secured", 10)).await?, State::Completed);
    let metrics = stage.said("/metrics").await?;
    for line in [
        "counter_bridge_link_certificate_expiry_timestamp_seconds{counter=\"securities\",channel=\"1\",side=\"peer\"}",
        "counter_bridge_link_certificate_expiry_timestamp_seconds{counter=\"futures\",channel=\"0\",side=\"own\"}",
        "counter_bridge_link_in_flight_bound{counter=\"securities\"} 512",
        "counter_bridge_link_door_bound 256",
    ] {
        ensure!(metrics.contains(line), "{line} is missing:\n{metrics}");
    }
    Ok(())
}
