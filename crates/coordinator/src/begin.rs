//! Begins transfers: what is asked for, what is turned away and why, and what the caller is told.

use crate::allowance::OverDayLimit;
use crate::claim::{self, Claim, Next, Seen, Verdict};
use crate::clock::now_micros;
use crate::coordinator::Coordinator;
use crate::inner::{Inner, Key};
use crate::mail::Mail;
use crate::record::{Rendered, WaiterReply};
use crate::shard::Input;
use crate::view::View;
use dashmap::mapref::entry::Entry;
use domain::message::CounterId;
use domain::money::Amount;
use domain::order::Order;
use domain::serial::{Day, Mark, MasterSerial, Sequence};
use port::{Counter, CounterIndex};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use store::{NewTransfer, StoreError, Stored};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// How long a caller waits for the record beyond its own patience. The journal answers within
/// this, or the database fails.
const RECORD_WITHIN: Duration = Duration::from_secs(10);

/// Writes that wait for the database beyond which nothing more is taken on: four batches of the
/// largest kind.
pub const JOURNAL_BEHIND: usize = 4096;

/// A transfer that somebody asks for.
#[derive(Clone, Debug)]
pub struct Begin {
    /// Name of the app that asks.
    pub app: Arc<str>,
    /// The caller's idempotency key, 1 to 255 bytes, compared byte for byte (DOMAIN §4).
    pub idempotency_key: Arc<str>,
    /// The key as earlier versions recorded it, where that differs: with its quotation marks.
    pub former_key: Option<Arc<str>>,
    /// SHA-256 of what is ordered: the same key with another is refused (DOMAIN §4).
    pub fingerprint: [u8; 32],
    /// What it is to move, from where to where.
    pub order: Order,
}

