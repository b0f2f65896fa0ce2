//! What all tasks of a coordinator share.

use crate::accusations::Accusations;
use crate::allowance::Allowances;
use crate::by_hand::ByHand;
use crate::claim::Claim;
use crate::config::Config;
use crate::conserved::Differences;
use crate::counting::Counts;
use crate::doubts::Doubts;
use crate::events::{Events, Kind};
use crate::late_queue::LateQueue;
use crate::mail::Mail;
use crate::open_readmissions::OpenReadmissions;
use crate::reasons::Reasons;
use crate::serials::Serials;
use crate::standing::{Hold, Standing, ToKeep};
use dashmap::DashMap;
use domain::message::{CounterId, Instruction};
use domain::serial::{MasterSerial, Role, Sequence, SubSerial};
use domain::transfer::Doubt;
use port::{Ask, Counter, CounterIndex, Counters, ReplyTo, RequestOutcome, Ticket};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use store::{HeldCounter, Journal, NewTransfer, Store};
use supervise::vitals::Vitals;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

/// A comparison with the lease is one question to the database.
const COMPARED_WITHIN: Duration = Duration::from_secs(1);

/// An app and its idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) app: Arc<str>,
    pub(crate) idempotency_key: Arc<str>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) journal: Journal,
    pub(crate) counters: Counters,
    pub(crate) shards: Vec<mpsc::Sender<Mail>>,
    /// The keys of open transfers, and of those that are just being begun: written by every API
    /// task, and by the shards when they close. It says whom to ask, and is nothing to be told.
    pub(crate) running: DashMap<Key, Claim>,
    /// Apps of which earlier versions recorded keys with their quotation marks.
    pub(crate) quoting_apps: HashSet<String>,
    pub(crate) allowances: Allowances,
    pub(crate) open: AtomicUsize,
    /// Open transfers that could not be taken up: a person has to settle them.
    pub(crate) unreadable: AtomicUsize,
    /// Callers that wait for the end of a transfer.
    pub(crate) callers: AtomicUsize,
    pub(crate) serials: Serials,
    pub(crate) standing: Standing,
    pub(crate) doubts: Doubts,
    /// Where it is asked what is counted over all open transfers.
    pub(crate) counts: Counts,
    /// Where money was told not to be conserved.
    pub(crate) differences: Differences,
    /// For what counters are held.
    pub(crate) reasons: Reasons,
    /// What is proposed about counters that are held.
    pub(crate) readmissions: OpenReadmissions,
    /// What is to be kept of counters that are held.
    pub(crate) holds: mpsc::UnboundedSender<ToKeep>,
    /// What operators do about counters' links.
    pub(crate) by_hand: ByHand,
    pub(crate) events: Events,
    pub(crate) vitals: Vitals,
    pub(crate) accusations: Accusations,
    /// What each counter said of our serials when it was last compared with the record, in the order of
    /// the counters.
    pub(crate) compared: Vec<watch::Sender<Option<SubSerial>>>,
    /// Where late words of each counter wait to be compared with the record, in the order of the counters.
    pub(crate) late: Vec<LateQueue>,
}

impl Inner {
    pub(crate) fn shard_of(&self, sequence: Sequence) -> &mpsc::Sender<Mail> {
        let index = usize::try_from(sequence.number()).unwrap_or(0) % self.shards.len();
        &self.shards[index]
    }

    /// What a counter holds under a serial may not be ours: whether it gets anything new is decided
    /// here, and told to operators.
    pub(crate) fn doubt(
        &self,
        counter: &CounterId,
        doubt: Doubt,
        about: (MasterSerial, Role),
        now: i64,
    ) {
        let behind = self.standing.state().is_behind();
        if let Some(why) = self.doubts.reason_to_hold(counter, doubt, about, behind, now) {
            self.hold(counter, &why, None, now);
        }
    }

    /// A counter has seen serials that the record never gave out: it gets nothing new.
    pub(crate) fn hold_beyond(&self, counter: &CounterId, why: &str, seen: Sequence, now: i64) {
        self.hold(counter, why, Some(seen), now);
    }

    /// A counter gets nothing new from here on, and operators are told why.
    fn hold(&self, counter: &CounterId, why: &str, seen: Option<Sequence>, now: i64) {
        let (fresh, another) = self.reasons.give(counter, (why, seen), |another| {
            let fresh = self.standing.hold(counter, Hold { why: why.to_owned(), since: now });
            if let Some(why) = &another {
                let (counter, why) = (counter.clone(), why.clone());
                // Nobody listens any more: the bridge is stopping.
                let _ =
                    self.holds.send(ToKeep::Hold(HeldCounter { counter, why, seen, since: now }));
            }
            (fresh, another)
        });
        if let Some(why) = another.filter(|_| !fresh) {
            tracing::error!(%counter, why, "one more reason for which the counter gets no new transfers");
            let text = format!("one more reason for which {counter} gets no new transfers: {why}");
            self.events.record(now, Kind::Contradiction, None, text);
        }
        if fresh {
            tracing::error!(%counter, why, "the counter gets no new transfers");
            metrics::counter!("counter_holds_total", "counter" => counter.to_string()).increment(1);
            let text = format!("{counter} gets no new transfers: {why}");
            self.events.record(now, Kind::Contradiction, None, text);
        }
    }

    /// Asks a counter something that moves nothing; `None` if the bridge is stopping.
    pub(crate) async fn ask(
        &self,
        counter: &dyn Counter,
        instruction: Instruction,
    ) -> Option<RequestOutcome> {
        let (to, outcome) = oneshot::channel();
        counter.ask(Ask {
            ticket: Ticket(0),
            instruction,
            deadline: Instant::now() + self.config.query_deadline,
            reply_to: ReplyTo::Once(to),
        });
        outcome.await.ok()
    }

    /// Waits until what a counter said last of our serials has been compared with the record, but not
    /// for long. Whether it has: before that nothing new is begun there, for the counter may know the
    /// serials that it would get.
    pub(crate) async fn is_compared(&self, counter: CounterIndex) -> bool {
        let compared = &self.compared[counter.0];
        let is_so = |compared: &Option<SubSerial>| {
            let told = self.counters[counter].highest_serial();
            told.is_none() || told == *compared
        };
        if is_so(&compared.borrow()) {
            return true;
        }
        let mut comparing = compared.subscribe();
        matches!(timeout(COMPARED_WITHIN, comparing.wait_for(is_so)).await, Ok(Ok(_)))
    }

    /// Whether a transfer is in this process's hands.
    pub(crate) fn is_running(&self, transfer: &NewTransfer) -> bool {
        let key =
            Key { app: transfer.app.clone(), idempotency_key: transfer.idempotency_key.clone() };
        self.running.get(&key).is_some_and(|claim| claim.master == transfer.master)
    }
}
