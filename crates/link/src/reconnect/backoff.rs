//! When to try again (docs/limits.md). Pure: what happened and chance go in, a wait comes out.

use crate::session::cause::Verdict;
use rand::{Rng, RngExt};
use std::time::Duration;

/// A session this long forgives all earlier failures; a TCP connection alone forgives none, or a
/// counter that accepts and closes would be dialled without end.
pub(crate) const STABLE: Duration = Duration::from_secs(30);
/// After a session this long the first retry comes at once: most likely a restart or a blip.
const LONG: Duration = Duration::from_mins(1);
/// Spreads the first retries of many links that were lost together.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The first step of the back-off; it doubles.
const STEP: Duration = Duration::from_millis(500);
/// The longest step.
const CAP: Duration = Duration::from_secs(30);
/// The wait after a rejection: whoever mends a key or a name takes at least this long.
const REJECTED: Duration = Duration::from_mins(1);
/// So many rejections in a row, and an operator must act.
const REJECTIONS: u32 = 3;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again after this.
    Wait(Duration),
    /// Do not, until an operator says so.
    Hold,
}

/// Remembers failures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    rejections: u32,
}

impl Backoff {
    /// A connection ended, or an attempt failed. `open_for` says how long its session was open, if
    /// it ever was.
    pub(crate) fn ended(
        &mut self,
        open_for: Option<Duration>,
        verdict: Verdict,
        rng: &mut impl Rng,
    ) -> Next {
        if open_for.is_some() {
            self.rejections = 0;
        }
        if open_for.is_some_and(|open_for| open_for >= STABLE) {
            self.failures = 0;
        }
        match verdict {
            Verdict::Rejected => {
                self.rejections += 1;
                if self.rejections >= REJECTIONS { Next::Hold } else { Next::Wait(REJECTED) }
            }
            Verdict::Slowly => Next::Wait(REJECTED),
            Verdict::AtOnce => Next::Wait(Duration::ZERO),
            Verdict::Retry if open_for.is_some_and(|open_for| open_for >= LONG) => {
                Next::Wait(rng.random_range(Duration::ZERO..=FIRST_RETRY))
            }
            Verdict::Retry => {
                // The jitter comes after the cap; before it, it would vanish at the cap and a
                // herd would stay a herd.
                let step = STEP.saturating_mul(1 << self.failures.min(16)).min(CAP);
                self.failures = self.failures.saturating_add(1);
                Next::Wait(rng.random_range(step / 5..=step))
            }
        }
    }

    /// An operator lets the link try again.
    pub(crate) fn release(&mut self) {
        self.rejections = 0;
    }

    /// Attempts since the link was last stably up.
    pub(crate) fn attempts(&self) -> u32 {
        self.failures.saturating_add(self.rejections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn wait(next: Next) -> Duration {
        match next {
            Next::Wait(wait) => wait,
            Next::Hold => panic!("held"),
        }
    }

    proptest! {
        #[test]
        fn every_wait_lies_within_its_bounds(seed: u64, failures in 0u32..100) {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::default();
            for n in 0..=failures {
                let waited = wait(backoff.ended(None, Verdict::Retry, &mut rng));
                let step = Duration::from_secs_f64((0.5 * 2f64.powi(n.min(30).cast_signed())).min(30.0));
                prop_assert!(waited >= step / 5 && waited <= step, "{n}: {waited:?}");
            }
        }

        #[test]
        fn an_accept_then_close_loop_dials_at_most_12_times_a_minute(seed: u64) {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::default();
            let instantly = Some(Duration::ZERO);
            // The back-off's own ramp is over after seven steps.
            for _ in 0..7 {
                backoff.ended(instantly, Verdict::Retry, &mut rng);
            }
            let mut minute = Duration::ZERO;
            let mut dials = 0;
            while minute < Duration::from_mins(1) {
                dials += 1;
                minute += wait(backoff.ended(instantly, Verdict::Retry, &mut rng));
            }
            prop_assert!(dials <= 12, "{dials}");
        }

        #[test]
        fn the_first_retry_after_a_long_session_comes_at_once(seed: u64) {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::default();
            for _ in 0..9 {
                backoff.ended(None, Verdict::Retry, &mut rng);
            }
            let long = Some(LONG);
            prop_assert!(wait(backoff.ended(long, Verdict::Retry, &mut rng)) <= FIRST_RETRY);
            prop_assert!(wait(backoff.ended(None, Verdict::Retry, &mut rng)) <= STEP);
        }
    }

    #[test]
    fn only_a_stable_session_forgives() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.ended(None, Verdict::Retry, &mut rng);
        }
        let almost = Duration::from_millis(29_999);
        backoff.ended(Some(almost), Verdict::Retry, &mut rng);
        assert_eq!(backoff.attempts(), 6);
        backoff.ended(Some(STABLE), Verdict::Retry, &mut rng);
        assert_eq!(backoff.attempts(), 1);
    }

    #[test]
    fn the_third_rejection_in_a_row_holds_and_a_release_forgets() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut backoff = Backoff::default();
        assert_eq!(backoff.ended(None, Verdict::Rejected, &mut rng), Next::Wait(REJECTED));
        assert_eq!(backoff.ended(None, Verdict::Rejected, &mut rng), Next::Wait(REJECTED));
        assert_eq!(backoff.ended(None, Verdict::Rejected, &mut rng), Next::Hold);
        backoff.release();
        assert_eq!(backoff.ended(None, Verdict::Rejected, &mut rng), Next::Wait(REJECTED));
        for _ in 0..9 {
            assert_eq!(backoff.ended(None, Verdict::Slowly, &mut rng), Next::Wait(REJECTED));
        }
    }
}
