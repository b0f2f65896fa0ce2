//! What outlives a connection: the requests that wait to be written, the counts, and, shared by all
//! connections of one counter, the running number of requests and what is remembered of requests
//! that ended unknown.

use crate::request::pending_reply::Queued;
use port::status::Counts;
use port::{NotSent, RequestOutcome};
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;
use wire::ornament::Ornament;
use wire::payload::RequestId;

/// While both lanes wait, every so many requests one is from the normal lane: a flood of queries
/// delays transfers but does not stop them.
const URGENT_IN_A_ROW: u8 = 4;

/// How many requests that ended unknown are remembered so that their late answers are told from
/// answers to nothing: a whole window lost on each of 256 drops. Forgetting one costs a label, not
/// an answer: both kinds are handed out.
const REMEMBERED: usize = 65_536;

/// Which requests may be written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// None.
    Closed,
    /// What moves no money.
    QueriesOnly,
    /// All.
    All,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SendQueue {
    urgent: VecDeque<Queued>,
    normal: VecDeque<Queued>,
    urgent_in_a_row: u8,
    /// Not later than the earliest deadline of those queued.
    earliest: Option<Instant>,
    common: Arc<CounterShared>,
    /// What a lost connection leaves is to move to another one; otherwise it is refused.
    siblings: bool,
    homeless: Vec<Queued>,
    /// Whether the last connection left something unknown that moves money.
    pub(crate) left_unknown: bool,
    pub(crate) counts: Counts,
}

impl SendQueue {
    /// Counts the messages of which this could not be read, though all else was.
    pub(crate) fn unreadable(&mut self, ornament: Ornament) -> &mut u64 {
        match ornament {
            Ornament::Label => &mut self.counts.unreadable_labels,
            Ornament::Words => &mut self.counts.unreadable_words,
            Ornament::CounterSerial => &mut self.counts.unreadable_serials,
            Ornament::EntryTime => &mut self.counts.unreadable_times,
        }
    }

    /// Numbers requests from `first_id` on: unique over restarts if it is the time in
    /// microseconds, as long as no more than a million requests are written a second.
    pub(crate) fn new(first_id: u64) -> SendQueue {
        SendQueue::of(Arc::new(CounterShared::new(first_id)))
    }

    /// That of one of several connections: what waits here when it is lost is given back by
    /// [`SendQueue::homeless`] instead of being refused.
    pub(crate) fn beside_others(common: Arc<CounterShared>) -> SendQueue {
        SendQueue { siblings: true, ..SendQueue::of(common) }
    }

    /// That of the only connection.
    pub(crate) fn of(common: Arc<CounterShared>) -> SendQueue {
        SendQueue {
            urgent: VecDeque::new(),
            normal: VecDeque::new(),
            urgent_in_a_row: 0,
            earliest: None,
            common,
            siblings: false,
            homeless: Vec::new(),
            left_unknown: false,
            counts: Counts::default(),
        }
    }

    pub(crate) fn push(&mut self, queued: Queued) {
        self.earliest = Some(self.earliest.map_or(queued.deadline, |at| at.min(queued.deadline)));
        if queued.instruction.moves_money() {
            self.normal.push_back(queued);
        } else {
            self.urgent.push_back(queued);
        }
    }

    /// The next request to write. One whose deadline has passed is ended here, not written.
    pub(crate) fn pop(&mut self, now: Instant, admission: Admission) -> Option<Queued> {
        loop {
            let queued = match admission {
                Admission::Closed => None,
                Admission::QueriesOnly => self.urgent.pop_front(),
                Admission::All => self.pop_either(),
            }?;
            if queued.deadline > now {
                return Some(queued);
            }
            queued.pending_reply.settle(RequestOutcome::NotSent(NotSent::Expired));
        }
    }

