//! Money in transit over all open transfers, by pair of counters and age: counted where the transfers are, without
//! copying one of them (DOMAIN §3, rule 8). What follows from it is `conserved`.
//!
//! Counted twice, and apart: from what is known of each leg, at the counter where it is booked, and from what each
//! transfer as a whole says is in transit.

use domain::money::Currency;
use domain::serial::{MasterSerial, Role};
use domain::transfer::{Booked, Transfer};
use port::CounterIndex;
use std::collections::{BTreeMap, BTreeSet};

/// How many pairs of counters and currencies are told apart, and as many counters and currencies; what is beyond is
/// added up by currency alone. Counters are configured, currencies are whatever apps order.
pub const MOST_CELLS: usize = 4096;

/// How many of the transfers with money in transit are named, the oldest.
pub const OLDEST: usize = 50;

/// An answer is awaited for so long, in microseconds since its transfer was accepted; from then on its leg's outcome
/// counts as not known.
pub const ANSWERED_WITHIN: i64 = BANDS[0];

/// Ages below which money is told apart, in microseconds since its transfer was accepted: a minute, an hour, a day.
/// What is older comes last.
pub const BANDS: [i64; 3] = [60_000_000, 3_600_000_000, 86_400_000_000];

/// Money in transit, as transfers say of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moving {
    /// How many transfers have money in transit.
    pub transfers: usize,
    /// How much, in minor units, by age: below each of [`BANDS`], and older.
    pub by_age: [i64; BANDS.len() + 1],
    /// When the oldest of them was accepted, in microseconds since 1970 UTC.
    pub oldest_at: Option<i64>,
    /// What is proven paid out ahead of its debit, in minor units: of other transfers than those.
    pub ahead: i64,
}

impl Moving {
    /// All of it, in minor units.
    pub fn in_transit(&self) -> i64 {
        self.by_age.iter().fold(0, |sum, minor| sum.saturating_add(*minor))
    }

    fn add(&mut self, seen: &Seen<'_>, now: i64) {
        grow(&mut self.ahead, seen.ahead);
        if seen.in_transit != 0 {
            self.transfers += 1;
            grow(&mut self.by_age[band(now.saturating_sub(seen.created_at))], seen.in_transit);
            self.oldest_at = earlier(self.oldest_at, Some(seen.created_at));
        }
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn join(&mut self, other: &Moving) {
        self.transfers += other.transfers;
        for (sum, minor) in self.by_age.iter_mut().zip(other.by_age) {
            grow(sum, minor);
        }
        self.oldest_at = earlier(self.oldest_at, other.oldest_at);
        grow(&mut self.ahead, other.ahead);
    }
}

/// What is known of the money of legs, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Proven debited.
    pub debited: i64,
    /// Proven credited.
    pub credited: i64,
    /// Proven returned: debits that were reversed.
    pub returned: i64,
    /// Sent a moment ago, the answer awaited.
    pub awaited: i64,
    /// Not known: sent, and neither proven nor disproven.
    pub unknown: i64,
}

impl Books {
    /// What is in transit by this, less what is paid out ahead.
    pub fn in_transit(&self) -> i64 {
        self.debited.saturating_sub(self.credited).saturating_sub(self.returned)
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn join(&mut self, other: &Books) {
        grow(&mut self.debited, other.debited);
        grow(&mut self.credited, other.credited);
        grow(&mut self.returned, other.returned);
        grow(&mut self.awaited, other.awaited);
        grow(&mut self.unknown, other.unknown);
    }
}

/// What is known, and what is not, of the legs at a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Legs that were sent a moment ago, and whose answer is awaited.
    pub awaited: usize,
    /// Legs whose outcome is not known.
    pub unknown: usize,
    /// When the oldest transfer with such a leg was accepted, in microseconds since 1970 UTC.
    pub unknown_since: Option<i64>,
    /// Legs under whose serial the counter may hold another transfer's posting.
    pub doubted: usize,
    /// Transfers with a leg here of which what is proven does not go together.
    pub contradicted: usize,
    /// Transfers with a leg here of which legs and transfer say different things of money.
    pub differing: usize,
}

impl Sight {
    fn join(&mut self, other: Sight) {
        self.awaited += other.awaited;
        self.unknown += other.unknown;
        self.unknown_since = earlier(self.unknown_since, other.unknown_since);
        self.doubted += other.doubted;
        self.contradicted += other.contradicted;
        self.differing += other.differing;
    }
}

/// Transfers of which legs and transfer say different things of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Differing {
    pub(crate) transfers: usize,
    /// The one with the lowest serial.
    pub(crate) first: MasterSerial,
}

/// An open transfer, as it is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) transfer: &'a Transfer,
    pub(crate) debit_at: CounterIndex,
    pub(crate) credit_at: CounterIndex,
    /// As the transfer says, in the phase that it is shown in; in minor units.
    pub(crate) in_transit: i64,
    /// As the transfer says, in minor units.
    pub(crate) ahead: i64,
    /// In microseconds since 1970 UTC.
    pub(crate) created_at: i64,
}

impl Seen<'_> {
    fn counter(&self, role: Role) -> CounterIndex {
        match role {
            Role::Debit | Role::Reversal => self.debit_at,
            Role::Credit => self.credit_at,
        }
    }

    /// The counters at which it has legs, each once.
    fn counters(&self) -> impl Iterator<Item = CounterIndex> {
        let other = (self.credit_at != self.debit_at).then_some(self.credit_at);
        [self.debit_at].into_iter().chain(other)
    }
}

