//! The one task of a connection: attempts follow each other, with the waits between them, until the
//! link is to stop. A panic costs the connection, never the link.

use crate::config::Leave;
use crate::driver::ConnectionDriver;
use crate::inbound::authenticated::{AuthenticatedConnection, Taken};
use crate::io::connection::Connection;
use crate::io::dial::{Better, Dial, Preferred};
use crate::io::transport::Transport;
use crate::reconnect::addresses::Addresses;
use crate::reconnect::backoff::{Backoff, Next};
use crate::reconnect::ended::Ended;
use crate::reconnect::outage::{Found, Outages};
use crate::report::connection_status::ConnectionStatus;
use crate::request::pending_reply::Command;
use crate::request::reception::{Reception, Waited};
use crate::request::send_queue::SendQueue;
use crate::session::Setup;
use crate::session::cause::{Cause, Verdict};
use crate::session::hours::{Now, ServiceHours};
use crate::timers::Timers;
use port::NotSent;
use port::status::State;
use std::any::Any;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use supervise::budget::{self, Budget};
use supervise::clock::now_micros;
use supervise::output::in_words;
use supervise::task::{CatchUnwind, message};
use supervise::trap::spring;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

/// Handshakes at once in the whole process: after an outage many links dial together, and each
/// handshake costs both sides more than a request does.
static HANDSHAKES: Semaphore = Semaphore::const_new(64);

/// How long an address is left to whoever looks for all, at most.
const ALONE: Duration = Duration::from_secs(30);

/// Between two looks whether a session may be begun.
const ASK_LEAVE: Duration = Duration::from_millis(100);

/// How long is waited where even waiting in order fails.
const UNABLE: Duration = Duration::from_secs(10);

