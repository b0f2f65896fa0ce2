//! A bridge with a configuration of its own, for whatever a town does not have: counters that dial in,
//! that lie, that stand still.

use crate::bridge::App;
use crate::caller::{Caller, LOOK_EVERY};
use crate::peer;
use crate::private;
use crate::process::{Process, free_address, program};
use crate::tester;
use anyhow::{Context, Result, bail, ensure};
use people::Role;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

/// How long a bridge with nothing in its way may take to find a counter.
pub const FOUND_WITHIN: Duration = Duration::from_secs(20);

/// The keys of a stage's counters that are no peers, by their files: `k`, and `f` of those that speak
/// futures.
const KEYS: [(&str, &[u8; 32]); 2] =
    [("k", b"a key that securities and we k w"), ("f", b"a key that a futures counter has")];

/// The bridge, and where its files lie.
pub struct Stage {
    folder: TempDir,
    bridge: Option<Process>,
    api: SocketAddr,
    operators: SocketAddr,
    app: App,
    descriptors: Option<u32>,
    log: Option<PathBuf>,
    variables: Vec<(&'static str, String)>,
}

impl Stage {
    /// Starts a bridge with these counters in its configuration, on `SQLite`. In its folder, `k` holds
    /// the key of a counter that speaks securities, `f` of one that speaks futures, and those of peers are
    /// where [`crate::peer::Peer::configured`] says.
    pub async fn start(counters: &str) -> Result<Stage> {
        let mut stage = Stage::prepared(counters)?;
        stage.restart().await?;
        Ok(stage)
    }

    /// The same, not started yet.
    pub fn prepared(counters: &str) -> Result<Stage> {
        let folder = tempfile::tempdir()?;
        let app = App::new("demo", "demo-hmac", folder.path())?;
        let (api, operators) = (free_address()?, free_address()?);
        for (file, key) in KEYS {
            private::write(folder.path().join(file), key)?;
        }
        for (id, file) in peer::keys_wanted(counters) {
            private::write(folder.path().join(file), peer::key(id))?;
        }
        let text = format!(
            "database = 'sqlite://{}'\n[api]\nlisten = '{api}'\n[operators]\nlisten = \
             '{operators}'\n[[app]]\nname = 'demo'\n[[app.key]]\nid = 'demo-hmac'\nalgorithm = \
             'hmac-sha256'\nsecret_file = '{}'\n{counters}",
            folder.path().join("record.sqlite").display(),
            app.secret_file.display(),
        );
        fs::write(folder.path().join("bridge.toml"), text)?;
        let (descriptors, log, variables) = (None, None, Vec::new());
        Ok(Stage { folder, bridge: None, api, operators, app, descriptors, log, variables })
    }

    /// The process may open no more files than this, from its next start on.
    #[must_use]
    pub fn with_descriptors(self, most: u32) -> Stage {
        Stage { descriptors: Some(most), ..self }
    }

    /// Its log goes to this file, from its next start on.
    #[must_use]
    pub fn with_log(self, file: PathBuf) -> Stage {
        Stage { log: Some(file), ..self }
    }

    /// It has these variables in its environment, from its next start on; without quotation marks in them.
    #[must_use]
    pub fn with_variables(self, variables: Vec<(&'static str, String)>) -> Stage {
        Stage { variables, ..self }
    }

    /// Starts the bridge again, after killing it if it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.restart_without_waiting().await?;
        self.bridge()?.ready().await?;
        if !self.token_file().exists() {
            tester::provide(&self.database()?, self.folder.path()).await?;
        }
        Ok(())
    }

    /// The same, and does not wait until it is ready.
    pub async fn restart_without_waiting(&mut self) -> Result<()> {
        if let Some(bridge) = self.bridge.take() {
            bridge.kill().await?;
        }
        let arguments = ["serve", "--config", "bridge.toml"];
        let limit = self.descriptors.map(|most| format!("ulimit -n {most};")).unwrap_or_default();
        // Whoever appends to a full disk goes on where there is room again.
        let log = self.log.as_ref().map(|file| format!("2>>'{}'", file.display()));
        // Whatever is made is its owner's alone, also under a shell that thinks otherwise.
        let variables = self.variables.iter();
        let variables: Vec<String> =
            variables.map(|(name, value)| format!("export {name}='{value}'; ")).collect();
        let script = format!(
            "umask 000; {limit} {} exec \"$0\" \"$@\" {}",
            variables.concat(),
            log.unwrap_or_default()
        );
        let mut all = vec![OsString::from("-c"), script.into(), program()?.into()];
        all.extend(arguments.map(OsString::from));
        self.bridge =
            Some(Process::start_program(Path::new("/bin/sh"), "bridge", self.folder.path(), &all)?);
        Ok(())
    }

