//! The two clocks of the machine. One tells people and records what time it is, and may be stepped
//! at any moment, by seconds or by hours; the other only goes forward, and all waiting is measured
//! by it: deadlines, pauses, and how long a request may still be on its way. What was measured ends
//! with the process: the next life measures anew, and waits rather longer.

use std::time::Duration;
pub(crate) use supervise::clock::now_micros;
use tokio::time::Instant;

/// The present, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// What the wall clock says, in microseconds since 1970 UTC. Told and recorded; nothing is
    /// measured by it.
    pub wall: i64,
    /// The same moment by the clock that is never stepped: deadlines and pauses are measured by it.
    pub at: Instant,
}

impl Now {
    /// Reads both.
    pub fn read() -> Now {
        Now { wall: now_micros(), at: Instant::now() }
    }

    /// When a transfer that was accepted at `created_at` expires, by the clock that is never
    /// stepped. What its record says of the time left is believed as far as it may be: none, if the
    /// moment is past; never more than it had at first, if the wall clock was set back.
    pub(crate) fn expiry(self, created_at: i64, deadline_at: i64) -> Instant {
        let whole = deadline_at.saturating_sub(created_at).max(0);
        let left = deadline_at.saturating_sub(self.wall).clamp(0, whole);
        self.at + Duration::from_micros(u64::try_from(left).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_step_of_the_wall_clock_makes_a_deadline_longer() {
        const SECOND: i64 = 1_000_000;
        let left = |wall| {
            let now = Now { wall, at: Instant::now() };
            now.expiry(100 * SECOND, 160 * SECOND) - now.at
        };
        assert_eq!(left(100 * SECOND), Duration::from_mins(1));
        assert_eq!(left(150 * SECOND), Duration::from_secs(10));
        assert_eq!(left(40 * SECOND), Duration::from_mins(1), "set back by a minute");
        assert_eq!(left(i64::MIN), Duration::from_mins(1));
        assert_eq!(left(3_700 * SECOND), Duration::ZERO, "set ahead by an hour");
        assert_eq!(left(i64::MAX), Duration::ZERO);
    }
}
