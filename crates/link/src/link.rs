//! The handle to one counter's link.

use crate::ask::{Ask, NotSent, Outcome, ReplyTo, Ticket};
use crate::config::LinkConfig;
use crate::history::History;
use crate::owed::{Command, Owed, Shared};
use crate::status::{Counts, Health, Snapshot};
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

/// A handle to the task that keeps one counter's link; clones are the same link. When the last one
/// is dropped, the link ends as if it had been stopped.
#[derive(Clone, Debug)]
pub struct Link {
    shared: Arc<Shared>,
    mailbox: mpsc::Sender<Mail>,
    queue_bound: usize,
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
    /// Starts the link's task on `tasks`. It dials until `stop`, then ends in order: what is in
    /// flight is waited for, then the session is signed off. What the counter says unasked goes to
    /// `unmatched`; if that is full, it is counted and warned of.
    pub fn spawn(
        config: LinkConfig,
        unmatched: mpsc::Sender<Unmatched>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Link {
        let shared = Arc::new(Shared::new(config.counter.clone()));
        // As many mails as requests may be queued: whoever found room in the queue finds it here.
        let (mailbox, mut mails) = mpsc::channel(config.bounds.queued.max(1));
        let (_publish, status) = watch::channel(Arc::new(Snapshot {
            counter: config.counter.clone(),
            health: Health::Down,
            settle_day: None,
            open: false,
            connections: Vec::new(),
            queued: 0,
            in_flight: 0,
            counts: Counts::default(),
        }));
        let link = Link {
            shared,
            mailbox,
            queue_bound: config.bounds.queued,
            profile: Arc::new(config.profile.clone()),
            status,
            history: config.history.clone(),
        };
        tasks.spawn(async move {
            let _unmatched = unmatched;
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    mail = mails.recv() => {
                        let queued = match mail {
                            None => break,
                            Some(Mail::One(queued)) => vec![queued],
                            Some(Mail::Many(queued)) => queued,
                        };
                        for queued in queued {
                            queued.owed.settle(Outcome::NotSent(NotSent::Down));
                        }
                    }
                }
            }
        });
        link
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

    /// Where the link stands, always whole; at most a quarter of a second old.
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
                (queued < self.queue_bound).then_some(queued + 1)
            });
        match taken {
            Ok(_) => {
                let owed = Owed::new(&self.shared, ticket, reply_to);
                Some(Queued { owed, instruction, deadline })
            }
            Err(_) => {
                self.refuse(ticket, reply_to);
                None
            }
        }
    }

    fn refuse(&self, ticket: Ticket, reply_to: ReplyTo) {
        self.shared.busy.fetch_add(1, Ordering::Relaxed);
        reply_to.deliver(&self.shared.counter, ticket, Outcome::NotSent(NotSent::Busy));
    }

    fn post(&self, mail: Mail) {
        // Never full, see `spawn`. If the actor has ended, the mail is dropped and every request
        // in it delivers `NotSent(Stopping)`.
        drop(self.mailbox.try_send(mail));
    }
}
