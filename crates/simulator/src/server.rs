//! The counter as a whole: its options, its socket, its connections, its end.

use crate::books::{Books, Inconsistent, Rules};
use crate::books_file::{BooksFile, BooksFileError, Durability};
use crate::connection::Surroundings;
use crate::counter::Counter;
use crate::desk::{self, Desk};
use crate::faults::{Dice, FaultPlan, PlanError};
use crate::session::Identity;
use crate::tls::{Tls, TlsError, TlsFiles};
use crate::way::Way;
use domain::message::{AccountId, CounterId};
use domain::money::Currency;
use domain::profile::{AmountUnit, Profile};
use domain::serial::Day;
use secrecy::SecretSlice;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::codec::{Codec, Dialect, Parties};

/// The largest heartbeat interval, in seconds.
const LONGEST_HEARTBEAT_S: u16 = 120;

/// All connections leave within this, in order or not.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// How a counter is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it speaks.
    pub dialect: Dialect,
    /// Where it listens; port 0 for any free one.
    pub listen: SocketAddr,
    /// Where it dials in instead, if it does.
    pub connect: Option<SocketAddr>,
    /// How many connections it keeps where it dials in; at least 1.
    pub channels: u16,
    /// How connections are secured; `None` for plain TCP.
    pub tls: Option<TlsFiles>,
    /// Its id.
    pub id: CounterId,
    /// The name of the bridge that it lets in.
    pub bridge: String,
    /// The key that both hold; at least 32 bytes are wanted.
    pub key: SecretSlice<u8>,
    /// Accounts to open with so many minor units, unless the books file has them already.
    pub accounts: Vec<(AccountId, i64)>,
    /// The currency of the accounts.
    pub currency: Currency,
    /// Where its postings are appended; `None` forgets them with the process.
    pub books: Option<PathBuf>,
    /// What a line of the books survives before its answer is sent.
    pub durability: Durability,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// What the plan's chances are drawn from.
    pub seed: u64,
    /// What it can do, and says that it can. The code table stays at home.
    pub profile: Profile,
    /// Whether it says at sign-on how far it has seen the bridge's serials.
    pub tells_highest_serial: bool,
    /// Its accounting day at the start; `None` for today (UTC). Books that have cut over to a
    /// later day stay there.
    pub settle_day: Option<Day>,
    /// The wanted heartbeat interval in seconds, 0 to 120; 0 = none.
    pub heartbeat_s: u16,
}

impl Options {
    /// A well-behaved counter on any free port of the loopback address, that keeps no file.
    pub fn new(dialect: Dialect, id: CounterId, bridge: String, key: SecretSlice<u8>) -> Options {
        let amount_unit = unit_of(&dialect);
        Options {
            dialect,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            connect: None,
            channels: 1,
            tls: None,
            id,
            bridge,
            key,
            accounts: Vec::new(),
            currency: Currency::CNY,
            books: None,
            durability: Durability::default(),
            faults: FaultPlan::default(),
            seed: 0,
            profile: Profile { amount_unit, echoes_marks: true, ..Profile::default() },
            tells_highest_serial: true,
            settle_day: None,
            heartbeat_s: 10,
        }
    }
}

