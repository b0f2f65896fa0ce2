//! Heartbeats while requests and answers come as fast as they can.

use super::pace::Asker;
use crate::fleet::{Fleet, PeerPlan};
use crate::report::{Figure, Target, number, rounded};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::Duration;

pub(super) async fn take(quick: bool) -> Result<Vec<Figure>> {
    let long = Duration::from_secs(if quick { 4 } else { 30 });
    let mut fleet = Fleet::start(PeerPlan { connections: 10, ..PeerPlan::default() }).await?;
    fleet.link(0, 1)?;
    fleet.up(Duration::from_secs(20)).await?;
    // More than the window, so that requests always wait; fewer than the queue takes.
    let pace = Asker::new(fleet.links[0].clone()).keep(768, long).await?;
    let beats = fleet.peer.tell("beats").await?;
    let longest = beats["longest_s"].as_f64().context("a time")?;
    let count = beats["count"].as_u64().context("a count")?;
    ensure!(count >= long.as_secs() / 2, "only {count} heartbeats in {long:?}");
    let drops = fleet.drops();
    ensure!(drops == 0, "the session was lost");
    fleet.end().await?;
    Ok(vec![
        Figure::new("longest gap between heartbeats under saturation", longest, "intervals")
            .should_be(Target::AtMost(1.1))
            .with(json!({
                "interval_s": 1,
                "heartbeats": count,
                "pairs_per_s": rounded(number(pace.pairs) / pace.took.as_secs_f64()),
            })),
    ])
}
