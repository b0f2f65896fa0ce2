//! Writes one batch in one database transaction, and says exactly what is known afterwards.

use super::accounts::Accounts;
use super::checkpoint::Checkpoints;
use super::rows::{each_of, insert, is_duplicate};
use super::{Write, WriteError, examine};
use crate::address::Address;
use crate::connect;
use crate::entity::open_transfer;
use crate::error::OpenError;
use crate::fault::Fault;
use crate::idempotency::{End, Plan};
use crate::record::NewTransfer;
use crate::state::OpenState;
use domain::serial::Role;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};
use std::time::{Duration, Instant};

/// Within this, every batch is through or the connection is given up: a server that holds the
/// connection and says nothing must not hold up the journal for ever.
const DEADLINE: Duration = Duration::from_secs(if cfg!(test) { 4 } else { 10 });

/// A plan that meets a taken key is made again with what is recorded. Another node can take a key
/// in between, but hardly again and again.
const ROUNDS: u32 = 5;

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Attempt {
    /// All that can be is durable; one answer for each write.
    Committed(Vec<Result<(), WriteError>>),
    /// Nothing of it is recorded.
    Failed { fault: Fault, why: String },
    /// It may be recorded or not: the connection was lost while it committed.
    Unclear { why: String },
}

/// The one connection that writes. It is made anew after it was lost.
pub(super) struct Engine {
    address: Address,
    connection: Option<DatabaseConnection>,
    accounts: Accounts,
    checkpoints: Checkpoints,
}

impl Engine {
    pub(super) fn new(address: Address, connection: DatabaseConnection) -> Engine {
        Engine {
            address,
            connection: Some(connection),
            accounts: Accounts::default(),
            checkpoints: Checkpoints::default(),
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// The connection, made if need be.
    pub(super) async fn connection(&mut self) -> Result<DatabaseConnection, OpenError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        // The pool would hide the reason behind a time-out.
        connect::probe(&self.address).await?;
        let connection = connect::writer(&self.address);
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    /// Closes all that is open, for good.
    pub(super) async fn close(&mut self) {
        self.checkpoints.close().await;
        self.disconnect().await;
    }

    /// Closes the connection; the next use makes a new one.
    async fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            // One that hangs is left to its socket's own end.
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
        }
    }

    /// Writes a batch; a lost connection is replaced once.
    pub(super) async fn write(&mut self, batch: &[&Write]) -> Attempt {
        let attempt = self.write_once(batch).await;
        match attempt {
            Attempt::Failed { fault: Fault::Lost, .. } => {
                self.disconnect().await;
                let attempt = self.write_once(batch).await;
                if matches!(attempt, Attempt::Failed { fault: Fault::Lost, .. }) {
                    self.disconnect().await;
                }
                attempt
            }
            Attempt::Unclear { .. } => {
                self.disconnect().await;
                attempt
            }
            Attempt::Committed(_) | Attempt::Failed { .. } => attempt,
        }
    }

    async fn write_once(&mut self, batch: &[&Write]) -> Attempt {
        let connection = match self.connection().await {
            Ok(connection) => connection,
            Err(error) => return Attempt::Failed { fault: Fault::Down, why: error.to_string() },
        };
        let mut known = None;
        let mut contended = None;
        for _ in 0..ROUNDS {
            let plan = Plan::of(batch.iter().copied(), known.as_ref());
            if plan.is_empty() {
                return Attempt::Committed(plan.answers);
            }
            match transact(&connection, &plan).await {
                Transaction::Committed => {
                    self.accounts.add(plan.outcomes.keys().copied());
                    return Attempt::Committed(plan.answers);
                }
                Transaction::Conflict => {
                    match limited(examine::look_up(&connection, batch)).await {
                        Ok(found) => known = Some(found),
                        Err(error) => return self.failed(&error),
                    }
                }
                Transaction::Failed(error) if Fault::of(&error) == Fault::Contention => {
                    contended = Some(error);
                }
                Transaction::Failed(error) => return self.failed(&error),
                Transaction::Unclear(error) => {
                    return Attempt::Unclear { why: connect::explain(&self.address, &error) };
                }
            }
        }
        match contended {
            Some(error) => self.failed(&error),
            // Something in the record is at odds with itself; whoever is alone with it is refused.
            None => Attempt::Failed {
                fault: Fault::Row,
                why: "the record says both that it is there and that it is not".to_owned(),
            },
        }
    }

