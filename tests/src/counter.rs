//! A simulated counter as a process of its own, which can be killed and started again on its port,
//! with its books.

use crate::away::Away;
use crate::books::Book;
use crate::private;
use crate::process::{Process, free_address, program};
use anyhow::{Context, Result, ensure};
use domain::serial::Day;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The name that the bridge signs on with, at every counter.
pub const BRIDGE_NAME: &str = "bridge";

/// What a counter speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Protobuf.
    Securities,
    /// XML.
    Futures,
}

impl Dialect {
    /// The word for it on the command line and in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Securities => "securities",
            Dialect::Futures => "futures",
        }
    }
}

/// How a counter is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it speaks; also its id.
    pub dialect: Dialect,
    /// Its accounts, and what they hold at first in minor units.
    pub accounts: Vec<(&'static str, i64)>,
    /// The text of its fault plan; empty for none.
    pub faults: String,
    /// What its chances are drawn from.
    pub seed: u64,
    /// The network that it runs in, if not in ours.
    pub away: Option<Arc<Away>>,
    /// If it neither dedupes nor fences: for how long a request may stay on its way inside it, in
    /// milliseconds.
    pub in_flight_limit_ms: Option<u64>,
    /// Whether it says at sign-on nothing of the serials that it has seen.
    pub silent: bool,
    /// Whether the bridge is told that it can state the entries of all accounts.
    pub states_all_accounts: bool,
    /// Its accounting day; today if `None`.
    pub day: Option<Day>,
}

/// A counter. Dropping it kills it.
pub struct Counter {
    plan: Plan,
    folder: PathBuf,
    address: SocketAddr,
    /// Its accounting day, kept over midnight and over its deaths: what is posted at the end of a
    /// day can be undone on that day only, and would need a person.
    day: Day,
    process: Option<Process>,
}

impl Counter {
    /// Starts it on a free port, which it keeps; its key, fault plan, books and log lie in `folder`. Books that lie
    /// there already are its own.
    pub async fn start(plan: Plan, folder: &Path) -> Result<Counter> {
        let mut address = free_address()?;
        if let Some(away) = &plan.away {
            address.set_ip(away.there().parse().context("not an address")?);
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let today = Day::from_unix_micros(i64::try_from(since.as_micros())?);
        let day = plan.day.unwrap_or(today);
        let mut counter = Counter { plan, folder: folder.to_owned(), address, day, process: None };
        private::write(counter.key_file(), new_key()).context("the key could not be written")?;
        fs::write(counter.faults_file(), &counter.plan.faults)
            .context("the fault plan could not be written")?;
        counter.restart().await?;
        Ok(counter)
    }

    /// Kills it, if it runs (SIGKILL).
    pub async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Starts it again, after killing it if it runs, on the port that it had.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill().await?;
        let mut process = match &self.plan.away {
            None => Process::start(self.id(), &self.folder, &self.arguments())?,
            Some(away) => {
                // `ip` becomes the program: whoever kills the one kills the other.
                let mut arguments = away.run(&program()?);
                arguments.extend(self.arguments().into_iter().map(OsString::from));
                Process::start_program(Path::new("ip"), self.id(), &self.folder, &arguments)?
            }
        };
        let ready = process.ready().await?;
        let listening = ready["listening"].as_str().and_then(|address| address.parse().ok());
        ensure!(listening == Some(self.address), "{} listens elsewhere: {ready}", self.id());
        self.process = Some(process);
        Ok(())
    }

    /// Starts it again, with its books and without its faults.
    pub async fn cure(&mut self) -> Result<()> {
        self.plan.faults = String::new();
        self.restart().await
    }

    /// Stops it where it is: its sockets stay open, and nobody answers.
    pub fn freeze(&self) -> Result<()> {
        self.process.as_ref().context("it does not run")?.freeze()
    }

    /// Lets it go on.
    pub fn thaw(&self) -> Result<()> {
        self.process.as_ref().context("it does not run")?.thaw()
    }

    /// Its id, as the bridge knows it.
    pub fn id(&self) -> &'static str {
        self.plan.dialect.as_str()
    }

    /// What it speaks.
    pub fn dialect(&self) -> Dialect {
        self.plan.dialect
    }

    /// Whether the bridge is told that it can state the entries of all accounts.
    pub fn states_all_accounts(&self) -> bool {
        self.plan.states_all_accounts
    }

    /// The in-flight limit that it states in milliseconds, if it neither dedupes nor fences.
    pub fn in_flight_limit_ms(&self) -> Option<u64> {
        self.plan.in_flight_limit_ms
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key that it shares with the bridge.
    pub fn key_file(&self) -> PathBuf {
        self.folder.join(format!("{}.key", self.id()))
    }

    /// Its own books, as they stand.
    pub fn books(&self) -> Result<Book> {
        Book::read(self.id(), &self.books_file())
    }

    /// The file of its books.
    pub fn books_file(&self) -> PathBuf {
        self.folder.join(format!("{}.books.jsonl", self.id()))
    }

    fn faults_file(&self) -> PathBuf {
        self.folder.join(format!("{}.faults.toml", self.id()))
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = ["simulate", self.id()].map(String::from).into();
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        option("--listen", self.address.to_string());
        option("--id", self.id().to_owned());
        option("--bridge", BRIDGE_NAME.to_owned());
        option("--key-file", self.key_file().display().to_string());
        option("--books", self.books_file().display().to_string());
        option("--settle-day", self.day.number().to_string());
        option("--seed", self.plan.seed.to_string());
        if !self.plan.faults.is_empty() {
            option("--faults", self.faults_file().display().to_string());
        }
        for (account, minor) in &self.plan.accounts {
            option("--account", format!("{account}={minor}"));
        }
        if self.plan.silent {
            arguments.push("--no-highest-serial".to_owned());
        }
        if let Some(limit) = self.plan.in_flight_limit_ms {
            arguments.extend(["--in-flight-limit-ms".to_owned(), limit.to_string()]);
            arguments.extend(["--no-dedupe", "--no-fence"].map(String::from));
        }
        arguments
    }
}

/// A key as text: 64 characters of hexadecimal, so that it is the same read as text or as bytes.
pub(crate) fn new_key() -> String {
    let [first, second] = rand::random::<[u128; 2]>();
    format!("{first:032x}{second:032x}")
}
