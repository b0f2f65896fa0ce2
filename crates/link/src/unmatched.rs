//! What a counter says without having been asked, or too late.

use domain::message::{CounterId, Reply};
use domain::serial::SubSerial;
use wire::message::Notice;

/// Something from a counter that no asker waits for. It may still decide a leg: it is looked at,
/// never dropped in silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// An answer.
    Reply {
        /// Who said it.
        counter: CounterId,
        /// What.
        reply: Reply,
        /// Whether its request is known and had ended unknown, by its deadline or a lost
        /// connection. Otherwise it answers nothing that is known: a duplicate, or worse.
        late: bool,
    },
    /// Something that a person should see.
    Notice {
        /// Who said it.
        counter: CounterId,
        /// What.
        notice: Notice,
    },
    /// A frame whose body could not be read.
    Malformed {
        /// Who said it.
        counter: CounterId,
        /// What it was about, if that much could be read.
        serial: Option<SubSerial>,
        /// What is wrong with it, for people.
        error: String,
    },
}
