//! What is told of each transfer that has ended, for whoever exports it: one event, which costs nothing where nobody
//! wants it. Accounts and amounts are not in it; who has the master serial finds them in the record.

use crate::clock::Now;
use crate::record::Record;

/// The target of the events, which have `master`, `state`, the counters `from` and `to`, and `accepted_at` and
/// `ended_at` in microseconds since 1970 UTC. Their level is DEBUG: the log has what somebody has to know.
pub const ENDED: &str = "transfer";

/// Tells of one whose end is durable.
pub(crate) fn tell(record: &Record, now: Now) {
    let order = &record.transfer.intent.order;
    tracing::debug!(
        target: ENDED,
        master = %record.master(),
        state = record.transfer.state().as_str(),
        from = order.from.counter.as_str(),
        to = order.to.counter.as_str(),
        accepted_at = record.created_at,
        ended_at = now.wall,
        "a transfer has ended"
    );
}
