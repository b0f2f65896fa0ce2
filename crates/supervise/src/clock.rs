//! The wall clock, for people and records: it may be stepped at any moment, by seconds or by hours,
//! so nothing is measured by it.

use std::time::{SystemTime, UNIX_EPOCH};

/// What the wall clock says, in microseconds since 1970 UTC.
pub fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The same in whole seconds.
pub fn now_s() -> i64 {
    now_micros() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_read_in_microseconds() {
        let micros = |time: SystemTime| {
            time.duration_since(UNIX_EPOCH).expect("after 1970").as_micros().cast_signed()
        };
        let before = micros(SystemTime::now());
        let now = i128::from(now_micros());
        // It may be stepped meanwhile, but hardly by an hour.
        assert!((before - now).abs() < 3_600_000_000, "{now}");
        assert!((before / 1_000_000 - i128::from(now_s())).abs() < 3_600, "{}", now_s());
    }
}
