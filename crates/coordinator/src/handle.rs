//! What the API holds: begins transfers, shows them, takes operators' decisions.

use crate::actor::{Actor, Mail, world};
use crate::clock::now_micros;
use crate::config::Config;
use crate::events::{Events, Kind};
use crate::record::{Rendered, Told, View};
use crate::recovery;
use crate::serials::Serials;
use crate::shard::{DecideRefused, Input, Render, Shard};
use crate::world::CounterIndex;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use domain::message::{CounterId, Instruction, Place, Reply};
use domain::money::{Amount, Currency};
use domain::serial::{Day, MasterSerial, Sequence};
use domain::transfer::{Decision, Illegal};
use link::{Ask, Link, Outcome, ReplyTo, Ticket, Unmatched};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use store::{Journal, JournalHealth, ListFilter, NewTransfer, Store, StoreError, Stored};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Mails that may wait for one shard: about 50 ms of work. More is refused at once.
const MAILBOX: usize = 4096;
/// How long a caller waits for the record beyond its own patience. The journal answers within
/// this, or the database fails.
const RECORD_WITHIN: Duration = Duration::from_secs(10);
/// Late answers that may wait to be compared with the record.
const LATE: usize = 4096;

/// An app and its idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) app: Arc<str>,
    pub(crate) idempotency_key: Arc<str>,
}

/// A transfer that is open under a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    pub(crate) master: MasterSerial,
    pub(crate) fingerprint: [u8; 32],
}

impl Running {
    /// Why nothing is begun under its key.
    fn refusal(&self, begin: &Begin) -> BeginError {
        if self.fingerprint == begin.fingerprint {
            BeginError::InProgress(self.master)
        } else {
            BeginError::KeyReused(self.master)
        }
    }
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) journal: Journal,
    pub(crate) links: Vec<Link>,
    pub(crate) shards: Vec<mpsc::Sender<Mail>>,
    /// The keys of open transfers: written by every API task, and by the shards when they close.
    pub(crate) running: DashMap<Key, Running>,
    pub(crate) open: AtomicUsize,
    pub(crate) serials: Serials,
    pub(crate) events: Events,
}

impl Inner {
    pub(crate) fn shard_of(&self, sequence: Sequence) -> &mpsc::Sender<Mail> {
        let index = usize::try_from(sequence.number()).unwrap_or(0) % self.shards.len();
        &self.shards[index]
    }
}

/// Drives all transfers of this process; clones are the same.
#[derive(Clone)]
pub struct Coordinator {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator").field("open", &self.open()).finish_non_exhaustive()
    }
}

/// A transfer that somebody asks for.
#[derive(Clone, Debug)]
pub struct Begin {
    /// Whose it is.
    pub app: Arc<str>,
    /// The caller's key.
    pub idempotency_key: Arc<str>,
    /// What the key was used for.
    pub fingerprint: [u8; 32],
    /// Where the money comes from.
    pub from: Place,
    /// Where it goes.
    pub to: Place,
    /// How much.
    pub amount: Amount,
    /// In what.
    pub currency: Currency,
}

/// What became of it while the caller waited.
#[derive(Clone, Debug)]
pub enum Begun {
    /// It is final and durable: now, or long ago under the same key.
    Final {
        /// Its serial.
        master: MasterSerial,
        /// The stored answer.
        answer: Rendered,
        /// Whether it is the answer to an earlier request.
        replayed: bool,
    },
    /// It goes on.
    Running(Box<View>),
}