/// What became of it while the caller waited.
#[derive(Clone, Debug)]
pub enum Begun {
    /// It is final and durable: now, or long ago under the same key.
    Final {
        /// Master serial of the transfer.
        master: MasterSerial,
        /// The answer that is stored with it.
        answer: Rendered,
        /// Whether it is the answer to an earlier request.
        replayed: bool,
    },
    /// It is durable and goes on; how it stands now.
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
    /// The amount is more than one of the counters takes in one posting.
    #[error("{counter} takes at most {limit} minor units in one transfer")]
    OverLimit {
        /// Id of the counter.
        counter: CounterId,
        /// The most that it takes in one posting, in minor units.
        limit: Amount,
    },
    /// More than the app may move in a day.
    #[error(transparent)]
    OverDayLimit(#[from] OverDayLimit),
    /// The key is in use by an open transfer.
    #[error("transfer {0} with this key is still in progress")]
    InProgress(MasterSerial),
    /// The key was used for something else.
    #[error("the key was used before, for transfer {0} with another body")]
    KeyReused(MasterSerial),
    /// A counter is not connected; the transfer was not begun.
    #[error("{0} is not connected; nothing was begun")]
    CounterDown(CounterId),
    /// A counter gets no new transfers until a person says so; the transfer was not begun.
    #[error("{0} gets no new transfers until an operator lets it; nothing was begun")]
    CounterHeld(CounterId),
    /// Too much is going on; the transfer was not begun.
    #[error("too many transfers are open; nothing was begun")]
    Overloaded,
    /// The record is behind what was told: nothing is begun until it is released.
    #[error("the bridge's record is behind and waits for its operators; nothing was begun")]
    RecordBehind,
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

impl Coordinator {
    /// Begins a transfer and waits up to `wait` for its end. It goes on whether or not anybody
    /// waits. Whoever comes with a key that somebody else is just beginning something with waits
    /// until that is the record's, or is not, and is told only what is so.
    pub async fn begin(&self, begin: Begin, wait: Duration) -> Result<Begun, BeginError> {
        let _caller = Caller::of(&self.inner.callers);
        if let Some(former) = &begin.former_key
            && self.inner.quoting_apps.contains(&*begin.app)
            && let Some(stored) = self.inner.store.find_by_key(&begin.app, former).await?
        {
            return recorded(&begin, stored);
        }
        match self.claim(&begin).await? {
            Claimed::Begun(master, told) => self.outcome(&begin, master, told, wait).await,
            Claimed::Known(answer) => Ok(answer),
        }
    }

    /// Makes the key this request's, or finds out whose it is.
    async fn claim(&self, begin: &Begin) -> Result<Claimed, BeginError> {
        let inner = &self.inner;
        let key = Key { app: begin.app.clone(), idempotency_key: begin.idempotency_key.clone() };
        let mut stored = None;
        let mut given_up = None;
        let mut next = Next::LookAgain;
        loop {
            let seen = match next {
                Next::LookAgain => {
                    let claim = inner.running.get(&key).map(|claim| *claim);
                    claim.map_or(Seen::Nobody, Seen::Claimed)
                }
                Next::Claim => match self.try_begin(begin, &key).await {
                    Ok(Tried::Begun(master, told)) => return Ok(Claimed::Begun(master, told)),
                    Ok(Tried::TooLate(claim)) => Seen::Claimed(claim),
                    Err(Refusal::Final(error)) => return Err(error),
                    // What was answered once is answered again, whatever has changed since.
                    Err(Refusal::UnlessRecorded(error)) => {
                        return self.replay_or(begin, error).await.map(Claimed::Known);
                    }
                },
                Next::AskShard(claim) => {
                    // Of a claim that is not recorded in time nothing is known, and nothing is said.
                    let until = *given_up.get_or_insert_with(|| Instant::now() + RECORD_WITHIN);
                    let durable = self.becomes_durable(claim.master.sequence);
                    let durable = timeout_at(until, durable).await;
                    if durable.map_err(|_| BeginError::NotConfirmed)? {
                        Seen::Durable(claim)
                    } else {
                        Seen::NotOpen
                    }
                }
                Next::ReadRecord => {
                    let found = inner.store.find_by_key(&begin.app, &begin.idempotency_key).await?;
                    stored = found;
                    stored.as_ref().map_or(Seen::Unrecorded, seen)
                }
                Next::Say(verdict) => {
                    return match (verdict, stored) {
                        (Verdict::InProgress(master), _) => Err(BeginError::InProgress(master)),
                        (Verdict::Reused(master), _) => Err(BeginError::KeyReused(master)),
                        (Verdict::Replay(_), Some(stored)) => {
                            recorded(begin, stored).map(Claimed::Known)
                        }
                        // Only what was read in the record has ended.
                        (Verdict::Replay(_), None) => Err(BeginError::NotConfirmed),
                    };
                }
            };
            next = claim::next(&begin.fingerprint, seen);
        }
    }

    /// Claims the key for a new transfer, and hands that to its shard.
    async fn try_begin(&self, begin: &Begin, key: &Key) -> Result<Tried, Refusal> {
        let inner = &self.inner;
        let (from, to) = self.may_begin(begin).map_err(Refusal::UnlessRecorded)?;
        let counters = [from, to].map(|index| &inner.counters[index]);
        let [Some(debit_day), Some(credit_day)] = counters.map(|counter| ready(&**counter)) else {
            let [from, to] = counters;
            let down = if ready(&**from).is_none() { from } else { to };
            let refusal = BeginError::CounterDown(down.id().clone());
            return Err(Refusal::UnlessRecorded(refusal));
        };
        for index in [from, to] {
            let counter = inner.counters[index].id();
            if !inner.is_compared(index).await {
                let refusal = BeginError::CounterDown(counter.clone());
                return Err(Refusal::UnlessRecorded(refusal));
            }
        }
        let sequence = inner.serials.next().await.map_err(|error| Refusal::Final(error.into()))?;
        let now = now_micros();
        let master = MasterSerial { day: Day::from_unix_micros(now), sequence };
        let deadline =
            i64::try_from(inner.config.transfer_deadline.as_micros()).unwrap_or(i64::MAX);
        let new = NewTransfer {
            master,
            app: begin.app.clone(),
            idempotency_key: begin.idempotency_key.clone(),
            fingerprint: begin.fingerprint,
            order: begin.order.clone(),
            debit_day,
            credit_day,
            credit_barrier: !inner.counters[to].profile().dedupes,
            created_at: now,
            deadline_at: now.saturating_add(deadline),
            mark: Some(Mark(rand::random())),
        };
        let (waiter, told) = oneshot::channel();
        // It may have been found to have seen too much just now, or an operator keeps it from new transfers.
        // Nobody may say so from here on until the transfer is in its shard's mailbox: whoever does finds
        // there all that was begun before. Nothing is awaited meanwhile.
        let standing = inner.standing.state();
        for index in [from, to] {
            let counter = inner.counters[index].id();
            if standing.keeps_from_new(counter) {
                let refusal = BeginError::CounterHeld(counter.clone());
                return Err(Refusal::UnlessRecorded(refusal));
            }
        }
        // The map's lock is held until the transfer is in its shard's mailbox: whoever sees the
        // claim and asks the shard asks after it.
        let vacant = match inner.running.entry(key.clone()) {
            Entry::Occupied(claim) => return Ok(Tried::TooLate(*claim.get())),
            Entry::Vacant(vacant) => vacant,
        };
        inner.allowances.begin(&new).map_err(|over| Refusal::UnlessRecorded(over.into()))?;
        inner.open.fetch_add(1, Ordering::Relaxed);
        let mail = Mail::Input(Input::Begin { new, waiter });
        if let Err(refused) = inner.shard_of(sequence).try_send(mail) {
            inner.allowances.close(&begin.app, &begin.idempotency_key, None);
            inner.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::Final(match refused {
                mpsc::error::TrySendError::Full(_) => BeginError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => BeginError::Stopping,
            }));
        }
        vacant.insert(Claim { master, fingerprint: begin.fingerprint });
        drop(standing);
        Ok(Tried::Begun(master, told))
    }

    /// Whether so much is going on that nothing more is taken on: told before anything is read of
    /// a request, so that turning one away costs next to nothing.
    pub fn is_crowded(&self) -> bool {
        let Inner { callers, config, journal, .. } = &*self.inner;
        callers.load(Ordering::Relaxed) >= config.most_callers
            || journal.waiting() >= JOURNAL_BEHIND
    }

    /// Whether the transfer may be begun at all, and its two counters.
    fn may_begin(&self, begin: &Begin) -> Result<(CounterIndex, CounterIndex), BeginError> {
        let counters = &self.inner.counters;
        let find = |id: &CounterId| {
            counters.index_of(id).ok_or_else(|| BeginError::UnknownCounter(id.clone()))
        };
        let (from, to) = (find(&begin.order.from.counter)?, find(&begin.order.to.counter)?);
        if self.inner.standing.state().is_behind() {
            return Err(BeginError::RecordBehind);
        }
        if begin.order.from == begin.order.to {
            return Err(BeginError::SameAccount);
        }
        for counter in [from, to].map(|index| &counters[index]) {
            if self.inner.standing.state().keeps_from_new(counter.id()) {
                return Err(BeginError::CounterHeld(counter.id().clone()));
            }
            if let Some(limit) = counter.per_transfer_limit()
                && begin.order.amount > limit
            {
                return Err(BeginError::OverLimit { counter: counter.id().clone(), limit });
            }
        }
        // A counter that is silent or slow takes no more than it can get in time, and no caller's
        // place from transfers between others.
        if self.open() >= self.inner.config.most_open
            || counters[from].is_crowded()
            || counters[to].is_crowded()
        {
            return Err(BeginError::Overloaded);
        }
        Ok((from, to))
    }

    async fn outcome(
        &self,
        begin: &Begin,
        master: MasterSerial,
        mut told: oneshot::Receiver<WaiterReply>,
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
            Ok(WaiterReply::Final(answer)) => Ok(Begun::Final { master, answer, replayed: false }),
            Ok(WaiterReply::DuplicateKey) => {
                self.replay_or(begin, BeginError::NotRecorded("the key vanished".to_owned())).await
            }
            // Whether the key was used before shows only in the insert, or, where nothing can be
            // inserted, in the record: it must not be said of a completed transfer that it was not.
            Ok(WaiterReply::NotRecorded(why)) => {
                self.replay_or(begin, BeginError::NotRecorded(why)).await
            }
            // The bridge is stopping; what became of it shows after the next start.
            Err(_) => Err(BeginError::NotConfirmed),
        }
    }

