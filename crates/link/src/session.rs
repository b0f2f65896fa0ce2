//! The conversation on one connection, without bytes, sockets or clocks: messages and time go in,
//! messages, timers and events come out. An error is the cause to close the connection for.

mod answers;
pub(crate) mod cause;
mod closed;
mod event;
mod flood;
pub(crate) mod greeting;
pub(crate) mod hours;
pub(crate) mod keys;
mod pulse;
mod setup;
mod sign_on;

use crate::request::in_flight::InFlight;
use crate::request::send_queue::{Admission, SendQueue};
use crate::session::cause::Cause;
use crate::session::flood::Flood;
use crate::session::keys::KeyId;
use crate::session::pulse::{Beat, Pulse};
use domain::message::Notice;
use domain::serial::Day;
use foreign::ForeignText;
use port::NotSent;
use port::status::State;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wire::conversation::{Conversation, Heartbeat, HeartbeatAck, Nonce, SignOff, Welcome};
use wire::message::Message;
use wire::payload::{Payload, RequestId};

use closed::Closed;
pub(crate) use event::Event;
pub(crate) use setup::{Outgoing, Setup};
pub(crate) use sign_on::Opened;
use sign_on::SigningOn;

/// So many unreadable bodies within [`MALFORMED_WITHIN`] close the connection: the sides do not
/// speak the same language, and every further request would end unknown.
const MALFORMED_LIMIT: usize = 5;
const MALFORMED_WITHIN: Duration = Duration::from_mins(1);

/// A session that asks about what the last one left unknown is done with it when no question has
/// been asked or open for this long: long enough for an owner to see the state and ask.
const SYNC_QUIET: Duration = Duration::from_millis(200);

/// How many of the conversation's own messages may wait to be written: those that one turn can
/// cause. Beyond it an answer to a heartbeat takes the place of an older one, so that a counter
/// that writes but does not read costs no memory.
const OUTGOING_LIMIT: usize = 64;

/// One part in so many of the window is kept for queries, so that requests that hang cannot keep
/// the questions about them from being asked.
const URGENT_SHARE: usize = 16;

/// How long the acknowledgement of a sign-off is waited for by a bridge that stops. Whatever was in
/// flight has been answered by then: it tells nothing more, and a counter that says nothing does not
/// keep a bridge from going.
const LAST_WORD: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    setup: Arc<Setup>,
    phase: Phase,
    pulse: Pulse,
    in_flight: InFlight,
    window: usize,
    outgoing: VecDeque<Message>,
    events: Vec<Event>,
    /// When bodies came lately that could not be read.
    malformed: Option<Box<Lately>>,
    /// Valid frames heard since the session opened.
    heard: u64,
    /// The counter's day, as last said on this connection.
    day: Option<Day>,
    /// Refusals that wait for it to be said again.
    closed: Closed,
    /// How much was said that nobody asked for; `None` as with most.
    flood: Option<Box<Flood>>,
    /// By which key the counter proved itself, once it has.
    key: Option<KeyId>,
}

/// When something happened lately.
#[derive(Debug, Default)]
struct Lately(Vec<Instant>);

#[derive(Debug)]
enum Phase {
    /// Proofs are being exchanged.
    SigningOn { sign_on: Box<SigningOn>, until: Instant },
    /// What the last connection left unknown is being asked about.
    Syncing { quiet_since: Instant, until: Instant },
    /// Requests flow.
    Open,
    /// No new requests; those in flight are waited for.
    Draining { leaver: Leaver, until: Instant },
    /// Our sign-off is out.
    SigningOff { until: Instant },
    /// The last bytes are on their way; then it is over.
    Leaving { cause: Box<Cause>, until: Instant },
}

/// Who ends the session.
#[derive(Clone, Debug)]
enum Leaver {
    /// We, for good.
    Stopping,
    /// We, for a while.
    Leaving {
        text: &'static str,
    },
    They {
        text: ForeignText,
    },
}

