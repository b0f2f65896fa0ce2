//! What the load plays on: two simulated counters and a bridge, each a process of its own on real
//! sockets, with a database in a fresh folder; or a bridge that runs already.

use crate::gauges::Gauges;
use crate::load::Plan;
use crate::looker::{self, Looker};
use crate::order::{Accounts, Orders, VALIDITY_S, WAIT_S};
use crate::prefill::{self, Filled};
use crate::setup::{
    KEY_ID, NEIGHBOUR_MAY, NEIGHBOURS_KEY_ID, app, config, key, place, places, secret,
};
use crate::{BenchCommand, mix::Mix, process};
use anyhow::{Context, Result, bail, ensure};
use client::way::is_this_machine;
use client::{Algorithm, Client, Key, Signer};
use command_line::Usage;
use domain::message::Place;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use supervise::tell;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// What each account that money comes from holds at first, in minor units: no run can use it up.
const RICH: i64 = 900_000_000_000;
/// A process is ready, or has ended, within this.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a counter is told that is never to answer.
const SILENCE: &str =
    "[[rule]]\non = [\"debit\", \"credit\", \"reversal\", \"query\", \"fence\"]\ndo = \"drop\"\n";

/// The longest that the bridge lets a signature be valid, in seconds.
const LONGEST_VALIDITY_S: u64 = 300;

/// How counters behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// They answer.
    Answering,
    /// They take requests and do nothing.
    Silent,
}

/// A counter as operators see it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Watched {
    pub(crate) counter: String,
    pub(crate) in_flight: u64,
    pub(crate) queued: u64,
}

/// See the module.
pub(crate) struct Stage {
    orders: Orders,
    database: String,
    /// Where the bridge says what it counts.
    operators: Option<String>,
    /// By which it is known there who looks.
    token: Option<String>,
    /// And who looks with a browser.
    session: Option<String>,
    http: reqwest::Client,
    own: Option<Own>,
}

/// What was started here.
struct Own {
    folder: PathBuf,
    counters: Vec<(&'static str, Child)>,
    bridge: Child,
    again: Option<Again>,
    filled: Option<Filled>,
    /// Of another app, if there is one.
    neighbours_key: Option<Key>,
}

/// What is needed to start it again.
struct Again {
    program: PathBuf,
    database: String,
    /// Each counter's address and accounts.
    counters: Vec<(&'static str, SocketAddr, Vec<String>)>,
}

impl Own {
    fn all(&mut self) -> impl Iterator<Item = (&'static str, &mut Child)> {
        let counters = self.counters.iter_mut().map(|(name, child)| (*name, child));
        std::iter::once(("bridge", &mut self.bridge)).chain(counters)
    }
}

/// A file that says where a bridge is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientFile {
    url: String,
    operators: String,
    key_id: String,
    key_file: PathBuf,
    /// Without one, only what everybody may see is looked at.
    token_file: Option<PathBuf>,
    /// That of most keys, as for the commands for people.
    #[serde(default = "hmac")]
    algorithm: String,
}

fn hmac() -> String {
    Algorithm::HmacSha256.as_str().to_owned()
}

impl Stage {
    /// Starts everything, by the commands of `program`.
    pub(crate) async fn start(
        command: &BenchCommand,
        program: &Path,
        manners: Manners,
    ) -> Result<Stage> {
        let (folder, database) = prepare(command)?;
        let accounts = accounts(command)?;
        let filled = match command.prefill {
            Some(count) => Some(prefill::fill(&database, count, &accounts).await?),
            None => None,
        };
        let holding = |places: &[Place], minor: i64| -> Vec<String> {
            places.iter().map(|place| format!("{}={minor}", place.account)).collect()
        };
        let mut at_securities = holding(&accounts.from, RICH);
        at_securities.extend(holding(std::slice::from_ref(&accounts.empty), 0));
        let at_futures = holding(&accounts.to, 0);
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let securities =
            Counter::start(program, &folder, "securities", anywhere, &at_securities, manners)
                .await?;
        let futures =
            Counter::start(program, &folder, "futures", anywhere, &at_futures, manners).await?;
        let again = Again {
            program: program.to_owned(),
            database: database.clone(),
            counters: vec![
                (securities.id, securities.address, at_securities),
                (futures.id, futures.address, at_futures),
            ],
        };

        let key = key(&folder, KEY_ID, command.algorithm.algorithm())?;
        let neighbours_key = match command.neighbour {
            Some(_) => Some(self::key(&folder, NEIGHBOURS_KEY_ID, command.algorithm.algorithm())?),
            None => None,
        };
        let file = folder.join("bridge.toml");
        let counters = [&securities, &futures].map(|counter| (counter.id, counter.address));
        let mut text = config(&folder, key.algorithm(), &counters)?;
        if neighbours_key.is_some() {
            let limit = format!("requests_per_s = {NEIGHBOUR_MAY}\n");
            text += &app(&folder, "neighbour", NEIGHBOURS_KEY_ID, key.algorithm(), &limit);
        }
        fs::write(&file, text)?;
        let Looker { token, session } = Box::pin(looker::make(&database)).await?;
        let (bridge, authority, operators) = bridge(program, &folder, &database).await?;
        let stage = Stage {
            orders: Orders {
                authority,
                keyid: KEY_ID.to_owned(),
                key,
                accounts,
                mix: command.mix,
                wait_s: WAIT_S,
                validity_s: VALIDITY_S,
            },
            database: scheme(&database),
            operators: Some(operators),
            token: Some(token),
            session: Some(session),
            http: unproxied()?,
            own: Some(Own {
                folder,
                counters: counters_of(securities, futures),
                bridge,
                again: Some(again),
                filled,
                neighbours_key,
            }),
        };
        stage.connected().await?;
        Ok(stage)
    }

