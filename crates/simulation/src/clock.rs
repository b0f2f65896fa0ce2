//! Virtual time: a count of microseconds that nothing but the event loop moves.

use std::time::Duration;
use tokio::time::Instant;

/// Microseconds since 1970 UTC.
pub type Micros = i64;

/// One millisecond.
pub const MS: Micros = 1_000;
/// One second.
pub const SECOND: Micros = 1_000_000;

/// The virtual moment at which every schedule begins: 2026-11-21, noon UTC.
pub const BEGINNING: Micros = 1_795_262_400 * SECOND;

/// Translates between the two ways in which the parts under test count time. The instant it stands
/// on is the machine's, but only differences to it are ever used.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Instant,
}

impl Clock {
    /// A clock.
    pub fn new() -> Clock {
        Clock { base: Instant::now() }
    }

    /// The moment as an instant.
    pub fn instant(self, at: Micros) -> Instant {
        self.base + Duration::from_micros(u64::try_from(at - BEGINNING).unwrap_or(0))
    }

    /// The instant as a moment, rounded up so that a timer is never early.
    pub fn micros(self, instant: Instant) -> Micros {
        let since = instant.saturating_duration_since(self.base);
        let micros = since.as_nanos().div_ceil(1_000);
        BEGINNING.saturating_add(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}
