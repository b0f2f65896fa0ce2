//! `/metrics`: what was counted on the way, and how things stand at the moment of asking.

mod links;

use super::{Ops, counters, now_micros, seconds_between};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use coordinator::Summary;
use coordinator::standing::Record;
use domain::transfer::State as Life;
use metrics::{describe_counter, describe_gauge, describe_histogram};
use std::fmt::{Display, Write};
use store::JournalHealth;

/// The Prometheus text format.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Says what is counted elsewhere; the recorder is to be installed before.
pub(super) fn describe() {
    describe_gauge!("link_door_waiting", "Who dialled in and has not proven who it is");
    describe_gauge!("link_door_bound", "How many of them there may be");
    describe_gauge!("link_door_address_bound", "How many of them there may be from one address");
    describe_counter!(
        "link_refused_connections_total",
        "Who dialled in and was not let in, by why"
    );
    describe_counter!("transfers_total", "Transfers that became final, by their final state");
    describe_counter!("alarms_total", "Alarms raised for a person");
    describe_counter!("late_answers_agreed_total", "Late answers that agree with the record");
    describe_counter!(
        "counter_faults_total",
        "What a counter did wrong: foreign = it spoke of what is not its own"
    );
    describe_gauge!(
        "open_transfers_unreadable",
        "Open transfers whose rows cannot be read: in nobody's hands, a person has to settle them"
    );
    describe_counter!(
        "late_answers_not_compared_total",
        "Late answers that were not compared with the record, for there were too many"
    );
    describe_gauge!("http_connections", "Connections that have a place, by listener");
    describe_counter!(
        "http_refused_connections_total",
        "Connections that were not taken, by listener and why"
    );
    describe_counter!(
        "http_closed_connections_total",
        "Connections that the bridge closed, by listener and why"
    );
    describe_counter!("http_accept_errors_total", "Failures to accept a connection, by listener");
    describe_counter!(
        "late_answers_left_out_total",
        "Late answers that only repeat, by the counter that repeats itself"
    );
    describe_counter!(
        "events_left_out_total",
        "Events and log lines that were left out, for there were too many, by whom they are about"
    );
    describe_counter!("tasks_failed_total", "Tasks that failed and were begun anew");
    describe_counter!("requests_not_admitted_total", "Requests whose signature was not accepted");
    describe_counter!("store_journal_batches_total", "Database transactions of the journal");
    describe_counter!(
        "store_position_failures_total",
        "Times that the position file could not be written or flushed"
    );
    describe_counter!("store_journal_failures_total", "Database transactions that failed");
    describe_histogram!("store_journal_batch_writes", "Writes in one database transaction");
    describe_histogram!("store_journal_commit_seconds", "Duration of one commit");
}

/// `GET /metrics`.
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
    let bounds: Vec<links::Bounds> = coordinator.links().iter().map(links::Bounds::of).collect();
    links::standing(&mut text, &counters::snapshots(coordinator.links()), &bounds);
    ([(header::CONTENT_TYPE, TEXT)], text)
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

    /// Without what explains them.
    pub(super) fn values(text: &str) -> String {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.fold(String::new(), |all, line| all + line + "\n")
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
