//! Turns of transfers that wake together, after a restart or when a counter is back. All at once
//! they would fill the links' queues, and keep new work out until the last of them was driven.

use std::time::Duration;
use tokio::time::Instant;

/// Between two turns, over all shards: 12,500 a second, of which 100,000 are through in 8 s.
const APART: Duration = Duration::from_micros(80);

/// How many wake at once, over all shards: a window of one link.
const AT_ONCE: u32 = 256;

/// The turns that one of several shards gives.
#[derive(Debug)]
pub(super) struct Turns {
    apart: Duration,
    at_once: Duration,
    last: Option<Instant>,
}

impl Turns {
    /// For one of so many shards.
    pub(super) fn new(shards: usize) -> Turns {
        let shards = u32::try_from(shards).unwrap_or(u32::MAX).max(1);
        let apart = APART.saturating_mul(shards);
        Turns { apart, at_once: apart.saturating_mul(AT_ONCE / shards), last: None }
    }

    /// The moment of the next turn; the first ones have come already.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let earliest = now.checked_sub(self.at_once).unwrap_or(now);
        let turn = self.last.map_or(earliest, |last| last.max(earliest)) + self.apart;
        self.last = Some(turn);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many turns have come at once, and when the last one comes.
    fn given(turns: &mut Turns, count: u32, now: Instant) -> (usize, Duration) {
        let all: Vec<Instant> = (0..count).map(|_| turns.next(now)).collect();
        let come = all.iter().filter(|turn| **turn <= now).count();
        (come, all.iter().max().map_or(Duration::ZERO, |last| last.saturating_duration_since(now)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_wakes_at_once_and_the_rest_one_after_the_other() {
        let now = Instant::now() + Duration::from_mins(1);
        for shards in [1, 2, 16] {
            let mut turns = Turns::new(shards);
            let window = AT_ONCE / u32::try_from(shards).expect("few");
            let (come, last) = given(&mut turns, window, now);
            assert_eq!((come, last), (usize::try_from(window).expect("few"), Duration::ZERO));
            let (come, last) = given(&mut turns, 1000, now);
            assert_eq!((come, last), (0, turns.apart * 1000));
            // Once all have had their turn, the next ones need not wait for what is long over.
            let later = now + Duration::from_secs(10);
            assert!(turns.next(later) <= later);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_shards_give_each_at_least_its_own_pace() {
        let now = Instant::now() + Duration::from_mins(1);
        let mut turns = Turns::new(1000);
        assert_eq!(turns.next(now), now + turns.apart);
        assert_eq!(turns.apart, APART * 1000);
    }
}
