//! Tasks beside the shards: after a panic they are begun anew, with growing pauses. One that goes on
//! failing ends the process in order: what it does cannot be done without.

use std::sync::Arc;
use supervise::budget::{Budget, MOST, Next};
use supervise::task::{CatchUnwind, Task, message, watched};
use supervise::vitals::{Vitals, Weight};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where they run, until when, and who watches them.
pub(crate) struct Enduring<'a> {
    pub(crate) vitals: &'a Vitals,
    pub(crate) tasks: &'a TaskTracker,
    pub(crate) stop: &'a CancellationToken,
}

impl Enduring<'_> {
    /// Runs what `work` makes until it comes to its end or everything is to stop, and makes it anew
    /// after each panic.
    pub(crate) fn spawn<F>(&self, name: impl Into<String>, work: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = name.into();
        let task = Arc::new(Task::new(name.clone()));
        self.vitals.add(Arc::clone(&task), Weight::Essential);
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let lasting = async {
                stop.run_until_cancelled(endure(&name, work)).await;
                // Some come to their end when there is nothing more to do for them. That is no
                // death while the process goes on.
                stop.cancelled().await;
            };
            watched(task, lasting).await
        });
    }
}

async fn endure<F: Future<Output = ()>>(name: &str, work: impl Fn() -> F) {
    let (begun, mut budget) = (Instant::now(), Budget::default());
    while let Err(panic) = CatchUnwind::of(work()).await {
        let why = message(panic.as_ref());
        metrics::counter!("tasks_failed_total").increment(1);
        match budget.failed(begun.elapsed()) {
            Next::After(pause) => {
                tracing::error!(task = name, why, ?pause, "a task failed, and is begun anew");
                sleep(pause).await;
            }
            Next::Hold => panic!("it failed {MOST} times within minutes, the last time: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    async fn run(fails: usize) -> (usize, Vitals, CancellationToken) {
        let (vitals, tasks, stop) =
            (Vitals::default(), TaskTracker::new(), CancellationToken::new());
        let times = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&times);
        let enduring = Enduring { vitals: &vitals, tasks: &tasks, stop: &stop };
        enduring.spawn("a watcher", move || {
            let time = counted.fetch_add(1, Ordering::Relaxed);
            async move { assert!(time >= fails, "no") }
        });
        // All pauses together.
        sleep(std::time::Duration::from_mins(1)).await;
        (times.load(Ordering::Relaxed), vitals, stop)
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_now_and_then_is_begun_anew_and_coming_to_an_end_is_no_death() {
        let (times, vitals, _stop) = run(3).await;
        assert_eq!(times, 4);
        assert!(vitals.look(std::time::Instant::now()).is_nothing());
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_failing_ends_the_process() {
        let (times, vitals, _stop) = run(usize::MAX).await;
        assert_eq!(times, MOST);
        let told = vitals.failed().await;
        assert!(told.starts_with("a watcher has died: it panicked: it failed 5 times"), "{told}");
    }
}
