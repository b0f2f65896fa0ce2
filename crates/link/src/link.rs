//! The handle to one counter's link.

use crate::actor::{Actor, supervise};
use crate::addresses::Addresses;
use crate::ask::{Ask, NotSent, Outcome};
use crate::backoff::Backoff;
use crate::board::Board;
use crate::config::{Bounds, LinkConfig};
use crate::desk::{Common, Desk};
use crate::dial::{Dial, TcpDial};
use crate::door::Guest;
use crate::history::{History, now_micros};
use crate::intern::{NAMES, PROFILES, TIMERS};
use crate::lanes::{Exit, Lane, Lanes};
use crate::owed::{Command, Owed, Shared};
use crate::panel::Panel;
use crate::reception::Reception;
use crate::renewal::Sessions;
use crate::session::Setup;
use crate::session::greeting::Known;
use crate::status::Snapshot;
use crate::unmatched::Unmatched;
use crate::visitor::Visitor;
use domain::message::{CounterId, Instruction};
use domain::money::Amount;
use domain::profile::Profile;
use domain::serial::{Day, SubSerial};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use supervise::budget::Budget;
use supervise::task::{Task, watched};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::codec::{Codec, Parties};

/// A handle to the tasks that keep one counter's link, one for each connection; clones are the same
/// link. When the last one is dropped, the link ends as if it had been stopped.
#[derive(Clone, Debug)]
pub struct Link {
    lanes: Arc<Lanes>,
    bounds: Bounds,
    profile: Arc<Profile>,
    panel: Arc<Panel>,
    history: History,
    tasks: Arc<[Arc<Task>]>,
}

