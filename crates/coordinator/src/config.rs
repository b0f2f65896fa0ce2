//! How patient the coordinator is, and how much it takes on at once.

use crate::allowance::DayLimit;
use domain::message::CounterId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Numbers that may be set; the defaults are those of the design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many tasks own transfers, each a part of all sequences; at least 1.
    pub shards: usize,
    /// How long after its acceptance a transfer begins nothing new.
    pub transfer_deadline: Duration,
    /// How long the answer to a debit, credit or reversal is waited for, queue included.
    pub posting_deadline: Duration,
    /// How long the answer to a query is waited for, queue included.
    pub query_deadline: Duration,
    /// How many fruitless rounds of asking or repeating before a person is called.
    pub patience: u16,
    /// The first pause between two rounds; it doubles.
    pub first_pause: Duration,
    /// The longest pause between two rounds.
    pub longest_pause: Duration,
    /// The pause between two questions while a person is awaited.
    pub parked_pause: Duration,
    /// How many transfers may be open at once; more are refused at once.
    pub most_open: usize,
    /// How many callers may wait for a transfer at once; more are turned away before their requests
    /// are read. Below what one link takes ([`port::Bounds`]), so that what is begun is not held up
    /// there.
    pub most_callers: usize,
    /// How many serials are taken from the database at a time: one round trip per so many
    /// transfers.
    pub serial_block: u64,
    /// The counters that can state a day's entries of all accounts in one. The question is a new
    /// one: no other counter is asked it unless an operator does.
    pub states_all_accounts: BTreeSet<CounterId>,
    /// How much apps may move in a day, by their names; those that are not listed, anything.
    pub day_limits: BTreeMap<Arc<str>, DayLimit>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            shards: 2,
            transfer_deadline: Duration::from_mins(1),
            posting_deadline: Duration::from_secs(10),
            query_deadline: Duration::from_secs(5),
            // With doubling pauses up to 30 s this is about a quarter of an hour.
            patience: 36,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(30),
            parked_pause: Duration::from_mins(1),
            most_open: 100_000,
            most_callers: 1024,
            serial_block: 10_000,
            states_all_accounts: BTreeSet::new(),
            day_limits: BTreeMap::new(),
        }
    }
}
