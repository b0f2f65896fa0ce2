//! A link without its socket, its clock and its task, for a simulation that decides both: the same
//! conversation, codec, outbox, queue and back-off as the real one, and in their place the caller.
//!
//! What `actor`, `driver` and `connection_status` do around the pure part is repeated here in its order:
//! timers, inbound, requests, writing; and on a drop, first the state, then the outcomes.

use crate::config::LinkConfig;
use crate::io::connection::{Connection, Inbox};
use crate::reconnect::backoff::{Backoff, Next};
use crate::request::pending_reply::Queued;
use crate::request::pending_reply::{ConnectionHandle, PendingReply};
pub use crate::request::renewal::Renewal;
use crate::request::renewal::{RENEWS, Turn};
use crate::request::send_queue::SendQueue;
use crate::session::cause::Cause;
use crate::session::{Event, Setup};
use bytes::BytesMut;
use domain::message::{CounterId, Reply};
use domain::profile::Profile;
use domain::serial::{Day, SubSerial};
use port::status::State;
use port::{Ask, NotSent, RequestOutcome};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;
use wire::codec::{Codec, Parties};

mod acceptor;
pub use acceptor::{Entrance, PaperDoor, Step};

/// See the module.
#[derive(Debug)]
pub struct SansIoLink {
    setup: Arc<Setup>,
    shared: Arc<ConnectionHandle>,
    send_queue: SendQueue,
    backoff: Backoff,
    rng: StdRng,
    connection: Option<Connection>,
    inbox: BytesMut,
    opened: Option<Instant>,
    channel: u16,
    channels: u16,
    renew_at: Option<Instant>,
}

/// What a turn told besides outcomes, which go to their askers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A session opened.
    Opened,
    /// An answer that nobody waits for.
    Unmatched(Reply),
}

/// What to do after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Try again after this.
    Wait(Duration),
    /// Do not, until it is released.
    Held,
}

impl SansIoLink {
    /// One connection of a counter, which is not connected; `channel` says which, and what its
    /// connections agree on is given to all of them. The seed decides nonces and the jitter of the
    /// back-off; `first_id` numbers its first request and must be above all those of earlier lives.
    pub fn new(
        config: LinkConfig,
        channel: u16,
        renewal: Renewal,
        seed: u64,
        first_id: u64,
    ) -> SansIoLink {
        let LinkConfig {
            counter,
            connections,
            dialect,
            own_name,
            keys,
            profile,
            timers,
            bounds,
            ..
        } = config;
        let parties = Parties { own: own_name.clone(), peer: counter.as_str().to_owned() };
        SansIoLink {
            shared: Arc::new(ConnectionHandle::new(counter.clone()).agreeing(renewal)),
            channel,
            channels: connections,
            renew_at: None,
            setup: Arc::new(Setup {
                counter,
                own_name: Arc::new(own_name),
                codec: Codec::new(dialect, parties),
                keys,
                profile: Arc::new(profile),
                timers: Arc::new(timers),
                bounds,
            }),
            send_queue: SendQueue::new(first_id),
            backoff: Backoff::default(),
            rng: StdRng::seed_from_u64(seed),
            connection: None,
            inbox: BytesMut::new(),
            opened: None,
        }
    }

    /// Whom it talks to.
    pub fn counter(&self) -> &CounterId {
        &self.shared.counter
    }

