//! Measures once, or in turns with something else.

use crate::figures::Seen;
use crate::gauges::Gauges;
use crate::load::{self, Plan};
use crate::process::Processes;
use crate::stage::Stage;
use anyhow::Result;
use command_line::doing::doing;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_mins(1);

/// Beside something else, so many turns each: what else the machine does falls on both.
pub(crate) const TURNS: u32 = 3;

/// Measures two stages in turns.
pub(crate) async fn in_turns(plan: &Plan, stage: &Stage, bare: &Stage) -> Result<(Seen, Seen)> {
    let short = Plan { measured: plan.measured / TURNS, ..plan.clone() };
    let (mut seen, mut floor) = (turn(&short, stage).await?, turn(&short, bare).await?);
    for _ in 1..TURNS {
        seen.add(turn(&short, stage).await?)?;
        floor.add(turn(&short, bare).await?)?;
    }
    Ok((seen, floor))
}

/// Loads a stage, and says what was seen.
pub(crate) async fn turn(plan: &Plan, stage: &Stage) -> Result<Seen> {
    let (plan_here, orders) = (plan.clone(), stage.orders_for(plan));
    let started = move || load::start(&plan_here, &orders);
    let (load, window) = tokio::task::spawn_blocking(started).await??;
    let watched = stage.processes();
    let sample = async |at: Instant| -> Result<(Processes, Gauges)> {
        tokio::time::sleep_until(at.into()).await;
        Ok((Processes::look(&watched), stage.gauges().await?))
    };
    let all = (plan.warm_up + plan.measured).as_secs();
    let loading = doing(format!("putting load on the bridge, for {all} s"), "");
    let before = sample(window.start).await?;
    let mut minutes_rss_mb = Vec::new();
    let mut minute = window.start + MINUTE;
    while minute <= window.end {
        tokio::time::sleep_until(minute.into()).await;
        minutes_rss_mb.push(stage.rss_mb());
        minute += MINUTE;
    }
    let after = sample(window.end).await?;
    let tally = tokio::task::spawn_blocking(move || load.join()).await??;
    drop(loading);
    Ok(Seen {
        seconds: (window.end - window.start).as_secs_f64(),
        tally,
        processes: after.0.since(&before.0),
        gauges: after.1.since(&before.1),
        minutes_rss_mb,
    })
}

/// Adds what one turn more has seen.
pub(crate) fn add_turn(all: &mut Option<Seen>, seen: Seen) -> Result<()> {
    if let Some(all) = all {
        return all.add(seen);
    }
    *all = Some(seen);
    Ok(())
}
