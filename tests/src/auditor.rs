//! `counter-bridge audit`, as an operator runs it: a process beside the bridge.

use crate::process::Process;
use crate::town::Town;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// An audit of a town takes a second; a loaded machine is given time.
const WITHIN: Duration = Duration::from_mins(1);

/// Where the counters' statements come from.
#[derive(Clone, Debug)]
pub enum Statements {
    /// Asked of the counters, through the running bridge.
    Asked,
    /// Read from these books, those of the securities and of the futures counter.
    Books(PathBuf, PathBuf),
}

/// What an audit said.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The exit code.
    pub code: i32,
    /// What it wrote in JSON, if it came to a verdict.
    pub report: Value,
    /// Everything that it wrote.
    pub log: String,
}

impl Audited {
    /// The kinds of what was found, in order.
    pub fn kinds(&self) -> Vec<&str> {
        let findings = self.report["findings"].as_array().map_or(&[][..], Vec::as_slice);
        findings.iter().filter_map(|finding| finding["kind"].as_str()).collect()
    }

    /// An error unless every unit is accounted for.
    pub fn clean(&self) -> Result<()> {
        if self.code == 0 && self.report["accounted"] == true {
            return Ok(());
        }
        bail!("the audit ended with {}:\n{}", self.code, self.log)
    }
}

/// Audits the town's record.
pub async fn audit(town: &Town, statements: &Statements) -> Result<Audited> {
    let folder = tempfile::tempdir().context("no folder for the audit")?;
    let mut arguments = vec!["audit".to_owned(), "--json".to_owned()];
    let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    option("--config", town.bridge.config_file().display().to_string());
    match statements {
        Statements::Asked => {
            option("--url", town.bridge.api());
            option("--operators", town.bridge.operators());
            option("--token-file", town.bridge.token_file().display().to_string());
            option("--key-id", town.app.key_id.to_owned());
            option("--key-file", town.app.secret_file.display().to_string());
        }
        Statements::Books(securities, futures) => {
            option("--books", format!("securities={}", securities.display()));
            option("--books", format!("futures={}", futures.display()));
        }
    }
    let mut process = Process::start("audit", folder.path(), &arguments)?;
    let report = process.object(WITHIN).await?.unwrap_or_default();
    let status = process.ended(WITHIN).await?;
    let code = status.code().with_context(|| format!("the audit ended with {status}"))?;
    Ok(Audited { code, report, log: process.log() })
}
