//! `/metrics`: what was counted on the way, and how things stand at the moment of asking.

use super::{Ops, counters, now_micros, seconds_between};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use coordinator::Summary;
use domain::transfer::State as Life;
use link::status::{Snapshot, State as LinkState};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use std::fmt::{Display, Write};
use std::sync::Arc;
use store::JournalHealth;

/// The Prometheus text format.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Says what is counted elsewhere; the recorder is to be installed before.
pub(super) fn describe() {
    describe_gauge!("link_up", "1 while the counter takes new work, otherwise 0");
    describe_gauge!("link_queued", "Requests to the counter that wait to be written");
    describe_gauge!("link_in_flight", "Requests to the counter that wait for an answer");
    describe_gauge!("link_round_trip_seconds", "Round trip of the last heartbeat");
    describe_gauge!("link_door_waiting", "Who dialled in and has not proven who it is");
    describe_gauge!("link_door_bound", "How many of them there may be");
    describe_gauge!("link_door_address_bound", "How many of them there may be from one address");
    describe_counter!(
        "link_refused_connections_total",
        "Who dialled in and was not let in, by why"
    );
    describe_counter!("link_sign_ons_total", "Sessions opened");
    describe_counter!("link_drops_total", "Sessions lost, for whatever cause");
    describe_counter!("link_requests_sent_total", "Requests written");
    describe_counter!("link_answers_total", "Answers matched to a request");
    describe_counter!("link_late_answers_total", "Answers that came after their deadline");
    describe_counter!("link_unmatched_answers_total", "Answers that match nothing");
    describe_counter!("link_timeouts_total", "Requests without an answer in time");
    describe_counter!("link_malformed_total", "Messages of the counter that could not be read");
    describe_counter!("link_busy_total", "Requests refused because the queue was full");
    describe_counter!(
        "link_unmatched_dropped_total",
        "What the counter said unasked and nobody could take"
    );
    describe_counter!("transfers_total", "Transfers that became final, by their final state");
    describe_counter!("alarms_total", "Alarms raised for a person");
    describe_counter!("late_answers_agreed_total", "Late answers that agree with the record");
    describe_counter!(
        "late_answers_not_compared_total",
        "Late answers that were not compared with the record, for there were too many"
    );
    describe_counter!("requests_not_admitted_total", "Requests whose signature was not accepted");
    describe_counter!("store_journal_batches_total", "Database transactions of the journal");
    describe_counter!("store_journal_failures_total", "Database transactions that failed");
    describe_histogram!("store_journal_batch_writes", "Writes in one database transaction");
    describe_histogram!("store_journal_commit_seconds", "Duration of one commit");
}

/// `GET /metrics`.
pub(super) async fn scrape(State(ops): State<Ops>) -> ([(HeaderName, HeaderValue); 1], String) {
    let coordinator = &ops.state.coordinator;
    let mut text = ops.state.metrics.render();
    let now = now_micros();
    let bounds: Vec<Bounds> = coordinator.links().iter().map(Bounds::of).collect();
    standing(
        &mut text,
        &coordinator.summary().await,
        &coordinator.journal_health(),
        &counters::snapshots(coordinator.links()),
        &bounds,
        seconds_between(ops.state.started_at, now),
        now,
    );
    ([(header::CONTENT_TYPE, TEXT)], text)
}

/// How much a link takes.
struct Bounds {
    in_flight: u16,
    queued: usize,
}

impl Bounds {
    fn of(link: &link::Link) -> Bounds {
        let bounds = link.bounds();
        Bounds {
            in_flight: bounds.in_flight.min(link.profile().max_in_flight),
            queued: bounds.queued,
        }
    }
}

/// Appends the gauges that are true at this moment. They are written here and not kept by the
/// recorder, so that what is gone (a currency, a state) is gone from the text as well.
fn standing(
    text: &mut String,
    summary: &Summary,
    journal: &JournalHealth,
    counters: &[Arc<Snapshot>],
    bounds: &[Bounds],
    uptime_s: i64,
    now: i64,
) {
    let mut gauges = Gauges { text };
    gauges.describe("uptime_seconds", "Seconds since the bridge started");
    gauges.value("uptime_seconds", &[], uptime_s);
    gauges.describe("journal_ok", "1 while the database records, otherwise 0");
    gauges.value("journal_ok", &[], u8::from(*journal == JournalHealth::Ok));

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

    gauges.describe("link_state", "1 for the state that a connection is in, 0 for the others");
    for counter in counters {
        for connection in &counter.connections {
            let channel = connection.channel.to_string();
            for (state, name) in LINK_STATES {
                let labels =
                    [("counter", counter.counter.as_str()), ("channel", &channel), ("state", name)];
                gauges.value("link_state", &labels, u8::from(connection.state == state));
            }
        }
    }
    gauges.describe("link_open", "1 while the counter says that it is open for postings");
    for counter in counters {
        let labels = [("counter", counter.counter.as_str())];
        gauges.value("link_open", &labels, u8::from(counter.open));
    }
    gauges.describe(
        "link_in_flight_bound",
        "Requests that may wait for an answer at once, on all connections together",
    );
    for (counter, bounds) in counters.iter().zip(bounds) {
        let labels = [("counter", counter.counter.as_str())];
        let all = usize::from(bounds.in_flight) * counter.connections.len();
        gauges.value("link_in_flight_bound", &labels, all);
    }
    gauges.describe("link_queued_bound", "Requests that may wait to be written at once");
    for (counter, bounds) in counters.iter().zip(bounds) {
        let labels = [("counter", counter.counter.as_str())];
        gauges.value("link_queued_bound", &labels, bounds.queued);
    }
    gauges.describe(
        "link_certificate_expires_at_seconds",
        "When a certificate of a connection that is up expires, in seconds since 1970 UTC",
    );
    for counter in counters {
        for connection in &counter.connections {
            let Some(tls) = &connection.tls else { continue };
            let channel = connection.channel.to_string();
            for (side, at) in [("own", tls.own_expires_at), ("peer", tls.peer_expires_at)] {
                let labels =
                    [("counter", counter.counter.as_str()), ("channel", &channel), ("side", side)];
                gauges.value("link_certificate_expires_at_seconds", &labels, at / 1_000_000);
            }
        }
    }
}

