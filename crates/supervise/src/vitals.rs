//! All tasks of a process that must live: which of them have died, and which stand still.

use crate::task::Task;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// How long a task may do nothing, not even when it is knocked at, before it is said to stand still.
/// The longest that anything here may hold a processor or wait for one is well below.
pub const STILL_AFTER: Duration = Duration::from_secs(10);

/// How long a task has had nothing to do before it is knocked at.
const KNOCK_AFTER: Duration = Duration::from_secs(4);

/// How often all are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the death of a task means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The process can do nothing right without it, and ends in order.
    Essential,
    /// It is begun anew, or its work is held; operators are told.
    Replaceable,
}

/// What ails a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ailing {
    /// Tasks that have ended though nobody asked them to, and how.
    pub dead: Vec<(String, String)>,
    /// Tasks that stand still, and for how long.
    pub still: Vec<(String, Duration)>,
    /// How many of both are [essential](Weight::Essential).
    pub essential: usize,
}

impl Ailing {
    /// Whether nothing does.
    pub fn is_nothing(&self) -> bool {
        self.dead.is_empty() && self.still.is_empty()
    }
}

impl fmt::Display for Ailing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dead = self.dead.iter().map(|(name, how)| format!("{name} has died: {how}"));
        let still = self.still.iter().map(|(name, since)| {
            format!("{name} has stood still for {:.0} s", since.as_secs_f64())
        });
        f.write_str(&dead.chain(still).collect::<Vec<_>>().join("; "))
    }
}

/// Every task of a process that lives long; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Vitals(Arc<Mutex<Vec<Seen>>>);

/// A task, and what was seen of it.
#[derive(Debug)]
struct Seen {
    task: Arc<Task>,
    weight: Weight,
    progress: u64,
    /// When it was first seen at that point.
    since: Option<Instant>,
    knocked: bool,
}

impl Vitals {
    /// Adds a task that has been begun.
    pub fn add(&self, task: Arc<Task>, weight: Weight) {
        let seen = Seen { task, weight, progress: 0, since: None, knocked: false };
        self.all().push(seen);
    }

    /// Looks at all of them, and knocks where nothing has moved for a while.
    pub fn look(&self, now: Instant) -> Ailing {
        let mut ailing = Ailing::default();
        let mut knocked_at = Vec::new();
        for seen in self.all().iter_mut() {
            let name = || seen.task.name().to_owned();
            let essential = usize::from(seen.weight == Weight::Essential);
            if let Some(end) = seen.task.end() {
                ailing.dead.push((name(), end.to_string()));
                ailing.essential += essential;
                continue;
            }
            let progress = seen.task.progress();
            let since = match seen.since {
                Some(since) if progress == seen.progress => since,
                Some(_) | None => {
                    (seen.progress, seen.since, seen.knocked) = (progress, Some(now), false);
                    continue;
                }
            };
            let still = now.saturating_duration_since(since);
            let running = progress % 2 == 1;
            if still >= STILL_AFTER && (running || seen.knocked) {
                ailing.still.push((name(), still));
                ailing.essential += essential;
            } else if still >= KNOCK_AFTER && !running && !seen.knocked {
                knocked_at.push(Arc::clone(&seen.task));
                seen.knocked = true;
            }
        }
        // Not under the lock: whoever is knocked at may want to be told of.
        let reachable: Vec<bool> = knocked_at.iter().map(|task| task.knock()).collect();
        for (task, reachable) in knocked_at.iter().zip(reachable) {
            if !reachable
                && let Some(seen) = self.all().iter_mut().find(|seen| Arc::ptr_eq(&seen.task, task))
            {
                // Nothing can be said of one that has nothing to do and cannot be reached.
                seen.knocked = false;
                seen.since = None;
            }
        }
        ailing
    }

