//! What is counted over all open transfers, once for all who ask. A count goes through every one of them in the shards,
//! which have transfers to drive: however many ask for it, one count at most is on its way, and the next is made no sooner
//! than a while after it. The summary alone is counted anew for each who asks.

use crate::conserved::Transit;
use crate::summary::Summary;
use std::sync::Arc;
use std::time::Duration;
use supervise::task::{CatchUnwind, message};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// How long what was counted is told before it is counted anew.
pub const COUNT_LASTS: Duration = Duration::from_secs(1);

/// How long the shards are waited for. One that stands still says nothing, and nobody waits for it for ever.
pub const COUNTED_WITHIN: Duration = Duration::from_secs(2);

/// How long whoever asks waits at most: for a count that may be on its way, and somewhat longer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// How many who ask are answered together; more wait for the next turn.
const TOGETHER: usize = 256;

/// What was counted over all open transfers that are durable, at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How things stand.
    pub summary: Summary,
    /// Money in transit, and whether it is conserved.
    pub transit: Transit,
}

/// Why nothing is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncounted {
    /// The bridge is stopping: what some shards know is not told as all.
    #[error("the bridge is stopping")]
    Stopping,
    /// This software failed at it; the log has why.
    #[error("the transfers could not be counted: this software failed at it, and its log has why")]
    Failed,
    /// Some shard did not count its transfers within [`COUNTED_WITHIN`].
    #[error("the transfers were not counted within {} s", COUNTED_WITHIN.as_secs())]
    Late,
}

type Answer = Result<Arc<Counted>, Uncounted>;
type Asker = oneshot::Sender<Answer>;

/// Where it is asked for.
#[derive(Debug)]
pub(crate) struct Counts(mpsc::Sender<Asker>);

/// Those who ask, for the task that answers them.
pub(crate) type Asking = mpsc::Receiver<Asker>;

impl Counts {
    pub(crate) fn new() -> (Counts, Asking) {
        let (to, asking) = mpsc::channel(TOGETHER);
        (Counts(to), asking)
    }

    /// What was counted last, if that is not too long ago, or else what is counted next.
    pub(crate) async fn ask(&self) -> Answer {
        let asked = async {
            let (to, answer) = oneshot::channel();
            self.0.send(to).await.ok()?;
            answer.await.ok()
        };
        match timeout(ANSWERED_WITHIN, asked).await {
            Ok(Some(answer)) => answer,
            Ok(None) if self.0.is_closed() => Err(Uncounted::Stopping),
            Ok(None) | Err(_) => Err(Uncounted::Late),
        }
    }
}

/// Answers all who ask. That something was not counted is told as long as what was: a shard that stands still is not asked
/// by everybody.
pub(crate) async fn answer<F: Future<Output = Answer>>(asking: &mut Asking, count: impl Fn() -> F) {
    let mut last: Option<(Instant, Answer)> = None;
    let mut askers = Vec::with_capacity(TOGETHER);
    while asking.recv_many(&mut askers, TOGETHER).await > 0 {
        // Nothing is counted for those who have gone.
        askers.retain(|asker| !asker.is_closed());
        if askers.is_empty() {
            continue;
        }
        let answer = match last.take() {
            Some((until, answer)) if Instant::now() < until => {
                last = Some((until, answer.clone()));
                answer
            }
            Some(_) | None => {
                let counted = timeout(COUNTED_WITHIN, or_say(count())).await;
                let answer = counted.unwrap_or(Err(Uncounted::Late));
                last = Some((Instant::now() + COUNT_LASTS, answer.clone()));
                answer
            }
        };
        for asker in askers.drain(..) {
            // Whoever does not wait any more is not told.
            let _ = asker.send(answer.clone());
        }
    }
}

