//! An operator: looks at the operators' side, and decides at the command line.

use crate::caller::{END_WITHIN, LOOK_EVERY};
use crate::process::program;
use crate::tester;
use crate::town::Town;
use anyhow::{Context, Result, bail};
use people::Role;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Looks at a path of the operators' side until what is there is what is wanted.
pub async fn look<T>(town: &Town, path: &str, wanted: impl Fn(&Value) -> Option<T>) -> Result<T> {
    let url = format!("{}{path}", town.bridge.operators());
    let token_file = town.bridge.token_file();
    let deadline = Instant::now() + END_WITHIN;
    loop {
        let said = crate::http::get_as(&token_file, &url).await?.text();
        let said: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
        if let Some(found) = wanted(&said) {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("{path} did not come to be so: {said}\n{}", town.bridge.log());
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until all counters are connected.
pub async fn connected(town: &Town) -> Result<()> {
    look(town, "/ops/v1/counters", |counters| {
        let counters = counters.as_array()?;
        counters.iter().all(|counter| counter["health"] == "up").then_some(())
    })
    .await
}

/// Waits until a transfer needs a person, and shows it.
pub async fn parked(town: &Town) -> Result<Value> {
    look(town, "/ops/v1/transfers?state=needs_operator", |listed| {
        listed["transfers"].get(0).cloned()
    })
    .await
}

/// `counter-bridge resolve`: the tester proposes it, and another approves; whether it was taken.
pub async fn resolve(town: &Town, serial: &str, decision: &str) -> Result<bool> {
    let arguments = ["resolve", serial, decision, "--note", "confirmed by telephone"];
    let proposed = [&arguments[..], &["--json"]].concat();
    let proposed = run(town, &town.bridge.token_file(), &proposed).await?;
    if !proposed.status.success() {
        return Ok(false);
    }
    let proposal: Value = serde_json::from_slice(&proposed.stdout)?;
    let id = proposal["id"].as_str().context("a proposal")?;
    let another = another(town).await?;
    let approved = ["resolve", serial, decision, "--approve", id, "--note", "asked them, too"];
    Ok(run(town, &another, &approved).await?.status.success())
}

/// The file with the token of another operator, who may approve.
pub async fn another(town: &Town) -> Result<PathBuf> {
    let config = town.bridge.config_file();
    let folder = config.parent().context("a folder")?;
    tester::provide_other(town.bridge.database(), folder, "another", Role::Approver).await?;
    Ok(tester::token_file(folder, "another"))
}

/// A command of a person's on the operators' side, and what it says; an error if it is refused.
pub async fn person(town: &Town, arguments: &[&str]) -> Result<String> {
    person_with(town, &town.bridge.token_file(), arguments).await
}

/// The same with the token in this file.
pub async fn person_with(town: &Town, token_file: &Path, arguments: &[&str]) -> Result<String> {
    let output = run(town, token_file, arguments).await?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn run(town: &Town, token_file: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(program()?);
    command.args(arguments).args(["--operators", &town.bridge.operators()]).kill_on_drop(true);
    command.arg("--token-file").arg(token_file);
    let within = tokio::time::timeout(Duration::from_secs(20), command.output());
    within.await.context("it does not end")?.context("it does not start")
}
