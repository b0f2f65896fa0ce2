//! The handle to one counter's link.

use crate::actor::{Actor, supervise};
use crate::ask::{Ask, NotSent, Outcome};
use crate::backoff::Backoff;
use crate::board::Board;
use crate::config::{Bounds, LinkConfig};
use crate::desk::Desk;
use crate::dial::{Dial, TcpDial};
use crate::history::{History, now_micros};
use crate::owed::{Command, Owed, Shared};
use crate::reception::Reception;
use crate::session::Setup;
use crate::status::Snapshot;
use crate::unmatched::Unmatched;
use domain::message::{CounterId, Instruction};
use domain::profile::Profile;
use domain::serial::Day;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::codec::{Codec, Parties};

/// A handle to the task that keeps one counter's link; clones are the same link. When the last one
/// is dropped, the link ends as if it had been stopped.
#[derive(Clone, Debug)]
pub struct Link {
    shared: Arc<Shared>,
    mailbox: mpsc::Sender<Mail>,
    bounds: Bounds,
    profile: Arc<Profile>,
    status: watch::Receiver<Arc<Snapshot>>,
    history: History,
}

/// What travels to the actor.
#[derive(Debug)]
pub(crate) enum Mail {
    One(Queued),
    Many(Vec<Queued>),
}

/// A request that nothing has been written of.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) owed: Owed,
    pub(crate) instruction: Instruction,
    pub(crate) deadline: Instant,
}

impl Link {
    /// Starts the link's task on `tasks`, over TCP. It dials until `stop`, then ends in order: what
    /// is in flight is waited for, then the session is signed off. What the counter says unasked
    /// goes to `unmatched`; what does not fit there is counted and logged.
    pub fn spawn(
        config: LinkConfig,
        unmatched: mpsc::Sender<Unmatched>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Link {
        let dialler = TcpDial::new(&config.timers);
        Link::spawn_over(dialler, config, unmatched, tasks, stop)
    }

    /// The same over transports that `dialler` opens.
    pub fn spawn_over<D: Dial>(
        dialler: D,
        config: LinkConfig,
        unmatched: mpsc::Sender<Unmatched>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Link {
        let LinkConfig {
            counter,
            addresses,
            dialect,
            own_name,
            key,
            profile,
            timers,
            bounds,
            history,
        } = config;
        let profile = Arc::new(profile);
        let shared = Arc::new(Shared::new(counter.clone()));
        // As many mails as requests may be queued: whoever found room in the queue finds it here.
        let (mailbox, mails) = mpsc::channel(bounds.queued.max(1));
        let board = Board::new(Arc::clone(&shared), history.clone(), unmatched, Instant::now());
        let status = board.subscribe();
        let codec = Codec::new(
            dialect,
            Parties { own: own_name.clone(), peer: counter.as_str().to_owned() },
        );
        let setup = Setup {
            counter,
            own_name,
            key,
            profile: Arc::clone(&profile),
            timers,
            bounds: bounds.clone(),
        };
        let first_id = u64::try_from(now_micros()).unwrap_or(0);
        tasks.spawn(supervise(Actor {
            setup: Arc::new(setup),
            codec,
            addresses,
            first_address: 0,
            dialler,
            reception: Reception {
                shared: Arc::clone(&shared),
                mailbox: mails,
                mails: Vec::new(),
                stop,
            },
            desk: Desk::new(first_id),
            board,
            backoff: Backoff::default(),
            rng: rand::make_rng(),
            ended: None,
        }));
        Link { shared, mailbox, bounds, profile, status, history }
    }

    /// Asks. Never blocks; the outcome is delivered exactly once, at once if the queue is full
    /// ([`NotSent::Busy`]), no session is open ([`NotSent::Down`]) or the link is stopping.
    pub fn ask(&self, ask: Ask) {
        if let Some(queued) = self.admit(ask) {
            self.post(Mail::One(queued));
        }
    }

    /// Asks all, waking the link once.
    pub fn ask_all(&self, asks: impl IntoIterator<Item = Ask>) {
        let queued: Vec<Queued> = asks.into_iter().filter_map(|ask| self.admit(ask)).collect();
        if !queued.is_empty() {
            self.post(Mail::Many(queued));
        }
    }

    /// Where the link stands, always whole, and at most a quarter of a second old while a
    /// session is open.
    pub fn status(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.status.clone()
    }

    /// What happened lately.
    pub fn events(&self) -> &History {
        &self.history
    }

    /// Whom it talks to.
    pub fn counter(&self) -> &CounterId {
        &self.shared.counter
    }

    /// The configured profile, which every session's counter has confirmed.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// How much of everything the link takes.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The counter's accounting day as last heard; `None` until it has ever signed on.
    pub fn settle_day(&self) -> Option<Day> {
        self.shared.settle_day()
    }

    /// When the open session began, in microseconds since 1970 UTC; `None` while none is open.
    pub fn session_began(&self) -> Option<i64> {
        self.shared.session_began()
    }

    /// Whether new work is taken: a session is open, it is not still asking about what the last
    /// one left unknown, and the counter is not suspected dead.
    pub fn is_up(&self) -> bool {
        self.shared.is_up()
    }

    /// Ends a wait between two attempts now; nothing if the link is not waiting.
    pub fn reconnect_now(&self) {
        self.shared.command(Command::Reconnect);
    }

    /// Lets a link that is [`crate::status::State::Held`] try again, its rejections forgotten.
    pub fn release(&self) {
        self.shared.command(Command::Release);
    }

    /// Says that everything that the last drop left unknown has been asked about, which ends
    /// [`crate::status::State::Syncing`]. Without it the link finds out by itself, later.
    pub fn synced(&self) {
        self.shared.command(Command::Synced);
    }

    /// Takes a place in the queue, or delivers [`NotSent::Busy`].
    fn admit(&self, ask: Ask) -> Option<Queued> {
        let Ask { ticket, instruction, deadline, reply_to } = ask;
        let taken =
            self.shared.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |queued| {
                (queued < self.bounds.queued).then_some(queued + 1)
            });
        if taken.is_err() {
            self.shared.busy.fetch_add(1, Ordering::Relaxed);
            reply_to.deliver(&self.shared.counter, ticket, Outcome::NotSent(NotSent::Busy));
            return None;
        }
        let owed = Owed::new(&self.shared, ticket, reply_to);
        Some(Queued { owed, instruction, deadline })
    }

    fn post(&self, mail: Mail) {
        // Never full, see `spawn`. If the actor has ended, the mail is dropped and every request
        // in it delivers `NotSent(Stopping)`.
        drop(self.mailbox.try_send(mail));
    }
}

#[cfg(test)]
mod tests;
