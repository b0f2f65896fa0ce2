//! More than the bridge can do: what it still completes, how quickly it turns the rest away, and
//! whether anything grows without a bound meanwhile.

use crate::figures::{Latency, Seen, per_second, round};
use crate::load::{Pace, Plan};
use crate::stage::Stage;
use crate::turns::turn;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use supervise::tell;

/// Callers that find out the most that the bridge can do.
const CALLERS_AT_PEAK: usize = 256;
/// How many times the most it is asked for.
const TIMES: u32 = 3;
/// Callers that ask for more: as many as may wait for an answer at a time.
pub(crate) const CALLERS: u16 = 4096;
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(250);

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Overload {
    /// With 256 callers that wait for each other, in the same run.
    peak_transfers_per_s: f64,
    peak_latency_ms: Latency,
    offered_per_s: u32,
    /// Transfers completed a second under overload, as a share of the peak.
    goodput_to_peak: f64,
    /// How long it took to be turned away, from when the request was sent.
    turning_away_ms_p50: f64,
    turning_away_ms_p99: f64,
    /// Turned away and not told when to come again.
    without_retry_after: u64,
    /// The most requests that any counter had to answer at a time; its window is 256 a connection.
    most_in_flight: BTreeMap<String, u64>,
    /// The most that waited to be written to it.
    most_queued: BTreeMap<String, u64>,
    /// What the bridge held in memory before, at most, and at the end, in mebibytes.
    rss_mb_before: Option<f64>,
    rss_mb_most: Option<f64>,
    rss_mb_after: Option<f64>,
}

/// The most that was seen of everything.
#[derive(Default)]
struct Most {
    in_flight: BTreeMap<String, u64>,
    queued: BTreeMap<String, u64>,
    rss_mb: Option<f64>,
}

impl Most {
    async fn look(&mut self, stage: &Stage) {
        // Under overload the operators' side may be slow: what is not answered is not seen.
        if let Ok(counters) = stage.counters().await {
            for counter in counters {
                let raise = |of: &mut BTreeMap<String, u64>, value: u64| {
                    let most = of.entry(counter.counter.clone()).or_default();
                    *most = value.max(*most);
                };
                raise(&mut self.in_flight, counter.in_flight);
                raise(&mut self.queued, counter.queued);
            }
        }
        let held = stage.rss_mb();
        self.rss_mb = held.into_iter().chain(self.rss_mb).reduce(f64::max);
    }
}

/// Finds the peak, then asks for three times as much.
pub(crate) async fn run(plan: &Plan, stage: &Stage) -> Result<(Plan, Seen, Overload)> {
    let calm = Plan { callers: CALLERS_AT_PEAK, pace: Pace::Callers, ..plan.clone() };
    let peak = turn(&calm, stage).await?;
    let peak_per_s = per_second(&peak);
    let offered_per_s = whole(peak_per_s).saturating_mul(TIMES).max(1);
    tell!("{peak_per_s:.0} transfers/s at most; now {offered_per_s} are asked for");
    let pace = Pace::Clock { per_second: offered_per_s };
    let storm = Plan { pace, signed_before: true, ..plan.clone() };
    let before = stage.rss_mb();
    let mut most = Most::default();
    let loaded = turn(&storm, stage);
    tokio::pin!(loaded);
    let seen = loop {
        tokio::select! {
            seen = &mut loaded => break seen?,
            () = tokio::time::sleep_until((Instant::now() + LOOK).into()) => most.look(stage).await,
        }
    };
    let goodput = per_second(&seen);
    let overload = Overload {
        peak_transfers_per_s: round(peak_per_s, 1),
        peak_latency_ms: Latency::of(&peak.tally),
        offered_per_s,
        goodput_to_peak: round(goodput / peak_per_s.max(0.1), 3),
        turning_away_ms_p50: seen.tally.turning_away_ms(0.5),
        turning_away_ms_p99: seen.tally.turning_away_ms(0.99),
        without_retry_after: seen.tally.without_retry_after,
        most_in_flight: most.in_flight,
        most_queued: most.queued,
        rss_mb_before: before.map(|held| round(held, 1)),
        rss_mb_most: most.rss_mb.map(|held| round(held, 1)),
        rss_mb_after: stage.rss_mb().map(|held| round(held, 1)),
    };
    Ok((storm.clone(), seen, overload))
}

/// A rate as a whole number.
fn whole(rate: f64) -> u32 {
    format!("{rate:.0}").parse().unwrap_or(1)
}

impl Overload {
    pub(crate) fn explain(&self) {
        tell!(
            "  {:.2} of the peak's {:.0} transfers/s; the rest turned away within {:.2} ms (median), \
             {:.2} (99 %)",
            self.goodput_to_peak,
            self.peak_transfers_per_s,
            self.turning_away_ms_p50,
            self.turning_away_ms_p99
        );
    }
}
