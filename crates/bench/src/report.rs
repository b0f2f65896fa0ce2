//! What was measured, in numbers.

use crate::browsers::Browsers;
use crate::course::Course;
use crate::figures::{Latency, Seen, count, per_second, round};
use crate::load::{Pace, Plan};
use crate::neighbour::Neighbour;
use crate::overload::Overload;
use crate::scale::Scale;
use crate::soak::{self, Soak};
use serde::Serialize;
use std::collections::BTreeMap;
use supervise::tell;

/// What a report is made of.
pub(crate) struct Run<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) algorithm: &'static str,
    pub(crate) database: &'a str,
    pub(crate) fsync_ms_p50: Option<f64>,
    pub(crate) seen: &'a Seen,
    pub(crate) course: Option<Course>,
    pub(crate) floor: Option<&'a Seen>,
    pub(crate) overload: Option<Overload>,
    pub(crate) scale: Option<Scale>,
    pub(crate) neighbour: Option<Neighbour>,
    pub(crate) browsers: Option<Browsers>,
}

/// What nobody can save, measured in turns with the rest.
#[derive(Clone, Debug, Serialize)]
struct Floor {
    transfers_per_s: f64,
    latency_ms: Latency,
    cpu_s_per_1000_transfers: BTreeMap<&'static str, f64>,
    errors: u64,
}

/// The last line of standard output.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    transfers_per_s: f64,
    latency_ms: Latency,
    callers: usize,
    /// What was asked for, in an open loop.
    rate: Option<u32>,
    seconds: f64,
    algorithm: &'static str,
    database: String,
    completed: u64,
    refused: u64,
    reversed: u64,
    /// Answered 429 or 503.
    turned_away: u64,
    /// Began too late to be sent at all, in an open loop.
    unsent: u64,
    errors: u64,
    /// CPU seconds for a thousand transfers, by process; `signing` is the generator's share that
    /// makes and signs requests. Beside a neighbour its requests cost, too.
    cpu_s_per_1000_transfers: BTreeMap<&'static str, f64>,
    /// What the bridge holds in memory at the end, in mebibytes.
    rss_mb: Option<f64>,
    /// The disk's own time for a flush, measured before.
    fsync_ms_p50: Option<f64>,
    flushes_per_transfer: Option<f64>,
    /// Of the measured time, the share in which the database was committing.
    commit_share: f64,
    /// Where the time of a completed transfer goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_shares: Option<Course>,
    /// The share of all processors that others than these processes used: the noise.
    others_share_of_cpu: Option<f64>,
    /// Transfers a second, as a share of the floor's.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio_to_floor: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<Floor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overload: Option<Overload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<Scale>,
    #[serde(skip_serializing_if = "Option::is_none")]
    neighbour: Option<Neighbour>,
    #[serde(skip_serializing_if = "Option::is_none")]
    browsers: Option<Browsers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    soak: Option<Soak>,
    #[serde(skip)]
    wrong: BTreeMap<String, u64>,
}

impl Report {
    pub(crate) fn new(run: Run<'_>) -> Report {
        let Run { plan, algorithm, database, fsync_ms_p50, seen, course, .. } = run;
        let Run { floor, overload, scale, neighbour, browsers, .. } = run;
        let Seen { seconds, tally, processes, gauges, .. } = seen;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let others = processes.machine_s.map(|busy| {
            let whole = seconds * count(u64::try_from(processors).unwrap_or(1));
            round(((busy - processes.cpu_s()) / whole).max(0.0), 3)
        });
        let mut wrong = tally.wrong.clone();
        let mut errors = tally.errors();
        // Whoever sets the rate wants to see who is turned away; callers that wait for each other
        // have no reason to be.
        if plan.pace == Pace::Callers && tally.turned_away > 0 {
            errors += tally.turned_away;
            wrong.insert("turned away (429 or 503)".to_owned(), tally.turned_away);
        }
        let floor = floor.map(|floor| Floor {
            transfers_per_s: round(per_second(floor), 1),
            latency_ms: Latency::of(&floor.tally),
            cpu_s_per_1000_transfers: cpu(floor),
            errors: floor.tally.errors(),
        });
        Report {
            transfers_per_s: round(per_second(seen), 1),
            latency_ms: Latency::of(tally),
            callers: plan.callers,
            rate: match plan.pace {
                Pace::Callers => None,
                Pace::Clock { per_second } => Some(per_second),
            },
            seconds: round(*seconds, 3),
            algorithm,
            database: database.to_owned(),
            completed: tally.completed,
            refused: tally.refused,
            reversed: tally.reversed,
            turned_away: tally.turned_away,
            unsent: tally.unsent,
            errors: errors
                + floor.as_ref().map_or(0, |floor| floor.errors)
                + neighbour.as_ref().map_or(0, Neighbour::errors),
            cpu_s_per_1000_transfers: cpu(seen),
            rss_mb: processes.each.get("bridge").map(|cost| round(cost.rss_mb, 1)),
            fsync_ms_p50: fsync_ms_p50.map(|time| round(time, 3)),
            // Of what the bridge ended in about the same time: its own ratio is exact.
            flushes_per_transfer: (gauges.ended > 0.0)
                .then(|| round(gauges.batches / gauges.ended, 4)),
            commit_share: round(gauges.commit_s / seconds, 3),
            time_shares: course,
            others_share_of_cpu: others,
            ratio_to_floor: floor
                .as_ref()
                .map(|floor| round(per_second(seen) / floor.transfers_per_s.max(0.1), 3)),
            floor,
            overload,
            scale,
            neighbour,
            browsers,
            soak: soak::of(seen),
            wrong,
        }
    }

    /// Whether nothing went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.errors == 0
    }

    /// Says it to people.
    pub(crate) fn explain(&self) {
        let Latency { p50, p95, p99, .. } = self.latency_ms;
        tell!(
            "{:.0} transfers/s; latency {p50:.2} ms (median), {p95:.2} (95 %), {p99:.2} (99 %)",
            self.transfers_per_s
        );
        for (name, cpu) in &self.cpu_s_per_1000_transfers {
            tell!("  {name:<12} {cpu:.4} CPU s per 1,000 transfers");
        }
        if let Some(share) = self.others_share_of_cpu {
            tell!("  other processes used {:.0} % of the processors", share * 100.0);
        }
        if let (Some(floor), Some(ratio)) = (&self.floor, self.ratio_to_floor) {
            tell!("  {ratio:.2} of the floor's {:.0} transfers/s", floor.transfers_per_s);
        }
        if let Some(overload) = &self.overload {
            overload.explain();
        }
        if let Some(scale) = &self.scale {
            scale.explain();
        }
        if let Some(neighbour) = &self.neighbour {
            neighbour.explain();
        }
        if let Some(browsers) = &self.browsers {
            browsers.explain();
        }
        if let Some(soak) = &self.soak {
            soak.explain();
        }
        if !self.is_clean() {
            tell!("{} errors:", self.errors);
        }
        for (what, count) in &self.wrong {
            tell!("  {count} × {what}");
        }
    }
}

/// CPU seconds for a thousand transfers, by process.
fn cpu(seen: &Seen) -> BTreeMap<&'static str, f64> {
    let ended = count(seen.tally.ended()).max(1.0);
    let per_thousand = |used: f64| round(used / ended * 1000.0, 4);
    let each = seen.processes.each.iter().map(|(name, cost)| (*name, per_thousand(cost.cpu_s)));
    let signing = ("signing", per_thousand(seen.tally.signing.as_secs_f64()));
    each.chain([signing]).collect()
}
