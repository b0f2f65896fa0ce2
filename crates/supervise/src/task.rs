//! One task that lives long: whether it still does, and whether it gets on.
//!
//! Existing proves nothing, and neither does having been seen lately. Each time a task is given the
//! processor is counted; a task that has nothing to do is *knocked* at now and then, and one that does
//! not react stands still: it loops, it waits for what never comes, or nobody gives it time.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It came to its end by itself.
    Returned,
    /// It panicked; with what it said.
    Panicked(String),
    /// Nobody runs it any more: its runtime is gone, or it was aborted.
    Dropped,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Returned => f.write_str("it came to its end"),
            End::Panicked(message) => write!(f, "it panicked: {message}"),
            End::Dropped => f.write_str("it is run no more"),
        }
    }
}

/// What is known of one task.
pub struct Task {
    name: String,
    /// Odd while it has the processor.
    polls: AtomicU64,
    end: OnceLock<End>,
    waiting: Mutex<Vec<Waker>>,
    knock: Option<Box<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut task = f.debug_struct("Task");
        task.field("name", &self.name).field("end", &self.end.get()).finish_non_exhaustive()
    }
}

impl Task {
    /// A task that nobody runs yet. `name` is for operators.
    pub fn new(name: impl Into<String>) -> Task {
        Task {
            name: name.into(),
            polls: AtomicU64::new(0),
            end: OnceLock::new(),
            waiting: Mutex::default(),
            knock: None,
        }
    }

    /// The same, with a way to make it run for a moment when it has nothing to do. Without one only
    /// a task that holds the processor is said to stand still. It must not wait.
    #[must_use]
    pub fn knocked_by(self, knock: impl Fn() + Send + Sync + 'static) -> Task {
        Task { knock: Some(Box::new(knock)), ..self }
    }

    /// What operators call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it ended; `None` while it goes on.
    pub fn end(&self) -> Option<&End> {
        self.end.get()
    }

    /// Counts up whenever it runs; odd while it does.
    pub fn progress(&self) -> u64 {
        self.polls.load(Ordering::Acquire)
    }

    /// Makes it run for a moment, if it can be made to.
    pub(crate) fn knock(&self) -> bool {
        if let Some(knock) = &self.knock {
            knock();
        }
        self.knock.is_some()
    }

    /// Waits until it has ended.
    pub async fn ended(&self) -> End {
        std::future::poll_fn(|context| {
            if let Some(end) = self.end.get() {
                return Poll::Ready(end.clone());
            }
            self.waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(context.waker().clone());
            // It may have ended in between.
            self.end.get().cloned().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn over(&self, end: End) {
        // The first word is the true one.
        let _ = self.end.set(end);
        let waiting =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// Runs a future as a task that is watched. A panic ends it, and goes no further.
pub fn watched<F: Future>(task: Arc<Task>, future: F) -> Watched<F> {
    Watched { task, work: CatchUnwind(Box::pin(future)), over: false }
}

/// See [`watched`]. Its output is how it ended.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is run"]
pub struct Watched<F> {
    task: Arc<Task>,
    work: CatchUnwind<F>,
    over: bool,
}

impl<F: Future> Future for Watched<F> {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        self.task.polls.fetch_add(1, Ordering::AcqRel);
        let polled = Pin::new(&mut self.work).poll(context);
        self.task.polls.fetch_add(1, Ordering::AcqRel);
        let end = match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(_)) => End::Returned,
            Poll::Ready(Err(panic)) => End::Panicked(message(panic.as_ref())),
        };
        self.over = true;
        self.task.over(end.clone());
        Poll::Ready(end)
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        if !self.over {
            self.task.over(End::Dropped);
        }
    }
}

/// A future whose panic is its result.
#[derive(Debug)]
pub struct CatchUnwind<F>(Pin<Box<F>>);

impl<F: Future> CatchUnwind<F> {
    /// Wraps one. Whoever uses on what it borrowed says that this is whole after a panic.
    pub fn of(future: F) -> CatchUnwind<F> {
        CatchUnwind(Box::pin(future))
    }
}

impl<F: Future> Future for CatchUnwind<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// What a panic said.
pub fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn how_a_task_ended_is_known_and_told() {
        let task = Arc::new(Task::new("work"));
        let mut waits = pin!(task.ended());
        assert!(poll(waits.as_mut()).is_pending());
        let mut work = pin!(watched(Arc::clone(&task), async { panic!("broken {}", 7) }));
        let end = End::Panicked("broken 7".to_owned());
        assert_eq!(poll(work.as_mut()), Poll::Ready(end.clone()));
        assert_eq!(poll(waits.as_mut()), Poll::Ready(end.clone()));
        assert_eq!(task.end(), Some(&end));
        assert_eq!(end.to_string(), "it panicked: broken 7");

        let task = Arc::new(Task::new("work"));
        assert_eq!(poll(pin!(watched(Arc::clone(&task), async {}))), Poll::Ready(End::Returned));
        assert_eq!(task.end(), Some(&End::Returned));

        let task = Arc::new(Task::new("work"));
        drop(watched(Arc::clone(&task), std::future::pending::<()>()));
        assert_eq!(task.end(), Some(&End::Dropped));
    }

    #[test]
    fn whenever_it_runs_it_gets_on() {
        let task = Arc::new(Task::new("work"));
        let inside = Arc::clone(&task);
        let mut work = Box::pin(watched(
            Arc::clone(&task),
            std::future::poll_fn(move |_| {
                assert_eq!(inside.progress() % 2, 1, "it has the processor");
                Poll::<()>::Pending
            }),
        ));
        for turns in 1..=3 {
            assert!(poll(work.as_mut()).is_pending());
            assert_eq!(task.progress(), 2 * turns);
        }
    }
}
