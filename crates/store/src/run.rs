//! A run: the entries of one portion of the index by terms, sorted and packed into rows of some hundred. Written once, and
//! whole, it costs a page for two hundred entries, where a row for each would touch a page for nearly every one.

use crate::checksum::Sum;

/// Entries in a row: what a page of SQLite's holds with the row's key.
const IN_A_ROW: usize = if cfg!(test) { 5 } else { 200 };

/// Bytes of an entry: key, master serial, currency.
const ENTRY: usize = 8 + 8 + 3;

/// What an index is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Hashes of counters' serials.
    Serials,
    /// Amounts, in minor units.
    Amounts,
}

impl Kind {
    /// The number in the database.
    pub(crate) const fn number(self) -> i16 {
        match self {
            Kind::Serials => 1,
            Kind::Amounts => 2,
        }
    }
}

/// That a transfer has a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// The hash of a counter's serial, or an amount in minor units.
    pub(crate) key: i64,
    /// The transfer's master serial, as a number.
    pub(crate) master: i64,
    /// Of an amount, ISO 4217; zeros of a serial.
    pub(crate) currency: [u8; 3],
}

/// What is sought: a key, of a currency if one is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sought {
    pub(crate) kind: Kind,
    pub(crate) key: i64,
    pub(crate) currency: Option<[u8; 3]>,
}

impl Sought {
    /// Whether an entry is one that is sought, of a transfer older than `before`.
    pub(crate) fn is_met_by(&self, entry: &Entry, before: i64) -> bool {
        entry.key == self.key
            && entry.master < before
            && self.currency.is_none_or(|currency| currency == entry.currency)
    }
}

/// A row of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    /// The key of its first entry.
    pub(crate) first_key: i64,
    /// Its number in its run, from 0: many entries may have one key.
    pub(crate) number: i64,
    pub(crate) body: Vec<u8>,
}

/// The rows of a run.
pub(crate) fn rows(kind: Kind, mut entries: Vec<Entry>) -> Vec<Row> {
    entries.sort_unstable();
    entries.dedup();
    let pack = |(number, chunk): (i64, &[Entry])| Row {
        kind,
        first_key: chunk.first().map_or(0, |entry| entry.key),
        number,
        body: chunk.iter().flat_map(packed).collect(),
    };
    (0..).zip(entries.chunks(IN_A_ROW)).map(pack).collect()
}

fn packed(entry: &Entry) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..8].copy_from_slice(&entry.key.to_be_bytes());
    bytes[8..16].copy_from_slice(&entry.master.to_be_bytes());
    bytes[16..].copy_from_slice(&entry.currency);
    bytes
}

/// The entries of a row, the last one first; `None` if it is not what a row is made of.
pub(crate) fn entries(body: &[u8]) -> Option<impl Iterator<Item = Entry>> {
    let (entries, rest) = body.as_chunks::<ENTRY>();
    let unpack = |bytes: &[u8; ENTRY]| {
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            i64::from_be_bytes(number)
        };
        let mut currency = [0; 3];
        currency.copy_from_slice(&bytes[16..]);
        Entry { key: number(0), master: number(8), currency }
    };
    rest.is_empty().then(|| entries.iter().rev().map(unpack))
}

/// The checksum of a row.
pub(crate) fn sum(portion: i64, kind: i64, first_key: i64, number: i64, body: &[u8]) -> i64 {
    Sum::of("term_run", portion).number(kind).number(first_key).number(number).bytes(body).end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: i64, master: i64) -> Entry {
        Entry { key, master, currency: *b"CNY" }
    }

    #[test]
    fn rows_are_sorted_and_read_back_the_last_entry_first() {
        let all: Vec<Entry> = (0..12).map(|one| entry(one % 3 - 1, 100 - one)).collect();
        let twice = all.iter().chain(&all).copied().collect();
        let rows = rows(Kind::Amounts, twice);
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(rows.iter().map(|row| row.first_key).collect::<Vec<_>>(), [-1, 0, 1]);
        let mut read = Vec::new();
        for row in rows.iter().rev() {
            read.extend(entries(&row.body).expect("a row"));
        }
        let mut sorted = all;
        sorted.sort_unstable();
        sorted.reverse();
        assert_eq!(read, sorted);
        assert!(entries(&rows[0].body[1..]).is_none());
        assert!(super::rows(Kind::Serials, Vec::new()).is_empty());
    }

    #[test]
    fn what_is_sought_has_the_key_and_the_currency_and_is_older() {
        let sought = |currency| Sought { kind: Kind::Amounts, key: 5, currency };
        for (entry, before, currency, is_met) in [
            (entry(5, 7), 8, None, true),
            (entry(5, 7), 7, None, false),
            (entry(6, 7), 8, None, false),
            (entry(5, 7), 8, Some(*b"CNY"), true),
            (entry(5, 7), 8, Some(*b"USD"), false),
        ] {
            assert_eq!(sought(currency).is_met_by(&entry, before), is_met, "{entry:?}");
        }
    }
}
