//! An outcome that is owed to an asker, and the state that handles and actors share.

use crate::request::affinity::AccountAffinity;
use crate::request::away::Away;
use crate::request::mailbox::Mailbox;
use crate::request::renewal::Renewal;
use domain::message::{CounterId, Instruction};
use domain::money::Amount;
use domain::serial::{Day, SubSerial};
use port::{NotSent, ReplyTo, RequestOutcome, Ticket, Unclear};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What every handle may read of one connection's actor without asking it, and the way to it.
#[derive(Debug)]
pub(crate) struct ConnectionHandle {
    pub(crate) counter: CounterId,
    /// Requests to the counter between [`ask`](port::Counter::ask) and a transport, whichever connection
    /// they wait for.
    pub(crate) queued: Arc<AtomicUsize>,
    /// Requests to the counter refused because the queue was full.
    pub(crate) busy: Arc<AtomicU64>,
    /// What the counter's connections agree on about new sessions.
    pub(crate) renewal: Renewal,
    /// Whether the counter is to be left alone.
    pub(crate) away: Away,
    /// Requests of this connection whose outcomes are owed: queued or in flight.
    load: AtomicUsize,
    takes: AtomicBool,
    up: AtomicBool,
    settle_day: AtomicU32,
    /// Minor units; 0 for none.
    limit: AtomicI64,
    /// The highest serial that the counter has seen, as it said last; 0 if it never did.
    highest_serial: AtomicU64,
    /// Microseconds from `made` on, and one, so that 0 is none.
    session_began: AtomicU64,
    /// The same of the newest session, open or not.
    newest_began: AtomicU64,
    made: Instant,
    reconnect: AtomicBool,
    release: AtomicBool,
    synced: AtomicBool,
    recheck: AtomicBool,
    moved: AtomicBool,
    /// A defect, made on purpose.
    #[cfg(test)]
    pub(crate) panic: AtomicBool,
    /// Where requests wait for its task, and what wakes it.
    pub(crate) mailbox: Mailbox<Queued>,
}

impl ConnectionHandle {
    pub(crate) fn new(counter: CounterId) -> ConnectionHandle {
        ConnectionHandle {
            counter,
            queued: Arc::new(AtomicUsize::new(0)),
            busy: Arc::new(AtomicU64::new(0)),
            load: AtomicUsize::new(0),
            takes: AtomicBool::new(false),
            up: AtomicBool::new(false),
            settle_day: AtomicU32::new(0),
            limit: AtomicI64::new(0),
            highest_serial: AtomicU64::new(0),
            session_began: AtomicU64::new(0),
            newest_began: AtomicU64::new(0),
            renewal: Renewal::default(),
            away: Away::default(),
            made: Instant::now(),
            reconnect: AtomicBool::new(false),
            release: AtomicBool::new(false),
            synced: AtomicBool::new(false),
            recheck: AtomicBool::new(false),
            moved: AtomicBool::new(false),
            #[cfg(test)]
            panic: AtomicBool::new(false),
            mailbox: Mailbox::default(),
        }
    }

    /// That of another connection of the same counter.
    pub(crate) fn sibling(&self) -> ConnectionHandle {
        ConnectionHandle {
            queued: Arc::clone(&self.queued),
            busy: Arc::clone(&self.busy),
            renewal: self.renewal.clone(),
            away: self.away.clone(),
            ..ConnectionHandle::new(self.counter.clone())
        }
    }

    /// The same, left alone while that says so.
    pub(crate) fn unless(self, away: Away) -> ConnectionHandle {
        ConnectionHandle { away, ..self }
    }

    /// The same, agreeing with others on new sessions.
    pub(crate) fn agreeing(self, renewal: Renewal) -> ConnectionHandle {
        ConnectionHandle { renewal, ..self }
    }

