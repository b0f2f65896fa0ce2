//! What an idle link holds in memory.

use crate::fleet::{Fleet, PeerPlan};
use crate::meter;
use crate::report::{Figure, Target, number, rounded};
use anyhow::Result;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

pub(super) async fn take(quick: bool, links: Option<u32>, tls: bool) -> Result<Vec<Figure>> {
    let count = links.unwrap_or(match (quick, tls) {
        (false, _) => 10_000,
        (true, false) => 1000,
        (true, true) => 200,
    });
    meter::allow_files(count.into())?;
    let plan = PeerPlan { connections: count + 100, tls, ..PeerPlan::default() };
    let mut fleet = Fleet::start(plan).await?;
    let heartbeat_s = if quick { 2 } else { 10 };
    // One first: what the first link brings along is not what a link takes.
    fleet.link(0, heartbeat_s)?;
    fleet.up(Duration::from_secs(20)).await?;
    fleet.links.reserve(usize::try_from(count)?);
    let before = meter::resident()?;
    for _ in 0..count {
        fleet.link(0, heartbeat_s)?;
    }
    let created = meter::resident()?;
    fleet.up(Duration::from_mins(4)).await?;
    let up = meter::resident()?;
    // Heartbeats use buffers; they must be given back.
    sleep(Duration::from_secs(u64::from(heartbeat_s) * 2)).await;
    let after = meter::resident()?;
    let busy = meter::processor_time();
    sleep(Duration::from_secs(2)).await;
    let busy = meter::processor_time().saturating_sub(busy).as_secs_f64() / 2.0;
    let drops = fleet.drops();
    let ended = fleet.end().await?;
    let each = |bytes: u64| number(bytes.saturating_sub(before)) / f64::from(count);
    let (name, target) = if tls {
        ("resident bytes of an idle link under mutual TLS", 12.0 * 1024.0)
    } else {
        ("resident bytes of an idle link", 4.0 * 1024.0)
    };
    Ok(vec![Figure::new(name, each(after), "B").should_be(Target::AtMost(target)).with(json!({
        "links": count,
        "before_any_connection": rounded(each(created)),
        "when_the_last_was_up": rounded(each(up)),
        "heartbeat_s": heartbeat_s,
        "processors_while_idle": rounded(busy),
        "drops": drops,
        "stopped_in_s": rounded(ended.as_secs_f64()),
    }))])
}