/// How soon and how late the wall's clock is looked at again while the counter is closed.
const LOOK_LEAST: Duration = Duration::from_secs(1);
const LOOK_MOST: Duration = Duration::from_mins(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Actor<D> {
    pub(crate) setup: Arc<Setup>,
    /// Which of the counter's connections this is, from 0.
    pub(crate) channel: u16,
    pub(crate) addresses: Addresses,
    pub(crate) dialler: D,
    /// When the counter is dialled; `None` for always.
    pub(crate) hours: Option<ServiceHours>,
    /// Where the counter's connections arrive, if it dials in.
    pub(crate) acceptor: Option<mpsc::Receiver<AuthenticatedConnection>>,
    /// Who takes the place of the connection that has just ended.
    pub(crate) next: Option<Box<AuthenticatedConnection>>,
    /// What all links know of addresses that do not answer.
    pub(crate) outages: Outages,
    /// Whether a session may be begun.
    pub(crate) leave: Leave,
    pub(crate) reception: Reception,
    pub(crate) send_queue: SendQueue,
    pub(crate) connection_status: ConnectionStatus,
    pub(crate) backoff: Backoff,
    /// Defects of ours that ended a connection: five within minutes, and the link is held.
    pub(crate) panics: Budget,
    /// What their times are measured from.
    pub(crate) begun: Instant,
    /// How the last attempt ended, until that has been waited for.
    pub(crate) ended: Option<Box<Ended>>,
}

/// Runs the actor until the link is to stop, whatever its work does. In a box, because a future
/// would hold it twice.
pub(crate) async fn supervise<D: Dial>(mut actor: Box<Actor<D>>) {
    loop {
        // After a panic the actor's own state is used on: its pure parts are whole after every
        // call, and the connection that was being worked on is gone.
        match CatchUnwind::of(actor.run()).await {
            Ok(()) => break,
            Err(panic) => {
                let (cause, next) = actor.panicked(panic.as_ref());
                // Outside of what failed: wherever that was, it is not begun anew without a pause.
                let stop = actor.reception.stop.clone();
                match CatchUnwind::of(actor.recover(&cause, next)).await {
                    Ok(Waited::Stopped) => break,
                    Ok(Waited::Came(()) | Waited::Rung(_)) => {}
                    // Not even the waiting goes well.
                    Err(_) => drop(timeout(UNABLE, stop.cancelled()).await),
                }
            }
        }
    }
    actor.close();
}

impl<D: Dial> Actor<D> {
    /// Dials and converses until the link is to stop. All waits but that of a conversation are in
    /// boxes: a link is up nearly always, and holds no memory for the others.
    async fn run(&mut self) {
        loop {
            spring("link", || self.setup.counter.to_string());
            if let Some(ended) = self.ended.take()
                && let Waited::Stopped = Box::pin(self.rest(ended)).await
            {
                return;
            }
            // The acceptor stays where it is: a panic must not take it away.
            let closing = match Box::pin(self.opening()).await {
                Waited::Stopped => return,
                Waited::Rung(_) => None,
                Waited::Came(closing) => closing,
            };
            if !self.leave.is_given()
                && let Waited::Stopped = Box::pin(self.wait_for_leave()).await
            {
                return;
            }
            let ended = if self.acceptor.is_some() {
                match Box::pin(self.receive(closing)).await {
                    Come::Stopped => return,
                    Come::Ended(ended) => ended,
                    Come::Connected(mut driver) => {
                        let cause = driver.converse().await;
                        Box::pin(driver.end(cause)).await
                    }
                }
            } else {
                // Not in a box: many wait for this at once, and the room is there.
                let permit = self.reception.refuse_while(HANDSHAKES.acquire(), &[]).await;
                let Waited::Came(permit) = permit else { return };
                match Box::pin(self.attempt(closing, permit.ok())).await {
                    Come::Stopped => return,
                    Come::Ended(ended) => ended,
                    Come::Connected(mut driver) => {
                        let cause = driver.converse().await;
                        Box::pin(driver.end(cause)).await
                    }
                }
            };
            self.left(&ended);
            if self.reception.is_stopped() {
                return;
            }
            self.ended = Some(ended);
        }
    }

    /// Waits as long as the back-off says, or until an operator says otherwise.
    async fn rest(&mut self, ended: Box<Ended>) -> Waited<()> {
        let Ended { cause, open_for, next, .. } = *ended;
        self.next = next;
        let counter = &self.setup.counter;
        // Commands from before this wait were about something else.
        for command in Command::ALL {
            self.reception.shared.take(command);
        }
        if self.acceptor.is_some() {
            // When it comes again is the counter's decision.
            if is_lost(open_for, &cause) {
                tracing::warn!(%counter, %cause, "not connected: the connection is lost");
            } else {
                tracing::info!(%counter, %cause, "not connected");
            }
            self.connection_status.ended(State::Closed, &cause, 0, None, &self.send_queue);
            return Waited::Came(());
        }
        let next = self.backoff.ended(open_for, cause.verdict(), &mut rand::rng());
        let attempts = self.backoff.attempts();
        match next {
            Next::Wait(wait) => {
                let again = format!("in {:.1} s", wait.as_secs_f64());
                match cause.verdict() {
                    _ if is_lost(open_for, &cause) => {
                        tracing::warn!(%counter, %cause, again, "not connected: the connection is lost");
                    }
                    Verdict::AtOnce | Verdict::Retry => {
                        tracing::info!(%counter, %cause, again, "not connected");
                    }
                    Verdict::Slowly | Verdict::Rejected => {
                        tracing::warn!(%counter, %cause, again, "not connected");
                    }
                }
                let away = match (&cause, cause.verdict()) {
                    (Cause::Unreachable { .. }, _) => Some(Away::Known),
                    (_, Verdict::Retry) if open_for.is_some() => Some(Away::Suspected),
                    _ => None,
                };
                self.connection_status.ended(
                    State::BackingOff,
                    &cause,
                    attempts,
                    Some(wait),
                    &self.send_queue,
                );
                let heeded = [Command::Reconnect, Command::Release, Command::Move];
                let back = back(wait, away, &self.outages, &mut self.dialler, &self.addresses);
                let mut back = pin!(back);
                loop {
                    match self.reception.refuse_while(back.as_mut(), &heeded).await {
                        // It was to be left alone for a moment: that is no wish to have it tried.
                        Waited::Rung(Command::Move) if !self.reception.shared.away.is_wanted() => {}
                        waited => break waited,
                    }
                }
            }
            Next::Hold => self.held(&cause, attempts).await,
        }
    }

    /// After a defect of ours: waits as long as the budget says, or until an operator says otherwise.
    async fn recover(&mut self, cause: &Cause, next: budget::Next) -> Waited<()> {
        for command in Command::ALL {
            self.reception.shared.take(command);
        }
        let attempts = self.backoff.attempts();
        match next {
            budget::Next::After(wait) => {
                let again = format!("in {:.1} s", wait.as_secs_f64());
                tracing::info!(counter = %self.setup.counter, %cause, again, "not connected");
                self.connection_status.ended(
                    State::BackingOff,
                    cause,
                    attempts,
                    Some(wait),
                    &self.send_queue,
                );
                let heeded = [Command::Reconnect, Command::Release];
                self.reception.refuse_while(sleep(wait), &heeded).await
            }
            budget::Next::Hold => self.held(cause, attempts).await,
        }
    }

    /// Waits until an operator releases the link.
    async fn held(&mut self, cause: &Cause, attempts: u32) -> Waited<()> {
        let counter = &self.setup.counter;
        tracing::error!(
            %counter,
            %cause,
            "not tried any more: mend the cause, then run counter-bridge reconnect {counter}"
        );
        self.connection_status.ended(State::Held, cause, attempts, None, &self.send_queue);
        let never = std::future::pending();
        let waited = self.reception.refuse_while(never, &[Command::Release]).await;
        self.backoff.release();
        self.panics.forgive();
        waited
    }

    /// Waits until the counter is not to be left alone, and until its service hours, unless an operator will
    /// not; when they end. Who dials in meanwhile is refused at the acceptor.
    async fn opening(&mut self) -> Waited<Option<Instant>> {
        loop {
            if self.reception.shared.away.is_wanted() {
                self.connection_status.drained(&self.send_queue);
                let never = std::future::pending();
                match self.reception.refuse_while(never, &[Command::Move]).await {
                    Waited::Came(()) | Waited::Rung(_) => continue,
                    Waited::Stopped => return Waited::Stopped,
                }
            }
            let Some(hours) = &self.hours else { return Waited::Came(None) };
            match hours.at(now_micros()) {
                Now::Open(rest) => return Waited::Came(Some(Instant::now() + rest)),
                Now::Closed(rest) => {
                    // The wall's clock decides, and it is looked at again: it may be set.
                    let wait = rest.clamp(LOOK_LEAST, LOOK_MOST);
                    self.connection_status.out_of_hours(rest, &self.send_queue);
                    let wait = sleep(wait);
                    let heeded = [Command::Reconnect, Command::Move];
                    match self.reception.refuse_while(wait, &heeded).await {
                        // It is looked again, also where it is to be left alone, or was for a moment.
                        Waited::Came(()) | Waited::Rung(Command::Move) => {}
                        Waited::Rung(command) => return Waited::Rung(command),
                        Waited::Stopped => return Waited::Stopped,
                    }
                }
            }
        }
    }

    /// Waits until a session may be begun.
    async fn wait_for_leave(&mut self) -> Waited<()> {
        tracing::warn!(
            counter = %self.setup.counter,
            "no session is begun before it is certain that the record is not another bridge's"
        );
        while !self.leave.is_given() {
            match self.reception.refuse_while(sleep(ASK_LEAVE), &[]).await {
                Waited::Came(()) | Waited::Rung(_) => {}
                Waited::Stopped => return Waited::Stopped,
            }
        }
        Waited::Came(())
    }

    /// Waits until the counter dials in, or the service hours end.
    async fn receive(&mut self, closing: Option<Instant>) -> Come<'_, Transport> {
        let Some(acceptor) = self.acceptor.as_mut() else { return Come::Stopped };
        let authenticated = if let Some(next) = self.next.take() {
            next
        } else {
            self.connection_status.waiting(&self.send_queue);
            let visit = async {
                match closing {
                    Some(closing) => timeout_at(closing, acceptor.recv()).await,
                    None => Ok(acceptor.recv().await),
                }
            };
            match Box::pin(self.reception.refuse_while(visit, &[Command::Move])).await {
                Waited::Came(Ok(Some(authenticated))) => Box::new(authenticated),
                Waited::Came(Err(_)) => {
                    return Come::Ended(Box::new(Ended::before(Cause::OutOfHours)));
                }
                Waited::Rung(_) => return Come::Ended(Box::new(Ended::before(Cause::Drained))),
                Waited::Came(Ok(None)) | Waited::Stopped => return Come::Stopped,
            }
        };
        if !self.leave.is_given() {
            // Whoever came dials again.
            return Come::Ended(Box::new(Ended::before(Cause::NoLeave)));
        }
        let Taken { stream, inbox, from, tls, opened } = authenticated.take();
        self.connection_status.connecting(&from.to_string(), &self.send_queue);
        self.connection_status.secured(tls, &self.send_queue);
        let setup = Arc::clone(&self.setup);
        let connection = Connection::accept(setup, opened, Instant::now(), &mut self.send_queue);
        let (reception, send_queue) = (&mut self.reception, &mut self.send_queue);
        let driver = ConnectionDriver::new(
            stream,
            connection,
            reception,
            send_queue,
            &mut self.connection_status,
        );
        Come::Connected(Box::new(driver.accepted(inbox, acceptor).closing(closing)))
    }

    /// One attempt: dials the addresses in order. The permit is for its handshake; none would be for
    /// any number of them.
    async fn attempt(
        &mut self,
        closing: Option<Instant>,
        permit: Option<SemaphorePermit<'static>>,
    ) -> Come<'_, D::Stream> {
        let until = Instant::now() + self.setup.timers.attempt;
        let (index, stream) = match Box::pin(self.reach(until)).await {
            None => return Come::Stopped,
            Some(Ok(reached)) => reached,
            Some(Err(cause)) => return Come::Ended(Box::new(Ended::before(cause))),
        };
        self.addresses.reached(index);
        let now = Instant::now();
        if !self.leave.is_given() {
            // It was stopped meanwhile: what was dialled before is let go.
            let cause = Cause::NoLeave;
            return Come::Ended(Box::new(Ended::before(cause)));
        }
        let setup = Arc::clone(&self.setup);
        let until = until.min(now + setup.timers.sign_on);
        let connection = Connection::dial(setup, self.channel, rand::random(), now, until);
        let better = better(&mut self.dialler, &self.addresses, index, &self.setup.timers);
        let (reception, send_queue) = (&mut self.reception, &mut self.send_queue);
        let driver = ConnectionDriver::new(
            stream,
            connection,
            reception,
            send_queue,
            &mut self.connection_status,
        );
        let driver = driver.unless(better).closing(closing).holding(permit);
        Come::Connected(Box::new(driver))
    }

    /// What the end of a connection says about its address.
    fn left(&mut self, ended: &Ended) {
        let Some(index) = self.addresses.left() else { return };
        self.addresses.ended(index, ended.open_for);
        if let Some(better) = ended.leave_for {
            self.addresses.prefer(better);
        } else if ended.open_for.is_none() {
            self.addresses.failed(index, ended.cause.to_string());
        }
        self.connection_status.addresses(self.addresses.list(), &self.send_queue);
    }

    /// Tries the addresses in order; which one answered, or why none did. `None` if the link is to
    /// stop.
    async fn reach(&mut self, until: Instant) -> Option<Result<(usize, D::Stream), Cause>> {
        let mut cause = Cause::NoAddress;
        self.connection_status.addresses(self.addresses.list(), &self.send_queue);
        for index in self.addresses.order() {
            let address = self.addresses.name(index).to_owned();
            self.connection_status.connecting(&address, &self.send_queue);
            match self.open(&address, until).await? {
                Ok(stream) => return Some(Ok((index, stream))),
                Err(error) => {
                    tracing::debug!(counter = %self.setup.counter, address, error, "cannot be reached");
                    self.addresses.failed(index, error.clone());
                    self.connection_status.addresses(self.addresses.list(), &self.send_queue);
                    cause = Cause::Unreachable { address, error };
                }
            }
        }
        Some(Err(cause))
    }

    /// Opens and secures a transport; what went wrong, for people. `None` if the link is to stop.
    async fn open(&mut self, address: &str, until: Instant) -> Option<Result<D::Stream, String>> {
        let timers = &self.setup.timers;
        let limit = until.min(Instant::now() + timers.connect);
        let dial = timeout_at(limit, self.dialler.dial(address));
        let stream = match self.reception.refuse_while(dial, &[]).await {
            Waited::Rung(_) | Waited::Stopped => return None,
            Waited::Came(Err(_)) => return Some(Err("no connection in time".to_owned())),
            Waited::Came(Ok(Err(error))) => return Some(Err(in_words(&error))),
            Waited::Came(Ok(Ok(stream))) => stream,
        };
        if !self.dialler.secures() {
            return Some(Ok(stream));
        }
        self.connection_status.securing(&self.send_queue);
        let limit = until.min(Instant::now() + timers.tls);
        let secure = timeout_at(limit, self.dialler.secure(stream));
        match self.reception.refuse_while(secure, &[]).await {
            Waited::Rung(_) | Waited::Stopped => None,
            Waited::Came(Err(_)) => Some(Err("TLS: no handshake in time".to_owned())),
            Waited::Came(Ok(Err(error))) => Some(Err(format!("TLS: {}", in_words(&error)))),
            Waited::Came(Ok(Ok((stream, tls)))) => {
                self.connection_status.secured(tls, &self.send_queue);
                Some(Ok(stream))
            }
        }
    }

    /// The work panicked. The connection went with it, and told its requests' askers what is true
    /// of them. What is to be said of it, and whether it is begun anew.
    fn panicked(&mut self, panic: &(dyn Any + Send)) -> (Cause, budget::Next) {
        let message = message(panic);
        tracing::error!(counter = %self.setup.counter, message, "a link's task panicked");
        self.connection_status.closed(&self.send_queue);
        self.send_queue.refuse_all(NotSent::Down);
        self.reception.rehome(&mut self.send_queue);
        self.send_queue.left_unknown = true;
        self.send_queue.counts.drops += 1;
        self.reception.refuse_all(NotSent::Down);
        self.addresses.left();
        self.ended = None;
        (Cause::Panicked(message), self.panics.failed(self.begun.elapsed()))
    }

    /// Takes no more requests, and ends those that have come.
    fn close(&mut self) {
        self.send_queue.refuse_all(NotSent::Stopping);
        self.reception.close();
        self.connection_status.stopped(&self.send_queue);
    }
}

