//! What an audit compares: transfers as the bridge recorded them, and postings as counters state
//! them.

use domain::message::{AccountId, CounterId};
use domain::money::Currency;
use domain::serial::{Day, Mark, MasterSerial, Role, SubSerial};
use foreign::ForeignText;
use store::{FinalState, OpenState, Place, Stored};

/// How a transfer stands, by the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has not ended; how far it has come may be known late.
    Open(OpenState),
    /// It has ended.
    Ended(FinalState),
}

impl Standing {
    /// The word used on every surface.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Standing::Open(state) => state.as_str(),
            Standing::Ended(state) => state.as_str(),
        }
    }
}

/// A transfer, by the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) master: MasterSerial,
    pub(super) from: Place,
    pub(super) to: Place,
    /// Minor units.
    pub(super) amount: i64,
    pub(super) currency: Currency,
    /// The settle days that debit and credit were bound to.
    pub(super) days: (Day, Day),
    pub(super) standing: Standing,
    /// Microseconds since 1970 UTC.
    pub(super) created_at: i64,
    /// `None` if an earlier version of the bridge recorded it.
    pub(super) mark: Option<Mark>,
}

impl Recorded {
    /// The transfer that a row tells of; `None` if the row says neither open nor ended.
    pub(super) fn of(stored: &Stored) -> Option<Recorded> {
        let standing = match (&stored.outcome, stored.open_state) {
            (Some(outcome), _) => Standing::Ended(outcome.state),
            (None, Some(state)) => Standing::Open(state),
            (None, None) => return None,
        };
        let transfer = &stored.transfer;
        Some(Recorded {
            master: transfer.master,
            from: transfer.from.clone(),
            to: transfer.to.clone(),
            amount: transfer.amount.minor(),
            currency: transfer.currency,
            days: (transfer.debit_day, transfer.credit_day),
            standing,
            created_at: transfer.created_at,
            mark: transfer.mark,
        })
    }

    /// The account that a leg posts to.
    pub(super) fn place(&self, role: Role) -> &Place {
        match role {
            Role::Debit | Role::Reversal => &self.from,
            Role::Credit => &self.to,
        }
    }

    /// The settle day that a leg was bound to.
    pub(super) fn day(&self, role: Role) -> Day {
        match role {
            Role::Debit | Role::Reversal => self.days.0,
            Role::Credit => self.days.1,
        }
    }
}

/// A posting, by its counter's statement. Nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) counter: CounterId,
    pub(super) kind: Role,
    pub(super) serial: SubSerial,
    /// What a reversal undid.
    pub(super) original: Option<SubSerial>,
    pub(super) account: AccountId,
    /// Minor units.
    pub(super) amount: i64,
    pub(super) currency: Currency,
    /// The counter's accounting day.
    pub(super) settle_day: Day,
    /// The mark that came with it, where the counter keeps marks.
    pub(super) mark: Option<Mark>,
}

impl Posting {
    /// Whether it belongs to another transfer than one with this mark, though it bears a serial of
    /// its. Without its mark a posting is taken for what its serial says.
    pub(super) fn is_foreign_to(&self, mark: Option<Mark>) -> bool {
        self.mark.is_some() && self.mark != mark
    }
}

/// A transfer that a person ended, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) who: ForeignText,
    pub(super) note: ForeignText,
}
