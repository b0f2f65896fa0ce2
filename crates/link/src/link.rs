//! The handle to one counter's link.

use crate::actor::{Actor, supervise};
use crate::config::LinkConfig;
use crate::inbound::acceptor::InboundPeer;
use crate::inbound::authenticated::AuthenticatedConnection;
use crate::io::dial::{Dial, TcpDial};
use crate::reconnect::addresses::Addresses;
use crate::reconnect::backoff::Backoff;
use crate::report::connection_status::ConnectionStatus;
use crate::report::status_aggregate::StatusAggregate;
use crate::request::intern::{NAMES, PROFILES, TIMERS};
use crate::request::pending_reply::{Command, ConnectionHandle, PendingReply, Queued};
use crate::request::pool::{ConnectionPool, Exit, PooledConnection};
use crate::request::reception::Reception;
use crate::request::send_queue::{CounterShared, SendQueue};
use crate::session::Setup;
use crate::spelling;
use domain::message::CounterId;
use domain::money::Amount;
use domain::profile::Profile;
use domain::serial::{Day, SubSerial};
use port::history::History;
use port::status::Snapshot;
use port::{
    Ask, Bounds, Counter, LastSignOn, NotSent, RequestOutcome, Sessions, Spelled, Spoken, Unmatched,
};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use supervise::budget::Budget;
use supervise::clock::now_micros;
use supervise::task::{Task, watched};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::codec::{Codec, Parties};
use wire::dialect::Dialect;

/// A handle to the tasks that keep one counter's link, one for each connection; clones are the same
/// link. When the last one is dropped, the link ends as if it had been stopped.
#[derive(Clone, Debug)]
pub struct Link {
    pool: Arc<ConnectionPool>,
    bounds: Bounds,
    profile: Arc<Profile>,
    status_aggregate: Arc<StatusAggregate>,
    history: History,
    tasks: Arc<[Arc<Task>]>,
    dialect: Dialect,
    own_name: Arc<String>,
}

/// What all sessions of a link have in common. What many links have alike is kept once.
fn setup_of(config: &LinkConfig) -> Setup {
    let LinkConfig { counter, dialect, own_name, keys, profile, timers, bounds, .. } = config;
    let parties = Parties { own: own_name.clone(), peer: counter.as_str().to_owned() };
    Setup {
        counter: counter.clone(),
        own_name: NAMES.one(own_name.clone()),
        codec: Codec::new(dialect.clone(), parties),
        keys: keys.clone(),
        profile: PROFILES.one(profile.clone()),
        timers: TIMERS.one(timers.clone()),
        bounds: bounds.clone(),
    }
}

/// A connection's task, as others watch it: its bell wakes it, and there is nothing to hear.
fn knocked_by_its_bell(name: String, shared: &Arc<ConnectionHandle>) -> Arc<Task> {
    let reach = Arc::downgrade(shared);
    Arc::new(Task::new(name).knocked_by(move || {
        if let Some(shared) = reach.upgrade() {
            shared.mailbox.ring();
        }
    }))
}

