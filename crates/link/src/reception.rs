//! Where requests and commands arrive, and what is answered while no session is open.

use crate::ask::{NotSent, Outcome};
use crate::desk::Desk;
use crate::lanes::Exit;
use crate::link::{Mail, Queued};
use crate::owed::{Command, Shared};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many mails are taken at once. Each holds at least one request, so a turn's work stays
/// bounded by the queue's own bound.
pub(crate) const MAILS_PER_TURN: usize = 256;

/// See the module.
#[derive(Debug)]
pub(crate) struct Reception {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: mpsc::Receiver<Mail>,
    /// Kept between turns for its memory.
    pub(crate) mails: Vec<Mail>,
    pub(crate) stop: CancellationToken,
    /// Where requests go that cannot be sent on this connection.
    pub(crate) exit: Exit,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited<T> {
    /// What was waited for came.
    Came(T),
    /// A command ended it.
    Rung,
    /// The link is to stop: by its token, or because every handle is gone.
    Stopped,
}

impl Reception {
    /// Waits, and meanwhile refuses every request at once: no session is open. A command among
    /// `heeded` ends the wait; others have no meaning now.
    pub(crate) async fn refuse_while<T>(
        &mut self,
        wait: impl Future<Output = T>,
        heeded: &[Command],
    ) -> Waited<T> {
        let mut wait = pin!(wait);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Waited::Stopped,
                () = self.shared.bell.notified() => {
                    if heeded.iter().any(|command| self.shared.take(*command)) {
                        return Waited::Rung;
                    }
                }
                came = self.mailbox.recv_many(&mut self.mails, MAILS_PER_TURN) => {
                    if came == 0 {
                        return Waited::Stopped;
                    }
                    self.refuse_all(NotSent::Down);
                }
                came = &mut wait => return Waited::Came(came),
            }
        }
    }

    /// Whether the link is to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled() || self.mailbox.is_closed()
    }

    /// Refuses all that has been taken from the mailbox. What this connection alone cannot send may
    /// go to another.
    pub(crate) fn refuse_all(&mut self, why: NotSent) {
        for queued in self.mails.drain(..).flat_map(Mail::requests) {
            match why {
                NotSent::Down => self.exit.leave(queued),
                NotSent::Busy | NotSent::Expired | NotSent::Unsayable | NotSent::Stopping => {
                    queued.owed.settle(Outcome::NotSent(why));
                }
            }
        }
    }

    /// Lets what waited for a connection that was lost go to another one.
    pub(crate) fn rehome(&self, desk: &mut Desk) {
        desk.homeless().into_iter().for_each(|queued| self.exit.leave(queued));
    }

    /// Takes no more requests, and ends those that have come.
    pub(crate) async fn close(&mut self) {
        self.mailbox.close();
        self.refuse_all(NotSent::Stopping);
        // Not only what is there: also what is being sent at this moment. `recv_many` says 0 once
        // no more can come.
        while self.mailbox.recv_many(&mut self.mails, MAILS_PER_TURN).await > 0 {
            self.refuse_all(NotSent::Stopping);
        }
    }
}

impl Mail {
    /// The requests in it.
    pub(crate) fn requests(self) -> impl Iterator<Item = Queued> {
        let (one, many) = match self {
            Mail::One(queued) => (Some(queued), Vec::new()),
            Mail::Many(queued) => (None, queued),
        };
        one.into_iter().chain(many)
    }
}