/// Which cell something is counted in: its own, or, with `None`, that of all others.
type Cells<Place, Value> = BTreeMap<(Option<Place>, Currency), Value>;

/// What is counted over open transfers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) moving: Cells<(CounterIndex, CounterIndex), Moving>,
    pub(crate) books: Cells<CounterIndex, Books>,
    pub(crate) sights: BTreeMap<CounterIndex, Sight>,
    pub(crate) differing: BTreeMap<Currency, Differing>,
    /// When each was accepted, and its serial; at most [`OLDEST`].
    pub(crate) oldest: BTreeSet<(i64, MasterSerial)>,
}

impl Tally {
    /// Adds a transfer at `now`, in microseconds since 1970 UTC.
    pub(crate) fn add(&mut self, seen: &Seen<'_>, now: i64) {
        let intent = &seen.transfer.intent;
        let (currency, amount) = (intent.order.currency, intent.order.amount.minor());
        let pair = (seen.debit_at, seen.credit_at);
        if seen.in_transit != 0 || seen.ahead != 0 {
            cell(&mut self.moving, pair, currency).add(seen, now);
        }
        if seen.in_transit != 0 {
            self.name(seen.created_at, intent.master);
        }
        let mut by_legs = Books::default();
        for role in Role::ALL {
            let booked = self.see(seen, role, now);
            if booked == Booked::Nothing {
                continue;
            }
            let mut leg = Books::default();
            *match (booked, role) {
                (Booked::Proven | Booked::Nothing, Role::Debit) => &mut leg.debited,
                (Booked::Proven | Booked::Nothing, Role::Credit) => &mut leg.credited,
                (Booked::Proven | Booked::Nothing, Role::Reversal) => &mut leg.returned,
                (Booked::Awaited, _) => &mut leg.awaited,
                (Booked::Unknown, _) => &mut leg.unknown,
            } = amount;
            cell(&mut self.books, seen.counter(role), currency).join(&leg);
            by_legs.join(&leg);
        }
        if by_legs.in_transit() != seen.in_transit.saturating_sub(seen.ahead) {
            self.differs(currency, Differing { transfers: 1, first: intent.master });
            for counter in seen.counters() {
                self.sights.entry(counter).or_default().differing += 1;
            }
        }
        if seen.transfer.is_contradicted() {
            for counter in seen.counters() {
                self.sights.entry(counter).or_default().contradicted += 1;
            }
        }
    }

    /// Looks at one leg: what is known of it at its counter.
    fn see(&mut self, seen: &Seen<'_>, role: Role, now: i64) -> Booked {
        let late = now.saturating_sub(seen.created_at) >= ANSWERED_WITHIN;
        let booked = match seen.transfer.booked(role) {
            Booked::Awaited if late => Booked::Unknown,
            booked => booked,
        };
        let doubted = seen.transfer.leg(role).doubt.is_some();
        if doubted || matches!(booked, Booked::Awaited | Booked::Unknown) {
            let sight = self.sights.entry(seen.counter(role)).or_default();
            sight.doubted += usize::from(doubted);
            match booked {
                Booked::Awaited => sight.awaited += 1,
                Booked::Unknown => {
                    sight.unknown += 1;
                    sight.unknown_since = earlier(sight.unknown_since, Some(seen.created_at));
                }
                Booked::Proven | Booked::Nothing => {}
            }
        }
        booked
    }

    /// Names a transfer, if it is one of the oldest.
    fn name(&mut self, created_at: i64, master: MasterSerial) {
        let one = (created_at, master);
        if self.oldest.len() < OLDEST || self.oldest.last().is_some_and(|last| one < *last) {
            self.oldest.insert(one);
            if self.oldest.len() > OLDEST {
                self.oldest.pop_last();
            }
        }
    }

    fn differs(&mut self, currency: Currency, other: Differing) {
        let all = self.differing.entry(currency).or_insert(Differing { transfers: 0, ..other });
        all.transfers += other.transfers;
        all.first = all.first.min(other.first);
    }

    /// Adds what another shard counted.
    pub(crate) fn join(&mut self, other: Tally) {
        for ((pair, currency), moving) in other.moving {
            slot(&mut self.moving, pair, currency).join(&moving);
        }
        for ((counter, currency), books) in other.books {
            slot(&mut self.books, counter, currency).join(&books);
        }
        for (counter, sight) in other.sights {
            self.sights.entry(counter).or_default().join(sight);
        }
        for (currency, differing) in other.differing {
            self.differs(currency, differing);
        }
        for (created_at, master) in other.oldest {
            self.name(created_at, master);
        }
    }
}

/// The cell of a place and a currency, or that of all others once there are too many.
fn cell<Place: Ord, Value: Default>(
    cells: &mut Cells<Place, Value>,
    place: Place,
    currency: Currency,
) -> &mut Value {
    slot(cells, Some(place), currency)
}

fn slot<Place: Ord, Value: Default>(
    cells: &mut Cells<Place, Value>,
    place: Option<Place>,
    currency: Currency,
) -> &mut Value {
    let key = (place, currency);
    // Those of all others are no more than there are codes of currencies.
    let is_room = key.0.is_none() || cells.len() < MOST_CELLS || cells.contains_key(&key);
    cells.entry(if is_room { key } else { (None, currency) }).or_default()
}

/// The band of an age in microseconds.
fn band(age: i64) -> usize {
    BANDS.iter().position(|end| age < *end).unwrap_or(BANDS.len())
}

fn grow(sum: &mut i64, minor: i64) {
    *sum = sum.saturating_add(minor);
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    [one, other].into_iter().flatten().min()
}

#[cfg(test)]
pub(crate) mod tests;
