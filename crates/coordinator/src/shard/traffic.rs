//! What comes to a shard, what it wants done, and what happens to one transfer.

use crate::accusations::Fault;
use crate::dealing::Dealing;
use crate::events::Kind;
use crate::record::WaiterReply;
use crate::said::{PersonRefused, Said, Taken};
use domain::message::{CounterId, Instruction, Reply};
use domain::serial::{MasterSerial, Role};
use domain::transfer::{Doubt, State, Transfer};
use foreign::ForeignText;
use port::CounterIndex;
use port::{RequestOutcome, Ticket};
use std::sync::Arc;
use std::time::Duration;
use store::{NewTransfer, Write, Written};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Something that comes to a shard from outside.
#[derive(Debug)]
pub enum Input {
    /// A new transfer; its serial decides the shard.
    Begin {
        /// The transfer as it is to be recorded.
        new: NewTransfer,
        /// Told when it is final, or was not recorded.
        waiter: oneshot::Sender<WaiterReply>,
    },
    /// A transfer that was open when the bridge last stopped.
    Recovered {
        /// The transfer as it was recorded.
        new: NewTransfer,
        /// The transfer as it may be believed.
        transfer: Box<Transfer>,
        /// When something last happened to it, in microseconds since 1970 UTC.
        updated_at: i64,
        /// The number of the next part of its trail, from 0.
        next_part: u32,
        /// This software fails on it: it is left alone, and nothing is written about it.
        left_alone: bool,
        /// Who dealt with it.
        dealing: Dealing,
    },
    /// The journal answered.
    Written(Written),
    /// What a counter was asked has an outcome.
    Delivered {
        /// The counter that was asked, and so answered.
        speaker: CounterId,
        /// The shard's own number of the request.
        ticket: Ticket,
        /// What became of the request.
        outcome: RequestOutcome,
    },
    /// A counter said something that nobody waits for.
    Unasked {
        /// The counter that said it.
        speaker: CounterId,
        /// What the counter answered.
        reply: Reply,
    },
    /// A new session with a counter began: what waits for it is woken.
    SessionBegan(CounterIndex),
    /// A person says something about a transfer that waits for one.
    Person {
        /// Master serial of the transfer that it is about.
        master: MasterSerial,
        /// The operator's name.
        who: ForeignText,
        /// What is said.
        said: Said,
        /// Told what came of it: once that is durable, or at once if it was not taken.
        done: oneshot::Sender<Result<Taken, PersonRefused>>,
    },
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its final state.
    pub state: State,
    /// When it was accepted, in microseconds since 1970 UTC.
    pub accepted_at: i64,
}

/// Something that a shard wants done.
#[derive(Debug)]
// The largest is also the most frequent.
#[allow(clippy::large_enum_variant)]
pub enum Output {
    /// Make this durable and say so.
    Write(Write),
    /// Ask a counter.
    Ask {
        /// The counter, by its place in the configuration.
        counter: CounterIndex,
        /// The shard's own number of the request; it comes back with the outcome.
        ticket: Ticket,
        /// What the counter is asked to do.
        instruction: Instruction,
        /// How long its outcome is waited for, from now on.
        within: Duration,
    },
    /// A counter that cannot fence is to be signed on to anew, on every channel whose newest session
    /// is not younger: only that can prove what became of what was sent until then.
    NewSessions {
        /// The counter, by its place in the configuration.
        counter: CounterIndex,
        /// What is to be proven has left by then.
        after: Instant,
    },
    /// A transfer is no longer open: its key is free to be looked up in the database.
    Closed {
        /// Name of the app whose key it is.
        app: Arc<str>,
        /// The idempotency key.
        idempotency_key: Arc<str>,
        /// How it ended; `None` if it was never recorded.
        ended: Option<Ended>,
    },
    /// Operators are to be told.
    Alarm {
        /// What kind of event it is.
        kind: Kind,
        /// Master serial of the transfer that it is about.
        master: MasterSerial,
        /// What happened, in words for operators.
        text: String,
    },
    /// A counter says of a leg what it has said before, and is no longer listened to about it.
    LeftOut {
        /// The counter, by its place in the configuration.
        counter: CounterIndex,
        /// Master serial of the transfer that it speaks about.
        master: MasterSerial,
        /// What operators are told; `None` after the first time.
        text: Option<String>,
    },
    /// What a counter holds under a leg's serial may be another transfer's: the counter is looked at.
    Doubted {
        /// The counter, by its place in the configuration.
        counter: CounterIndex,
        /// Why what the counter holds may be another transfer's.
        doubt: Doubt,
        /// Master serial of the transfer whose leg it is.
        master: MasterSerial,
        /// The leg whose serial it holds.
        role: Role,
    },
    /// A counter did something wrong: it is counted against it, and operators are told.
    Accuse {
        /// Id of the counter.
        counter: CounterId,
        /// What kind of wrong it did.
        fault: Fault,
        /// Master serial of the transfer that it is about.
        master: MasterSerial,
        /// What it did, in words for operators.
        text: String,
    },
    /// Words about a transfer that is not open here: they are compared with the record.
    Compare {
        /// The counter that said them.
        speaker: CounterId,
        /// What the counter said.
        reply: Reply,
    },
}
