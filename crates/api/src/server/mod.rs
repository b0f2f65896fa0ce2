//! Serves HTTP/1.1 to anybody who connects, at a price that strangers cannot raise: so many
//! connections in all and from one address, so long for a head, a body, a pause and a slow reader,
//! so many bytes for a head. While all places are taken, a newcomer gets that of somebody who has
//! shown nothing yet.
//!
//! Reading order: [`Limits`] is what is allowed; `watch` says how long a connection may stay as it
//! is; `stream` and `body` tell it what happens; `connection` serves one; [`Server::serve`] accepts them.

mod body;
mod connection;
mod stream;
#[cfg(test)]
mod tests;
mod watch;

use crate::auth::Way;
use axum::Router;
use connection::Guest;
use metrics::{counter, gauge};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use supervise::places::{Places, Ticket};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use watch::Watch;

/// The pause after an accept that failed for want of descriptors or memory; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Connections that may still be going, beside those that have a place: they hold descriptors, too.
const LEAVING: usize = 4;
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often it is said that nobody can be accepted.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// What is allowed to those who connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many connections may be open at once.
    pub connections: usize,
    /// How many connections one address may have at once; an IPv6 network of 64 bits is one.
    pub per_address: usize,
    /// The longest head of a request, in bytes; also what is held of a body at a time.
    pub longest_head: usize,
    /// How long a head may take, from its first byte, or from the connection, to its end.
    pub head: Duration,
    /// How long a body may take, from the end of the head to its own end.
    pub body: Duration,
    /// How long a connection may rest, from an answer to the next request.
    pub idle: Duration,
    /// How long a reader may leave a part of an answer unread.
    pub write: Duration,
}

impl Limits {
    /// The shortest head that can be asked for, in bytes: the smallest buffer that is read into.
    pub const SHORTEST_HEAD: usize = 8192;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 4096,
            per_address: 1024,
            longest_head: 16 * 1024,
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(30),
        }
    }
}

/// Who has shown that a connection is no stranger's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// One who has shown who he is, by a signature, a session or a token: the router says so, by [`Visit::settle`].
    Shown,
    /// One who was given something.
    Answered,
}

/// How serving is ended.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Nobody is accepted any more, connections without a request in progress are closed, and what
    /// is in progress is answered.
    pub soft: CancellationToken,
    /// What is still in progress is dropped.
    pub hard: CancellationToken,
}

/// What a request's handler may know of its connection, and say about it: an extension of every
/// request.
#[derive(Clone, Debug)]
pub struct Visit(Arc<Seat>);

impl Visit {
    /// Who is at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.0.way.from
    }

    /// Between which addresses the connection is.
    pub fn way(&self) -> Way {
        self.0.way
    }

    /// Whoever is at the other end has shown that he belongs here.
    pub fn settle(&self) {
        if !self.0.settled.load(Ordering::Relaxed) && !self.0.settled.swap(true, Ordering::Relaxed)
        {
            self.0.house.places().settle(self.0.ticket);
        }
    }
}

#[derive(Debug)]
struct Seat {
    house: Arc<House>,
    ticket: Ticket,
    way: Way,
    settled: AtomicBool,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.house.places().leave(self.ticket);
        gauge!("http_connections", "listener" => self.house.name).decrement(1);
    }
}

/// One who has a place: how to send him away, and what he is doing.
#[derive(Clone, Debug)]
struct Seated {
    leave: CancellationToken,
    watch: Arc<Watch>,
}

#[derive(Debug)]
struct House {
    name: &'static str,
    limits: Limits,
    trust: Trust,
    // A lock, because the acceptor gives places and every connection leaves its own; it is held for
    // one look.
    places: Mutex<Places<Seated>>,
}

impl House {
    fn places(&self) -> std::sync::MutexGuard<'_, Places<Seated>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, peer: SocketAddr, why: &'static str) {
        counter!("http_refused_connections_total", "listener" => self.name, "why" => why)
            .increment(1);
        tracing::debug!(listener = self.name, %peer, why, "a connection was not taken");
    }
}

