//! Tells everybody where one connection stands: its part of the snapshot, the history, the log and
//! the cheap reads of the handle.

use crate::cause::Cause;
use crate::desk::Desk;
use crate::history::{History, What, now_micros};
use crate::owed::Shared;
use crate::panel::{Panel, Part};
use crate::session::Event;
use crate::status::{Address, State, Tls};
use crate::unmatched::Unmatched;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
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
    panel: Arc<Panel>,
    part: Part,
    heard: Option<Instant>,
    renewed: Instant,
    stale: bool,
}

impl Board {
    pub(crate) fn new(
        shared: Arc<Shared>,
        history: History,
        unmatched: mpsc::Sender<Unmatched>,
        panel: Arc<Panel>,
        channel: u16,
        now: Instant,
    ) -> Board {
        let part = Part::new(channel, now_micros());
        Board { shared, history, unmatched, panel, part, heard: None, renewed: now, stale: false }
    }

    /// A connection is being made: the next epoch.
    pub(crate) fn connecting(&mut self, address: &str, desk: &Desk) {
        self.part.connection.epoch += 1;
        address.clone_into(&mut self.part.connection.address);
        self.part.connection.next_attempt_at = None;
        self.part.connection.round_trip_us = None;
        self.part.connection.tls = None;
        self.heard = None;
        self.set(State::Connecting, None, desk);
    }

    /// The counter is to dial in.
    pub(crate) fn waiting(&mut self, desk: &Desk) {
        "the counter dials in".clone_into(&mut self.part.connection.address);
        self.part.connection.next_attempt_at = None;
        self.part.connection.tls = None;
        self.set(State::Connecting, None, desk);
    }

    /// The counter is not talked to for so long.
    pub(crate) fn out_of_hours(&mut self, wait: Duration, desk: &Desk) {
        self.part.connection.next_attempt_at =
            Some(now_micros().saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)));
        self.set(State::OutOfHours, None, desk);
    }

    /// The address in use.
    pub(crate) fn address(&self) -> &str {
        &self.part.connection.address
    }

    /// The transport is open and is being secured.
    pub(crate) fn securing(&mut self, desk: &Desk) {
        self.set(State::TlsHandshake, None, desk);
    }

    /// It is.
    pub(crate) fn secured(&mut self, tls: Option<Tls>) {
        self.part.connection.tls = tls;
    }

    /// What became of trying addresses.
    pub(crate) fn addresses(&mut self, addresses: &[Address]) {
        addresses.clone_into(&mut self.part.connection.addresses);
    }

    /// The session moved on, or did not.
    pub(crate) fn state(&mut self, state: State, desk: &Desk) {
        if state != self.part.connection.state {
            self.set(state, None, desk);
        }
    }

    /// No session is open any more.
    pub(crate) fn closed(&mut self, desk: &Desk) {
        self.part.connection.in_flight = 0;
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
        self.part.connection.last_cause = Some(cause.to_string());
        self.part.connection.attempt = attempt;
        self.part.connection.next_attempt_at = wait.map(|wait| {
            now_micros().saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
        });
        self.set(state, Some(cause.to_string()), desk);
    }

    /// The link's task ends.
    pub(crate) fn stopped(&mut self, desk: &Desk) {
        self.set(State::Stopped, None, desk);
    }

    fn set(&mut self, state: State, cause: Option<String>, desk: &Desk) {
        self.part.connection.state = state;
        self.part.connection.since = now_micros();
        self.shared.set_up(state == State::Up);
        self.shared.set_takes_requests(takes_requests(state));
        let channel = self.part.connection.channel;
        self.history.record(&self.shared.counter, What::State { channel, state, cause });
        self.renew(Instant::now(), desk);
    }

    /// What a session told.
    pub(crate) fn tell(&mut self, now: Instant, event: Event, desk: &mut Desk) {
        let counter = self.shared.counter.clone();
        match event {
            Event::Opened => {
                desk.counts.sign_ons += 1;
                self.shared.set_session_began(Some(now));
                tracing::info!(%counter, address = self.part.connection.address, "signed on");
            }
            Event::Standing(settle_day, open) => {
                if self.part.standing != Some((settle_day, open)) {
                    self.part.standing = Some((settle_day, open));
                    self.shared.set_settle_day(settle_day);
                    self.history.record(&counter, What::Standing { settle_day, open });
                    tracing::info!(%counter, %settle_day, open, "the counter's standing");
                    self.renew(now, desk);
                }
            }
            Event::RoundTrip(round_trip) => {
                self.part.connection.round_trip_us = u64::try_from(round_trip.as_micros()).ok();
                self.panel.round_trip(round_trip);
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
        self.part.connection.in_flight = in_flight;
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
        self.part.connection.heard_at = self.heard.map(|heard| now_micros() - micros_ago(heard));
        self.part.counts = desk.counts;
        self.panel.put(&self.part);
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
        | State::OutOfHours => false,
    }
}
