//! The record as the files that it is: what a copy of them brings back, and the position file beside
//! them, which tells that it is one. What is compared and what a release does follows the store's own
//! `position`; the counters' part of the record follows its `in_doubt`.

use crate::clock::Micros;
use domain::message::CounterId;
use domain::serial::{Day, MasterSerial};
use std::collections::BTreeMap;
use store::memory::Memory;
use store::{Write, Written};

/// Numbers that counters' words move the lease by in a day.
const MOST_LIFTED: u64 = 10_000_000;

/// So many serials a person leaves out who cannot know how many were given out.
const SKIPPED: u64 = 1_000;

/// The database's own files.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The tables.
    pub tables: Memory,
    /// What is kept of counters in doubt.
    pub kept: Kept,
    /// Tells it from every other record.
    id: u64,
    /// Counts releases.
    lineage: u64,
    /// How many batches were written.
    batches: u64,
    /// What was open up to here when it was released is doubted.
    doubted_through: i64,
    /// It was declared to be behind, and is not released.
    declared: bool,
}

/// What is kept of counters in doubt.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Who gets nothing new, and the sequence that it had seen where that is why.
    pub held: BTreeMap<CounterId, Option<u64>>,
    /// What a person has looked at: how far each had seen.
    explained: BTreeMap<CounterId, u64>,
    /// Numbers that were skipped on counters' words: on which day, the first, and the one behind the
    /// last.
    lifts: Vec<(Day, u64, u64)>,
}

/// What the position file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    id: u64,
    lineage: u64,
    batches: u64,
    next_serial: u64,
}

/// What comes back after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// The last copy; the position file was beside it all the time.
    Copy,
    /// The last copy, and with it the position file as it was then: only counters can tell.
    Both,
    /// Nothing; the position file is there.
    Empty,
    /// Nothing at all: only counters can tell.
    Nothing,
}

impl Restored {
    /// All of them.
    pub const ALL: [Restored; 4] =
        [Restored::Copy, Restored::Both, Restored::Empty, Restored::Nothing];

    /// Whether the bridge can tell by itself.
    pub fn shows(self) -> bool {
        match self {
            Restored::Copy | Restored::Empty => true,
            Restored::Both | Restored::Nothing => false,
        }
    }
}

/// The record, the file beside it, and the copy in the cupboard.
#[derive(Debug, Default)]
pub struct Shelf {
    /// The record.
    pub record: Record,
    position: Option<Position>,
    copy: Option<(Record, Option<Position>)>,
    records: u64,
    /// Whether the bridge that runs knows that its record is behind: then neither side of the
    /// position is written any more.
    frozen: bool,
}

impl Shelf {
    /// One transaction, and then the file.
    pub fn write(&mut self, writes: &[Write]) -> Vec<Written> {
        let written = self.record.tables.write(writes);
        if !self.frozen {
            self.record.batches += 1;
            self.position = Some(self.here());
        }
        written
    }

    /// The next `count` sequences; the file knows of them before anybody uses one.
    pub fn lease(&mut self, count: u64) -> std::ops::Range<u64> {
        let block = self.record.tables.lease(count);
        if let Some(position) = self.position.as_mut().filter(|_| !self.frozen) {
            position.next_serial = block.end;
        }
        block
    }

    fn here(&self) -> Position {
        let Record { id, lineage, batches, ref tables, .. } = self.record;
        Position { id, lineage, batches, next_serial: tables.next_serial() }
    }

    /// Looks at both sides as a bridge does when it starts: whether the record is behind.
    pub fn look(&mut self) -> bool {
        let here = self.here();
        let behind = self.record.declared
            || match self.position {
                None => here.batches > 0,
                Some(told) => {
                    told.id != here.id
                        || told.lineage != here.lineage
                        || told.batches > here.batches
                        || told.next_serial > here.next_serial
                }
            };
        self.frozen = behind;
        if !behind {
            self.position = Some(here);
        }
        behind
    }

    /// Counters have shown that the record is behind: it stays so until it is released.
    pub fn declare_behind(&mut self) {
        self.record.declared = true;
        self.frozen = true;
    }

