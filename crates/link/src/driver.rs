//! One connection with its transport and the clock: turns until there is a cause to end.
//!
//! A turn goes in this order: control, timers, inbound, requests, writing. What the old
//! connection had in its buffers ends with it; the next one is another value of this type.

use crate::inbound::authenticated::AuthenticatedConnection;
use crate::io::connection::{Connection, Inbox};
use crate::io::dial::{Better, Preferred};
use crate::io::transport::Carrier;
use crate::reconnect::ended::Ended;
use crate::report::connection_status::ConnectionStatus;
use crate::request::away::DRAINS;
use crate::request::pending_reply::Command;
use crate::request::reception::Reception;
use crate::request::renewal::{RENEWS, Turn};
use crate::request::send_queue::SendQueue;
use crate::request::spare;
use crate::session::Event;
use crate::session::cause::Cause;
use bytes::BytesMut;
use port::NotSent;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use supervise::output::in_words;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{SemaphorePermit, mpsc};
use tokio::task::coop::poll_proceed;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// How much is read in one turn, in bytes, so that timers and writing get theirs.
const READ_PER_TURN: usize = 256 << 10;

/// How long a connection waits where nothing is due: there are no heartbeats.
const IDLE: Duration = Duration::from_hours(1);

/// How long a session whose counter dials in anew may take to show that it is alive.
const PROBE: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct ConnectionDriver<'a, S> {
    stream: S,
    connection: Connection,
    reception: &'a mut Reception,
    send_queue: &'a mut SendQueue,
    connection_status: &'a mut ConnectionStatus,
    inbox: BytesMut,
    /// Whether the inbox may hold another whole frame.
    frames: Inbox,
    /// The transport brings and takes no more. What it has brought is heard first.
    over: Option<Box<Cause>>,
    /// What was written has not been flushed.
    unflushed: bool,
    stopping: bool,
    opened: Option<Instant>,
    /// Whether we are on our way to another address, or home, or to a new session.
    leaving: bool,
    /// Why, where it is neither to another address nor for a withdrawal.
    left_for: Option<Box<Cause>>,
    /// Why the other side is believed no more, if that is why we leave.
    withdrawn: Option<Box<str>>,
    /// Whether it is to be looked at whether the other side is still believed.
    recheck: bool,
    /// When it may be time for that.
    renew_at: Option<Instant>,
    /// `None` where there is nothing of it, as with most.
    prospects: Option<Box<Prospects<'a>>>,
}

/// What may end a conversation from outside, and what may follow it.
#[derive(Default)]
struct Prospects<'a> {
    /// Given back once the session is open.
    handshake: Option<SemaphorePermit<'a>>,
    /// Ready when a preferred address answers again.
    better: Option<Better<'a>>,
    /// Which one does.
    leave_for: Option<Preferred>,
    /// When the counter's service hours end.
    closing: Option<Instant>,
    /// Where the counter's next connection arrives, if it dials in.
    acceptor: Option<&'a mut mpsc::Receiver<AuthenticatedConnection>>,
    next: Option<Candidate>,
}

/// A second login of this channel.
#[derive(Debug)]
struct Candidate {
    authenticated: Box<AuthenticatedConnection>,
    /// How much had been heard when it came.
    heard: u64,
    until: Instant,
}

/// What a wait brought besides bytes and requests, which lie where they belong.
#[derive(Clone, Copy, Debug, Default)]
struct Woken {
    stop: bool,
    rung: bool,
    read: bool,
}

