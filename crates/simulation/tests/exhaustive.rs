//! Every story of one transfer, for each way in which a counter may be weak.

use domain::profile::Profile;
use simulation::exhaustive::{Budget, tell_all};
use std::io::{self, Write};

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

/// Tells all and fails with the story of the first that must not be.
fn check(name: &str, budgets: &[Budget], source: &Profile, destination: &Profile) {
    for budget in budgets {
        check_one(name, *budget, source, destination);
    }
}

fn check_one(name: &str, budget: Budget, source: &Profile, destination: &Profile) {
    let begun = std::time::Instant::now();
    let count = tell_all(source, destination, budget);
    let took = begun.elapsed();
    // Past the test runner, which shows what is printed only of tests that fail.
    let stories = count.stories;
    let _ = writeln!(
        io::stdout(),
        "{name}, {budget:?}: {stories} stories in {took:.1?}, {:?}",
        count.ends
    );
    if let Some((choices, text, findings)) = count.failed {
        for line in text {
            println!("{line}");
        }
        panic!("{name}: {findings:?} after the choices {choices:?}");
    }
}

#[test]
fn modern_counters() {
    check("modern", ALL, &Profile::default(), &Profile::default());
}

#[test]
fn refusals_that_do_not_stick() {
    let weak = Profile { refusals_stick: false, ..Profile::default() };
    check("fickle", PAIRS, &weak, &weak);
    check("fickle", COPIES, &weak, &weak);
}

#[test]
fn counters_that_do_not_dedupe() {
    let weak = Profile { dedupes: false, ..Profile::default() };
    check("without dedupe", PAIRS, &weak, &weak);
}

#[test]
fn counters_that_cannot_fence() {
    let weak = Profile { can_fence: false, in_flight_limit_ms: LIMIT_MS, ..Profile::default() };
    check("without fence", PAIRS, &weak, &weak);
}

#[test]
fn counters_that_can_do_nothing() {
    let weak = Profile {
        dedupes: false,
        refusals_stick: false,
        can_fence: false,
        can_query_reversals: false,
        in_flight_limit_ms: LIMIT_MS,
        ..Profile::default()
    };
    check("weakest", PAIRS, &weak, &weak);
    let none = Profile { can_reverse: false, ..weak };
    check("without reversal", PAIRS, &none, &none);
}