/// Every state and the word for it, as in the snapshot.
const LINK_STATES: [(LinkState, &str); 13] = [
    (LinkState::Stopped, "stopped"),
    (LinkState::Connecting, "connecting"),
    (LinkState::TlsHandshake, "tls_handshake"),
    (LinkState::SigningOn, "signing_on"),
    (LinkState::Syncing, "syncing"),
    (LinkState::Up, "up"),
    (LinkState::Suspect, "suspect"),
    (LinkState::Draining, "draining"),
    (LinkState::SigningOff, "signing_off"),
    (LinkState::Closed, "closed"),
    (LinkState::BackingOff, "backing_off"),
    (LinkState::Held, "held"),
    (LinkState::OutOfHours, "out_of_hours"),
];

/// Writes the text format. Names and label values are ours or identifiers of plain characters;
/// nothing of it needs escaping.
struct Gauges<'t> {
    text: &'t mut String,
}

impl Gauges<'_> {
    fn describe(&mut self, name: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
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
    use super::super::counters::tests::waiting;
    use super::*;
    use expect_test::expect;

    #[test]
    fn standing_is_written_as_prometheus_reads_it() {
        let summary = Summary {
            by_state: [("needs_operator", 2), ("crediting", 5)].into(),
            in_transit: [("CNY".to_owned(), 700_000)].into(),
            oldest_in_transit_at: Some(1_000_000),
        };
        let mut text = String::new();
        let mut counter = waiting("securities");
        counter.connections.push(link::status::Connection {
            tls: Some(Box::new(link::status::Tls {
                version: "1.3".to_owned(),
                peer: "securities".to_owned(),
                peer_expires_at: 1_795_000_000_000_000,
                own_expires_at: 1_796_000_000_999_999,
            })),
            state: LinkState::Up,
            ..link::status::Connection::new(1)
        });
        let counters = [Arc::new(counter)];
        let bounds = [Bounds { in_flight: 256, queued: 1024 }];
        standing(&mut text, &summary, &JournalHealth::Ok, &counters, &bounds, 3600, 91_000_000);
        let values: String = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .fold(String::new(), |all, line| all + line + "\n");
        expect![[r#"
            uptime_seconds 3600
            journal_ok 1
            transfers_open{state="accepted"} 0
            transfers_open{state="debiting"} 0
            transfers_open{state="crediting"} 5
            transfers_open{state="reversing"} 0
            transfers_open{state="needs_operator"} 2
            in_transit_minor_units{currency="CNY"} 700000
            in_transit_oldest_age_seconds 90
            link_state{counter="securities",channel="0",state="stopped"} 0
            link_state{counter="securities",channel="0",state="connecting"} 0
            link_state{counter="securities",channel="0",state="tls_handshake"} 0
            link_state{counter="securities",channel="0",state="signing_on"} 0
            link_state{counter="securities",channel="0",state="syncing"} 0
            link_state{counter="securities",channel="0",state="up"} 0
            link_state{counter="securities",channel="0",state="suspect"} 0
            link_state{counter="securities",channel="0",state="draining"} 0
            link_state{counter="securities",channel="0",state="signing_off"} 0
            link_state{counter="securities",channel="0",state="closed"} 0
            link_state{counter="securities",channel="0",state="backing_off"} 1
            link_state{counter="securities",channel="0",state="held"} 0
            link_state{counter="securities",channel="0",state="out_of_hours"} 0
            link_state{counter="securities",channel="1",state="stopped"} 0
            link_state{counter="securities",channel="1",state="connecting"} 0
            link_state{counter="securities",channel="1",state="tls_handshake"} 0
            link_state{counter="securities",channel="1",state="signing_on"} 0
            link_state{counter="securities",channel="1",state="syncing"} 0
            link_state{counter="securities",channel="1",state="up"} 1
            link_state{counter="securities",channel="1",state="suspect"} 0
            link_state{counter="securities",channel="1",state="draining"} 0
            link_state{counter="securities",channel="1",state="signing_off"} 0
            link_state{counter="securities",channel="1",state="closed"} 0
            link_state{counter="securities",channel="1",state="backing_off"} 0
            link_state{counter="securities",channel="1",state="held"} 0
            link_state{counter="securities",channel="1",state="out_of_hours"} 0
            link_open{counter="securities"} 0
            link_in_flight_bound{counter="securities"} 512
            link_queued_bound{counter="securities"} 1024
            link_certificate_expires_at_seconds{counter="securities",channel="1",side="own"} 1796000000
            link_certificate_expires_at_seconds{counter="securities",channel="1",side="peer"} 1795000000
        "#]]
        .assert_eq(&values);
    }

    #[test]
    fn states_are_named_as_in_the_snapshot() {
        for (state, name) in LINK_STATES {
            assert_eq!(serde_json::json!(state), name);
        }
    }
}
