//! What `/metrics` says of the connections: read from their snapshots when it is asked, so that a
//! link holds nothing for it.

use super::Gauges;
use port::Counter;
use port::status::{Counts, Health, Snapshot, State};
use std::sync::Arc;

/// How much a counter is given at once.
pub(super) struct Bounds {
    pub(super) in_flight: u16,
    pub(super) queued: usize,
}

impl Bounds {
    pub(super) fn of(counter: &dyn Counter) -> Bounds {
        let bounds = counter.bounds();
        Bounds {
            in_flight: bounds.in_flight.min(counter.profile().max_in_flight),
            queued: bounds.queued,
        }
    }
}

/// Appends how the counters stand, and what they have counted. Each has its bounds at the same place.
pub(super) fn standing(text: &mut String, counters: &[Arc<Snapshot>], bounds: &[Bounds]) {
    let mut gauges = Gauges { text };
    for (name, help, level) in LEVELS {
        gauges.describe(name, help);
        for counter in counters {
            gauges.value(name, &[("counter", counter.counter.as_str())], level(counter));
        }
    }
    for (name, help, count) in COUNTS {
        gauges.describe_count(name, help);
        for counter in counters {
            gauges.value(name, &[("counter", counter.counter.as_str())], count(&counter.counts));
        }
    }
    gauges.describe(
        "link_in_flight_bound",
        "Requests that may wait for an answer at once, on all connections together",
    );
    for (counter, bounds) in counters.iter().zip(bounds) {
        let all = usize::from(bounds.in_flight) * counter.connections.len();
        gauges.value("link_in_flight_bound", &[("counter", counter.counter.as_str())], all);
    }
    gauges.describe("link_queued_bound", "Requests that may wait to be written at once");
    for (counter, bounds) in counters.iter().zip(bounds) {
        let labels = [("counter", counter.counter.as_str())];
        gauges.value("link_queued_bound", &labels, bounds.queued);
    }
    connections(&mut gauges, counters);
}

/// Of each connection by itself.
fn connections(gauges: &mut Gauges<'_>, counters: &[Arc<Snapshot>]) {
    gauges.describe("link_round_trip_seconds", "Round trip of the last heartbeat");
    for counter in counters {
        for connection in &counter.connections {
            let Some(micros) = connection.round_trip_us else { continue };
            let channel = connection.channel.to_string();
            let labels = [("counter", counter.counter.as_str()), ("channel", &channel)];
            let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
            let value = format_args!("{seconds}.{rest:06}").to_string();
            gauges.value("link_round_trip_seconds", &labels, value);
        }
    }
    gauges.describe("link_state", "1 for the state that a connection is in, 0 for the others");
    for counter in counters {
        for connection in &counter.connections {
            let channel = connection.channel.to_string();
            for (state, name) in STATES {
                let labels =
                    [("counter", counter.counter.as_str()), ("channel", &channel), ("state", name)];
                gauges.value("link_state", &labels, u8::from(connection.state == state));
            }
        }
    }
    gauges.describe(
        "link_certificate_expiry_timestamp_seconds",
        "When a certificate of a connection that is up expires, in seconds since 1970 UTC",
    );
    for counter in counters {
        for connection in &counter.connections {
            let Some(tls) = &connection.tls else { continue };
            let channel = connection.channel.to_string();
            for (side, at) in [("own", tls.own_expires_at), ("peer", tls.peer_expires_at)] {
                let labels =
                    [("counter", counter.counter.as_str()), ("channel", &channel), ("side", side)];
                gauges.value("link_certificate_expiry_timestamp_seconds", &labels, at / 1_000_000);
            }
        }
    }
}

/// What goes up and down: its name, what it is, and where to read it.
type Level = (&'static str, &'static str, fn(&Snapshot) -> usize);

const LEVELS: [Level; 4] = [
    ("link_up", "1 while all connections of the counter take new work, otherwise 0", |now| {
        usize::from(now.health == Health::Up)
    }),
    ("link_open", "1 while the counter says that it is open for postings", |now| {
        usize::from(now.open)
    }),
    ("link_queued", "Requests to the counter that wait to be written", |now| now.queued),
    ("link_in_flight", "Requests to the counter that wait for an answer", |now| now.in_flight),
];

/// What only grows: its name, what it is, and where to read it.
type Count = (&'static str, &'static str, fn(&Counts) -> u64);

