//! Links whose counters live, while every processor has twice as many threads to run as it can.

use super::pace::Asker;
use crate::child::Child;
use crate::fleet::{Fleet, PeerPlan};
use crate::report::{Figure, Target, number, rounded};
use anyhow::{Context, Result};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

pub(super) async fn take(quick: bool, seconds: Option<u64>) -> Result<Vec<Figure>> {
    let long = Duration::from_secs(seconds.unwrap_or(if quick { 8 } else { 600 }));
    let links = 100;
    let mut fleet = Fleet::start(PeerPlan { connections: 200, ..PeerPlan::default() }).await?;
    for index in 0..links {
        fleet.link(0, if index % 2 == 0 { 2 } else { 10 })?;
    }
    fleet.up(Duration::from_secs(30)).await?;
    let burn = Child::start(&["burn"])?;
    let mut asker = Asker::new(fleet.links[0].clone());
    let asking = tokio::spawn(async move { asker.keep(64, long).await });
    sleep(long).await;
    let drops = fleet.drops();
    let pace = asking.await.context("the asker")?;
    drop(burn);
    let answered = pace.map_or(0, |pace| pace.pairs);
    fleet.end().await?;
    Ok(vec![
        Figure::new("sessions given up though their counter lived", number(drops), "sessions")
            .should_be(Target::AtMost(0.0))
            .with(json!({
                "seconds": long.as_secs(),
                "links": links,
                "heartbeats_s": [2, 10],
                "pairs_per_s": rounded(number(answered) / long.as_secs_f64()),
            })),
    ])
}
