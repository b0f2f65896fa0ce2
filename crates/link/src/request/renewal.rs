//! Which connection's session is to end so that a new one begins: asked for when only that can prove
//! what became of a request (docs/peers/counter.md, Sign-on). One connection after another, so that
//! the counter stays reachable over the others, and none before its session has a certain age.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The words of such a sign-off.
pub(crate) const RENEWS: &str = "the bridge signs on anew";

/// What all connections of one counter have to agree on about it.
#[derive(Clone, Debug, Default)]
pub struct Renewal(Arc<Agreed>);

#[derive(Debug, Default)]
struct Agreed {
    /// Whether any was ever wanted; with most counters none is.
    wanted: AtomicBool,
    // A lock, because every connection's task looks, and whoever asks writes; it is held for a look
    // at a few flags, once a turn where any was wanted, and whenever a session begins or ends.
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    /// Every session that did not begin later is to be followed by another.
    after: Option<Instant>,
    /// Which channels have a session now.
    open: Vec<u16>,
    /// Whose session was ended, and has not been followed by another yet.
    away: Option<u16>,
}

/// Whether a session is to end for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Not for this.
    Stay,
    /// Not before then.
    At(Instant),
    /// Now; the channel counts as away.
    Leave,
}

impl Renewal {
    /// Every session that did not begin after that is to be followed by another. Said again, it is the
    /// same.
    pub(crate) fn want(&self, after: Instant) {
        let mut inside = self.inside();
        inside.after = inside.after.max(Some(after));
        self.0.wanted.store(true, Ordering::Release);
    }

    /// A session opened.
    pub(crate) fn opened(&self, channel: u16) {
        let mut inside = self.inside();
        inside.away.take_if(|away| *away == channel);
        if !inside.open.contains(&channel) {
            inside.open.push(channel);
        }
    }

    /// A session ended.
    pub(crate) fn closed(&self, channel: u16) {
        self.inside().open.retain(|open| *open != channel);
    }

    /// Whether the session of a channel that began then is to end now. `least` is the age before which
    /// none does; `channels` how many there are.
    pub(crate) fn turn(
        &self,
        channel: u16,
        began: Instant,
        now: Instant,
        least: Duration,
        channels: u16,
    ) -> Turn {
        if !self.0.wanted.load(Ordering::Acquire) {
            return Turn::Stay;
        }
        let mut inside = self.inside();
        if inside.after.is_none_or(|after| began > after) {
            return Turn::Stay;
        }
        if now < began + least {
            return Turn::At(began + least);
        }
        let others = inside.open.iter().any(|open| *open != channel);
        // Another one is away, or none would be left: whoever comes back lets this one look again.
        if inside.away.is_some_and(|away| away != channel) || channels > 1 && !others {
            return Turn::Stay;
        }
        inside.away = Some(channel);
        Turn::Leave
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;
    use port::Sessions;

    const LEAST: Duration = Duration::from_secs(30);

    #[test]
    fn a_session_ends_only_for_what_is_older_and_not_before_its_age() {
        let renewal = Renewal::default();
        let turn = |began, now| renewal.turn(0, at(began), at(now), LEAST, 1);
        renewal.opened(0);
        assert_eq!(turn(0, 100), Turn::Stay, "nobody wants it");
        renewal.want(at(50));
        renewal.want(at(40));
        assert_eq!(turn(51, 100), Turn::Stay, "it is new already");
        assert_eq!(turn(50, 79), Turn::At(at(80)));
        assert_eq!(turn(50, 80), Turn::Leave);
        renewal.closed(0);
        renewal.opened(0);
        assert_eq!(turn(82, 200), Turn::Stay, "once is enough");
    }

    #[test]
    fn the_oldest_of_the_newest_sessions_counts_and_all_must_have_had_one() {
        let of = |newest: &[Option<u64>]| Sessions::of(newest.iter().map(|began| began.map(at)));
        let all = Some(Sessions { oldest: at(1), youngest: at(3) });
        assert_eq!(of(&[Some(3), Some(1), Some(2)]), all);
        assert_eq!(of(&[Some(3)]), Some(Sessions::at(at(3))));
        assert_eq!((of(&[Some(3), None]), of(&[None, Some(3)]), of(&[])), (None, None, None));
    }

    #[test]
    fn one_connection_after_another_and_never_the_last() {
        let renewal = Renewal::default();
        let turn = |channel, began| renewal.turn(channel, at(began), at(100), LEAST, 2);
        renewal.want(at(50));
        renewal.opened(0);
        assert_eq!(turn(0, 1), Turn::Stay, "the other one is down");
        renewal.opened(1);
        assert_eq!(turn(0, 1), Turn::Leave);
        assert_eq!(turn(1, 1), Turn::Stay, "the first is away");
        renewal.closed(0);
        assert_eq!(turn(1, 1), Turn::Stay);
        renewal.opened(0);
        assert_eq!((turn(0, 99), turn(1, 1)), (Turn::Stay, Turn::Leave));
    }

    #[test]
    fn the_last_one_stays_where_the_other_was_lost_by_itself() {
        let renewal = Renewal::default();
        let turn = || renewal.turn(1, at(1), at(100), LEAST, 2);
        renewal.want(at(50));
        renewal.opened(0);
        renewal.opened(1);
        renewal.closed(0);
        assert_eq!(turn(), Turn::Stay);
        renewal.opened(0);
        assert_eq!(turn(), Turn::Leave);
    }
}