    /// Waits until an open transfer is durable, and shows it; `None` if it is not open.
    async fn recorded(&self, sequence: Sequence) -> Option<View> {
        if self.becomes_durable(sequence).await { self.view(sequence).await } else { None }
    }

    /// Waits until an open transfer is durable; `false` if it is not open, or comes to nothing.
    async fn becomes_durable(&self, sequence: Sequence) -> bool {
        let (to, recorded) = oneshot::channel();
        let asked = self.inner.shard_of(sequence).send(Mail::Recorded(sequence, to)).await;
        asked.is_ok() && recorded.await.is_ok()
    }

    /// What the record says of a key that was used before; `otherwise` if it was not.
    async fn replay_or(&self, begin: &Begin, otherwise: BeginError) -> Result<Begun, BeginError> {
        let found = self.inner.store.find_by_key(&begin.app, &begin.idempotency_key).await?;
        found.map_or(Err(otherwise), |stored| recorded(begin, stored))
    }
}

/// What came of making a key one's own.
enum Claimed {
    /// It is, and the transfer is with its shard.
    Begun(MasterSerial, oneshot::Receiver<WaiterReply>),
    /// It was somebody's, who had its answer.
    Known(Begun),
}

/// What came of one attempt.
enum Tried {
    Begun(MasterSerial, oneshot::Receiver<WaiterReply>),
    /// Somebody was quicker.
    TooLate(Claim),
}