    /// A bridge that runs already.
    pub(crate) fn running(file: &Path, from: &[Place], to: &[Place], skew: f64) -> Result<Stage> {
        let told = |what: String| Usage(format!("{}: {what}", file.display()));
        let text = fs::read_to_string(file).map_err(|error| told(error.to_string()))?;
        let said: ClientFile =
            toml::from_str(&text).map_err(|error| told(error.message().replace('\n', " ")))?;
        let authority = said.url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let authority = authority.ok_or_else(|| told("url must begin with http://".to_owned()))?;
        let algorithm = Algorithm::from_name(&said.algorithm)
            .ok_or_else(|| told(format!("there is no algorithm {:?}", said.algorithm)))?;
        let content = fs::read(&said.key_file)
            .map_err(|error| told(format!("{}: {error}", said.key_file.display())))?;
        let key = Key::from_file(algorithm, &content).map_err(|error| told(error.to_string()))?;
        let read = |file: &PathBuf| {
            let text = fs::read_to_string(file);
            text.map_err(|error| told(format!("{}: {error}", file.display())))
        };
        let token = said.token_file.as_ref().map(read).transpose()?;
        let token = token.map(|text| text.trim_end().to_owned());
        let is_read_by_nobody = |url: Url| url.scheme() == "https" || is_this_machine(&url);
        if token.is_some() && !said.operators.parse().is_ok_and(is_read_by_nobody) {
            return Err(
                told("a token is not sent to another machine in the clear".to_owned()).into()
            );
        }
        let accounts = Accounts {
            from: from.to_vec(),
            to: to.to_vec(),
            // Never used: everything is to be completed.
            empty: from[0].clone(),
            missing: to[0].clone(),
            skew,
        };
        Ok(Stage {
            orders: Orders {
                authority: authority.to_owned(),
                keyid: said.key_id,
                key,
                accounts,
                mix: Mix::default(),
                wait_s: WAIT_S,
                validity_s: VALIDITY_S,
            },
            database: "that of the running bridge".to_owned(),
            operators: Some(said.operators.trim_end_matches('/').to_owned()),
            token,
            session: None,
            http: unproxied()?,
            own: None,
        })
    }

