//! Holds the position file against the record.

use super::Position;
use super::slots::Found;
use crate::position::Id;
use domain::serial::Sequence;

/// What the database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Which record it is.
    pub(crate) record: Id,
    /// Whether no transfer was ever recorded in it.
    pub(crate) is_empty: bool,
    /// The first sequence that was never leased.
    pub(crate) next_serial: u64,
    /// How far each node has written.
    pub(crate) nodes: Vec<Node>,
}

/// How far a node has written, as the database holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// The node's identity.
    pub(crate) id: Id,
    /// Counts releases.
    pub(crate) lineage: u64,
    /// The number of its last batch.
    pub(crate) number: u64,
    /// Why it was declared to be behind, if it was and is not released.
    pub(crate) behind: Option<String>,
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was ever kept: this is the first start with this record, or the first of this version.
    First,
    /// They agree; the record goes on from here.
    Current(Position),
    /// The record lacks something, or it cannot be known that it does not.
    Behind {
        /// In words, for whoever must release it.
        why: String,
        /// Which node this is, where the file tells.
        node: Option<Id>,
    },
}

/// Holds them against each other. One batch more in the database than in the file is a crash between
/// the commit and the writing of the file; still more are a loss of power, after which the file may be
/// a second old. Neither lacks anything in the record.
pub(crate) fn compare(found: Found, kept: &Kept) -> Verdict {
    let behind = |why: String, node| Verdict::Behind { why, node };
    let untouched = kept.nodes.iter().all(|node| node.number == 0 && node.behind.is_none());
    let position = match found {
        Found::Missing if kept.nodes.is_empty() => return Verdict::First,
        Found::Missing if kept.is_empty && untouched => return Verdict::First,
        Found::Missing => {
            let why =
                "the position file is missing: whether the record is complete cannot be known";
            return behind(why.to_owned(), None);
        }
        Found::Torn => {
            let why =
                "the position file is damaged: whether the record is complete cannot be known";
            return behind(why.to_owned(), None);
        }
        Found::Whole { position, .. } => position,
    };
    let Position { record, node, lineage, number, next_serial } = position;
    if record != kept.record {
        let why = if kept.is_empty {
            format!(
                "the record is empty, and the position file beside it tells of {number} batches of \
                 another: it was lost, or its path is not the right one"
            )
        } else {
            format!(
                "the position file belongs to another record: it tells of record {record}, this one \
                 is {}",
                kept.record
            )
        };
        return behind(why, None);
    }
    let Some(row) = kept.nodes.iter().find(|row| row.id == node) else {
        // A crash in the middle of the very first start: the file comes first.
        if kept.nodes.is_empty() && number == 0 {
            return Verdict::First;
        }
        let why = format!(
            "the record knows nothing of this node, of which the position file tells {number} \
             batches: it is an older copy"
        );
        return behind(why, None);
    };
    if let Some(why) = &row.behind {
        return behind(why.clone(), Some(node));
    }
    if row.lineage != lineage {
        let why = format!(
            "the record was released {} times by what it says itself, and {} times by its position \
             file",
            row.lineage.saturating_sub(1),
            lineage.saturating_sub(1)
        );
        return behind(why, Some(node));
    }
    if number > row.number {
        let missing = number - row.number;
        let why = format!(
            "the record ends with batch {}, and batch {number} was told already: {missing} {} missing",
            row.number,
            if missing == 1 { "batch is" } else { "batches are" }
        );
        return behind(why, Some(node));
    }
    if is_later(next_serial, kept.next_serial) {
        let why = format!(
            "the record would give out serial {} next, and serials up to {} were given out already",
            kept.next_serial,
            next_serial - 1
        );
        return behind(why, Some(node));
    }
    Verdict::Current(Position { number: row.number, next_serial: kept.next_serial, ..position })
}

