//! What is ordered: money from one account to another. It is the same from the request to the record.

use crate::message::Place;
use crate::money::{Amount, Currency};
use crate::serial::Role;

/// So much money from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Counter and account that are debited.
    pub from: Place,
    /// Counter and account that are credited. Whoever begins a transfer sees to it that it is not `from`.
    pub to: Place,
    /// Amount in minor units of the currency, 1 to 999,999,999,999.
    pub amount: Amount,
    /// ISO 4217 currency of the amount.
    pub currency: Currency,
}

impl Order {
    /// Counter and account that a leg is posted to; a reversal gives back where the debit took.
    pub fn place(&self, role: Role) -> &Place {
        match role {
            Role::Debit | Role::Reversal => &self.from,
            Role::Credit => &self.to,
        }
    }
}
