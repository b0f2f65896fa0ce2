//! The one task of a link: attempts follow each other, with the waits between them, until the
//! link is to stop. A panic costs the connection, never the link.

use crate::ask::NotSent;
use crate::backoff::{Backoff, Next, STABLE};
use crate::board::Board;
use crate::cause::{Cause, Verdict};
use crate::conversation::{Conversation, Ended};
use crate::desk::Desk;
use crate::dial::Dial;
use crate::line::Line;
use crate::owed::Command;
use crate::reception::{Reception, Waited};
use crate::session::Setup;
use crate::status::State;
use rand::RngExt;
use rand::rngs::StdRng;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use wire::codec::Codec;

/// Handshakes at once in the whole process: after an outage many links dial together, and each
/// handshake costs both sides more than a request does.
static HANDSHAKES: Semaphore = Semaphore::const_new(64);

/// See the module.
#[derive(Debug)]
pub(crate) struct Actor<D> {
    pub(crate) setup: Arc<Setup>,
    pub(crate) codec: Codec,
    pub(crate) addresses: Vec<String>,
    /// Which of the addresses is tried first next time.
    pub(crate) first_address: usize,
    pub(crate) dialler: D,
    pub(crate) reception: Reception,
    pub(crate) desk: Desk,
    pub(crate) board: Board,
    pub(crate) backoff: Backoff,
    pub(crate) rng: StdRng,
    /// How the last attempt ended, until that has been waited for.
    pub(crate) ended: Option<Ended>,
}

/// Runs the actor until the link is to stop, whatever its work does.
pub(crate) async fn supervise<D: Dial>(mut actor: Actor<D>) {
    loop {
        // After a panic the actor's own state is used on: its pure parts are whole after every
        // call, and the connection that was being worked on is gone.
        match CatchUnwind(Box::pin(actor.run())).await {
            Ok(()) => break,
            Err(panic) => actor.panicked(panic.as_ref()),
        }
    }
    actor.close().await;
}

impl<D: Dial> Actor<D> {
    /// Dials and converses until the link is to stop.
    async fn run(&mut self) {
        loop {
            if let Some(ended) = self.ended.take()
                && let Waited::Stopped = self.rest(ended).await
            {
                return;
            }
            match self.attempt().await {
                Some(ended) => self.ended = Some(ended),
                None => return,
            }
        }
    }

    /// Waits as long as the back-off says, or until an operator says otherwise.
    async fn rest(&mut self, ended: Ended) -> Waited<()> {
        let Ended { cause, open_for } = ended;
        let counter = &self.setup.counter;
        // Commands from before this wait were about something else.
        for command in Command::ALL {
            self.reception.shared.take(command);
        }
        let next = self.backoff.ended(open_for, cause.verdict(), &mut self.rng);
        let attempts = self.backoff.attempts();
        match next {
            Next::Wait(wait) => {
                match cause.verdict() {
                    Verdict::Retry => tracing::info!(%counter, %cause, ?wait, "not connected"),
                    Verdict::Slowly | Verdict::Rejected => {
                        tracing::warn!(%counter, %cause, ?wait, "not connected");
                    }
                }
                self.board.ended(State::BackingOff, &cause, attempts, Some(wait), &self.desk);
                let heeded = [Command::Reconnect, Command::Release];
                self.reception.refuse_while(sleep(wait), &heeded).await
            }
            Next::Hold => {
                tracing::error!(%counter, %cause, "held: an operator must act, then release it");
                self.board.ended(State::Held, &cause, attempts, None, &self.desk);
                let never = std::future::pending();
                let waited = self.reception.refuse_while(never, &[Command::Release]).await;
                self.backoff.release();
                waited
            }
        }
    }

    /// One attempt: dials the addresses in order, signs on, converses until that ends. `None` if
    /// the link is to stop.
    async fn attempt(&mut self) -> Option<Ended> {
        let permit = self.reception.refuse_while(HANDSHAKES.acquire(), &[]).await;
        let Waited::Came(permit) = permit else { return None };
        let timers = &self.setup.timers;
        let until = Instant::now() + timers.attempt;
        let mut cause = Cause::NoAddress;
        for tried in 0..self.addresses.len() {
            let index = (self.first_address + tried) % self.addresses.len();
            let address = self.addresses[index].clone();
            self.board.connecting(&address, &self.desk);
            let limit = until.min(Instant::now() + timers.connect);
            let dial = timeout_at(limit, self.dialler.dial(&address));
            let error = match self.reception.refuse_while(dial, &[]).await {
                Waited::Rung | Waited::Stopped => return None,
                Waited::Came(Err(_)) => "no connection in time".to_owned(),
                Waited::Came(Ok(Err(error))) => error.to_string(),
                Waited::Came(Ok(Ok(stream))) => {
                    let now = Instant::now();
                    let setup = Arc::clone(&self.setup);
                    let nonce = self.rng.random();
                    let until = until.min(now + timers.sign_on);
                    let line = Line::dial(setup, self.codec.clone(), 0, nonce, now, until);
                    let (reception, desk) = (&mut self.reception, &mut self.desk);
                    let conversation =
                        Conversation::new(stream, line, reception, desk, &mut self.board);
                    // The semaphore is never closed; were it, handshakes would be unlimited.
                    let ended = conversation.run(permit.ok(), timers.close).await;
                    // An address whose session did not open or did not last makes room for the
                    // next one.
                    self.first_address = match ended.open_for {
                        Some(open_for) if open_for >= STABLE => 0,
                        Some(_) | None => (index + 1) % self.addresses.len(),
                    };
                    return Some(ended).filter(|_| !self.reception.is_stopped());
                }
            };
            tracing::debug!(counter = %self.setup.counter, address, error, "cannot be reached");
            cause = Cause::Unreachable { address, error };
        }
        Some(Ended { cause, open_for: None })
    }

    /// The work panicked. The connection went with it, and told its requests' askers what is true
    /// of them.
    fn panicked(&mut self, panic: &(dyn Any + Send)) {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "without a message".to_owned());
        tracing::error!(counter = %self.setup.counter, message, "a link's task panicked");
        self.board.closed(&self.desk);
        self.desk.refuse_all(NotSent::Down);
        self.desk.left_unknown = true;
        self.desk.counts.drops += 1;
        self.reception.refuse_all(NotSent::Down);
        self.ended = Some(Ended { cause: Cause::Panicked(message), open_for: None });
    }

    /// Takes no more requests, and ends those that have come.
    async fn close(&mut self) {
        self.desk.refuse_all(NotSent::Stopping);
        self.reception.close().await;
        self.board.stopped(&self.desk);
    }
}

/// A future whose panic is its result.
struct CatchUnwind<F>(Pin<Box<F>>);

impl<F: Future> Future for CatchUnwind<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
