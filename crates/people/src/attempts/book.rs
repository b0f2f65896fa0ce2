//! What is counted of one kind of key, in bounded memory.

use super::Limits;
use std::collections::{BTreeMap, BTreeSet};

/// Failures by key. Times are those of [`super::passing`].
#[derive(Debug)]
pub(super) struct Book<K> {
    limits: Limits,
    /// An ordered map: its keys are a stranger's choice, and no choice makes it slow.
    entries: BTreeMap<K, Entry>,
    /// The same keys by when they need not wait any more. Where nobody waits, that was at the last failure.
    by_end: BTreeSet<(i64, K)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    failures: u32,
    last: i64,
}

/// What was counted when an attempt began.
#[derive(Debug)]
pub(super) struct Charge<K> {
    key: K,
    at: i64,
    /// The last failure before it, if there was one.
    before: Option<i64>,
}

impl Entry {
    fn end(self, limits: &Limits) -> i64 {
        self.last.saturating_add(limits.pause(self.failures))
    }

    fn is_forgotten(self, limits: &Limits, now: i64) -> bool {
        now.saturating_sub(self.last) >= limits.forgotten_after
    }
}

impl<K: Ord + Copy> Book<K> {
    pub(super) fn new(limits: Limits) -> Book<K> {
        Book { limits, entries: BTreeMap::new(), by_end: BTreeSet::new() }
    }

    /// How long this key has to wait; 0 if it need not. One that is not known waits if there is no room for it.
    pub(super) fn wait(&self, key: &K, now: i64) -> i64 {
        match self.entries.get(key) {
            Some(entry) => (entry.end(&self.limits) - now).max(0),
            None => self.wait_for_room(now),
        }
    }

    /// Counts a failure of a key that need not wait.
    pub(super) fn charge(&mut self, key: K, now: i64) -> Charge<K> {
        self.sweep(now);
        let before = self.entries.get(&key).copied();
        let before = before.filter(|entry| !entry.is_forgotten(&self.limits, now));
        let failures = before.map_or(0, |entry| entry.failures).saturating_add(1);
        self.put(key, Entry { failures, last: now });
        Charge { key, at: now, before: before.map(|entry| entry.last) }
    }

    /// What was counted has come true: the wait begins now.
    pub(super) fn failed(&mut self, charge: &Charge<K>, now: i64) {
        match self.entries.get(&charge.key).copied() {
            Some(entry) => self.put(charge.key, Entry { last: now, ..entry }),
            // It has made room meanwhile, or its owner has signed in: it counts anew, if it can.
            None if self.wait_for_room(now) == 0 => drop(self.charge(charge.key, now)),
            None => {}
        }
    }

    /// What was counted has not come true. The rest stays as if it had not been.
    pub(super) fn take_back(&mut self, charge: &Charge<K>) {
        let Some(entry) = self.remove(&charge.key) else { return };
        let failures = entry.failures - 1;
        // Unless somebody else has failed since.
        let last = charge.before.filter(|_| entry.last == charge.at).unwrap_or(entry.last);
        if failures > 0 {
            self.put(charge.key, Entry { failures, last });
        }
    }

    /// Nothing is counted of this key any more.
    pub(super) fn forget(&mut self, charge: &Charge<K>) {
        self.remove(&charge.key);
    }

    /// How long until the first of them makes room; 0 if there is room. No longer than the first pause: there may
    /// be room sooner, and who waits here has done nothing.
    fn wait_for_room(&self, now: i64) -> i64 {
        match self.by_end.first() {
            Some((end, _)) if self.entries.len() >= self.limits.entries => {
                (end - now).min(self.limits.first_pause).max(0)
            }
            _ => 0,
        }
    }

    /// Drops what is forgotten, as far as it is first in order.
    fn sweep(&mut self, now: i64) {
        while let Some((_, key)) = self.by_end.first().copied() {
            if !self.entries.get(&key).is_some_and(|it| it.is_forgotten(&self.limits, now)) {
                break;
            }
            self.remove(&key);
        }
    }

    /// Writes down an entry; if it is one too many, the one that has had to wait no more for the longest goes.
    fn put(&mut self, key: K, entry: Entry) {
        let is_known = self.remove(&key).is_some();
        if !is_known
            && self.entries.len() >= self.limits.entries
            && let Some((_, first)) = self.by_end.first().copied()
        {
            self.remove(&first);
        }
        self.entries.insert(key, entry);
        self.by_end.insert((entry.end(&self.limits), key));
    }

    fn remove(&mut self, key: &K) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.by_end.remove(&(entry.end(&self.limits), *key));
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits =
        Limits { free: 2, first_pause: 10, longest_pause: 60, forgotten_after: 1_000, entries: 4 };

    impl<K> Book<K> {
        pub(in crate::attempts) fn len(&self) -> usize {
            self.entries.len()
        }
    }

    /// As many failures as it takes for that wait.
    fn fail(book: &mut Book<u32>, key: u32, times: u32, now: i64) {
        for _ in 0..times {
            let charge = book.charge(key, now);
            book.failed(&charge, now);
        }
    }