    /// How many outcomes are owed.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Whether requests may wait here, perhaps not written before a suspicion has ended.
    pub(crate) fn takes_requests(&self) -> bool {
        self.takes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_takes_requests(&self, takes: bool) {
        self.takes.store(takes, Ordering::Relaxed);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub(crate) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }

    pub(crate) fn settle_day(&self) -> Option<Day> {
        Day::new(self.settle_day.load(Ordering::Relaxed)).ok()
    }

    pub(crate) fn highest_serial(&self) -> Option<SubSerial> {
        SubSerial::from_number(self.highest_serial.load(Ordering::Relaxed)).ok()
    }

    pub(crate) fn set_highest_serial(&self, highest: SubSerial) {
        self.highest_serial.store(highest.number(), Ordering::Relaxed);
    }

    pub(crate) fn set_settle_day(&self, day: Day) {
        self.settle_day.store(day.number(), Ordering::Relaxed);
    }

    /// The largest single posting that both sides allow, by the last sign-on.
    pub(crate) fn limit(&self) -> Option<Amount> {
        Amount::new(self.limit.load(Ordering::Relaxed)).ok()
    }

    pub(crate) fn set_limit(&self, limit: Option<Amount>) {
        self.limit.store(limit.map_or(0, Amount::minor), Ordering::Relaxed);
    }

    /// Rounded down: rather before something else than after it.
    pub(crate) fn session_began(&self) -> Option<Instant> {
        self.moment(&self.session_began)
    }

    /// When the newest session began, whether or not it is still open; `None` before the first.
    pub(crate) fn newest_began(&self) -> Option<Instant> {
        self.moment(&self.newest_began)
    }

    fn moment(&self, of: &AtomicU64) -> Option<Instant> {
        let micros = of.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.made + Duration::from_micros(micros))
    }

    pub(crate) fn set_session_began(&self, at: Option<Instant>) {
        let micros = at.map_or(0, |at| {
            let since = at.saturating_duration_since(self.made).as_micros();
            u64::try_from(since).map_or(u64::MAX, |micros| micros.saturating_add(1))
        });
        self.session_began.store(micros, Ordering::Relaxed);
        if micros > 0 {
            self.newest_began.store(micros, Ordering::Relaxed);
        }
    }

    pub(crate) fn command(&self, command: Command) {
        self.flag(command).store(true, Ordering::Release);
        self.mailbox.ring();
    }

    /// Whether the command was given since the last look.
    pub(crate) fn take(&self, command: Command) -> bool {
        self.flag(command).swap(false, Ordering::Acquire)
    }

    fn flag(&self, command: Command) -> &AtomicBool {
        match command {
            Command::Reconnect => &self.reconnect,
            Command::Release => &self.release,
            Command::Synced => &self.synced,
            Command::Recheck => &self.recheck,
            Command::Move => &self.moved,
        }
    }
}

/// What a handle may tell the actor besides requests. Each is the same said once or ten times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Reconnect,
    Release,
    Synced,
    Recheck,
    /// Whether the counter is to be left alone has changed.
    Move,
}

impl Command {
    pub(crate) const ALL: [Command; 5] =
        [Command::Reconnect, Command::Release, Command::Synced, Command::Recheck, Command::Move];
}

/// An outcome that somebody waits for. Dropped without one, as when the task that held it panics,
/// it still delivers what is true of it by then.
#[derive(Debug)]
pub(crate) struct PendingReply {
    shared: Arc<ConnectionHandle>,
    ticket: Ticket,
    reply_to: Option<ReplyTo>,
    place: Place,
    /// Keeps its account on one connection while it is owed.
    affinity: Option<AccountAffinity>,
    moves: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Not a byte of it exists; it counts as queued.
    Queued,
    /// Bytes of it exist and may have left.
    Encoded,
}

impl PendingReply {
    /// Counts as queued from here on; the caller has made room for it.
    pub(crate) fn new(
        shared: &Arc<ConnectionHandle>,
        ticket: Ticket,
        reply_to: ReplyTo,
    ) -> PendingReply {
        shared.load.fetch_add(1, Ordering::Relaxed);
        PendingReply {
            shared: Arc::clone(shared),
            ticket,
            reply_to: Some(reply_to),
            place: Place::Queued,
            affinity: None,
            moves: 0,
        }
    }

    /// With what keeps its account on one connection.
    pub(crate) fn staying(mut self, affinity: Option<AccountAffinity>) -> PendingReply {
        self.affinity = affinity;
        self
    }

    /// It waits for another connection from here on.
    pub(crate) fn moved(&mut self, to: &Arc<ConnectionHandle>, affinity: Option<AccountAffinity>) {
        to.load.fetch_add(1, Ordering::Relaxed);
        self.shared.load.fetch_sub(1, Ordering::Relaxed);
        self.shared = Arc::clone(to);
        self.affinity = affinity;
        self.moves += 1;
    }

