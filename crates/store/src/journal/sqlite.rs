//! The hand that writes to SQLite: a thread with a connection of its own, because SQLite waits in
//! place. A batch is one message to it and one back, and every row one run of a statement that is
//! prepared already; through a driver that serves all kinds of databases, each statement would be a
//! message there and back, and each value a copy.

use super::attempt::{Tried, large_body};
use crate::checksum;
use crate::connect::{BUSY_TIMEOUT, SQLITE_CACHE, SQLITE_CHECKPOINT};
use crate::entity::open_transfer;
use crate::error::OpenError;
use crate::fault::{Fault, commit_was_undone_by_sqlite, of_sqlite};
use crate::holder::who_holds;
use crate::idempotency::{End, Known, Plan, Progress};
use crate::position::ledger::{Ledger, Numbering};
use crate::position::rows::{count, signed};
use crate::state::OpenState;
use crate::write::Write;
use domain::serial::Role;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Instant;
use tokio::sync::oneshot;

/// What the thread is asked to do. Who no longer waits for the answer has given up: nothing is
/// committed for them.
enum Job {
    Write(Vec<Arc<Write>>, Option<Box<Known>>, oneshot::Sender<Tried>),
    TryOut(oneshot::Sender<Result<(), String>>),
    #[cfg(test)]
    Execute(&'static str, oneshot::Sender<Result<(), String>>),
}

/// The thread; it ends when this is dropped.
pub(super) struct Hand {
    jobs: mpsc::Sender<Job>,
}

impl Hand {
    /// Starts the thread and connects to the file, which is there.
    pub(super) async fn start(path: &Path, ledger: Arc<Ledger>) -> Result<Hand, OpenError> {
        let (jobs, asked) = mpsc::channel();
        let (opened, ready) = oneshot::channel();
        let file = path.to_owned();
        let broken =
            |why: String| OpenError::NotADatabase { path: path.display().to_string(), why };
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || match open(&file) {
                Ok(connection) => {
                    let _ = opened.send(Ok(()));
                    Worker { file, connection, ledger, knows_place: false }.run(&asked);
                }
                Err(error) => {
                    let _ = opened.send(Err(error.to_string()));
                }
            })
            .map_err(|error| broken(error.to_string()))?;
        match ready.await {
            Ok(Ok(())) => Ok(Hand { jobs }),
            Ok(Err(why)) => Err(broken(why)),
            Err(_) => Err(broken("the journal's thread ended".to_owned())),
        }
    }

    /// Writes a batch in one transaction; with what is `known`, if something was in the way before.
    /// `None`: the thread is gone, and with it whatever was not committed.
    pub(super) async fn write(&self, batch: &[Arc<Write>], known: Option<&Known>) -> Option<Tried> {
        self.ask(|done| Job::Write(batch.to_vec(), known.cloned().map(Box::new), done)).await
    }

    /// Writes something, takes it away again and commits.
    pub(super) async fn try_out(&self) -> Option<Result<(), String>> {
        self.ask(Job::TryOut).await
    }

    /// Runs a statement, to break the connection in ways that a database breaks.
    #[cfg(test)]
    pub(super) async fn execute(&self, sql: &'static str) -> Option<Result<(), String>> {
        self.ask(|done| Job::Execute(sql, done)).await
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Option<T> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(job(done)).ok()?;
        answer.await.ok()
    }
}

/// A connection that writes to a file which is there.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    is_durable(&connection)?;
    connection.pragma_update(None, "cache_size", SQLITE_CACHE)?;
    connection.pragma_update(None, "wal_autocheckpoint", SQLITE_CHECKPOINT)?;
    Ok(connection)
}

/// SQLite answers a setting that it cannot make with the one that it keeps, and no error.
fn is_durable(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    // 2 is FULL: the log is flushed before a commit is answered.
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if mode.eq_ignore_ascii_case("wal") && synchronous == 2 {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
        Some(format!(
            "a commit would not be flushed: journal_mode = {mode}, synchronous = {synchronous}"
        )),
    ))
}

