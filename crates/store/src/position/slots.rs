//! What the position file holds: two slots, written in turn, so that one of them is whole whenever the
//! other is being written. Each lies in a block of its own, which no write of the other touches.

use super::{Id, Position};

/// Bytes from one slot to the next: what a disk writes at once.
pub(crate) const BLOCK: usize = 4096;
/// Bytes of the file.
pub(crate) const LENGTH: usize = 2 * BLOCK;
/// Bytes of a slot that are used.
pub(crate) const SLOT: usize = 80;

/// What the slot begins with; the last digit is the version of the form.
const MAGIC: [u8; 8] = *b"cbplace1";

/// What a file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is no file.
    Missing,
    /// There is one, and neither slot of it is whole.
    Torn,
    /// The newer of its slots, and the number of its writing.
    Whole {
        /// What it says.
        position: Position,
        /// Counts all writings of the file.
        written: u64,
    },
}

/// A slot as it is written: magic, count of writings, record, node, lineage, batch, next serial, and a
/// checksum over all of it; numbers are little-endian.
pub(crate) fn encode(position: &Position, written: u64) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    let Position { record, node, lineage, number, next_serial } = position;
    slot[..8].copy_from_slice(&MAGIC);
    slot[8..16].copy_from_slice(&written.to_le_bytes());
    slot[16..32].copy_from_slice(&record.0);
    slot[32..48].copy_from_slice(&node.0);
    slot[48..56].copy_from_slice(&lineage.to_le_bytes());
    slot[56..64].copy_from_slice(&number.to_le_bytes());
    slot[64..72].copy_from_slice(&next_serial.to_le_bytes());
    let sum = checksum(&slot[..72]);
    slot[72..].copy_from_slice(&sum.to_le_bytes());
    slot
}

/// Which slot the writing with this number goes to: an offset in the file.
pub(crate) fn offset(written: u64) -> u64 {
    if written.is_multiple_of(2) { 0 } else { BLOCK as u64 }
}

/// Reads the content of a file.
pub(crate) fn read(content: &[u8]) -> Found {
    let slot = |at: usize| content.get(at..at + SLOT).and_then(decode);
    match (slot(0), slot(BLOCK)) {
        (None, None) => Found::Torn,
        (Some(one), None) | (None, Some(one)) => one,
        (Some(one), Some(other)) => newer(one, other),
    }
}

fn newer(one: Found, other: Found) -> Found {
    let count = |found: &Found| match found {
        Found::Whole { written, .. } => *written,
        Found::Missing | Found::Torn => 0,
    };
    if count(&one) >= count(&other) { one } else { other }
}

fn decode(slot: &[u8]) -> Option<Found> {
    let number = |at: usize| Some(u64::from_le_bytes(slot.get(at..at + 8)?.try_into().ok()?));
    let id = |at: usize| Some(Id(slot.get(at..at + 16)?.try_into().ok()?));
    if slot.get(..8)? != MAGIC || number(72)? != checksum(slot.get(..72)?) {
        return None;
    }
    Some(Found::Whole {
        written: number(8)?,
        position: Position {
            record: id(16)?,
            node: id(32)?,
            lineage: number(48)?,
            number: number(56)?,
            next_serial: number(64)?,
        },
    })
}

fn checksum(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(number: u64) -> Position {
        Position { record: Id([1; 16]), node: Id([2; 16]), lineage: 3, number, next_serial: 10_001 }
    }

    fn put(file: &mut [u8], number: u64, written: u64) {
        let at = usize::try_from(offset(written)).expect("small");
        file[at..at + SLOT].copy_from_slice(&encode(&position(number), written));
    }

    fn told(file: &[u8]) -> Option<u64> {
        match read(file) {
            Found::Whole { position, .. } => Some(position.number),
            Found::Missing | Found::Torn => None,
        }
    }

    #[test]
    fn the_newer_slot_is_what_the_file_tells() {
        let mut file = vec![0; LENGTH];
        assert_eq!(read(&file), Found::Torn);
        assert_eq!(read(&[]), Found::Torn);
        put(&mut file, 0, 1);
        assert_eq!(read(&file), Found::Whole { position: position(0), written: 1 });
        for number in 1..6 {
            put(&mut file, number, number + 1);
            assert_eq!(told(&file), Some(number));
        }
    }

    /// A writing that ends after any of its bytes leaves what was told before, or what is told now.
    #[test]
    fn a_writing_that_is_torn_at_any_byte_leaves_one_of_the_two() {
        let mut before = vec![0; LENGTH];
        put(&mut before, 7, 7);
        put(&mut before, 8, 8);
        let new = encode(&position(9), 9);
        let at = usize::try_from(offset(9)).expect("small");
        for torn in 0..=SLOT {
            let mut file = before.clone();
            file[at..at + torn].copy_from_slice(&new[..torn]);
            let expected = if torn == SLOT { 9 } else { 8 };
            assert_eq!(told(&file), Some(expected), "torn at {torn}");
        }
    }

    #[test]
    fn no_changed_bit_goes_unnoticed() {
        let slot = encode(&position(9), 9);
        for bit in 0..SLOT * 8 {
            let mut file = vec![0; LENGTH];
            file[..SLOT].copy_from_slice(&slot);
            file[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&file), Found::Torn, "bit {bit}");
        }
    }
}
