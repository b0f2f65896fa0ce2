//! Which stories of one transfer are told: for each way in which a counter may be weak, what may go
//! wrong at once.

use crate::exhaustive::{Budget, Count, tell_all};
use domain::profile::Profile;

/// One death or refusal of the database, one fate of a posting, one fate of a question; all at once.
const ALL: &[Budget] = &[Budget { journal: 1, postings: 1, questions: 1 }];

/// Any two of them; weak counters are asked so often that all three would take minutes.
const PAIRS: &[Budget] = &[
    Budget { journal: 1, postings: 1, questions: 0 },
    Budget { journal: 1, postings: 0, questions: 1 },
    Budget { journal: 0, postings: 1, questions: 1 },
    Budget { journal: 0, postings: 2, questions: 0 },
    Budget { journal: 2, postings: 0, questions: 0 },
];

/// Two fates of postings and a death: what it takes to confuse copies of one leg.
const COPIES: &[Budget] = &[Budget { journal: 1, postings: 2, questions: 0 }];

/// Longer than a request is waited for, short enough that few questions are asked before it is over.
const LIMIT_MS: u64 = 12_000;

/// What kind of counters a chapter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chapter {
    /// They can do everything.
    Modern,
    /// Their refusals do not stick.
    Fickle,
    /// They do not dedupe.
    WithoutDedupe,
    /// They cannot fence.
    WithoutFence,
    /// They can do next to nothing.
    Weakest,
    /// They cannot even undo.
    WithoutReversal,
}

impl Chapter {
    /// All chapters, the shortest first.
    pub const ALL: [Chapter; 6] = [
        Chapter::WithoutDedupe,
        Chapter::WithoutFence,
        Chapter::Weakest,
        Chapter::WithoutReversal,
        Chapter::Fickle,
        Chapter::Modern,
    ];

    /// What its counters can do, both of them.
    fn profile(self) -> Profile {
        let weakest = Profile {
            dedupes: false,
            refusals_stick: false,
            can_fence: false,
            can_query_reversals: false,
            in_flight_limit_ms: LIMIT_MS,
            ..Profile::default()
        };
        match self {
            Chapter::Modern => Profile::default(),
            Chapter::Fickle => Profile { refusals_stick: false, ..Profile::default() },
            Chapter::WithoutDedupe => Profile { dedupes: false, ..Profile::default() },
            Chapter::WithoutFence => {
                Profile { can_fence: false, in_flight_limit_ms: LIMIT_MS, ..Profile::default() }
            }
            Chapter::Weakest => weakest,
            Chapter::WithoutReversal => Profile { can_reverse: false, ..weakest },
        }
    }

    fn budgets(self) -> impl Iterator<Item = Budget> {
        let (first, second) = match self {
            Chapter::Modern => (ALL, &[][..]),
            Chapter::Fickle => (PAIRS, COPIES),
            Chapter::WithoutDedupe
            | Chapter::WithoutFence
            | Chapter::Weakest
            | Chapter::WithoutReversal => (PAIRS, &[][..]),
        };
        first.iter().chain(second).copied()
    }

    /// Tells those of its stories in which one thing goes wrong with the journal and one with a posting: some seconds of a
    /// debug build, where all of them take a minute.
    pub fn tell_briefly(self) -> (Budget, Count) {
        let (profile, budget) = (self.profile(), PAIRS[0]);
        (budget, tell_all(&profile, &profile, budget))
    }

    /// Tells all its stories, one budget after another, up to the first that must not be.
    pub fn tell(self) -> impl Iterator<Item = (Budget, Count)> {
        let profile = self.profile();
        let mut failed = false;
        self.budgets().map_while(move |budget| {
            if failed {
                return None;
            }
            let count = tell_all(&profile, &profile, budget);
            failed = count.failed.is_some();
            Some((budget, count))
        })
    }
}
