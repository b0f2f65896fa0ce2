//! Many schedules on several threads: each is a world of its own, so their order changes nothing.

use crate::plan::Request;
use crate::run::{Report, run};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Instant;

/// How many reports may wait to be looked at.
const WAITING: usize = 1024;

/// Runs requests on so many threads, and shows each report as it comes, until there are no more, the
/// time is over, or `seen` says that it has seen enough.
pub fn run_many(
    requests: impl Iterator<Item = Request> + Send,
    threads: usize,
    until: Option<Instant>,
    mut seen: impl FnMut(&Request, Report) -> Seen,
) {
    let requests = Mutex::new(requests);
    let enough = AtomicBool::new(false);
    let (to, reports) = mpsc::sync_channel(WAITING);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (to, requests, enough) = (to.clone(), &requests, &enough);
            scope.spawn(move || {
                let over = || until.is_some_and(|until| Instant::now() >= until);
                while !enough.load(Ordering::Relaxed) && !over() {
                    let next = requests.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(request) = next else { break };
                    let ran = catch_unwind(AssertUnwindSafe(|| run(&request, false)));
                    let report = ran.map_or_else(|_| Report::of_a_panic(), |(report, _)| report);
                    if to.send((request, report)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(to);
        for (request, report) in reports {
            if seen(&request, report) == Seen::Enough {
                enough.store(true, Ordering::Relaxed);
            }
        }
    });
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Further.
    More,
    /// Those that have begun are still shown.
    Enough,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn threads_change_nothing_but_the_order() {
        let hashes = |threads| {
            let mut hashes = BTreeMap::new();
            run_many((0..8).map(Request::of), threads, None, |request, report| {
                hashes.insert(request.seed, report.hash);
                Seen::More
            });
            hashes
        };
        let one = hashes(1);
        assert_eq!((one.len(), &hashes(3)), (8, &one));
    }

    #[test]
    fn enough_is_enough_and_time_is_time() {
        let mut count = 0;
        run_many((0..1_000_000).map(Request::of), 1, None, |_, _| {
            count += 1;
            Seen::Enough
        });
        assert!((1..=1 + WAITING).contains(&count), "{count}");
        run_many((0..1_000_000).map(Request::of), 2, Some(Instant::now()), |_, _| {
            panic!("the time was over")
        });
    }
}
