//! The reasons that each counter gave to be held, while it is: each is kept once, however often it is given, and none is
//! overlooked by those who let it go on.

use domain::message::CounterId;
use domain::serial::Sequence;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Reasons of one counter that are told apart; what comes after is one more.
pub(crate) const MOST_REASONS: usize = 32;

/// What that one says.
const MORE: &str =
    "it gave more reasons than are kept: the transfers that wait for persons name each";

/// What makes a reason another one. How far a counter has seen counts by the number: the words beside it also say how far
/// the record is by now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Reason {
    Seen(u64),
    Why(String),
}

#[derive(Debug, Default)]
struct Given {
    /// How often another one came, in the life of the bridge.
    count: u64,
    distinct: HashSet<Reason>,
}

/// Of all counters; at most [`MOST_REASONS`] of each.
#[derive(Debug, Default)]
pub(crate) struct Reasons(Mutex<HashMap<CounterId, Given>>);

impl Reasons {
    /// Takes a reason in, and does with the words to be kept, if it is another one, what is to be done. Nobody lets the
    /// counter go meanwhile.
    pub(crate) fn give<T>(
        &self,
        counter: &CounterId,
        (why, seen): (&str, Option<Sequence>),
        hold: impl FnOnce(Option<String>) -> T,
    ) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let given = all.entry(counter.clone()).or_default();
        let (why, reason) = match seen {
            Some(seen) => (why, Reason::Seen(seen.number())),
            None if given.distinct.len() < MOST_REASONS => (why, Reason::Why(why.to_owned())),
            None => (MORE, Reason::Why(MORE.to_owned())),
        };
        let is_another = match &reason {
            // A counter that makes numbers up is known for it.
            Reason::Seen(_) if given.distinct.len() > MOST_REASONS => false,
            _ => given.distinct.insert(reason),
        };
        given.count += u64::from(is_another);
        hold(is_another.then(|| why.to_owned()))
    }

    /// How often another one came.
    pub(crate) fn count(&self, counter: &CounterId) -> u64 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(counter).map_or(0, |given| given.count)
    }

    /// Forgets the reasons of a counter and lets it go, unless another one has come since it was looked at; whether so.
    /// Nobody gives one meanwhile.
    pub(crate) fn let_go(&self, counter: &CounterId, count: u64, go: impl FnOnce()) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let given = all.entry(counter.clone()).or_default();
        let may = given.count == count;
        if may {
            given.distinct.clear();
            go();
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> CounterId {
        CounterId::new("futures").expect("a counter")
    }

    #[test]
    fn each_reason_is_kept_once_and_those_beyond_the_bound_as_one() {
        let (reasons, futures) = (Reasons::default(), counter());
        let give = |why: &str| reasons.give(&futures, (why, None), |another| another);
        assert_eq!(give("a mark").as_deref(), Some("a mark"));
        assert_eq!((give("a mark"), reasons.count(&futures)), (None, 1));
        let seen = |number, why: &str| {
            let seen = Sequence::new(number).expect("a sequence");
            reasons.give(&futures, (why, Some(seen)), |another| another)
        };
        assert!(seen(7, "it has seen 7, and 3 is next").is_some());
        assert!(seen(7, "it has seen 7, and 4 is next").is_none(), "the same number");
        assert!(seen(8, "it has seen 8").is_some());
        for number in reasons.count(&futures)..u64::try_from(MOST_REASONS).expect("small") {
            assert!(give(&format!("mark {number}")).is_some());
        }
        assert_eq!(give("one more").as_deref(), Some(MORE));
        assert_eq!((give("and another"), seen(9, "it has seen 9")), (None, None));
        assert_eq!(reasons.count(&futures), 33);
    }

    #[test]
    fn a_counter_is_let_go_for_what_was_looked_at_alone() {
        let (reasons, futures) = (Reasons::default(), counter());
        let give = |why| reasons.give(&futures, (why, None), |another| another);
        give("a mark");
        let seen = reasons.count(&futures);
        give("another mark");
        assert!(!reasons.let_go(&futures, seen, || panic!("it is held")));
        let mut gone = false;
        assert!(reasons.let_go(&futures, reasons.count(&futures), || gone = true));
        assert!(gone && give("a mark").is_some(), "it is new again");
    }
}