    /// The bare floor: two echoes and what stands for the bridge.
    pub(crate) async fn floor(command: &BenchCommand, program: &Path) -> Result<Stage> {
        let (folder, database) = prepare(command)?;
        let mut echoes = Vec::new();
        let mut at = Vec::new();
        for name in ["first echo", "second echo"] {
            let mut command = Command::new(program);
            command.args(["bench", "--part", "echo"]);
            let (process, said) = ready(&mut command, &folder.join(name)).await?;
            at.push(said["listening"].as_str().context("no address")?.to_owned());
            echoes.push((name, process));
        }
        let mut bare = Command::new(program);
        bare.args(["bench", "--part", "bridge"]).env(crate::floor::DATABASE, &database);
        for address in &at {
            bare.args(["--echo", address]);
        }
        let (bridge, said) = ready(&mut bare, &folder.join("bridge.log")).await?;
        let authority = said["api"].as_str().context("the floor has no address")?.to_owned();
        // It verifies nothing; the load costs the same.
        let key = key(&folder, KEY_ID, command.algorithm.algorithm())?;
        let accounts = accounts(command)?;
        let orders = Orders {
            authority,
            keyid: KEY_ID.to_owned(),
            key,
            accounts,
            mix: Mix::default(),
            wait_s: WAIT_S,
            validity_s: VALIDITY_S,
        };
        Ok(Stage {
            orders,
            database: scheme(&database),
            operators: None,
            token: None,
            session: None,
            http: unproxied()?,
            own: Some(Own {
                folder,
                counters: echoes,
                bridge,
                again: None,
                filled: None,
                neighbours_key: None,
            }),
        })
    }

    /// The orders of a load; what is signed long before it is sent must be valid for long.
    pub(crate) fn orders_for(&self, plan: &Plan) -> Orders {
        let validity_s = if plan.signed_before { LONGEST_VALIDITY_S } else { VALIDITY_S };
        Orders { validity_s, ..self.orders.clone() }
    }

    /// What the neighbour orders, if there is one: the same, from the same accounts.
    pub(crate) fn neighbours_orders(&self) -> Option<Orders> {
        let key = self.own.as_ref()?.neighbours_key.clone()?;
        Some(Orders { keyid: NEIGHBOURS_KEY_ID.to_owned(), key, ..self.orders.clone() })
    }

    pub(crate) fn orders(&self) -> &Orders {
        &self.orders
    }

    /// What is told of the database; never a password.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        self.orders.key.algorithm().as_str()
    }