impl Session {
    /// A session on a connection that was just opened to the counter. It must be signed on by
    /// `until`.
    pub(crate) fn dial(
        setup: Arc<Setup>,
        channel: u16,
        nonce: Nonce,
        now: Instant,
        until: Instant,
    ) -> Session {
        let (sign_on, first) = SigningOn::begin(&setup, channel, nonce);
        Session {
            phase: Phase::SigningOn { sign_on: Box::new(sign_on), until },
            pulse: Pulse::new(0, setup.timers.early_probe, now),
            in_flight: InFlight::default(),
            window: 0,
            outgoing: VecDeque::from([first]),
            events: Vec::new(),
            malformed: None,
            heard: 0,
            day: None,
            closed: Closed::default(),
            flood: None,
            key: None,
            setup,
        }
    }

    /// A session on a connection that the counter opened, and on which it has proven who it is.
    pub(crate) fn accept(
        setup: Arc<Setup>,
        opened: Opened,
        now: Instant,
        send_queue: &mut SendQueue,
    ) -> Session {
        let welcome = Welcome { heartbeat_s: opened.heartbeat_s, counter: None };
        let mut session = Session {
            phase: Phase::Open,
            pulse: Pulse::new(0, setup.timers.early_probe, now),
            in_flight: InFlight::default(),
            window: 0,
            outgoing: VecDeque::from([Message::Conversation(Conversation::Welcome(welcome))]),
            events: Vec::new(),
            malformed: None,
            heard: 0,
            day: None,
            closed: Closed::default(),
            flood: None,
            key: None,
            setup,
        };
        session.open(now, opened, send_queue);
        session
    }

    fn open(&mut self, now: Instant, opened: Opened, send_queue: &mut SendQueue) {
        self.key = Some(opened.key);
        let wanted = self.setup.timers.heartbeat_s;
        let interval = opened.heartbeat_s.min(wanted);
        self.pulse = Pulse::new(interval, self.setup.timers.early_probe, now);
        self.window = usize::from(self.setup.bounds.in_flight.min(opened.window)).max(1);
        self.phase = if std::mem::take(&mut send_queue.left_unknown) {
            Phase::Syncing { quiet_since: now, until: now + self.setup.timers.sync }
        } else {
            Phase::Open
        };
        // Known before the session is: whoever sees the session sees this.
        self.events.extend(opened.highest_serial.map(Event::HighestSerial));
        self.events.push(Event::Opened(opened.limit));
        self.day = Some(opened.settle_day);
        self.events.push(Event::Standing(opened.settle_day, opened.open));
    }

    /// What all sessions of the link have in common.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Whether the key by which it was opened is one no more.
    pub(crate) fn key_is_withdrawn(&self) -> bool {
        self.key.is_some_and(|key| !self.setup.keys.hold(key))
    }

    /// Asks at once whether the other side lives.
    pub(crate) fn probe(&mut self, now: Instant) {
        self.outgoing
            .push_back(Message::Conversation(Conversation::Heartbeat(self.pulse.probe(now))));
    }

