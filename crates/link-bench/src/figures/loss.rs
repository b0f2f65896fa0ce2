//! How soon it is seen that a counter has gone, or stands still.

use super::recovery::moment;
use crate::fleet::{Fleet, PeerPlan, until};
use crate::meter;
use crate::report::{Figure, Target, quantile, spread};
use anyhow::Result;
use port::Counter;
use port::status::{Health, State};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// Connections that are closed or reset.
pub(super) async fn ends(quick: bool) -> Result<Vec<Figure>> {
    let trials = if quick { 6 } else { 100 };
    let mut fleet = Fleet::start(PeerPlan { connections: 10, ..PeerPlan::default() }).await?;
    fleet.link(0, 10)?;
    let mut figures = Vec::new();
    for how in ["fin", "rst"] {
        let mut took = Vec::new();
        for _ in 0..trials {
            fleet.up(Duration::from_mins(1)).await?;
            let link = fleet.links[0].clone();
            let seen = tokio::spawn(async move {
                until(&link, |now| now.health == Health::Down).await?;
                Ok::<Duration, anyhow::Error>(meter::machine_time())
            });
            let at = moment(&fleet.peer.tell(&format!("down 0 {how}")).await?)?;
            took.push(seen.await??.saturating_sub(at).as_secs_f64() * 1e3);
            fleet.peer.tell("up 0").await?;
        }
        let name = format!("{} seen, p99", how.to_uppercase());
        figures.push(
            Figure::new(&name, quantile(&mut took, 0.99), "ms")
                .should_be(Target::AtMost(10.0))
                .with(spread(&mut took)),
        );
    }
    fleet.end().await?;
    Ok(figures)
}

/// A process that stands still behind a kernel that does not.
pub(super) async fn frozen() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut fleet = Fleet::start(PeerPlan { connections: 10, ..PeerPlan::default() }).await?;
    for heartbeat_s in [2, 10] {
        fleet.link(0, heartbeat_s)?;
    }
    fleet.up(Duration::from_secs(20)).await?;
    fleet.peer.freeze()?;
    let began = Instant::now();
    for (link, (heartbeat_s, limit)) in fleet.links.iter().zip([(2, 4.0), (10, 17.0)]) {
        let given_up = |state| !matches!(state, State::Up | State::Suspect);
        until(link, |now| given_up(now.connections[0].state)).await?;
        let took = began.elapsed();
        let name = format!("frozen process seen at heartbeat {heartbeat_s}");
        // Why is told after that it is so.
        until(link, |now| now.connections[0].last_cause.is_some()).await?;
        let cause = link.snapshot().connections[0].last_cause.clone();
        figures.push(
            Figure::new(&name, took.as_secs_f64(), "s")
                .should_be(Target::AtMost(limit))
                .with(json!({ "cause": cause })),
        );
    }
    // The peer hears no farewell any more; it is killed with its owner.
    Ok(figures)
}
