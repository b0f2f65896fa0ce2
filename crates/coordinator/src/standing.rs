//! Whether the record and the counters are fit to be acted upon. A record that is behind what was
//! told, or what counters have seen, sends nothing that moves money until it is released (DOMAIN §3,
//! rule 10); a counter that is held gets nothing new. Both only ever stop: what is begun goes on being
//! asked about. One that an operator keeps on hold gets no new transfers either, and all that is begun there
//! goes on to its end: nothing is in doubt.
//!
//! Whoever finds a reason says it here; the shards look once a turn.

use crate::clock::now_micros;
use domain::message::CounterId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{HeldCounter, OnHold};
use tokio::sync::{oneshot, watch};

/// Whether the record is all that was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Record {
    /// It is, as far as is known.
    #[default]
    Current,
    /// It lacks something: nothing that moves money is sent (DOMAIN §3, rule 10).
    Behind {
        /// What it lacks, in words for whoever must release it.
        why: String,
        /// Since when that is known, in microseconds since 1970 UTC.
        since: i64,
    },
}

/// Why a counter gets nothing new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why it is held, in words for whoever must release it.
    pub why: String,
    /// Since when it is held, in microseconds since 1970 UTC.
    pub since: i64,
}

/// Whether those that are on hold now are all that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alone {
    /// They are: any other goes on.
    Alone,
    /// Others that were stay so.
    BesideOthers,
}

/// How record and counters stand, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How the record stands.
    pub record: Record,
    /// The counters that are held, and why.
    pub held: BTreeMap<CounterId, Hold>,
    /// The counters that operators keep from new transfers.
    pub on_hold: BTreeMap<CounterId, OnHold>,
}

impl State {
    /// Whether the record is behind.
    pub fn is_behind(&self) -> bool {
        match self.record {
            Record::Current => false,
            Record::Behind { .. } => true,
        }
    }

    /// Whether a counter gets no new transfers, for whatever reason.
    pub fn keeps_from_new(&self, counter: &CounterId) -> bool {
        self.held.contains_key(counter) || self.on_hold.contains_key(counter)
    }
}

/// How record and counters stand; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    state: Arc<watch::Sender<State>>,
}

impl Standing {
    /// The present state, at one moment. Nothing may be awaited while it is held.
    pub fn state(&self) -> watch::Ref<'_, State> {
        self.state.borrow()
    }

    /// Follows the state.
    pub fn follow(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// How the record stands.
    pub fn record(&self) -> Record {
        self.state.borrow().record.clone()
    }

    /// Why the record is behind; `None` if it is not.
    pub fn behind(&self) -> Option<String> {
        match &self.state.borrow().record {
            Record::Current => None,
            Record::Behind { why, .. } => Some(why.clone()),
        }
    }

    /// The record is behind, for this reason. The first reason stays; `false` if it was behind
    /// already. Only a release, before the next start, ends it.
    pub fn fall_behind(&self, why: String) -> bool {
        self.state.send_if_modified(|state| {
            let fresh = !state.is_behind();
            if fresh {
                tracing::error!(why, "the record is behind: nothing that moves money is sent");
                state.record = Record::Behind { why, since: now_micros() };
            }
            fresh
        })
    }

    /// A counter gets nothing new, for this reason. The first reason stays; `false` if it was held
    /// already.
    pub fn hold(&self, counter: &CounterId, hold: Hold) -> bool {
        self.state.send_if_modified(|state| {
            let fresh = !state.held.contains_key(counter);
            if fresh {
                state.held.insert(counter.clone(), hold);
            }
            fresh
        })
    }

    /// A counter is no longer held. `false` if it was not.
    pub fn release(&self, counter: &CounterId) -> bool {
        self.state.send_if_modified(|state| state.held.remove(counter).is_some())
    }

    /// An operator keeps a counter from new transfers. When this returns, whatever was begun there before
    /// is in its shard's mailbox, and nothing is begun any more.
    pub(crate) fn put_on_hold(&self, hold: OnHold) {
        self.state.send_modify(|state| drop(state.on_hold.insert(hold.counter.clone(), hold)));
    }

    /// A counter goes on, as far as operators are concerned.
    pub(crate) fn take_off_hold(&self, counter: &CounterId) {
        self.state.send_if_modified(|state| state.on_hold.remove(counter).is_some());
    }

    /// Exactly these counters are kept from new transfers by operators, or, where not `alone`, these beside those that
    /// are already; what has changed by that.
    pub(crate) fn put_all_on_hold(
        &self,
        holds: Vec<OnHold>,
        alone: Alone,
    ) -> Vec<(CounterId, Option<OnHold>)> {
        let mut now: BTreeMap<CounterId, OnHold> =
            holds.into_iter().map(|hold| (hold.counter.clone(), hold)).collect();
        let mut changed = Vec::new();
        self.state.send_if_modified(|state| {
            if alone == Alone::BesideOthers {
                for (counter, hold) in &state.on_hold {
                    now.entry(counter.clone()).or_insert_with(|| hold.clone());
                }
            }
            let counters: BTreeSet<&CounterId> = state.on_hold.keys().chain(now.keys()).collect();
            changed = counters
                .into_iter()
                .filter(|counter| state.on_hold.get(counter) != now.get(counter))
                .map(|counter| (counter.clone(), now.get(counter).cloned()))
                .collect();
            state.on_hold = now;
            !changed.is_empty()
        });
        changed
    }

    /// What an operator has said of a counter that gets no new transfers; `None` if none has.
    pub fn on_hold(&self, counter: &CounterId) -> Option<OnHold> {
        self.state.borrow().on_hold.get(counter).cloned()
    }

    /// Why a counter is held; `None` if it is not.
    pub fn held(&self, counter: &CounterId) -> Option<Hold> {
        self.state.borrow().held.get(counter).cloned()
    }
}

/// What the database is to keep of holds, in its order.
#[derive(Debug)]
pub(crate) enum ToKeep {
    /// A counter is held.
    Hold(HeldCounter),
    /// Tells that all before it is kept.
    Told(oneshot::Sender<()>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays_and_only_a_counter_can_be_released() {
        let standing = Standing::default();
        let shared = standing.clone();
        assert_eq!(standing.record(), Record::Current);
        assert!(standing.fall_behind("three batches are missing".to_owned()));
        assert!(!standing.fall_behind("something else".to_owned()));
        assert_eq!(shared.behind().as_deref(), Some("three batches are missing"));
        assert!(matches!(shared.record(), Record::Behind { why, since }
            if why == "three batches are missing" && since > 0));
        let counter = CounterId::new("futures").expect("a counter");
        let hold = |why: &str| Hold { why: why.to_owned(), since: 5 };
        assert!(standing.hold(&counter, hold("a foreign mark")));
        assert!(!standing.hold(&counter, hold("another")));
        assert_eq!(shared.held(&counter), Some(hold("a foreign mark")));
        assert!(shared.release(&counter));
        assert!(!shared.release(&counter));
        assert_eq!(standing.held(&counter), None);
        assert!(standing.state().is_behind());
    }
}