/// What was counted; where this software fails at it, that is told, and whoever asked is. No transfer depends on it: however
/// often it fails, and whoever asks, it ends no process.
async fn or_say(count: impl Future<Output = Answer>) -> Answer {
    CatchUnwind::of(count).await.unwrap_or_else(|panic| {
        metrics::counter!("tasks_failed_total").increment(1);
        let why = message(panic.as_ref());
        tracing::error!(why, "open transfers were not counted");
        Err(Uncounted::Failed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::cell::Cell;
    use tokio::task::yield_now;
    use tokio::time::advance;

    const A_MOMENT: Duration = Duration::from_millis(1);

    /// The number of a count, as its time.
    fn numbered(at: i64) -> Arc<Counted> {
        Arc::new(Counted { transit: Transit { at, ..Transit::default() }, ..Counted::default() })
    }

    /// Asks beside the task that answers.
    async fn beside<F: Future<Output = Answer>>(
        asking: &mut Asking,
        count: impl Fn() -> F,
        asked: impl Future<Output = ()>,
    ) {
        tokio::select! {
            () = asked => {}
            () = answer(asking, count) => panic!("it answers for as long as it is asked"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn two_hundred_who_ask_at_once_are_told_one_count_and_later_ones_the_next() {
        let (counts, mut asking) = Counts::new();
        let (made, busy) = (Cell::new(0), Cell::new(false));
        let count = || async {
            assert!(!busy.replace(true), "one is on its way at most");
            made.set(made.get() + 1);
            // Whoever asks meanwhile is told the same.
            for _ in 0..10 {
                yield_now().await;
            }
            busy.set(false);
            Ok(numbered(made.get()))
        };
        let two_hundred = || join_all((0..200).map(|_| counts.ask()));
        let asked = async {
            let (some, others) = tokio::join!(two_hundred(), async {
                yield_now().await;
                two_hundred().await
            });
            for told in some.into_iter().chain(others) {
                assert_eq!(told, Ok(numbered(1)));
            }
            advance(COUNT_LASTS.saturating_sub(A_MOMENT)).await;
            assert_eq!(counts.ask().await, Ok(numbered(1)));
            advance(A_MOMENT).await;
            for told in two_hundred().await {
                assert_eq!(told, Ok(numbered(2)));
            }
        };
        beside(&mut asking, count, asked).await;
        assert_eq!(made.get(), 2);
    }

    /// One that stands still is waited for so long, asked by one, and asked again after a while.
    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_a_shard_that_stands_still() {
        let (counts, mut asking) = Counts::new();
        let made = Cell::new(0);
        let count = || async {
            made.set(made.get() + 1);
            if made.get() == 1 {
                std::future::pending::<()>().await;
            }
            Ok(numbered(made.get()))
        };
        let asked = async {
            let began = Instant::now();
            let told = join_all((0..200).map(|_| counts.ask())).await;
            assert!(told.into_iter().all(|told| told == Err(Uncounted::Late)));
            assert_eq!(began.elapsed(), COUNTED_WITHIN);
            assert_eq!(counts.ask().await, Err(Uncounted::Late), "it is told at once");
            assert_eq!((began.elapsed(), made.get()), (COUNTED_WITHIN, 1));
            advance(COUNT_LASTS).await;
            assert_eq!(counts.ask().await, Ok(numbered(2)));
        };
        beside(&mut asking, count, asked).await;
    }

    /// However often this software fails at a count, whoever asks is told so, and the next count is made.
    #[tokio::test(start_paused = true)]
    async fn a_count_that_fails_is_told_and_ends_nothing() {
        let (counts, mut asking) = Counts::new();
        let made = Cell::new(0);
        let count = || async {
            made.set(made.get() + 1);
            assert!(made.get() > 10, "this software fails at it");
            Ok(numbered(made.get()))
        };
        let asked = async {
            for _ in 0..10 {
                assert_eq!(counts.ask().await, Err(Uncounted::Failed));
                advance(COUNT_LASTS).await;
            }
            assert_eq!(counts.ask().await, Ok(numbered(11)));
        };
        beside(&mut asking, count, asked).await;
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_counted_for_those_who_have_gone_and_the_end_is_told() {
        let (counts, mut asking) = Counts::new();
        let made = Cell::new(0);
        let count = || async {
            made.set(made.get() + 1);
            Ok(numbered(made.get()))
        };
        // Nobody answers: who asks is told so in time.
        let began = Instant::now();
        assert_eq!(counts.ask().await, Err(Uncounted::Late));
        assert_eq!(began.elapsed(), ANSWERED_WITHIN);
        let asked = async {
            for _ in 0..10 {
                yield_now().await;
            }
            assert_eq!(made.get(), 0, "whoever asked has gone");
            assert_eq!(counts.ask().await, Ok(numbered(1)));
        };
        beside(&mut asking, count, asked).await;
        drop(asking);
        assert_eq!(counts.ask().await, Err(Uncounted::Stopping));
    }
}
