//! Counters that come back: how soon each link is up again.

use crate::fleet::{Fleet, PeerPlan, until};
use crate::meter;
use crate::report::{Figure, Target, number, quantile, rounded, spread};
use anyhow::{Context, Result, ensure};
use port::status::Health;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// One link to each of many counters, which go away and come back at random moments.
pub(super) async fn one_by_one(quick: bool) -> Result<Vec<Figure>> {
    let (counters, rounds, longest_ms) = if quick { (20, 4, 1500) } else { (20, 60, 4000) };
    let plan = PeerPlan { ports: counters, connections: 200, ..PeerPlan::default() };
    let mut fleet = Fleet::start(plan).await?;
    for port in 0..counters {
        fleet.link(port, 10)?;
    }
    fleet.up(Duration::from_secs(30)).await?;
    let mut took = Vec::new();
    for round in 0..rounds {
        // Each away for another time, from hardly noticed to long enough to have given up for a while.
        let mut back: Vec<(Duration, usize)> = (0..counters)
            .map(|port| (Duration::from_millis(rand::random_range(20..longest_ms)), port))
            .collect();
        back.sort_unstable();
        let how = if round % 2 == 0 { "fin" } else { "rst" };
        for port in 0..counters {
            fleet.peer.tell(&format!("down {port} {how}")).await?;
        }
        for link in &fleet.links {
            until(link, |now| now.health == Health::Down).await?;
        }
        let began = Instant::now();
        let mut waits = Vec::new();
        for (after, port) in back {
            sleep((began + after).saturating_duration_since(Instant::now())).await;
            let at = moment(&fleet.peer.tell(&format!("up {port}")).await?)?;
            let link = fleet.links[port].clone();
            waits.push(tokio::spawn(async move {
                until(&link, |now| now.health == Health::Up).await?;
                Ok::<Duration, anyhow::Error>(meter::machine_time().saturating_sub(at))
            }));
        }
        for wait in waits {
            took.push(wait.await??.as_secs_f64() * 1e3);
        }
    }
    fleet.end().await?;
    Ok(vec![
        Figure::new("from a listener's return to Up, p99", quantile(&mut took, 0.99), "ms")
            .should_be(Target::AtMost(300.0))
            .with(spread(&mut took)),
    ])
}

/// Many links to one counter that goes away and comes back.
pub(super) async fn all_at_once(quick: bool, links: Option<u32>) -> Result<Vec<Figure>> {
    let count = links.unwrap_or(if quick { 500 } else { 5000 });
    meter::allow_files(count.into())?;
    // While they come back, the prober's connections and those not yet closed are there too.
    let plan = PeerPlan { connections: count * 2 + 100, ..PeerPlan::default() };
    let mut fleet = Fleet::start(plan).await?;
    for _ in 0..count {
        fleet.link(0, 10)?;
    }
    fleet.up(Duration::from_mins(1)).await?;
    fleet.peer.tell("down 0 fin").await?;
    for link in &fleet.links {
        until(link, |now| now.health == Health::Down).await?;
    }
    let idle = (Instant::now(), meter::processor_time());
    sleep(Duration::from_secs(if quick { 2 } else { 15 })).await;
    let busy = meter::processor_time().saturating_sub(idle.1);
    let busy = busy.as_secs_f64() / idle.0.elapsed().as_secs_f64();
    let back = moment(&fleet.peer.tell("up 0").await?)?;
    fleet.up(Duration::from_mins(2)).await?;
    let took = meter::machine_time().saturating_sub(back).as_secs_f64();
    let said = fleet.peer.tell("signed 0").await?;
    fleet.end().await?;
    let at: Vec<u64> = serde_json::from_value(said["at"].clone()).context("the sign-ons")?;
    ensure!(at.len() >= usize::try_from(count)?, "only {} sign-ons", at.len());
    let (busiest, mean) = busiest(&at);
    Ok(vec![
        Figure::new("many links up again after their listener's return", took, "s")
            .should_be(Target::AtMost(5.0))
            .with(json!({ "links": count, "processors_while_it_was_away": rounded(busy) })),
        Figure::new("sign-ons of the busiest 100 ms over the mean", busiest / mean, "times")
            .should_be(Target::AtMost(3.0))
            .with(json!({ "busiest": busiest, "mean": rounded(mean), "sign_ons": at.len() })),
    ])
}

/// How many there were in the busiest 100 ms, wherever they begin, and on average from the first to
/// the last.
fn busiest(at: &[u64]) -> (f64, f64) {
    let mut at = at.to_vec();
    at.sort_unstable();
    let (Some(first), Some(last)) = (at.first(), at.last()) else { return (0.0, 1.0) };
    let hundreds = number(last - first) / 1e8;
    let mut begins = 0;
    let mut most = 0;
    for (index, moment) in at.iter().enumerate() {
        while moment - at[begins] >= 100_000_000 {
            begins += 1;
        }
        most = most.max(index + 1 - begins);
    }
    (number(most), number(at.len()) / hundreds.max(1.0))
}

/// When the peer did what it was told, by the clock that we share.
pub(super) fn moment(said: &Value) -> Result<Duration> {
    said["at"].as_u64().map(Duration::from_nanos).context("a moment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_hundred_milliseconds_are_found_wherever_they_begin() {
        let ms = |ms: u64| ms * 1_000_000;
        let at: Vec<u64> = [0, 150, 180, 190, 230, 249, 400].map(ms).to_vec();
        let (most, mean) = busiest(&at);
        assert!((most - 5.0).abs() < 1e-9 && (mean - 1.75).abs() < 1e-9, "{most} {mean}");
    }
}
