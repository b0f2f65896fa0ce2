//! What the counter was asked to post, whichever of the three it is.

use domain::message::{AccountId, EntryKind, Posting, Reversal};
use domain::money::{Amount, Currency};
use domain::serial::{Day, Mark, MasterSerial, SubSerial};

/// What a serial is deduped by: the settle day that it was bound to, and the serial.
pub type Key = (Day, SubSerial);

/// A debit, a credit or a reversal, as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Whether it is a debit, a credit or a reversal.
    pub kind: EntryKind,
    /// Sub serial of the leg, by which the counter dedupes.
    pub serial: SubSerial,
    /// The settle day that it is bound to.
    pub settle_day: Day,
    /// Master serial of the transfer, for the books.
    pub master: MasterSerial,
    /// For a reversal, the sub serial of the posting that it undoes.
    pub original: Option<SubSerial>,
    /// The account to post to.
    pub account: AccountId,
    /// Amount in minor units, 1 to 999,999,999,999.
    pub amount: Amount,
    /// ISO 4217 currency of the amount.
    pub currency: Currency,
    /// The mark that came with it, where marks are kept.
    pub mark: Option<Mark>,
}

impl Order {
    /// A debit.
    pub fn debit(posting: &Posting) -> Order {
        Order::posting(EntryKind::Debit, posting)
    }

    /// A credit.
    pub fn credit(posting: &Posting) -> Order {
        Order::posting(EntryKind::Credit, posting)
    }

    /// A reversal.
    pub fn reversal(reversal: &Reversal) -> Order {
        Order {
            kind: EntryKind::Reversal,
            serial: reversal.serial,
            settle_day: reversal.settle_day,
            master: reversal.master,
            original: Some(reversal.original),
            account: reversal.account.clone(),
            amount: reversal.amount,
            currency: reversal.currency,
            mark: reversal.mark,
        }
    }

    fn posting(kind: EntryKind, posting: &Posting) -> Order {
        Order {
            kind,
            serial: posting.serial,
            settle_day: posting.settle_day,
            master: posting.master,
            original: None,
            account: posting.account.clone(),
            amount: posting.amount,
            currency: posting.currency,
            mark: posting.mark,
        }
    }

    /// What the order is deduped by.
    pub fn key(&self) -> Key {
        (self.settle_day, self.serial)
    }

    /// Whether both ask for the same thing: a repeat, and not another order under a used serial.
    /// The master serial is not compared: it is the bridge's own word.
    pub fn same_content(&self, other: &Order) -> bool {
        self.kind == other.kind
            && self.original == other.original
            && self.account == other.account
            && self.amount == other.amount
            && self.currency == other.currency
            && self.mark == other.mark
    }
}
