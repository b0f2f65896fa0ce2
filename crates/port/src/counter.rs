//! A counter, and all of a bridge.

use crate::ask::Ask;
use crate::history::History;
use crate::sessions::Sessions;
use crate::spoken::{Spelled, Spoken};
use crate::status::Snapshot;
use domain::message::CounterId;
use domain::money::Amount;
use domain::profile::Profile;
use domain::serial::{Day, SubSerial};
use std::collections::HashMap;
use std::fmt;
use std::ops::Index;
use std::pin::Pin;
use std::sync::Arc;
use supervise::task::Task;
use tokio::sync::watch;
use tokio::time::Instant;

/// How much of everything a counter is given at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many requests may wait for an answer on one connection; the counter's profile may say
    /// less.
    pub in_flight: u16,
    /// How many requests may wait to be written; more are answered
    /// [`NotSent::Busy`](crate::NotSent::Busy).
    pub queued: usize,
}

impl Bounds {
    /// 256 at 1 ms a round trip are 256k requests a second, more than any counter answers; and no
    /// drop leaves more than this unknown.
    pub const IN_FLIGHT: u16 = 256;
    /// Four windows: a counter that answers 1,000 a second works this off within a second, well
    /// before any deadline. No request's frame is longer than 8 KiB, so this is also the bound of
    /// 8 MiB.
    pub const QUEUED: usize = 1024;
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { in_flight: Bounds::IN_FLIGHT, queued: Bounds::QUEUED }
    }
}

/// What a counter said when it could be asked last: a change means that it is to be looked at anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastSignOn {
    /// Since when it could be asked: [`Counter::session_began`].
    pub session_began: Option<Instant>,
    /// How far it had seen our serials: [`Counter::highest_serial`].
    pub highest_serial: Option<SubSerial>,
}

/// A counter as the bridge knows it. Nothing here blocks, and everything is as of now.
pub trait Counter: fmt::Debug + Send + Sync {
    /// Its id, as the configuration names it.
    fn id(&self) -> &CounterId;

    /// What it can do, as configured and confirmed by itself.
    fn profile(&self) -> &Arc<Profile>;

    /// How much of everything it is given.
    fn bounds(&self) -> &Bounds;

    /// Its accounting day as last heard; `None` until it has ever said one.
    fn settle_day(&self) -> Option<Day>;

    /// The largest single posting that it takes; `None` for any amount.
    fn per_transfer_limit(&self) -> Option<Amount>;

    /// The highest of our serials that it has seen within its query horizon, as it said last; `None`
    /// if it never said.
    fn highest_serial(&self) -> Option<SubSerial>;

    /// Since when it can be asked; `None` while it cannot. What was sent before that was sent on a
    /// connection that is gone.
    fn session_began(&self) -> Option<Instant>;

    /// When the newest sessions of all its connections began; `None` until each has had one. What was
    /// sent before the oldest of them is not taken in any more from the youngest on
    /// (docs/peers/counter.md, Sign-on).
    fn sessions(&self) -> Option<Sessions>;

    /// Has every session that did not begin after that followed by another, soon. Said again, it is
    /// the same.
    fn renew_sessions(&self, after: Instant);

    /// Waits until [`Counter::last_sign_on`] is something else than `known`. Whether it is: once the
    /// counter has been let go it will not be.
    fn sign_on_changes(&self, known: LastSignOn)
    -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;

    /// Whether new work is taken.
    fn is_up(&self) -> bool;

    /// Whether as much waits for its outcome as it is given without leaving room for second legs of
    /// what has been begun, and for questions.
    fn is_crowded(&self) -> bool;

    /// Asks all. The outcome of each is delivered exactly once, at once if it cannot be asked.
    fn ask_all(&self, asks: Vec<Ask>);

    /// Where it stands, for people, always whole.
    fn snapshot(&self) -> Snapshot;

    /// The same, and whatever comes; until it has been let go.
    fn follow(&self) -> watch::Receiver<Arc<Snapshot>>;

    /// What happened to it lately, and to those that share its history.
    fn history(&self) -> &History;

    /// The tasks that keep its connections.
    fn tasks(&self) -> &[Arc<Task>];

    /// Ends the waits between two attempts to reach it; nothing if none is waited for.
    fn reconnect_now(&self);

    /// Tries again although it was rejected too often: what it was rejected for is forgotten.
    fn release(&self);

    /// Looks whether what it proved itself by is still believed, as it is now; it is left in order
    /// where it is not.
    fn recheck(&self);

