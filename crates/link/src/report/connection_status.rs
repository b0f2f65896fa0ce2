//! Tells everybody where one connection stands: its part of the snapshot, the history, the log and
//! the cheap reads of the handle.

use crate::report::status_aggregate::StatusAggregate;
use crate::request::pending_reply::ConnectionHandle;
use crate::request::send_queue::SendQueue;
use crate::session::Event;
use crate::session::cause::Cause;
use domain::serial::Day;
use port::Unmatched;
use port::history::{History, What};
use port::status::{Address, Connection, RoundTrips, State, Tls};
use std::sync::Arc;
use std::time::Duration;
use supervise::clock::now_micros;
use tokio::sync::mpsc;
use tokio::time::Instant;
use wire::ornament::{Blemishes, Ornament};

/// While only counts change, the snapshot is renewed this often: fresh for an eye, and nothing for
/// a processor.
const RENEW: Duration = Duration::from_millis(250);

/// How often it is said of one thing that it cannot be read: a counter that writes it wrong does so in
/// every message.
const TELL_UNREADABLE: Duration = Duration::from_mins(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct ConnectionStatus {
    shared: Arc<ConnectionHandle>,
    history: History,
    unmatched: mpsc::Sender<Unmatched>,
    status_aggregate: Arc<StatusAggregate>,
    channel: u16,
    state: State,
    /// Since when, in microseconds since 1970 UTC.
    since: i64,
    in_flight: usize,
    /// The settle day, and whether the counter is open, as last heard on this connection.
    standing: Option<(Day, bool)>,
    round_trip: Option<Duration>,
    round_trips: RoundTrips,
    heard: Option<Instant>,
    renewed: Instant,
    stale: bool,
    /// When it was last said that something could not be read, in the order of [`Ornament::ALL`].
    unreadable_told: [Option<Instant>; Ornament::ALL.len()],
}

impl ConnectionStatus {
    pub(crate) fn new(
        shared: Arc<ConnectionHandle>,
        history: History,
        unmatched: mpsc::Sender<Unmatched>,
        status_aggregate: Arc<StatusAggregate>,
        channel: u16,
        now: Instant,
    ) -> ConnectionStatus {
        ConnectionStatus {
            shared,
            history,
            unmatched,
            status_aggregate,
            channel,
            state: State::Stopped,
            since: now_micros(),
            in_flight: 0,
            standing: None,
            round_trip: None,
            round_trips: RoundTrips::default(),
            heard: None,
            renewed: now,
            stale: false,
            unreadable_told: [None; Ornament::ALL.len()],
        }
    }

    /// A connection is being made: the next epoch.
    pub(crate) fn connecting(&mut self, address: &str, send_queue: &SendQueue) {
        self.heard = None;
        self.round_trip = None;
        self.set(State::Connecting, None, send_queue, |connection| {
            connection.epoch += 1;
            address.clone_into(&mut connection.address);
            connection.next_attempt_at = None;
            connection.tls = None;
        });
    }

    /// The counter is to dial in.
    pub(crate) fn waiting(&mut self, send_queue: &SendQueue) {
        self.set(State::Connecting, None, send_queue, |connection| {
            "the counter dials in".clone_into(&mut connection.address);
            connection.next_attempt_at = None;
            connection.tls = None;
        });
    }

    /// The counter is not talked to for so long.
    pub(crate) fn out_of_hours(&mut self, wait: Duration, send_queue: &SendQueue) {
        let next = in_micros(wait);
        self.set(State::OutOfHours, None, send_queue, |connection| {
            connection.next_attempt_at = Some(next);
        });
    }

    /// The counter is left alone until something needs it.
    pub(crate) fn drained(&mut self, send_queue: &SendQueue) {
        self.set(State::Drained, None, send_queue, |connection| {
            connection.next_attempt_at = None;
        });
    }

    /// Which connection it is.
    pub(crate) fn channel(&self) -> u16 {
        self.channel
    }

    /// The address in use.
    pub(crate) fn address(&self) -> String {
        self.status_aggregate.address(self.channel)
    }

    /// The transport is open and is being secured.
    pub(crate) fn securing(&mut self, send_queue: &SendQueue) {
        self.set(State::TlsHandshake, None, send_queue, |_| {});
    }

    /// It is.
    pub(crate) fn secured(&mut self, tls: Option<Tls>, send_queue: &SendQueue) {
        self.put(Instant::now(), send_queue, |connection| {
            connection.tls = tls.map(Box::new);
        });
    }

    /// What became of trying addresses.
    pub(crate) fn addresses(&mut self, addresses: &Arc<[Address]>, send_queue: &SendQueue) {
        self.put(Instant::now(), send_queue, |connection| {
            connection.addresses = Arc::clone(addresses);
        });
    }

    /// The session moved on, or did not.
    pub(crate) fn state(&mut self, state: State, send_queue: &SendQueue) {
        if state != self.state {
            self.set(state, None, send_queue, |_| {});
        }
    }

    /// No session is open any more.
    pub(crate) fn closed(&mut self, send_queue: &SendQueue) {
        self.in_flight = 0;
        self.session_began(None);
        self.set(State::Closed, None, send_queue, |_| {});
    }

    /// The attempt ended; what comes next.
    pub(crate) fn ended(
        &mut self,
        state: State,
        cause: &Cause,
        attempt: u32,
        wait: Option<Duration>,
        send_queue: &SendQueue,
    ) {
        let next = wait.map(in_micros);
        self.set(state, Some(cause.to_string()), send_queue, |connection| {
            connection.last_cause = Some(cause.to_string());
            connection.attempt = attempt;
            connection.next_attempt_at = next;
        });
    }

    /// The link's task ends.
    pub(crate) fn stopped(&mut self, send_queue: &SendQueue) {
        self.set(State::Stopped, None, send_queue, |_| {});
    }

    fn session_began(&self, at: Option<Instant>) {
        self.shared.set_session_began(at);
        match at {
            Some(_) => self.shared.renewal.opened(self.channel),
            None => self.shared.renewal.closed(self.channel),
        }
        self.status_aggregate.session_changed();
    }

    fn set(
        &mut self,
        state: State,
        cause: Option<String>,
        send_queue: &SendQueue,
        change: impl FnOnce(&mut Connection),
    ) {
        self.state = state;
        self.since = now_micros();
        self.shared.set_up(state == State::Up);
        self.shared.set_takes_requests(takes_requests(state));
        let channel = self.channel;
        self.history.record(&self.shared.counter, What::State { channel, state, cause });
        self.put(Instant::now(), send_queue, change);
    }

    /// What a session told.
    pub(crate) fn tell(&mut self, now: Instant, event: Event, send_queue: &mut SendQueue) {
        let counter = self.shared.counter.clone();
        match event {
            Event::Opened(limit) => {
                self.shared.set_limit(limit);
                send_queue.counts.sign_ons += 1;
                self.session_began(Some(now));
                tracing::info!(%counter, address = self.address(), "signed on");
            }
            Event::HighestSerial(highest) => self.shared.set_highest_serial(highest),
            Event::Standing(settle_day, open) => {
                if self.standing != Some((settle_day, open)) {
                    self.standing = Some((settle_day, open));
                    self.shared.set_settle_day(settle_day);
                    self.history.record(&counter, What::Standing { settle_day, open });
                    tracing::info!(%counter, %settle_day, open, "the counter's standing");
                    self.renew(now, send_queue);
                }
            }
            Event::RoundTrip(round_trip) => {
                self.round_trip = Some(round_trip);
                self.round_trips.push(round_trip);
                self.stale = true;
            }
            Event::Unmatched { reply, late } => {
                let serial = reply.serial();
                let about = serial.map(|serial| serial.to_string());
                tracing::warn!(%counter, serial = about, late, "an answer that nobody waits for");
                self.history.record(&counter, What::Unmatched { serial, late });
                self.hand_out(Unmatched::Reply { counter, reply, late }, send_queue);
            }
            Event::Malformed { serial, error } => {
                self.history.record(&counter, What::Malformed { error: error.clone() });
                self.hand_out(Unmatched::Malformed { counter, serial, error }, send_queue);
            }
            Event::Blemished(blemishes) => self.unreadable(now, blemishes, send_queue),
            Event::Notice(notice) => {
                let severity = notice.severity.as_str();
                self.history.record(&counter, What::Notice { severity, text: notice.text.clone() });
                self.hand_out(Unmatched::Notice { counter, notice }, send_queue);
            }
        }
    }

    /// What is only for people could not be read: said when it is new, and then once in a while with
    /// how often.
    fn unreadable(&mut self, now: Instant, blemishes: Blemishes, send_queue: &mut SendQueue) {
        self.stale = true;
        let counter = &self.shared.counter;
        for (ornament, told) in Ornament::ALL.into_iter().zip(&mut self.unreadable_told) {
            if !blemishes.has(ornament) || told.is_some_and(|told| now < told + TELL_UNREADABLE) {
                continue;
            }
            *told = Some(now);
            let count = *send_queue.unreadable(ornament);
            tracing::warn!(
                %counter,
                what = ornament.as_str(),
                count,
                "of some of its messages, what is only for people cannot be read; all else is read"
            );
            let what = ornament.as_str();
            self.history.record(counter, What::Unreadable { what, count });
        }
    }

    /// A turn is over; `heard` says whether anything arrived in it.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        heard: bool,
        in_flight: usize,
        send_queue: &SendQueue,
    ) {
        if heard {
            self.heard = Some(now);
        }
        self.in_flight = in_flight;
        self.stale = true;
        if now >= self.renewed + RENEW {
            self.renew(now, send_queue);
        }
    }

    /// When the snapshot is to be renewed, if it is not fresh.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.stale.then(|| self.renewed + RENEW)
    }

    fn renew(&mut self, now: Instant, send_queue: &SendQueue) {
        self.put(now, send_queue, |_| {});
    }

    fn put(&mut self, now: Instant, send_queue: &SendQueue, change: impl FnOnce(&mut Connection)) {
        self.renewed = now;
        self.stale = false;
        let micros_ago =
            |then: Instant| i64::try_from((now - then).as_micros()).unwrap_or(i64::MAX);
        let heard_at = self.heard.map(|heard| now_micros() - micros_ago(heard));
        let (round_trip, round_trips) = (self.round_trip, &self.round_trips);
        let ConnectionStatus { channel, state, since, in_flight, standing, .. } = *self;
        self.status_aggregate.put(channel, |part| {
            part.standing = standing;
            part.counts = send_queue.counts;
            let connection = &mut part.connection;
            connection.state = state;
            connection.since = since;
            connection.in_flight = in_flight;
            connection.heard_at = heard_at;
            connection.round_trip_us =
                round_trip.and_then(|round_trip| u64::try_from(round_trip.as_micros()).ok());
            connection.round_trips_us.clone_from(round_trips);
            change(connection);
        });
    }

    fn hand_out(&mut self, unmatched: Unmatched, send_queue: &mut SendQueue) {
        if let Err(error) = self.unmatched.try_send(unmatched) {
            send_queue.counts.unmatched_dropped += 1;
            let counter = &self.shared.counter;
            let unmatched = match &error {
                mpsc::error::TrySendError::Full(unmatched)
                | mpsc::error::TrySendError::Closed(unmatched) => unmatched,
            };
            // The last trace of it, so it is told whole; it holds no secret.
            tracing::warn!(%counter, said = %unmatched, "nobody took what the counter said");
        }
    }
}

impl Drop for ConnectionStatus {
    fn drop(&mut self) {
        self.status_aggregate.left();
    }
}

/// So much later than now, in microseconds since 1970 UTC.
fn in_micros(wait: Duration) -> i64 {
    now_micros().saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
}

/// Whether requests may wait for a connection in this state.
fn takes_requests(state: State) -> bool {
    match state {
        State::Up | State::Syncing | State::Suspect => true,
        State::Stopped
        | State::Connecting
        | State::TlsHandshake
        | State::SigningOn
        | State::Draining
        | State::SigningOff
        | State::Closed
        | State::BackingOff
        | State::Held
        | State::OutOfHours
        | State::Drained => false,
    }
}
