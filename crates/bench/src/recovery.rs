//! Many transfers are open when a bridge is killed: how soon the next one takes new work, and how
//! soon all that were open have ended.

use crate::connection::Connection;
use crate::figures::round;
use crate::order::{Clerk, Orders};
use crate::prefill;
use crate::stage::Stage;
use anyhow::{Context, Result, bail, ensure};
use command_line::doing::doing;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use supervise::tell;
use tokio::task::JoinSet;

/// Callers that open transfers: each is told as soon as its transfer is durable.
const CALLERS: u32 = 256;
/// How often it is looked at how many have ended.
const LOOK: Duration = Duration::from_millis(200);
/// Then it is given up.
const LONGEST: Duration = Duration::from_mins(5);

/// What was found; the last line of standard output.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Recovery {
    /// Transfers that were durable and open when the bridge was started again.
    open: u32,
    /// Of these, those that the bridge had accepted itself when it was killed; the others were put
    /// into its database.
    opened: u32,
    opening_took_s: f64,
    /// From the start of the process until it listens, all that was open read.
    listening_after_s: f64,
    /// Until it has accepted a new transfer.
    accepting_after_s: f64,
    /// Until it has sent at least as many requests to counters as transfers were open.
    asked_after_s: Option<f64>,
    /// Until as many have ended.
    ended_after_s: Option<f64>,
    ended: f64,
    rss_mb: Option<f64>,
}

/// Opens `count` transfers at counters that never answer, kills the bridge, and starts it again
/// beside counters that do.
pub(crate) async fn run(stage: &mut Stage, count: u32) -> Result<Recovery> {
    let begun = Instant::now();
    let opened = open(stage.orders(), count).await?;
    let opening_took = begun.elapsed();
    tell!("{opened} transfers are open after {:.1} s", opening_took.as_secs_f64());
    stage.crash().await?;
    let left = u64::from(count.saturating_sub(opened));
    if left > 0 {
        // A bridge takes no more for a counter that does not answer; earlier ones may have.
        prefill::leave_open(stage.database_url()?, left, &stage.orders().accounts).await?;
        tell!("{left} more are put into the database as a crash leaves them");
    }
    stage.restart_counters().await?;
    let begun = Instant::now();
    stage.restart_bridge().await?;
    let listening = begun.elapsed();
    let address = address(stage.orders())?;
    let orders = Orders { wait_s: 0, ..stage.orders().clone() };
    let mut clerk = Clerk::new(orders, SmallRng::from_seed(rand::random()));
    let mut connection = Connection::open(address).await?;
    loop {
        let (request, _) = clerk.next();
        let answer = connection.exchange(request.as_bytes()).await?;
        match answer.status {
            201 | 202 => break,
            429 | 503 => {}
            other => bail!("{other}: {}", String::from_utf8_lossy(answer.body)),
        }
        ensure!(begun.elapsed() < LONGEST, "nothing new is accepted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let accepting = begun.elapsed();
    let open = f64::from(count);
    let (mut asked, mut ended) = (None, None);
    let mut gauges = stage.gauges().await?;
    let ending = doing("waiting until all that was open has ended", "transfers");
    ending.of(count.into());
    while ended.is_none() && begun.elapsed() < LONGEST {
        tokio::time::sleep(LOOK).await;
        gauges = stage.gauges().await?;
        ending.done(format!("{:.0}", gauges.ended).parse().unwrap_or(0));
        if asked.is_none() && gauges.sent >= open {
            asked = Some(begun.elapsed());
        }
        if gauges.ended >= open {
            ended = Some(begun.elapsed());
        }
    }
    drop(ending);
    let seconds = |time: Duration| round(time.as_secs_f64(), 3);
    Ok(Recovery {
        open: count,
        opened,
        opening_took_s: seconds(opening_took),
        listening_after_s: seconds(listening),
        accepting_after_s: seconds(accepting),
        asked_after_s: asked.map(seconds),
        ended_after_s: ended.map(seconds),
        ended: gauges.ended,
        rss_mb: stage.rss_mb().map(|held| round(held, 1)),
    })
}

impl Recovery {
    /// Whether all that was open has ended.
    pub(crate) fn is_clean(&self) -> bool {
        self.ended_after_s.is_some()
    }

    pub(crate) fn explain(&self) {
        let told = |time: Option<f64>| match time {
            Some(time) => format!("{time:.1} s"),
            None => "never".to_owned(),
        };
        tell!(
            "{} open transfers: listening after {:.2} s, accepting after {:.2} s, all asked about \
             after {}, all ended after {}",
            self.open,
            self.listening_after_s,
            self.accepting_after_s,
            told(self.asked_after_s),
            told(self.ended_after_s)
        );
    }
}

/// Opens transfers until there are `count`, or until the bridge takes no more.
async fn open(orders: &Orders, count: u32) -> Result<u32> {
    let address = address(orders)?;
    let (begun, opened) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let orders = Orders { wait_s: 0, ..orders.clone() };
        let (begun, opened) = (Arc::clone(&begun), Arc::clone(&opened));
        callers.spawn(async move {
            let mut clerk = Clerk::new(orders, SmallRng::from_seed(rand::random()));
            let mut connection = Connection::open(address).await?;
            while begun.fetch_add(1, Ordering::Relaxed) < count {
                let (request, _) = clerk.next();
                let answer = connection.exchange(request.as_bytes()).await?;
                match answer.status {
                    202 => opened.fetch_add(1, Ordering::Relaxed),
                    429 | 503 => return Ok(()),
                    other => bail!("{other}: {}", String::from_utf8_lossy(answer.body)),
                };
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.context("a caller panicked")??;
    }
    let opened = opened.load(Ordering::Relaxed);
    ensure!(opened > 0, "not one transfer could be opened");
    if opened < count {
        tell!("the bridge took no more than {opened} of {count}");
    }
    Ok(opened)
}

fn address(orders: &Orders) -> Result<SocketAddr> {
    orders.authority.parse().with_context(|| format!("{} is no address", orders.authority))
}