impl Link {
    /// Starts the link's tasks on `tasks`, over TCP. It dials until `stop`, then ends in order: what
    /// is in flight is waited for, then the session is signed off. What the counter says unasked
    /// goes to `unmatched`; what does not fit there is counted and logged.
    pub fn spawn(
        config: LinkConfig,
        unmatched: mpsc::Sender<Unmatched>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Link {
        let dialler = TcpDial::new(&config.timers).secured(config.tls.clone());
        Link::spawn_over(dialler, config, unmatched, tasks, stop)
    }

    /// The same for a counter that dials in: the peer is let in at an [`Acceptor`](crate::Acceptor). Its addresses are
    /// not looked at.
    pub fn spawn_accepting(
        config: LinkConfig,
        unmatched: mpsc::Sender<Unmatched>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> (Link, InboundPeer) {
        let connections = config.connections.max(1);
        // One may wait while another is being judged.
        let (channels, acceptors): (Vec<_>, Vec<_>) =
            (0..connections).map(|_| mpsc::channel(1)).unzip();
        let known = config.known();
        let dialect = config.dialect.clone();
        let parties = Parties { own: known.own_name.clone(), peer: known.counter.to_string() };
        let codec = Codec::new(dialect.clone(), parties);
        let dialler = TcpDial::new(&config.timers);
        let link = Link::spawn_lanes(dialler, config, unmatched, tasks, stop, acceptors);
        let gates = channels.iter().map(|_| Arc::default()).collect();
        (link, InboundPeer { known, dialect, codec, channels, gates })
    }

    /// The same as [`Link::spawn`] over transports that `dialler` opens.
    pub fn spawn_over<D: Dial + Clone>(
        dialler: D,
        config: LinkConfig,
        unmatched: mpsc::Sender<Unmatched>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Link {
        Link::spawn_lanes(dialler, config, unmatched, tasks, stop, Vec::new())
    }

    // Each connection gets a clone; taking references here and values above would only be odd.
    #[allow(clippy::needless_pass_by_value)]
    fn spawn_lanes<D: Dial + Clone>(
        dialler: D,
        config: LinkConfig,
        unmatched: mpsc::Sender<Unmatched>,
        tasks: &TaskTracker,
        stop: CancellationToken,
        acceptors: Vec<mpsc::Receiver<AuthenticatedConnection>>,
    ) -> Link {
        let setup = Arc::new(setup_of(&config));
        let (dialect, own_name) = (config.dialect.clone(), Arc::clone(&setup.own_name));
        let (profile, shared) = (
            Arc::clone(&setup.profile),
            ConnectionHandle::new(setup.counter.clone()).unless(config.away.clone()),
        );
        let LinkConfig {
            addresses,
            connections,
            standby,
            hours,
            bounds,
            history,
            outages,
            leave,
            ..
        } = config;
        let connections = connections.max(1);
        let first_id = u64::try_from(now_micros()).unwrap_or(0);
        let common = Arc::new(CounterShared::new(first_id));
        let send_queue = || match connections {
            1 => SendQueue::of(Arc::clone(&common)),
            _ => SendQueue::beside_others(Arc::clone(&common)),
        };
        let all = (0..connections).map(|_| PooledConnection { shared: Arc::new(shared.sibling()) });
        let pool = Arc::new(ConnectionPool::new(all.collect(), standby));
        let first = Arc::clone(&pool.first().shared);
        let status_aggregate = Arc::new(StatusAggregate::new(first, connections, now_micros()));
        let mut acceptors = acceptors.into_iter();
        let mut watched_tasks = Vec::with_capacity(usize::from(connections));
        for channel in 0..connections {
            let index = usize::from(channel);
            let shared = &pool.get(index).shared;
            let connection_status = ConnectionStatus::new(
                Arc::clone(shared),
                history.clone(),
                unmatched.clone(),
                Arc::clone(&status_aggregate),
                channel,
                Instant::now(),
            );
            let name = match connections {
                1 => format!("link {}", shared.counter),
                _ => format!("link {}, connection {}", shared.counter, channel + 1),
            };
            let task = knocked_by_its_bell(name, shared);
            watched_tasks.push(Arc::clone(&task));
            tasks.spawn(watched(
                task,
                supervise(Box::new(Actor {
                    setup: Arc::clone(&setup),
                    channel,
                    addresses: Addresses::new(addresses.clone()),
                    dialler: dialler.clone(),
                    hours: hours.clone(),
                    acceptor: acceptors.next(),
                    next: None,
                    outages: outages.clone(),
                    leave: leave.clone(),
                    reception: Reception::new(
                        Arc::clone(shared),
                        stop.clone(),
                        Exit { pool: Arc::downgrade(&pool), from: index },
                    ),
                    send_queue: send_queue(),
                    connection_status,
                    backoff: Backoff::default(),
                    panics: Budget::default(),
                    begun: Instant::now(),
                    ended: None,
                })),
            ));
        }
        let tasks = watched_tasks.into();
        Link { pool, bounds, profile, status_aggregate, history, tasks, dialect, own_name }
    }

    /// Says that everything that the last drop left unknown has been asked about, which ends
    /// [`port::status::State::Syncing`]. Without it the link finds out by itself, later.
    pub fn synced(&self) {
        self.command(Command::Synced);
    }

    /// Makes the task of the first connection panic.
    #[cfg(test)]
    fn panic_now(&self) {
        let shared = &self.pool.first().shared;
        shared.panic.store(true, Ordering::Relaxed);
        shared.mailbox.ring();
    }

    fn command(&self, command: Command) {
        self.pool.shared().for_each(|shared| shared.command(command));
    }

    /// Takes a place in the queue of a connection, or delivers [`NotSent::Busy`].
    fn admit(&self, ask: Ask) -> Option<(usize, Queued)> {
        let Ask { ticket, instruction, deadline, reply_to } = ask;
        let counters = &self.pool.first().shared;
        let taken = counters.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |queued| {
            (queued < self.bounds.queued).then_some(queued + 1)
        });
        if taken.is_err() {
            counters.busy.fetch_add(1, Ordering::Relaxed);
            reply_to.deliver(&counters.counter, ticket, RequestOutcome::NotSent(NotSent::Busy));
            return None;
        }
        let (pooled, affinity) = self.pool.choose(&instruction);
        let pending_reply =
            PendingReply::new(&self.pool.get(pooled).shared, ticket, reply_to).staying(affinity);
        Some((pooled, Queued { pending_reply, instruction, deadline }))
    }
}

impl Counter for Link {
    fn id(&self) -> &CounterId {
        &self.pool.first().shared.counter
    }

    fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Days go forward: of several connections, the one that heard the newest is right.
    fn settle_day(&self) -> Option<Day> {
        let open = self.pool.shared().filter(|shared| shared.session_began().is_some());
        let newest = open.filter_map(|shared| shared.settle_day()).max();
        newest.or_else(|| self.pool.shared().filter_map(|shared| shared.settle_day()).max())
    }

    /// The smaller of what is configured and what it declared at sign-on, on any connection.
    fn per_transfer_limit(&self) -> Option<Amount> {
        let declared = self.pool.shared().filter_map(|shared| shared.limit()).min();
        [declared, self.profile().per_transfer_limit].into_iter().flatten().min()
    }

    fn highest_serial(&self) -> Option<SubSerial> {
        let told = self.pool.shared().filter_map(|shared| shared.highest_serial());
        told.max_by_key(|serial| serial.number())
    }

    /// Of the open sessions, the oldest.
    fn session_began(&self) -> Option<Instant> {
        self.pool.shared().filter_map(|shared| shared.session_began()).min()
    }

    fn sessions(&self) -> Option<Sessions> {
        Sessions::of(self.pool.shared().map(|shared| shared.newest_began()))
    }

    /// One connection after another, and none whose session is younger than
    /// [`Timers::renewal`](crate::timers::Timers::renewal).
    fn renew_sessions(&self, after: Instant) {
        let shared = &self.pool.first().shared;
        shared.renewal.want(after);
        self.pool.shared().for_each(|shared| shared.mailbox.ring());
    }

    fn sign_on_changes(
        &self,
        known: LastSignOn,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async move {
            loop {
                let mut change = pin!(self.status_aggregate.session_change());
                // From here on none is missed.
                change.as_mut().enable();
                if self.last_sign_on() != known {
                    return true;
                }
                if self.status_aggregate.has_ended() {
                    return false;
                }
                change.await;
            }
        })
    }

    /// A session is open, it is not still asking about what the last one left unknown, and the counter is
    /// not suspected dead.
    fn is_up(&self) -> bool {
        self.pool.shared().any(|shared| shared.is_up())
    }

    /// The windows of all connections and half of the queue: the other half is for second legs.
    fn is_crowded(&self) -> bool {
        let load: usize = self.pool.shared().map(|shared| shared.load()).sum();
        let window = self.bounds.in_flight.min(self.profile.max_in_flight);
        load >= usize::from(window) * self.pool.len() + self.bounds.queued / 2
    }

    /// Wakes each connection once.
    fn ask_all(&self, asks: Vec<Ask>) {
        let admitted = asks.into_iter().filter_map(|ask| self.admit(ask));
        if self.pool.len() == 1 {
            let all: Vec<Queued> = admitted.map(|(_, queued)| queued).collect();
            if !all.is_empty() {
                self.pool.first().shared.mailbox.post_all(all);
            }
            return;
        }
        let mut mails: Vec<Vec<Queued>> = (0..self.pool.len()).map(|_| Vec::new()).collect();
        admitted.for_each(|(pooled, queued)| mails[pooled].push(queued));
        for (pooled, queued) in mails.into_iter().enumerate() {
            if !queued.is_empty() {
                self.pool.get(pooled).shared.mailbox.post_all(queued);
            }
        }
    }

    fn ask(&self, ask: Ask) {
        if let Some((pooled, queued)) = self.admit(ask) {
            self.pool.get(pooled).shared.mailbox.post(queued);
        }
    }

    /// At most a quarter of a second old while a session is open.
    fn snapshot(&self) -> Snapshot {
        self.status_aggregate.snapshot()
    }

    /// Memory is held for it only while somebody holds a receiver.
    fn follow(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.status_aggregate.follow()
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn tasks(&self) -> &[Arc<Task>] {
        &self.tasks
    }

    fn reconnect_now(&self) {
        self.command(Command::Reconnect);
    }

    fn release(&self) {
        self.command(Command::Release);
    }

    fn recheck(&self) {
        self.command(Command::Recheck);
    }

    fn leave(&self) {
        if self.pool.first().shared.away.set(true) {
            self.command(Command::Move);
        }
    }

    fn come_back(&self) {
        if self.pool.first().shared.away.set(false) {
            self.command(Command::Move);
        }
    }

    fn spelled(&self, message: Spoken<'_>) -> Spelled {
        spelling::spelled(&self.dialect, &self.own_name, self.id(), message)
    }
}

#[cfg(test)]
mod tests;
