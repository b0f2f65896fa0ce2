//! Where requests wait for one connection's task, and the bell that wakes it. What is asked together
//! is handed over as one piece and wakes the task once; empty, it holds no memory.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// See the module.
// A lock, because many ask and one task takes; it is held while a list changes hands. Its bound is
// that of the queue: whoever posts has found room there before.
#[derive(Debug)]
pub(crate) struct Mailbox<T>(Mutex<Inside<T>>);

#[derive(Debug)]
struct Inside<T> {
    queued: Vec<T>,
    waker: Option<Waker>,
    /// Somebody gave a command.
    rung: bool,
    /// Nobody can ask any more.
    abandoned: bool,
    /// Nobody takes any more.
    closed: bool,
}

/// What a look brought besides requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Post {
    /// Requests came.
    pub(crate) requests: bool,
    /// The bell was rung.
    pub(crate) rung: bool,
    /// Nobody can ask any more.
    pub(crate) abandoned: bool,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Mailbox<T> {
        let (queued, waker) = (Vec::new(), None);
        Mailbox(Mutex::new(Inside { queued, waker, rung: false, abandoned: false, closed: false }))
    }
}

impl<T> Mailbox<T> {
    /// Leaves one request.
    pub(crate) fn post(&self, request: T) {
        let mut inside = self.inside();
        if inside.closed {
            drop(inside);
            // It says so itself.
            drop(request);
            return;
        }
        inside.queued.push(request);
        wake(inside);
    }

    /// Leaves them all.
    pub(crate) fn post_all(&self, mut requests: Vec<T>) {
        let mut inside = self.inside();
        if inside.closed {
            drop(inside);
            drop(requests);
            return;
        }
        if inside.queued.is_empty() {
            std::mem::swap(&mut inside.queued, &mut requests);
        } else {
            inside.queued.append(&mut requests);
        }
        wake(inside);
        drop(requests);
    }

    /// Wakes the task without a request.
    pub(crate) fn ring(&self) {
        let mut inside = self.inside();
        inside.rung = true;
        wake(inside);
    }

    /// Nobody will ask any more.
    pub(crate) fn abandon(&self) {
        let mut inside = self.inside();
        inside.abandoned = true;
        wake(inside);
    }

    /// Nothing is taken any more: what was left, and whatever comes, is dropped.
    pub(crate) fn close(&self) {
        let mut inside = self.inside();
        inside.closed = true;
        let left = std::mem::take(&mut inside.queued);
        drop(inside);
        drop(left);
    }

    /// Whether nobody can ask any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.inside().abandoned
    }

    /// Takes all that was left. Pending if there is no news; the task is then woken by the next.
    /// `known` is whether it is news that nobody can ask any more.
    pub(crate) fn poll(
        &self,
        context: &mut Context<'_>,
        into: &mut Vec<T>,
        known: bool,
    ) -> Poll<Post> {
        let mut inside = self.inside();
        let post = Post {
            requests: !inside.queued.is_empty(),
            rung: std::mem::take(&mut inside.rung),
            abandoned: inside.abandoned && !known,
        };
        if into.is_empty() {
            std::mem::swap(into, &mut inside.queued);
        } else {
            into.append(&mut inside.queued);
        }
        if post != Post::default() {
            return Poll::Ready(post);
        }
        if !inside.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            inside.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    fn inside(&self) -> MutexGuard<'_, Inside<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake<T>(mut inside: MutexGuard<'_, Inside<T>>) {
    let waker = inside.waker.take();
    drop(inside);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asks, at};
    use port::{NotSent, RequestOutcome};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_comes_before_the_next_look_wakes_once_and_is_taken_together() {
        let (mailbox, mut asks) = (Mailbox::default(), asks());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut taken = Vec::new();
        assert!(mailbox.poll(&mut context, &mut taken, false).is_pending());
        mailbox.post(asks.debit(at(1)));
        mailbox.post_all(vec![asks.debit(at(1)), asks.debit(at(1))]);
        mailbox.ring();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        let news = Poll::Ready(Post { requests: true, rung: true, abandoned: false });
        assert_eq!(mailbox.poll(&mut context, &mut taken, false), news);
        assert_eq!(taken.len(), 3);
        assert!(mailbox.poll(&mut context, &mut taken, false).is_pending());
    }

    #[test]
    fn what_nobody_takes_says_so_itself() {
        let (mailbox, mut asks) = (Mailbox::default(), asks());
        mailbox.post(asks.debit(at(1)));
        mailbox.close();
        mailbox.post(asks.debit(at(1)));
        mailbox.post_all(vec![asks.debit(at(1))]);
        let told = asks.outcomes();
        assert_eq!(told.len(), 3);
        assert!(
            told.iter().all(|(_, outcome)| *outcome == RequestOutcome::NotSent(NotSent::Stopping))
        );
    }

    #[test]
    fn that_nobody_can_ask_any_more_is_news_once() {
        let mailbox = Mailbox::<u64>::default();
        let mut context = Context::from_waker(Waker::noop());
        assert!(!mailbox.is_abandoned());
        mailbox.abandon();
        assert!(mailbox.is_abandoned());
        let mut taken = Vec::new();
        let news = Poll::Ready(Post { abandoned: true, ..Post::default() });
        assert_eq!(mailbox.poll(&mut context, &mut taken, false), news);
        assert!(mailbox.poll(&mut context, &mut taken, true).is_pending());
    }
}