/// Why a transfer was not begun. Unless stated otherwise nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// No such counter is configured.
    #[error("there is no counter {0}")]
    UnknownCounter(CounterId),
    /// Source and destination are the same account.
    #[error("source and destination are the same account")]
    SameAccount,
    /// More than the counter takes at once.
    #[error("{counter} takes at most {limit} minor units in one transfer")]
    OverLimit {
        /// Which.
        counter: CounterId,
        /// How much it takes.
        limit: Amount,
    },
    /// The key is in use by an open transfer.
    #[error("transfer {0} with this key is still in progress")]
    InProgress(MasterSerial),
    /// The key was used for something else.
    #[error("the key was used before, for transfer {0} with another body")]
    KeyReused(MasterSerial),
    /// A counter is not connected; the transfer was not begun.
    #[error("{0} is not connected; nothing was begun")]
    CounterDown(CounterId),
    /// Too much is going on; the transfer was not begun.
    #[error("too many transfers are open; nothing was begun")]
    Overloaded,
    /// The database could not record it; it was not begun.
    #[error("it could not be recorded: {0}; nothing was begun")]
    NotRecorded(String),
    /// The record has not been confirmed yet; the same key finds out what became of it.
    #[error("it is not known yet whether it was recorded; ask again with the same key")]
    NotConfirmed,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bridge is stopping.
    #[error("the bridge is stopping; nothing was begun")]
    Stopping,
}

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// There is no such transfer.
    #[error("there is no transfer {0}")]
    NotFound(MasterSerial),
    /// It is final already.
    #[error("transfer {0} is final already")]
    AlreadyFinal(MasterSerial),
    /// The machine does not allow it.
    #[error("{0}")]
    Illegal(#[from] Illegal),
    /// Something else is being recorded.
    #[error("something else is being recorded for it: ask again")]
    Busy,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bridge is stopping.
    #[error("the bridge is stopping")]
    Stopping,
}

/// Why the coordinator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An open transfer needs a counter that is not configured.
    #[error("transfer {master} is open and needs the counter {counter}, which is not configured")]
    CounterMissing {
        /// Which.
        counter: CounterId,
        /// For which.
        master: MasterSerial,
    },
    /// It was stopped while starting.
    #[error("stopped while starting")]
    Stopped,
}

/// How things stand, over all open transfers.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many are in each state.
    pub by_state: BTreeMap<&'static str, usize>,
    /// Money debited and not yet credited or returned (rule 8), by currency, in minor units.
    pub in_transit: BTreeMap<String, i64>,
    /// When the oldest of them was accepted, in microseconds since 1970 UTC.
    pub oldest_in_transit_at: Option<i64>,
}

impl Coordinator {
    /// Starts the shards and takes up what is open. `unmatched` is what the links say unasked.
    pub async fn start(
        config: Config,
        store: Store,
        links: Vec<Link>,
        unmatched: mpsc::Receiver<Unmatched>,
        render: Render,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Coordinator, StartError> {
        let count = config.shards.max(1);
        let (shards, mailboxes): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::channel(MAILBOX)).unzip();
        let inner = Arc::new(Inner {
            journal: store.journal(),
            serials: Serials::new(store.clone(), config.serial_block),
            store,
            links,
            shards,
            running: DashMap::new(),
            open: AtomicUsize::new(0),
            events: Events::default(),
            config: config.clone(),
        });
        let (compare, late) = mpsc::channel(LATE);
        for mail in mailboxes {
            let actor = Actor {
                shard: Shard::new(config.clone(), render, rand::random()),
                inner: inner.clone(),
                mail,
                compare: compare.clone(),
            };
            tasks.spawn(actor.run(stop.clone()));
        }
        tasks.spawn(cancellable(stop.clone(), recovery::compare_late(inner.clone(), late)));
        recovery::take_up(&inner).await?;
        tasks.spawn(cancellable(stop.clone(), route_unmatched(inner.clone(), unmatched)));
        tasks.spawn(cancellable(stop.clone(), watch_journal(inner.clone())));
        for (index, link) in inner.links.iter().enumerate() {
            let watched = watch_sessions(inner.clone(), CounterIndex(index), link.clone());
            tasks.spawn(cancellable(stop.clone(), watched));
        }
        Ok(Coordinator { inner })
    }

