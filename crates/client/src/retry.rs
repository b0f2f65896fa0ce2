//! When to send the same again. A repeat carries the same idempotency key and a signature of its
//! own, so it cannot move money twice.

use crate::error::CallError;
use std::time::Duration;

/// How long, and how patiently, a call is repeated that found the bridge busy or out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Give up when this much time has passed since the first try.
    pub give_up_after: Duration,
    /// The longest pause after the first try; it doubles with every further one.
    pub first_pause: Duration,
    /// The longest pause of all, unless the bridge asks for a longer one.
    pub longest_pause: Duration,
}

impl Default for Retry {
    /// For half a minute, pausing up to 0.2 s at first and up to 5 s later.
    fn default() -> Retry {
        Retry {
            give_up_after: Duration::from_secs(30),
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(5),
        }
    }
}

impl Retry {
    /// How long to wait after the try number `tries` (from 1) failed with `error`, `spent` after
    /// the first began; `None`: give up. `jitter` in `0.0..1.0` spreads callers that failed
    /// together: a pause is between half and all of its length, and never shorter than the bridge
    /// asks for.
    pub fn pause(
        &self,
        tries: u32,
        spent: Duration,
        error: &CallError,
        jitter: f64,
    ) -> Option<Duration> {
        let asked = match error {
            CallError::Unsendable { .. } | CallError::NotAdmitted(_) | CallError::Refused(_) => {
                return None;
            }
            CallError::NotFinished { ask_again_after, .. } => *ask_again_after,
            CallError::Unreachable { .. } => Duration::ZERO,
        };
        let doubled = self.first_pause.saturating_mul(1 << tries.saturating_sub(1).min(16));
        let longest = doubled.min(self.longest_pause);
        let pause = longest.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0).max(asked);
        (spent.saturating_add(pause) < self.give_up_after).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn unreachable() -> CallError {
        CallError::Unreachable { why: "gone".into(), source: None }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retry = Retry::default();
        let pauses: Vec<_> =
            (1..=7).map(|tries| retry.pause(tries, Duration::ZERO, &unreachable(), 1.0)).collect();
        let ms = [200, 400, 800, 1600, 3200, 5000, 5000];
        assert_eq!(pauses, ms.map(|ms| Some(MS(ms))));
        assert_eq!(retry.pause(1, Duration::ZERO, &unreachable(), 0.0), Some(MS(100)));
        assert_eq!(retry.pause(u32::MAX, Duration::ZERO, &unreachable(), 1.0), Some(MS(5000)));
    }

    #[test]
    fn the_bridge_is_given_the_time_it_asks_for() {
        let busy = CallError::of_status(503, Some(MS(9000)), b"");
        let retry = Retry::default();
        assert_eq!(retry.pause(1, Duration::ZERO, &busy, 0.3), Some(MS(9000)));
        assert_eq!(retry.pause(1, MS(21_000), &busy, 0.3), None, "it would be too late");
    }

    #[test]
    fn a_no_is_not_asked_again() {
        let refused = CallError::of_status(422, None, b"");
        assert_eq!(Retry::default().pause(1, Duration::ZERO, &refused, 0.5), None);
        let unsendable = CallError::Unsendable { why: "no".into(), source: None };
        assert_eq!(Retry::default().pause(1, Duration::ZERO, &unsendable, 0.5), None);
        assert_eq!(Retry::default().pause(1, MS(30_000), &unreachable(), 0.5), None);
    }
}
