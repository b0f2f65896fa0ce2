//! Who stood at the acceptor and was not let in: the last of them with the cause, and how much of it is
//! told as it happens. Both are bounded: a flood at the acceptor takes no memory, and leaves room in
//! the history for what happens to links. Pure.

use domain::message::CounterId;
use serde::Serialize;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// How many are kept, each with its own address, reason and counter: more than a person reads, and
/// some twenty kilobytes at most.
pub const KEPT: usize = 64;

/// So many may be told at once, and then one more every so often: of the history's ring that is a
/// twentieth in a minute, however many come.
const TOLD_AT_ONCE: u32 = 8;
/// How often [`crate::history::History::tell_strangers`] is to be called.
pub const TOLD_EVERY: Duration = Duration::from_secs(5);

/// Those from one address, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stranger {
    /// The IP address that they come from.
    pub address: IpAddr,
    /// Why they were not let in, in a word: as in `link_refused_connections_total`.
    pub why: &'static str,
    /// Why the last of them was not, in a sentence of at most 300 characters.
    pub cause: String,
    /// Which counter they signed on as, if it is one that dials in.
    pub counter: Option<CounterId>,
    /// How many came since the bridge started, as long as they are kept.
    pub times: u64,
    /// When the first of them came, in microseconds since 1970 UTC.
    pub first_at: i64,
    /// When the last of them came, in microseconds since 1970 UTC.
    pub last_at: i64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    /// Who came last stands last.
    kept: VecDeque<Stranger>,
    all: u64,
    /// How many were told lately, as of a moment; the longer ago, the fewer.
    told: Option<(u32, Instant)>,
    /// Who came last without being told, and how many with them.
    untold: Option<(Stranger, u64)>,
}

/// What is to be told now: somebody, and how many more came since the last was told.
pub(crate) type Told = (Stranger, u64);

impl Strangers {
    /// Somebody was not let in. What of it is to be told now, if anything is.
    pub(crate) fn came(&mut self, now: Instant, mut stranger: Stranger) -> Option<Told> {
        self.all += 1;
        let same = |kept: &Stranger| {
            (kept.address, kept.why, &kept.counter)
                == (stranger.address, stranger.why, &stranger.counter)
        };
        if let Some(known) = self.kept.iter().position(same)
            && let Some(known) = self.kept.remove(known)
        {
            stranger.times = known.times + 1;
            stranger.first_at = known.first_at;
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(stranger.clone());
        let untold = self.untold.take().map_or(0, |(_, count)| count);
        if self.may_tell(now) {
            return Some((stranger, untold));
        }
        self.untold = Some((stranger, untold + 1));
        None
    }

    /// What was not told when it happened, if now is the time for it. To be asked every
    /// [`TOLD_EVERY`].
    pub(crate) fn rest(&mut self, now: Instant) -> Option<Told> {
        if self.untold.is_none() || !self.may_tell(now) {
            return None;
        }
        self.untold.take().map(|(stranger, count)| (stranger, count.saturating_sub(1)))
    }

    /// Those kept, the last first, and how many there were since the bridge started.
    pub(crate) fn list(&self) -> (Vec<Stranger>, u64) {
        (self.kept.iter().rev().cloned().collect(), self.all)
    }

    fn may_tell(&mut self, now: Instant) -> bool {
        let (told, since) = self.told.unwrap_or((0, now));
        let passed = now.saturating_duration_since(since).as_secs() / TOLD_EVERY.as_secs();
        let forgotten = u32::try_from(passed).unwrap_or(u32::MAX).min(told);
        let left = told - forgotten;
        if left >= TOLD_AT_ONCE {
            return false;
        }
        let since = if left == 0 { now } else { since + TOLD_EVERY * forgotten };
        self.told = Some((left + 1, since));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;

    /// So many seconds after the beginning of time.
    fn at(seconds: u64) -> Instant {
        at_ms(seconds * 1000)
    }

    fn at_ms(milliseconds: u64) -> Instant {
        static BEGINNING: OnceLock<Instant> = OnceLock::new();
        *BEGINNING.get_or_init(Instant::now) + Duration::from_millis(milliseconds)
    }

    fn stranger(last: u8, why: &'static str) -> Stranger {
        let address = IpAddr::from([10, 0, 0, last]);
        let cause = format!("{why}, of course");
        Stranger { address, why, cause, counter: None, times: 1, first_at: 5, last_at: 5 }
    }

    #[test]
    fn the_same_again_is_counted_and_the_oldest_make_room() {
        let mut all = Strangers::default();
        for number in 0..100 {
            all.came(at(number), stranger(u8::try_from(number).expect("small"), "frame"));
        }
        for _ in 0..1000 {
            all.came(at(100), Stranger { last_at: 9, ..stranger(40, "frame") });
        }
        all.came(at(100), stranger(40, "tls"));
        let (kept, count) = all.list();
        assert_eq!((kept.len(), count), (KEPT, 1101));
        assert_eq!((kept[0].why, kept[0].times), ("tls", 1));
        assert_eq!((kept[1].times, kept[1].first_at, kept[1].last_at), (1001, 5, 9));
        assert_eq!(kept[2].address, IpAddr::from([10, 0, 0, 99]));
        assert_eq!(kept[KEPT - 1].address, IpAddr::from([10, 0, 0, 37]));
    }

    #[test]
    fn a_flood_is_told_at_its_beginning_and_then_a_little_with_how_many_it_was() {
        let mut all = Strangers::default();
        let (mut told, mut others) = (0, 0);
        for tenth in 0..36_000 {
            let now = at_ms(tenth * 100);
            let news = all.came(now, stranger(1, "frame"));
            let rest = all.rest(now);
            for (_, more) in news.into_iter().chain(rest) {
                told += 1;
                others += more;
            }
        }
        let in_an_hour = u64::from(TOLD_AT_ONCE) + 3600 / TOLD_EVERY.as_secs();
        assert!((in_an_hour - 2..=in_an_hour).contains(&told), "{told}");
        let (last, more) = all.rest(at(3700)).expect("the rest");
        assert_eq!((last.times, told + others + more + 1), (36_000, 36_000));
        assert_eq!(all.rest(at(3800)), None);
        // After a quiet while, the next few are told at once.
        let at_once = (0..20).filter(|_| all.came(at(9000), stranger(2, "tls")).is_some());
        assert_eq!(at_once.count(), 8);
    }

    #[test]
    fn one_more_is_told_every_five_seconds() {
        let mut all = Strangers::default();
        let mut told = |now, came: usize| {
            (0..came).filter(|_| all.came(now, stranger(1, "frame")).is_some()).count()
        };
        assert_eq!(told(at(0), 20), 8);
        assert_eq!(told(at_ms(4_999), 20), 0);
        assert_eq!(told(at(5), 20), 1);
        assert_eq!(told(at_ms(9_999), 20), 0);
        assert_eq!(told(at(20), 20), 3);
    }
}
