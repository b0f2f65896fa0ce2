//! How things stand over all open transfers: counted where they are, without copying one of them.

use crate::record::Record;
use domain::transfer::State;
use std::collections::BTreeMap;

/// How things stand, over all open transfers that are durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many transfers are in each state, by the state's word; states without any are left out.
    pub by_state: BTreeMap<&'static str, usize>,
    /// Money debited and not yet credited or returned (DOMAIN §3, rule 8): minor units by ISO 4217
    /// currency.
    pub in_transit: BTreeMap<String, i64>,
    /// When the oldest transfer with money in transit was accepted, in microseconds since 1970 UTC.
    pub oldest_in_transit_at: Option<i64>,
}

impl Summary {
    /// Adds a transfer that is shown in `state`, with so much in transit.
    pub(crate) fn add(&mut self, state: State, in_transit: i64, record: &Record) {
        *self.by_state.entry(state.as_str()).or_default() += 1;
        if in_transit > 0 {
            let currency = record.transfer.intent.order.currency;
            match self.in_transit.get_mut(currency.as_str()) {
                Some(sum) => *sum = sum.saturating_add(in_transit),
                None => drop(self.in_transit.insert(currency.to_string(), in_transit)),
            }
            let oldest = self.oldest_in_transit_at.unwrap_or(record.created_at);
            self.oldest_in_transit_at = Some(oldest.min(record.created_at));
        }
    }

    /// Adds what another shard counted.
    pub(crate) fn join(&mut self, other: Summary) {
        for (state, count) in other.by_state {
            *self.by_state.entry(state).or_default() += count;
        }
        for (currency, minor) in other.in_transit {
            let sum = self.in_transit.entry(currency).or_default();
            *sum = sum.saturating_add(minor);
        }
        let oldest = [self.oldest_in_transit_at, other.oldest_in_transit_at];
        self.oldest_in_transit_at = oldest.into_iter().flatten().min();
    }

    /// How many need a person.
    pub(crate) fn waiting(&self) -> usize {
        self.by_state.get(State::NeedsOperator.as_str()).copied().unwrap_or(0)
    }

    /// How many are on their way to an end by themselves.
    pub fn moving(&self) -> usize {
        let waiting = State::NeedsOperator.as_str();
        self.by_state.iter().filter(|(state, _)| **state != waiting).map(|(_, count)| count).sum()
    }
}