/// Why a counter cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option that cannot be meant.
    #[error("{0}")]
    Option(String),
    /// The fault plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The books file.
    #[error(transparent)]
    BooksFile(#[from] BooksFileError),
    /// The certificates or the key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An account that cannot be opened.
    #[error(transparent)]
    Account(#[from] Inconsistent),
    /// It cannot listen.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The system's signals cannot be heard.
    #[error("cannot hear signals: {0}")]
    Signals(io::Error),
    /// A defect of the simulator: its owner of the books panicked.
    #[error("the owner of the books ended: {0}")]
    Desk(tokio::task::JoinError),
}

/// Reads `ID=MINOR`, an account and its opening balance in minor units.
pub fn parse_account(text: &str) -> Result<(AccountId, i64), Error> {
    let wrong = |problem: String| Error::Option(format!("account {text:?}: {problem}"));
    let (id, minor) = text.split_once('=').ok_or_else(|| wrong("write ID=MINOR".to_owned()))?;
    let id = id.parse().map_err(|error| wrong(format!("{error}")))?;
    let minor = minor.parse().map_err(|_| wrong("the balance is a whole number".to_owned()))?;
    Ok((id, minor))
}

/// Runs the counter as a process: says `{"listening":"ADDRESS"}`, or `{"dialling":"ADDRESS"}` if it
/// dials in, on standard output when it is ready, and ends in order on SIGTERM or SIGINT.
pub async fn run_as_process(options: Options) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let stop = CancellationToken::new();
    let does = if options.connect.is_some() { "dialling" } else { "listening" };
    let announce = |address: SocketAddr| {
        let line = serde_json::json!({ does: address.to_string() });
        let mut out = io::stdout().lock();
        // Nobody may be listening to us, and that is no reason not to serve.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    let running = run(options, announce, stop.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
    running.await
}

/// Runs the counter until `stop`. `ready` is called once, with the address that it listens on or
/// dials, when it takes or makes connections. After an error of the books file nothing more was answered.
pub async fn run(
    options: Options,
    ready: impl FnOnce(SocketAddr),
    stop: CancellationToken,
) -> Result<(), Error> {
    let (counter, file) = begin(&options).await?;
    let way = Way::of(&options)?;
    let address = way.address();
    let (session_epoch, sessions) = watch::channel(0);
    let (restart_sender, mut restarts) = mpsc::channel(1);
    let (visits, inbox) = mpsc::channel(desk::QUEUE);
    let parties = Parties { own: options.id.to_string(), peer: options.bridge.clone() };
    let mut around = Surroundings {
        identity: Identity {
            counter: options.id.clone(),
            bridge: options.bridge,
            key: Arc::new(options.key),
            heartbeat_s: options.heartbeat_s,
        },
        codec: Codec::new(options.dialect.clone(), parties).at_counter(),
        dialect: options.dialect,
        tls: options.tls.as_ref().map(Tls::read).transpose()?,
        desk: visits,
        sessions,
        stop: stop.clone(),
        kill: CancellationToken::new(),
    };
    let desk = Desk { counter, file, sessions: session_epoch, restarts: restart_sender };
    let mut desk = tokio::spawn(desk.run(inbox));
    let connections = TaskTracker::new();
    tracing::info!(counter = %options.id, %address, "counter is there");
    ready(address);
    let served = serve(way, &mut around, &connections, &mut restarts, &mut desk).await;
    connections.close();
    match served {
        Ok(Served::Stopped) => {}
        Ok(Served::DeskEnded(_)) | Err(_) => around.kill.cancel(),
    }
    if timeout(LEAVE_LIMIT, connections.wait()).await.is_err() {
        around.kill.cancel();
        connections.wait().await;
    }
    // With the last connection gone, the desk ends.
    drop(around);
    let ended = match served? {
        Served::Stopped => desk.await,
        Served::DeskEnded(ended) => ended,
    };
    Ok(ended.map_err(Error::Desk)??)
}

/// Why nobody listens any more.
enum Served {
    /// As asked.
    Stopped,
    /// The owner of the books ended before its time.
    DeskEnded(DeskEnd),
}

type DeskEnd = Result<Result<(), BooksFileError>, tokio::task::JoinError>;

/// What ends the time in which connections are taken or made.
enum Pause {
    /// A restart as planned: nobody is there for so long.
    Restart(Duration),
    /// For good.
    Over(Served),
}

/// Takes or makes connections, and now and then none, until `stop`.
async fn serve(
    mut way: Way,
    around: &mut Surroundings,
    connections: &TaskTracker,
    restarts: &mut mpsc::Receiver<Duration>,
    desk: &mut JoinHandle<Result<(), BooksFileError>>,
) -> Result<Served, Error> {
    let stop = around.stop.clone();
    loop {
        let pause = tokio::select! {
            biased;
            () = stop.cancelled() => Pause::Over(Served::Stopped),
            ended = &mut *desk => Pause::Over(Served::DeskEnded(ended)),
            Some(down) = restarts.recv() => Pause::Restart(down),
            never = way.connect(around, connections) => match never {},
        };
        let down = match pause {
            Pause::Restart(down) => down,
            Pause::Over(served) => return Ok(served),
        };
        tracing::info!(?down, "restarting, as planned");
        way.close();
        around.kill.cancel();
        around.kill = CancellationToken::new();
        tokio::select! {
            () = sleep(down) => {}
            () = stop.cancelled() => return Ok(Served::Stopped),
        }
        way.open()?;
    }
}

/// The counter as its books file left it, with its accounts open.
async fn begin(options: &Options) -> Result<(Counter, Option<BooksFile>), Error> {
    let unit = unit_of(&options.dialect);
    if options.profile.amount_unit != unit {
        return Err(Error::Option(format!(
            "the profile says that amounts are written in {:?} units, the dialect writes {unit:?}",
            options.profile.amount_unit
        )));
    }
    if options.heartbeat_s > LONGEST_HEARTBEAT_S {
        return Err(Error::Option(format!(
            "the heartbeat is 0 to {LONGEST_HEARTBEAT_S} seconds, not {}",
            options.heartbeat_s
        )));
    }
    let plan = options.faults.clone().checked()?;
    let at = desk::unix_micros();
    let rules = Rules {
        counter: options.id.clone(),
        profile: options.profile.clone(),
        currency: options.currency,
        settings: plan.accounts,
        open: !plan.closed,
        tells_highest_serial: options.tells_highest_serial,
    };
    let settle_day = options.settle_day.unwrap_or_else(|| Day::from_unix_micros(at));
    let mut books = Books::new(rules, settle_day);
    let mut file = match &options.books {
        Some(path) => Some(BooksFile::open(path, options.durability, &mut books)?),
        None => None,
    };
    for (account, balance) in &options.accounts {
        let opened = books.open_account(account, *balance, at)?;
        if let (Some(line), Some(file)) = (opened, &mut file) {
            file.append(&line)?;
        }
    }
    if let Some(file) = &mut file {
        file.commit().await?;
    }
    let dice = Dice::new(plan.rules, options.seed);
    Ok((Counter::new(books, dice, plan.cut_over_after), file))
}

fn unit_of(dialect: &Dialect) -> AmountUnit {
    match dialect {
        Dialect::Securities => AmountUnit::Minor,
        Dialect::Futures(options) => options.amount_unit,
    }
}
