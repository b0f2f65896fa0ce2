//! Transfers of which more is asked than how long they took: some of those that were completed.

use serde::Deserialize;

/// Of so many requests of a caller one is looked at.
pub(crate) const ONE_IN: u64 = 32;
/// Of those, the last so many are kept, and their trails read after a run.
pub(crate) const MOST: usize = 400;

/// A transfer that was completed, as its caller saw it; microseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) master_serial: String,
    pub(crate) sent: i64,
    pub(crate) heard: i64,
}

impl Sample {
    /// From the answer that completed it.
    pub(crate) fn of(answer: &[u8], sent: i64, heard: i64) -> Option<Sample> {
        #[derive(Deserialize)]
        struct Answered {
            master_serial: String,
        }
        let Answered { master_serial } = serde_json::from_slice(answer).ok()?;
        Some(Sample { master_serial, sent, heard })
    }
}
