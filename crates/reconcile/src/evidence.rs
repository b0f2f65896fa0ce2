//! What an audit compares: transfers as the bridge recorded them, and postings as counters state
//! them.

use domain::message::{AccountId, CounterId, Place};
use domain::money::Currency;
use domain::order::Order;
use domain::serial::{Day, Mark, MasterSerial, Role, SubSerial};
use domain::transfer::State;
use foreign::ForeignText;

/// A transfer, by the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its master serial.
    pub master: MasterSerial,
    /// What it is to move, from where to where.
    pub order: Order,
    /// The settle days that the debit and the credit were bound to.
    pub days: (Day, Day),
    /// Where it stands; of one that has not ended, how far it has come may be known late.
    pub standing: State,
    /// When it was accepted, in microseconds since 1970 UTC.
    pub created_at: i64,
    /// Its mark; `None` if an earlier version of the bridge recorded it.
    pub mark: Option<Mark>,
}

impl Recorded {
    /// The account that a leg posts to.
    pub fn place(&self, role: Role) -> &Place {
        self.order.place(role)
    }

    /// The settle day that a leg was bound to.
    pub fn day(&self, role: Role) -> Day {
        match role {
            Role::Debit | Role::Reversal => self.days.0,
            Role::Credit => self.days.1,
        }
    }
}

/// A posting, by its counter's statement. Nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The counter that states it.
    pub counter: CounterId,
    /// What it did to the account.
    pub kind: Role,
    /// The sub serial under which it was posted.
    pub serial: SubSerial,
    /// For a reversal, the sub serial of the posting that it undid, where the counter says it.
    pub original: Option<SubSerial>,
    /// The account that was posted to.
    pub account: AccountId,
    /// Amount in minor units of the currency.
    pub amount: i64,
    /// ISO 4217 currency of the amount.
    pub currency: Currency,
    /// The counter's accounting day on which it was posted.
    pub settle_day: Day,
    /// The mark that came with it, where the counter keeps marks.
    pub mark: Option<Mark>,
}

impl Posting {
    /// Whether it belongs to another transfer than one with this mark, though it bears a serial of
    /// its. Without its mark a posting is taken for what its serial says.
    pub fn is_foreign_to(&self, mark: Option<Mark>) -> bool {
        self.mark.is_some() && self.mark != mark
    }
}

/// A transfer that a person ended, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The operator's name, as it was given.
    pub who: ForeignText,
    /// Why they ended it so, in the operator's own words.
    pub note: ForeignText,
}
