//! Ten times more requests than the counter answers: what is too much is told at once, and takes no
//! memory.

use crate::fleet::{Fleet, PeerPlan};
use crate::meter;
use crate::report::{Figure, Target, number, quantile, spread};
use crate::script;
use anyhow::{Result, ensure};
use port::NotSent;
use port::ReplyTo;
use port::RequestOutcome;
use port::Ticket;
use port::{Ask, Counter};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Answers a second of the counter.
const RATE: u32 = 2000;
/// Asks a second.
const OFFERED: u32 = RATE * 10;
const TICK: Duration = Duration::from_millis(5);

pub(super) async fn take(quick: bool) -> Result<Vec<Figure>> {
    let long = Duration::from_secs(if quick { 3 } else { 20 });
    let plan = PeerPlan { connections: 10, rate: Some(RATE), ..PeerPlan::default() };
    let mut fleet = Fleet::start(plan).await?;
    fleet.link(0, 2)?;
    fleet.up(Duration::from_secs(20)).await?;
    let (queue, mut outcomes) = mpsc::unbounded_channel();
    let account = script::account();
    let began = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    // What is kept here is there from the beginning, so that it does not grow.
    let room = usize::try_from(u64::from(OFFERED) * long.as_secs() * 2)?;
    let mut told = Tally { answered: 0, busy: vec![-1.0; room] };
    told.busy.clear();
    let mut asked = 0_u64;
    let mut since: HashMap<u64, Instant> = HashMap::with_capacity(10_000);
    let (mut steady, mut most, mut looked) = (None, 0, began);
    while began.elapsed() < long {
        ticks.tick().await;
        // Ten times a second; by half of the time everything has grown as far as it may.
        if looked.elapsed() > Duration::from_millis(100) {
            looked = Instant::now();
            let resident = meter::resident()?;
            if began.elapsed() > long / 2 {
                steady.get_or_insert(resident);
                most = most.max(resident);
            }
        }
        let due = f64::from(OFFERED) * began.elapsed().as_secs_f64();
        while number(asked) < due {
            let now = Instant::now();
            since.insert(asked, now);
            fleet.links[0].ask(Ask {
                ticket: Ticket(asked),
                instruction: script::debit(asked, &account),
                deadline: now + Duration::from_secs(10),
                reply_to: ReplyTo::Queue(queue.clone()),
            });
            asked += 1;
            while let Ok(delivery) = outcomes.try_recv() {
                told.add(delivery.outcome, since.remove(&delivery.ticket.0))?;
            }
        }
    }
    let grown = most.saturating_sub(steady.unwrap_or(0));
    let drops = fleet.drops();
    fleet.end().await?;
    ensure!(drops == 0, "the session was lost");
    ensure!(told.busy.len() > 100, "only {} were too much", told.busy.len());
    let detail = json!({
        "asked": asked,
        "answered": told.answered,
        "offered_per_s": OFFERED,
        "answered_per_s": RATE,
        "resident_bytes": most,
        "ms": spread(&mut told.busy),
    });
    Ok(vec![
        Figure::new(
            "time to Busy at ten times the load, p99",
            quantile(&mut told.busy, 0.99),
            "ms",
        )
        .should_be(Target::AtMost(1.0))
        .with(detail),
        Figure::new(
            "memory that grows in the second half at ten times the load",
            number(grown),
            "B",
        )
        .should_be(Target::AtMost(1_048_576.0)),
    ])
}

struct Tally {
    answered: u64,
    /// How long each took, in milliseconds.
    busy: Vec<f64>,
}

impl Tally {
    fn add(&mut self, outcome: RequestOutcome, asked: Option<Instant>) -> Result<()> {
        match outcome {
            RequestOutcome::Answered(_) => self.answered += 1,
            RequestOutcome::NotSent(NotSent::Busy) => {
                self.busy.extend(asked.map(|asked| asked.elapsed().as_secs_f64() * 1e3));
            }
            other => ensure!(false, "{other:?}"),
        }
        Ok(())
    }
}