/// Whether `one` comes after `other`, on a circle: sequences begin anew after the last.
pub(crate) fn is_later(one: u64, other: u64) -> bool {
    let all = Sequence::MAX;
    let ahead = (one + all - other % all) % all;
    ahead != 0 && ahead < all / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: Id = Id([1; 16]);
    const NODE: Id = Id([2; 16]);

    fn file(number: u64) -> Found {
        let position =
            Position { record: RECORD, node: NODE, lineage: 1, number, next_serial: 10_001 };
        Found::Whole { position, written: number }
    }

    fn kept(number: u64) -> Kept {
        Kept {
            record: RECORD,
            is_empty: number == 0,
            next_serial: 10_001,
            nodes: vec![Node { id: NODE, lineage: 1, number, behind: None }],
        }
    }

    fn why(verdict: Verdict) -> String {
        match verdict {
            Verdict::Behind { why, .. } => why,
            Verdict::First | Verdict::Current(_) => String::new(),
        }
    }

    #[test]
    fn a_record_that_has_what_the_file_tells_is_current() {
        // A crash in between, and a loss of power.
        for ahead in [0, 1, 700] {
            match compare(file(41), &kept(41 + ahead)) {
                Verdict::Current(position) => assert_eq!(position.number, 41 + ahead),
                verdict => panic!("{verdict:?}"),
            }
        }
    }

    #[test]
    fn nothing_that_was_ever_kept_is_a_first_start() {
        let fresh = Kept { nodes: Vec::new(), ..kept(0) };
        assert_eq!(compare(Found::Missing, &fresh), Verdict::First);
        // Of an earlier version, which kept no positions.
        assert_eq!(
            compare(Found::Missing, &Kept { is_empty: false, ..fresh.clone() }),
            Verdict::First
        );
        // It crashed before its row was there; or the file was lost before anything was recorded.
        assert_eq!(compare(file(0), &fresh), Verdict::First);
        assert_eq!(compare(Found::Missing, &kept(0)), Verdict::First);
        for begun in [Kept { is_empty: false, ..kept(0) }, Kept { is_empty: true, ..kept(3) }] {
            assert!(why(compare(Found::Missing, &begun)).contains("file is missing"), "{begun:?}");
        }
    }

    #[test]
    fn what_comes_later_is_up_to_half_a_circle_ahead() {
        let (all, half) = (Sequence::MAX, Sequence::MAX / 2);
        for (one, other, later) in [
            (5, 5, false),
            (6, 5, true),
            (5, 6, false),
            (half - 1, 0, true),
            (half, 0, false),
            (0, all - 1, true),
            (all, all - 1, true),
            (all, 0, false),
            (1, all, true),
            (all - 1, 0, false),
        ] {
            assert_eq!(is_later(one, other), later, "{one} after {other}");
        }
    }

    #[test]
    fn a_record_that_lacks_something_or_may_is_behind() {
        let other = Kept { record: Id([9; 16]), ..kept(41) };
        let empty = Kept { record: Id([9; 16]), nodes: Vec::new(), ..kept(0) };
        let released = |lineage| Kept {
            nodes: vec![Node { lineage, ..kept(41).nodes.remove(0) }],
            ..kept(41)
        };
        let declared = Kept {
            nodes: vec![Node {
                behind: Some("two counters".to_owned()),
                ..kept(41).nodes.remove(0)
            }],
            ..kept(41)
        };
        for (found, kept, words) in [
            (file(42), kept(41), "1 batch is missing"),
            (file(41), kept(0), "41 batches are missing"),
            (Found::Missing, kept(41), "is missing"),
            (Found::Missing, Kept { is_empty: false, ..kept(0) }, "is missing"),
            (Found::Torn, kept(41), "is damaged"),
            (Found::Torn, Kept { nodes: Vec::new(), ..kept(0) }, "is damaged"),
            (file(41), other, "another record"),
            (file(41), empty, "the record is empty"),
            (file(41), Kept { nodes: Vec::new(), ..kept(41) }, "an older copy"),
            (file(41), released(2), "released 1 times by what it says itself, and 0 times"),
            (file(41), declared.clone(), "two counters"),
            (file(41), Kept { next_serial: 1, ..kept(41) }, "serials up to 10000"),
        ] {
            let why = why(compare(found, &kept));
            assert!(why.contains(words), "{words}: {why}");
        }
    }

    #[test]
    fn sequences_begin_anew_after_the_last() {
        assert!(is_later(2, 1));
        assert!(!is_later(1, 1));
        assert!(!is_later(1, 2));
        assert!(is_later(5, Sequence::MAX - 5), "after the last");
        assert!(!is_later(Sequence::MAX - 5, 5));
    }
}
