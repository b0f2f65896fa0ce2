//! Whether a counter is to be left alone: signed off in order, and neither dialled nor let in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The words of such a sign-off.
pub(crate) const DRAINS: &str = "the bridge needs nothing for now";

/// See the module; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Away(Arc<AtomicBool>);

impl Away {
    /// Whether it is.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Whether that is something else than before.
    pub fn set(&self, wanted: bool) -> bool {
        self.0.swap(wanted, Ordering::AcqRel) != wanted
    }
}
