//! Schedules of faults: those that once failed, and new ones with every run.

use simulation::{Class, Report, Request, known, run};
use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// New schedules are run for so long: CI runs far more of them, optimized.
const FRESH: Duration = Duration::from_secs(3);

fn check(seed: u64) -> Report {
    check_this(&Request::of(seed))
}

fn check_this(request: &Request) -> Report {
    let (report, _) = run(request, false);
    let seed = request.seed;
    let classes: Vec<&str> = request.classes.iter().map(|class| class.as_str()).collect();
    assert!(
        report.findings.is_empty(),
        "seed {seed}: {:?}\nits story: cargo xtask simulate --seed {seed} --only {}",
        report.findings,
        classes.join(",")
    );
    report
}

#[test]
fn what_once_failed_does_not_fail_again() {
    for request in known::schedules() {
        check_this(&request);
    }
    for seed in 0..40 {
        check(seed);
    }
}

/// Schedules in which this class occurs, beside whatever else may.
fn check_class(class: Class, schedules: usize) {
    let mut run = 0;
    for seed in 0.. {
        let request = Request::of(seed);
        if !simulation::plan::Plan::of(&request).has(class) {
            continue;
        }
        check_this(&request);
        run += 1;
        if run == schedules {
            return;
        }
    }
}

#[test]
fn a_lying_counter_harms_nobody_but_itself() {
    check_class(Class::Liar, 40);
}

#[test]
fn a_restored_record_doubles_nothing_and_believes_no_old_posting() {
    check_class(Class::Restored, 40);
}

#[test]
fn a_seed_is_the_same_schedule_every_time() {
    for seed in 0..10 {
        assert_eq!(check(seed).hash, check(seed).hash, "seed {seed}");
    }
}

#[test]
fn new_schedules_find_nothing() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    let first = now.as_secs() * 1_000;
    let begun = Instant::now();
    let (mut seed, mut transfers, mut passed) = (first, 0, 0);
    while begun.elapsed() < FRESH {
        let report = check(seed);
        (seed, transfers, passed) =
            (seed + 1, transfers + report.transfers, passed + report.passed);
    }
    // Past the test runner, which shows what is printed only of tests that fail.
    let _ = writeln!(
        io::stdout(),
        "seeds {first}..{seed}: {transfers} transfers, {} s of virtual time in {:.0?}",
        passed / 1_000_000,
        begun.elapsed()
    );
}
