//! Whether money is conserved over all open transfers, and what of it is known at each counter: what follows from what
//! was counted ([`crate::transit`]).
//!
//! By currency, what is proven debited, less what is proven credited and returned, is what is in transit, less what is
//! proven paid out ahead of its debit. Where that does not hold, for one transfer or for all of them, this software is
//! wrong: it is told once, as an alarm.

use crate::events::{Events, Kind};
use crate::standing::State;
use crate::transit::{Books, Differing, Moving, Sight, Tally};
use domain::message::CounterId;
use domain::money::Currency;
use domain::serial::MasterSerial;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use store::{AlarmAbout, AlarmKind, Part};

/// How a counter stands, as far as open transfers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Colour {
    /// Every leg of its open transfers is known, or its answer is awaited no longer than a minute.
    Green,
    /// The outcome of some leg is not known.
    Unknown,
    /// What it says is in doubt or in contradiction, or money is not conserved.
    Red,
}

impl Colour {
    /// The word on every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Colour::Green => "green",
            Colour::Unknown => "unknown",
            Colour::Red => "red",
        }
    }
}

/// One counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtCounter {
    /// Which.
    pub counter: CounterId,
    /// How it stands.
    pub colour: Colour,
    /// Why it stands so, in sentences; the worst first.
    pub why: Vec<String>,
    /// What is known of its legs, and what is not.
    pub sight: Sight,
    /// What is known of their money, by currency.
    pub books: BTreeMap<Currency, Books>,
}

/// All of one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// As the transfers say.
    pub moving: Moving,
    /// As their legs say.
    pub books: Books,
    /// How many transfers say otherwise than their legs do.
    pub differing: usize,
    /// One of them.
    pub differs: Option<MasterSerial>,
}

impl Total {
    /// By how much legs and transfers differ over all, in minor units.
    pub fn difference(&self) -> i64 {
        let by_transfers = self.moving.in_transit().saturating_sub(self.moving.ahead);
        self.books.in_transit().saturating_sub(by_transfers)
    }

    /// Whether legs and transfers say the same, over all and of each.
    pub fn is_conserved(&self) -> bool {
        self.difference() == 0 && self.differing == 0
    }
}

/// Money in transit over all open transfers that are durable, and whether it is conserved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transit {
    /// When it was counted, in microseconds since 1970 UTC.
    pub at: i64,
    /// By source counter, destination counter and currency.
    pub pairs: BTreeMap<(CounterId, CounterId, Currency), Moving>,
    /// What is not told apart by pair, for there are too many pairs and currencies.
    pub others: BTreeMap<Currency, Moving>,
    /// By currency.
    pub totals: BTreeMap<Currency, Total>,
    /// Every counter, in the order of configuration.
    pub counters: Vec<AtCounter>,
    /// The oldest transfers with money in transit, the oldest first; at most [`crate::transit::OLDEST`].
    pub oldest: Vec<MasterSerial>,
}

impl Transit {
    /// What follows from what was counted at a time, in microseconds since 1970 UTC.
    pub(crate) fn of(tally: Tally, at: i64, names: &[CounterId], standing: &State) -> Transit {
        let totals = totals(&tally);
        let of_counter = |index: usize| names.get(index).cloned();
        let (mut pairs, mut others) = (BTreeMap::new(), BTreeMap::new());
        for ((pair, currency), moving) in tally.moving {
            let both = pair.and_then(|(from, to)| Some((of_counter(from.0)?, of_counter(to.0)?)));
            match both {
                Some((from, to)) => drop(pairs.insert((from, to, currency), moving)),
                None => drop(others.insert(currency, moving)),
            }
        }
        let mut books = vec![BTreeMap::new(); names.len()];
        for ((counter, currency), at_counter) in tally.books {
            if let Some(books) = counter.and_then(|counter| books.get_mut(counter.0)) {
                books.insert(currency, at_counter);
            }
        }
        let counters = names.iter().zip(books).enumerate().map(|(index, (counter, books))| {
            let sight = tally.sights.get(&port::CounterIndex(index)).copied().unwrap_or_default();
            let unsound = |currency: &Currency| {
                totals.get(currency).is_some_and(|total| total.difference() != 0)
            };
            let is_conserved = sight.differing == 0 && !books.keys().any(unsound);
            let (colour, why) = judged(&sight, is_conserved, counter, standing);
            AtCounter { counter: counter.clone(), colour, why, sight, books }
        });
        let counters = counters.collect();
        let oldest = tally.oldest.into_iter().map(|(_, master)| master).collect();
        Transit { at, pairs, others, totals, counters, oldest }
    }
}

