//! The parts of a schedule: its counters, and what is ordered.

use crate::clock::Micros;
use crate::liar::Lying;
use domain::message::AccountId;
use domain::money::Amount;
use simulator::books::Rules;
use simulator::faults::Rule;
use wire::dialect::Dialect;

/// One counter.
#[derive(Clone, Debug)]
pub struct CounterPlan {
    /// What its books go by.
    pub rules: Rules,
    /// Its accounts and what is in each.
    pub accounts: Vec<(AccountId, i64)>,
    /// What it speaks.
    pub dialect: Dialect,
    /// What goes wrong with its answers until all heals.
    pub faults: Vec<Rule>,
    /// A new settle day after so many postings.
    pub cut_over_after: Option<u64>,
    /// How many connections the bridge makes to it.
    pub connections: u16,
    /// The share of postings' answers whose code is replaced by one that no profile lists.
    pub odd_codes: f64,
    /// How it lies, if it does.
    pub lying: Option<Lying>,
    /// Whether its books are kept in the bridge's process; then there is no connection to it.
    pub in_process: bool,
}

/// What a caller wants.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its idempotency key.
    pub key: String,
    /// Index of the source counter, and the account there.
    pub from: (usize, AccountId),
    /// Index of the destination counter, and the account there.
    pub to: (usize, AccountId),
    /// Minor units; no two orders of a schedule have the same, so that the books alone tell which
    /// order a posting is for. Only in [`Restored`](crate::class::Class::Restored) they may: then marks tell.
    pub amount: Amount,
    /// When it is asked for the first time.
    pub at: Micros,
}
