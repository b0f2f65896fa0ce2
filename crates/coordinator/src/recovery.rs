//! Takes up again what a stop or a crash left open.

use crate::claim::Claim;
use crate::clock::now_micros;
use crate::coordinator::StartError;
use crate::dealing::Dealing;
use crate::events::Kind;
use crate::inner::{Inner, Key};
use crate::mail::Mail;
use crate::shard::{Input, intent};
use crate::trail;
use domain::serial::MasterSerial;
use domain::transfer::recovery::Remembered;
use domain::transfer::{Knowledge, ParkReason, Phase, Transfer};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::{AlarmAbout, AlarmKind, NewTransfer, OpenTransfer, StoreError};
use supervise::trap::spring;

/// Open transfers read at a time.
const PAGE: u64 = if cfg!(test) { 3 } else { 1000 };

/// Hands every open transfer to its shard; they ask before they send (rule 7). Says how many.
pub(crate) async fn take_up(inner: &Arc<Inner>) -> Result<usize, StartError> {
    let unreadable = metrics::gauge!("open_transfers_unreadable");
    unreadable.set(0);
    let (mut count, mut after) = (0, None);
    loop {
        let page = inner.store.open_page(after, PAGE).await?;
        for error in &page.unreadable {
            tell_unreadable(inner, error);
            unreadable.increment(1);
            inner.unreadable.fetch_add(1, Ordering::Relaxed);
        }
        for open in page.transfers {
            take_up_one(inner, open).await?;
            count += 1;
        }
        if page.next.is_none() {
            break;
        }
        after = page.next;
    }
    if count > 0 {
        inner.events.record(
            now_micros(),
            Kind::Recovered,
            None,
            format!("{count} open transfers are taken up again"),
        );
        tracing::info!(count, "open transfers are taken up again");
    }
    Ok(count)
}

/// An open transfer that cannot even be read is in nobody's hands: nothing is sent for it, whoever
/// asks for it is told what is damaged, and the others go on.
fn tell_unreadable(inner: &Inner, error: &StoreError) {
    let text = format!("an open transfer cannot be taken up: {error}; a person has to settle it");
    inner.events.raise(AlarmKind::NeedsOperator, AlarmAbout::Bridge, &text);
    let master = match error {
        StoreError::Corrupt { key, .. } => MasterSerial::from_number(*key).ok(),
        StoreError::Unavailable { .. }
        | StoreError::Damaged { .. }
        | StoreError::Serials(_)
        | StoreError::Closed => None,
    };
    tracing::error!(master = master.map(|it| it.to_string()), "{text}");
    inner.events.record(now_micros(), Kind::NeedsOperator, master, text);
}

async fn take_up_one(inner: &Arc<Inner>, open: OpenTransfer) -> Result<(), StartError> {
    let OpenTransfer { transfer: new, trail, next_part, damage, .. } = open;
    for place in [&new.order.from, &new.order.to] {
        if !inner.counters.has(&place.counter) {
            return Err(StartError::CounterMissing {
                counter: place.counter.clone(),
                master: new.master,
            });
        }
    }
    inner.running.insert(
        Key { app: new.app.clone(), idempotency_key: new.idempotency_key.clone() },
        Claim { master: new.master, fingerprint: new.fingerprint },
    );
    inner.allowances.take_up(&new);
    inner.open.fetch_add(1, Ordering::Relaxed);
    let shard = inner.shard_of(new.master.sequence);
    // Also after its release: a life of which it knows nothing may have gone on with what was open.
    let lost = inner.standing.state().is_behind() || inner.store.is_doubted(new.master);
    let tail = if lost { Tail::Lost } else { Tail::Whole };
    let input = match damage {
        Some(what) => taken_up_unread(new, next_part, &what),
        None => taken_up(new, &trail, tail),
    };
    shard.send(Mail::Input(input)).await.map_err(|_| StartError::Stopped)
}

