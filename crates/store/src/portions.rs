//! Which portions of an index are looked into for a page, the newest first, and when it is done.

use crate::query::CHUNK;
use std::collections::{BTreeSet, VecDeque};

/// Portions looked into by the first question; each further one looks into eight times as many.
const FIRST_PORTIONS: usize = if cfg!(test) { 1 } else { 8 };

/// Portions, each with the newest that it holds, the newest first, and how many of them are looked into next.
pub(crate) struct Portions {
    rest: VecDeque<(i64, i64)>,
    now: usize,
}

impl Portions {
    pub(crate) fn new(newest_first: Vec<(i64, i64)>) -> Portions {
        Portions { rest: newest_first.into(), now: FIRST_PORTIONS }
    }

    /// Those that are looked into next; `None` once nothing that is left in any can be on the page.
    pub(crate) fn next_for(&mut self, page: &BTreeSet<i64>, length: usize) -> Option<Vec<i64>> {
        let (_, newest) = self.rest.front()?;
        if is_done(page, length, *newest) {
            return None;
        }
        let these = self.rest.drain(..self.now.min(self.rest.len()));
        let these = these.map(|(portion, _)| portion).collect();
        self.now = (self.now * 8).min(CHUNK);
        Some(these)
    }
}

/// Keeps the newest.
pub(crate) fn shorten(page: &mut BTreeSet<i64>, length: usize) {
    while page.len() > length {
        page.pop_first();
    }
}

/// Whether nothing that is as old as `newest` or older can be on the page: it is full, and ends with
/// something newer.
fn is_done(page: &BTreeSet<i64>, length: usize, newest: i64) -> bool {
    page.len() >= length && page.first().is_some_and(|last| *last > newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page is done when it is full of what is newer than all that is left.
    #[test]
    fn a_page_is_done_once_nothing_older_belongs_on_it() {
        let full = BTreeSet::from([5, 6]);
        for (length, newest, expected) in
            [(2, 4, true), (1, 4, true), (2, 5, false), (2, 7, false), (3, 4, false)]
        {
            assert_eq!(is_done(&full, length, newest), expected, "{length} {newest}");
        }
        assert!(!is_done(&BTreeSet::new(), 0, 4));
    }
}
