//! One database transaction: how it is begun, how long it may take, and what can become of it.

use crate::fault::Fault;
use crate::idempotency::Plan;
use crate::lease;
use crate::write::WriteError;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use std::time::Duration;

/// Within this, every batch is through or the connection is given up: a server that holds the
/// connection and says nothing must not hold up the journal for ever.
pub(super) const DEADLINE: Duration = Duration::from_secs(if cfg!(test) { 4 } else { 10 });

/// What became of one database transaction.
pub(super) enum Tried {
    /// It is durable; with the transfers that have ended by it.
    Committed { answers: Vec<Result<(), WriteError>>, ended: Vec<i64> },
    /// A key is taken, or a transfer is not open that should be. Rolled back.
    Conflict,
    /// Rolled back.
    Failed { fault: Fault, why: String },
    /// The COMMIT was sent and its answer is missing.
    Unclear { why: String },
}

impl Tried {
    /// The plan is durable.
    pub(super) fn committed(plan: Plan<'_>) -> Tried {
        Tried::Committed { answers: plan.answers, ended: plan.outcomes.into_keys().collect() }
    }
}

/// Large enough that a full disk or table shows.
pub(super) fn large_body() -> String {
    "-".repeat(16 * 1024)
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

/// The same for what nobody waits for; at a server under the lease of `epoch`, as all that is written.
pub(super) async fn begin_under(
    connection: &DatabaseConnection,
    epoch: Option<i64>,
) -> Result<DatabaseTransaction, DbErr> {
    let transaction = begin(connection).await?;
    if let Some(epoch) = epoch
        && !lease::beat(&transaction, epoch).await?
    {
        transaction.rollback().await?;
        return Err(DbErr::Custom("another holds the record".to_owned()));
    }
    Ok(transaction)
}

/// Gives up after [`DEADLINE`]; what hangs counts as a lost connection.
pub(super) async fn limited<T>(work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    limited_to(DEADLINE, work).await
}

/// The same, for what has a time of its own.
pub(super) async fn limited_to<T>(
    time: Duration,
    work: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    match tokio::time::timeout(time, work).await {
        Ok(result) => result,
        Err(_) => Err(DbErr::Query(sea_orm::RuntimeErr::SqlxError(
            sea_orm::sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("no answer within {} s", time.as_secs_f64()),
            ))
            .into(),
        ))),
    }
}
