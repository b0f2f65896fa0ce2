//! The demonstration's surroundings: a fresh folder, two counters as processes of their own, a
//! bridge between them, and an app that calls it.

use super::Options;
use super::people::{self, APPROVER_TOKEN_FILE, Somebody, TOKEN_FILE};
use crate::config::Config;
use crate::serve::{Addresses, Bridge};
use crate::service_manager::ServiceManager;
use anyhow::{Context, Result, bail, ensure};
use client::{Algorithm, Client, IdempotencyKey, Key, NewTransfer, Signer};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// An account at the securities counter that holds 10,000.00.
pub(crate) const RICH: &str = "6001";
/// An account at the securities counter that holds 100.00.
pub(crate) const POOR: &str = "6002";
/// An account at the securities counter that holds 1,000.00 and takes nothing back.
pub(crate) const STUCK: &str = "6003";
/// An account at the futures counter.
pub(crate) const OPEN: &str = "8001";
/// An account at the futures counter whose credits are done and never answered.
pub(crate) const QUIET: &str = "8002";
/// An account that no counter knows.
pub(crate) const NOBODY: &str = "8404";

/// What the securities counter does wrong: it debits one account, and refuses to give back what it took.
const REFUSES_TO_RETURN: &str = "\
# What was taken from this account is not given back.
[[rule]]
on = [\"reversal\"]
account = \"6003\"
do = { refuse = 403 }
";

/// What the futures counter does wrong: it credits one account, and keeps silent about it.
const KEEPS_SILENT: &str = "\
# Credits to this account are done, and the answer is never sent.
[[rule]]
on = [\"credit\"]
account = \"8002\"
do = \"no_answer\"
";

/// A simulated counter.
pub(crate) struct Counter {
    pub(crate) id: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) process_id: u32,
    pub(crate) books: PathBuf,
    process: Child,
}

/// All of it.
pub(crate) struct Town {
    folder: PathBuf,
    counters: Vec<Counter>,
    bridge: Bridge,
    client: Client,
    signer: Signer,
    database: String,
    people: Vec<Somebody>,
}

impl Town {
    pub(crate) async fn start(options: &Options) -> Result<Town> {
        let folder =
            std::env::temp_dir().join(format!("counter-bridge-demo-{}", token()[..8].to_owned()));
        fs::create_dir_all(&folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        for secret in ["securities.key", "futures.key", "demo.key"] {
            fs::write(folder.join(secret), token())?;
        }
        fs::write(folder.join("securities.faults.toml"), REFUSES_TO_RETURN)?;
        fs::write(folder.join("futures.faults.toml"), KEEPS_SILENT)?;
        let accounts = [(RICH, 1_000_000), (POOR, 10_000), (STUCK, 100_000)];
        let counters = vec![
            Counter::start(&folder, "securities", &accounts).await?,
            Counter::start(&folder, "futures", &[(OPEN, 0), (QUIET, 0)]).await?,
        ];

        let embedded = format!("sqlite://{}", folder.join("bridge.sqlite").display());
        let file = folder.join("bridge.toml");
        fs::write(&file, config_text(&folder, &embedded, &counters, options.once)?)?;
        // Another database's URL may hold a password, which no file of ours is to hold. Nothing
        // else of the environment counts: the demonstration is the same everywhere.
        let variables =
            options.database.clone().map(|url| ("COUNTER_BRIDGE__DATABASE".to_owned(), url));
        let config =
            Config::load(&file, variables).map_err(|mistakes| anyhow::anyhow!("{mistakes}"))?;
        let bridge = Bridge::start(config, &ServiceManager::default()).await?;
        let people = people::make(&bridge.people(), &folder).await?;

        let key = Key::from_file(Algorithm::HmacSha256, &fs::read(folder.join("demo.key"))?)?;
        let signer = Signer::new("demo-key", key)?;
        let url = format!("http://{}", bridge.addresses.api);
        let client = Client::new(&url, signer.clone())?;
        let address = serde_json::json!({
            "url": url,
            "operators": format!("http://{}", bridge.addresses.operators),
            "token_file": folder.join(TOKEN_FILE),
            "key_id": "demo-key",
            "key_file": folder.join("demo.key"),
            "algorithm": "hmac-sha256",
        });
        fs::write(folder.join("client.toml"), toml::to_string(&address)?)?;
        let database = match options.database {
            // It may hold a password.
            Some(_) => "the one that was asked for".to_owned(),
            None => "embedded SQLite".to_owned(),
        };
        Ok(Town { folder, counters, bridge, client, signer, database, people })
    }

    /// Waits until both counters are up.
    pub(crate) async fn connected(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        for counter in self.bridge.coordinator.counters() {
            let mut status = counter.follow();
            while !counter.is_up() {
                if timeout(Duration::from_millis(100), status.changed())
                    .await
                    .is_ok_and(|changed| changed.is_err())
                    || Instant::now() > deadline
                {
                    bail!("{} did not come up: {:?}", counter.id(), status.borrow());
                }
            }
        }
        Ok(())
    }

    /// Waits until the bridge cannot go on; why.
    pub(crate) async fn failed(&self) -> String {
        self.bridge.failed().await
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn database_name(&self) -> &str {
        &self.database
    }

    /// Who signs in at the console.
    pub(crate) fn people(&self) -> &[Somebody] {
        &self.people
    }

    pub(crate) fn counters(&self) -> &[Counter] {
        &self.counters
    }

    pub(crate) fn addresses(&self) -> Addresses {
        self.bridge.addresses
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A command that moves money in this town.
    pub(crate) fn example(&self) -> String {
        format!(
            "counter-bridge transfer --client {} --from securities:{RICH} --to futures:{OPEN} --amount 12345",
            self.folder.join("client.toml").display()
        )
    }

    /// The commands by which two decide the transfer that waits for them.
    pub(crate) fn by_two(&self, serial: &str) -> [String; 2] {
        let client = self.folder.join("client.toml");
        let other = self.folder.join(APPROVER_TOKEN_FILE);
        let command =
            format!("counter-bridge resolve {serial} reversed --client {}", client.display());
        [
            format!("{command} --note \"given back by hand\""),
            format!(
                "{command} --token-file {} --approve PROPOSAL --note \"seen in the books\"",
                other.display()
            ),
        ]
    }

    /// Signs the order, changes its amount, and sends it; the status and the body of the answer.
    pub(crate) async fn forged(
        &self,
        order: &NewTransfer,
        key: &IdempotencyKey,
    ) -> Result<(u16, Vec<u8>)> {
        let url = format!("http://{}/v1/transfers", self.bridge.addresses.api);
        let body = serde_json::to_vec(order)?;
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("content-type", "application/json".parse()?);
        headers.insert("idempotency-key", key.as_str().parse()?);
        let now_s = i64::try_from(
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs(),
        )?;
        self.signer.sign(&reqwest::Method::POST, &url, &mut headers, &body, now_s)?;
        let forged = String::from_utf8(body)?.replace("\"amount\":1", "\"amount\":9");
        let http =
            client::way::builder(&url.parse()?, &client::way::Authorities::OfTheSystem).build()?;
        let answer = http.post(url).headers(headers).body(forged).send().await?;
        Ok((answer.status().as_u16(), answer.bytes().await?.to_vec()))
    }

    /// Ends everything, in order. The folder stays for whoever wants to look.
    pub(crate) async fn stop(self) {
        self.bridge.stop().await;
        for mut counter in self.counters {
            // It is ours, and holds nothing that its books do not.
            if counter.process.kill().await.is_err() {
                tracing::debug!(counter = counter.id, "had ended before");
            }
        }
    }
}

impl Counter {
    async fn start(folder: &Path, id: &'static str, accounts: &[(&str, i64)]) -> Result<Counter> {
        let file = |name: &str| folder.join(format!("{id}.{name}"));
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["simulate", id, "--listen", "127.0.0.1:0", "--id", id, "--bridge", "bridge"])
            .arg("--key-file")
            .arg(file("key"))
            .arg("--books")
            .arg(file("books.jsonl"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(file("log"))?)
            .kill_on_drop(true);
        if file("faults.toml").exists() {
            command.arg("--faults").arg(file("faults.toml"));
        }
        for (account, minor) in accounts {
            command.arg("--account").arg(format!("{account}={minor}"));
        }
        let mut process = command.spawn().context("a counter cannot be started")?;
        let process_id = process.id().context("the counter has ended")?;
        let output = process.stdout.take().context("the counter has no output")?;
        let mut line = String::new();
        let mut output = BufReader::new(output);
        timeout(Duration::from_secs(10), output.read_line(&mut line))
            .await
            .context("the counter does not say where it listens")??;
        let ready: Value = serde_json::from_str(&line).with_context(|| {
            format!("the counter {id} did not start; see {}", file("log").display())
        })?;
        let address = ready["listening"].as_str().context("no address")?.parse()?;
        ensure!(process.try_wait()?.is_none(), "the counter {id} has ended");
        Ok(Counter { id, address, process_id, books: file("books.jsonl"), process })
    }
}

fn config_text(
    folder: &Path,
    database: &str,
    counters: &[Counter],
    any_port: bool,
) -> Result<String> {
    let port = |wanted: u16| {
        let taken = std::net::TcpListener::bind(("127.0.0.1", wanted)).is_err();
        if any_port || taken { 0 } else { wanted }
    };
    let quoted = |path: &Path| format!("{:?}", path.display().to_string());
    // A demonstration leaves nothing behind: it may live in a folder that forgets.
    let durability =
        if database.starts_with("sqlite:") { "database_durability = \"as_it_is\"\n" } else { "" };
    let mut text = format!(
        "database = {database:?}\n{durability}name = \"bridge\"\n\n\
         [api]\nlisten = \"127.0.0.1:{}\"\n\n[operators]\nlisten = \"127.0.0.1:{}\"\n\n\
         # Short, so that nobody has to wait for the scene in which an answer is lost.\n\
         [coordinator]\nposting_deadline_ms = 1500\n\n\
         [[app]]\nname = \"demo\"\n\n[[app.key]]\nid = \"demo-key\"\n\
         algorithm = \"hmac-sha256\"\nsecret_file = {}\n",
        port(8080),
        port(8081),
        quoted(&folder.join("demo.key")),
    );
    for Counter { id, address, .. } in counters {
        write!(
            text,
            "\n[[counter]]\nid = {id:?}\ndialect = {id:?}\naddresses = [\"{address}\"]\nkey_file = {}\n\
             profile = {{ echoes_marks = true }}\n",
            quoted(&folder.join(format!("{id}.key")))
        )?;
    }
    Ok(text)
}

/// 64 random hexadecimal digits.
fn token() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}
