//! An account as the counter keeps it.

use domain::message::AccountId;
use domain::money::{Amount, Currency};
use serde::Deserialize;

/// An account may hold no more than this, in minor units: what twelve digits can say.
pub const CEILING: i64 = Amount::MAX.minor();

/// What is special about an account; from the fault plan.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSetting {
    /// The account that is special.
    pub id: AccountId,
    /// Whether debits and credits of it are refused; reversals still reach it.
    #[serde(default)]
    pub frozen: bool,
    /// What of its balance may not be moved out, in minor units.
    #[serde(default)]
    pub held: i64,
    /// The largest single posting that it takes, in minor units; `None` for any.
    pub limit: Option<Amount>,
    /// ISO 4217 currency that it is kept in, instead of the counter's; only an account that is
    /// opened now heeds it.
    pub currency: Option<Currency>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) currency: Currency,
    /// Minor units, `0..=CEILING`.
    pub(crate) available: i64,
    pub(crate) held: i64,
    pub(crate) frozen: bool,
    pub(crate) limit: Option<Amount>,
}

impl Account {
    /// What may be moved out: minor units, never negative, never more than is available.
    pub(crate) fn withdrawable(&self) -> i64 {
        self.available.saturating_sub(self.held.max(0)).max(0)
    }

    /// What would be available after `amount` more; `None` above the ceiling.
    pub(crate) fn after_credit(&self, amount: Amount) -> Option<i64> {
        self.available.checked_add(amount.minor()).filter(|after| *after <= CEILING)
    }

    /// What would be available after `amount` less; `None` below zero.
    pub(crate) fn after_debit(&self, amount: Amount) -> Option<i64> {
        self.available.checked_sub(amount.minor()).filter(|after| *after >= 0)
    }
}
