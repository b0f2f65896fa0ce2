//! One connection without its socket: bytes and time in, bytes and timers out. It joins the
//! conversation, the codec and the outbox, and knows of every request whether a byte of it has
//! been handed over.

use crate::io::outbox::Outbox;
use crate::request::send_queue::SendQueue;
use crate::session::cause::Cause;
use crate::session::{Opened, Outgoing, Session, Setup};
use bytes::BytesMut;
use std::sync::Arc;
use tokio::time::Instant;
use wire::codec::Incoming;
use wire::conversation::Nonce;
use wire::ornament::Blemishes;

/// How many frames are read in one turn, so that timers and writing get theirs.
pub(crate) const FRAMES_PER_TURN: usize = 64;

/// Nothing more is encoded while so many bytes wait for the transport: what is not encoded yet may
/// still expire, or be overtaken by a query. About a kernel's socket buffer, so the transport never
/// runs dry.
const OUTBOX_FULL: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) session: Session,
    outbox: Outbox,
}

/// Whether reading has to wait for the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inbox {
    /// No whole frame is left.
    Starved,
    /// There may be more frames: take another turn.
    More,
}

impl Connection {
    /// A line over a connection that was just opened; see [`Session::dial`].
    pub(crate) fn dial(
        setup: Arc<Setup>,
        channel: u16,
        nonce: Nonce,
        now: Instant,
        until: Instant,
    ) -> Connection {
        Connection {
            session: Session::dial(setup, channel, nonce, now, until),
            outbox: Outbox::new(now),
        }
    }

    /// A line over a connection that the counter opened; see [`Session::accept`].
    pub(crate) fn accept(
        setup: Arc<Setup>,
        opened: Opened,
        now: Instant,
        send_queue: &mut SendQueue,
    ) -> Connection {
        Connection {
            session: Session::accept(setup, opened, now, send_queue),
            outbox: Outbox::new(now),
        }
    }

    /// Takes whole frames off the front of what has arrived, at most [`FRAMES_PER_TURN`].
    pub(crate) fn received(
        &mut self,
        now: Instant,
        inbox: &mut BytesMut,
        send_queue: &mut SendQueue,
    ) -> Result<Inbox, Cause> {
        for _ in 0..FRAMES_PER_TURN {
            let mut blemishes = Blemishes::default();
            let incoming = self.session.setup().codec.decode_noting(inbox, &mut blemishes)?;
            if !blemishes.is_empty() {
                self.session.on_blemishes(blemishes, send_queue);
            }
            match incoming {
                None => return Ok(Inbox::Starved),
                Some(Incoming::Message(message)) => {
                    self.session.on_message(now, message, send_queue)?;
                }
                Some(Incoming::Malformed(malformed)) => {
                    self.session.on_malformed(now, malformed, send_queue)?;
                }
            }
        }
        // A caller that is told of more does not read, and would never hear again if there were none.
        Ok(if inbox.is_empty() { Inbox::Starved } else { Inbox::More })
    }

    /// Encodes what may be written now.
    pub(crate) fn fill(&mut self, now: Instant, send_queue: &mut SendQueue) -> Result<(), Cause> {
        self.session.advance(now, send_queue)?;
        while self.outbox.unsent().len() < OUTBOX_FULL {
            let Some(Outgoing { message, request }) = self.session.next_outgoing(now, send_queue)
            else {
                break;
            };
            let codec = &self.session.setup().codec;
            if let Err(error) = self.outbox.push(codec, &message, request, now) {
                tracing::warn!(counter = %self.session.setup().counter, %error, "cannot be said");
                self.session.unsayable(request, error.to_string())?;
            }
        }
        if self.outbox.unsent().is_empty() { self.session.flushed() } else { Ok(()) }
    }

    /// Gives memory back that only a busy connection needs.
    pub(crate) fn shrink(&mut self) {
        self.outbox.shrink();
    }

    /// What the transport should take next.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.outbox.unsent()
    }

    /// The transport has taken so many bytes of [`Connection::unsent`].
    pub(crate) fn took(&mut self, now: Instant, count: usize, send_queue: &mut SendQueue) {
        let begun = self.outbox.took(count, now);
        send_queue.counts.sent += begun.requests;
        if let Some(last) = begun.last {
            self.session.handed(last);
        }
    }

    /// When [`Connection::on_timeout`] has something to do.
    pub(crate) fn next_timeout(&self, send_queue: &SendQueue) -> Option<Instant> {
        let stall = self.outbox.stalls_at(self.session.setup().timers.write_progress);
        [stall, self.session.next_timeout(), send_queue.next_timeout()].into_iter().flatten().min()
    }

    /// Time has passed.
    pub(crate) fn on_timeout(
        &mut self,
        now: Instant,
        send_queue: &mut SendQueue,
    ) -> Result<(), Cause> {
        send_queue.expire(now);
        let mut unwritten = Vec::new();
        let result = self.session.on_timeout(now, send_queue, &mut unwritten);
        self.outbox.withdraw(&unwritten);
        result?;
        if self
            .outbox
            .stalls_at(self.session.setup().timers.write_progress)
            .is_some_and(|at| at <= now)
        {
            return Err(Cause::WriteStalled(self.outbox.stalled_for(now)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
