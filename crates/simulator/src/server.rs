//! The counter as a whole: its options, its socket, its connections, its end.

use crate::books::{Books, Rules};
use crate::books_file::{BooksFile, BooksFileError};
use crate::connection::Surroundings;
use crate::counter::Counter;
use crate::desk::{self, Desk};
use crate::faults::Dice;
use crate::options::{Error, Options};
use crate::session::Identity;
use crate::tls::Tls;
use crate::way::Way;
use domain::serial::Day;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::codec::{Codec, Parties};

/// The largest heartbeat interval, in seconds.
const LONGEST_HEARTBEAT_S: u16 = 120;

/// All connections leave within this, in order or not.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

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
        codec: Codec::new(options.dialect, parties).at_counter(),
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
    let unit = options.dialect.amount_unit();
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