/// Whether a session is over that neither side ended in order.
fn is_lost(open_for: Option<Duration>, cause: &Cause) -> bool {
    open_for.is_some() && !cause.is_orderly()
}

/// What came of waiting for a connection.
enum Come<'a, S> {
    /// One, to converse on. In a box, because a future would hold it twice.
    Connected(Box<ConnectionDriver<'a, S>>),
    /// None.
    Ended(Box<Ended>),
    /// The link is to stop.
    Stopped,
}

/// What a loss says about the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Away {
    /// None of them took a connection.
    Known,
    /// A session was lost there.
    Suspected,
}

/// Waits as long as the back-off says; or, while nobody answers at the addresses, until somebody
/// does. A counter that answers and then does not let us in is the back-off's alone.
async fn back<D: Dial>(
    wait: Duration,
    away: Option<Away>,
    outages: &Outages,
    dialler: &mut D,
    addresses: &Addresses,
) {
    let Some(away) = away else { return sleep(wait).await };
    let by_itself = Instant::now() + wait;
    let names: Vec<String> = addresses.list().iter().map(|one| one.address.clone()).collect();
    let outage = outages.of(names.iter().map(String::as_str));
    let over = outage.over(dialler, &names, away == Away::Suspected);
    // At the latest then it tries by itself: whoever looks for all may be wrong.
    match timeout(ALONE.mul_f64(rand::random_range(0.5..1.0)), over).await {
        Ok(Found::Returned) | Err(_) => {}
        Ok(Found::NeverAway) => sleep_until(by_itself).await,
    }
}

/// Ready when an address that is preferred to the one in use answers again; it is looked at every
/// [`Timers::fail_back`]. `None` if there is none.
fn better<'a, D: Dial>(
    dialler: &'a mut D,
    addresses: &Addresses,
    in_use: usize,
    timers: &Timers,
) -> Option<Better<'a>> {
    let preferred: Vec<Preferred> = (0..in_use)
        .map(|index| Preferred { index, address: addresses.name(index).to_owned() })
        .collect();
    let (pause, connect, tls) = (timers.fail_back, timers.connect, timers.tls);
    let look = async move {
        loop {
            sleep(pause).await;
            for better in &preferred {
                let dial = timeout(connect, dialler.dial(&better.address));
                let Ok(Ok(stream)) = dial.await else { continue };
                if let Ok(Ok(_)) = timeout(tls, dialler.secure(stream)).await {
                    return better.clone();
                }
            }
        }
    };
    (in_use > 0).then(|| Box::pin(look) as Better<'a>)
}
