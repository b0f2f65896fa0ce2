//! Tells everybody where the link stands: the snapshot, the history, the metrics, the log and the
//! cheap reads of the handle.

use crate::cause::Cause;
use crate::desk::Desk;
use crate::history::{History, What, now_micros};
use crate::owed::Shared;
use crate::session::Event;
use crate::status::{Connection, Health, Snapshot, State};
use crate::unmatched::Unmatched;
use domain::serial::Day;
use metrics::{Counter, Gauge, counter, gauge};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use wire::message::Severity;

/// While only counts change, the snapshot is renewed this often: fresh for an eye, and nothing for
/// a processor.
const RENEW: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub(crate) struct Board {
    shared: Arc<Shared>,
    history: History,
    unmatched: mpsc::Sender<Unmatched>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    connection: Connection,
    standing: Option<(Day, bool)>,
    in_flight: usize,
    heard: Option<Instant>,
    renewed: Instant,
    stale: bool,
    metrics: Metrics,
}

impl Board {
    pub(crate) fn new(
        shared: Arc<Shared>,
        history: History,
        unmatched: mpsc::Sender<Unmatched>,
        now: Instant,
    ) -> Board {
        let connection = Connection {
            channel: 0,
            state: State::Stopped,
            since: now_micros(),
            epoch: 0,
            address: String::new(),
            next_attempt_at: None,
            attempt: 0,
            last_cause: None,
            heard_at: None,
            round_trip_us: None,
        };
        let metrics = Metrics::new(shared.counter.as_str());
        let first = Snapshot {
            counter: shared.counter.clone(),
            health: Health::Down,
            settle_day: None,
            open: false,
            connections: vec![connection.clone()],
            queued: 0,
            in_flight: 0,
            counts: crate::status::Counts::default(),
        };
        Board {
            shared,
            history,
            unmatched,
            snapshot: watch::Sender::new(Arc::new(first)),
            connection,
            standing: None,
            in_flight: 0,
            heard: None,
            renewed: now,
            stale: false,
            metrics,
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    /// A connection is being made: the next epoch.
    pub(crate) fn connecting(&mut self, address: &str, desk: &Desk) {
        self.connection.epoch += 1;
        address.clone_into(&mut self.connection.address);
        self.connection.next_attempt_at = None;
        self.connection.round_trip_us = None;
        self.heard = None;
        self.set(State::Connecting, None, desk);
    }

    /// The session moved on, or did not.
    pub(crate) fn state(&mut self, state: State, desk: &Desk) {
        if state != self.connection.state {
            self.set(state, None, desk);
        }
    }

    /// No session is open any more.
    pub(crate) fn closed(&mut self, desk: &Desk) {
        self.in_flight = 0;
        self.shared.set_session_began(None);
        self.set(State::Closed, None, desk);
    }

    /// The attempt ended; what comes next.
    pub(crate) fn ended(
        &mut self,
        state: State,
        cause: &Cause,
        attempt: u32,
        wait: Option<Duration>,
        desk: &Desk,
    ) {
        self.connection.last_cause = Some(cause.to_string());
        self.connection.attempt = attempt;
        self.connection.next_attempt_at = wait.map(|wait| {
            now_micros().saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
        });
        self.set(state, Some(cause.to_string()), desk);
    }

    /// The link's task ends.
    pub(crate) fn stopped(&mut self, desk: &Desk) {
        self.set(State::Stopped, None, desk);
    }

    fn set(&mut self, state: State, cause: Option<String>, desk: &Desk) {
        self.connection.state = state;
        self.connection.since = now_micros();
        self.shared.set_up(state == State::Up);
        let channel = self.connection.channel;
        self.history.record(&self.shared.counter, What::State { channel, state, cause });
        self.renew(Instant::now(), desk);
    }

    /// What a session told.
    pub(crate) fn tell(&mut self, now: Instant, event: Event, desk: &mut Desk) {
        let counter = self.shared.counter.clone();
        match event {
            Event::Opened => {
                desk.counts.sign_ons += 1;
                self.shared.set_session_began(Some(now_micros()));
                tracing::info!(%counter, address = self.connection.address, "signed on");
            }
            Event::Standing(settle_day, open) => {
                if self.standing != Some((settle_day, open)) {
                    self.standing = Some((settle_day, open));
                    self.shared.set_settle_day(settle_day);
                    self.history.record(&counter, What::Standing { settle_day, open });
                    tracing::info!(%counter, %settle_day, open, "the counter's standing");
                    self.renew(now, desk);
                }
            }
            Event::RoundTrip(round_trip) => {
                self.connection.round_trip_us = u64::try_from(round_trip.as_micros()).ok();
                self.metrics.round_trip.set(round_trip.as_secs_f64());
                self.stale = true;
            }
            Event::Unmatched { reply, late } => {
                let serial = reply.serial();
                tracing::warn!(%counter, ?serial, late, "an answer that nobody waits for");
                self.history.record(&counter, What::Unmatched { serial, late });
                self.hand_out(Unmatched::Reply { counter, reply, late }, desk);
            }
            Event::Malformed { serial, error } => {
                tracing::warn!(%counter, ?serial, error, "a message that cannot be read");
                self.history.record(&counter, What::Malformed { error: error.clone() });
                self.hand_out(Unmatched::Malformed { counter, serial, error }, desk);
            }
            Event::Notice(notice) => {
                let severity = match notice.severity {
                    Severity::Info => "info",
                    Severity::Warning => "warning",
                    Severity::Alarm => "alarm",
                };
                tracing::info!(%counter, severity, text = notice.text, "the counter says");
                self.history.record(&counter, What::Notice { severity, text: notice.text.clone() });
                self.hand_out(Unmatched::Notice { counter, notice }, desk);
            }
        }
    }

    /// A turn is over; `heard` says whether anything arrived in it.
    pub(crate) fn turn(&mut self, now: Instant, heard: bool, in_flight: usize, desk: &Desk) {
        if heard {
            self.heard = Some(now);
        }
        self.in_flight = in_flight;
        self.stale = true;
        if now >= self.renewed + RENEW {
            self.renew(now, desk);
        }
    }

    /// When the snapshot is to be renewed, if it is not fresh.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.stale.then(|| self.renewed + RENEW)
    }

    pub(crate) fn renew(&mut self, now: Instant, desk: &Desk) {
        self.renewed = now;
        self.stale = false;
        let micros_ago =
            |then: Instant| i64::try_from((now - then).as_micros()).unwrap_or(i64::MAX);
        self.connection.heard_at = self.heard.map(|heard| now_micros() - micros_ago(heard));
        let mut counts = desk.counts;
        counts.busy = self.shared.busy.load(Ordering::Relaxed);
        let snapshot = Snapshot {
            counter: self.shared.counter.clone(),
            health: health(self.connection.state),
            settle_day: self.standing.map(|(day, _)| day),
            open: self.standing.is_some_and(|(_, open)| open),
            connections: vec![self.connection.clone()],
            queued: self.shared.queued.load(Ordering::Relaxed),
            in_flight: self.in_flight,
            counts,
        };
        self.metrics.set(&snapshot);
        self.snapshot.send_replace(Arc::new(snapshot));
    }

    fn hand_out(&mut self, unmatched: Unmatched, desk: &mut Desk) {
        if let Err(error) = self.unmatched.try_send(unmatched) {
            desk.counts.unmatched_dropped += 1;
            let counter = &self.shared.counter;
            let unmatched = match &error {
                mpsc::error::TrySendError::Full(unmatched)
                | mpsc::error::TrySendError::Closed(unmatched) => unmatched,
            };
            // The last trace of it, so it is told whole; it holds no secret.
            tracing::warn!(%counter, ?unmatched, "nobody took what the counter said");
        }
    }
}

/// Of a counter with this one connection. A session that does not take new work is half a session.
fn health(state: State) -> Health {
    match state {
        State::Up => Health::Up,
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
    }
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
