//! What happens to one transfer.

use domain::transfer::{Event, Evidence, Words};

/// Something that happens to one transfer. What a counter said is here only as [`Words`]: whose they
/// are has been looked at.
#[derive(Debug)]
pub(crate) enum Happening {
    Event(Event),
    /// What was asked came to nothing, and why.
    Unanswered {
        ticket: u64,
        evidence: Evidence,
        why: String,
    },
    Answered {
        ticket: u64,
        words: Words,
    },
    Unasked(Words),
}