const COUNTS: [Count; 14] = [
    ("link_sign_ons_total", "Sessions opened", |all| all.sign_ons),
    ("link_drops_total", "Sessions lost, for whatever cause", |all| all.drops),
    ("link_requests_sent_total", "Requests written", |all| all.sent),
    ("link_answers_total", "Answers matched to a request", |all| all.answered),
    ("link_late_answers_total", "Answers that came after their deadline", |all| all.late),
    ("link_unmatched_answers_total", "Answers that match nothing", |all| all.unmatched),
    ("link_timeouts_total", "Requests without an answer in time", |all| all.timed_out),
    ("link_malformed_total", "Messages of the counter that could not be read", |all| all.malformed),
    (
        "link_unreadable_labels_total",
        "Messages whose labels for people could not be read, though all else was",
        |all| all.unreadable_labels,
    ),
    (
        "link_unreadable_words_total",
        "Messages whose words for people could not be read whole, though all else was",
        |all| all.unreadable_words,
    ),
    (
        "link_unreadable_serials_total",
        "Messages with a posting whose number at the counter could not be read, though all else was",
        |all| all.unreadable_serials,
    ),
    (
        "link_unreadable_times_total",
        "Messages with an entry whose time could not be read, though all else was",
        |all| all.unreadable_times,
    ),
    ("link_busy_total", "Requests refused because the queue was full", |all| all.busy),
    (
        "link_unmatched_dropped_total",
        "What the counter said unasked and nobody could take",
        |all| all.unmatched_dropped,
    ),
];

/// Every state and the word for it, as in the snapshot.
pub(crate) const STATES: [(State, &str); 14] = [
    (State::Stopped, "stopped"),
    (State::Connecting, "connecting"),
    (State::TlsHandshake, "tls_handshake"),
    (State::SigningOn, "signing_on"),
    (State::Syncing, "syncing"),
    (State::Up, "up"),
    (State::Suspect, "suspect"),
    (State::Draining, "draining"),
    (State::SigningOff, "signing_off"),
    (State::Closed, "closed"),
    (State::BackingOff, "backing_off"),
    (State::Held, "held"),
    (State::OutOfHours, "out_of_hours"),
    (State::Drained, "drained"),
];

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;
    use crate::counters::tests::waiting;
    use expect_test::expect;
    use port::status::{Connection, Tls};

    #[test]
    fn links_are_written_as_prometheus_reads_them() {
        let mut counter = waiting("securities");
        counter.connections.push(Connection {
            tls: Some(Box::new(Tls {
                version: "1.3".to_owned(),
                peer: "securities".to_owned(),
                peer_expires_at: 1_795_000_000_000_000,
                own_expires_at: 1_796_000_000_999_999,
            })),
            state: State::Up,
            ..Connection::new(1)
        });
        counter.counts.answered = 9;
        let mut text = String::new();
        let bounds = [Bounds { in_flight: 256, queued: 1024 }];
        standing(&mut text, &[Arc::new(counter)], &bounds);
        expect![[r#"
            link_up{counter="securities"} 0
            link_open{counter="securities"} 0
            link_queued{counter="securities"} 1
            link_in_flight{counter="securities"} 2
            link_sign_ons_total{counter="securities"} 1
            link_drops_total{counter="securities"} 1
            link_requests_sent_total{counter="securities"} 0
            link_answers_total{counter="securities"} 9
            link_late_answers_total{counter="securities"} 0
            link_unmatched_answers_total{counter="securities"} 0
            link_timeouts_total{counter="securities"} 0
            link_malformed_total{counter="securities"} 0
            link_unreadable_labels_total{counter="securities"} 0
            link_unreadable_words_total{counter="securities"} 0
            link_unreadable_serials_total{counter="securities"} 0
            link_unreadable_times_total{counter="securities"} 0
            link_busy_total{counter="securities"} 0
            link_unmatched_dropped_total{counter="securities"} 0
            link_in_flight_bound{counter="securities"} 512
            link_queued_bound{counter="securities"} 1024
            link_round_trip_seconds{counter="securities",channel="0"} 0.000420
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
            link_state{counter="securities",channel="0",state="drained"} 0
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
            link_state{counter="securities",channel="1",state="drained"} 0
            link_certificate_expiry_timestamp_seconds{counter="securities",channel="1",side="own"} 1796000000
            link_certificate_expiry_timestamp_seconds{counter="securities",channel="1",side="peer"} 1795000000
        "#]]
        .assert_eq(&values(&text));
        assert_eq!(text.matches("# TYPE link_answers_total counter\n").count(), 1);
        assert_eq!(text.matches("# TYPE link_up gauge\n").count(), 1);
    }

    #[test]
    fn states_are_named_as_in_the_snapshot() {
        for (state, name) in STATES {
            assert_eq!(serde_json::json!(state), name);
        }
    }
}
