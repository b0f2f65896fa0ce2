//! Who has claimed a transfer that waits for a person.

use foreign::ForeignText;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a claim lasts unless it is said again: a telephone call, a look into two systems, and a
/// call back. Whoever goes home without releasing it holds up nothing until the next morning.
pub const CLAIM_LASTS: Duration = Duration::from_hours(1);

/// Claims in one shard at once: more than an institution has people for. Each holds a name and a note.
pub(crate) const MOST_CLAIMS: usize = 512;

/// Who has claimed a transfer, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimant {
    /// The operator's name, as it was given.
    pub who: ForeignText,
    /// Why it was claimed, in the operator's own words.
    pub note: ForeignText,
    /// When it was claimed first, in microseconds since 1970 UTC.
    pub since: i64,
    /// When the claim ends, if it is not said again, in microseconds since 1970 UTC.
    pub until: i64,
}
