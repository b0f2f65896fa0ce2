//! What a counter says of requests: answers, answers to nothing, and what cannot be read.

use super::closed::Closed;
use super::{Event, MALFORMED_LIMIT, MALFORMED_WITHIN, Phase, Session};
use crate::request::in_flight::Answered;
use crate::request::send_queue::SendQueue;
use crate::session::cause::Cause;
use crate::session::flood::{Flood, Unasked};
use domain::message::Reply;
use port::RequestOutcome;
use tokio::time::Instant;
use wire::codec::Malformed;
use wire::conversation::Conversation;
use wire::message::Message;
use wire::ornament::Blemishes;
use wire::payload::RequestId;

impl Session {
    /// A body arrived that could not be read. It proves nothing about life.
    pub(crate) fn on_malformed(
        &mut self,
        now: Instant,
        malformed: Malformed,
        send_queue: &mut SendQueue,
    ) -> Result<(), Cause> {
        let Malformed { request, serial, error } = malformed;
        send_queue.counts.malformed += 1;
        if let Phase::SigningOn { .. } = self.phase {
            return Err(Cause::Malformed { count: 1, error });
        }
        self.in_flight.garbled(request, serial, send_queue);
        self.touch_sync(now);
        let lately = self.malformed.get_or_insert_default();
        lately.0.retain(|then| *then + MALFORMED_WITHIN > now);
        lately.0.push(now);
        let count = lately.0.len();
        self.events.push(Event::Malformed { serial, error: error.clone() });
        if count >= MALFORMED_LIMIT { Err(Cause::Malformed { count, error }) } else { Ok(()) }
    }

    /// Something of a message could not be read that is only for people. It is counted and told;
    /// the message is heard all the same.
    pub(crate) fn on_blemishes(&mut self, blemishes: Blemishes, send_queue: &mut SendQueue) {
        for ornament in blemishes.iter() {
            *send_queue.unreadable(ornament) += 1;
        }
        self.events.push(Event::Blemished(blemishes));
    }

    pub(super) fn on_response(
        &mut self,
        now: Instant,
        id: RequestId,
        reply: Reply,
        send_queue: &mut SendQueue,
    ) -> Result<(), Cause> {
        self.touch_sync(now);
        if self.closed.is_news(&reply, self.day) {
            self.ask_for_the_day(now);
        }
        match self.in_flight.answer(id, reply, send_queue) {
            Answered::Matched(pending_reply, reply)
                if Closed::is_closed(&reply) && self.is_open() =>
            {
                let beat = self.ask_for_the_day(now);
                self.closed.wait(pending_reply, reply, beat, now);
            }
            Answered::Matched(pending_reply, reply) => {
                pending_reply.settle(RequestOutcome::Answered(reply));
            }
            Answered::Unmatched { reply, late: true } => {
                self.events.push(Event::Unmatched { reply, late: true });
            }
            Answered::Unmatched { reply, late: false } => {
                let repeats = send_queue.has_issued(id);
                self.on_unasked(now, Event::Unmatched { reply, late: false }, repeats, send_queue)?;
            }
        }
        Ok(())
    }

    /// Something that nobody asked for: handed out, as long as there is not too much of it.
    pub(super) fn on_unasked(
        &mut self,
        now: Instant,
        event: Event,
        repeats: bool,
        send_queue: &mut SendQueue,
    ) -> Result<(), Cause> {
        let flood = self.flood.get_or_insert_with(|| Box::new(Flood::new(now)));
        match flood.unasked(now, repeats) {
            Unasked::Taken => self.events.push(event),
            Unasked::Dropped => send_queue.counts.unmatched_dropped += 1,
            Unasked::TooMuch(count) => {
                send_queue.counts.unmatched_dropped += 1;
                return Err(Cause::Flooding { count });
            }
        }
        Ok(())
    }

    /// Asks the counter for its day, by a heartbeat of which it gives the number. Whatever asks before
    /// that is written asks by the same one.
    fn ask_for_the_day(&mut self, now: Instant) -> u64 {
        if let Some(beat) = self.closed.unwritten() {
            return beat;
        }
        let beat = self.pulse.probe(now);
        self.closed.asks_by(beat.number);
        self.outgoing.push_back(Message::Conversation(Conversation::Heartbeat(beat)));
        beat.number
    }

    /// Whether the session is neither beginning nor ending.
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Syncing { .. } | Phase::Open)
    }
}
