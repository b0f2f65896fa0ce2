//! Where the late words of one counter wait to be compared with the record.

use domain::message::Reply;
use std::sync::atomic::AtomicU64;
use tokio::sync::mpsc;

/// Late words of one counter that may wait to be compared with the record. Each counter has a queue
/// of its own, so that one that says too much drowns nobody else's proof.
pub(crate) const LATE: usize = 1024;

/// Where the late words of one counter wait.
#[derive(Debug)]
pub(crate) struct LateQueue {
    pub(crate) to: mpsc::Sender<Reply>,
    /// Those that found it full, since operators were told of some.
    pub(crate) lost: AtomicU64,
}

impl LateQueue {
    pub(crate) fn new() -> (LateQueue, mpsc::Receiver<Reply>) {
        let (to, late) = mpsc::channel(LATE);
        (LateQueue { to, lost: AtomicU64::new(0) }, late)
    }
}
