//! Terms of what has ended in this life, and is in no run of the index by terms yet: known in memory, to whoever lists as to
//! whoever writes. A commit adds what its trails say; what an earlier life left is read, some at a time.

use crate::counter_serial::hashes;
use crate::run::{Entry, Kind, Sought};
use crate::write::Write;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Portions of accounts whose terms are kept here, four times what a run holds: 17 MB. Where runs cannot be written, what
/// comes after those is gone through as it stands in the database, and read again later.
const MOST_PORTIONS: usize = if cfg!(test) { 4 } else { 64 };

/// What is known of a transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Hashes of the counters' serials that its trail speaks of.
    pub(crate) serials: Vec<i64>,
    /// In minor units.
    pub(crate) amount: i64,
    pub(crate) currency: [u8; 3],
}

/// Of a portion of accounts.
#[derive(Debug, Default)]
pub(crate) struct Portion {
    pub(crate) serials: Vec<Entry>,
    pub(crate) amounts: Vec<Entry>,
    /// Transfers of it whose terms are not known yet.
    unread: BTreeSet<i64>,
}

impl Portion {
    pub(crate) fn add(&mut self, master: i64, terms: &Terms) {
        let serials = terms.serials.iter();
        self.serials.extend(serials.map(|key| Entry { key: *key, master, currency: [0; 3] }));
        let Terms { amount, currency, .. } = *terms;
        self.amounts.push(Entry { key: amount, master, currency });
    }

    fn of(&self, kind: Kind) -> &[Entry] {
        match kind {
            Kind::Serials => &self.serials,
            Kind::Amounts => &self.amounts,
        }
    }
}

/// What was found at one moment, and where nothing else need be looked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// The newest first, each once.
    pub(crate) masters: Vec<i64>,
    /// The portions of accounts whose terms are all known here.
    pub(crate) portions: BTreeSet<i64>,
    /// Whether all that has ended and is in no portion of accounts is known here.
    pub(crate) knows_waiting: bool,
}

/// Which portions of accounts there are in no run, as far as is known here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// All terms of these are known here.
    pub(crate) whole: BTreeSet<i64>,
    /// Some of these, or all, are.
    pub(crate) held: BTreeSet<i64>,
    /// There was no room for these.
    pub(crate) dropped: BTreeSet<i64>,
}

/// The terms.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    book: Mutex<Book>,
    /// Grows with what there may be to do for it.
    version: AtomicU64,
}

#[derive(Debug, Default)]
struct Book {
    /// What is open and was begun in this life: what its trail has said, and how many parts that was.
    open: HashMap<i64, (u32, Terms)>,
    /// What has ended and is in no portion of accounts.
    waiting: BTreeMap<i64, Terms>,
    /// The same, of what began in an earlier life.
    unread: BTreeSet<i64>,
    portions: BTreeMap<i64, Portion>,
    dropped: BTreeSet<i64>,
    /// Whether the database may have a portion of accounts, or more of one, than is known here.
    is_in_doubt: bool,
    /// Whether what an earlier life left waiting is among `unread`.
    has_begun: bool,
}

impl Fresh {
    /// From now on all that ends is added; this has ended before, and is in no portion of accounts.
    pub(crate) fn begin(&self, left: impl IntoIterator<Item = i64>) {
        let mut book = self.lock();
        book.unread.extend(left);
        book.has_begun = true;
        self.changed();
    }

