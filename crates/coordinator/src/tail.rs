//! Finds the end of a counter's day: the last of its entries, where only pages from the beginning can be
//! asked for and nobody knows how many there are. Pure: an offset goes out, whether there is an entry
//! comes in. A day of a million entries takes some forty questions of one entry each.

use domain::message::EntriesQuery;

/// Entries of a page.
const PAGE: u32 = EntriesQuery::LONGEST_PAGE as u32;

/// Where the end is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Search {
    /// There is an entry here.
    there: u32,
    /// There is none from here on; `None` while that is not known.
    beyond: Option<u32>,
}

impl Search {
    /// After a first page that was full, and not all.
    pub(crate) fn behind_a_page() -> Search {
        Search { there: PAGE - 1, beyond: None }
    }

    /// Whether there is an entry at which offset is to be asked; `None` once the last is known.
    pub(crate) fn next(&self) -> Option<u32> {
        match self.beyond {
            None => Some(self.there.saturating_mul(2)).filter(|next| *next > self.there),
            Some(beyond) if beyond - self.there > 1 => Some(self.there + (beyond - self.there) / 2),
            Some(_) => None,
        }
    }

    /// What was said of an offset that was asked about.
    pub(crate) fn said(&mut self, offset: u32, is_there: bool) {
        if is_there {
            self.there = self.there.max(offset);
        } else {
            let beyond = self.beyond.map_or(offset, |beyond| beyond.min(offset));
            // A counter that takes back what it said is asked no further.
            self.beyond = Some(beyond.max(self.there.saturating_add(1)));
        }
    }

    /// Where the last page begins.
    pub(crate) fn last_page(&self) -> u32 {
        self.there.saturating_sub(PAGE - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_is_found_in_few_questions_however_long_the_day() {
        // The first: it said that there were more, and there are none.
        for length in [500, 501, 502, 998, 999, 1000, 1001, 65_536, 1_000_000, u32::MAX - 1] {
            let mut search = Search::behind_a_page();
            let mut questions = 0;
            while let Some(offset) = search.next() {
                search.said(offset, offset < length);
                questions += 1;
                assert!(questions < 70, "{length}");
            }
            assert_eq!(search.last_page(), length - PAGE, "{length} in {questions}");
        }
    }

    #[test]
    fn a_day_without_an_end_is_asked_about_as_far_as_it_can_be() {
        let mut search = Search::behind_a_page();
        let mut questions = 0;
        while let Some(offset) = search.next() {
            search.said(offset, true);
            questions += 1;
            assert!(questions < 70);
        }
        assert_eq!(search.last_page(), u32::MAX - (PAGE - 1));
        search.said(u32::MAX, false);
        assert_eq!(search.next(), None);
    }

    #[test]
    fn a_counter_that_contradicts_itself_is_not_asked_for_ever() {
        for seed in 0..200_u32 {
            let mut search = Search::behind_a_page();
            let mut questions = 0_u32;
            while let Some(offset) = search.next() {
                let is_there = (seed >> (questions % 8)) & 1 == 1;
                search.said(offset, is_there);
                questions += 1;
                assert!(questions < 100, "{seed}");
            }
        }
    }
}