    /// Waits until a task has ended that the process cannot do without; what died, and how.
    pub async fn failed(&self) -> String {
        let essential: Vec<Arc<Task>> = {
            let all = self.all();
            let essential = all.iter().filter(|seen| seen.weight == Weight::Essential);
            essential.map(|seen| Arc::clone(&seen.task)).collect()
        };
        let mut ends: Vec<_> = essential
            .iter()
            .map(|task| {
                let ended: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(task.ended());
                (task.name().to_owned(), ended)
            })
            .collect();
        std::future::poll_fn(|context| {
            for (name, ended) in &mut ends {
                if let Poll::Ready(end) = ended.as_mut().poll(context) {
                    return Poll::Ready(format!("{name} has died: {end}"));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Forgets all of them: from now on tasks end because they are to.
    pub fn dismiss(&self) {
        self.all().clear();
    }

    /// Looks at all of them again and again, on a thread of its own, for as long as anybody but it
    /// holds these vitals: a processor that is held up cannot hold it up. `looked` is called after each
    /// look, `told` whenever what ails changes.
    ///
    /// # Errors
    ///
    /// No thread can be begun: nobody looks.
    pub fn watch(
        &self,
        mut told: impl FnMut(&Ailing) + Send + 'static,
        mut looked: impl FnMut(&Ailing) + Send + 'static,
    ) -> io::Result<()> {
        let all = Arc::downgrade(&self.0);
        let look = move || {
            let mut last: (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
            loop {
                thread::sleep(LOOK_EVERY);
                let Some(all) = all.upgrade() else { return };
                let ailing = Vitals(all).look(Instant::now());
                let names = (
                    ailing.dead.iter().map(|(name, _)| name.clone()).collect(),
                    ailing.still.iter().map(|(name, _)| name.clone()).collect(),
                );
                if names != last {
                    told(&ailing);
                    last = names;
                }
                looked(&ailing);
            }
        };
        thread::Builder::new().name("vitals".to_owned()).spawn(look).map(drop)
    }

    // A lock, because tasks are added while others look; it is held for the look only.
    fn all(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::watched;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Waker};

    fn turn<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn who_reacts_to_a_knock_lives_and_who_does_not_stands_still() {
        let (vitals, now) = (Vitals::default(), Instant::now());
        let knocks = Arc::new(AtomicUsize::new(0));
        let heard = Arc::clone(&knocks);
        let knock = move || {
            heard.fetch_add(1, Ordering::Relaxed);
        };
        let task = Arc::new(Task::new("shard 0").knocked_by(knock));
        vitals.add(Arc::clone(&task), Weight::Essential);
        let mut work = pin!(watched(task, std::future::pending::<()>()));
        assert!(turn(work.as_mut()).is_pending());
        let mut answered = 0;
        for second in 0..100 {
            assert!(vitals.look(now + seconds(second)).is_nothing(), "{second}");
            if knocks.load(Ordering::Relaxed) > answered {
                answered += 1;
                assert!(turn(work.as_mut()).is_pending());
            }
        }
        assert!(answered > 10, "{answered}");
        let mut told = Vec::new();
        for second in 100..120 {
            told.push(vitals.look(now + seconds(second)).still);
        }
        assert_eq!(knocks.load(Ordering::Relaxed), answered + 1, "once for each standstill");
        let first = told.iter().position(|still| !still.is_empty()).expect("it stands still");
        assert!((8..=12).contains(&first), "{first}");
        assert_eq!(told[first][0].0, "shard 0");
        assert_eq!(vitals.look(now + seconds(120)).essential, 1);
        assert!(turn(work.as_mut()).is_pending());
        assert!(vitals.look(now + seconds(121)).is_nothing(), "it goes on");
    }

    #[test]
    fn who_holds_the_processor_stands_still_without_being_knocked_at() {
        let (vitals, now) = (Vitals::default(), Instant::now());
        let task = Arc::new(Task::new("link futures"));
        vitals.add(Arc::clone(&task), Weight::Replaceable);
        let within = vitals.clone();
        let mut work = pin!(watched(
            task,
            std::future::poll_fn(move |_| {
                assert!(within.look(now).is_nothing());
                assert!(within.look(now + seconds(9)).is_nothing());
                let ailing = within.look(now + seconds(10));
                assert_eq!(ailing.to_string(), "link futures has stood still for 10 s");
                Poll::Ready(())
            }),
        ));
        assert!(turn(work.as_mut()).is_ready());
        assert_eq!(
            vitals.look(now + seconds(11)).to_string(),
            "link futures has died: it came to its end"
        );
    }

    #[test]
    fn one_that_cannot_be_knocked_at_and_has_nothing_to_do_is_well() {
        let (vitals, now) = (Vitals::default(), Instant::now());
        let task = Arc::new(Task::new("a watcher"));
        vitals.add(Arc::clone(&task), Weight::Replaceable);
        let mut work = pin!(watched(task, std::future::pending::<()>()));
        assert!(turn(work.as_mut()).is_pending());
        for second in 0..100 {
            assert!(vitals.look(now + seconds(second)).is_nothing(), "{second}");
        }
    }

    #[test]
    fn only_the_death_of_what_is_essential_is_a_failure() {
        let vitals = Vitals::default();
        let (link, journal) = (Arc::new(Task::new("link")), Arc::new(Task::new("journal")));
        vitals.add(Arc::clone(&link), Weight::Replaceable);
        vitals.add(Arc::clone(&journal), Weight::Essential);
        let mut failed = pin!(vitals.failed());
        assert!(turn(pin!(watched(link, async {}))).is_ready());
        assert!(turn(failed.as_mut()).is_pending());
        let mut work = pin!(watched(journal, async { panic!("no") }));
        assert!(turn(work.as_mut()).is_ready());
        let told = Poll::Ready("journal has died: it panicked: no".to_owned());
        assert_eq!(turn(failed.as_mut()), told);
        let ailing = vitals.look(Instant::now());
        assert_eq!((ailing.dead.len(), ailing.essential), (2, 1));
    }
}
