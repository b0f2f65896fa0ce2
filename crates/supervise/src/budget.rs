//! Whether what has failed is begun anew: with growing pauses, and not for ever.

use std::collections::VecDeque;
use std::time::Duration;

/// So many failures within [`WITHIN`], and it is held.
pub const MOST: usize = 5;

/// How long a failure counts.
pub const WITHIN: Duration = Duration::from_mins(5);

/// The pause after the first failure; it grows four times with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is begun anew after this.
    After(Duration),
    /// It is held until a person has looked.
    Hold,
}

/// Remembers failures. Times are measured from any one moment that stays the same.
#[derive(Clone, Debug, Default)]
pub struct Budget(VecDeque<Duration>);

impl Budget {
    /// It has failed.
    pub fn failed(&mut self, at: Duration) -> Next {
        while self.0.front().is_some_and(|earlier| at.saturating_sub(*earlier) > WITHIN) {
            self.0.pop_front();
        }
        self.0.push_back(at);
        if self.0.len() >= MOST {
            return Next::Hold;
        }
        let exponent = u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX);
        Next::After(FIRST_PAUSE.saturating_mul(4_u32.saturating_pow(exponent)))
    }

    /// A person lets it go on: what was is forgotten.
    pub fn forgive(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_the_fifth_failure_within_minutes_holds() {
        let mut budget = Budget::default();
        let next: Vec<Next> =
            (0..5).map(|second| budget.failed(Duration::from_secs(second))).collect();
        let after = |millis| Next::After(Duration::from_millis(millis));
        assert_eq!(next, [after(100), after(400), after(1_600), after(6_400), Next::Hold]);
        budget.forgive();
        assert_eq!(budget.failed(Duration::from_secs(6)), after(100));
    }

    #[test]
    fn now_and_then_is_not_often() {
        let mut budget = Budget::default();
        for hour in 0..100 {
            let at = Duration::from_hours(hour);
            assert_eq!(budget.failed(at), Next::After(FIRST_PAUSE), "{hour}");
        }
    }
}
