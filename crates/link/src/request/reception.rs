//! Where requests and commands arrive, and what is answered while no session is open.

use crate::request::mailbox::Post;
use crate::request::pending_reply::Queued;
use crate::request::pending_reply::{Command, ConnectionHandle};
use crate::request::pool::Exit;
use crate::request::send_queue::SendQueue;
use port::{NotSent, RequestOutcome};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio_util::sync::CancellationToken;

/// See the module. With it, its mailbox closes.
#[derive(Debug)]
pub(crate) struct Reception {
    pub(crate) shared: Arc<ConnectionHandle>,
    /// What has been taken from the mailbox.
    pub(crate) mails: Vec<Queued>,
    /// Whether it is known that nobody can ask any more.
    abandoned: bool,
    pub(crate) stop: CancellationToken,
    /// Where requests go that cannot be sent on this connection.
    pub(crate) exit: Exit,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited<T> {
    /// What was waited for came.
    Came(T),
    /// This command ended it.
    Rung(Command),
    /// The link is to stop: by its token, or because every handle is gone.
    Stopped,
}

impl Reception {
    pub(crate) fn new(
        shared: Arc<ConnectionHandle>,
        stop: CancellationToken,
        exit: Exit,
    ) -> Reception {
        Reception { shared, mails: Vec::new(), abandoned: false, stop, exit }
    }

    /// Takes from the mailbox all that has come.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Post> {
        let post = self.shared.mailbox.poll(context, &mut self.mails, self.abandoned);
        if let Poll::Ready(Post { abandoned: true, .. }) = post {
            self.abandoned = true;
        }
        post
    }

    /// Waits, and meanwhile refuses every request at once: no session is open. A command among
    /// `heeded` ends the wait; others have no meaning now.
    pub(crate) async fn refuse_while<T>(
        &mut self,
        wait: impl Future<Output = T>,
        heeded: &[Command],
    ) -> Waited<T> {
        let stop = self.stop.clone();
        let mut stopped = pin!(stop.cancelled());
        let mut wait = pin!(wait);
        poll_fn(|context| {
            if stopped.as_mut().poll(context).is_ready() || self.abandoned {
                return Poll::Ready(Waited::Stopped);
            }
            while let Poll::Ready(post) = self.poll(context) {
                self.refuse_all(NotSent::Down);
                if post.abandoned {
                    return Poll::Ready(Waited::Stopped);
                }
                let given = || heeded.iter().find(|command| self.shared.take(**command));
                if let Some(command) = post.rung.then(given).flatten() {
                    return Poll::Ready(Waited::Rung(*command));
                }
            }
            wait.as_mut().poll(context).map(Waited::Came)
        })
        .await
    }

    /// Whether the link is to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled() || self.shared.mailbox.is_abandoned()
    }

    /// Refuses all that has been taken from the mailbox. What this connection alone cannot send may
    /// go to another.
    pub(crate) fn refuse_all(&mut self, why: NotSent) {
        for queued in self.mails.drain(..) {
            match why {
                NotSent::Down => self.exit.leave(queued),
                NotSent::Busy | NotSent::Expired | NotSent::Unsayable | NotSent::Stopping => {
                    queued.pending_reply.settle(RequestOutcome::NotSent(why));
                }
            }
        }
    }

    /// Lets what waited for a connection that was lost go to another one.
    pub(crate) fn rehome(&self, send_queue: &mut SendQueue) {
        send_queue.homeless().into_iter().for_each(|queued| self.exit.leave(queued));
    }

    /// Takes no more requests, and ends those that have come.
    pub(crate) fn close(&mut self) {
        self.refuse_all(NotSent::Stopping);
        self.shared.mailbox.close();
    }
}

impl Drop for Reception {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asks, at};
    use std::sync::Weak;

    #[test]
    fn with_it_ends_what_has_come_and_what_comes_still() {
        let mut asks = asks();
        let (shared, stop) = (Arc::clone(&asks.shared), CancellationToken::new());
        let exit = Exit { pool: Weak::new(), from: 0 };
        let mut reception = Reception::new(Arc::clone(&shared), stop, exit);
        reception.mails.push(asks.debit(at(1)));
        shared.mailbox.post(asks.debit(at(1)));
        drop(reception);
        shared.mailbox.post(asks.debit(at(1)));
        let stopping = |number| (number, RequestOutcome::NotSent(NotSent::Stopping));
        assert_eq!(asks.outcomes(), [1, 2, 3].map(stopping));
    }
}