/// What the thread owns.
struct Worker {
    file: PathBuf,
    connection: Connection,
    ledger: Arc<Ledger>,
    /// Whether this connection has found the record where it was left.
    knows_place: bool,
}

/// Why a transaction was not committed.
enum Stopped {
    /// A key is taken, or a transfer is not open that should be.
    Conflict,
    /// Nobody waits for it any more.
    GivenUp,
    /// The record does not end where it was left; it counts as behind from now on.
    Elsewhere,
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Stopped {
    fn from(error: rusqlite::Error) -> Stopped {
        match fault(&error) {
            Fault::Duplicate => Stopped::Conflict,
            Fault::Row | Fault::Contention | Fault::Lost | Fault::Down | Fault::Superseded => {
                Stopped::Failed(error)
            }
        }
    }
}

impl Worker {
    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Write(batch, known, done) => {
                    let attempt = self.write(&batch, known.as_deref(), &done);
                    let _ = done.send(attempt);
                }
                Job::TryOut(done) => {
                    let _ = done.send(self.try_out().map_err(|error| self.explain(&error)));
                }
                #[cfg(test)]
                Job::Execute(sql, done) => {
                    let result = self.connection.execute_batch(sql);
                    let _ = done.send(result.map_err(|error| error.to_string()));
                }
            }
        }
    }

    fn write(
        &mut self,
        batch: &[Arc<Write>],
        known: Option<&Known>,
        waited_for: &oneshot::Sender<Tried>,
    ) -> Tried {
        let plan = Plan::of(batch.iter().map(AsRef::as_ref), known);
        if plan.is_empty() {
            return Tried::committed(plan);
        }
        let (ledger, knows_place) = (self.ledger.clone(), self.knows_place);
        let began = self.begin().and_then(|transaction| {
            // From here on nobody else writes: whoever gives up later finds all or nothing.
            if waited_for.is_closed() {
                return Err(Stopped::GivenUp);
            }
            if !knows_place {
                find_place(&transaction, &ledger)?;
            }
            let numbering = ledger.numbering();
            if let Some(numbering) = &numbering {
                number(&transaction, numbering, &ledger)?;
            }
            run(&transaction, &plan)?;
            if waited_for.is_closed() {
                return Err(Stopped::GivenUp);
            }
            let committing = Instant::now();
            Ok((transaction.commit(), committing, numbering))
        });
        match began {
            Ok((Ok(()), committing, numbering)) => {
                metrics::histogram!("store_journal_commit_seconds").record(committing.elapsed());
                self.knows_place = true;
                if let Some(numbering) = numbering {
                    self.ledger.committed(&numbering);
                }
                Tried::committed(plan)
            }
            Ok((Err(error), ..)) => self.failed_to_commit(&error),
            Err(Stopped::Conflict) => Tried::Conflict,
            Err(Stopped::Elsewhere) => {
                let why = "the record does not end where it was left".to_owned();
                Tried::Failed { fault: Fault::Contention, why }
            }
            Err(Stopped::GivenUp) => {
                Tried::Failed { fault: Fault::Lost, why: "nobody waits for it".to_owned() }
            }
            Err(Stopped::Failed(error)) => self.failed(&error),
        }
    }

    /// A transaction that holds the lock for writing: taken later, it could not be waited for.
    fn begin(&mut self) -> Result<Transaction<'_>, Stopped> {
        Ok(self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    fn try_out(&mut self) -> rusqlite::Result<()> {
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        transaction.execute(
            "INSERT INTO trail (master_serial, part, body) VALUES (0, -1, ?1)",
            [large_body()],
        )?;
        transaction.execute("DELETE FROM trail WHERE master_serial = 0 AND part = -1", [])?;
        transaction.commit()
    }

    fn failed_to_commit(&self, error: &rusqlite::Error) -> Tried {
        if commit_was_undone_by_sqlite(code(error)) {
            self.failed(error)
        } else {
            Tried::Unclear { why: self.explain(error) }
        }
    }

    fn failed(&self, error: &rusqlite::Error) -> Tried {
        Tried::Failed { fault: fault(error), why: self.explain(error) }
    }

    /// In SQLite's own words, with the holder of a lock named.
    fn explain(&self, error: &rusqlite::Error) -> String {
        let why = match error {
            rusqlite::Error::SqliteFailure(_, Some(why)) => why.clone(),
            other => other.to_string(),
        };
        match code(error) & 0xff {
            5 | 6 => format!("{why} (by {})", who_holds(&self.file)),
            _ => why,
        }
    }
}

