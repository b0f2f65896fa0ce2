//! Something that is changed seldom: in one transaction, on a connection of its own that is closed again. What only the
//! holder of the record may change is fenced as the journal's batches are: the transaction begins with the lease's row
//! under the holder's epoch. So what it reads is what those before have left, whose answer may not have come.

use crate::address::Address;
use crate::connect;
use crate::error::{NotChanged, StoreError};
use crate::fault::Fault;
use crate::journal::superseded;
use crate::position::ledger::Ledger;
use crate::query::ask;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Does something in one transaction. What it finds to be wrong is taken back. Where two were in each other's way, the
/// one that lost is done once more. With a `ledger` it is done as long as the record is held under it, and by nobody who
/// was superseded. Where that fails, it says whether something may have been changed all the same.
pub(crate) async fn change<T, E>(
    address: &Address,
    ledger: Option<&Ledger>,
    work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<Result<T, E>, DbErr> + Clone,
) -> Result<Result<T, E>, NotChanged> {
    let connection = connect::writer(address);
    // One that is given up before is undone with its connection.
    let is_kept = AtomicBool::new(false);
    let done = ask(async {
        match once(&connection, ledger, work.clone(), &is_kept).await {
            Err(error) if Fault::of(&error) == Fault::Contention && !is_kept.load(Relaxed) => {
                once(&connection, ledger, work, &is_kept).await
            }
            done => done,
        }
    })
    .await;
    let _ = ask(connection.close()).await;
    let done = done.map_err(|error| {
        if is_kept.load(Relaxed) { NotChanged::Unclear(error) } else { NotChanged::Nothing(error) }
    });
    match done? {
        Done::Through(result) => Ok(result),
        Done::Superseded(why) => {
            if let Some(ledger) = ledger {
                ledger.lose(why.clone());
            }
            Err(NotChanged::Nothing(StoreError::Unavailable { why }))
        }
    }
}

/// How far a transaction came.
enum Done<T> {
    /// To its end.
    Through(T),
    /// Another holds the record, and nothing was done; who, in words.
    Superseded(String),
}

/// Sets `is_kept` as soon as the database may keep it, and takes that back where it says that it has not.
async fn once<T, E>(
    connection: &DatabaseConnection,
    ledger: Option<&Ledger>,
    work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<Result<T, E>, DbErr>,
    is_kept: &AtomicBool,
) -> Result<Done<Result<T, E>>, DbErr> {
    // SQLite lets nobody write who has read first while another wrote.
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = connection.begin_with_options(options).await?;
    if let Some(ledger) = ledger
        && let Some(why) = superseded(&transaction, ledger).await?
    {
        transaction.rollback().await?;
        return Ok(Done::Superseded(why));
    }
    // Boxed, for each who changes something carries it within its own.
    let result = Box::pin(work(&transaction)).await?;
    if result.is_err() {
        transaction.rollback().await?;
        return Ok(Done::Through(result));
    }
    is_kept.store(true, Relaxed);
    if let Err(error) = transaction.commit().await {
        is_kept.store(!Fault::commit_was_undone(&error), Relaxed);
        return Err(error);
    }
    Ok(Done::Through(result))
}
