//! What an app notices of another that asks for far more than it may: its own figures, measured in turns
//! without and with that neighbour.

use crate::figures::{Latency, Seen, round};
use crate::load::{self, Pace, Plan};
use crate::setup::NEIGHBOUR_MAY;
use crate::stage::Stage;
use crate::tally::Tally;
use crate::turns::{TURNS, add_turn, turn};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use supervise::tell;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Neighbour {
    /// Without the neighbour.
    alone_ms: Latency,
    /// Beside it.
    beside_ms: Latency,
    /// The slowest hundredth beside it, as a multiple of that without.
    p99_ratio: f64,
    /// Its callers.
    callers: usize,
    /// What it may, in requests a second.
    may_per_s: u32,
    /// What it was let do.
    ended: u64,
    /// What it was refused (429 or 503).
    turned_away: u64,
    /// What else became of its requests.
    errors: u64,
}

/// Measures alone and beside so many callers of the neighbour, in turns: what else the machine does falls
/// on both.
pub(crate) async fn run(plan: &Plan, stage: &Stage, callers: u16) -> Result<(Seen, Neighbour)> {
    let plan = Plan { measured: plan.measured / TURNS, ..plan.clone() };
    let callers = usize::from(callers);
    let (mut alone, mut beside): (Option<Seen>, Option<Seen>) = (None, None);
    let mut neighbours = Tally::new()?;
    for _ in 0..TURNS {
        add_turn(&mut alone, turn(&plan, stage).await?)?;
        let crowd = Plan { callers, pace: Pace::Callers, threads: 1, ..plan.clone() };
        let orders = stage.neighbours_orders().context("there is no neighbour")?;
        let started = move || load::start(&crowd, &orders);
        let (crowd, _) = tokio::task::spawn_blocking(started).await??;
        add_turn(&mut beside, turn(&plan, stage).await?)?;
        neighbours.merge(tokio::task::spawn_blocking(move || crowd.join()).await??)?;
    }
    let (alone, beside) = alone.zip(beside).context("there was no turn")?;
    let (alone_ms, beside_ms) = (Latency::of(&alone.tally), Latency::of(&beside.tally));
    let p99 = |seen: &Seen| seen.tally.latency_ms(0.99);
    let found = Neighbour {
        alone_ms,
        beside_ms,
        p99_ratio: round(p99(&beside) / p99(&alone).max(0.001), 3),
        callers,
        may_per_s: NEIGHBOUR_MAY,
        ended: neighbours.ended(),
        turned_away: neighbours.turned_away,
        errors: neighbours.errors(),
    };
    ensure!(found.turned_away > 0, "the neighbour never came to its limit: {found:?}");
    Ok((beside, found))
}

impl Neighbour {
    pub(crate) fn errors(&self) -> u64 {
        self.errors
    }

    pub(crate) fn explain(&self) {
        tell!(
            "  beside a neighbour of {} callers that may {} requests/s ({} ended, {} turned away): the \
             slowest hundredth took {:.2} times as long as alone",
            self.callers,
            self.may_per_s,
            self.ended,
            self.turned_away,
            self.p99_ratio
        );
    }
}
