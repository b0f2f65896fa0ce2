//! What travels to a shard.

use crate::by_hand::Waits;
use crate::record::WaiterReply;
use crate::shard::{Input, Page, Wanted};
use crate::summary::Summary;
use crate::transit::Tally;
use crate::view::View;
use domain::serial::Sequence;
use domain::transfer::State;
use port::CounterIndex;
use tokio::sync::oneshot;

/// What travels to a shard.
#[derive(Debug)]
// The largest is also the most frequent.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Mail {
    /// For the shard itself.
    Input(Input),
    /// Shows one open transfer.
    View(Sequence, oneshot::Sender<Option<View>>),
    /// Lets somebody wait for an open transfer.
    Wait(Sequence, oneshot::Sender<WaiterReply>),
    /// Answers when an open transfer is durable; dropped if it is not open.
    Recorded(Sequence, oneshot::Sender<()>),
    /// Shows some of an app's open transfers.
    Page(Wanted, oneshot::Sender<Page>),
    /// Shows the oldest open transfers, of those in a state if one is given, and how many there are.
    Oldest(Option<State>, usize, oneshot::Sender<(Vec<View>, usize)>),
    /// Shows the oldest open transfers that may be resumed together, and how many there are.
    Proven(usize, oneshot::Sender<(Vec<View>, usize)>),
    /// Shows the oldest open transfers for which something is proposed, and how many there are.
    Proposed(usize, oneshot::Sender<(Vec<View>, usize)>),
    /// Shows all open transfers.
    Views(oneshot::Sender<Vec<View>>),
    /// Says how things stand over all open transfers.
    Summary(oneshot::Sender<Summary>),
    /// Says how things stand over all open transfers, and counts money in transit at a time in microseconds since 1970 UTC.
    Count(i64, oneshot::Sender<(Summary, Tally)>),
    /// Counts the open transfers with a leg at a counter.
    Needing(CounterIndex, oneshot::Sender<Waits>),
    /// Nothing: it shows that the shard gets on.
    Knock,
}
