//! The one writer. Everything that is ready is written in one database transaction, and nobody is
//! told of a write before it is durable.

mod accounts;
mod attempt;
mod bare;
mod batch;
mod checkpoint;
mod examine;
mod fence;
mod reach;
mod rows;
mod server;
mod sqlite;
mod terms;
mod writer;

use crate::address::Address;
use crate::error::StoreError;
use crate::idempotency::{misfit, refused};
use crate::position::ledger::Ledger;
use crate::recent::Recent;
use crate::write::{Write, Written};
pub use bare::Bare;
use batch::Engine;
#[cfg(test)]
pub(crate) use examine::recorded;
pub(crate) use fence::superseded;
pub(crate) use reach::OLDEST;
#[cfg(test)]
pub(crate) use reach::Reach;
use sea_orm::DatabaseConnection;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use supervise::task::{End, Task, watched};
pub(crate) use terms::REACH;
#[cfg(test)]
pub(crate) use terms::{Terms, Turn};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use writer::{Answers, Command, Pending, Writer};

/// Writes that may wait. More means that the database is slower than what is asked of it: new
/// transfers are then refused, while what was begun still gets in. At ten thousand writes a second
/// it is six seconds of work and some tens of megabytes.
const MOST_WAITING: usize = 65_536;

/// How the journal is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalHealth {
    /// Writes become durable.
    Ok,
    /// They do not: new transfers are refused at once, all else is kept and tried again.
    Failing {
        /// Since when they do not, in microseconds since 1970 UTC.
        since: i64,
        /// What the database said last.
        why: String,
    },
}

/// A handle of the writer; cheap to clone.
#[derive(Clone)]
pub struct Journal {
    // Unbounded: what was begun must always get in. `waiting` bounds what is begun.
    commands: mpsc::UnboundedSender<Command>,
    task: Arc<Task>,
    waiting: Arc<AtomicUsize>,
    health: watch::Receiver<JournalHealth>,
    ledger: Arc<Ledger>,
}

impl Journal {
    /// Starts the writer on its own connection.
    pub(crate) fn start(
        address: Address,
        connection: DatabaseConnection,
        ledger: Arc<Ledger>,
        recent: Arc<Recent>,
    ) -> (Journal, JoinHandle<End>) {
        let (commands, receiver) = mpsc::unbounded_channel();
        let (tell, health) = watch::channel(JournalHealth::Ok);
        let waiting = Arc::new(AtomicUsize::new(0));
        let theirs = Arc::clone(&waiting);
        let engine = Engine::new(address, connection, ledger.clone(), recent);
        let writer = Writer::new(engine, receiver, theirs, tell);
        let reach = commands.downgrade();
        let task = Arc::new(Task::new("the journal").knocked_by(move || {
            if let Some(commands) = reach.upgrade() {
                // Nobody waits for the answer; it wakes the writer if nothing else does.
                let _ = commands.send(Command::Drain(oneshot::channel().0));
            }
        }));
        let running = tokio::spawn(watched(Arc::clone(&task), writer.run()));
        (Journal { commands, task, waiting, health, ledger }, running)
    }

    /// Hands writes over and returns at once. Writes of one transfer are made in the order in
    /// which they are submitted. The answers come through `done`, not always all together and not
    /// before they are durable. While the database fails, writes that accept a transfer are
    /// answered at once with [`WriteError::Refused`](crate::WriteError::Refused); all others are kept and tried again for as
    /// long as it takes. One case is slow: a connection that was lost in the middle of a commit
    /// leaves its acceptances unanswered until the database can be asked what it recorded.
    pub fn submit(&self, writes: Vec<Write>, done: &mpsc::UnboundedSender<Vec<Written>>) {
        let mut answers = Answers::default();
        let mut pending = Vec::with_capacity(writes.len());
        let room = self.waiting.load(Ordering::Relaxed) < MOST_WAITING;
        for write in writes {
            let refusal = misfit(&write).or_else(|| {
                (write.accept.is_some() && !room).then(|| "the journal is behind".to_owned())
            });
            match refusal {
                Some(why) => answers.add(done, write.id, Err(refused(why))),
                None => pending.push(Pending::new(write, done.clone())),
            }
        }
        if !pending.is_empty() {
            self.waiting.fetch_add(pending.len(), Ordering::Relaxed);
            if let Err(mpsc::error::SendError(Command::Submit(pending))) =
                self.commands.send(Command::Submit(pending))
            {
                for pending in pending {
                    let why = "the store is closed".to_owned();
                    answers.add(done, pending.write.id, Err(refused(why)));
                }
            }
        }
        answers.send();
    }

    /// How many writes wait to be durable.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// As if so many writes waited that there is room for so many more, for tests; says how many.
    #[cfg(test)]
    pub(crate) fn fill_up_to(&self, room: usize) -> usize {
        self.waiting.store(MOST_WAITING - room, Ordering::Relaxed);
        MOST_WAITING - room
    }

    /// The writer's task: without it nothing is recorded any more.
    pub fn task(&self) -> &Arc<Task> {
        &self.task
    }

    /// How the journal is doing, now and whenever it changes.
    pub fn health(&self) -> watch::Receiver<JournalHealth> {
        self.health.clone()
    }

    /// The record lacks something, as others found out: it counts as behind from now on, at the next
    /// start too, until it is released.
    pub fn fall_behind(&self, why: String) {
        self.ledger.fall_behind(why);
        // A writer that has ended leaves it to the next start to find out again.
        let _ = self.commands.send(Command::Note);
    }

    /// Returns when all that was submitted before is answered, or the store is closed. While the
    /// database fails that may be long: give it a deadline.
    pub async fn drain(&self) {
        let (reply, answered) = oneshot::channel();
        if self.commands.send(Command::Drain(reply)).is_ok() {
            // An error means that the writer has ended, and all waiting with it.
            let _ = answered.await;
        }
    }

    /// Leases on the writer's connection, where nobody is in its way.
    pub(crate) async fn lease(&self, count: u64) -> Result<Range<u64>, StoreError> {
        let (reply, leased) = oneshot::channel();
        self.commands.send(Command::Lease(count, reply)).map_err(|_| StoreError::Closed)?;
        leased.await.map_err(|_| StoreError::Closed)?
    }

    /// Makes the writer write what has been submitted, if it can, and end.
    pub(crate) fn stop(&self) {
        // It may have ended already.
        let _ = self.commands.send(Command::Stop);
    }

    /// Runs a statement on the writer's connection, to break it in ways that a database breaks.
    #[cfg(test)]
    pub(crate) async fn execute(&self, sql: &'static str) -> Result<(), String> {
        let (reply, done) = oneshot::channel();
        self.commands.send(Command::Execute(sql, reply)).map_err(|_| "stopped".to_owned())?;
        done.await.map_err(|_| "stopped".to_owned())?
    }
}
