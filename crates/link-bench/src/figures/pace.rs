//! One connection with 64 requests in flight, in turns with a bare client that exchanges the same
//! bytes with the same peer.

use crate::fleet::{Fleet, PeerPlan};
use crate::meter;
use crate::raw::{Pace, Raw};
use crate::report::{Figure, Target, number, quantile, rounded};
use crate::script;
use anyhow::{Result, ensure};
use link::Link;
use port::ReplyTo;
use port::RequestOutcome;
use port::Ticket;
use port::{Ask, Counter};
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

const IN_FLIGHT: u64 = 64;

pub(super) async fn take(quick: bool) -> Result<Vec<Figure>> {
    let (rounds, each) =
        if quick { (3, Duration::from_millis(300)) } else { (9, Duration::from_secs(2)) };
    let mut fleet = Fleet::start(PeerPlan { connections: 10, ..PeerPlan::default() }).await?;
    fleet.link(0, 10)?;
    fleet.up(Duration::from_secs(20)).await?;
    let mut raw = Raw::connect(fleet.ports[0]).await?;
    let (mut links, mut raws) = (Vec::new(), Vec::new());
    let mut asker = Asker::new(fleet.links[0].clone());
    // Once each for nothing, to have all memory there.
    asker.run(each / 4).await?;
    raw.run(64, each / 4).await?;
    for _ in 0..rounds {
        raws.push(raw.run(64, each).await?);
        links.push(asker.run(each).await?);
    }
    fleet.end().await?;

    let rate = |pace: &Pace| number(pace.pairs) / pace.took.as_secs_f64();
    let cost = |pace: &Pace| pace.processor.as_secs_f64() * 1e6 / number(pace.pairs.max(1));
    let middle = |of: &[Pace], what: &dyn Fn(&Pace) -> f64| {
        quantile(&mut of.iter().map(what).collect::<Vec<_>>(), 0.5)
    };
    let mut more: Vec<f64> =
        links.iter().zip(&raws).map(|(link, raw)| cost(link) - cost(raw)).collect();
    let told = |of: &[Pace]| {
        json!({
            "pairs_per_s": rounded(middle(of, &rate)),
            "best_pairs_per_s": rounded(of.iter().map(rate).fold(0.0, f64::max)),
            "processor_us_per_pair": rounded(middle(of, &cost)),
            "pairs": of.iter().map(|pace| pace.pairs).sum::<u64>(),
        })
    };
    let detail = json!({ "link": told(&links), "raw_echo": told(&raws), "rounds": rounds });
    Ok(vec![
        Figure::new("pairs a second on one connection, 64 in flight", middle(&links, &rate), "1/s")
            .should_be(Target::AtLeast(500_000.0))
            .with(detail),
        Figure::new("processor time of a pair over the raw echo's", quantile(&mut more, 0.5), "us")
            .should_be(Target::AtMost(1.0)),
    ])
}

/// Asks, and asks again for every answer.
pub(super) struct Asker {
    link: Link,
    queue: mpsc::UnboundedSender<port::Delivery>,
    outcomes: mpsc::UnboundedReceiver<port::Delivery>,
    next: u64,
}

impl Asker {
    pub(super) fn new(link: Link) -> Asker {
        let (queue, outcomes) = mpsc::unbounded_channel();
        Asker { link, queue, outcomes, next: 0 }
    }

    async fn run(&mut self, duration: Duration) -> Result<Pace> {
        self.keep(IN_FLIGHT, duration).await
    }

    /// Keeps so many requests in flight for so long.
    pub(super) async fn keep(&mut self, in_flight: u64, duration: Duration) -> Result<Pace> {
        let account = script::account();
        let began = (Instant::now(), meter::processor_time());
        let end = began.0 + duration;
        let (mut pairs, mut out, mut ask) = (0, 0, in_flight);
        let mut answers = Vec::new();
        loop {
            let now = Instant::now();
            if now >= end {
                ask = 0;
            }
            let deadline = now + Duration::from_secs(10);
            let first = self.next;
            let asks = (first..first + ask).map(|number| Ask {
                ticket: Ticket(number),
                instruction: script::debit(number, &account),
                deadline,
                reply_to: ReplyTo::Queue(self.queue.clone()),
            });
            self.link.ask_all(asks.collect());
            self.next += ask;
            out += ask;
            if out == 0 {
                break;
            }
            ask = u64::try_from(self.outcomes.recv_many(&mut answers, 1024).await)?;
            for answer in answers.drain(..) {
                ensure!(
                    matches!(answer.outcome, RequestOutcome::Answered(_)),
                    "{:?}",
                    answer.outcome
                );
            }
            out -= ask;
            pairs += ask;
        }
        let processor = meter::processor_time().saturating_sub(began.1);
        let took = began.0.elapsed();
        Ok(Pace { pairs, took, processor })
    }
}
