//! Numbers for values that are compared and not shown. They mean nothing outside this process: what is kept of a
//! key is of no use to whoever sees it.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::LazyLock;

static NUMBERS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The number of a value: the same for the same value, as long as the process lives.
pub(super) fn number_of(value: impl Hash) -> u64 {
    NUMBERS.hash_one(value)
}
