//! What the API and operators hold; what it does is in the files of what it is asked for.

use crate::inner::Inner;
use domain::message::CounterId;
use domain::serial::MasterSerial;
use std::sync::Arc;
use store::StoreError;

/// Drives all transfers of this process; clones are the same.
#[derive(Clone)]
pub struct Coordinator {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator").field("open", &self.open()).finish_non_exhaustive()
    }
}

/// Why the coordinator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An open transfer needs a counter that is not configured.
    #[error("transfer {master} is open and needs the counter {counter}, which is not configured")]
    CounterMissing {
        /// Id of the counter that is missing.
        counter: CounterId,
        /// Master serial of the transfer that needs it.
        master: MasterSerial,
    },
    /// It was stopped while starting.
    #[error("stopped while starting")]
    Stopped,
}
