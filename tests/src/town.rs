//! Two counters, a bridge between them, and an app that calls it: what most tests stand in.

use crate::audit::{Finding, audit};
use crate::away::Away;
use crate::books::{Kind, Line};
use crate::bridge::{App, Bridge};
use crate::caller::{Caller, END_WITHIN, LOOK_EVERY};
use crate::clock::Clock;
use crate::counter::{Counter, Dialect, Plan};
use crate::database::{self, Database};
use crate::operator;
use anyhow::{Context, Result, bail};
use domain::serial::Day;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// An account at the securities counter that holds a million.
pub const RICH: &str = "6001";
/// An account at the securities counter that holds a hundred.
pub const POOR: &str = "6002";
/// An account at the futures counter that may be credited.
pub const OPEN: &str = "8001";
/// An account that no counter knows.
pub const NOBODY: &str = "9999";

/// What [`RICH`] holds at first, in minor units.
pub const RICHES: i64 = 1_000_000;

/// What goes wrong at the two counters: the texts of their fault plans.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults<'a> {
    /// At the securities counter.
    pub securities: &'a str,
    /// At the futures counter.
    pub futures: &'a str,
    /// What the counters' chances are drawn from.
    pub seed: u64,
    /// How patient the bridge is: the lines of `[coordinator]` in its configuration.
    pub coordinator: &'a str,
    /// Whether the futures counter runs in a network of its own, whose link can be cut.
    pub away: bool,
    /// Whether the bridge goes by a clock of its own, which can be stepped.
    pub clock: bool,
    /// The in-flight limit in milliseconds of counters that neither dedupe nor fence; `None` if they
    /// do both.
    pub in_flight_limit_ms: Option<u64>,
    /// Whether the counters say at sign-on nothing of the serials that they have seen.
    pub silent: bool,
    /// Whether the bridge is told that the counters can state the entries of all accounts.
    pub states_all_accounts: bool,
    /// The counters' accounting day; today if `None`.
    pub day: Option<Day>,
}

/// The whole. Dropping it ends every process and removes every file.
pub struct Town {
    /// The counter that the money leaves.
    pub securities: Counter,
    /// The counter that the money reaches.
    pub futures: Counter,
    /// What is tested.
    pub bridge: Bridge,
    /// The app that calls.
    pub app: App,
    /// Another app.
    pub other_app: App,
    /// The app, calling.
    pub caller: Caller,
    /// The network of the futures counter, if it has one of its own.
    pub away: Option<Arc<Away>>,
    /// The clock of the bridge, if it has one of its own.
    pub clock: Option<Arc<Clock>>,
    // After the processes that use them.
    _database: Database,
    _folder: TempDir,
}

impl Town {
    /// Starts everything, on a database of this kind, and waits until it is connected.
    pub async fn start(kind: database::Kind, faults: Faults<'_>) -> Result<Town> {
        let folder = tempfile::tempdir().context("no folder for the test")?;
        let database = Database::create(kind, folder.path()).await?;
        Town::start_in(folder, database, faults).await
    }

    /// Starts everything on this database.
    pub async fn start_on(database: Database, faults: Faults<'_>) -> Result<Town> {
        let folder = tempfile::tempdir().context("no folder for the test")?;
        Town::start_in(folder, database, faults).await
    }

    /// Starts everything on this database, in a folder in which counters' books may lie.
    pub async fn start_in(folder: TempDir, database: Database, faults: Faults<'_>) -> Result<Town> {
        let plan = |dialect, accounts, text: &str| Plan {
            dialect,
            accounts,
            faults: text.to_owned(),
            seed: faults.seed,
            away: None,
            in_flight_limit_ms: faults.in_flight_limit_ms,
            silent: faults.silent,
            states_all_accounts: faults.states_all_accounts,
            day: faults.day,
        };
        let away = if faults.away { Some(Arc::new(Away::new()?)) } else { None };
        let securities = vec![(RICH, RICHES), (POOR, 100)];
        let securities = plan(Dialect::Securities, securities, faults.securities);
        let securities = Counter::start(securities, folder.path()).await?;
        let futures = plan(Dialect::Futures, vec![(OPEN, 0)], faults.futures);
        let futures = Plan { away: away.clone(), ..futures };
        let futures = Counter::start(futures, folder.path()).await?;
        let clock = if faults.clock { Some(Arc::new(Clock::new(folder.path())?)) } else { None };
        let app = App::new("demo", "demo-hmac", folder.path())?;
        let other_app = App::new("other", "other-hmac", folder.path())?;
        let bridge = Bridge::start(
            folder.path(),
            database.url(),
            &[app.clone(), other_app.clone()],
            &[&securities, &futures],
            faults.coordinator,
            clock.clone(),
        )
        .await?;
        let caller = Caller::new(&app, &bridge.api())?;
        let caller = match &clock {
            Some(clock) => caller.beside(clock),
            None => caller,
        };
        let town = Town {
            securities,
            futures,
            bridge,
            app,
            other_app,
            caller,
            away,
            clock,
            _database: database,
            _folder: folder,
        };
        operator::connected(&town).await?;
        Ok(town)
    }

    /// The audit over both counters' books and all that the API tells.
    pub async fn audit(&self) -> Result<Vec<Finding>> {
        let books = [self.securities.books()?, self.futures.books()?];
        Ok(audit(&books, &self.caller.told().await?))
    }

    /// Waits until the books of a counter hold so many lines of this kind.
    pub async fn wait_for(counter: &Counter, kind: Kind, lines: usize) -> Result<()> {
        let deadline = Instant::now() + END_WITHIN;
        let matches = |line: &&Line| line.kind == kind;
        while counter.books()?.lines.iter().filter(matches).count() < lines {
            if Instant::now() >= deadline {
                bail!("{} wrote no {kind:?} in {END_WITHIN:?}", counter.id());
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}
