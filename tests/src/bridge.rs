//! The bridge as a process, from its configuration file on.

use crate::clock::Clock;
use crate::counter::{BRIDGE_NAME, Counter};
use crate::private;
use crate::process::{Process, free_address};
use crate::tester;
use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An app backend that may call the bridge, with a shared secret.
#[derive(Clone, Debug)]
pub struct App {
    /// Its name.
    pub name: &'static str,
    /// The id of its key.
    pub key_id: &'static str,
    /// The file that holds its secret.
    pub secret_file: PathBuf,
}

impl App {
    /// Makes an app with a new secret, whose file lies in `folder`.
    pub fn new(name: &'static str, key_id: &'static str, folder: &Path) -> Result<App> {
        let secret_file = folder.join(format!("{key_id}.secret"));
        private::write(&secret_file, crate::counter::new_key())
            .with_context(|| format!("{} could not be written", secret_file.display()))?;
        Ok(App { name, key_id, secret_file })
    }
}

/// The bridge. Dropping it kills it.
pub struct Bridge {
    folder: PathBuf,
    database: String,
    process: Option<Process>,
    clock: Option<Arc<Clock>>,
    api: SocketAddr,
    operators: SocketAddr,
    traps: String,
    log: Option<&'static str>,
}

impl Bridge {
    /// Writes the configuration into `folder` and starts the bridge; `coordinator` is that section
    /// of it, and `clock` the one that it goes by, if it is not the machine's.
    pub async fn start(
        folder: &Path,
        database: &str,
        apps: &[App],
        counters: &[&Counter],
        coordinator: &str,
        clock: Option<Arc<Clock>>,
    ) -> Result<Bridge> {
        let (api, operators) = (free_address()?, free_address()?);
        let folder = folder.to_owned();
        let mut bridge = Bridge {
            folder,
            database: database.to_owned(),
            process: None,
            clock,
            api,
            operators,
            traps: String::new(),
            log: None,
        };
        let (url, password) = without_password(database);
        private::write(bridge.password_file(), password)
            .context("the database's password could not be written")?;
        let text = config_text((&url, &bridge.password_file()), (api, operators), apps, counters);
        let text = format!("{text}[coordinator]\n{coordinator}\n");
        fs::write(bridge.config_file(), text).context("the configuration could not be written")?;
        bridge.restart().await?;
        bridge.provide().await?;
        Ok(bridge)
    }

    /// Makes who the tests are at its operators' side, unless he is there: a record that was lost has lost him too.
    pub async fn provide(&self) -> Result<()> {
        tester::provide(&self.database, &self.folder).await
    }

    /// Its database, with a password if there is one.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The file with the tester's token.
    pub fn token_file(&self) -> PathBuf {
        tester::token_file(&self.folder, tester::NAME)
    }

    /// Kills it, if it runs (SIGKILL).
    pub async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Stops it where it is (SIGSTOP): its sockets stay open, and nobody answers.
    pub fn freeze(&self) -> Result<()> {
        self.process.as_ref().context("it does not run")?.freeze()
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) -> Result<()> {
        self.process.as_ref().context("it does not run")?.thaw()
    }

    /// Asks it to read its configuration again, and does not wait.
    pub fn ask_to_read_again(&self) -> Result<()> {
        self.process.as_ref().context("it does not run")?.ask_to_read_again()
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.process.take().context("it does not run")?.terminate().await
    }

    /// Asks it to end, and waits as long as `within` for it; if it has not, asks again, and waits
    /// until it has. How long it took after the second time, if there was one.
    pub async fn terminate_twice(&mut self, within: Duration) -> Result<Option<Duration>> {
        let mut process = self.process.take().context("it does not run")?;
        process.ask_to_end()?;
        if process.ended(within).await.is_ok() {
            return Ok(None);
        }
        let began = Instant::now();
        process.ask_to_end()?;
        process.ended(Duration::from_secs(30)).await?;
        Ok(Some(began.elapsed()))
    }

    /// Goes away as the reader of its log.
    pub fn stop_reading_its_log(&self) -> Result<()> {
        self.process.as_ref().context("it does not run")?.stop_reading_its_log();
        Ok(())
    }

    /// Starts it again, in an environment that makes it fail on purpose ([`supervise::trap`]).
    pub async fn restart_with_traps(&mut self, traps: &str) -> Result<()> {
        traps.clone_into(&mut self.traps);
        self.restart().await
    }

