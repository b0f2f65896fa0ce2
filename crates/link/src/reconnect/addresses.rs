//! A counter's addresses in the order of preference, and what became of trying each. Pure.

use crate::reconnect::backoff::STABLE;
use port::status::Address;
use std::sync::Arc;
use std::time::Duration;
use supervise::clock::now_micros;

/// See the module.
#[derive(Debug)]
pub(crate) struct Addresses {
    list: Arc<[Address]>,
    /// Which is tried first next time; behind the last one comes the first again.
    first: u16,
    /// Which one the connection goes to, while there is one.
    in_use: Option<u16>,
}

impl Addresses {
    pub(crate) fn new(addresses: Vec<String>) -> Addresses {
        let list = addresses.into_iter().map(Address::new).collect();
        Addresses { list, first: 0, in_use: None }
    }

    /// For the snapshot.
    pub(crate) fn list(&self) -> &Arc<[Address]> {
        &self.list
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        &self.list[index].address
    }

    /// In which order to try them in the next attempt.
    pub(crate) fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let (first, count) = (usize::from(self.first), self.list.len());
        (0..count).map(move |tried| (first + tried) % count)
    }

    /// A connection is open to this one.
    pub(crate) fn reached(&mut self, index: usize) {
        self.in_use = u16::try_from(index).ok();
    }

    /// Which one it went to, if there was a connection.
    pub(crate) fn left(&mut self) -> Option<usize> {
        self.in_use.take().map(usize::from)
    }

    /// It could not be reached, or no session came of it.
    pub(crate) fn failed(&mut self, index: usize, error: String) {
        let tried = &mut Arc::make_mut(&mut self.list)[index];
        tried.failures += 1;
        tried.last_error = Some(error);
        tried.failed_at = Some(now_micros());
    }

    /// The connection there ended. One whose session did not open or did not last makes room for
    /// the next; after one that did, the preferred one is tried again.
    pub(crate) fn ended(&mut self, index: usize, open_for: Option<Duration>) {
        self.begin_with(match open_for {
            Some(open_for) if open_for >= STABLE => 0,
            Some(_) | None => index + 1,
        });
        if open_for.is_some() && self.list[index].failures > 0 {
            Arc::make_mut(&mut self.list)[index].failures = 0;
        }
    }

    /// A preferred one answers again.
    pub(crate) fn prefer(&mut self, index: usize) {
        self.begin_with(index);
    }

    /// Of more addresses than any counter has, those at the end are never the first.
    fn begin_with(&mut self, index: usize) {
        self.first = u16::try_from(index).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(addresses: &Addresses) -> Vec<usize> {
        addresses.order().collect()
    }

    #[test]
    fn the_next_one_comes_first_after_a_failure_and_the_best_after_a_good_session() {
        let mut addresses = Addresses::new(["a:1", "b:1", "c:1"].map(str::to_owned).to_vec());
        assert_eq!(order(&addresses), [0, 1, 2]);
        addresses.failed(0, "refused".to_owned());
        addresses.ended(1, Some(Duration::from_secs(1)));
        assert_eq!(order(&addresses), [2, 0, 1]);
        addresses.ended(2, Some(STABLE));
        assert_eq!(order(&addresses), [0, 1, 2]);
        assert_eq!(addresses.list()[0].failures, 1);
        assert_eq!(addresses.list()[0].last_error.as_deref(), Some("refused"));
        addresses.ended(0, Some(STABLE));
        assert_eq!(addresses.list()[0].failures, 0, "it works again; the last error stays");
        assert!(addresses.list()[0].last_error.is_some());
        assert!(order(&Addresses::new(Vec::new())).is_empty());
    }

    #[test]
    fn the_best_is_tried_again_after_a_good_session_with_any() {
        for index in 0..3 {
            let mut addresses = Addresses::new(["a:1", "b:1", "c:1"].map(str::to_owned).to_vec());
            addresses.ended(index, Some(STABLE));
            assert_eq!(order(&addresses), [0, 1, 2], "{index}");
        }
    }

    #[test]
    fn one_that_is_preferred_comes_first_and_then_those_behind_it() {
        let mut addresses = Addresses::new(["a:1", "b:1", "c:1"].map(str::to_owned).to_vec());
        for (index, then) in [(1, [1, 2, 0]), (2, [2, 0, 1]), (0, [0, 1, 2])] {
            addresses.prefer(index);
            assert_eq!(order(&addresses), then);
        }
    }

    #[test]
    fn failures_are_forgotten_once_a_session_opened_and_otherwise_nothing_changes_for_who_looks() {
        let mut addresses = Addresses::new(vec!["a:1".to_owned()]);
        addresses.failed(0, "refused".to_owned());
        addresses.ended(0, None);
        assert_eq!(addresses.list()[0].failures, 1, "no session came of it");
        addresses.ended(0, Some(Duration::ZERO));
        assert_eq!(addresses.list()[0].failures, 0);
        let seen = Arc::clone(addresses.list());
        addresses.ended(0, Some(Duration::ZERO));
        assert!(Arc::ptr_eq(&seen, addresses.list()), "the list is not copied for nothing");
    }
}
