//! Something that is changed seldom: in one transaction, on a connection of its own that is closed again.

use crate::address::Address;
use crate::connect;
use crate::error::StoreError;
use crate::fault::Fault;
use crate::query::ask;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};

/// Does something in one transaction. What it finds to be wrong is taken back. Where two were in each other's way, the
/// one that lost is done once more.
pub(crate) async fn change<T, E>(
    address: &Address,
    work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<Result<T, E>, DbErr> + Clone,
) -> Result<Result<T, E>, StoreError> {
    let connection = connect::writer(address);
    let done = ask(async {
        match once(&connection, work.clone()).await {
            Err(error) if Fault::of(&error) == Fault::Contention => once(&connection, work).await,
            done => done,
        }
    })
    .await;
    let _ = ask(connection.close()).await;
    done
}

async fn once<T, E>(
    connection: &DatabaseConnection,
    work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<Result<T, E>, DbErr>,
) -> Result<Result<T, E>, DbErr> {
    // SQLite lets nobody write who has read first while another wrote.
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = connection.begin_with_options(options).await?;
    // Boxed, for each who changes something carries it within its own.
    let result = Box::pin(work(&transaction)).await?;
    match &result {
        Ok(_) => transaction.commit().await?,
        Err(_) => transaction.rollback().await?,
    }
    Ok(result)
}
