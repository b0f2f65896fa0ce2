//! How the counter and the bridge come together: the bridge dials, or the counter does.

use crate::connection::{Surroundings, converse, dialled};
use crate::options::{Error, Options};
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;
use supervise::task::{CatchUnwind, message};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

/// Connections that the kernel may hold for us: the default of 128 drops bursts.
const BACKLOG: u32 = 4096;

/// How long a bridge that is dialled may take to answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// The pause before the bridge is dialled again, at first and at most; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How connections come to be.
pub(crate) enum Way {
    /// The bridge dials: here. Nobody listens during a restart.
    Listen { address: SocketAddr, listener: Option<TcpListener> },
    /// The counter dials the bridge there, on so many channels.
    Dial { address: SocketAddr, channels: u16 },
}

impl Way {
    pub(crate) fn of(options: &Options) -> Result<Way, Error> {
        if let Some(address) = options.connect {
            return Ok(Way::Dial { address, channels: options.channels.max(1) });
        }
        let listener = listen(options.listen)?;
        let address = listener
            .local_addr()
            .map_err(|source| Error::Listen { address: options.listen, source })?;
        Ok(Way::Listen { address, listener: Some(listener) })
    }

    /// Where it listens, or whom it dials.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Way::Listen { address, .. } | Way::Dial { address, .. } => *address,
        }
    }

    /// A restart begins.
    pub(crate) fn close(&mut self) {
        match self {
            Way::Listen { listener, .. } => *listener = None,
            Way::Dial { .. } => {}
        }
    }

    /// It is over: the same port is listened on again.
    pub(crate) fn open(&mut self) -> Result<(), Error> {
        match self {
            Way::Listen { address, listener } => *listener = Some(listen(*address)?),
            Way::Dial { .. } => {}
        }
        Ok(())
    }

    /// Takes or makes connections without end.
    pub(crate) async fn connect(
        &self,
        around: &Surroundings,
        connections: &TaskTracker,
    ) -> Infallible {
        match self {
            Way::Listen { listener, .. } => loop {
                let Some(listener) = listener else { return pending().await };
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        connections.spawn(converse(stream, peer, around.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        // Out of file descriptors, mostly: let some be closed first.
                        sleep(Duration::from_millis(20)).await;
                    }
                }
            },
            Way::Dial { address, channels } => {
                for channel in 0..*channels {
                    let keep = keep_dialling(*address, channel, around.clone());
                    let kill = around.kill.clone();
                    // Stopped, it leaves in order by itself; killed, it is gone.
                    connections.spawn(async move { kill.run_until_cancelled(keep).await });
                }
                pending().await
            }
        }
    }
}

/// Keeps one channel connected until `stop`.
async fn keep_dialling(address: SocketAddr, channel: u16, around: Surroundings) {
    let stop = around.stop.clone();
    let mut pause = FIRST_PAUSE;
    while !stop.is_cancelled() {
        let began = Instant::now();
        let connect = timeout(CONNECT_LIMIT, TcpStream::connect(address));
        match stop.run_until_cancelled(connect).await {
            // It leaves in order by itself.
            Some(Ok(Ok(stream))) => {
                let talk = dialled(stream, address, channel, around.clone());
                // A defect costs the connection, never the channel.
                if let Err(panic) = CatchUnwind::of(talk).await {
                    let why = message(panic.as_ref());
                    tracing::error!(%address, channel, why, "a connection failed");
                }
            }
            Some(Ok(Err(error))) => tracing::info!(%address, %error, "the bridge is not there"),
            Some(Err(_)) => tracing::info!(%address, "the bridge does not answer"),
            None => {}
        }
        // Whoever was let in for a while was not refused.
        if began.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        // Not everybody at once after the bridge was away.
        stop.run_until_cancelled(sleep(pause.mul_f64(rand::random_range(0.5..1.0)))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A counter that comes back takes its port back at once.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|source| Error::Listen { address, source })
}
