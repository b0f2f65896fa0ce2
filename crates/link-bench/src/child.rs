//! Another process of this program that is told what to do, a line at a time, and answers each line
//! with one line of JSON.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A child that does not answer within this never will.
const PATIENCE: Duration = Duration::from_mins(1);

/// See the module. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts this program with these arguments.
    pub(crate) fn start<A: AsRef<str>>(arguments: &[A]) -> Result<Child> {
        let program = std::env::current_exe().context("where this program lies is not known")?;
        let mut process = Command::new(program)
            .args(arguments.iter().map(AsRef::as_ref))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("another process could not be started")?;
        let input = process.stdin.take().context("no way in")?;
        let output = BufReader::new(process.stdout.take().context("no way out")?).lines();
        Ok(Child { process, input, output })
    }

    /// The next line that it writes.
    pub(crate) async fn hear(&mut self) -> Result<Value> {
        let said = timeout(PATIENCE, self.hear_at_last()).await;
        said.context("the other process says nothing")?
    }

    /// The same, however long that takes.
    pub(crate) async fn hear_at_last(&mut self) -> Result<Value> {
        let line = self.output.next_line().await?.context("the other process has ended")?;
        let value: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        ensure!(value["error"].is_null(), "the other process: {}", value["error"]);
        Ok(value)
    }

    /// Tells it to do something; its answer.
    pub(crate) async fn tell(&mut self, command: &str) -> Result<Value> {
        self.input.write_all(format!("{command}\n").as_bytes()).await?;
        self.input.flush().await?;
        self.hear().await
    }

    /// Stops it where it is.
    pub(crate) fn freeze(&self) -> Result<()> {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.context("it has ended")?, Signal::STOP).context("it cannot be stopped")
    }
}
