//! The other end as a process: counters at any number of ports, which can be taken away, brought
//! back and cut off by commands on standard input. Each command is answered by one line of JSON.
//!
//! | command | what is done |
//! |---|---|
//! | `down PORT fin` or `down PORT rst` | nobody listens any more, and every connection is closed |
//! | `up PORT` | somebody listens again |
//! | `signed PORT` | when sessions opened, since `up` |
//! | `left` | how many sessions were signed off by the links |
//! | `beats` | the longest time between two heartbeats of one connection, and how many there were |
//!
//! Ports are numbered from 0. Times are nanoseconds of the clock that all processes share.

use crate::meter;
use crate::script::Script;
use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use clap::Args;
use link::{Credentials, TlsFiles};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use supervise::{say, tell};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// As in the bridge's own door.
const BACKLOG: u32 = 4096;
/// What is read at once, in bytes, once a connection is busy; an idle one has a page.
const CHUNK: usize = 64 << 10;
const PAGE: usize = 2 << 10;
/// How often a slow counter answers.
const TICK: Duration = Duration::from_millis(5);

/// How the counters are.
#[derive(Debug, Args)]
pub(crate) struct PeerOptions {
    /// At how many ports
    #[arg(long, default_value_t = 1)]
    ports: usize,
    /// How many connections there may be
    #[arg(long, default_value_t = 1000)]
    connections: u64,
    /// Under TLS, with the files of this folder
    #[arg(long)]
    tls: Option<PathBuf>,
    /// Answers so many postings a second and connection, and no more
    #[arg(long)]
    rate: Option<u32>,
}

/// Runs until standard input ends.
pub(crate) fn run(options: PeerOptions) -> Result<()> {
    meter::allow_files(options.connections)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(obey(options))
}

/// The files of a side's certificates in a folder.
pub(crate) fn files(folder: &std::path::Path, side: &str) -> TlsFiles {
    let file = |what: &str| folder.join(format!("{side}.{what}.pem"));
    TlsFiles { ca: file("ca"), certificate: file("certificate"), key: file("key") }
}

async fn obey(options: PeerOptions) -> Result<()> {
    let tls = match &options.tls {
        Some(folder) => {
            let credentials = Credentials::load(files(folder, "counter"))?;
            Some(TlsAcceptor::from(credentials.current().server))
        }
        None => None,
    };
    let around = Around { tls, rate: options.rate, beats: Arc::default(), left: Arc::default() };
    let mut ports = Vec::new();
    for _ in 0..options.ports {
        ports.push(Port::open(&around)?);
    }
    let addresses: Vec<SocketAddr> = ports.iter().map(|port| port.address).collect();
    say!("{}", json!({ "ports": addresses }))?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match command(&line, &mut ports, &around).await {
            Ok(answer) => answer,
            Err(error) => json!({ "error": format!("{line}: {error:#}") }),
        };
        say!("{answer}")?;
    }
    Ok(())
}

async fn command(line: &str, ports: &mut [Port], around: &Around) -> Result<Value> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let port = words.get(1).and_then(|word| word.parse::<usize>().ok());
    let port = port.and_then(|index| ports.get_mut(index)).context("which port?");
    match words[..] {
        ["beats"] => {
            let beats = around.beats.lock().unwrap_or_else(PoisonError::into_inner);
            let longest = beats.longest.as_secs_f64();
            Ok(json!({ "longest_s": longest, "count": beats.count }))
        }
        ["left"] => Ok(json!({ "count": around.left.load(Ordering::Relaxed) })),
        ["down", _, how] => port?.down(is_reset(how)?).await,
        ["up", _] => port?.up(around),
        ["signed", _] => {
            let signed = &port?.signed;
            Ok(json!({ "at": *signed.lock().unwrap_or_else(PoisonError::into_inner) }))
        }
        _ => bail!("no such command"),
    }
}

fn is_reset(how: &str) -> Result<bool> {
    match how {
        "rst" => Ok(true),
        "fin" => Ok(false),
        _ => bail!("how?"),
    }
}

fn now() -> u64 {
    u64::try_from(meter::machine_time().as_nanos()).unwrap_or(u64::MAX)
}

/// What all connections share.
#[derive(Clone)]
struct Around {
    tls: Option<TlsAcceptor>,
    rate: Option<u32>,
    beats: Arc<Mutex<Beats>>,
    left: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Beats {
    longest: Duration,
    count: u64,
}

/// A port, its listener and its connections.
struct Port {
    address: SocketAddr,
    accepting: CancellationToken,
    /// Closes every connection, and says how.
    closing: CancellationToken,
    reset: Arc<AtomicBool>,
    tasks: TaskTracker,
    listener: TaskTracker,
    signed: Arc<Mutex<Vec<u64>>>,
}

impl Port {
    fn open(around: &Around) -> Result<Port> {
        let mut port = Port {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            accepting: CancellationToken::new(),
            closing: CancellationToken::new(),
            reset: Arc::default(),
            tasks: TaskTracker::new(),
            listener: TaskTracker::new(),
            signed: Arc::default(),
        };
        port.up(around)?;
        Ok(port)
    }

