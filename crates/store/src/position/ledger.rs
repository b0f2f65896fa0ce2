//! What the journal knows of the end of its record while it runs: the number of the last batch, and
//! under which lease it writes. Every batch raises the number from the one before; a database that has
//! another is not where it was left.

use super::file::PositionFile;
use super::{Id, Position, RecordStanding};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::watch;

/// How a batch is numbered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbering {
    /// Who writes.
    pub(crate) node: String,
    /// The number of the batch before.
    pub(crate) last: u64,
}

/// What is known while the journal runs.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Whose position is kept; `None` if that is not known, because the record was behind from the
    /// start.
    identity: Option<(Id, Id, u64)>,
    number: AtomicU64,
    next_serial: AtomicU64,
    /// Once the record is behind its position is left as it was found, so that the next start finds
    /// the same.
    frozen: AtomicBool,
    file: Option<PositionFile>,
    /// The epoch of the lease, at a server.
    epoch: Option<i64>,
    /// When the lease was last seen to be ours.
    held_at: Mutex<Instant>,
    standing: watch::Sender<RecordStanding>,
    lost: watch::Sender<Option<String>>,
}

impl Ledger {
    /// Of a record that is all that was recorded.
    pub(crate) fn current(
        position: Position,
        file: Option<PositionFile>,
        epoch: Option<i64>,
    ) -> Ledger {
        let Position { record, node, lineage, number, next_serial } = position;
        Ledger {
            identity: Some((record, node, lineage)),
            number: AtomicU64::new(number),
            next_serial: AtomicU64::new(next_serial),
            frozen: AtomicBool::new(false),
            file,
            epoch,
            held_at: Mutex::new(Instant::now()),
            standing: watch::Sender::new(RecordStanding::Current),
            lost: watch::Sender::new(None),
        }
    }

    /// Of a record whose position nobody keeps: a lost end of it goes unnoticed.
    pub(crate) fn unkept(epoch: Option<i64>) -> Ledger {
        let ledger = Ledger::behind(String::new(), epoch);
        ledger.standing.send_replace(RecordStanding::Current);
        ledger
    }

    /// Of a record that is behind.
    pub(crate) fn behind(why: String, epoch: Option<i64>) -> Ledger {
        Ledger {
            identity: None,
            number: AtomicU64::new(0),
            next_serial: AtomicU64::new(0),
            frozen: AtomicBool::new(true),
            file: None,
            epoch,
            held_at: Mutex::new(Instant::now()),
            standing: watch::Sender::new(RecordStanding::Behind { why }),
            lost: watch::Sender::new(None),
        }
    }

    /// How the next batch is numbered; `None` while the record is behind.
    pub(crate) fn numbering(&self) -> Option<Numbering> {
        let (_, node, _) = self.identity.filter(|_| !self.frozen.load(Ordering::Acquire))?;
        Some(Numbering { node: node.hex(), last: self.number.load(Ordering::Acquire) })
    }

    /// Which node writes, if its position is kept.
    pub(crate) fn node(&self) -> Option<Id> {
        self.identity.map(|(_, node, _)| node)
    }

    /// The epoch under which a server's record is written.
    pub(crate) fn epoch(&self) -> Option<i64> {
        self.epoch
    }

    /// A batch that was numbered so is durable: the file says so before anybody is told.
    pub(crate) fn committed(&self, numbering: &Numbering) {
        self.number.store(numbering.last + 1, Ordering::Release);
        self.put();
    }

    /// What the database says after a connection was lost, and a commit with it perhaps. `false`: it is
    /// not where it was left.
    pub(crate) fn found(&self, number: u64) -> bool {
        let last = self.number.load(Ordering::Acquire);
        if number == last + 1 {
            // The commit whose answer was lost.
            self.number.store(number, Ordering::Release);
            self.put();
        }
        number == last || number == last + 1
    }

    /// Serials below `next` were given out.
    pub(crate) fn leased(&self, next: u64) {
        self.next_serial.store(next, Ordering::Release);
        self.put();
    }

    /// All serials below were given out, as far as this life knows; `None` if it does not.
    pub(crate) fn given_out(&self) -> Option<u64> {
        self.identity.map(|_| self.next_serial.load(Ordering::Acquire))
    }

    fn put(&self) {
        if self.frozen.load(Ordering::Acquire) {
            return;
        }
        if let (Some(file), Some((record, node, lineage))) = (&self.file, self.identity) {
            file.write(|| Position {
                record,
                node,
                lineage,
                number: self.number.load(Ordering::Acquire),
                next_serial: self.next_serial.load(Ordering::Acquire),
            });
        }
    }

    /// The record is behind. From now on its position stays as it is; the first reason stays too.
    pub(crate) fn fall_behind(&self, why: String) {
        self.frozen.store(true, Ordering::Release);
        self.standing.send_if_modified(|standing| {
            let fresh = *standing == RecordStanding::Current;
            if fresh {
                *standing = RecordStanding::Behind { why };
            }
            fresh
        });
    }

    /// What the record lacks, by the numbers.
    pub(crate) fn lacking(&self, number: Option<u64>) -> String {
        let last = self.number.load(Ordering::Acquire);
        match number {
            Some(number) => format!(
                "the database answers with batch {number}, and batch {last} was told already: it \
                 lost its last commits, or somebody else wrote to it"
            ),
            None => "the database no longer knows this node: it is another one, or an older copy"
                .to_owned(),
        }
    }

    /// How the record stands, now and whenever it changes.
    pub(crate) fn standing(&self) -> watch::Receiver<RecordStanding> {
        self.standing.subscribe()
    }

    /// Another holds the record: nothing more is written by this process.
    pub(crate) fn lose(&self, why: String) {
        self.lost.send_if_modified(|lost| {
            let fresh = lost.is_none();
            if fresh {
                *lost = Some(why);
            }
            fresh
        });
    }

    /// Why the record is lost to another, once it is.
    pub(crate) fn lost(&self) -> watch::Receiver<Option<String>> {
        self.lost.subscribe()
    }

    /// The lease was seen to be ours by a transaction that began at `since`.
    pub(crate) fn held(&self, since: Instant) {
        *self.held_at.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// How long ago the lease was last seen to be ours; `None` where there is none to lose.
    pub(crate) fn unseen_for(&self) -> Option<std::time::Duration> {
        self.epoch?;
        Some(self.held_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn how_long_a_lease_was_not_seen_counts_from_when_it_was_seen_last() {
        let ledger = Ledger::unkept(Some(1));
        let long = Duration::from_mins(1);
        ledger.held(Instant::now().checked_sub(long).expect("the machine runs for longer"));
        assert!(ledger.unseen_for().is_some_and(|unseen| unseen >= long));
        ledger.held(Instant::now());
        assert!(ledger.unseen_for().is_some_and(|unseen| unseen < long));
        assert_eq!(Ledger::unkept(None).unseen_for(), None, "a file's lock cannot be lost");
    }
}
