//! The bare floor: the same HTTP server, two round trips to processes that only echo, and two
//! group-committed barriers of small rows on the same kind of database, with nothing decided,
//! verified, or kept that could be left out. What the bridge takes beyond it is the bridge's own.

use anyhow::{Context, Result};
use api::server::{Limits, Server, Stop, Trust};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::post};
use clap::{Args, ValueEnum};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store::Bare;
use supervise::say;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// What goes to an echo and comes back, in bytes: about a debit of the protobuf dialect.
const FRAME: usize = 64;
/// What is read at once, in bytes; as in a link.
const CHUNK: usize = 64 << 10;
/// Frames that are written at once, at most; as in a link.
const WINDOW: usize = 1024;

/// A process of the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Sends back what it gets
    Echo,
    /// Stands for the bridge
    Bridge,
}

/// How a process of the floor is started; not for people.
#[derive(Clone, Debug, Args)]
pub(crate) struct PartArgs {
    #[arg(long, hide = true, value_enum)]
    pub(crate) part: Option<Part>,
    #[arg(long, hide = true)]
    echo: Vec<SocketAddr>,
}

/// The variable that tells a part its database.
pub(crate) const DATABASE: &str = "COUNTER_BRIDGE_FLOOR_DATABASE";

/// Runs a part until it is killed.
pub(crate) async fn run(part: Part, args: &PartArgs) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    match part {
        Part::Echo => {
            say!(r#"{{"listening":"{address}"}}"#)?;
            loop {
                let (stream, _) = listener.accept().await?;
                tokio::spawn(echo(stream));
            }
        }
        Part::Bridge => {
            let database = std::env::var(DATABASE).context("the floor's database")?;
            let [first, second] = args.echo[..] else { anyhow::bail!("the floor has two echoes") };
            let floor = Floor {
                journal: Bare::open(&database).await?,
                debits: Trips::connect(first).await?,
                credits: Trips::connect(second).await?,
                next: AtomicI64::new(1),
            };
            let router =
                Router::new().route("/v1/transfers", post(transfer)).with_state(Arc::new(floor));
            say!(r#"{{"api":"{address}"}}"#)?;
            // As the bridge serves, and everybody who asks.
            let all = Limits { connections: 65_536, per_address: 65_536, ..Limits::default() };
            Server::new(listener, "floor", all, Trust::Answered)
                .serve(router, Stop::default())
                .await;
            Ok(())
        }
    }
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..read]).await?;
    }
}

struct Floor {
    journal: Bare,
    debits: Trips,
    credits: Trips,
    next: AtomicI64,
}

async fn transfer(State(floor): State<Arc<Floor>>, body: Bytes) -> Response {
    let id = floor.next.fetch_add(2, Ordering::Relaxed);
    match move_nothing(&floor, id).await {
        // As long as a real answer.
        Some(()) => {
            let json = HeaderValue::from_static("application/json");
            let answer =
                format!(r#"{{"state":"completed","id":{id},"body":"{:480}"}}"#, body.len());
            (StatusCode::CREATED, [(header::CONTENT_TYPE, json)], answer).into_response()
        }
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn move_nothing(floor: &Floor, id: i64) -> Option<()> {
    floor.journal.commit(id).await.ok()?;
    floor.debits.go(id).await?;
    floor.credits.go(id).await?;
    floor.journal.commit(id + 1).await.ok()
}

/// Round trips over one connection, as many at a time as there are callers.
struct Trips {
    asks: mpsc::UnboundedSender<(i64, oneshot::Sender<()>)>,
}

impl Trips {
    async fn connect(address: SocketAddr) -> Result<Trips> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (asks, asked) = mpsc::unbounded_channel();
        tokio::spawn(converse(stream, asked));
        Ok(Trips { asks })
    }

    async fn go(&self, id: i64) -> Option<()> {
        let (done, answered) = oneshot::channel();
        self.asks.send((id, done)).ok()?;
        answered.await.ok()
    }
}

async fn converse(
    mut stream: TcpStream,
    mut asked: mpsc::UnboundedReceiver<(i64, oneshot::Sender<()>)>,
) -> std::io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let mut waiting = HashMap::new();
    let mut asks = Vec::with_capacity(WINDOW);
    let (mut inbox, mut outbox) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    loop {
        tokio::select! {
            taken = asked.recv_many(&mut asks, WINDOW) => {
                if taken == 0 {
                    return Ok(());
                }
                for (id, done) in asks.drain(..) {
                    let mut frame = [0; FRAME];
                    frame[..8].copy_from_slice(&id.to_be_bytes());
                    outbox.extend_from_slice(&frame);
                    waiting.insert(id, done);
                }
                writer.write_all(&outbox).await?;
                outbox.clear();
            }
            read = reader.read_buf(&mut inbox) => {
                if read? == 0 {
                    return Ok(());
                }
                let whole = inbox.len() / FRAME * FRAME;
                for frame in inbox[..whole].chunks_exact(FRAME) {
                    let id = frame.first_chunk().map(|id| i64::from_be_bytes(*id));
                    if let Some(done) = id.and_then(|id| waiting.remove(&id)) {
                        // Whoever has gone needs no answer.
                        let _ = done.send(());
                    }
                }
                inbox.drain(..whole);
            }
        }
    }
}
