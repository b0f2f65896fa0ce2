//! Something that is changed seldom: in one transaction, on a connection of its own that is closed again. What only the
//! holder of the record may change is fenced as the journal's batches are, by the lease's row under the holder's epoch: last,
//! for the journal waits for whoever has that row, and what is seldom may be slow.

use crate::address::Address;
use crate::connect;
use crate::error::StoreError;
use crate::fault::Fault;
use crate::journal::superseded;
use crate::position::ledger::Ledger;
use crate::query::ask;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};

/// Does something in one transaction. What it finds to be wrong is taken back. Where two were in each other's way, the
/// one that lost is done once more. With a `ledger` it is done as long as the record is held under it, and by nobody who
/// was superseded.
pub(crate) async fn change<T, E>(
    address: &Address,
    ledger: Option<&Ledger>,
    work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<Result<T, E>, DbErr> + Clone,
) -> Result<Result<T, E>, StoreError> {
    let connection = connect::writer(address);
    let done = ask(async {
        match once(&connection, ledger, work.clone()).await {
            Err(error) if Fault::of(&error) == Fault::Contention => {
                once(&connection, ledger, work).await
            }
            done => done,
        }
    })
    .await;
    let _ = ask(connection.close()).await;
    match done? {
        Done::Through(result) => Ok(result),
        Done::Superseded(why) => {
            if let Some(ledger) = ledger {
                ledger.lose(why.clone());
            }
            Err(StoreError::Unavailable { why })
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

async fn once<T, E>(
    connection: &DatabaseConnection,
    ledger: Option<&Ledger>,
    work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<Result<T, E>, DbErr>,
) -> Result<Done<Result<T, E>>, DbErr> {
    // SQLite lets nobody write who has read first while another wrote.
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = connection.begin_with_options(options).await?;
    // Boxed, for each who changes something carries it within its own.
    let result = Box::pin(work(&transaction)).await?;
    if result.is_err() {
        transaction.rollback().await?;
        return Ok(Done::Through(result));
    }
    if let Some(ledger) = ledger
        && let Some(why) = superseded(&transaction, ledger).await?
    {
        transaction.rollback().await?;
        return Ok(Done::Superseded(why));
    }
    transaction.commit().await?;
    Ok(Done::Through(result))
}
