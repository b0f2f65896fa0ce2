//! How much a counter may say that nobody asked for.
//!
//! Answers to nothing and notices are looked at by others, and each costs a line in the log and an
//! entry in the history. So many are taken at once and so many a second; what is beyond is counted and
//! dropped. A counter that goes on beyond reason is left. What comes late, after its request ended
//! unknown, is always taken: it may decide a leg, and there is never more of it than was asked.

use tokio::time::Instant;

/// How many are taken at once: after a restart the answers to four windows of an earlier life.
const AT_ONCE: u32 = 1024;

/// How many are taken a second after those.
const EACH_SECOND: u32 = 64;

/// So many beyond what is taken, without a pause that makes room again, are beyond reason.
const BEYOND_REASON: u32 = 8192;

/// See the module. One for each session.
#[derive(Debug)]
pub(crate) struct Flood {
    /// How many more are taken at once, as of `since`.
    left: u32,
    since: Instant,
    beyond: u32,
}

/// What is to be done with something that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unasked {
    /// It is handed out.
    Taken,
    /// It is counted and dropped.
    Dropped,
    /// So is it, and the counter is left: it has said so much.
    TooMuch(u32),
}

impl Flood {
    pub(crate) fn new(now: Instant) -> Flood {
        Flood { left: AT_ONCE, since: now, beyond: 0 }
    }

    /// Something that answers nothing, or a notice. What repeats an answer to a request of ours is
    /// no reason to leave a counter.
    pub(crate) fn unasked(&mut self, now: Instant, repeats: bool) -> Unasked {
        self.refill(now);
        if self.left > 0 {
            self.left -= 1;
            return Unasked::Taken;
        }
        if repeats {
            return Unasked::Dropped;
        }
        self.beyond += 1;
        if self.beyond >= BEYOND_REASON {
            Unasked::TooMuch(self.beyond + AT_ONCE)
        } else {
            Unasked::Dropped
        }
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.since).as_secs();
        if seconds == 0 {
            return;
        }
        self.since = now;
        let more = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(EACH_SECOND);
        self.left = self.left.saturating_add(more).min(AT_ONCE);
        if self.left == AT_ONCE {
            self.beyond = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, at_ms};

    #[test]
    fn so_many_are_taken_at_once_and_so_many_a_second() {
        let mut flood = Flood::new(at(0));
        let mut taken = |ms, repeats| {
            (0..5000).filter(|_| flood.unasked(at_ms(ms), repeats) == Unasked::Taken).count()
        };
        assert_eq!(taken(0, true), 1024);
        assert_eq!(taken(999, true), 0);
        assert_eq!(taken(1_000, true), 64);
        assert_eq!(taken(3_000, true), 128);
        assert_eq!(taken(60_000, true), 1024);
    }

    #[test]
    fn a_counter_is_left_for_what_answers_nothing_and_not_for_repeats() {
        let mut flood = Flood::new(at(0));
        for _ in 0..1_000_000 {
            assert!(!matches!(flood.unasked(at(0), true), Unasked::TooMuch(_)));
        }
        let before =
            (0..10_000).position(|_| flood.unasked(at(0), false) == Unasked::TooMuch(9216));
        assert_eq!(before, Some(8191));
    }

    #[test]
    fn a_pause_makes_room_again() {
        let mut flood = Flood::new(at(0));
        for round in 0..100 {
            for _ in 0..9000 {
                let told = flood.unasked(at(round * 16), false);
                assert!(!matches!(told, Unasked::TooMuch(_)), "round {round}");
            }
        }
    }
}