    /// Begins a transfer and waits up to `wait` for its end. It goes on whether or not anybody
    /// waits.
    pub async fn begin(&self, begin: Begin, wait: Duration) -> Result<Begun, BeginError> {
        let inner = &self.inner;
        let key = Key { app: begin.app.clone(), idempotency_key: begin.idempotency_key.clone() };
        if let Some(running) = inner.running.get(&key) {
            return Err(running.refusal(&begin));
        }
        // What was answered once is answered again, whatever has changed since.
        let (from, to) = match self.may_begin(&begin) {
            Ok(links) => links,
            Err(refusal) => return self.replay_or(&begin, refusal).await,
        };
        let (Some(debit_day), Some(credit_day)) = (ready(from), ready(to)) else {
            let down = if ready(from).is_none() { from } else { to };
            let refusal = BeginError::CounterDown(down.counter().clone());
            return self.replay_or(&begin, refusal).await;
        };
        let sequence = inner.serials.next().await?;
        let now = now_micros();
        let master = MasterSerial { day: Day::from_unix_micros(now), sequence };
        match inner.running.entry(key.clone()) {
            Entry::Occupied(running) => return Err(running.get().refusal(&begin)),
            Entry::Vacant(vacant) => {
                vacant.insert(Running { master, fingerprint: begin.fingerprint });
            }
        }
        inner.open.fetch_add(1, Ordering::Relaxed);
        let deadline =
            i64::try_from(inner.config.transfer_deadline.as_micros()).unwrap_or(i64::MAX);
        let new = NewTransfer {
            master,
            app: begin.app.clone(),
            idempotency_key: begin.idempotency_key.clone(),
            fingerprint: begin.fingerprint,
            from: begin.from.clone(),
            to: begin.to.clone(),
            amount: begin.amount,
            currency: begin.currency,
            debit_day,
            credit_day,
            credit_barrier: !to.profile().dedupes,
            created_at: now,
            deadline_at: now.saturating_add(deadline),
        };
        let (waiter, told) = oneshot::channel();
        let mail = Mail::Input(Input::Begin { new, waiter });
        if let Err(refused) = inner.shard_of(sequence).try_send(mail) {
            inner.running.remove(&key);
            inner.open.fetch_sub(1, Ordering::Relaxed);
            return Err(match refused {
                mpsc::error::TrySendError::Full(_) => BeginError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => BeginError::Stopping,
            });
        }
        self.outcome(&begin, master, told, wait).await
    }

    /// Whether the transfer may be begun at all, and the links of its two counters.
    fn may_begin(&self, begin: &Begin) -> Result<(&Link, &Link), BeginError> {
        let (from, to) = (self.link(&begin.from.counter)?, self.link(&begin.to.counter)?);
        if begin.from == begin.to {
            return Err(BeginError::SameAccount);
        }
        for link in [from, to] {
            if let Some(limit) = link.profile().per_transfer_limit
                && begin.amount > limit
            {
                return Err(BeginError::OverLimit { counter: link.counter().clone(), limit });
            }
        }
        if self.open() >= self.inner.config.most_open {
            return Err(BeginError::Overloaded);
        }
        Ok((from, to))
    }

    async fn outcome(
        &self,
        begin: &Begin,
        master: MasterSerial,
        mut told: oneshot::Receiver<Told>,
        wait: Duration,
    ) -> Result<Begun, BeginError> {
        let waited = if let Ok(told) = tokio::time::timeout(wait, &mut told).await {
            told
        } else {
            // However short the caller's patience: it is not told of what is not durable.
            let recorded = tokio::time::timeout(RECORD_WITHIN, self.recorded(master.sequence));
            match recorded.await.map_err(|_| BeginError::NotConfirmed)? {
                Some(view) => return Ok(Begun::Running(Box::new(view))),
                // It was not recorded, or has ended meanwhile: both have been told.
                None => told.await,
            }
        };
        match waited {
            Ok(Told::Final(answer)) => Ok(Begun::Final { master, answer, replayed: false }),
            Ok(Told::DuplicateKey) => {
                self.replay_or(begin, BeginError::NotRecorded("the key vanished".to_owned())).await
            }
            // Whether the key was used before shows only in the insert, or, where nothing can be
            // inserted, in the record: it must not be said of a completed transfer that it was not.
            Ok(Told::NotRecorded(why)) => self.replay_or(begin, BeginError::NotRecorded(why)).await,
            // The bridge is stopping; what became of it shows after the next start.
            Err(_) => Err(BeginError::NotConfirmed),
        }
    }