/// By currency, over all that was counted.
fn totals(tally: &Tally) -> BTreeMap<Currency, Total> {
    let nothing = || Total {
        moving: Moving::default(),
        books: Books::default(),
        differing: 0,
        differs: None,
    };
    let mut totals = BTreeMap::new();
    for ((_, currency), moving) in &tally.moving {
        totals.entry(*currency).or_insert_with(nothing).moving.join(moving);
    }
    for ((_, currency), books) in &tally.books {
        totals.entry(*currency).or_insert_with(nothing).books.join(books);
    }
    for (currency, Differing { transfers, first }) in &tally.differing {
        let total = totals.entry(*currency).or_insert_with(nothing);
        (total.differing, total.differs) = (*transfers, Some(*first));
    }
    totals
}

/// The colour of a counter, and why it is that.
fn judged(
    sight: &Sight,
    is_conserved: bool,
    counter: &CounterId,
    standing: &State,
) -> (Colour, Vec<String>) {
    let mut why: Vec<(Colour, String)> = Vec::new();
    if !is_conserved {
        let text = "what legs and transfers say of money differs: an error of this software";
        why.push((Colour::Red, text.to_owned()));
    }
    if standing.held.contains_key(counter) {
        let text = "it gets no new transfers, for what it says is in doubt";
        why.push((Colour::Red, text.to_owned()));
    }
    for (colour, count, words) in [
        (Colour::Red, sight.contradicted, "transfers that contradict themselves"),
        (Colour::Red, sight.doubted, "legs that may be another transfer's"),
        (Colour::Unknown, sight.unknown, "legs whose outcome is not known"),
    ] {
        if count > 0 {
            why.push((colour, format!("{words}: {count}")));
        }
    }
    if standing.is_behind() {
        let text = "the record is behind: what it lacks is not counted";
        why.push((Colour::Unknown, text.to_owned()));
    }
    let colour = why.iter().map(|(colour, _)| *colour).max().unwrap_or(Colour::Green);
    let mut why: Vec<String> = why.into_iter().map(|(_, text)| text).collect();
    if sight.awaited > 0 {
        why.push(format!("answers that are awaited: {}", sight.awaited));
    }
    if colour == Colour::Green {
        why.insert(0, "every leg is known, or its answer has only begun to be awaited".to_owned());
    }
    (colour, why)
}

/// In which currencies money is not conserved, as operators were told.
#[derive(Debug, Default)]
pub(crate) struct Differences(Mutex<BTreeSet<Currency>>);

impl Differences {
    /// Tells of those that are new since the last look; what holds again may be told anew.
    pub(crate) fn tell(&self, transit: &Transit, events: &Events) {
        let differing = transit.totals.iter().filter(|(_, total)| !total.is_conserved());
        let differing: BTreeMap<&Currency, &Total> = differing.collect();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|currency| differing.contains_key(currency));
        for (currency, total) in differing {
            if told.insert(*currency) {
                let text = words(*currency, total);
                tracing::error!(master = total.differs.map(|it| it.to_string()), "{text}");
                events.raise(AlarmKind::Defect, AlarmAbout::Part(Part::Money), &text);
                if events.admits_alarm(transit.at, Kind::Defect) {
                    events.record(transit.at, Kind::Defect, total.differs, text);
                }
            }
        }
    }
}

fn words(currency: Currency, total: &Total) -> String {
    let (moving, books) = (&total.moving, &total.books);
    format!(
        "money in transit does not add up in {currency}: {} minor units by transfers, less {} paid ahead; \
         by their legs {} debited, {} credited, {} returned; {} transfers differ. This software is wrong: run \
         `counter-bridge audit`, and report it",
        moving.in_transit(),
        moving.ahead,
        books.debited,
        books.credited,
        books.returned,
        total.differing
    )
}

#[cfg(test)]
mod tests;
