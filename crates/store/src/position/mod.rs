//! Where the record ends, kept twice: in the database, changed in the same transaction as each batch,
//! and in a small file outside it, written after each commit and before anybody is told. If the file
//! knows of more than the database, the database has lost something (DOMAIN §3, rule 10).
//!
//! Reading order: [`slots`] is what the file holds, [`compare`] what follows from holding both against
//! each other, `file` the file itself, `rows` the database's side; `ledger` is what the journal knows of it while it runs.

pub(crate) mod compare;
pub(crate) mod file;
pub(crate) mod ledger;
pub(crate) mod release;
pub(crate) mod rows;
pub(crate) mod slots;

use std::fmt::{self, Write as _};

/// Tells a record, or a node that writes to it, from all others: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) [u8; 16]);

impl Id {
    /// One that nobody has.
    pub(crate) fn random() -> Id {
        Id(rand::random())
    }

    /// All of it, as the database keeps it.
    pub(crate) fn hex(self) -> String {
        self.0.iter().fold(String::with_capacity(32), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// From 32 hexadecimal digits.
    pub(crate) fn from_hex(text: &str) -> Option<Id> {
        let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
        Some(Id(number.to_be_bytes()))
    }
}

impl fmt::Display for Id {
    /// The first eight digits tell a person enough.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How far a record has been written by a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Which record.
    pub(crate) record: Id,
    /// Which node wrote.
    pub(crate) node: Id,
    /// Counts releases: a record that was behind and was released goes on under the next one.
    pub(crate) lineage: u64,
    /// The number of the last batch; counts from 1 within the life of a node.
    pub(crate) number: u64,
    /// The first sequence that was never leased.
    pub(crate) next_serial: u64,
}

/// Whether a record is all that was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RecordStanding {
    /// It is, as far as is known.
    #[default]
    Current,
    /// It lacks something; only a release ends that.
    Behind {
        /// What it lacks, in words.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_written_whole_and_shown_short() {
        let text = "00112233445566778899aabbccddeeff";
        let id = Id::from_hex(text).expect("an identity");
        assert_eq!((id.hex().as_str(), id.to_string().as_str()), (text, "00112233"));
        for bad in ["", &text[1..], "00112233445566778899aabbccddeefg"] {
            assert_eq!(Id::from_hex(bad), None, "{bad}");
        }
    }
}