    /// Waits until an open transfer is durable, and shows it; `None` if it is not open.
    async fn recorded(&self, sequence: Sequence) -> Option<View> {
        let (to, recorded) = oneshot::channel();
        self.inner.shard_of(sequence).send(Mail::Recorded(sequence, to)).await.ok()?;
        recorded.await.ok()?;
        self.view(sequence).await
    }

    /// What the record says of a key that was used before; `otherwise` if it was not.
    async fn replay_or(&self, begin: &Begin, otherwise: BeginError) -> Result<Begun, BeginError> {
        let found = self.inner.store.find_by_key(&begin.app, &begin.idempotency_key).await?;
        let Some(Stored { transfer, outcome, .. }) = found else { return Err(otherwise) };
        if transfer.fingerprint != begin.fingerprint {
            return Err(BeginError::KeyReused(transfer.master));
        }
        match outcome {
            Some(outcome) => Ok(Begun::Final {
                master: transfer.master,
                answer: Rendered { status: outcome.answer_status, body: outcome.answer_body },
                replayed: true,
            }),
            None => Err(BeginError::InProgress(transfer.master)),
        }
    }

    /// An open transfer as it stands; `None` if it is not open here.
    pub async fn view(&self, sequence: Sequence) -> Option<View> {
        let (to, view) = oneshot::channel();
        self.inner.shard_of(sequence).send(Mail::View(sequence, to)).await.ok()?;
        view.await.ok().flatten()
    }

    /// Waits up to `wait` for an open transfer to become final; returns at once if it is not open.
    pub async fn wait(&self, sequence: Sequence, wait: Duration) {
        let (waiter, told) = oneshot::channel();
        if self.inner.shard_of(sequence).send(Mail::Wait(sequence, waiter)).await.is_ok() {
            // Whatever it was, the caller looks at the transfer next.
            let _ = tokio::time::timeout(wait, told).await;
        }
    }

    /// A transfer as the database holds it.
    pub async fn stored(&self, master: MasterSerial) -> Result<Option<Stored>, StoreError> {
        self.inner.store.find(master).await
    }

    /// A page of transfers as the database holds them, newest first.
    pub async fn list(&self, filter: &ListFilter) -> Result<Vec<Stored>, StoreError> {
        self.inner.store.list(filter).await
    }

    /// The trail of a transfer: JSON arrays, in order.
    pub async fn trail(&self, master: MasterSerial) -> Result<Vec<String>, StoreError> {
        self.inner.store.trail(master).await
    }

    /// All open transfers that are durable.
    pub async fn open_views(&self) -> Vec<View> {
        let mut all = Vec::new();
        for shard in &self.inner.shards {
            let (to, views) = oneshot::channel();
            if shard.send(Mail::Views(to)).await.is_ok()
                && let Ok(views) = views.await
            {
                all.extend(views);
            }
        }
        all.sort_by_key(|view| view.transfer.intent.master);
        all
    }