/// Looks where the record ends, after a connection was lost and perhaps a commit with it.
fn find_place(transaction: &Transaction<'_>, ledger: &Ledger) -> Result<(), Stopped> {
    let Some(node) = ledger.numbering().map(|numbering| numbering.node) else { return Ok(()) };
    let sql = "SELECT number FROM node_position WHERE node = ?1";
    let found: Option<i64> = transaction.query_row(sql, [node], |row| row.get(0)).optional()?;
    let found = found.map(count);
    if !found.is_some_and(|number| ledger.found(number)) {
        ledger.fall_behind(ledger.lacking(found));
    }
    Ok(())
}

/// Gives the batch its number, which follows the one before.
fn number(
    transaction: &Transaction<'_>,
    numbering: &Numbering,
    ledger: &Ledger,
) -> Result<(), Stopped> {
    let mut update = transaction.prepare_cached(
        "UPDATE node_position SET number = number + 1 WHERE node = ?1 AND number = ?2",
    )?;
    let Numbering { node, last } = numbering;
    if update.execute(params![node, signed(*last)])? == 1 {
        return Ok(());
    }
    let sql = "SELECT number FROM node_position WHERE node = ?1";
    let found: Option<i64> = transaction.query_row(sql, [node], |row| row.get(0)).optional()?;
    ledger.fall_behind(ledger.lacking(found.map(count)));
    Err(Stopped::Elsewhere)
}

/// The rows of a plan, in the order that the tables depend on each other.
fn run(transaction: &Transaction<'_>, plan: &Plan<'_>) -> Result<(), Stopped> {
    if !plan.transfers.is_empty() {
        insert_transfers(transaction, plan)?;
    }
    if !plan.trail.is_empty() {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO trail (master_serial, part, body, checksum) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for ((master, part), body) in &plan.trail {
            let sum = checksum::of_trail(*master, i64::from(*part), body);
            insert.execute(params![master, part, body, sum])?;
        }
    }
    let mut update = transaction.prepare_cached(UPDATE)?;
    for (master, Progress { state, parts }) in plan.progress() {
        // A state that comes after the end changes nothing.
        update.execute(params![state.map(OpenState::number), parts, master])?;
    }
    if !plan.decisions.is_empty() {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO decision (master_serial, at, who, decision, note, checksum) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for ((master, at, who), decision) in &plan.decisions {
            let (word, note) = (&decision.decision, decision.note.as_received());
            let sum = checksum::of_decision(*master, *at, who.as_bytes(), word, note);
            insert.execute(params![master, at, who.as_bytes(), word, note, sum])?;
        }
    }
    if !plan.outcomes.is_empty() {
        insert_outcomes(transaction, plan)?;
    }
    for master in &plan.closed {
        if update.execute(params![open_transfer::ENDED, 0, master])? != 1 {
            return Err(Stopped::Conflict);
        }
    }
    Ok(())
}