    /// Grows whenever there may be something to be read for it, or to be taken out of it.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    fn changed(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// These are durable.
    pub(crate) fn add<'w>(&self, writes: impl IntoIterator<Item = &'w Write>) {
        let mut book = self.lock();
        let unread = book.unread.len();
        for write in writes {
            book.add(write);
        }
        if book.unread.len() != unread {
            self.changed();
        }
    }

    /// These are in a portion of accounts by now.
    pub(crate) fn assign(&self, number: i64, masters: &[i64]) {
        let mut book = self.lock();
        let (mut portion, mut is_news) = (Portion::default(), false);
        for master in masters {
            if let Some(terms) = book.waiting.remove(master) {
                portion.add(*master, &terms);
            } else {
                book.unread.remove(master);
                portion.unread.insert(*master);
                is_news = true;
            }
        }
        if book.dropped.contains(&number) {
            return;
        }
        if let Some(held) = book.portions.get_mut(&number) {
            held.serials.append(&mut portion.serials);
            held.amounts.append(&mut portion.amounts);
            held.unread.append(&mut portion.unread);
        } else {
            book.put(number, portion);
            is_news = true;
        }
        if is_news {
            self.changed();
        }
    }

    /// Some may have been entered in this portion of accounts, or in a new one: nobody has said so. It is read again before it
    /// counts as known.
    pub(crate) fn doubt(&self, number: Option<i64>) {
        let mut book = self.lock();
        if let Some(number) = number.filter(|number| book.portions.remove(number).is_some()) {
            book.dropped.insert(number);
        }
        book.is_in_doubt = true;
        self.changed();
    }

    /// Whether the database has to be asked which portions of accounts there are.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.lock().is_in_doubt
    }

    /// It is asked now.
    pub(crate) fn look_anew(&self) {
        self.lock().is_in_doubt = false;
    }

    /// All of a portion's terms were read.
    pub(crate) fn put(&self, number: i64, portion: Portion) {
        self.lock().put(number, portion);
        self.changed();
    }

    /// Some whose terms are not known, and that nothing but their trails tells.
    pub(crate) fn unread(&self, most: usize) -> Vec<i64> {
        let book = self.lock();
        let entered = book.portions.values().flat_map(|portion| &portion.unread);
        book.unread.iter().chain(entered).copied().take(most).collect()
    }

    /// What the record says of one whose terms were not known.
    pub(crate) fn learn(&self, master: i64, terms: Terms) {
        let mut book = self.lock();
        if book.unread.remove(&master) {
            book.waiting.insert(master, terms);
        } else if let Some(portion) = book
            .portions
            .values_mut()
            .find_map(|portion| portion.unread.remove(&master).then_some(portion))
        {
            portion.add(master, &terms);
        }
        self.changed();
    }

    /// The portions of accounts in no run.
    pub(crate) fn numbers(&self) -> Numbers {
        let book = self.lock();
        let held = book.portions.keys().copied().collect();
        Numbers { whole: book.whole(), held, dropped: book.dropped.clone() }
    }

    /// The terms of these portions, for a run.
    pub(crate) fn copied(&self, numbers: &BTreeSet<i64>) -> Portion {
        let book = self.lock();
        let mut all = Portion::default();
        for portion in numbers.iter().filter_map(|number| book.portions.get(number)) {
            all.serials.extend_from_slice(&portion.serials);
            all.amounts.extend_from_slice(&portion.amounts);
        }
        all
    }

    /// Portions up to this one are in runs.
    pub(crate) fn forget_through(&self, through: i64) {
        let mut book = self.lock();
        book.portions = book.portions.split_off(&through.saturating_add(1));
        book.dropped = book.dropped.split_off(&through.saturating_add(1));
        self.changed();
    }

    /// What is known here that is sought and older than `before`.
    pub(crate) fn look(&self, sought: &Sought, before: i64) -> Look {
        let book = self.lock();
        let is_it = |terms: &Terms| match sought.kind {
            Kind::Serials => terms.serials.contains(&sought.key),
            Kind::Amounts => {
                terms.amount == sought.key
                    && sought.currency.is_none_or(|currency| currency == terms.currency)
            }
        };
        let waiting = book.waiting.range(..before).filter(|(_, terms)| is_it(terms));
        let mut masters: Vec<i64> = waiting.map(|(master, _)| *master).collect();
        for portion in book.portions.values() {
            let met =
                portion.of(sought.kind).iter().filter(|entry| sought.is_met_by(entry, before));
            masters.extend(met.map(|entry| entry.master));
        }
        let knows_waiting = book.has_begun && book.unread.is_empty();
        let mut portions = book.whole();
        if !knows_waiting {
            // What waits and is not known here may be entered in it meanwhile.
            let filled = book.portions.last_key_value().map(|(number, _)| *number);
            portions.retain(|number| Some(*number) != filled);
        }
        drop(book);
        masters.sort_unstable_by(|one, other| other.cmp(one));
        masters.dedup();
        Look { masters, portions, knows_waiting }
    }

    /// Each change leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn add(&mut self, write: &Write) {
        let master = write.master.number();
        if let Some(new) = &write.accept {
            let currency = code(new.order.currency.as_str());
            let terms = Terms { amount: new.order.amount.minor(), currency, ..Terms::default() };
            self.open.insert(master, (0, terms));
        }
        if let Some((part, body)) = &write.trail
            && let Some((next, terms)) = self.open.get_mut(&master)
        {
            if part == next {
                *next += 1;
                terms.serials.extend(hashes(body));
            } else if part > next {
                // One in between is not known here.
                self.open.remove(&master);
            }
        }
        if write.outcome.is_some() {
            match self.open.remove(&master) {
                Some((_, terms)) => drop(self.waiting.insert(master, terms)),
                None => drop(self.unread.insert(master)),
            }
        }
    }

    fn whole(&self) -> BTreeSet<i64> {
        let whole = self.portions.iter().filter(|(_, portion)| portion.unread.is_empty());
        whole.map(|(number, _)| *number).collect()
    }

    /// Where there is no room, the newest of the others goes: runs are made of the oldest.
    fn put(&mut self, number: i64, portion: Portion) {
        self.dropped.remove(&number);
        self.portions.insert(number, portion);
        while self.portions.len() > MOST_PORTIONS
            && let Some(newest) =
                self.portions.keys().rev().find(|other| **other != number).copied()
        {
            self.portions.remove(&newest);
            self.dropped.insert(newest);
        }
    }
}

/// A currency as entries have it.
pub(crate) fn code(currency: &str) -> [u8; 3] {
    currency.as_bytes().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests;
