//! How many may claim one channel at the acceptor after they have proven who they are, and how often. A
//! proof gives a counter its own connections, not everybody else's: whoever holds a key and signs on
//! without end is turned away at once, and costs no more than a stranger.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How many wait at once until they are let in or refused: one is being judged, one stands behind it,
/// and a counter whose network flaps may have left two more.
pub(crate) const WAITING: usize = 4;

/// How many sign-ons in a row are taken without a pause.
pub(crate) const IN_A_ROW: u32 = 20;

/// How soon another is taken after those. A counter that comes back waits half a second at first,
/// then ever longer.
pub(crate) const EACH: Duration = Duration::from_secs(1);

/// See the module. One for each channel of each counter.
#[derive(Debug)]
pub(crate) struct Gate(Mutex<Inside>);

#[derive(Debug)]
struct Inside {
    waiting: usize,
    /// How many more are taken without a pause, as of `since`.
    left: u32,
    since: Option<Instant>,
}

/// A place behind the gate, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Gate>);

impl Default for Gate {
    fn default() -> Gate {
        Gate(Mutex::new(Inside { waiting: 0, left: IN_A_ROW, since: None }))
    }
}

impl Gate {
    /// Takes one in; why not, for people.
    pub(crate) fn enter(self: &Arc<Gate>, now: Instant) -> Result<Pass, String> {
        let mut inside = self.inside();
        inside.refill(now);
        if inside.waiting >= WAITING {
            return Err(format!("{WAITING} sign-ons of this channel wait already"));
        }
        if inside.left == 0 {
            return Err("this channel signs on too often".to_owned());
        }
        inside.left -= 1;
        inside.waiting += 1;
        drop(inside);
        Ok(Pass(Arc::clone(self)))
    }

    // A lock, because each connection is greeted by a task of its own; it is held for one look.
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn refill(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let whole = now.saturating_duration_since(since).as_nanos() / EACH.as_nanos();
        let more = u32::try_from(whole).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(more).min(IN_A_ROW);
        self.since = Some(if self.left == IN_A_ROW { now } else { since + EACH * more });
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.inside().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, at_ms};

    #[test]
    fn only_a_few_wait_at_once() {
        let gate = Arc::new(Gate::default());
        let mut passes: Vec<Pass> =
            (0..WAITING).map(|_| gate.enter(at(0)).expect("a place")).collect();
        assert_eq!(
            gate.enter(at(0)).map(drop),
            Err("4 sign-ons of this channel wait already".to_owned())
        );
        passes.pop();
        assert!(gate.enter(at(0)).is_ok(), "a place was given back");
    }

    #[test]
    fn whoever_signs_on_without_end_is_slowed_to_one_a_second() {
        let gate = Arc::new(Gate::default());
        let let_in = |ms| usize::from(gate.enter(at_ms(ms)).is_ok());
        let burst: usize = (0..1000).map(|_| let_in(0)).sum();
        assert_eq!(burst, 20);
        let steady: usize = (1..=100_000).step_by(10).map(let_in).sum();
        assert_eq!(steady, 99, "a hundred seconds");
        // Rest gives the first ones back.
        let after: usize = (0..1000).map(|_| let_in(1_000_000)).sum();
        assert_eq!(after, 20);
    }
}