    fn up(&mut self, around: &Around) -> Result<Value> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        let listener = socket.listen(BACKLOG)?;
        let at = now();
        self.address = listener.local_addr()?;
        self.accepting = CancellationToken::new();
        self.signed.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.renew();
        let accept = accept(listener, self.visit(around), self.tasks.clone());
        let accepting = self.accepting.clone();
        self.listener.spawn(async move {
            accepting.run_until_cancelled(accept).await;
        });
        Ok(json!({ "at": at }))
    }

    fn visit(&self, around: &Around) -> Visit {
        Visit {
            around: around.clone(),
            closing: self.closing.clone(),
            reset: Arc::clone(&self.reset),
            signed: Arc::clone(&self.signed),
        }
    }

    fn renew(&mut self) {
        self.closing = CancellationToken::new();
        self.tasks = TaskTracker::new();
        self.listener = TaskTracker::new();
        self.reset = Arc::default();
    }

    async fn down(&mut self, reset: bool) -> Result<Value> {
        self.accepting.cancel();
        self.listener.close();
        self.listener.wait().await;
        self.reset.store(reset, Ordering::Relaxed);
        let at = now();
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        Ok(json!({ "at": at }))
    }
}

/// What one connection is told.
#[derive(Clone)]
struct Visit {
    around: Around,
    closing: CancellationToken,
    reset: Arc<AtomicBool>,
    signed: Arc<Mutex<Vec<u64>>>,
}

async fn accept(listener: TcpListener, visit: Visit, tasks: TaskTracker) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tasks.spawn(greet(stream, visit.clone()));
            }
            Err(error) => tell!("a connection could not be accepted: {error}"),
        }
    }
}

async fn greet(stream: TcpStream, visit: Visit) {
    let done = async {
        stream.set_nodelay(true)?;
        match visit.around.tls.clone() {
            None => {
                let mut stream = stream;
                let done = converse(&mut stream, &visit).await;
                if visit.reset.load(Ordering::Relaxed) {
                    stream.set_zero_linger()?;
                }
                done
            }
            Some(tls) => converse(&mut tls.accept(stream).await?, &visit).await,
        }
    };
    // A link that goes is no error; what it said wrong is.
    if let Err(error) = done.await
        && error.downcast_ref::<std::io::Error>().is_none()
    {
        tell!("a conversation ended: {error:#}");
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, visit: &Visit) -> Result<()> {
    let mut script = Script::new()?;
    let (mut inbox, mut outbox) = (BytesMut::new(), BytesMut::new());
    let mut last: Option<Instant> = None;
    let mut waiting: VecDeque<BytesMut> = VecDeque::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut answers, mut credit) = (Vec::new(), 0.0);
    let mut closing = pin!(visit.closing.cancelled());
    loop {
        if inbox.capacity() - inbox.len() < PAGE / 4 {
            inbox.reserve(if inbox.capacity() > PAGE { CHUNK } else { PAGE });
        }
        let paced = visit.around.rate.is_some();
        tokio::select! {
            biased;
            () = &mut closing => return Ok(()),
            read = stream.read_buf(&mut inbox) => {
                if read? == 0 {
                    return Ok(());
                }
            }
            _ = ticks.tick(), if paced => {
                credit += f64::from(visit.around.rate.unwrap_or(0)) * TICK.as_secs_f64();
                while credit >= 1.0 && let Some(answer) = waiting.pop_front() {
                    credit -= 1.0;
                    outbox.extend_from_slice(&answer);
                }
                credit = credit.min(100.0);
            }
        }
        script.turn(&mut inbox, &mut outbox, paced.then_some(&mut answers))?;
        waiting.extend(answers.drain(..));
        if script.told.opened {
            visit.signed.lock().unwrap_or_else(PoisonError::into_inner).push(now());
        }
        if script.told.heartbeats > 0 {
            let mut beats = visit.around.beats.lock().unwrap_or_else(PoisonError::into_inner);
            beats.count += u64::from(script.told.heartbeats);
            let now = Instant::now();
            let gap = last.replace(now).map_or(Duration::ZERO, |last| now - last);
            beats.longest = beats.longest.max(gap);
        }
        if !outbox.is_empty() {
            stream.write_all(&outbox).await?;
            stream.flush().await?;
            outbox.clear();
        }
        if script.told.leaving {
            visit.around.left.fetch_add(1, Ordering::Relaxed);
            stream.shutdown().await?;
            return Ok(());
        }
    }
}