    /// How things stand.
    pub async fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for view in self.open_views().await {
            *summary.by_state.entry(view.transfer.state().as_str()).or_default() += 1;
            let moving = view.transfer.in_transit();
            if moving > 0 {
                let currency = view.transfer.intent.currency.to_string();
                *summary.in_transit.entry(currency).or_default() += moving;
                let oldest = summary.oldest_in_transit_at.unwrap_or(view.created_at);
                summary.oldest_in_transit_at = Some(oldest.min(view.created_at));
            }
        }
        summary
    }

    /// Records and follows an operator's decision.
    pub async fn decide(
        &self,
        master: MasterSerial,
        decision: Decision,
        who: String,
        note: String,
    ) -> Result<(), DecideError> {
        let (done, decided) = oneshot::channel();
        let text = format!("{who}: {}", decision.as_str());
        let input = Input::Decide { master, decision, who, note, done };
        let shard = self.inner.shard_of(master.sequence);
        shard.send(Mail::Input(input)).await.map_err(|_| DecideError::Stopping)?;
        match decided.await.map_err(|_| DecideError::Stopping)? {
            Ok(()) => {
                self.inner.events.record(now_micros(), Kind::Decided, Some(master), text);
                Ok(())
            }
            Err(DecideRefused::Illegal(illegal)) => Err(illegal.into()),
            Err(DecideRefused::Busy) => Err(DecideError::Busy),
            Err(DecideRefused::NotOpen) => match self.stored(master).await? {
                Some(_) => Err(DecideError::AlreadyFinal(master)),
                None => Err(DecideError::NotFound(master)),
            },
        }
    }

    /// Asks a counter something that moves nothing.
    pub async fn ask(
        &self,
        counter: &CounterId,
        instruction: Instruction,
    ) -> Result<Outcome, BeginError> {
        let link = self.link(counter)?;
        let (to, outcome) = oneshot::channel();
        link.ask(Ask {
            ticket: Ticket(0),
            instruction,
            deadline: Instant::now() + self.inner.config.query_deadline,
            reply_to: ReplyTo::Once(to),
        });
        outcome.await.map_err(|_| BeginError::Stopping)
    }

    /// What operators follow.
    pub fn events(&self) -> &Events {
        &self.inner.events
    }

    /// The links, in the order of configuration.
    pub fn links(&self) -> &[Link] {
        &self.inner.links
    }

    /// How the database is doing.
    pub fn journal_health(&self) -> JournalHealth {
        self.inner.journal.health().borrow().clone()
    }

    /// How many transfers are open.
    pub fn open(&self) -> usize {
        self.inner.open.load(Ordering::Relaxed)
    }

    fn link(&self, counter: &CounterId) -> Result<&Link, BeginError> {
        self.inner
            .links
            .iter()
            .find(|link| link.counter() == counter)
            .ok_or_else(|| BeginError::UnknownCounter(counter.clone()))
    }
}

/// The settle day of a counter that takes new work.
fn ready(link: &Link) -> Option<Day> {
    if link.is_up() { link.settle_day() } else { None }
}

async fn cancellable(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// What a counter says unasked may still decide a leg.
async fn route_unmatched(inner: Arc<Inner>, mut unmatched: mpsc::Receiver<Unmatched>) {
    while let Some(said) = unmatched.recv().await {
        match said {
            Unmatched::Reply { counter, reply, .. } => route_reply(&inner, &counter, reply).await,
            Unmatched::Notice { counter, notice } => {
                let text = format!("{counter}: {:?}: {}", notice.severity, notice.text);
                tracing::warn!("{text}");
                inner.events.record(now_micros(), Kind::Notice, None, text);
            }
            Unmatched::Malformed { counter, serial, error } => {
                let about = serial.map(|serial| format!(" about {serial}")).unwrap_or_default();
                let text = format!("{counter} sent something unreadable{about}: {error}");
                tracing::warn!("{text}");
                inner.events.record(now_micros(), Kind::Notice, None, text);
            }
        }
    }
}

async fn route_reply(inner: &Inner, counter: &CounterId, reply: Reply) {
    let index = world(&inner.links).find(counter);
    if let (Some(counter), Some(serial)) = (index, reply.serial()) {
        let mail = Mail::Input(Input::Unasked { counter, reply });
        // A shard that has stopped takes nothing more; recovery asks the counter itself.
        let _ = inner.shard_of(serial.sequence).send(mail).await;
    }
}

/// Wakes what waits for a counter as soon as it is back.
async fn watch_sessions(inner: Arc<Inner>, counter: CounterIndex, link: Link) {
    let mut status = link.status();
    let mut known = None;
    loop {
        let began = link.session_began();
        if began.is_some() && began != known {
            for shard in &inner.shards {
                let _ = shard.send(Mail::Input(Input::SessionBegan(counter))).await;
            }
        }
        known = began;
        if status.changed().await.is_err() {
            break;
        }
    }
}

/// Tells operators when the database fails and when it is back.
async fn watch_journal(inner: Arc<Inner>) {
    let mut health = inner.journal.health();
    while health.changed().await.is_ok() {
        let text = match &*health.borrow_and_update() {
            JournalHealth::Ok => "the database records again".to_owned(),
            JournalHealth::Failing { why, .. } => {
                tracing::error!("the database does not record: {why}");
                format!("the database does not record: {why}")
            }
        };
        inner.events.record(now_micros(), Kind::Database, None, text);
    }
}
