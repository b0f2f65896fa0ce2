//! What a session tells.

use domain::message::{Notice, Reply};
use domain::money::Amount;
use domain::serial::{Day, SubSerial};
use std::time::Duration;
use wire::ornament::Blemishes;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The sign-on succeeded; the largest single posting that both sides allow.
    Opened(Option<Amount>),
    /// The counter's accounting day, and whether it is open.
    Standing(Day, bool),
    /// The highest serial that the counter has seen within its query horizon.
    HighestSerial(SubSerial),
    /// A heartbeat came back.
    RoundTrip(Duration),
    /// An answer that nobody waits for.
    Unmatched { reply: Reply, late: bool },
    /// A body that could not be read.
    Malformed { serial: Option<SubSerial>, error: String },
    /// The counter's own words.
    Notice(Notice),
    /// A message of which something that is only for people could not be read.
    Blemished(Blemishes),
}