    /// Copies the files and the one beside them.
    pub fn copy(&mut self) {
        self.copy = Some((self.record.clone(), self.position));
    }

    /// What is there after a loss. Without a copy there is nothing to be put back.
    pub fn restore(&mut self, what: Restored) {
        self.records += 1;
        let empty = Record { id: self.records, ..Record::default() };
        match (what, self.copy.clone()) {
            (Restored::Copy, Some((record, _))) => self.record = record,
            (Restored::Both, Some((record, position))) => {
                (self.record, self.position) = (record, position);
            }
            (Restored::Empty, _) | (Restored::Copy, None) => self.record = empty,
            (Restored::Nothing, _) | (Restored::Both, None) => {
                (self.record, self.position) = (empty, None);
            }
        }
        self.frozen = false;
    }

    /// A person says that the record may go on, while no bridge runs.
    pub fn release(&mut self) {
        let known = self.record.tables.next_serial();
        let next = match self.position {
            Some(told) if told.id == self.record.id => known.max(told.next_serial),
            Some(_) | None => known + SKIPPED,
        };
        // What counters have shown is beyond what the file knows.
        let seen = self.record.kept.held.values().flatten().max();
        let next = if self.record.declared {
            seen.map_or(next, |seen| next.max(seen + SKIPPED))
        } else {
            next
        };
        self.record.tables.lift(next);
        self.record.lineage =
            self.record.lineage.max(self.position.map_or(0, |told| told.lineage)) + 1;
        self.record.batches = 0;
        self.record.declared = false;
        let last = self.record.tables.all().map(|stored| stored.transfer.master.number()).max();
        self.record.doubted_through = last.unwrap_or(0);
        let kept = &mut self.record.kept;
        let held = std::mem::take(&mut kept.held);
        let (explained, still): (BTreeMap<_, _>, BTreeMap<_, _>) =
            held.into_iter().partition(|(_, seen)| seen.is_some_and(|seen| seen < next));
        kept.held = still;
        for (counter, seen) in explained {
            kept.explain(counter, seen);
        }
        kept.lifts.retain(|(_, _, to)| *to > next);
        self.frozen = false;
        self.position = Some(self.here());
    }

    /// Whether a transfer was in the record when that was released.
    pub fn is_doubted(&self, master: MasterSerial) -> bool {
        master.number() <= self.record.doubted_through
    }

    /// Whether a counter has seen more than the record ever gave out, and no person has looked yet.
    pub fn is_beyond(&self, counter: &CounterId, seen: u64) -> bool {
        let Record { kept, tables, .. } = &self.record;
        if kept.explained.get(counter).is_some_and(|explained| *explained >= seen) {
            return false;
        }
        seen >= tables.next_serial()
            || kept.lifts.iter().any(|(_, from, to)| (*from..*to).contains(&seen))
    }

    /// Moves the lease past what a counter has seen, if so much is still allowed today or `wanted`.
    pub fn lift(&mut self, seen: u64, wanted: bool, wall: Micros) -> bool {
        let (day, next) = (Day::from_unix_micros(wall), self.record.tables.next_serial());
        if seen < next {
            return true;
        }
        let lifts = &mut self.record.kept.lifts;
        let today: u64 =
            lifts.iter().filter(|(on, ..)| *on == day).map(|(_, from, to)| to - from).sum();
        if !wanted && today + (seen + 1 - next) > MOST_LIFTED {
            return false;
        }
        lifts.push((day, next, seen + 1));
        self.record.tables.lift(seen + 1);
        true
    }
}

impl Kept {
    /// A counter gets nothing new.
    pub fn hold(&mut self, counter: &CounterId, seen: Option<u64>) {
        let held = self.held.entry(counter.clone()).or_default();
        *held = (*held).max(seen);
    }

    /// A person has looked at a counter: what it had seen is explained.
    pub fn readmit(&mut self, counter: &CounterId) -> Option<u64> {
        let seen = self.held.remove(counter)?;
        self.explain(counter.clone(), seen);
        seen
    }

    fn explain(&mut self, counter: CounterId, seen: Option<u64>) {
        if let Some(seen) = seen {
            let explained = self.explained.entry(counter).or_default();
            *explained = (*explained).max(seen);
        }
    }
}
