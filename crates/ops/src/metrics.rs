//! `/metrics`: what was counted on the way, and how things stand at the moment of asking.

mod counted;
mod holds;
mod links;

pub(crate) use counted::begin;
#[cfg(test)]
pub(super) use links::STATES;

use super::{Ops, counters, now_micros, seconds_between};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use coordinator::Summary;
use coordinator::standing::Record;
use domain::transfer::State as Life;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use std::fmt::{Display, Write};
use store::JournalHealth;

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
#[utoipa::path(
    get, path = "/metrics", tag = "bridge", operation_id = "metrics",
    responses((status = 200, description = "The text format 0.0.4", body = String, content_type = "text/plain"))
)]
pub(super) async fn scrape(State(ops): State<Ops>) -> ([(HeaderName, HeaderValue); 1], String) {
    let coordinator = &ops.state.coordinator;
    let mut text = ops.state.metrics.render();
    let now = now_micros();
    standing(
        &mut text,
        &coordinator.summary().await,
        &coordinator.journal_health(),
        &coordinator.standing().record(),
        seconds_between(ops.state.started_at, now),
        now,
    );
    let all = coordinator.counters();
    let bounds: Vec<links::Bounds> =
        all.iter().map(|counter| links::Bounds::of(&**counter)).collect();
    links::standing(&mut text, &counters::snapshots(all), &bounds);
    let ids: Vec<_> = all.iter().map(|counter| counter.id()).collect();
    let state = coordinator.standing().state().clone();
    holds::standing(&mut text, &ids, &state, |counter| coordinator.drain_waits(counter));
    ([(header::CONTENT_TYPE, TEXT)], prefixed(&text))
}

/// Appends the gauges that are true at this moment. They are written here and not kept by the
/// recorder, so that what is gone (a currency, a state) is gone from the text as well.
fn standing(
    text: &mut String,
    summary: &Summary,
    journal: &JournalHealth,
    record: &Record,
    uptime_s: i64,
    now: i64,
) {
    let mut gauges = Gauges { text };
    gauges.describe("build_info", "1, and by its label which version this is");
    gauges.value("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    gauges.describe("uptime_seconds", "Seconds since the bridge started");
    gauges.value("uptime_seconds", &[], uptime_s);
    gauges.describe("record_behind", "1 while the record is behind and waits for a release");
    gauges.value("record_behind", &[], u8::from(*record != Record::Current));
    gauges.describe("journal_ok", "1 while the database records, otherwise 0");
    gauges.value("journal_ok", &[], u8::from(*journal == JournalHealth::Ok));

    gauges.describe_count(
        "log_lines_dropped_total",
        "Lines of the log that were dropped, for nobody took them",
    );
    gauges.value("log_lines_dropped_total", &[], supervise::lines::dropped());

    gauges.describe("transfers_open", "Transfers that are not final, by state");
    for state in Life::ALL.into_iter().filter(|state| !state.is_final()) {
        let count = summary.by_state.get(state.as_str()).copied().unwrap_or(0);
        gauges.value("transfers_open", &[("state", state.as_str())], count);
    }
    gauges.describe(
        "in_transit_minor_units",
        "Money debited and neither credited nor returned, in minor units of the currency",
    );
    for (currency, amount) in &summary.in_transit {
        gauges.value("in_transit_minor_units", &[("currency", currency)], amount);
    }
    gauges.describe(
        "in_transit_oldest_age_seconds",
        "Age of the oldest transfer with money in transit; 0 if there is none",
    );
    let age = summary.oldest_in_transit_at.map_or(0, |at| seconds_between(at, now));
    gauges.value("in_transit_oldest_age_seconds", &[], age);
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
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Without what explains them.
    pub(super) fn values(text: &str) -> String {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.fold(String::new(), |all, line| all + line + "\n")
    }

    /// Whoever reads of a metric finds it.
    #[test]
    fn every_metric_that_a_document_names_is_there() {
        let summary = Summary::default();
        let mut text = String::new();
        standing(&mut text, &summary, &JournalHealth::Ok, &Record::Current, 0, 0);
        links::standing(&mut text, &[], &[]);
        holds::standing(&mut text, &[], &coordinator::standing::State::default(), |_| None);
        let told = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next());
        let mut names: BTreeSet<String> = told.map(|name| format!("{PREFIX}{name}")).collect();
        names.extend(counted::names().map(|name| format!("{PREFIX}{name}")));
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let mut seen = 0;
        for entry in std::fs::read_dir(docs).expect("docs") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let document = std::fs::read_to_string(&path).expect("a document");
            for (at, _) in document.match_indices(PREFIX) {
                let rest = &document[at..];
                let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
                let name = &rest[..end.unwrap_or(rest.len())];
                assert!(name == PREFIX || names.contains(name), "{}: {name}", path.display());
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen}");
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

    #[test]
    fn standing_is_written_as_prometheus_reads_it() {
        let summary = Summary {
            by_state: [("needs_operator", 2), ("crediting", 5)].into(),
            in_transit: [("CNY".to_owned(), 700_000)].into(),
            oldest_in_transit_at: Some(1_000_000),
        };
        let mut text = String::new();
        standing(&mut text, &summary, &JournalHealth::Ok, &Record::Current, 3600, 91_000_000);
        expect![[r#"
            build_info{version="0.1.0"} 1
            uptime_seconds 3600
            record_behind 0
            journal_ok 1
            log_lines_dropped_total 0
            transfers_open{state="accepted"} 0
            transfers_open{state="debiting"} 0
            transfers_open{state="crediting"} 5
            transfers_open{state="reversing"} 0
            transfers_open{state="needs_operator"} 2
            in_transit_minor_units{currency="CNY"} 700000
            in_transit_oldest_age_seconds 90
        "#]]
        .assert_eq(&values(&text));
    }
}