/// Why nothing is begun.
enum Refusal {
    /// Whatever the record says.
    Final(BeginError),
    /// Unless the record has the key.
    UnlessRecorded(BeginError),
}

/// How a row of the record looks to one who wants its key.
fn seen(stored: &Stored) -> Seen {
    let claim = Claim { master: stored.transfer.master, fingerprint: stored.transfer.fingerprint };
    if stored.outcome.is_some() { Seen::Ended(claim) } else { Seen::Open(claim) }
}

/// What the record says of a key that was used before.
fn recorded(begin: &Begin, stored: Stored) -> Result<Begun, BeginError> {
    let Stored { transfer, outcome, .. } = stored;
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

/// One who waits; no longer when this is dropped.
struct Caller<'a>(&'a AtomicUsize);

impl<'a> Caller<'a> {
    fn of(callers: &'a AtomicUsize) -> Caller<'a> {
        callers.fetch_add(1, Ordering::Relaxed);
        Caller(callers)
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The settle day of a counter that takes new work.
fn ready(counter: &dyn Counter) -> Option<Day> {
    if counter.is_up() { counter.settle_day() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{JOURNAL_BEHIND, RECORD_WITHIN};
    use crate::config::Config;
    use crate::coordinator::Coordinator;
    use crate::record::Rendered;
    use crate::view::View;
    use domain::serial::{Day, MasterSerial, Sequence};
    use port::Counters;
    use store::{Store, Write, WriteId};
    use tokio::sync::mpsc;
    use tokio::time::timeout;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    fn render(_: &View) -> Rendered {
        Rendered { status: 201, body: bytes::Bytes::new() }
    }

    fn writes(count: usize) -> Vec<Write> {
        let day = Day::new(20_261_121).expect("a day");
        let master = |number| Sequence::new(number).map(|sequence| MasterSerial { day, sequence });
        let numbers = (1_u64..).take(count);
        numbers.map(|number| Write::of(WriteId(number), master(number).expect("one"))).collect()
    }

    /// On one thread, so that the journal's writer stands still until the test lets it go on.
    #[tokio::test]
    async fn behind_by_one_write_less_it_takes_on_and_behind_by_all_it_turns_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
        let store = Store::open(&url).await.expect("it opens");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (_unmatched, said_unasked) = mpsc::channel(1);
        let coordinator = Coordinator::start(
            Config::default(),
            store.clone(),
            Counters::default(),
            said_unasked,
            render,
            &tasks,
            stop.clone(),
        )
        .await
        .expect("it starts");
        let journal = store.journal();
        let (done, mut answers) = mpsc::unbounded_channel();
        assert_eq!(JOURNAL_BEHIND, 4_096);
        journal.submit(writes(JOURNAL_BEHIND - 1), &done);
        assert_eq!(journal.waiting(), 4_095);
        assert!(!coordinator.is_crowded(), "one more is taken on");
        journal.submit(writes(1), &done);
        assert_eq!(journal.waiting(), 4_096);
        assert!(coordinator.is_crowded(), "the next is turned away");
        drop(done);
        let mut answered = 0;
        while let Some(some) =
            timeout(RECORD_WITHIN, answers.recv()).await.expect("the writer goes on")
        {
            answered += some.len();
        }
        assert_eq!((answered, journal.waiting()), (JOURNAL_BEHIND, 0));
        assert!(!coordinator.is_crowded(), "what waited is written, and more is taken on");
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}