    /// How often it has moved.
    pub(crate) fn moves(&self) -> usize {
        self.moves
    }

    /// It leaves the queue: from here on its loss is unknown, not unsent.
    pub(crate) fn encoded(&mut self) {
        if self.place == Place::Queued {
            self.place = Place::Encoded;
            self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Delivers.
    pub(crate) fn settle(mut self, outcome: RequestOutcome) {
        self.deliver(outcome);
    }

    fn deliver(&mut self, outcome: RequestOutcome) {
        // Before the delivery: whoever learns of the outcome may ask again at once.
        self.encoded();
        if let Some(reply_to) = self.reply_to.take() {
            self.shared.load.fetch_sub(1, Ordering::Relaxed);
            self.affinity = None;
            reply_to.deliver(&self.shared.counter, self.ticket, outcome);
        }
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        match (&self.reply_to, self.place) {
            (None, _) => {}
            (Some(_), Place::Queued) => self.deliver(RequestOutcome::NotSent(NotSent::Stopping)),
            (Some(_), Place::Encoded) => self.deliver(RequestOutcome::Unknown(Unclear::LinkLost)),
        }
    }
}

/// A request that nothing has been written of.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) pending_reply: PendingReply,
    pub(crate) instruction: Instruction,
    pub(crate) deadline: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[test]
    fn what_is_dropped_still_delivers_once() {
        let shared = Arc::new(ConnectionHandle::new(CounterId::new("bank").expect("an id")));
        let (queue, mut outcomes) = mpsc::unbounded_channel();
        shared.queued.store(3, Ordering::Relaxed);
        let [queued, mut encoded, settled] =
            [1, 2, 3].map(|n| PendingReply::new(&shared, Ticket(n), ReplyTo::Queue(queue.clone())));
        drop(queued);
        encoded.encoded();
        drop(encoded);
        settled.settle(RequestOutcome::NotSent(NotSent::Expired));
        let mut next = || outcomes.try_recv().map(|delivery| (delivery.ticket.0, delivery.outcome));
        assert_eq!(next(), Ok((1, RequestOutcome::NotSent(NotSent::Stopping))));
        assert_eq!(next(), Ok((2, RequestOutcome::Unknown(Unclear::LinkLost))));
        assert_eq!(next(), Ok((3, RequestOutcome::NotSent(NotSent::Expired))));
        assert!(next().is_err());
        assert_eq!((shared.queued.load(Ordering::Relaxed), shared.load()), (0, 0));
    }

    #[test]
    fn what_moves_counts_where_it_is() {
        let shared = Arc::new(ConnectionHandle::new(CounterId::new("bank").expect("an id")));
        let other = Arc::new(shared.sibling());
        let (queue, _outcomes) = mpsc::unbounded_channel();
        shared.queued.store(1, Ordering::Relaxed);
        let mut pending_reply = PendingReply::new(&shared, Ticket(1), ReplyTo::Queue(queue));
        pending_reply.moved(&other, None);
        assert_eq!((shared.load(), other.load(), pending_reply.moves()), (0, 1, 1));
        assert_eq!(other.queued.load(Ordering::Relaxed), 1, "it still waits");
        drop(pending_reply);
        assert_eq!((other.load(), shared.queued.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn when_the_newest_session_began_is_known_after_its_end_too() {
        let shared = ConnectionHandle::new(CounterId::new("bank").expect("an id"));
        assert_eq!((shared.session_began(), shared.newest_began()), (None, None));
        for seconds in [5, 9] {
            let began = Some(shared.made + Duration::from_secs(seconds));
            shared.set_session_began(began);
            assert_eq!((shared.session_began(), shared.newest_began()), (began, began));
            shared.set_session_began(None);
            assert_eq!((shared.session_began(), shared.newest_began()), (None, began));
        }
    }

    #[test]
    fn the_limit_is_that_of_the_last_sign_on() {
        let shared = ConnectionHandle::new(CounterId::new("bank").expect("an id"));
        assert_eq!(shared.limit(), None);
        for limit in [Amount::new(500).ok(), Amount::new(700).ok(), None] {
            shared.set_limit(limit);
            assert_eq!(shared.limit(), limit);
        }
    }
}
