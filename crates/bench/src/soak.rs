//! A long run minute by minute: whether memory and latency stay where they were.

use crate::figures::{Seen, round};
use serde::Serialize;
use supervise::tell;

/// Shorter runs have no minutes to compare.
const LEAST_MINUTES: usize = 2;
/// The minute that the last one is compared with, from 1: what is filled at first is full by then.
const SETTLED: usize = 3;

/// What a minute was like.
#[derive(Clone, Debug, Serialize)]
struct Minute {
    transfers: u64,
    p50_ms: f64,
    p99_ms: f64,
    /// What the bridge held in memory at its end, in mebibytes.
    rss_mb: Option<f64>,
}

/// All of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Soak {
    minutes: Vec<Minute>,
    /// The last minute's as a share of the third one's: flat is 0.9 to 1.1.
    memory_last_to_third: Option<f64>,
    p99_last_to_third: Option<f64>,
}

/// What is told of a run that has minutes.
pub(crate) fn of(seen: &Seen) -> Option<Soak> {
    let (medians, tails) = (seen.tally.minutes(0.5), seen.tally.minutes(0.99));
    let whole = seen.minutes_rss_mb.len();
    if whole < LEAST_MINUTES {
        return None;
    }
    let minutes: Vec<Minute> = medians
        .into_iter()
        .zip(tails)
        .zip(&seen.minutes_rss_mb)
        .map(|(((transfers, p50_ms), (_, p99_ms)), rss_mb)| Minute {
            transfers,
            p50_ms,
            p99_ms,
            rss_mb: rss_mb.map(|held| round(held, 1)),
        })
        .collect();
    let (last, third) = (minutes.last(), minutes.get(SETTLED - 1));
    let share = |of: fn(&Minute) -> Option<f64>| {
        let (last, third) = (of(last?)?, of(third?)?);
        (third > 0.0).then(|| round(last / third, 3))
    };
    Some(Soak {
        memory_last_to_third: share(|minute| minute.rss_mb),
        p99_last_to_third: share(|minute| Some(minute.p99_ms)),
        minutes,
    })
}

impl Soak {
    pub(crate) fn explain(&self) {
        for (number, minute) in self.minutes.iter().enumerate() {
            let Minute { transfers, p99_ms, rss_mb, .. } = minute;
            let held = rss_mb.map_or_else(String::new, |held| format!(", {held:.1} MiB"));
            tell!("  minute {}: {transfers} transfers, {p99_ms:.2} ms (99 %){held}", number + 1);
        }
    }
}