    /// What nobody waits for, after a batch of so many writes was answered: the index of accounts
    /// and the log. A failure is no concern of those whose writes wait: what fails the database
    /// fails their next batch too.
    pub(super) async fn look_after(&mut self, written: usize) {
        // Made anew by the next batch, if it is gone.
        let Some(connection) = self.connection.clone() else { return };
        self.checkpoints.look_after(&self.address, &connection, written).await;
        if self.accounts.is_due()
            && let Err(error) = limited(self.accounts.enter(&connection)).await
        {
            metrics::counter!("store_account_entries_failures_total").increment(1);
            tracing::warn!(why = connect::explain(&self.address, &error), "accounts not entered");
            if Fault::of(&error) == Fault::Lost {
                self.disconnect().await;
            }
        }
    }

    fn failed(&self, error: &DbErr) -> Attempt {
        Attempt::Failed { fault: Fault::of(error), why: connect::explain(&self.address, error) }
    }

    /// Which of these acceptances, once sent to be committed, are recorded. Waits for a commit
    /// that a server is still working on.
    pub(super) async fn recorded(
        &mut self,
        transfers: &[&NewTransfer],
    ) -> Result<Vec<bool>, String> {
        let connection = self.connection().await.map_err(|error| error.to_string())?;
        match limited(examine::recorded(&connection, transfers)).await {
            Ok(recorded) => Ok(recorded),
            Err(error) => {
                let why = connect::explain(&self.address, &error);
                if Fault::of(&error) == Fault::Lost {
                    self.disconnect().await;
                }
                Err(why)
            }
        }
    }

    #[cfg(test)]
    pub(super) async fn execute(&mut self, sql: &'static str) -> Result<(), String> {
        let connection = self.connection().await.map_err(|error| error.to_string())?;
        connection.execute_unprepared(sql).await.map(drop).map_err(|error| error.to_string())
    }

    /// Writes something, takes it away again and commits: whether writing works.
    pub(super) async fn try_out(&mut self) -> Result<(), String> {
        let connection = self.connection().await.map_err(|error| error.to_string())?;
        match limited(try_out(&connection)).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let why = connect::explain(&self.address, &error);
                if Fault::of(&error) == Fault::Lost {
                    self.disconnect().await;
                }
                Err(why)
            }
        }
    }
}

/// What became of one database transaction.
enum Transaction {
    Committed,
    /// A key is taken, or a transfer is not open that should be. Rolled back.
    Conflict,
    /// Rolled back.
    Failed(DbErr),
    /// The COMMIT was sent and its answer is missing.
    Unclear(DbErr),
}

async fn transact(connection: &DatabaseConnection, plan: &Plan<'_>) -> Transaction {
    let began = limited(async {
        let transaction = begin(connection).await?;
        let conflict = match run(&transaction, plan).await {
            Ok(all_were_open) => !all_were_open,
            Err(error) if is_duplicate(&error) => true,
            Err(error) => return Err(error),
        };
        if conflict {
            transaction.rollback().await?;
            return Ok(None);
        }
        Ok(Some(transaction))
    });
    let transaction = match began.await {
        Ok(Some(transaction)) => transaction,
        Ok(None) => return Transaction::Conflict,
        Err(error) => return Transaction::Failed(error),
    };
    let committing = Instant::now();
    match limited(transaction.commit()).await {
        Ok(()) => {
            metrics::histogram!("store_journal_commit_seconds").record(committing.elapsed());
            Transaction::Committed
        }
        Err(error) if Fault::commit_was_undone(&error) => Transaction::Failed(error),
        Err(error) => Transaction::Unclear(error),
    }
}

pub(super) async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    connection
        .begin_with_options(TransactionOptions {
            // A lock taken later could not be waited for (SQLite error 517).
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await
}

/// Gives up after [`DEADLINE`]; what hangs counts as a lost connection.
async fn limited<T>(work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(result) => result,
        Err(_) => Err(DbErr::Query(sea_orm::RuntimeErr::SqlxError(
            sea_orm::sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("no answer within {} s", DEADLINE.as_secs()),
            ))
            .into(),
        ))),
    }
}