    /// Starts it again, with its log in this format from then on.
    pub async fn restart_with_log(&mut self, format: &'static str) -> Result<()> {
        self.log = Some(format);
        self.restart().await
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        self.process.take().context("it does not run")?.ended(within).await
    }

    /// Starts it again, after killing it if it runs. It listens where it did before.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill().await?;
        let mut arguments =
            vec!["serve".into(), "--config".into(), self.config_file().into_os_string()];
        if let Some(format) = self.log {
            arguments.extend(["--log".into(), format.into()]);
        }
        let mut environment =
            self.clock.as_ref().map(|clock| clock.environment()).unwrap_or_default();
        environment.push((supervise::trap::VARIABLE, self.traps.clone().into()));
        let mut process = Process::start_in(environment, "bridge", &self.folder, &arguments)?;
        let number = process.number();
        let ready = process.ready().await;
        if let (Some(_), Some(number)) = (&self.clock, number) {
            Clock::tidy(number);
        }
        let ready = ready?;
        for (name, address) in [("api", self.api), ("operators", self.operators)] {
            let listening = ready[name].as_str().and_then(|address| address.parse().ok());
            ensure!(listening == Some(address), "the bridge's {name} is elsewhere: {ready}");
        }
        self.process = Some(process);
        Ok(())
    }

    /// Where the transfer API is, as a URL without a path.
    pub fn api(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Where operators look, as a URL without a path.
    pub fn operators(&self) -> String {
        format!("http://{}", self.operators)
    }

    /// What it wrote until now, over all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("bridge.log")).unwrap_or_default()
    }

    /// Its configuration.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("bridge.toml")
    }

    fn password_file(&self) -> PathBuf {
        self.folder.join("database.password")
    }
}

/// A URL without the password in it, which no configuration may hold, and that password; it is
/// empty for a file.
fn without_password(url: &str) -> (String, String) {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (user, place) = rest.split_once('@')?;
        let (name, password) = user.split_once(':')?;
        Some((format!("{scheme}://{name}@{place}"), password.to_owned()))
    });
    parts.unwrap_or_else(|| (url.to_owned(), String::new()))
}

/// The configuration file; `database` is its URL and the file with its password, `listen` is where the API and the operators' pages are to be.
fn config_text(
    database: (&str, &Path),
    listen: (SocketAddr, SocketAddr),
    apps: &[App],
    counters: &[&Counter],
) -> String {
    let mut text = String::new();
    let mut table = |header: &str, rows: &[(&str, String)]| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{header}");
        for (key, value) in rows {
            let _ = writeln!(text, "{key} = {value}");
        }
    };
    let quoted = |value: &str| format!("{value:?}");
    table("", &[("database", quoted(database.0)), ("name", quoted(BRIDGE_NAME))]);
    if database.0.contains('@') {
        let file = quoted(&database.1.display().to_string());
        table("", &[("database_password_file", file)]);
    }
    table("[api]", &[("listen", quoted(&listen.0.to_string()))]);
    table("[operators]", &[("listen", quoted(&listen.1.to_string()))]);
    for app in apps {
        table("[[app]]", &[("name", quoted(app.name))]);
        table(
            "[[app.key]]",
            &[
                ("id", quoted(app.key_id)),
                ("algorithm", quoted("hmac-sha256")),
                ("secret_file", quoted(&app.secret_file.display().to_string())),
            ],
        );
    }
    for counter in counters {
        table(
            "[[counter]]",
            &[
                ("id", quoted(counter.id())),
                ("dialect", quoted(counter.dialect().as_str())),
                ("addresses", format!("[{}]", quoted(&counter.address().to_string()))),
                ("key_file", quoted(&counter.key_file().display().to_string())),
                // The shortest that there is: a test waits for a dead peer to be noticed.
                ("heartbeat_s", "1".into()),
                ("states_all_accounts", counter.states_all_accounts().to_string()),
                // A network that a test has made is as private as our own.
                ("plain", (!counter.address().ip().is_loopback()).to_string()),
            ],
        );
        if let Some(limit) = counter.in_flight_limit_ms() {
            let no = || "false".to_owned();
            let limit = ("in_flight_limit_ms", limit.to_string());
            table("[counter.profile]", &[("dedupes", no()), ("can_fence", no()), limit]);
            // Only new sessions prove anything there; a test does not wait long for them.
            table("[counter.timers]", &[("renewal_ms", "500".to_owned())]);
        }
    }
    text
}