/// A request that nothing has been written of.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) owed: Owed,
    pub(crate) instruction: Instruction,
    pub(crate) deadline: Instant,
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

    /// The same for a counter that dials in: the guest is let in at a [`Door`]. Its addresses are
    /// not looked at.
    pub fn spawn_accepting(
        config: LinkConfig,
        unmatched: mpsc::Sender<Unmatched>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> (Link, Guest) {
        let connections = config.connections.max(1);
        // One may wait while another is being judged.
        let (channels, doors): (Vec<_>, Vec<_>) =
            (0..connections).map(|_| mpsc::channel(1)).unzip();
        let known = Known::of(&config);
        let dialect = config.dialect.clone();
        let parties = Parties { own: known.own_name.clone(), peer: known.counter.to_string() };
        let codec = Codec::new(dialect.clone(), parties);
        let dialler = TcpDial::new(&config.timers);
        let link = Link::spawn_lanes(dialler, config, unmatched, tasks, stop, doors);
        let gates = channels.iter().map(|_| Arc::default()).collect();
        (link, Guest { known, dialect, codec, channels, gates })
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
        doors: Vec<mpsc::Receiver<Visitor>>,
    ) -> Link {
        let LinkConfig {
            counter,
            addresses,
            connections,
            standby,
            tls: _,
            certificate_name: _,
            hours,
            dialect,
            own_name,
            keys,
            profile,
            timers,
            bounds,
            history,
            outages,
            leave,
        } = config;
        let connections = connections.max(1);
        let profile = PROFILES.one(profile);
        let shared = Shared::new(counter.clone());
        let codec = Codec::new(
            dialect,
            Parties { own: own_name.clone(), peer: counter.as_str().to_owned() },
        );
        let setup = Arc::new(Setup {
            counter,
            own_name: NAMES.one(own_name),
            codec,
            keys,
            profile: Arc::clone(&profile),
            timers: TIMERS.one(timers),
            bounds: bounds.clone(),
        });
        let first_id = u64::try_from(now_micros()).unwrap_or(0);
        let common = Arc::new(Common::new(first_id));
        let all = (0..connections).map(|_| Lane { shared: Arc::new(shared.sibling()) });
        let lanes = Arc::new(Lanes::new(all.collect(), standby));
        let first = Arc::clone(&lanes.first().shared);
        let panel = Arc::new(Panel::new(first, connections, now_micros()));
        let mut doors = doors.into_iter();
        let mut watched_tasks = Vec::with_capacity(usize::from(connections));
        for channel in 0..connections {
            let index = usize::from(channel);
            let shared = &lanes.get(index).shared;
            let board = Board::new(
                Arc::clone(shared),
                history.clone(),
                unmatched.clone(),
                Arc::clone(&panel),
                channel,
                Instant::now(),
            );
            let common = Arc::clone(&common);
            let reach = Arc::downgrade(shared);
            let name = match connections {
                1 => format!("link {}", shared.counter),
                _ => format!("link {}, connection {}", shared.counter, channel + 1),
            };
            // The bell wakes it, and there is nothing to hear.
            let task = Arc::new(Task::new(name).knocked_by(move || {
                if let Some(shared) = reach.upgrade() {
                    shared.mailbox.ring();
                }
            }));
            watched_tasks.push(Arc::clone(&task));
            tasks.spawn(watched(
                task,
                supervise(Box::new(Actor {
                    setup: Arc::clone(&setup),
                    channel,
                    addresses: Addresses::new(addresses.clone()),
                    dialler: dialler.clone(),
                    hours: hours.clone(),
                    door: doors.next(),
                    next: None,
                    outages: outages.clone(),
                    leave: leave.clone(),
                    reception: Reception::new(
                        Arc::clone(shared),
                        stop.clone(),
                        Exit { lanes: Arc::downgrade(&lanes), from: index },
                    ),
                    desk: if connections > 1 {
                        Desk::beside_others(common)
                    } else {
                        Desk::of(common)
                    },
                    board,
                    backoff: Backoff::default(),
                    panics: Budget::default(),
                    begun: Instant::now(),
                    ended: None,
                })),
            ));
        }
        Link { lanes, bounds, profile, panel, history, tasks: watched_tasks.into() }
    }

    /// Asks. Never blocks; the outcome is delivered exactly once, at once if the queue is full
    /// ([`NotSent::Busy`]), no session is open ([`NotSent::Down`]) or the link is stopping.
    pub fn ask(&self, ask: Ask) {
        if let Some((lane, queued)) = self.admit(ask) {
            self.lanes.get(lane).shared.mailbox.post(queued);
        }
    }

    /// Asks all, waking each connection once.
    pub fn ask_all(&self, asks: impl IntoIterator<Item = Ask>) {
        let admitted = asks.into_iter().filter_map(|ask| self.admit(ask));
        if self.lanes.len() == 1 {
            let all: Vec<Queued> = admitted.map(|(_, queued)| queued).collect();
            if !all.is_empty() {
                self.lanes.first().shared.mailbox.post_all(all);
            }
            return;
        }
        let mut mails: Vec<Vec<Queued>> = (0..self.lanes.len()).map(|_| Vec::new()).collect();
        admitted.for_each(|(lane, queued)| mails[lane].push(queued));
        for (lane, queued) in mails.into_iter().enumerate() {
            if !queued.is_empty() {
                self.lanes.get(lane).shared.mailbox.post_all(queued);
            }
        }
    }

    /// Where the link stands, always whole, and at most a quarter of a second old while a
    /// session is open.
    pub fn snapshot(&self) -> Snapshot {
        self.panel.snapshot()
    }

    /// The same, and whatever comes; until the link has ended. Memory is held for it only while
    /// somebody holds a receiver.
    pub fn status(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.panel.follow()
    }

    /// What happened lately.
    pub fn events(&self) -> &History {
        &self.history
    }

    /// The tasks that keep its connections, one for each.
    pub fn tasks(&self) -> &[Arc<Task>] {
        &self.tasks
    }

    /// Whom it talks to.
    pub fn counter(&self) -> &CounterId {
        &self.lanes.first().shared.counter
    }

    /// The configured profile, which every session's counter has confirmed.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// How much of everything the link takes.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The counter's accounting day as last heard; `None` until it has ever signed on. Days go
    /// forward: of several connections, the one that heard the newest is right.
    pub fn settle_day(&self) -> Option<Day> {
        let open = self.lanes.shared().filter(|shared| shared.session_began().is_some());
        let newest = open.filter_map(|shared| shared.settle_day()).max();
        newest.or_else(|| self.lanes.shared().filter_map(|shared| shared.settle_day()).max())
    }

    /// The largest single posting that the counter takes: the smaller of what is configured and what
    /// it declared at sign-on, on any connection. `None` for any amount.
    pub fn per_transfer_limit(&self) -> Option<Amount> {
        let declared = self.lanes.shared().filter_map(|shared| shared.limit()).min();
        [declared, self.profile().per_transfer_limit].into_iter().flatten().min()
    }

    /// The highest of our serials that the counter has seen within its query horizon, as it said at
    /// the last sign-on on any of the connections; `None` if it never said.
    pub fn highest_serial(&self) -> Option<SubSerial> {
        let told = self.lanes.shared().filter_map(|shared| shared.highest_serial());
        told.max_by_key(|serial| serial.number())
    }

    /// When the oldest of the open sessions began; `None` while none is open. What was sent before
    /// that was sent on a connection that is gone.
    pub fn session_began(&self) -> Option<Instant> {
        self.lanes.shared().filter_map(|shared| shared.session_began()).min()
    }

    /// When the newest sessions of all connections began, open or not; `None` until each has had one.
    /// What was sent before the oldest of them is not taken in any more from the youngest on
    /// (docs/peers/counter.md, Sign-on).
    pub fn sessions(&self) -> Option<Sessions> {
        Sessions::of(self.lanes.shared().map(|shared| shared.newest_began()))
    }

    /// Ends in order every session that did not begin after that, so that a new one follows: one
    /// connection after another, and none whose session is younger than
    /// [`Timers::renewal`](crate::config::Timers::renewal). Said again, it is the same.
    pub fn renew_sessions(&self, after: Instant) {
        let shared = &self.lanes.first().shared;
        shared.renewal.want(after);
        self.lanes.shared().for_each(|shared| shared.mailbox.ring());
    }

    /// Waits until [`Link::session_began`] is something else than `known`. Whether it is: once the
    /// link has ended it will not be.
    pub async fn session_changes(&self, known: Option<Instant>) -> bool {
        loop {
            let mut change = pin!(self.panel.session_change());
            // From here on none is missed.
            change.as_mut().enable();
            if self.session_began() != known {
                return true;
            }
            if self.panel.has_ended() {
                return false;
            }
            change.await;
        }
    }

    /// Waits until [`Link::session_began`] or [`Link::highest_serial`] is something else than `known`.
    /// Whether it is: once the link has ended it will not be.
    pub async fn sign_on_changes(&self, known: (Option<Instant>, Option<SubSerial>)) -> bool {
        loop {
            let mut change = pin!(self.panel.session_change());
            // From here on none is missed.
            change.as_mut().enable();
            if (self.session_began(), self.highest_serial()) != known {
                return true;
            }
            if self.panel.has_ended() {
                return false;
            }
            change.await;
        }
    }

    /// Whether new work is taken: a session is open, it is not still asking about what the last
    /// one left unknown, and the counter is not suspected dead.
    pub fn is_up(&self) -> bool {
        self.lanes.shared().any(|shared| shared.is_up())
    }

    /// Whether as much waits for its outcome as the windows of all connections and half of the queue
    /// hold. The other half is for second legs of what has been begun, and for questions.
    pub fn is_crowded(&self) -> bool {
        let load: usize = self.lanes.shared().map(|shared| shared.load()).sum();
        let window = self.bounds.in_flight.min(self.profile.max_in_flight);
        load >= usize::from(window) * self.lanes.len() + self.bounds.queued / 2
    }

    /// Ends the waits between two attempts now; nothing if the link is not waiting.
    pub fn reconnect_now(&self) {
        self.command(Command::Reconnect);
    }

    /// Lets a link that is [`crate::status::State::Held`] try again, its rejections forgotten.
    pub fn release(&self) {
        self.command(Command::Release);
    }

    /// Looks whether the counter's key and certificate are still believed, as they are now; a session
    /// that was opened by another key, or with a certificate whose authority is none any more, is left
    /// in order.
    pub fn recheck(&self) {
        self.command(Command::Recheck);
    }

    /// Says that everything that the last drop left unknown has been asked about, which ends
    /// [`crate::status::State::Syncing`]. Without it the link finds out by itself, later.
    pub fn synced(&self) {
        self.command(Command::Synced);
    }

    /// Makes the task of the first connection panic.
    #[cfg(test)]
    fn panic_now(&self) {
        let shared = &self.lanes.first().shared;
        shared.panic.store(true, Ordering::Relaxed);
        shared.mailbox.ring();
    }

    fn command(&self, command: Command) {
        self.lanes.shared().for_each(|shared| shared.command(command));
    }

    /// Takes a place in the queue of a connection, or delivers [`NotSent::Busy`].
    fn admit(&self, ask: Ask) -> Option<(usize, Queued)> {
        let Ask { ticket, instruction, deadline, reply_to } = ask;
        let counters = &self.lanes.first().shared;
        let taken = counters.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |queued| {
            (queued < self.bounds.queued).then_some(queued + 1)
        });
        if taken.is_err() {
            counters.busy.fetch_add(1, Ordering::Relaxed);
            reply_to.deliver(&counters.counter, ticket, Outcome::NotSent(NotSent::Busy));
            return None;
        }
        let (lane, stay) = self.lanes.choose(&instruction);
        let owed = Owed::new(&self.lanes.get(lane).shared, ticket, reply_to).staying(stay);
        Some((lane, Queued { owed, instruction, deadline }))
    }
}

#[cfg(test)]
mod tests;