    /// How many valid frames were heard since the session opened.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    /// Gives back what its own messages and events took: they are rare, requests are none of them.
    pub(crate) fn shrink(&mut self) {
        if self.outgoing.is_empty() {
            self.outgoing = VecDeque::new();
        }
        if self.events.is_empty() {
            self.events = Vec::new();
        }
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::SigningOn { .. } => State::SigningOn,
            Phase::Syncing { .. } | Phase::Open if self.pulse.is_suspect() => State::Suspect,
            Phase::Syncing { .. } => State::Syncing,
            Phase::Open => State::Up,
            Phase::Draining { .. } => State::Draining,
            Phase::SigningOff { .. } => State::SigningOff,
            Phase::Leaving { .. } => State::Closed,
        }
    }

    /// Whether requests may wait here; otherwise they are refused at once.
    pub(crate) fn takes_requests(&self) -> bool {
        match self.phase {
            Phase::Syncing { .. } | Phase::Open => true,
            Phase::SigningOn { .. }
            | Phase::Draining { .. }
            | Phase::SigningOff { .. }
            | Phase::Leaving { .. } => false,
        }
    }

    /// How many requests wait for an answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len() + self.closed.len()
    }

    /// Hands out what waited for the counter's day: to be called once everybody can see that day.
    pub(crate) fn hand_out(&mut self) {
        self.closed.hand_out();
    }

    /// What has happened since the last look.
    pub(crate) fn events(&mut self) -> std::vec::Drain<'_, Event> {
        self.events.drain(..)
    }

    /// A message arrived.
    pub(crate) fn on_message(
        &mut self,
        now: Instant,
        message: Message,
        send_queue: &mut SendQueue,
    ) -> Result<(), Cause> {
        if let Phase::SigningOn { sign_on, .. } = &mut self.phase {
            let Some(opened) = sign_on.on_message(&self.setup, message, &mut self.outgoing)? else {
                return Ok(());
            };
            self.open(now, opened, send_queue);
            return Ok(());
        }
        self.heard += 1;
        self.pulse.heard(now);
        match message {
            Message::Payload(Payload::Response(id, reply)) => {
                self.on_response(now, id, reply, send_queue)?;
            }
            Message::Conversation(Conversation::Heartbeat(beat)) => {
                self.acknowledge(beat);
            }
            Message::Conversation(Conversation::HeartbeatAck(ack)) => {
                let round_trip = self.pulse.round_trip(ack, now);
                self.events.extend(round_trip.map(Event::RoundTrip));
                if let Some((day, open)) = ack.counter {
                    self.day = Some(day);
                    self.events.push(Event::Standing(day, open));
                }
                self.closed.answered(ack.number);
            }
            Message::Conversation(Conversation::Notice(Notice { severity, text })) => {
                let notice = Notice { severity, text: text.clipped(500) };
                self.on_unasked(now, Event::Notice(notice), false, send_queue)?;
            }
            Message::Conversation(Conversation::SignOff(SignOff { text })) => {
                self.on_sign_off(now, &text, send_queue);
            }
            Message::Conversation(Conversation::SignOffAck) => match &self.phase {
                Phase::SigningOff { .. } => return Err(Cause::SignedOff),
                Phase::Leaving { cause, .. } => return Err(Cause::clone(cause)),
                Phase::SigningOn { .. }
                | Phase::Syncing { .. }
                | Phase::Open
                | Phase::Draining { .. } => {
                    return Err(unexpected(&Message::Conversation(Conversation::SignOffAck)));
                }
            },
            Message::Conversation(
                Conversation::SignOn(_)
                | Conversation::Challenge(_)
                | Conversation::Answer(_)
                | Conversation::Welcome(_)
                | Conversation::Rejected(_),
            )
            | Message::Payload(Payload::Request(..)) => return Err(unexpected(&message)),
        }
        Ok(())
    }

    /// The next message to write, if there is one: the conversation's own first, then requests as
    /// the window and the state admit them.
    pub(crate) fn next_outgoing(
        &mut self,
        now: Instant,
        send_queue: &mut SendQueue,
    ) -> Option<Outgoing> {
        if let Some(message) = self.outgoing.pop_front() {
            self.pulse.sent(now);
            if let Message::Conversation(Conversation::Heartbeat(beat)) = &message {
                self.closed.written(beat.number);
            }
            return Some(Outgoing { message, request: None });
        }
        let queued = send_queue.pop(now, self.admission())?;
        let id = send_queue.next_id();
        let message = self.in_flight.submit(id, queued, now);
        self.pulse.sent(now);
        Some(Outgoing { message, request: Some(id) })
    }

    /// A message of [`Session::next_outgoing`] cannot be said in the dialect.
    pub(crate) fn unsayable(
        &mut self,
        request: Option<RequestId>,
        error: String,
    ) -> Result<(), Cause> {
        match request {
            Some(id) => {
                self.in_flight.unsayable(id);
                Ok(())
            }
            None => Err(Cause::Unsayable(error)),
        }
    }

    /// A byte of this request, and so of all before it, has been handed to the transport.
    pub(crate) fn handed(&mut self, id: RequestId) {
        self.in_flight.handed(id);
    }

    /// Everything that was to be written has been.
    pub(crate) fn flushed(&self) -> Result<(), Cause> {
        match &self.phase {
            Phase::Leaving { cause, .. } if self.outgoing.is_empty() => Err(Cause::clone(cause)),
            Phase::Leaving { .. }
            | Phase::SigningOn { .. }
            | Phase::Syncing { .. }
            | Phase::Open
            | Phase::Draining { .. }
            | Phase::SigningOff { .. } => Ok(()),
        }
    }

    /// When [`Session::on_timeout`] has something to do.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Syncing { quiet_since, until } => Some((*quiet_since + SYNC_QUIET).min(*until)),
            Phase::Open => None,
            Phase::SigningOn { until, .. }
            | Phase::Draining { until, .. }
            | Phase::SigningOff { until }
            | Phase::Leaving { until, .. } => Some(*until),
        };
        let pulse = self.pulse.next_timeout(self.in_flight.oldest());
        let closed = self.closed.next_timeout();
        [phase, pulse, self.in_flight.next_timeout(), closed].into_iter().flatten().min()
    }

    /// Time has passed. Requests that expired before a byte of them was handed over are told in
    /// `unwritten`: they must not be written any more.
    pub(crate) fn on_timeout(
        &mut self,
        now: Instant,
        send_queue: &mut SendQueue,
        unwritten: &mut Vec<RequestId>,
    ) -> Result<(), Cause> {
        self.in_flight.expire(now, send_queue, unwritten);
        self.closed.on_timeout(now);
        if self.pulse.next_timeout(self.in_flight.oldest()).is_some_and(|due| due <= now) {
            let oldest = self.in_flight.find_oldest();
            match self.pulse.on_timeout(now, oldest) {
                Beat::Rest => {}
                Beat::Send(beat) => {
                    self.outgoing.push_back(Message::Conversation(Conversation::Heartbeat(beat)));
                }
                Beat::Dead(silence) => return Err(Cause::Unheard(silence)),
            }
        }
        self.advance(now, send_queue)
    }

    /// Everything that the last connection left unknown has been asked about.
    pub(crate) fn synced(&mut self) {
        if let Phase::Syncing { .. } = self.phase {
            self.phase = Phase::Open;
        }
    }

    /// Ends the session in order: nothing queued is written, and what moves money and is in flight is
    /// waited for. A question is not: it is asked again after the next start, and a counter that does
    /// not answer one does not keep a bridge from going.
    pub(crate) fn stop(&mut self, now: Instant, send_queue: &mut SendQueue) -> Result<(), Cause> {
        send_queue.refuse_all(NotSent::Stopping);
        self.drain(now, send_queue, Leaver::Stopping)
    }

    /// The same, but the counter is not left: what is queued may go to another connection.
    pub(crate) fn leave(
        &mut self,
        now: Instant,
        send_queue: &mut SendQueue,
        text: &'static str,
    ) -> Result<(), Cause> {
        send_queue.refuse_all(NotSent::Down);
        self.drain(now, send_queue, Leaver::Leaving { text })
    }

    fn drain(&mut self, now: Instant, send_queue: &SendQueue, leaver: Leaver) -> Result<(), Cause> {
        match self.phase {
            Phase::SigningOn { .. } => Err(Cause::SignedOff),
            Phase::Syncing { .. } | Phase::Open => {
                self.closed.give_up();
                let until = now + self.setup.timers.drain;
                self.phase = Phase::Draining { leaver, until };
                self.advance(now, send_queue)
            }
            Phase::Draining { .. } | Phase::SigningOff { .. } | Phase::Leaving { .. } => Ok(()),
        }
    }

    /// What it means that the other side closed the connection.
    pub(crate) fn closed_by_peer(&self) -> Cause {
        match &self.phase {
            Phase::SigningOff { .. } => Cause::SignedOff,
            Phase::Leaving { cause, .. } => Cause::clone(cause),
            Phase::SigningOn { .. }
            | Phase::Syncing { .. }
            | Phase::Open
            | Phase::Draining { .. } => Cause::ClosedByPeer,
        }
    }

    /// The connection is gone: ends every request that is in flight or queued, truthfully.
    pub(crate) fn lose(&mut self, send_queue: &mut SendQueue) {
        self.in_flight.lose(send_queue);
        self.closed.give_up();
        self.closed.hand_out();
        // Questions that this session did not finish are the next one's.
        send_queue.left_unknown |= matches!(self.phase, Phase::Syncing { .. });
        send_queue.refuse_all(NotSent::Down);
    }

    /// Moves on where what was waited for has come, or has not come in time.
    pub(crate) fn advance(&mut self, now: Instant, send_queue: &SendQueue) -> Result<(), Cause> {
        let idle = self.in_flight.is_empty() && self.closed.len() == 0;
        let drained = match &self.phase {
            Phase::Draining { leaver: Leaver::Stopping, .. } => {
                !self.in_flight.moves_money() && self.closed.len() == 0
            }
            Phase::SigningOn { .. }
            | Phase::Syncing { .. }
            | Phase::Open
            | Phase::Draining { .. }
            | Phase::SigningOff { .. }
            | Phase::Leaving { .. } => idle,
        };
        match &mut self.phase {
            Phase::SigningOn { until, .. } if now >= *until => return Err(Cause::SignOnTimedOut),
            Phase::Leaving { cause, until } if now >= *until => return Err(Cause::clone(cause)),
            Phase::SigningOff { until } if now >= *until => return Err(Cause::SignedOff),
            Phase::Syncing { quiet_since, until } => {
                if send_queue.has_urgent() || self.in_flight.has_urgent() {
                    *quiet_since = now;
                }
                if now >= *until || now >= *quiet_since + SYNC_QUIET {
                    self.phase = Phase::Open;
                }
            }
            Phase::Draining { leaver, until } if drained || now >= *until => {
                let sign_off = |text: &str, within| {
                    let text = text.into();
                    (
                        Message::Conversation(Conversation::SignOff(SignOff { text })),
                        Phase::SigningOff { until: now + within },
                    )
                };
                let within = self.setup.timers.sign_off;
                let (message, phase) = match leaver {
                    Leaver::Stopping => sign_off("the bridge is stopping", within.min(LAST_WORD)),
                    Leaver::Leaving { text } => sign_off(text, within),
                    Leaver::They { text } => {
                        let cause = Box::new(Cause::PeerSignedOff(std::mem::take(text)));
                        let until = now + self.setup.timers.close;
                        (
                            Message::Conversation(Conversation::SignOffAck),
                            Phase::Leaving { cause, until },
                        )
                    }
                };
                self.outgoing.push_back(message);
                self.phase = phase;
            }
            Phase::SigningOn { .. }
            | Phase::Open
            | Phase::Draining { .. }
            | Phase::SigningOff { .. }
            | Phase::Leaving { .. } => {}
        }
        Ok(())
    }

    fn acknowledge(&mut self, beat: Heartbeat) {
        if self.outgoing.len() >= OUTGOING_LIMIT
            && let Some(older) = self.outgoing.iter().position(|waits| {
                matches!(waits, Message::Conversation(Conversation::HeartbeatAck(_)))
            })
        {
            self.outgoing.remove(older);
        }
        let ack = HeartbeatAck { number: beat.number, counter: None };
        self.outgoing.push_back(Message::Conversation(Conversation::HeartbeatAck(ack)));
    }

    /// The counter takes no new requests: what is queued cannot be sent here any more.
    fn on_sign_off(&mut self, now: Instant, text: &ForeignText, send_queue: &mut SendQueue) {
        send_queue.refuse_all(NotSent::Down);
        let leaver = Leaver::They { text: text.clipped(200) };
        match &mut self.phase {
            Phase::Syncing { .. } | Phase::Open => {
                self.phase = Phase::Draining { leaver, until: now + self.setup.timers.drain };
            }
            Phase::Draining { leaver: by, .. } => *by = leaver,
            // Both at once: each acknowledges the other's.
            Phase::SigningOff { .. } => {
                self.outgoing.push_back(Message::Conversation(Conversation::SignOffAck));
                let until = now + self.setup.timers.close;
                self.phase = Phase::Leaving { cause: Box::new(Cause::SignedOff), until };
            }
            Phase::SigningOn { .. } | Phase::Leaving { .. } => {}
        }
    }

    fn admission(&self) -> Admission {
        let free = self.window.saturating_sub(self.in_flight());
        let suspect = self.pulse.is_suspect();
        match self.phase {
            Phase::Syncing { .. } | Phase::Open if free == 0 => Admission::Closed,
            // What would be lost if the counter is dead waits until it has shown that it is not.
            Phase::Open if !suspect && free > self.window / URGENT_SHARE => Admission::All,
            Phase::Syncing { .. } | Phase::Open => Admission::QueriesOnly,
            Phase::SigningOn { .. }
            | Phase::Draining { .. }
            | Phase::SigningOff { .. }
            | Phase::Leaving { .. } => Admission::Closed,
        }
    }

    fn touch_sync(&mut self, now: Instant) {
        if let Phase::Syncing { quiet_since, .. } = &mut self.phase {
            *quiet_since = now;
        }
    }
}

fn unexpected(message: &Message) -> Cause {
    Cause::Protocol { message: sign_on::name(message), state: "the session was open" }
}

#[cfg(test)]
mod tests;