    /// Signs off in order on every connection, once what is in flight is answered or has ended, and begins no
    /// other until [`Counter::come_back`]. Nothing where there is no connection. Said again, it is the same.
    fn leave(&self);

    /// Is connected again after [`Counter::leave`]; nothing if it was not left.
    fn come_back(&self);

    /// A message as it is between the bridge and this counter, for people: made by what writes it for the wire, with
    /// the configuration as it is now.
    fn spelled(&self, message: Spoken<'_>) -> Spelled;

    /// Asks once.
    fn ask(&self, ask: Ask) {
        self.ask_all(vec![ask]);
    }

    /// What it said when it could be asked last.
    fn last_sign_on(&self) -> LastSignOn {
        LastSignOn { session_began: self.session_began(), highest_serial: self.highest_serial() }
    }
}

/// Which counter: an index into [`Counters`], in the order of configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterIndex(pub usize);

/// All counters of a bridge, in the order of configuration.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    all: Vec<Arc<dyn Counter>>,
    by_id: HashMap<CounterId, CounterIndex>,
}

impl Counters {
    /// The counter of this name.
    pub fn get(&self, id: &CounterId) -> Option<&Arc<dyn Counter>> {
        self.index_of(id).map(|index| &self[index])
    }

    /// Where the counter of this name stands.
    pub fn index_of(&self, id: &CounterId) -> Option<CounterIndex> {
        self.by_id.get(id).copied()
    }

    /// Whether there is one of this name.
    pub fn has(&self, id: &CounterId) -> bool {
        self.by_id.contains_key(id)
    }

    /// All, in the order of configuration.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<dyn Counter>> {
        self.all.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl FromIterator<Arc<dyn Counter>> for Counters {
    /// Of two with one name the first is found by it; a configuration has no such two.
    fn from_iter<I: IntoIterator<Item = Arc<dyn Counter>>>(counters: I) -> Counters {
        let all: Vec<Arc<dyn Counter>> = counters.into_iter().collect();
        let mut by_id = HashMap::with_capacity(all.len());
        for (index, counter) in all.iter().enumerate() {
            by_id.entry(counter.id().clone()).or_insert(CounterIndex(index));
        }
        Counters { all, by_id }
    }
}

impl<C: Counter + 'static> FromIterator<C> for Counters {
    fn from_iter<I: IntoIterator<Item = C>>(counters: I) -> Counters {
        counters.into_iter().map(|counter| Arc::new(counter) as Arc<dyn Counter>).collect()
    }
}

impl Index<CounterIndex> for Counters {
    type Output = Arc<dyn Counter>;

    fn index(&self, index: CounterIndex) -> &Arc<dyn Counter> {
        &self.all[index.0]
    }
}

impl<'a> IntoIterator for &'a Counters {
    type Item = &'a Arc<dyn Counter>;
    type IntoIter = std::slice::Iter<'a, Arc<dyn Counter>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::in_process::{Answers, InProcess};
    use domain::message::{Instruction, Reply};
    use tokio_util::sync::CancellationToken;

    struct Silent;

    impl Answers for Silent {
        fn answer(&mut self, _instruction: &Instruction) -> Reply {
            unreachable!("nobody asks")
        }

        fn settle_day(&self) -> Day {
            Day::new(20_261_121).expect("a day")
        }

        fn highest_serial(&self) -> Option<SubSerial> {
            None
        }
    }

    #[test]
    fn a_counter_is_found_by_its_name_and_by_its_place() {
        let id = |name: &str| CounterId::new(name).expect("an id");
        let counter = |name: &str| {
            let (profile, history) = (Profile::default(), History::default());
            InProcess::new(id(name), profile, history, Silent, CancellationToken::new())
        };
        let counters: Counters = ["b", "a", "c"].map(counter).into_iter().collect();
        let names: Vec<&str> = counters.iter().map(|counter| counter.id().as_str()).collect();
        assert_eq!(names, ["b", "a", "c"], "as they are configured");
        for (index, name) in names.iter().enumerate() {
            assert_eq!(counters.index_of(&id(name)), Some(CounterIndex(index)));
            assert_eq!(counters[CounterIndex(index)].id(), &id(name));
            assert!(counters.get(&id(name)).is_some_and(|counter| *counter.id() == id(name)));
        }
        assert!(counters.get(&id("d")).is_none() && !counters.has(&id("d")));
        assert_eq!((counters.len(), counters.is_empty()), (3, false));
        assert!(Counters::default().is_empty());
    }
}
