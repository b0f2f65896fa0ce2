//! The journal's queue and its database in virtual time. What is recorded is decided by the store's
//! own plan over tables in memory; what is kept, refused and asked again while the database fails
//! follows the store's writer.

use crate::clock::Micros;
use crate::record::Shelf;
use std::collections::VecDeque;
use store::memory::Memory;
use store::{Write, WriteError, WriteId, Written};

/// Writes in one database transaction.
const MOST_IN_BATCH: usize = 1024;

/// A write that is not answered yet.
#[derive(Clone, Debug)]
pub struct Pending {
    write: Write,
    shard: usize,
    /// Its acceptance was sent to be committed, and what became of that is not known.
    unclear: bool,
}

/// An answer and the shard that it is for.
pub type Answer = (usize, Written);

/// The database: it outlives the bridge.
#[derive(Debug, Default)]
pub struct Database {
    /// The record, and what lies beside it.
    pub shelf: Shelf,
    /// It cannot be written until then.
    pub down_until: Micros,
    /// Commits take at least `.1` until `.0`.
    pub slow: (Micros, Micros),
    /// The next commit's answer is lost, and the database is gone for so long.
    pub unclear: Option<Micros>,
}

impl Database {
    /// The tables.
    pub fn tables(&self) -> &Memory {
        &self.shelf.record.tables
    }
}

/// The queue: it dies with the bridge.
#[derive(Debug, Default)]
pub struct Journal {
    queue: VecDeque<Pending>,
    /// Sent to be committed.
    batch: Vec<Pending>,
    busy: bool,
    failing: bool,
}

/// What is to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Rest,
    /// The batch that was begun is to be committed.
    Commit,
    /// The database is to be tried again.
    Retry,
}

impl Journal {
    /// Takes writes of a shard. While the database fails, acceptances are refused at once.
    pub fn submit(&mut self, shard: usize, writes: Vec<Write>, answers: &mut Vec<Answer>) -> Next {
        for write in writes {
            if self.failing && write.accept.is_some() {
                answers.push((shard, refused(write.id)));
            } else {
                self.queue.push_back(Pending { write, shard, unclear: false });
            }
        }
        self.begin()
    }

    fn begin(&mut self) -> Next {
        if self.busy || self.failing || self.queue.is_empty() {
            return Next::Rest;
        }
        let length = self.queue.len().min(MOST_IN_BATCH);
        self.batch = self.queue.drain(..length).collect();
        self.busy = true;
        Next::Commit
    }

    /// The transaction of the batch ends. `heads` decides whether a commit whose answer is lost was
    /// made.
    pub fn commit(
        &mut self,
        database: &mut Database,
        now: Micros,
        heads: bool,
        answers: &mut Vec<Answer>,
    ) -> Next {
        if !self.busy {
            return Next::Rest;
        }
        self.busy = false;
        let mut batch = std::mem::take(&mut self.batch);
        let writes: Vec<Write> = batch.iter().map(|pending| pending.write.clone()).collect();
        if now >= database.down_until
            && let Some(gone) = database.unclear.take()
        {
            if heads {
                database.shelf.write(&writes);
            }
            database.down_until = now + gone;
            for pending in &mut batch {
                pending.unclear = pending.write.accept.is_some();
            }
        } else if now >= database.down_until {
            let written = database.shelf.write(&writes);
            answers.extend(batch.iter().map(|pending| pending.shard).zip(written));
            return self.begin();
        }
        self.fail(batch, answers);
        Next::Retry
    }

    /// Turns away what may be turned away, and keeps the rest in front.
    fn fail(&mut self, batch: Vec<Pending>, answers: &mut Vec<Answer>) {
        self.failing = true;
        let waiting = std::mem::take(&mut self.queue);
        for pending in batch.into_iter().chain(waiting) {
            if pending.write.accept.is_some() && !pending.unclear {
                answers.push((pending.shard, refused(pending.write.id)));
            } else {
                self.queue.push_back(pending);
            }
        }
    }

    /// Tries the database again: first it is asked what became of unclear acceptances.
    pub fn retry(&mut self, database: &Database, now: Micros) -> Next {
        if now < database.down_until {
            return Next::Retry;
        }
        for pending in &mut self.queue {
            if !std::mem::take(&mut pending.unclear) {
                continue;
            }
            let recorded = pending.write.accept.as_ref().is_some_and(|accept| {
                let found = database.tables().find_by_key(&accept.app, &accept.idempotency_key);
                found.is_some_and(|stored| stored.transfer.master == accept.master)
            });
            if recorded {
                pending.write.accept = None;
            }
        }
        self.failing = false;
        self.begin()
    }

    /// The process dies. What was sent to be committed may still be: `heads` decides.
    pub fn die(self, database: &mut Database, now: Micros, heads: bool) {
        if self.busy && heads && now >= database.down_until {
            let writes: Vec<Write> = self.batch.into_iter().map(|pending| pending.write).collect();
            database.shelf.write(&writes);
        }
    }

    /// The writes that are to be committed now.
    pub fn batch(&self) -> impl Iterator<Item = &Write> {
        self.batch.iter().map(|pending| &pending.write)
    }
}

fn refused(id: WriteId) -> Written {
    Written { id, result: Err(WriteError::Refused { why: "the database fails".to_owned() }) }
}
