//! How soon links that do nothing have stopped, each signed off and its connection closed.

use crate::fleet::{Fleet, PeerPlan};
use crate::meter;
use crate::report::{Figure, Target, rounded, spread};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::Duration;

/// As many counters as a bridge may well have.
const LINKS: u32 = 20;

pub(super) async fn take(quick: bool) -> Result<Vec<Figure>> {
    let (rounds, many) = if quick { (5, 100) } else { (100, 1000) };
    meter::allow_files(many.into())?;
    let plan = PeerPlan { connections: many + 100, ..PeerPlan::default() };
    let mut fleet = Fleet::start(plan).await?;
    let mut took = Vec::new();
    for _ in 0..rounds {
        took.push(once(&mut fleet, LINKS).await?.as_secs_f64());
    }
    let crowd = once(&mut fleet, many).await?;
    let left = fleet.peer.tell("left").await?["count"].as_u64().context("no count")?;
    let all = u64::from(rounds * LINKS + many);
    ensure!(left == all, "only {left} of {all} sessions were signed off");
    let detail = spread(&mut took);
    let longest = took.last().copied().unwrap_or(0.0);
    Ok(vec![Figure::new("idle links stopped", longest, "s").should_be(Target::AtMost(0.1)).with(
        json!({
            "links": LINKS,
            "rounds": detail,
            "many_links": many,
            "many_stopped_in_s": rounded(crowd.as_secs_f64()),
            "signed_off": left,
        }),
    )])
}

/// From the word to stop until the last connection is closed and its task has ended.
async fn once(fleet: &mut Fleet, links: u32) -> Result<Duration> {
    for _ in 0..links {
        fleet.link(0, 10)?;
    }
    fleet.up(Duration::from_mins(1)).await?;
    fleet.end().await
}
