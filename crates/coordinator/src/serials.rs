//! Sequences for new transfers, from blocks leased of the database: no round trip per transfer, no
//! collision between nodes, gaps allowed.

use crate::clock::now_micros;
use domain::serial::{Day, Sequence, SerialError};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Store, StoreError};
use supervise::task::{CatchUnwind, message};
use tokio::sync::Mutex as AsyncMutex;

/// For so many days at least, for a counter may know serials for longer than it promises.
const LEAST_KEPT: u32 = 31;

/// Blocks that are passed over in one go, because somebody still has a number of theirs.
const MOST_PASSED_OVER: u32 = if cfg!(test) { 2 } else { 1000 };

/// Hands out sequences; clones hand out of the same blocks.
#[derive(Clone)]
pub(crate) struct Serials {
    store: Store,
    block: u64,
    /// For so many days a number is not given out again.
    kept_days: u32,
    ready: Arc<Mutex<Blocks>>,
    leasing: Arc<AsyncMutex<()>>,
}

/// What is in hand, and what comes after it.
#[derive(Default)]
struct Blocks {
    current: Range<u64>,
    next: Option<Range<u64>>,
    refilling: bool,
}

impl Serials {
    /// Blocks of so many; once all numbers were given out they come round again, but none that a
    /// counter can still be asked about, or knows: not within the longest query horizon.
    pub(crate) fn new(store: Store, block: u64, horizon_days: u16) -> Serials {
        let (block, kept_days) = (block.max(1), u32::from(horizon_days).max(LEAST_KEPT));
        Serials { store, block, kept_days, ready: Arc::default(), leasing: Arc::default() }
    }

    /// The next sequence. Waits for the database only when both blocks are used up.
    pub(crate) async fn next(&self) -> Result<Sequence, StoreError> {
        loop {
            if let Some(ordinal) = self.take() {
                return Ok(Sequence::of_ordinal(ordinal));
            }
            let _one_at_a_time = self.leasing.lock().await;
            if self.lock().current.is_empty() && self.lock().next.is_none() {
                let block = self.lease().await?;
                self.lock().next = Some(block);
            }
        }
    }

    /// The next block of numbers that nobody has any more.
    async fn lease(&self) -> Result<Range<u64>, StoreError> {
        for _ in 0..MOST_PASSED_OVER {
            let block = self.store.lease_serials(self.block).await?;
            let today = Day::from_unix_micros(now_micros());
            if self.store.are_free(&block, today, self.kept_days).await? {
                return Ok(block);
            }
            tracing::warn!(
                from = Sequence::of_ordinal(block.start).number(),
                "serials that came round again are passed over: they are still in use"
            );
        }
        Err(StoreError::Serials(SerialError::SequenceOutOfRange(Sequence::MAX + 1)))
    }

    /// Whether a number is leased and was never given out: whoever has seen it has seen more than there
    /// ever was. Waits while a block is being leased.
    pub(crate) async fn holds(&self, sequence: Sequence) -> bool {
        let _one_at_a_time = self.leasing.lock().await;
        let blocks = self.lock();
        let holds = |block: &Range<u64>| block.contains(&sequence.ordinal_near(block.start));
        holds(&blocks.current) || blocks.next.as_ref().is_some_and(holds)
    }

    /// What is in hand is not given out any more, nor what is being leased now: the lease was moved past
    /// it.
    pub(crate) async fn discard(&self) {
        let _one_at_a_time = self.leasing.lock().await;
        let mut blocks = self.lock();
        blocks.current = 0..0;
        blocks.next = None;
    }

    fn take(&self) -> Option<u64> {
        let mut blocks = self.lock();
        if blocks.current.is_empty() {
            blocks.current = blocks.next.take()?;
        }
        let number = blocks.current.next();
        let low = blocks.current.end - blocks.current.start < self.block / 2;
        if low && blocks.next.is_none() && !blocks.refilling {
            blocks.refilling = true;
            let serials = self.clone();
            tokio::spawn(async move {
                if let Err(panic) = CatchUnwind::of(serials.refill()).await {
                    let why = message(panic.as_ref());
                    tracing::error!(why, "serials could not be leased ahead");
                }
                serials.lock().refilling = false;
            });
        }
        number
    }

