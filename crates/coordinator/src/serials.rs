//! Sequences for new transfers, from blocks leased of the database: no round trip per transfer, no
//! collision between nodes, gaps allowed.

use domain::serial::Sequence;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Store, StoreError};
use supervise::task::{CatchUnwind, message};
use tokio::sync::Mutex as AsyncMutex;

/// Hands out sequences; clones hand out of the same blocks.
#[derive(Clone)]
pub(crate) struct Serials {
    store: Store,
    block: u64,
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
    pub(crate) fn new(store: Store, block: u64) -> Serials {
        Serials { store, block: block.max(1), ready: Arc::default(), leasing: Arc::default() }
    }

    /// The next sequence. Waits for the database only when both blocks are used up.
    pub(crate) async fn next(&self) -> Result<Sequence, StoreError> {
        loop {
            if let Some(number) = self.take() {
                return Sequence::new(number).map_err(StoreError::from);
            }
            let _one_at_a_time = self.leasing.lock().await;
            if self.lock().current.is_empty() && self.lock().next.is_none() {
                let block = self.store.lease_serials(self.block).await?;
                self.lock().next = Some(block);
            }
        }
    }

    /// Whether a number is leased and was never given out: whoever has seen it has seen more than there
    /// ever was. Waits while a block is being leased.
    pub(crate) async fn holds(&self, number: u64) -> bool {
        let _one_at_a_time = self.leasing.lock().await;
        let blocks = self.lock();
        blocks.current.contains(&number)
            || blocks.next.as_ref().is_some_and(|next| next.contains(&number))
    }

    /// What is in hand is not given out any more: the lease was moved past it.
    pub(crate) fn discard(&self) {
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
            match self.store.lease_serials(self.block).await {
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