    /// Changes the configuration, and has the bridge read it again; waits until it says `words` of it.
    pub async fn reconfigure(
        &mut self,
        change: impl FnOnce(String) -> String,
        words: &str,
    ) -> Result<()> {
        let file = self.folder.path().join("bridge.toml");
        let before = self.log().matches(words).count();
        fs::write(&file, change(fs::read_to_string(&file)?))?;
        self.bridge()?.ask_to_read_again()?;
        self.logged(words, before + 1).await
    }

    /// Waits until the log has these words so many times.
    pub async fn logged(&self, words: &str, times: usize) -> Result<()> {
        let until = Instant::now() + FOUND_WITHIN;
        while self.log().matches(words).count() < times {
            ensure!(Instant::now() < until, "{words} is not logged:\n{}", self.log());
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Starts a counter that has the key of its dialect; more options behind it.
    pub fn counter(&self, dialect: &str, more: &[&str]) -> Result<Process> {
        let key = if dialect == "futures" { "f" } else { "k" };
        let mut arguments = vec!["simulate", dialect, "--key-file", key];
        arguments.extend(more);
        Process::start(dialect, self.folder.path(), &arguments)
    }

    /// Makes another operator, with the tester's password.
    pub async fn add_person(&self, name: &str, role: Role) -> Result<()> {
        tester::provide_other(&self.database()?, self.folder.path(), name, role).await
    }

    /// Where its files lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file with the tester's token.
    pub fn token_file(&self) -> PathBuf {
        tester::token_file(self.folder.path(), tester::NAME)
    }

    /// The database's URL, by the configuration.
    pub fn database(&self) -> Result<String> {
        let text = fs::read_to_string(self.folder.path().join("bridge.toml"))?;
        let url = text.lines().find_map(|line| line.strip_prefix("database = '"));
        let url = url.and_then(|url| url.strip_suffix('\'')).context("a database")?;
        Ok(url.to_owned())
    }

    /// The transfer API's address.
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// The address of the operators' side.
    pub fn operators(&self) -> SocketAddr {
        self.operators
    }

    /// The app, calling.
    pub fn caller(&self) -> Result<Caller> {
        Caller::new(&self.app, &format!("http://{}", self.api))
    }

    /// What the bridge wrote until now.
    pub fn log(&self) -> String {
        self.bridge.as_ref().map(Process::log).unwrap_or_default()
    }

    /// The running bridge.
    pub fn bridge(&mut self) -> Result<&mut Process> {
        self.bridge.as_mut().context("it does not run")
    }

    /// Asks the bridge to end, and waits until it has.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.bridge.take().context("it does not run")?.terminate().await
    }

    /// What a path of the operators' side says now.
    pub async fn said(&self, path: &str) -> Result<String> {
        let url = format!("http://{}{path}", self.operators);
        Ok(crate::http::get_as(&self.token_file(), url).await?.text())
    }

    /// What is known of a counter's connection, in a word.
    pub async fn health(&self, counter: &str) -> Result<String> {
        let all: Value = serde_json::from_str(&self.said("/ops/v1/counters").await?)?;
        let list = all.as_array().context("a list")?;
        let one = list.iter().find(|one| one["counter"] == counter).context("no such counter")?;
        Ok(one["health"].as_str().context("a word")?.to_owned())
    }

    /// Waits until the counter's health is, or is not, `up`; how long that took.
    pub async fn until(&self, counter: &str, up: bool, within: Duration) -> Result<Duration> {
        let began = Instant::now();
        while (self.health(counter).await? == "up") != up {
            ensure!(began.elapsed() < within, "not in {within:?}:\n{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
        Ok(began.elapsed())
    }

    /// Waits until what a path of the operators' side says is what is wanted.
    pub async fn look<T>(&self, path: &str, wanted: impl Fn(&str) -> Option<T>) -> Result<T> {
        let began = Instant::now();
        loop {
            let said = self.said(path).await?;
            if let Some(found) = wanted(&said) {
                return Ok(found);
            }
            ensure!(began.elapsed() < FOUND_WITHIN, "{path} says {said}\n{}", self.log());
            sleep(LOOK_EVERY).await;
        }
    }

    /// Reads the live feed of the operators' side, which begins with all that is kept, until an event
    /// of transfers is wanted.
    pub async fn told(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let url = format!("http://{}/ops/v1/events", self.operators);
        let mut feed = crate::http::as_operator(&self.token_file()).get(url).send().await?;
        let found = async {
            let mut text = String::new();
            while let Some(chunk) = feed.chunk().await? {
                text.push_str(&String::from_utf8_lossy(&chunk));
                while let Some((event, rest)) = text.split_once("\n\n") {
                    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                    let data = data.and_then(|data| serde_json::from_str::<Value>(data).ok());
                    if event.contains("event: transfer")
                        && let Some(data) = data.filter(&wanted)
                    {
                        return Ok(data);
                    }
                    text = rest.to_owned();
                }
            }
            bail!("the feed ended");
        };
        match timeout(FOUND_WITHIN, found).await {
            Ok(found) => found,
            Err(_) => bail!("no event told of it:\n{}", self.log()),
        }
    }
}
