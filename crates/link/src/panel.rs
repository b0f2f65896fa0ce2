//! Where a counter stands as a whole: what the boards of its connections tell, put together into
//! one snapshot, and the metrics.

use crate::owed::Shared;
use crate::status::{Connection, Counts, Health, Snapshot, State};
use domain::serial::Day;
use metrics::{Counter, Gauge, counter, gauge};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// See the module.
#[derive(Debug)]
pub(crate) struct Panel {
    shared: Arc<Shared>,
    // A lock, because each connection's task puts its own part; it is held while the parts are
    // put together, four times a second and whenever a state changes.
    parts: Mutex<Vec<Part>>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    metrics: Metrics,
}

/// What one connection's board knows besides its part of the snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    /// The settle day, and whether the counter is open, as last heard on it.
    pub(crate) standing: Option<(Day, bool)>,
    pub(crate) counts: Counts,
}

impl Panel {
    /// Of a counter with so many connections; `shared` is that of any of them.
    pub(crate) fn new(shared: Arc<Shared>, connections: u16, since: i64) -> Panel {
        let parts = vec![Part::default(); usize::from(connections)];
        let first = (0..connections)
            .map(|channel| Connection { since, ..Connection::new(channel) })
            .collect();
        let metrics = Metrics::new(shared.counter.as_str());
        let first = together(&shared, &parts, first);
        Panel {
            shared,
            parts: Mutex::new(parts),
            snapshot: watch::Sender::new(Arc::new(first)),
            metrics,
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    /// The address in use on a connection.
    pub(crate) fn address(&self, channel: u16) -> String {
        self.snapshot.borrow().connections[usize::from(channel)].address.clone()
    }

    /// A connection has changed.
    pub(crate) fn put(&self, channel: u16, part: Part, change: impl FnOnce(&mut Connection)) {
        let channel = usize::from(channel);
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts[channel] = part;
        let mut connections = self.snapshot.borrow().connections.clone();
        change(&mut connections[channel]);
        let snapshot = together(&self.shared, &parts, connections);
        self.metrics.set(&snapshot);
        // Under the lock, so that no older truth overtakes a newer one.
        self.snapshot.send_replace(Arc::new(snapshot));
    }

    pub(crate) fn round_trip(&self, round_trip: Duration) {
        self.metrics.round_trip.set(round_trip.as_secs_f64());
    }
}

fn together(shared: &Shared, parts: &[Part], connections: Vec<Connection>) -> Snapshot {
    let mut counts = Counts { busy: shared.busy.load(Ordering::Relaxed), ..Counts::default() };
    for part in parts {
        counts += part.counts;
    }
    // The newest day is right: days go forward, and one connection hears of it first. A connection
    // that hears nothing now tells an old story.
    let hears = |state: State| health([state].into_iter()) != Health::Down;
    let now = parts.iter().zip(&connections).filter(|(_, connection)| hears(connection.state));
    let newest = now.filter_map(|(part, _)| part.standing).max();
    let standing = newest.or_else(|| parts.iter().filter_map(|part| part.standing).max());
    Snapshot {
        counter: shared.counter.clone(),
        health: health(connections.iter().map(|connection| connection.state)),
        settle_day: standing.map(|(day, _)| day),
        open: standing.is_some_and(|(_, open)| open),
        queued: shared.queued.load(Ordering::Relaxed),
        in_flight: connections.iter().map(|connection| connection.in_flight).sum(),
        connections,
        counts,
    }
}

/// Up if all are, down if none is even half a session, degraded between.
fn health(states: impl Iterator<Item = State>) -> Health {
    let mut healths = states.map(|state| match state {
        State::Up => Health::Up,
        // A session that does not take new work is half a session.
        State::Syncing | State::Suspect => Health::Degraded,
        State::Stopped
        | State::Connecting
        | State::TlsHandshake
        | State::SigningOn
        | State::Draining
        | State::SigningOff
        | State::Closed
        | State::BackingOff
        | State::Held
        | State::OutOfHours => Health::Down,
    });
    let Some(first) = healths.next() else { return Health::Down };
    if healths.all(|health| health == first) { first } else { Health::Degraded }
}

/// Handles that were registered once; setting them costs an atomic write.
struct Metrics {
    up: Gauge,
    queued: Gauge,
    in_flight: Gauge,
    round_trip: Gauge,
    counts: [Counter; 10],
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    fn new(counter: &str) -> Metrics {
        let count = |name: &'static str| counter!(name, "counter" => counter.to_owned());
        let level = |name: &'static str| gauge!(name, "counter" => counter.to_owned());
        Metrics {
            up: level("link_up"),
            queued: level("link_queued"),
            in_flight: level("link_in_flight"),
            round_trip: level("link_round_trip_seconds"),
            counts: [
                count("link_sign_ons_total"),
                count("link_drops_total"),
                count("link_requests_sent_total"),
                count("link_answers_total"),
                count("link_late_answers_total"),
                count("link_unmatched_answers_total"),
                count("link_timeouts_total"),
                count("link_malformed_total"),
                count("link_busy_total"),
                count("link_unmatched_dropped_total"),
            ],
        }
    }

    fn set(&self, snapshot: &Snapshot) {
        self.up.set(if snapshot.health == Health::Up { 1.0 } else { 0.0 });
        let level = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        self.queued.set(level(snapshot.queued));
        self.in_flight.set(level(snapshot.in_flight));
        let counts = &snapshot.counts;
        let told = [
            counts.sign_ons,
            counts.drops,
            counts.sent,
            counts.answered,
            counts.late,
            counts.unmatched,
            counts.timed_out,
            counts.malformed,
            counts.busy,
            counts.unmatched_dropped,
        ];
        for (handle, count) in self.counts.iter().zip(told) {
            handle.absolute(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{counter, day};

    #[test]
    fn a_counter_is_up_if_all_its_connections_are_and_down_if_none_is() {
        let of = |states: &[State]| health(states.iter().copied());
        assert_eq!(of(&[State::Up, State::Up]), Health::Up);
        assert_eq!(of(&[State::Up, State::BackingOff]), Health::Degraded);
        assert_eq!(of(&[State::BackingOff, State::Syncing]), Health::Degraded);
        assert_eq!(of(&[State::Held, State::BackingOff]), Health::Down);
    }

    #[test]
    fn the_snapshot_is_all_connections_together() {
        let shared = Arc::new(Shared::new(counter()));
        shared.busy.store(3, Ordering::Relaxed);
        let panel = Panel::new(shared, 2, 0);
        for channel in [1, 0] {
            let mut part = Part { standing: Some((day(), channel == 0)), ..Part::default() };
            part.counts.answered = 5;
            panel.put(channel, part, |connection| {
                connection.state = State::Up;
                connection.in_flight = 2;
            });
        }
        let snapshot = panel.subscribe().borrow().clone();
        assert_eq!((snapshot.health, snapshot.in_flight), (Health::Up, 4));
        assert_eq!((snapshot.counts.answered, snapshot.counts.busy), (10, 3));
        assert_eq!((snapshot.settle_day, snapshot.open), (Some(day()), true));
        assert_eq!(snapshot.connections[1].channel, 1);
    }
}
