//! Stories of one transfer, for each way in which a counter may be weak: those of a debug build. All of them are told by
//! `cargo xtask simulate --stories`, which CI runs optimized.

use simulation::stories::Chapter;
use std::io::{self, Write};

/// Tells some and fails with the story of the first that must not be.
fn check(chapter: Chapter) {
    let (budget, count) = chapter.tell_briefly();
    // Past the test runner, which shows what is printed only of tests that fail.
    let stories = count.stories;
    let _ = writeln!(io::stdout(), "{chapter:?}, {budget:?}: {stories} stories, {:?}", count.ends);
    assert!(stories > 100, "{chapter:?}: they are told");
    if let Some((choices, text, findings)) = count.failed {
        for line in text {
            println!("{line}");
        }
        panic!("{chapter:?}: {findings:?} after the choices {choices:?}");
    }
}

#[test]
fn modern_counters() {
    check(Chapter::Modern);
}

#[test]
fn refusals_that_do_not_stick() {
    check(Chapter::Fickle);
}

#[test]
fn counters_that_do_not_dedupe() {
    check(Chapter::WithoutDedupe);
}

#[test]
fn counters_that_cannot_fence() {
    check(Chapter::WithoutFence);
}

#[test]
fn counters_that_can_do_nothing() {
    check(Chapter::Weakest);
    check(Chapter::WithoutReversal);
}
