//! What is asked of the journal, and what it answers.

use crate::record::{Decision, NewTransfer, Outcome};
use crate::state::OpenState;
use domain::serial::MasterSerial;

/// Names a [`Write`] in its answer; the caller chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// What one step of one transfer adds to the record. All of it becomes durable at once, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The caller's own number of the write; it comes back in the answer.
    pub id: WriteId,
    /// Master serial of the transfer that is written about.
    pub master: MasterSerial,
    /// The transfer, where this registers it and its idempotency key.
    pub accept: Option<NewTransfer>,
    /// One more part of the trail: its number, from 0, and its body of at most
    /// [`Write::LONGEST_TRAIL`] bytes.
    pub trail: Option<(u32, String)>,
    /// How far the transfer has come, where that has changed.
    pub state: Option<OpenState>,
    /// What an operator decided, where one did.
    pub decision: Option<Decision>,
    /// How the transfer ended, where it has.
    pub outcome: Option<Outcome>,
}

impl Write {
    /// Bytes in one part of a trail: what a MySQL `TEXT` holds.
    pub const LONGEST_TRAIL: usize = 65_535;

    /// A write that says nothing yet.
    pub fn of(id: WriteId, master: MasterSerial) -> Write {
        Write { id, master, accept: None, trail: None, state: None, decision: None, outcome: None }
    }
}

/// The answer to one [`Write`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The caller's own number of the write.
    pub id: WriteId,
    /// `Ok`: all of it is durable. `Err`: none of it is, nor ever will be.
    pub result: Result<(), WriteError>,
}

/// Why a write was not made. Each is definite.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The app has used the idempotency key before: read that transfer by it.
    #[error("the idempotency key is taken")]
    DuplicateKey,
    /// The database could not, or the write contradicts what is recorded.
    #[error("not recorded: {why}")]
    Refused {
        /// Why it was not made, in words for the log.
        why: String,
    },
}