    #[test]
    fn who_need_not_wait_for_the_longest_makes_room() {
        let mut book = Book::new(LIMITS);
        for (key, now) in [(1, 0), (2, 1), (3, 2), (4, 3)] {
            fail(&mut book, key, 1, now);
        }
        fail(&mut book, 1, 1, 4);
        fail(&mut book, 5, 1, 5);
        let left: Vec<u32> = book.entries.keys().copied().collect();
        assert_eq!(left, [1, 3, 4, 5], "the second had failed the longest ago");
    }

    #[test]
    fn who_waits_keeps_his_place_and_a_newcomer_waits_for_one() {
        let mut book = Book::new(LIMITS);
        fail(&mut book, 1, 4, 0);
        fail(&mut book, 2, 3, 1);
        for (key, now) in [(3, 2), (4, 2), (5, 3), (6, 4)] {
            fail(&mut book, key, 1, now);
        }
        assert_eq!((book.wait(&1, 4), book.wait(&2, 4)), (16, 7));
        fail(&mut book, 5, 2, 4);
        fail(&mut book, 6, 2, 4);
        assert_eq!(book.entries.keys().copied().collect::<Vec<_>>(), [1, 2, 5, 6], "all wait");
        assert_eq!(book.wait(&7, 4), 7, "until the first of them need not");
        assert_eq!((book.wait(&7, 10), book.wait(&7, 11)), (1, 0));
        fail(&mut book, 7, 1, 11);
        assert_eq!(book.entries.keys().copied().collect::<Vec<_>>(), [1, 5, 6, 7]);
    }

    #[test]
    fn a_newcomer_is_never_told_to_wait_long() {
        let mut book = Book::new(LIMITS);
        for key in 0..4 {
            fail(&mut book, key, 9, 0);
        }
        assert_eq!((book.wait(&0, 0), book.wait(&7, 0)), (60, 10));
        // He whose attempt began when there was room is not written down over one who waits.
        let late = Charge { key: 7, at: 0, before: None };
        book.failed(&late, 0);
        assert_eq!(book.entries.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
        book.failed(&late, 60);
        assert_eq!(book.entries.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 7]);
    }

    #[test]
    fn what_is_forgotten_is_swept_when_somebody_fails() {
        let mut book = Book::new(Limits { entries: 100, ..LIMITS });
        for key in 0..50 {
            fail(&mut book, key, 1, i64::from(key));
        }
        fail(&mut book, 77, 1, 1_024);
        assert_eq!(book.len(), 26, "those of the last thousand, and the newcomer");
    }

    #[test]
    fn what_is_taken_back_leaves_the_rest_as_it_was() {
        let mut book = Book::new(LIMITS);
        fail(&mut book, 1, 3, 0);
        let charge = book.charge(1, 500);
        assert_eq!(book.wait(&1, 500), 20);
        book.take_back(&charge);
        assert_eq!(book.entries[&1], Entry { failures: 3, last: 0 });
        // Who has failed meanwhile waits from then on.
        let charge = book.charge(1, 500);
        fail(&mut book, 1, 1, 501);
        book.take_back(&charge);
        assert_eq!(book.entries[&1], Entry { failures: 4, last: 501 });
        let charge = book.charge(2, 600);
        book.take_back(&charge);
        assert!(!book.entries.contains_key(&2));
        book.take_back(&charge);
        assert_eq!(book.len(), 1, "there is nothing left to take back");
    }

    proptest! {
        /// Whatever is done in whatever order: both orders hold the same, within the bound, and nobody who waits
        /// is forgotten.
        #[test]
        fn a_book_is_bounded_and_forgets_nobody_who_waits(
            acts in proptest::collection::vec((0..9_u32, 0..4_u8, 0..30_i64), 1..200),
        ) {
            let (mut book, mut now) = (Book::new(LIMITS), 0);
            let mut open: Vec<Charge<u32>> = Vec::new();
            for (key, act, later) in acts {
                now += later;
                let waiting: Vec<u32> =
                    book.entries.keys().copied().filter(|key| book.wait(key, now) > 0).collect();
                let mut done = None;
                match (act, open.pop()) {
                    (1, Some(charge)) => book.failed(&charge, now),
                    (2, Some(charge)) => {
                        done = Some(charge.key);
                        book.take_back(&charge);
                    }
                    (3, Some(charge)) => {
                        done = Some(charge.key);
                        book.forget(&charge);
                    }
                    (_, charge) => {
                        open.extend(charge);
                        let wait = book.wait(&key, now);
                        prop_assert!((0..=LIMITS.longest_pause).contains(&wait));
                        if wait == 0 {
                            open.push(book.charge(key, now));
                        }
                    }
                }
                prop_assert!(book.len() <= LIMITS.entries);
                let by_end: BTreeSet<(i64, u32)> =
                    book.entries.iter().map(|(key, it)| (it.end(&LIMITS), *key)).collect();
                prop_assert_eq!(&book.by_end, &by_end);
                for key in waiting {
                    prop_assert!(book.wait(&key, now) > 0 || done == Some(key), "{key}");
                }
            }
        }
    }
}
