//! A database that has seen a lot, beside an empty one: whether the bridge is as quick on it, and
//! whether lists are.

use crate::figures::{Latency, Seen, per_second, round};
use crate::order::Accounts;
use crate::prefill::Filled;
use crate::stage::Stage;
use anyhow::{Context, Result, ensure};
use client::TransferFilter;
use serde::Serialize;
use std::time::{Duration, Instant};
use supervise::tell;

/// Accounts whose lists are asked for on either side, spread over all.
const LISTED: usize = 20;
/// Transfers in a page of a list.
const PAGE: u16 = 50;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scale {
    /// Transfers that were there before.
    transfers: u64,
    /// How long they took to be put there; nothing if they were there already.
    filled_in_s: Option<f64>,
    empty_transfers_per_s: f64,
    empty_latency_ms: Latency,
    /// Transfers a second, as a share of those with an empty database.
    ratio_to_empty: f64,
    /// The first page of an account's list, over 40 accounts, each asked for once.
    listing_ms_p50: f64,
    listing_ms_max: f64,
    /// The list of an account that has none.
    listing_nothing_ms: f64,
}

/// Asks for lists, and says what was found.
pub(crate) async fn judge(
    stage: &Stage,
    filled: Filled,
    seen: &Seen,
    empty: &Seen,
) -> Result<Scale> {
    let Accounts { from, to, empty: nobody, .. } = &stage.orders().accounts;
    let mut times = Vec::new();
    for side in [from, to] {
        for place in side.iter().step_by((side.len() / LISTED).max(1)).take(LISTED) {
            let (took, listed) = list(stage, place).await?;
            ensure!(listed > 0, "the list of {} is empty", place.account);
            times.push(took);
        }
    }
    times.sort_unstable();
    let (nothing, _) = list(stage, nobody).await?;
    let ms = |time: Duration| round(time.as_secs_f64() * 1000.0, 2);
    Ok(Scale {
        transfers: filled.transfers,
        filled_in_s: filled.took.map(|took| round(took.as_secs_f64(), 1)),
        empty_transfers_per_s: round(per_second(empty), 1),
        empty_latency_ms: Latency::of(&empty.tally),
        ratio_to_empty: round(per_second(seen) / per_second(empty).max(0.1), 3),
        listing_ms_p50: ms(times[times.len() / 2]),
        listing_ms_max: ms(times[times.len() - 1]),
        listing_nothing_ms: ms(nothing),
    })
}

/// The first page of an account's list: how long it took and how many it has.
async fn list(stage: &Stage, place: &domain::message::Place) -> Result<(Duration, usize)> {
    let filter = TransferFilter {
        counter: Some(place.counter.to_string()),
        account: Some(place.account.to_string()),
        limit: Some(PAGE),
        ..TransferFilter::default()
    };
    let client = stage.client()?;
    let begun = Instant::now();
    let page = client.list(&filter).await.context("a list")?;
    Ok((begun.elapsed(), page.transfers.len()))
}

impl Scale {
    pub(crate) fn explain(&self) {
        tell!(
            "  with {} transfers before: {:.2} of the {:.0} transfers/s on an empty database; \
             an account's list within {:.1} ms (median), {:.1} at most",
            self.transfers,
            self.ratio_to_empty,
            self.empty_transfers_per_s,
            self.listing_ms_p50,
            self.listing_ms_max
        );
    }
}