/// An open transfer of which some row is not what was written: nothing of it is acted upon. It is
/// parked for a person, who finds what is readable, and counters are asked about both legs.
fn taken_up_unread(new: NewTransfer, next_part: u32, what: &str) -> Input {
    tracing::error!(master = %new.master, what, "an open transfer is damaged: it is parked unread");
    let mut transfer = Transfer::accepted(intent(&new));
    transfer.phase = Phase::Parked(ParkReason::Illegal);
    transfer.debit.knowledge = Knowledge::Unknown;
    transfer.credit.knowledge = Knowledge::Unknown;
    let transfer = Box::new(transfer);
    let (updated_at, dealing) = (new.created_at, Dealing::Nobody);
    Input::Recovered { new, transfer, updated_at, next_part, left_alone: false, dealing }
}

/// Whether a record ends where it ended when it was last written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// What a crash leaves: all that was durable.
    Whole,
    /// It was behind what was told when the transfer was last known to be open: a life of which it
    /// knows nothing may have gone on with it.
    Lost,
}

/// An open transfer as a shard takes it up, from its row and its trail: as far as may be believed
/// after a crash. A trail that cannot be read, or that contradicts the row, is parked for a person,
/// never guessed; so is one on which this software fails, every time anew, for one transfer must not
/// keep all others from being taken up.
pub fn taken_up(new: NewTransfer, parts: &[String], tail: Tail) -> Input {
    let Remembrance { transfer, updated_at, next_part, left_alone, dealing } =
        remembered(&new, parts, tail);
    let transfer = Box::new(transfer);
    Input::Recovered { new, transfer, updated_at, next_part, left_alone, dealing }
}

/// What is known of an open transfer from its row and its trail.
pub(crate) struct Remembrance {
    /// The transfer as it may be believed.
    pub(crate) transfer: Transfer,
    /// When something last happened to it, in microseconds since 1970 UTC.
    pub(crate) updated_at: i64,
    /// The number of the next part of its trail.
    pub(crate) next_part: u32,
    /// This software fails on it: it is left alone, and nothing is written about it.
    pub(crate) left_alone: bool,
    /// Who dealt with it last.
    pub(crate) dealing: Dealing,
}

/// As [`taken_up`] has it.
pub(crate) fn remembered(new: &NewTransfer, parts: &[String], tail: Tail) -> Remembrance {
    let read = catch_unwind(AssertUnwindSafe(|| read(new, parts, tail)));
    read.unwrap_or_else(|panic| {
        let why = supervise::task::message(panic.as_ref());
        tracing::error!(master = %new.master, why, "a transfer cannot be taken up: it is parked unread");
        unread(new, parts, true)
    })
}

/// Parked, with doubt about everything; it cannot be resumed, for what was being undone is not known.
fn unread(new: &NewTransfer, parts: &[String], left_alone: bool) -> Remembrance {
    let mut transfer = Transfer::accepted(intent(new));
    transfer.phase = Phase::Parked(ParkReason::Illegal);
    transfer.debit.knowledge = Knowledge::Unknown;
    transfer.credit.knowledge = Knowledge::Unknown;
    let next_part = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let (updated_at, dealing) = (new.created_at, Dealing::Nobody);
    Remembrance { transfer, updated_at, next_part, left_alone, dealing }
}