    /// The configured profile.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.setup.profile
    }

    /// The highest of our serials that the counter has seen, as it said at its last sign-on.
    pub fn highest_serial(&self) -> Option<SubSerial> {
        self.shared.highest_serial()
    }

    /// The counter's accounting day as last heard.
    pub fn settle_day(&self) -> Option<Day> {
        self.shared.settle_day()
    }

    /// When the open session began; `None` while none is open.
    pub fn session_began(&self) -> Option<Instant> {
        self.opened
    }

    /// When the newest session began, open or not; `None` before the first.
    pub fn newest_began(&self) -> Option<Instant> {
        self.shared.newest_began()
    }

    /// As [`renew_sessions`](port::Counter::renew_sessions); the next turns of all the counter's
    /// connections heed it.
    pub fn renew_sessions(&self, after: Instant) {
        self.shared.renewal.want(after);
    }

    /// Whether new work is taken.
    pub fn is_up(&self) -> bool {
        self.shared.is_up()
    }

    /// Asks; the outcome is delivered exactly once, perhaps at once. It is written by the next
    /// [`SansIoLink::turn`].
    pub fn ask(&mut self, ask: Ask) {
        let Ask { ticket, instruction, deadline, reply_to } = ask;
        let queued = self.shared.queued.fetch_add(1, Ordering::Relaxed);
        let pending_reply = PendingReply::new(&self.shared, ticket, reply_to);
        if queued >= self.setup.bounds.queued {
            pending_reply.settle(RequestOutcome::NotSent(NotSent::Busy));
        } else if self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.session.takes_requests())
        {
            self.send_queue.push(Queued { pending_reply, instruction, deadline });
        } else {
            pending_reply.settle(RequestOutcome::NotSent(NotSent::Down));
        }
    }

    /// A connection was opened: the sign-on begins with the next turn.
    pub fn connected(&mut self, now: Instant) {
        let until = now + self.setup.timers.sign_on;
        let nonce = self.rng.random();
        let setup = Arc::clone(&self.setup);
        self.inbox.clear();
        self.opened = None;
        self.connection = Some(Connection::dial(setup, self.channel, nonce, now, until));
    }

    /// The counter opened a connection and was let in: its session begins with the next turn.
    pub fn accepted(&mut self, now: Instant, entrance: Entrance) {
        let Entrance { opened, inbox } = entrance;
        let setup = Arc::clone(&self.setup);
        self.inbox = inbox;
        self.opened = None;
        self.connection = Some(Connection::accept(setup, opened, now, &mut self.send_queue));
    }

    /// Bytes arrived; the next turn hears them.
    pub fn received(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
    }

    /// Does everything that can be done without waiting, and says what was heard. An error is the
    /// cause to close the connection for.
    pub fn turn(&mut self, now: Instant, heard: &mut Vec<Heard>) -> Result<(), Cause> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let done = Self::take_turn(connection, &mut self.inbox, &mut self.send_queue, now);
        for event in connection.session.events() {
            match event {
                Event::Opened(limit) => {
                    self.shared.set_limit(limit);
                    self.opened = Some(now);
                    self.shared.set_session_began(Some(now));
                    self.shared.renewal.opened(self.channel);
                    heard.push(Heard::Opened);
                }
                Event::Standing(day, _) => self.shared.set_settle_day(day),
                Event::HighestSerial(highest) => self.shared.set_highest_serial(highest),
                Event::Unmatched { reply, .. } => heard.push(Heard::Unmatched(reply)),
                Event::RoundTrip(_)
                | Event::Malformed { .. }
                | Event::Notice(_)
                | Event::Blemished(_) => {}
            }
        }
        connection.session.hand_out();
        done.map_err(renewed)?;
        self.renew(now)?;
        let up = self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.session.state() == State::Up);
        self.shared.set_up(up);
        Ok(())
    }

    /// Signs off where a new session is wanted and it is this connection's turn.
    fn renew(&mut self, now: Instant) -> Result<(), Cause> {
        self.renew_at = None;
        let Some(connection) =
            self.connection.as_mut().filter(|connection| connection.session.takes_requests())
        else {
            return Ok(());
        };
        let Some(began) = self.opened else { return Ok(()) };
        let least = self.setup.timers.renewal;
        match self.shared.renewal.turn(self.channel, began, now, least, self.channels) {
            Turn::Stay => Ok(()),
            Turn::At(at) => {
                self.renew_at = Some(at);
                Ok(())
            }
            Turn::Leave => {
                connection.session.leave(now, &mut self.send_queue, RENEWS)?;
                connection.fill(now, &mut self.send_queue)
            }
        }
    }

    fn take_turn(
        connection: &mut Connection,
        inbox: &mut BytesMut,
        send_queue: &mut SendQueue,
        now: Instant,
    ) -> Result<(), Cause> {
        if connection.next_timeout(send_queue).is_some_and(|due| due <= now) {
            connection.on_timeout(now, send_queue)?;
        }
        while !inbox.is_empty() && connection.received(now, inbox, send_queue)? == Inbox::More {}
        connection.fill(now, send_queue)
    }

    /// What the transport should take next.
    pub fn unsent(&self) -> &[u8] {
        self.connection.as_ref().map_or(&[], Connection::unsent)
    }

    /// The transport has taken so many bytes of [`SansIoLink::unsent`].
    pub fn took(&mut self, now: Instant, count: usize) {
        if let Some(connection) = &mut self.connection {
            connection.took(now, count, &mut self.send_queue);
        }
    }

    /// When the next turn is due at the latest.
    pub fn next_timeout(&self) -> Option<Instant> {
        let connection = self.connection.as_ref()?;
        [connection.next_timeout(&self.send_queue), self.renew_at].into_iter().flatten().min()
    }

    /// What it means that the other side closed the connection.
    pub fn closed_by_peer(&self) -> Cause {
        let cause = self.connection.as_ref().map(|connection| connection.session.closed_by_peer());
        cause.map_or(Cause::ClosedByPeer, renewed)
    }

    /// The connection is gone, or none came to be: ends every request truthfully, and says how long
    /// to rest.
    pub fn lost(&mut self, now: Instant, cause: &Cause) -> Rest {
        self.shared.set_up(false);
        self.shared.set_session_began(None);
        self.shared.renewal.closed(self.channel);
        if let Some(mut connection) = self.connection.take() {
            connection.session.lose(&mut self.send_queue);
        }
        let open_for = self.opened.take().map(|opened| now - opened);
        match self.backoff.ended(open_for, cause.verdict(), &mut self.rng) {
            Next::Wait(wait) => Rest::Wait(wait),
            Next::Hold => Rest::Held,
        }
    }

    /// An operator lets a held link try again.
    pub fn release(&mut self) {
        self.backoff.release();
    }
}

/// A link without I/O is never stopped: it signs off for a new session, and for nothing else.
fn renewed(cause: Cause) -> Cause {
    if cause == Cause::SignedOff { Cause::Renewed } else { cause }
}

#[cfg(test)]
mod tests;