/// A listener with its limits, ready to serve.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    house: Arc<House>,
}

impl Server {
    /// Serves at this listener; `name` is for logs and counts.
    pub fn new(listener: TcpListener, name: &'static str, limits: Limits, trust: Trust) -> Server {
        let places = Places::new(limits.connections, limits.per_address);
        let places = Mutex::new(places.where_neighbours_yield());
        Server { listener, house: Arc::new(House { name, limits, trust, places }) }
    }

    /// Serves until it is stopped; dropping it drops all connections.
    pub async fn serve(self, router: Router, stop: Stop) {
        let Server { listener, house } = self;
        let mut connections = JoinSet::new();
        let mut troubles = Troubles::default();
        // Whoever is sent away for another goes before many more are let in.
        let most = house.limits.connections.saturating_add(LEAVING);
        loop {
            tokio::select! {
                biased;
                () = stop.soft.cancelled() => break,
                Some(ended) = connections.join_next() => house.told(ended),
                () = sleep_until(troubles.until.unwrap_or_else(Instant::now)),
                    if troubles.until.is_some() => troubles.until = None,
                accepted = listener.accept(),
                    if troubles.until.is_none() && connections.len() < most => match accepted {
                    Ok((stream, peer)) => {
                        troubles.over();
                        if let Some(guest) = seat(&house, stream, peer, &stop.soft) {
                            connections.spawn(guest.serve(router.clone()));
                        }
                    }
                    Err(error) => troubles.met(house.name, &error),
                }
            }
        }
        drop(listener);
        tokio::select! {
            () = stop.hard.cancelled() => {}
            () = async { while let Some(ended) = connections.join_next().await {
                house.told(ended);
            } } => return,
        }
        let left = connections.len();
        connections.shutdown().await;
        tracing::warn!(listener = house.name, left, "requests were dropped to end in time");
    }
}

/// Gives a connection a place; `None` if there is none.
fn seat(
    house: &Arc<House>,
    stream: TcpStream,
    peer: SocketAddr,
    stop: &CancellationToken,
) -> Option<Guest> {
    // One that is gone already has none.
    let way = Way { from: peer, to: stream.local_addr().ok()? };
    let leave = stop.child_token();
    let watch = Arc::new(Watch::new());
    let seated = Seated { leave: leave.clone(), watch: watch.clone() };
    let entered = house.places().enter(peer.ip(), seated, |seated| seated.watch.rests());
    let (ticket, gone) = match entered {
        Ok(entered) => entered,
        Err(full) => {
            house.refused(peer, full.as_str());
            return None;
        }
    };
    gauge!("http_connections", "listener" => house.name).increment(1);
    if let Some(gone) = gone {
        counter!("http_closed_connections_total", "listener" => house.name, "why" => "displaced")
            .increment(1);
        gone.leave.cancel();
    }
    let seat = Seat { house: house.clone(), ticket, way, settled: AtomicBool::new(false) };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    Some(Guest { stream, visit: Visit(Arc::new(seat)), watch, leave, stop: stop.clone() })
}

impl House {
    fn told(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            counter!("http_closed_connections_total", "listener" => self.name, "why" => "panic")
                .increment(1);
            tracing::error!(listener = self.name, %error, "a request failed");
        }
    }
}

/// Connections that cannot be accepted: waited out, and not said too often.
#[derive(Debug, Default)]
struct Troubles {
    until: Option<Instant>,
    pause: Option<Duration>,
    said: Option<Instant>,
}

impl Troubles {
    fn met(&mut self, listener: &'static str, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            // It was that connection's own, and the next one may be better.
            return;
        }
        counter!("http_accept_errors_total", "listener" => listener).increment(1);
        let pause = self.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        let now = Instant::now();
        (self.pause, self.until) = (Some(pause), Some(now + pause));
        if self.said.is_none_or(|said| now.duration_since(said) >= SAID_EVERY) {
            self.said = Some(now);
            tracing::warn!(listener, %error, "no connection can be accepted");
        }
    }

    fn over(&mut self) {
        self.pause = None;
    }
}
