//! What is kept of a transfer, in the domain's words. Times are microseconds since 1970 UTC.

use crate::error::StoreError;
use crate::state::{FinalState, OpenState, StateFilter};
use bytes::Bytes;
pub use domain::message::Place;
use domain::message::{AccountId, CounterId};
use domain::money::{Amount, Currency};

use domain::order::Order;
use domain::serial::{Day, Mark, MasterSerial};
use foreign::ForeignText;
use std::sync::Arc;

/// A transfer as it was accepted; nothing of it ever changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTransfer {
    /// Its master serial, and its key in every table.
    pub master: MasterSerial,
    /// Name of the app that asked for it, 1 to [`NewTransfer::LONGEST_APP`] bytes.
    pub app: Arc<str>,
    /// The caller's key, 1 to [`NewTransfer::LONGEST_KEY`] bytes, compared byte for byte.
    pub idempotency_key: Arc<str>,
    /// SHA-256 of what was ordered: tells another order under the same key (DOMAIN §4).
    pub fingerprint: [u8; 32],
    /// What it is to move, from where to where.
    pub order: Order,
    /// The source counter's settle day when it was accepted: the first that the debit is bound to.
    pub debit_day: Day,
    /// The destination counter's settle day when it was accepted: the first that the credit is
    /// bound to.
    pub credit_day: Day,
    /// Whether the debit's result must be durable before the credit is sent.
    pub credit_barrier: bool,
    /// When it was accepted, in microseconds since 1970 UTC.
    pub created_at: i64,
    /// From when on nothing new is begun for it, in microseconds since 1970 UTC.
    pub deadline_at: i64,
    /// Its mark; `None` only if an earlier version recorded it.
    pub mark: Option<Mark>,
}

impl NewTransfer {
    /// Bytes in an app's name.
    pub const LONGEST_APP: usize = 64;
    /// Bytes in an idempotency key.
    pub const LONGEST_KEY: usize = 255;
}

/// How a transfer ended, and the answer that its caller gets now and on every replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The final state.
    pub state: FinalState,
    /// Why, where it is not plain success; at most [`Outcome::LONGEST_REASON`] bytes.
    pub reason: Option<String>,
    /// When it ended, in microseconds since 1970 UTC.
    pub finished_at: i64,
    /// HTTP status of the stored answer.
    pub answer_status: u16,
    /// Body of the stored answer, byte for byte; at most [`Outcome::LONGEST_ANSWER`] bytes.
    pub answer_body: Bytes,
}

impl Outcome {
    /// Bytes in a reason: what a MySQL `TEXT` holds.
    pub const LONGEST_REASON: usize = 65_535;
    /// Bytes in an answer: what a MySQL `BLOB` holds.
    pub const LONGEST_ANSWER: usize = 65_535;
}

/// What an operator decided about a transfer. It is added to, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When it was decided, in microseconds since 1970 UTC. With the transfer and `who`, it
    /// identifies the decision.
    pub at: i64,
    /// The operator's name, 1 to [`Decision::LONGEST_WHO`] bytes.
    pub who: ForeignText,
    /// The word for what was decided, 1 to [`Decision::LONGEST_DECISION`] bytes.
    pub decision: String,
    /// The operator's words, at most [`Decision::LONGEST_NOTE`] bytes.
    pub note: ForeignText,
}

impl Decision {
    /// Bytes in a name.
    pub const LONGEST_WHO: usize = 64;
    /// Bytes in the word for what was decided.
    pub const LONGEST_DECISION: usize = 64;
    /// Bytes in a note: what a MySQL `TEXT` holds.
    pub const LONGEST_NOTE: usize = 65_535;
}

/// A transfer as the database holds it. Exactly one of `outcome` and `open_state` is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What was asked for, as it was accepted.
    pub transfer: NewTransfer,
    /// How it ended; `None` if it has not.
    pub outcome: Option<Outcome>,
    /// How far it has come; `None` if it has ended.
    pub open_state: Option<OpenState>,
}

/// A transfer that has not ended, with all that recovery needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransfer {
    /// What was asked for, as it was accepted.
    pub transfer: NewTransfer,
    /// The bodies of the parts of its trail, each a JSON array, in their order.
    pub trail: Vec<String>,
    /// The number of the part that comes next.
    pub next_part: u32,
    /// How far it was last known to have come.
    pub open_state: OpenState,
    /// Which of its rows is not what was written or is missing, if one is: nothing of it may be acted
    /// upon.
    pub damage: Option<String>,
}

/// A page of what has not ended, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenPage {
    /// The transfers of the page that can be read.
    pub transfers: Vec<OpenTransfer>,
    /// What is wrong with those that cannot: nobody knows what they are, and nothing is done about
    /// them.
    pub unreadable: Vec<StoreError>,
    /// The key after which the next page begins; `None` if there are no more.
    pub next: Option<i64>,
}

/// Which transfers to list, newest first. A field that is `None` filters nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFilter {
    /// Only those older than this: the last one of the page before.
    pub before: Option<MasterSerial>,
    /// At most this many; brought into `1..=`[`ListFilter::LONGEST_PAGE`].
    pub limit: u16,
    /// Only transfers of the app of this name.
    pub app: Option<String>,
    /// Only transfers in this state.
    pub state: Option<StateFilter>,
    /// Only those with this counter on either side.
    pub counter: Option<CounterId>,
    /// Only those with this account on either side; with `counter`, on the same side as it.
    pub account: Option<AccountId>,
    /// Only those that move this amount.
    pub amount: Option<AmountFilter>,
    /// Only those that have ended and of which a counter, whichever, gave this as its own serial of a posting, of
    /// whichever leg, byte for byte.
    pub counter_serial: Option<String>,
}

/// An amount that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmountFilter {
    /// In minor units, exactly.
    pub amount: Amount,
    /// Of this currency; of any if `None`.
    pub currency: Option<Currency>,
}

/// A page of transfers, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The transfers; fewer than were asked for, even none, where few of very many are wanted.
    pub transfers: Vec<Stored>,
    /// Where to go on ([`ListFilter::before`]); `None` if there is certainly nothing behind.
    pub next: Option<MasterSerial>,
}

impl ListFilter {
    /// The longest page.
    pub const LONGEST_PAGE: u16 = 200;
}

impl Default for ListFilter {
    fn default() -> ListFilter {
        ListFilter {
            before: None,
            limit: 50,
            app: None,
            state: None,
            counter: None,
            account: None,
            amount: None,
            counter_serial: None,
        }
    }
}