/// The statements of a plan, in the order that the tables depend on each other. `false`: an
/// outcome was inserted for a transfer that is not open.
async fn run(transaction: &DatabaseTransaction, plan: &Plan<'_>) -> Result<bool, DbErr> {
    let transfers = plan.transfers.values().map(|transfer| transfer_row(transfer)).collect();
    insert(transaction, "transfer", &TRANSFER, transfers).await?;
    let opened = plan.opened.iter().map(|(master, state)| open_row(*master, *state)).collect();
    insert(transaction, "open_transfer", &["master_serial", "state"], opened).await?;
    let trail = plan
        .trail
        .iter()
        .map(|((master, part), body)| {
            vec![Value::from(*master), i64::from(*part).into(), (*body).into()]
        })
        .collect();
    insert(transaction, "trail", &["master_serial", "part", "body"], trail).await?;
    for state in OpenState::ALL {
        let masters: Vec<i64> =
            plan.states.iter().filter(|(_, s)| **s == state).map(|(master, _)| *master).collect();
        each_of(transaction, UPDATE_STATE, Some(state.number().into()), &masters).await?;
    }
    let decisions = plan
        .decisions
        .iter()
        .map(|((master, at, who), decision)| {
            vec![
                Value::from(*master),
                (*at).into(),
                who.as_bytes().to_vec().into(),
                decision.decision.as_str().into(),
                decision.note.as_str().into(),
            ]
        })
        .collect();
    insert(transaction, "decision", &DECISION, decisions).await?;
    let outcomes = plan.outcomes.iter().map(|(master, end)| outcome_row(*master, end)).collect();
    insert(transaction, "outcome", &OUTCOME, outcomes).await?;
    let ended = open_transfer::ENDED.into();
    let closed = each_of(transaction, UPDATE_STATE, Some(ended), &plan.closed).await?;
    Ok(usize::try_from(closed) == Ok(plan.closed.len()))
}

/// What has ended stays so: 0 is [`open_transfer::ENDED`].
const UPDATE_STATE: &str = "UPDATE open_transfer SET state = ? WHERE state <> 0 AND master_serial";
const TRANSFER: [&str; 17] = [
    "master_serial",
    "app",
    "idempotency_key",
    "fingerprint",
    "debit_serial",
    "credit_serial",
    "from_counter",
    "from_account",
    "to_counter",
    "to_account",
    "amount",
    "currency",
    "debit_day",
    "credit_day",
    "credit_barrier",
    "created_at",
    "deadline_at",
];
const DECISION: [&str; 5] = ["master_serial", "at", "who", "decision", "note"];
const OUTCOME: [&str; 7] =
    ["master_serial", "state", "reason", "finished_at", "answer_status", "answer_body", "trail"];

/// Days are eight digits and sub serials twelve: neither conversion can fail.
fn transfer_row(transfer: &NewTransfer) -> Vec<Value> {
    let leg = |role| i64::try_from(transfer.master.leg(role).number()).unwrap_or(i64::MAX);
    let day = |day: domain::serial::Day| i32::try_from(day.number()).unwrap_or(i32::MAX);
    vec![
        transfer.master.number().into(),
        transfer.app.as_bytes().to_vec().into(),
        transfer.idempotency_key.as_bytes().to_vec().into(),
        transfer.fingerprint.to_vec().into(),
        leg(Role::Debit).into(),
        leg(Role::Credit).into(),
        transfer.from.counter.as_str().into(),
        transfer.from.account.as_str().into(),
        transfer.to.counter.as_str().into(),
        transfer.to.account.as_str().into(),
        transfer.amount.minor().into(),
        transfer.currency.as_str().into(),
        day(transfer.debit_day).into(),
        day(transfer.credit_day).into(),
        transfer.credit_barrier.into(),
        transfer.created_at.into(),
        transfer.deadline_at.into(),
    ]
}

fn open_row(master: i64, state: Option<OpenState>) -> Vec<Value> {
    vec![master.into(), state.map_or(open_transfer::ENDED, OpenState::number).into()]
}

/// The status was checked to have three digits.
fn outcome_row(master: i64, end: &End<'_>) -> Vec<Value> {
    let End { outcome, trail } = end;
    vec![
        master.into(),
        outcome.state.number().into(),
        outcome.reason.clone().into(),
        outcome.finished_at.into(),
        i16::try_from(outcome.answer_status).unwrap_or(i16::MAX).into(),
        outcome.answer_body.to_vec().into(),
        (*trail).map(str::to_owned).into(),
    ]
}

/// Large enough that a full disk or table shows; under master serial 0, which nobody has.
async fn try_out(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = begin(connection).await?;
    let part = i64::from(std::process::id());
    let row = vec![Value::from(0_i64), part.into(), "-".repeat(16 * 1024).into()];
    let clear = |backend: DbBackend| {
        let sql = "DELETE FROM trail WHERE master_serial = 0 AND part = ?";
        Statement::from_sql_and_values(backend, sql, [Value::from(part)])
    };
    insert(&transaction, "trail", &["master_serial", "part", "body"], vec![row]).await?;
    transaction.execute_raw(clear(transaction.get_database_backend())).await?;
    transaction.commit().await
}