impl<'a, S: Carrier> ConnectionDriver<'a, S> {
    pub(crate) fn new(
        stream: S,
        connection: Connection,
        reception: &'a mut Reception,
        send_queue: &'a mut SendQueue,
        connection_status: &'a mut ConnectionStatus,
    ) -> ConnectionDriver<'a, S> {
        ConnectionDriver {
            stream,
            connection,
            reception,
            send_queue,
            connection_status,
            inbox: BytesMut::new(),
            frames: Inbox::Starved,
            over: None,
            unflushed: false,
            stopping: false,
            opened: None,
            leaving: false,
            left_for: None,
            withdrawn: None,
            recheck: false,
            renew_at: None,
            prospects: None,
        }
    }

    fn prospects(&mut self) -> &mut Prospects<'a> {
        self.prospects.get_or_insert_default()
    }

    /// Signs off in order when the counter's service hours end.
    pub(crate) fn closing(mut self, closing: Option<Instant>) -> Self {
        if closing.is_some() {
            self.prospects().closing = closing;
        }
        self
    }

    /// Holds one of the process's handshakes until the session is open.
    pub(crate) fn holding(mut self, handshake: Option<SemaphorePermit<'a>>) -> Self {
        self.prospects().handshake = handshake;
        self
    }

    /// With what was read behind the sign-on, and where the counter's next connection arrives.
    pub(crate) fn accepted(
        mut self,
        inbox: BytesMut,
        acceptor: &'a mut mpsc::Receiver<AuthenticatedConnection>,
    ) -> Self {
        self.inbox = inbox;
        self.prospects().acceptor = Some(acceptor);
        self
    }

    /// Signs off, at a moment when that costs nobody anything, once `better` is ready.
    pub(crate) fn unless(mut self, better: Option<Better<'a>>) -> Self {
        if better.is_some() {
            self.prospects().better = better;
        }
        self
    }

    /// After [`ConnectionDriver::converse`]: tells everybody, and says farewell where that is due.
    pub(crate) async fn end(mut self: Box<Self>, cause: Box<Cause>) -> Box<Ended> {
        let ended = Box::new(self.lose(*cause));
        // In order, the transport says farewell too; otherwise it is just dropped.
        if ended.cause.is_orderly() || matches!(ended.cause, Cause::PeerSignedOff(_)) {
            let close = self.connection.session.setup().timers.close;
            let shutdown = timeout(close, self.stream.shutdown());
            // How it went changes nothing: the session has ended. A link that is to stop would not
            // wait for anything any more, but it takes its leave.
            if self.reception.is_stopped() {
                let _ = shutdown.await;
            } else {
                let _ = self.reception.refuse_while(shutdown, &[]).await;
            }
        }
        ended
    }

    /// The session is over: everybody is told what became of it.
    fn lose(&mut self, mut cause: Cause) -> Ended {
        let prospects = self.prospects.take().unwrap_or_default();
        let leave_for = prospects.leave_for.filter(|_| self.leaving && !self.stopping);
        match (&cause, &leave_for) {
            (Cause::SignedOff, Some(preferred)) => {
                cause = Cause::FailedBack(preferred.address.clone());
            }
            (Cause::SignedOff, None) if self.withdrawn.is_some() && !self.stopping => {
                cause = Cause::Withdrawn(self.withdrawn.take().unwrap_or_default().into());
            }
            (Cause::SignedOff, None) if !self.stopping => {
                cause = self.left_for.take().map_or(cause, |left_for| *left_for);
            }
            _ => {}
        }
        if self.opened.is_some() && !cause.is_orderly() {
            self.send_queue.counts.drops += 1;
        }
        // First the state: whoever learns of an outcome finds the link already down.
        self.connection_status.closed(self.send_queue);
        self.connection.session.lose(self.send_queue);
        self.reception.rehome(self.send_queue);
        let next = match (&cause, prospects.next) {
            (Cause::SignedOff | Cause::Drained, next) => {
                // Everything ends, or nobody is let in; whoever stands there is told nothing, and tries again.
                drop(next);
                None
            }
            (_, next) => next.map(|candidate| candidate.authenticated),
        };
        let open_for = self.opened.map(|opened| Instant::now() - opened);
        let leave_for = leave_for.map(|preferred| preferred.index);
        Ended { cause, leave_for, next, open_for }
    }

    /// Turns until there is a cause to end. All in one poll, so that nothing of a turn is kept
    /// while waiting for the next.
    pub(crate) async fn converse(&mut self) -> Box<Cause> {
        let stop = self.reception.stop.clone();
        let mut stopped = pin!(stop.cancelled());
        let mut timer = pin!(sleep_until(Instant::now()));
        let mut woken = Some(Woken::default());
        poll_fn(|context| {
            loop {
                if let Some(woken) = woken.take() {
                    match self.turn_and_tell(woken, timer.as_mut()) {
                        Err(cause) => return Poll::Ready(Box::new(cause)),
                        Ok(()) if self.opened.is_some() => self.let_others_shake_hands(),
                        Ok(()) => {}
                    }
                }
                let mut news = Woken {
                    stop: !self.stopping && stopped.as_mut().poll(context).is_ready(),
                    ..Woken::default()
                };
                let due = timer.as_mut().poll(context).is_ready();
                let better = self.look_for_better(context) | self.look_at_the_door(context);
                news.read = self.read(context);
                if !news.read {
                    spare::give_back(&mut self.inbox);
                }
                let asked = self.take_mail(context, &mut news);
                let wrote = self.write(context);
                let work = self.frames == Inbox::More || self.over.is_some();
                let Woken { stop, rung, read } = news;
                if due && !asked && !read {
                    self.shrink();
                }
                if !(stop || rung || due || read || asked || wrote || work || better) {
                    return Poll::Pending;
                }
                woken = Some(news);
                // Others have something to do too; and after a turn that moved nothing there is no
                // hurry.
                match poll_proceed(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(spent) => spent.made_progress(),
                }
            }
        })
        .await
    }

    /// The session is open.
    fn let_others_shake_hands(&mut self) {
        let Some(prospects) = &mut self.prospects else { return };
        prospects.handshake = None;
        let Prospects { handshake, better, leave_for, closing, acceptor, next } = &**prospects;
        let nothing = handshake.is_none() && better.is_none() && leave_for.is_none();
        if nothing && closing.is_none() && acceptor.is_none() && next.is_none() {
            self.prospects = None;
        }
    }

    /// One turn, and when the next is due without any news.
    fn turn_and_tell(&mut self, woken: Woken, mut timer: Pin<&mut Sleep>) -> Result<(), Cause> {
        let now = Instant::now();
        let turn = self.turn(now, woken);
        self.tell(now);
        turn?;
        self.connection_status.state(self.connection.session.state(), self.send_queue);
        self.connection_status.turn(
            now,
            woken.read,
            self.connection.session.in_flight(),
            self.send_queue,
        );
        self.connection.session.shrink();

        let prospects = self.prospects.as_ref();
        let verdict = prospects.and_then(|all| all.next.as_ref()).map(|next| next.until);
        let closing = prospects.and_then(|all| all.closing).filter(|_| !self.leaving);
        let due = [
            self.connection.next_timeout(self.send_queue),
            self.connection_status.next_timeout(),
            verdict,
            closing,
            self.renew_at,
            (self.recheck && self.opened.is_some()).then_some(now),
        ];
        let due = due.into_iter().flatten().min().unwrap_or(now + IDLE);
        // Only ever set earlier: to fire too soon costs one look, to be set anew in each turn would
        // cost more.
        if timer.is_elapsed() || due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        Ok(())
    }

    /// Gives memory back that only a busy connection needs, if this one is idle.
    fn shrink(&mut self) {
        if self.connection.session.in_flight() == 0 && self.send_queue.is_empty() {
            self.connection.shrink();
            self.send_queue.shrink();
            self.reception.mails = Vec::new();
        }
    }

    /// Does everything that can be done without waiting.
    fn turn(&mut self, now: Instant, woken: Woken) -> Result<(), Cause> {
        if woken.stop {
            self.stopping = true;
            self.connection.session.stop(now, self.send_queue)?;
        }
        #[cfg(test)]
        assert!(
            !self.reception.shared.panic.swap(false, std::sync::atomic::Ordering::Relaxed),
            "told to"
        );
        // Other commands are about waits between attempts.
        if woken.rung && self.reception.shared.take(Command::Synced) {
            self.connection.session.synced();
        }
        self.recheck |= woken.rung && self.reception.shared.take(Command::Recheck);
        if self.connection.next_timeout(self.send_queue).is_some_and(|due| due <= now) {
            self.connection.on_timeout(now, self.send_queue)?;
        }
        if !self.inbox.is_empty() {
            self.frames = self.connection.received(now, &mut self.inbox, self.send_queue)?;
            spare::give_room_back(&mut self.inbox, self.frames == Inbox::Starved);
        }
        if self.frames == Inbox::Starved
            && let Some(cause) = self.over.take()
        {
            return Err(*cause);
        }
        self.judge(now)?;
        self.queue();
        let wants_to_leave = self.prospects.as_ref().is_some_and(|all| all.leave_for.is_some());
        if wants_to_leave && !self.leaving && !self.stopping && self.may_leave() {
            self.leaving = true;
            self.connection.session.leave(
                now,
                self.send_queue,
                "the bridge goes to another address",
            )?;
        }
        self.go_home(now)?;
        self.doubt(now)?;
        self.renew(now)?;
        self.reception.rehome(self.send_queue);
        self.connection.fill(now, self.send_queue)
    }

    /// Signs off where the service hours are over, or nothing needs a counter that is drained.
    fn go_home(&mut self, now: Instant) -> Result<(), Cause> {
        let closing = self.prospects.as_ref().and_then(|all| all.closing);
        let (why, text) = if closing.is_some_and(|closing| now >= closing) {
            (Cause::OutOfHours, "the service hours are over")
        } else if self.reception.shared.away.is_wanted() {
            (Cause::Drained, DRAINS)
        } else {
            return Ok(());
        };
        if self.leaving || self.stopping {
            return Ok(());
        }
        (self.leaving, self.left_for) = (true, Some(Box::new(why)));
        if let Some(prospects) = &mut self.prospects {
            prospects.leave_for = None;
        }
        self.connection.session.leave(now, self.send_queue, text)
    }

    /// Signs off where what the counter proved itself by is not believed any more.
    fn doubt(&mut self, now: Instant) -> Result<(), Cause> {
        if !self.recheck || self.opened.is_none() {
            return Ok(());
        }
        self.recheck = false;
        let why = if self.connection.session.key_is_withdrawn() {
            "the key that it signed on by was withdrawn".to_owned()
        } else if let Some(why) = self.stream.distrusted() {
            format!("its certificate is not believed any more: {why}")
        } else {
            return Ok(());
        };
        if self.stopping || self.withdrawn.is_some() {
            return Ok(());
        }
        tracing::warn!(counter = %self.reception.shared.counter, why, "a session is left");
        (self.leaving, self.withdrawn) = (true, Some(why.into()));
        if let Some(prospects) = &mut self.prospects {
            prospects.leave_for = None;
        }
        self.connection.session.leave(
            now,
            self.send_queue,
            "it is not believed any more who you are",
        )
    }

    /// Signs off where only a new session can prove what became of requests, and it is this
    /// connection's turn.
    fn renew(&mut self, now: Instant) -> Result<(), Cause> {
        self.renew_at = None;
        if self.leaving || self.stopping || !self.connection.session.takes_requests() {
            return Ok(());
        }
        let shared = &self.reception.shared;
        let Some(began) = shared.session_began() else { return Ok(()) };
        let least = self.connection.session.setup().timers.renewal;
        let (channel, channels) = (self.connection_status.channel(), self.reception.exit.count());
        match shared.renewal.turn(channel, began, now, least, channels) {
            Turn::Stay => Ok(()),
            Turn::At(at) => {
                self.renew_at = Some(at);
                Ok(())
            }
            Turn::Leave => {
                (self.leaving, self.left_for) = (true, Some(Box::new(Cause::Renewed)));
                self.connection.session.leave(now, self.send_queue, RENEWS)
            }
        }
    }

    /// Whether nobody's request has to wait for it, or others can carry them.
    fn may_leave(&self) -> bool {
        let idle = self.connection.session.in_flight() == 0 && self.send_queue.is_empty();
        idle || self.reception.exit.exists()
    }

    /// Whether somebody else dials in on this channel; the session is asked whether it lives.
    fn look_at_the_door(&mut self, context: &mut Context<'_>) -> bool {
        let Some(prospects) = &mut self.prospects else { return false };
        let Prospects { acceptor: Some(acceptor), next: next @ None, .. } = &mut **prospects else {
            return false;
        };
        let Poll::Ready(Some(authenticated)) = acceptor.poll_recv(context) else { return false };
        let (now, heard) = (Instant::now(), self.connection.session.heard());
        self.connection.session.probe(now);
        let authenticated = Box::new(authenticated);
        *next = Some(Candidate { authenticated, heard, until: now + PROBE });
        true
    }

    /// Alive: the new one is refused. Dead: it takes our place.
    fn judge(&mut self, now: Instant) -> Result<(), Cause> {
        let Some(prospects) = &mut self.prospects else { return Ok(()) };
        let Some(candidate) = prospects.next.take() else { return Ok(()) };
        if self.connection.session.heard() > candidate.heard {
            let old = self.connection_status.address();
            let new = candidate.authenticated.from;
            let text = format!(
                "this channel is signed on from {old}, which is alive; {new} is not let in"
            );
            let counter = &self.reception.shared.counter;
            tracing::warn!(%counter, text, "a second sign-on of one channel");
            candidate.authenticated.refuse(text);
            return Ok(());
        }
        let from = candidate.authenticated.from;
        let dead = now >= candidate.until;
        prospects.next = Some(candidate);
        if dead { Err(Cause::Replaced(from.to_string())) } else { Ok(()) }
    }

    fn look_for_better(&mut self, context: &mut Context<'_>) -> bool {
        let Some(prospects) = &mut self.prospects else { return false };
        let Some(better) = &mut prospects.better else { return false };
        let Poll::Ready(preferred) = better.as_mut().poll(context) else { return false };
        prospects.better = None;
        prospects.leave_for = Some(preferred);
        true
    }

    /// Queues the requests that have come, or refuses them.
    fn queue(&mut self) {
        if self.reception.mails.is_empty() {
            return;
        }
        if self.stopping {
            self.reception.refuse_all(NotSent::Stopping);
        } else if !self.connection.session.takes_requests() {
            self.reception.refuse_all(NotSent::Down);
        } else {
            for queued in self.reception.mails.drain(..) {
                self.send_queue.push(queued);
            }
        }
    }

    fn tell(&mut self, now: Instant) {
        for event in self.connection.session.events() {
            let opened = matches!(event, Event::Opened(_));
            if opened {
                self.opened = Some(now);
                // It may have been withdrawn while it was being proven.
                self.recheck = true;
            }
            self.connection_status.tell(now, event, self.send_queue);
            if opened {
                self.reception.exit.wake_others();
            }
        }
        // Whoever gets these must see the day that was told with them.
        self.connection.session.hand_out();
    }

    /// Reads what is there, up to the turn's limit, unless whole frames still wait to be heard.
    /// Whether anything came.
    fn read(&mut self, context: &mut Context<'_>) -> bool {
        let mut count = 0;
        while self.over.is_none() && self.frames == Inbox::Starved && count < READ_PER_TURN {
            spare::make_room(&mut self.inbox);
            match pin!(self.stream.read_buf(&mut self.inbox)).poll(context) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => {
                    self.over = Some(Box::new(self.connection.session.closed_by_peer()));
                }
                Poll::Ready(Ok(read)) => count += read,
                Poll::Ready(Err(error)) => self.over = Some(Box::new(Cause::Io(in_words(&error)))),
            }
        }
        count > 0
    }

    /// Takes requests from the mailbox, and tells what else came. Whether requests came.
    fn take_mail(&mut self, context: &mut Context<'_>, woken: &mut Woken) -> bool {
        let Poll::Ready(post) = self.reception.poll(context) else { return false };
        woken.stop |= post.abandoned && !self.stopping;
        woken.rung |= post.rung;
        post.requests
    }

    /// Hands over as much as the transport takes. Whether it took any.
    fn write(&mut self, context: &mut Context<'_>) -> bool {
        let mut wrote = false;
        while self.over.is_none() && !self.connection.unsent().is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, self.connection.unsent()) {
                Poll::Pending => return wrote,
                Poll::Ready(Ok(0)) => {
                    self.over = Some(Box::new(Cause::Io("the transport takes no more".to_owned())));
                }
                Poll::Ready(Ok(count)) => {
                    self.connection.took(Instant::now(), count, self.send_queue);
                    (wrote, self.unflushed) = (true, true);
                }
                Poll::Ready(Err(error)) => self.over = Some(Box::new(Cause::Io(in_words(&error)))),
            }
        }
        if self.over.is_none() && self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => self.over = Some(Box::new(Cause::Io(in_words(&error)))),
            }
        }
        wrote
    }
}