    /// The folder that was made, if one was.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.own.as_ref().map(|own| own.folder.as_path())
    }

    /// The processes that the load costs, this one included.
    pub(crate) fn processes(&self) -> Vec<(&'static str, u32)> {
        let mut all = vec![("generator", std::process::id())];
        if let Some(own) = &self.own {
            all.extend(own.bridge.id().map(|id| ("bridge", id)));
            all.extend(own.counters.iter().filter_map(|(name, child)| Some((*name, child.id()?))));
        }
        all
    }

    /// What the bridge counts.
    pub(crate) async fn gauges(&self) -> Result<Gauges> {
        match &self.operators {
            Some(url) => Gauges::ask(&self.http, url, self.token.as_deref()).await,
            None => Ok(Gauges::default()),
        }
    }

    /// Where the bridge's database is; it may hold a password.
    pub(crate) fn database_url(&self) -> Result<&str> {
        let own = self.own.as_ref().and_then(|own| own.again.as_ref());
        Ok(&own.context("nothing was started here")?.database)
    }

    /// What the bridge's database held before.
    pub(crate) fn filled(&self) -> Option<Filled> {
        self.own.as_ref().and_then(|own| own.filled)
    }

    /// What the bridge holds in memory, in mebibytes.
    pub(crate) fn rss_mb(&self) -> Option<f64> {
        process::rss_mb(self.own.as_ref()?.bridge.id()?)
    }

    /// A client that signs as the load does.
    pub(crate) fn client(&self) -> Result<Client> {
        let Orders { authority, keyid, key, .. } = &self.orders;
        Ok(Client::new(&format!("http://{authority}"), Signer::new(keyid, key.clone())?)?)
    }

    /// What the operators' side says under a path.
    pub(crate) async fn ask_operators<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let operators = self.operators.as_deref().context("the bridge has no operators")?;
        let mut request = self.http.get(format!("{operators}{path}"));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.timeout(Duration::from_secs(10)).send().await?;
        Ok(serde_json::from_slice(&answer.error_for_status()?.bytes().await?)?)
    }

    /// The operators' side, and the cookie of whoever looks at it with a browser.
    pub(crate) fn browser(&self) -> Option<(String, String)> {
        let (url, session) = (self.operators.clone()?, self.session.as_ref()?);
        Some((url, format!("__Host-session={session}")))
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// How the counters stand, as the bridge says.
    pub(crate) async fn counters(&self) -> Result<Vec<Watched>> {
        self.ask_operators("/ops/v1/counters").await
    }

    /// Ends the bridge and the counters as a crash does.
    pub(crate) async fn crash(&mut self) -> Result<()> {
        let own = self.own.as_mut().context("nothing was started here")?;
        for (name, child) in own.all() {
            child.kill().await.with_context(|| format!("{name} does not end"))?;
        }
        Ok(())
    }

    /// Starts the counters again where they were; they answer.
    pub(crate) async fn restart_counters(&mut self) -> Result<()> {
        let own = self.own.as_mut().context("nothing was started here")?;
        let again = own.again.as_ref().context("the floor is not started again")?;
        own.counters.clear();
        for (id, address, accounts) in &again.counters {
            let counter = Counter::start(
                &again.program,
                &own.folder,
                id,
                *address,
                accounts,
                Manners::Answering,
            )
            .await?;
            own.counters.push((id, counter.process));
        }
        Ok(())
    }

    /// Starts the bridge again; returns once it listens.
    pub(crate) async fn restart_bridge(&mut self) -> Result<()> {
        let own = self.own.as_mut().context("nothing was started here")?;
        let again = own.again.as_ref().context("the floor is not started again")?;
        let (process, authority, operators) =
            bridge(&again.program, &own.folder, &again.database).await?;
        own.bridge = process;
        self.orders.authority = authority;
        self.operators = Some(operators);
        Ok(())
    }

    /// Waits until both counters are up.
    async fn connected(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counters: Value = self.ask_operators("/ops/v1/counters").await?;
            let list = counters["counters"].as_array().or_else(|| counters.as_array());
            let up = |counter: &Value| counter["health"] == "up";
            if list.is_some_and(|list| list.len() == 2 && list.iter().all(up)) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the counters do not come up: {counters}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends what was started here.
    pub(crate) async fn stop(self, keep: bool) -> Result<()> {
        let Some(mut own) = self.own else { return Ok(()) };
        for (name, child) in own.all() {
            end(child, name).await?;
        }
        if keep {
            tell!("kept: {}", own.folder.display());
            return Ok(());
        }
        fs::remove_dir_all(&own.folder)
            .with_context(|| format!("{} cannot be removed", own.folder.display()))
    }
}

/// A fresh folder, and the database's URL.
fn prepare(command: &BenchCommand) -> Result<(PathBuf, String)> {
    let root = command.folder.clone().unwrap_or_else(std::env::temp_dir);
    // Named from other folders too.
    let root = std::path::absolute(&root)
        .with_context(|| format!("the folder {} cannot be used", root.display()))?;
    let folder = root.join(format!("counter-bridge-bench-{:08x}", rand::random::<u32>()));
    let embedded = format!("sqlite://{}", folder.join("bridge.sqlite").display());
    let database = command.database.clone().unwrap_or(embedded);
    store::Store::check_url(&database).map_err(|error| Usage(format!("--database: {error}")))?;
    fs::create_dir_all(&folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    Ok((folder, database))
}

/// What kind of database a URL is of; never its password.
fn scheme(url: &str) -> String {
    url.split_once(':').map_or("", |(scheme, _)| scheme).to_owned()
}

fn accounts(command: &BenchCommand) -> Result<Accounts> {
    let count = if command.one_account { 1 } else { command.accounts };
    Ok(Accounts {
        from: places("securities", 6, count)?,
        to: places("futures", 8, command.accounts)?,
        empty: place("securities", "60000000")?,
        missing: place("futures", "80000000")?,
        skew: command.skew,
    })
}

/// A counter that listens.
struct Counter {
    id: &'static str,
    address: SocketAddr,
    process: Child,
}

impl Counter {
    /// Starts it, with the key that it had before if it had one.
    async fn start(
        program: &Path,
        folder: &Path,
        id: &'static str,
        listen: SocketAddr,
        accounts: &[String],
        manners: Manners,
    ) -> Result<Counter> {
        let key_file = folder.join(format!("{id}.key"));
        if !key_file.exists() {
            fs::write(&key_file, secret())?;
        }
        let mut command = Command::new(program);
        command
            .args(["simulate", id, "--listen", &listen.to_string(), "--id", id])
            .args(["--bridge", "bridge", "--key-file"])
            .arg(&key_file);
        if manners == Manners::Silent {
            let plan = folder.join("silence.toml");
            fs::write(&plan, SILENCE)?;
            command.arg("--faults").arg(plan);
        }
        for account in accounts {
            command.arg("--account").arg(account);
        }
        let (process, said) = ready(&mut command, &folder.join(format!("{id}.log"))).await?;
        let address = said["listening"].as_str().context("no address")?.parse()?;
        Ok(Counter { id, address, process })
    }
}

/// Starts the bridge of a folder: the process, where callers find it, and the operators' URL.
async fn bridge(program: &Path, folder: &Path, database: &str) -> Result<(Child, String, String)> {
    let (process, said) = ready(
        Command::new(program)
            .args(["serve", "--config"])
            .arg(folder.join("bridge.toml"))
            // It may hold a password, which must not stand in a file.
            .env("COUNTER_BRIDGE__DATABASE", database),
        &folder.join("bridge.log"),
    )
    .await?;
    let authority = said["api"].as_str().context("the bridge has no API")?.to_owned();
    let operators = said["operators"].as_str().context("the bridge has no operators")?;
    Ok((process, authority, format!("http://{operators}")))
}

fn counters_of(securities: Counter, futures: Counter) -> Vec<(&'static str, Child)> {
    [securities, futures].into_iter().map(|counter| (counter.id, counter.process)).collect()
}

/// Starts a process and waits for the line in which it says that it is ready.
async fn ready(command: &mut Command, log: &Path) -> Result<(Child, Value)> {
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(log)?)
        .kill_on_drop(true)
        .spawn()
        .context("a process cannot be started")?;
    let output = process.stdout.take().context("the process has no output")?;
    let mut line = String::new();
    let read = timeout(PATIENCE, BufReader::new(output).read_line(&mut line)).await;
    if read.is_err() || line.is_empty() {
        let said = fs::read_to_string(log).unwrap_or_default();
        bail!("a process did not start; it said: {}", said.trim());
    }
    let said = serde_json::from_str(&line)
        .with_context(|| format!("a process says {line:?} instead of where it listens"))?;
    Ok((process, said))
}

/// Ends a process in order, or else at once.
async fn end(child: &mut Child, name: &str) -> Result<()> {
    if let Some(id) = child.id() {
        let asked = Command::new("kill").arg(id.to_string()).status().await;
        if asked.is_ok_and(|asked| asked.success()) && timeout(PATIENCE, child.wait()).await.is_ok()
        {
            return Ok(());
        }
    }
    child.kill().await.with_context(|| format!("{name} does not end"))
}

/// A client that asks what is measured, and no proxy on the way.
fn unproxied() -> Result<reqwest::Client> {
    let here = "http://127.0.0.1".parse()?;
    Ok(client::way::builder(&here, &client::way::Authorities::OfTheSystem).build()?)
}