fn read(new: &NewTransfer, parts: &[String], tail: Tail) -> Remembrance {
    spring("take-up", || new.order.amount.minor().to_string());
    let folded = match trail::fold(parts) {
        Ok(folded) => folded,
        Err(error) => {
            tracing::error!(master = %new.master, %error, "a trail cannot be read");
            return unread(new, parts, false);
        }
    };
    let mut transfer = Transfer::recovered(Remembered {
        intent: intent(new),
        phase: folded.phase,
        legs: folded.legs,
        reason: folded.reason,
        doubted: tail == Tail::Lost,
    });
    let (updated_at, next_part) = (folded.updated_at.unwrap_or(new.created_at), folded.next_part);
    if transfer.state().is_final() {
        tracing::error!(master = %new.master, "the record says that it is open, its trail that it ended");
        transfer.phase = Phase::Parked(ParkReason::Illegal);
    }
    // What a lost life did with a proposal, nobody knows: who still wants it proposes it anew.
    let dealing = match folded.dealing {
        Dealing::Proposal(_) if tail == Tail::Lost => Dealing::Nobody,
        dealing => dealing,
    };
    Remembrance { transfer, updated_at, next_part, left_alone: false, dealing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::coordinator::Coordinator;
    use crate::record::Rendered;
    use crate::view::View;
    use domain::message::{CounterId, Place};
    use domain::money::{Amount, Currency};
    use domain::order::Order;
    use domain::serial::{Day, Sequence};
    use link::{Link, LinkConfig};
    use store::{Store, Write, WriteId};
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;
    use wire::dialect::Dialect;

    fn render(_: &View) -> Rendered {
        Rendered { status: 201, body: bytes::Bytes::new() }
    }

    fn accepted(number: u64) -> Write {
        let day = Day::new(20_261_121).expect("a day");
        let sequence = Sequence::new(number).expect("a sequence");
        let master = MasterSerial { day, sequence };
        let place = |counter: &str| Place {
            counter: CounterId::new(counter).expect("a counter"),
            account: "6001".parse().expect("an account"),
        };
        let accept = NewTransfer {
            master,
            app: "demo".into(),
            idempotency_key: format!("key-{number}").into(),
            fingerprint: [0; 32],
            order: Order {
                from: place("securities"),
                to: place("futures"),
                amount: Amount::MAX,
                currency: Currency::CNY,
            },
            debit_day: day,
            credit_day: day,
            credit_barrier: false,
            created_at: 1,
            deadline_at: i64::MAX,
            mark: None,
        };
        Write { accept: Some(accept), ..Write::of(WriteId(number), master) }
    }

    /// With links to these counters, which nobody answers.
    async fn started(
        store: &Store,
        counters: &[&str],
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Coordinator, StartError> {
        let (unmatched, said) = mpsc::channel(16);
        let links = counters.iter().map(|counter| {
            let counter = CounterId::new(counter).expect("a counter");
            let (addresses, key) = (vec!["127.0.0.1:1".to_owned()], vec![7; 32].into());
            let dialect = Dialect::Securities;
            let config = LinkConfig::new(counter, addresses, dialect, "bridge".to_owned(), key);
            Link::spawn(config, unmatched.clone(), tasks, stop.clone())
        });
        let (config, store) = (Config::default(), store.clone());
        Coordinator::start(config, store, links.collect(), said, render, tasks, stop.clone()).await
    }

    /// More than two pages of them, and each is in its shard.
    #[tokio::test]
    async fn however_many_are_open_all_are_taken_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
        let store = Store::open(&url).await.expect("it opens");
        let (done, mut written) = mpsc::unbounded_channel();
        let many = usize::try_from(2 * PAGE + 2).expect("few");
        store.journal().submit((1..).take(many).map(accepted).collect(), &done);
        let answers = written.recv().await.expect("an answer");
        assert!(answers.len() == many && answers.iter().all(|answer| answer.result.is_ok()));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        // Whoever forgets a counter in the configuration is told which, and nothing is begun.
        for (configured, missing) in [("securities", "futures"), ("futures", "securities")] {
            let refused = started(&store, &[configured], &tasks, &stop).await;
            assert!(
                matches!(&refused, Err(StartError::CounterMissing { counter, master })
                    if counter.as_str() == missing && master.sequence.number() == 1),
                "{refused:?}"
            );
        }
        let coordinator = started(&store, &["securities", "futures"], &tasks, &stop).await;
        let coordinator = coordinator.expect("it starts");
        assert_eq!(coordinator.open(), many);
        for number in (1..).take(many) {
            let sequence = Sequence::new(number).expect("a sequence");
            let view = coordinator.view(sequence).await;
            assert!(view.is_some(), "transfer {number} is in nobody's hands");
        }
        stop.cancel();
    }
}