fn insert_transfers(transaction: &Transaction<'_>, plan: &Plan<'_>) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO transfer (master_serial, app, idempotency_key, fingerprint, debit_serial, \
         credit_serial, from_counter, from_account, to_counter, to_account, amount, currency, \
         debit_day, credit_day, credit_barrier, created_at, deadline_at, mark, \
         checksum) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
         ?18, ?19)",
    )?;
    for new in plan.transfers.values() {
        // The twelve digits of a sub serial fit.
        let leg = |role| i64::try_from(new.master.leg(role).number()).unwrap_or(i64::MAX);
        insert.execute(params![
            new.master.number(),
            new.app.as_bytes(),
            new.idempotency_key.as_bytes(),
            new.fingerprint,
            leg(Role::Debit),
            leg(Role::Credit),
            new.order.from.counter.as_str(),
            new.order.from.account.as_str(),
            new.order.to.counter.as_str(),
            new.order.to.account.as_str(),
            new.order.amount.minor(),
            new.order.currency.as_str(),
            new.debit_day.number(),
            new.credit_day.number(),
            new.credit_barrier,
            new.created_at,
            new.deadline_at,
            new.mark.map(|mark| mark.0.cast_signed()),
            checksum::of_transfer(new),
        ])?;
    }
    let mut insert = transaction.prepare_cached(
        "INSERT INTO open_transfer (master_serial, state, parts) VALUES (?1, ?2, ?3)",
    )?;
    for (master, state) in &plan.opened {
        let state = state.map_or(open_transfer::ENDED, OpenState::number);
        insert.execute(params![master, state, plan.parts_of(*master)])?;
    }
    Ok(())
}

fn insert_outcomes(transaction: &Transaction<'_>, plan: &Plan<'_>) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO outcome (master_serial, state, reason, finished_at, answer_status, \
         answer_body, trail, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (master, End { outcome, trail }) in &plan.outcomes {
        let (state, reason) = (outcome.state.number(), outcome.reason.as_deref());
        let status = i16::try_from(outcome.answer_status).unwrap_or(i16::MAX);
        let answer = (status, outcome.answer_body.as_ref());
        let sum = checksum::of_outcome(*master, state, reason, outcome.finished_at, answer, *trail);
        insert.execute(params![
            master,
            outcome.state.number(),
            outcome.reason,
            outcome.finished_at,
            outcome.answer_status,
            outcome.answer_body.as_ref(),
            trail,
            sum,
        ])?;
    }
    Ok(())
}

/// What has ended stays so: 0 is [`open_transfer::ENDED`].
const UPDATE: &str = "UPDATE open_transfer SET state = COALESCE(?1, state), parts = parts + ?2 \
                      WHERE master_serial = ?3 AND state <> 0";

fn code(error: &rusqlite::Error) -> u32 {
    let code = error.sqlite_error().map_or(1, |error| error.extended_code);
    u32::try_from(code).unwrap_or(1)
}

fn fault(error: &rusqlite::Error) -> Fault {
    of_sqlite(code(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the very connection that writes.
    #[test]
    fn what_is_committed_is_flushed_before_it_is_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bridge.sqlite");
        drop(Connection::open(&path).expect("it is made"));
        let connection = open(&path).expect("it opens");
        is_durable(&connection).expect("as it was set");
        for (name, value) in [("synchronous", "OFF"), ("synchronous", "NORMAL")] {
            connection.pragma_update(None, name, value).expect("a setting");
            let refused = is_durable(&connection).expect_err(value).to_string();
            assert!(refused.contains("would not be flushed"), "{refused}");
        }
        connection.pragma_update(None, "synchronous", "FULL").expect("a setting");
        connection.pragma_update(None, "journal_mode", "DELETE").expect("a setting");
        assert!(is_durable(&connection).is_err());
    }

    /// What a full disk did not take is certainly not recorded; what was lost on its way to the disk may
    /// be.
    #[test]
    fn a_failed_commit_is_unclear_unless_it_is_certain() {
        let worker = Worker {
            file: PathBuf::new(),
            connection: Connection::open_in_memory().expect("it opens"),
            ledger: Arc::new(Ledger::unkept(None)),
            knows_place: false,
        };
        let failed_by = |code| {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            worker.failed_to_commit(&error)
        };
        let full = failed_by(rusqlite::ffi::SQLITE_FULL);
        assert!(matches!(full, Tried::Failed { fault: Fault::Down, .. }));
        let lost = failed_by(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        assert!(matches!(lost, Tried::Unclear { .. }));
    }
}