    async fn refill(&self) {
        let _one_at_a_time = self.leasing.lock().await;
        if self.lock().next.is_none() {
            match self.lease().await {
                Ok(block) => self.lock().next = Some(block),
                // Whoever finds the blocks empty asks again and reports it.
                Err(error) => tracing::warn!(%error, "serials could not be leased ahead"),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Blocks> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::message::Place;
    use domain::money::{Amount, Currency};
    use domain::order::Order;
    use domain::serial::MasterSerial;
    use store::{NewTransfer, Write, WriteId};
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn after_the_last_number_the_first_is_given_out() {
        const MAX: u64 = Sequence::MAX;
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
        let store = Store::open(&url).await.expect("opens");
        store.lease_serials(Sequence::MAX - 3).await.expect("leases");
        let serials = Serials::new(store.clone(), 2, 7);
        let mut given = Vec::new();
        for _ in 0..6 {
            given.push(serials.next().await.expect("a serial").number());
        }
        assert_eq!(given, [MAX - 2, MAX - 1, MAX, 1, 2, 3]);
        store.close().await;
    }

    /// A transfer that has the number 2, and is open.
    fn open() -> Write {
        let day = Day::new(20_261_121).expect("a day");
        let master = MasterSerial { day, sequence: Sequence::of_ordinal(2) };
        let place = |counter: &str| Place {
            counter: counter.parse().expect("a counter"),
            account: "6001".parse().expect("an account"),
        };
        let accept = NewTransfer {
            master,
            app: "demo".into(),
            idempotency_key: "key".into(),
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
        Write { accept: Some(accept), ..Write::of(WriteId(1), master) }
    }

    /// A record of which all numbers were given out once, and the second is still in use.
    async fn with_two_in_use() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
        let store = Store::open(&url).await.expect("opens");
        let (done, mut written) = mpsc::unbounded_channel();
        store.journal().submit(vec![open()], &done);
        assert!(written.recv().await.expect("an answer")[0].result.is_ok());
        store.lease_serials(Sequence::MAX).await.expect("leases");
        (folder, store)
    }

    #[tokio::test]
    async fn numbers_that_come_round_and_are_in_use_are_passed_over() {
        let (_folder, store) = with_two_in_use().await;
        let serials = Serials::new(store.clone(), 3, 7);
        assert_eq!(serials.next().await.expect("a serial").number(), 4);
        store.close().await;
    }

    /// If all that come round are in use, nothing is given out: as many are passed over as may be.
    #[tokio::test]
    async fn where_all_numbers_are_in_use_none_is_given_out() {
        let (_folder, store) = with_two_in_use().await;
        // The block with the number in use comes round each time.
        let serials = Serials::new(store.clone(), Sequence::MAX, 7);
        let error = serials.next().await.expect_err("all are in use").to_string();
        assert!(error.contains(&(Sequence::MAX + 1).to_string()), "{error}");
        store.close().await;
    }

    /// The next block is leased once less than half of this one is left, and what is discarded is never
    /// given out, not even what was on its way.
    #[tokio::test]
    async fn the_next_block_is_leased_ahead_and_what_is_discarded_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
        let store = Store::open(&url).await.expect("opens");
        let serials = Serials::new(store.clone(), 10, 7);
        for number in 1..=5 {
            assert_eq!(serials.next().await.expect("a serial").number(), number);
        }
        let ahead = |serials: &Serials| {
            let blocks = serials.lock();
            (blocks.next.clone(), blocks.refilling)
        };
        assert_eq!(ahead(&serials), (None, false), "half of it is left");
        assert_eq!(serials.next().await.expect("a serial").number(), 6);
        assert!(ahead(&serials).1, "it is being leased");
        // The task that does so has begun.
        tokio::task::yield_now().await;
        serials.discard().await;
        assert!(!serials.holds(Sequence::new(7).expect("a number")).await);
        assert!(serials.next().await.expect("a serial").number() > 20, "11 to 20 are gone, too");
        store.close().await;
    }
}
