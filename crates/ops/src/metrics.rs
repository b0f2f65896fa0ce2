//! `/metrics`: what was counted on the way, and how things stand at the moment of asking.

mod alarms;
mod counted;
mod holds;
mod links;
mod standing;
#[cfg(test)]
mod table;

pub(crate) use counted::begin;
#[cfg(test)]
pub(super) use links::STATES;

use super::{Ops, counters, now_micros};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use standing::Standing;
use std::fmt::{Display, Write};

/// Who may read `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsFor {
    /// Whoever reaches the listener. What stands there names counters and currencies, and no account, app or person.
    #[default]
    Anyone,
    /// Whoever is known with the role of a viewer at least; a program by its token.
    Viewer,
}

/// The Prometheus text format.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Before the name of every metric, so that they are told from those of others; the code and its table
/// name them without.
const PREFIX: &str = "counter_bridge_";

/// Upper bounds of what is counted of durations, in seconds: from the fastest commit to the longest wait.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// Upper bounds of what is counted of batches.
const WRITES: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// A builder of the recorder whose text is served.
///
/// # Errors
///
/// None: there are bounds, and that is all that is asked of them.
pub fn recorder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_writes".to_owned()), &WRITES)
}

/// The text with every name behind its prefix.
fn prefixed(text: &str) -> String {
    let mut whole = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        let name = ["# HELP ", "# TYPE "].into_iter().find(|word| line.starts_with(word));
        let (before, rest) = line.split_at(name.map_or(0, str::len));
        whole.push_str(before);
        if !rest.is_empty() {
            whole.push_str(PREFIX);
        }
        whole.push_str(rest);
        whole.push('\n');
    }
    whole
}

/// What was counted, and how things stand, for Prometheus.
///
/// Whom it answers is configured (`[operators] metrics`): anyone, or whoever may look.
#[utoipa::path(
    get, path = "/metrics", tag = "bridge", operation_id = "metrics",
    responses((status = 200, description = "The text format 0.0.4", body = String, content_type = "text/plain"))
)]
pub(super) async fn scrape(State(ops): State<Ops>) -> ([(HeaderName, HeaderValue); 1], String) {
    let coordinator = &ops.state.coordinator;
    let mut text = ops.state.metrics.render();
    let now = now_micros();
    Standing::of(coordinator, ops.state.started_at, now).await.write(&mut text);
    let all = coordinator.counters();
    let bounds: Vec<links::Bounds> =
        all.iter().map(|counter| links::Bounds::of(&**counter)).collect();
    links::standing(&mut text, &counters::snapshots(all), &bounds);
    let ids: Vec<_> = all.iter().map(|counter| counter.id()).collect();
    let state = coordinator.standing().state().clone();
    holds::standing(&mut text, &ids, &state, |counter| coordinator.drain_waits(counter));
    alarms::standing(&mut text, &coordinator.open_alarms(), coordinator.alarms_left_out());
    ([(header::CONTENT_TYPE, TEXT)], prefixed(&text))
}

/// Writes the text format. Names and label values are ours or identifiers of plain characters;
/// nothing of it needs escaping.
struct Gauges<'t> {
    text: &'t mut String,
}

impl Gauges<'_> {
    fn describe(&mut self, name: &str, help: &str) {
        self.describe_as("gauge", name, help);
    }

    /// A count that only grows.
    fn describe_count(&mut self, name: &str, help: &str) {
        self.describe_as("counter", name, help);
    }

    fn describe_as(&mut self, kind: &str, name: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (index, (label, word)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{word}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// Without what explains them.
    pub(super) fn values(text: &str) -> String {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.fold(String::new(), |all, line| all + line + "\n")
    }

    #[test]
    fn every_name_is_behind_the_prefix() {
        let text =
            "# HELP a_total What a_total is\n# TYPE a_total counter\na_total{of=\"b\"} 1\n\nc 2\n";
        expect![[r#"
            # HELP counter_bridge_a_total What a_total is
            # TYPE counter_bridge_a_total counter
            counter_bridge_a_total{of="b"} 1

            counter_bridge_c 2
        "#]]
        .assert_eq(&prefixed(text));
    }
}