    fn pop_either(&mut self) -> Option<Queued> {
        let normal_is_due = self.urgent_in_a_row >= URGENT_IN_A_ROW && !self.normal.is_empty();
        if !normal_is_due && let Some(queued) = self.urgent.pop_front() {
            self.urgent_in_a_row = self.urgent_in_a_row.saturating_add(1);
            return Some(queued);
        }
        self.urgent_in_a_row = 0;
        self.normal.pop_front()
    }

    /// Whether a query waits.
    pub(crate) fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// When [`SendQueue::expire`] may have something to do.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.earliest
    }

    /// Ends what has waited past its deadline.
    pub(crate) fn expire(&mut self, now: Instant) {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return;
        }
        for pooled in [&mut self.urgent, &mut self.normal] {
            for queued in std::mem::take(pooled) {
                if queued.deadline > now {
                    pooled.push_back(queued);
                } else {
                    queued.pending_reply.settle(RequestOutcome::NotSent(NotSent::Expired));
                }
            }
        }
        self.earliest = self.urgent.iter().chain(&self.normal).map(|queued| queued.deadline).min();
    }

    /// Gives memory back that only a busy connection needs.
    pub(crate) fn shrink(&mut self) {
        for pooled in [&mut self.urgent, &mut self.normal] {
            if pooled.is_empty() {
                *pooled = VecDeque::new();
            }
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.normal.is_empty()
    }

    /// Ends everything queued, or lets it go where another connection may take it.
    pub(crate) fn refuse_all(&mut self, why: NotSent) {
        self.earliest = None;
        let all = self.urgent.drain(..).chain(self.normal.drain(..));
        if self.siblings && why == NotSent::Down {
            self.homeless.extend(all);
        } else {
            all.for_each(|queued| queued.pending_reply.settle(RequestOutcome::NotSent(why)));
        }
    }

    /// What was queued here and may move to another connection, oldest first in each lane.
    pub(crate) fn homeless(&mut self) -> Vec<Queued> {
        std::mem::take(&mut self.homeless)
    }

    pub(crate) fn next_id(&mut self) -> RequestId {
        RequestId(self.common.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// A request ended unknown; its answer may still come, on this connection or another.
    pub(crate) fn remember(&mut self, id: RequestId) {
        self.common.unknown().get_or_insert_default().insert(id);
    }

    /// Whether a request of this process had that number.
    pub(crate) fn has_issued(&self, id: RequestId) -> bool {
        (self.common.first_id..self.common.next_id.load(Ordering::Relaxed)).contains(&id.0)
    }

    /// An answer that matches no request in flight: whether its request had ended unknown. That is
    /// told once; a second answer answers nothing.
    pub(crate) fn is_late(&mut self, id: RequestId) -> bool {
        let late = self.common.unknown().as_mut().is_some_and(|unknown| unknown.ids.remove(&id));
        if late {
            self.counts.late += 1;
        } else {
            self.counts.unmatched += 1;
        }
        late
    }
}

/// What all connections of one counter have in common.
#[derive(Debug)]
pub(crate) struct CounterShared {
    first_id: u64,
    next_id: AtomicU64,
    // A lock, because an answer may come late on another connection than its request went out on.
    // It is taken when something ended unknown or matches nothing, and held for one look.
    unknown: Mutex<Option<Box<Tombstones>>>,
}

impl CounterShared {
    /// Numbers requests as [`SendQueue::new`] does.
    pub(crate) fn new(first_id: u64) -> CounterShared {
        CounterShared { first_id, next_id: AtomicU64::new(first_id), unknown: Mutex::default() }
    }

    fn unknown(&self) -> MutexGuard<'_, Option<Box<Tombstones>>> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Tombstones {
    ids: HashSet<RequestId>,
    order: VecDeque<RequestId>,
}

impl Tombstones {
    fn insert(&mut self, id: RequestId) {
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        self.ids.insert(id);
        self.order.push_back(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asks, at};

    #[test]
    fn queries_go_first_but_transfers_still_go() {
        let (mut send_queue, mut asks) = (SendQueue::new(1), asks());
        for _ in 0..3 {
            send_queue.push(asks.debit(at(10)));
        }
        for _ in 0..9 {
            send_queue.push(asks.query(at(10)));
        }
        let order: String = std::iter::from_fn(|| send_queue.pop(at(0), Admission::All))
            .map(|queued| if queued.instruction.moves_money() { 'd' } else { 'q' })
            .collect();
        assert_eq!(order, "qqqqdqqqqdqd");
    }

    #[test]
    fn while_only_queries_are_admitted_transfers_wait() {
        let (mut send_queue, mut asks) = (SendQueue::new(1), asks());
        send_queue.push(asks.debit(at(10)));
        send_queue.push(asks.query(at(10)));
        assert!(send_queue.pop(at(0), Admission::Closed).is_none());
        assert!(send_queue.pop(at(0), Admission::QueriesOnly).is_some());
        assert!(send_queue.pop(at(0), Admission::QueriesOnly).is_none());
        assert!(send_queue.pop(at(0), Admission::All).is_some());
    }

    #[test]
    fn what_has_expired_is_never_handed_out() {
        let (mut send_queue, mut asks) = (SendQueue::new(1), asks());
        send_queue.push(asks.debit(at(1)));
        send_queue.push(asks.debit(at(3)));
        send_queue.push(asks.debit(at(2)));
        assert_eq!(send_queue.next_timeout(), Some(at(1)));
        send_queue.expire(at(1));
        assert_eq!(asks.outcomes(), [(1, RequestOutcome::NotSent(NotSent::Expired))]);
        assert_eq!(send_queue.next_timeout(), Some(at(2)));
        assert!(send_queue.pop(at(3), Admission::All).is_none());
        assert_eq!(asks.outcomes().len(), 2);
        assert_eq!(asks.queued(), 0);
    }

    #[test]
    fn what_a_lost_connection_leaves_may_move_unless_it_is_the_only_one() {
        let mut asks = asks();
        let mut only = SendQueue::new(1);
        only.push(asks.debit(at(1)));
        only.refuse_all(NotSent::Down);
        assert_eq!(asks.outcomes(), [(1, RequestOutcome::NotSent(NotSent::Down))]);
        let mut one_of_two = SendQueue::beside_others(Arc::new(CounterShared::new(1)));
        one_of_two.push(asks.debit(at(1)));
        one_of_two.refuse_all(NotSent::Down);
        assert!(asks.outcomes().is_empty() && one_of_two.is_empty());
        assert_eq!(one_of_two.homeless().len(), 1);
        one_of_two.push(asks.debit(at(1)));
        one_of_two.refuse_all(NotSent::Stopping);
        assert_eq!(asks.outcomes().pop(), Some((3, RequestOutcome::NotSent(NotSent::Stopping))));
    }

    #[test]
    fn connections_of_one_counter_number_and_remember_together() {
        let common = Arc::new(CounterShared::new(7));
        let [mut one, mut other] = [(); 2].map(|()| SendQueue::beside_others(Arc::clone(&common)));
        assert_eq!((one.next_id(), other.next_id()), (RequestId(7), RequestId(8)));
        one.remember(RequestId(7));
        assert!(other.is_late(RequestId(7)) && !one.is_late(RequestId(7)));
    }

    #[test]
    fn tombstones_are_bounded_and_tell_late_once() {
        let mut send_queue = SendQueue::new(1);
        for id in 0..200_000 {
            send_queue.remember(RequestId(id));
        }
        let kept = send_queue.common.unknown().as_ref().map(|unknown| unknown.ids.len());
        assert_eq!(kept, Some(REMEMBERED));
        assert!(send_queue.is_late(RequestId(199_999)));
        assert!(!send_queue.is_late(RequestId(199_999)), "a second answer");
        assert!(!send_queue.is_late(RequestId(0)), "forgotten");
        assert_eq!((send_queue.counts.late, send_queue.counts.unmatched), (1, 2));
    }
}
