//! A request to a counter, and what became of it.

use domain::message::{CounterId, Instruction, Reply};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The asker's own number for an [`Ask`]; the counter's port only hands it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One request. Its [`RequestOutcome`] is delivered exactly once, whatever happens to its connections.
#[derive(Debug)]
pub struct Ask {
    /// The asker's own number of the request, handed back with its outcome.
    pub ticket: Ticket,
    /// What is asked. Queries, balances and entries go before what moves money.
    pub instruction: Instruction,
    /// Nothing is written after this instant, and no answer is waited for.
    pub deadline: Instant,
    /// Where the outcome is delivered.
    pub reply_to: ReplyTo,
}

/// Where the outcome of a request is delivered.
#[derive(Debug)]
pub enum ReplyTo {
    /// To the queue of an owner of many requests. It is unbounded as a channel and bounded as a
    /// matter of fact: it never holds more outcomes than its owner has asked for.
    Queue(mpsc::UnboundedSender<Delivery>),
    /// To one waiting caller.
    Once(oneshot::Sender<RequestOutcome>),
}

impl ReplyTo {
    /// Delivers; an asker who has gone is no error.
    pub fn deliver(self, counter: &CounterId, ticket: Ticket, outcome: RequestOutcome) {
        match self {
            ReplyTo::Queue(queue) => {
                let _ = queue.send(Delivery { counter: counter.clone(), ticket, outcome });
            }
            ReplyTo::Once(caller) => {
                let _ = caller.send(outcome);
            }
        }
    }
}

/// An outcome on its way to the asker.
#[derive(Debug)]
pub struct Delivery {
    /// The counter that was asked.
    pub counter: CounterId,
    /// The asker's own number of the request.
    pub ticket: Ticket,
    /// What became of the request.
    pub outcome: RequestOutcome,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The counter answered.
    Answered(Reply),
    /// Definitely not one byte of it left; it may be asked again, or given up.
    NotSent(NotSent),
    /// It may or may not have been executed.
    Unknown(Unclear),
}

/// Why a request was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotSent {
    /// No session is open.
    #[error("the counter is not connected")]
    Down,
    /// The queue is full.
    #[error("the counter's queue is full")]
    Busy,
    /// Its deadline passed while it waited.
    #[error("the deadline passed before it could be sent")]
    Expired,
    /// It cannot be said in the counter's dialect.
    #[error("it cannot be said in the counter's dialect")]
    Unsayable,
    /// The bridge is stopping.
    #[error("the bridge is stopping")]
    Stopping,
}

/// Why nothing is known of a request that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unclear {
    /// No answer by its deadline.
    #[error("no answer in time")]
    TimedOut,
    /// The connection was lost after a byte of it had been handed to the socket.
    #[error("the connection was lost after it was sent")]
    LinkLost,
    /// The answer could not be read, or answers something else.
    #[error("the answer could not be read")]
    BadAnswer,
}
