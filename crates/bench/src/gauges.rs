//! What the bridge itself counts, as its metrics say.

use anyhow::{Context, Result};
use std::time::Duration;

/// Counts since the bridge started, or between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Gauges {
    /// Batches of the journal: each is one flush.
    pub(crate) batches: f64,
    /// Time in which the database committed, in seconds.
    pub(crate) commit_s: f64,
    /// Transfers that ended.
    pub(crate) ended: f64,
    /// Requests written to counters.
    pub(crate) sent: f64,
}

impl Gauges {
    /// Asks the operators' side at `url`, which may want a token.
    pub(crate) async fn ask(
        http: &reqwest::Client,
        url: &str,
        token: Option<&str>,
    ) -> Result<Gauges> {
        let mut request = http.get(format!("{url}/metrics")).timeout(Duration::from_secs(10));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        let text = answer.context("the bridge's metrics")?.text().await?;
        Ok(Gauges::read(&text))
    }

    fn read(text: &str) -> Gauges {
        Gauges {
            batches: sum(text, "counter_bridge_store_journal_batches_total"),
            commit_s: sum(text, "counter_bridge_store_journal_commit_seconds_sum"),
            ended: sum(text, "counter_bridge_transfers_total"),
            sent: sum(text, "counter_bridge_link_requests_sent_total"),
        }
    }

    pub(crate) fn add(&mut self, later: &Gauges) {
        self.batches += later.batches;
        self.commit_s += later.commit_s;
        self.ended += later.ended;
        self.sent += later.sent;
    }

    pub(crate) fn since(&self, earlier: &Gauges) -> Gauges {
        Gauges {
            batches: self.batches - earlier.batches,
            commit_s: self.commit_s - earlier.commit_s,
            ended: self.ended - earlier.ended,
            sent: self.sent - earlier.sent,
        }
    }
}

/// The sum of a metric over its labels; 0 if it was never counted.
fn sum(text: &str, name: &str) -> f64 {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let labelled = rest.starts_with('{') || rest.starts_with(' ');
        labelled.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_their_labels() {
        let text = "# TYPE counter_bridge_transfers_total counter\n\
                    counter_bridge_transfers_total{state=\"completed\"} 5\ncounter_bridge_transfers_total{state=\"refused\"} 2\n\
                    counter_bridge_transfers_total_more 100\ncounter_bridge_store_journal_batches_total 3\n\
                    counter_bridge_store_journal_commit_seconds_sum 0.25\n\
                    counter_bridge_link_requests_sent_total{counter=\"a\"} 4\n";
        let expected = Gauges { batches: 3.0, commit_s: 0.25, ended: 7.0, sent: 4.0 };
        assert_eq!(Gauges::read(text), expected);
        assert_eq!(Gauges::read(""), Gauges::default());
    }
}
