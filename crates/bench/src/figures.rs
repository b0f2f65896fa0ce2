//! A run's figures, from which everything that is told of it is made.

use crate::gauges::Gauges;
use crate::process::Processes;
use crate::tally::Tally;
use anyhow::Result;
use serde::Serialize;

/// What was seen in one turn, or several.
pub(crate) struct Seen {
    pub(crate) seconds: f64,
    pub(crate) tally: Tally,
    pub(crate) processes: Processes,
    pub(crate) gauges: Gauges,
    /// What the bridge held in memory at the end of each whole minute, in mebibytes.
    pub(crate) minutes_rss_mb: Vec<Option<f64>>,
}

impl Seen {
    pub(crate) fn add(&mut self, later: Seen) -> Result<()> {
        self.seconds += later.seconds;
        self.tally.merge(later.tally)?;
        self.processes.add(&later.processes);
        self.gauges.add(&later.gauges);
        // Turns are not minutes of one run.
        self.minutes_rss_mb.clear();
        Ok(())
    }
}

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    max: f64,
}

impl Latency {
    pub(crate) fn of(tally: &Tally) -> Latency {
        Latency {
            p50: tally.latency_ms(0.5),
            p95: tally.latency_ms(0.95),
            p99: tally.latency_ms(0.99),
            max: tally.latency_ms(1.0),
        }
    }
}

/// Transfers a second.
pub(crate) fn per_second(seen: &Seen) -> f64 {
    count(seen.tally.ended()) / seen.seconds
}

/// Rounded to so many digits after the point.
pub(crate) fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

/// A count as a float; exact below four billion.
pub(crate) fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
