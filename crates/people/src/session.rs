//! How long a sign-in lasts: so long after the last use, and so long in all, whatever the use. Times are
//! microseconds since 1970 UTC, and those of a clock that may be set: a clock that runs backwards extends nothing.

/// One second, in microseconds.
const SECOND: i64 = 1_000_000;

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Without use, in microseconds; with zero or less no session is good at all.
    pub idle: i64,
    /// In all, in microseconds; with zero or less no session is good at all.
    pub whole: i64,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Nobody used it for too long.
    Idle,
    /// It has lasted as long as any may.
    Whole,
}

/// Half an hour without use, twelve hours in all: a long day's work, and no night.
impl Default for Lifetime {
    fn default() -> Lifetime {
        Lifetime { idle: 30 * 60 * SECOND, whole: 12 * 3600 * SECOND }
    }
}

impl Lifetime {
    /// When a session that began and was last seen then is over, unless it is used before.
    pub fn ends_at(self, began: i64, seen: i64) -> i64 {
        seen.saturating_add(self.idle).min(began.saturating_add(self.whole))
    }

    /// Whether it is over now, and why. A time that is still to come is as far away as one that has passed: after
    /// a clock was set back by more than a session lasts, nobody can say how long it has lasted.
    pub fn is_over(self, began: i64, seen: i64, now: i64) -> Option<Over> {
        if is_apart(began, now, self.whole) {
            Some(Over::Whole)
        } else if is_apart(seen, now, self.idle) {
            Some(Over::Idle)
        } else {
            None
        }
    }
}

impl Over {
    /// In a word, for the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Over::Idle => "idle",
            Over::Whole => "whole",
        }
    }
}

/// Whether a session's last use, which was recorded as then, is to be recorded anew: once a minute at most, for a
/// page reads itself anew far more often than anybody asks to the second when it was last seen. An end by idleness
/// is so much earlier at the most.
pub fn is_worth_writing(seen_before: i64, now: i64) -> bool {
    is_apart(seen_before, now, 60 * SECOND)
}

fn is_apart(one: i64, other: i64, least: i64) -> bool {
    one.abs_diff(other) >= u64::try_from(least).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const BEGAN: i64 = 1_795_219_200 * SECOND;

    fn over(seen_after: i64, now_after: i64) -> Option<Over> {
        Lifetime::default().is_over(BEGAN, BEGAN + seen_after, BEGAN + now_after)
    }

    #[test]
    fn a_session_that_nobody_uses_is_over_after_half_an_hour() {
        assert_eq!(over(0, 30 * MINUTE - 1), None);
        assert_eq!(over(0, 30 * MINUTE), Some(Over::Idle));
        assert_eq!(over(HOUR, HOUR + 30 * MINUTE - 1), None);
        assert_eq!(over(HOUR, HOUR + 30 * MINUTE), Some(Over::Idle));
    }

    #[test]
    fn a_session_in_use_is_over_after_twelve_hours() {
        assert_eq!(over(12 * HOUR - 1, 12 * HOUR - 1), None);
        assert_eq!(over(12 * HOUR - 1, 12 * HOUR), Some(Over::Whole));
        assert_eq!(over(0, 12 * HOUR), Some(Over::Whole), "which is said of both");
    }

    #[test]
    fn it_ends_at_whichever_is_first() {
        let ends = |seen_after| Lifetime::default().ends_at(BEGAN, BEGAN + seen_after) - BEGAN;
        assert_eq!(ends(0), 30 * MINUTE);
        assert_eq!(ends(11 * HOUR), 11 * HOUR + 30 * MINUTE);
        assert_eq!(ends(11 * HOUR + 30 * MINUTE), 12 * HOUR);
        assert_eq!(ends(100 * HOUR), 12 * HOUR, "a last use that cannot be extends nothing");
        assert_eq!(Lifetime::default().ends_at(i64::MAX, i64::MAX), i64::MAX);
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_ends_nothing_and_one_set_back_far_everything() {
        assert_eq!(over(MINUTE, 0), None);
        assert_eq!(over(0, -MINUTE), None);
        assert_eq!(over(0, -30 * MINUTE), Some(Over::Idle));
        assert_eq!(over(HOUR, HOUR - 30 * MINUTE + 1), None);
        assert_eq!(over(HOUR, HOUR - 30 * MINUTE), Some(Over::Idle));
        assert_eq!(over(0, -12 * HOUR), Some(Over::Whole));
    }

    #[test]
    fn a_lifetime_of_nothing_or_less_lets_nobody_in() {
        for lifetime in [
            Lifetime { idle: 0, ..Lifetime::default() },
            Lifetime { whole: 0, ..Lifetime::default() },
            Lifetime { idle: -1, ..Lifetime::default() },
            Lifetime { whole: i64::MIN, ..Lifetime::default() },
        ] {
            assert!(lifetime.is_over(BEGAN, BEGAN, BEGAN).is_some(), "{lifetime:?}");
        }
    }

    #[test]
    fn the_last_use_is_written_once_a_minute() {
        assert!(!is_worth_writing(BEGAN, BEGAN));
        assert!(!is_worth_writing(BEGAN, BEGAN + MINUTE - 1));
        assert!(is_worth_writing(BEGAN, BEGAN + MINUTE));
        // Of a clock that was set back the new time is the one that the idle time is measured by.
        assert!(!is_worth_writing(BEGAN, BEGAN - MINUTE + 1));
        assert!(is_worth_writing(BEGAN, BEGAN - MINUTE));
        assert!(is_worth_writing(i64::MIN, i64::MAX));
    }

    #[test]
    fn ends_have_a_word_each() {
        assert_eq!([Over::Idle, Over::Whole].map(Over::as_str), ["idle", "whole"]);
    }

    proptest! {
        #[test]
        fn a_session_is_over_from_its_end_on_and_not_before(
            began in any::<i64>(), used in 0..13 * HOUR, later in 0..13 * HOUR,
        ) {
            let lifetime = Lifetime::default();
            let seen = began.saturating_add(used);
            let now = seen.saturating_add(later);
            let ends_at = lifetime.ends_at(began, seen);
            prop_assume!(ends_at < i64::MAX);
            prop_assert_eq!(lifetime.is_over(began, seen, now).is_some(), now >= ends_at);
        }

        #[test]
        fn whatever_the_clock_does_nothing_is_good_beyond_its_absolute_end(
            began in any::<i64>(), seen in any::<i64>(), now in any::<i64>(),
        ) {
            let lifetime = Lifetime::default();
            if lifetime.is_over(began, seen, now).is_none() {
                prop_assert!(now < began.saturating_add(lifetime.whole));
                prop_assert!(now < seen.saturating_add(lifetime.idle));
            }
        }
    }
}
