//! The least that a journal can do: group commit of one small row for each write, and nothing
//! else. The journal is measured against it; it is no part of the bridge.

use super::attempt::begin;
use super::rows::insert;
use super::sqlite;
use crate::address::Address;
use crate::connect;
use crate::error::{OpenError, StoreError};
use rusqlite::{Connection, TransactionBehavior, params};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Value};
use tokio::sync::{mpsc, oneshot};

/// Rows in one transaction, as many as the journal takes writes.
const MOST_IN_BATCH: usize = 1024;
/// What a row holds besides its key, in bytes.
const BODY: usize = 64;

const TABLE: &str = "bare";

/// A handle of the writer; cheap to clone.
#[derive(Clone, Debug)]
pub struct Bare {
    rows: mpsc::UnboundedSender<(i64, oneshot::Sender<()>)>,
}

impl Bare {
    /// Opens the database behind `url`, as [`crate::Store::open`] does, makes the table `bare`
    /// anew, and starts the writer. It ends with its last handle, or when the database fails.
    pub async fn open(url: &str) -> Result<Bare, OpenError> {
        let address = Address::parse(url)?;
        connect::probe(&address).await?;
        let connection = connect::writer(&address);
        for sql in [
            "DROP TABLE IF EXISTS bare",
            "CREATE TABLE bare (id BIGINT PRIMARY KEY, body BLOB NOT NULL)",
        ] {
            connection.execute_unprepared(sql).await.map_err(|error| OpenError::Migration {
                database: address.to_string(),
                why: error.to_string(),
            })?;
        }
        let (rows, ready) = mpsc::unbounded_channel();
        match &address {
            Address::Sqlite { path, .. } => {
                connection.close().await.map_err(|error| OpenError::NotADatabase {
                    path: path.display().to_string(),
                    why: error.to_string(),
                })?;
                let path = path.clone();
                std::thread::spawn(move || {
                    let written = sqlite::open(&path)
                        .and_then(|mut connection| write_to_file(&mut connection, ready));
                    if let Err(error) = written {
                        tracing::error!(%error, "the bare journal ends");
                    }
                });
            }
            Address::Mysql { .. } => {
                tokio::spawn(async move {
                    if let Err(error) = write_to_server(&connection, ready).await {
                        tracing::error!(%error, "the bare journal ends");
                    }
                });
            }
        }
        Ok(Bare { rows })
    }

    /// Returns once a row under `id`, which was not used before, is durable.
    pub async fn commit(&self, id: i64) -> Result<(), StoreError> {
        let (done, durable) = oneshot::channel();
        self.rows.send((id, done)).map_err(|_| StoreError::Closed)?;
        durable.await.map_err(|_| StoreError::Closed)
    }
}

fn write_to_file(
    connection: &mut Connection,
    mut ready: mpsc::UnboundedReceiver<(i64, oneshot::Sender<()>)>,
) -> rusqlite::Result<()> {
    let mut batch = Vec::with_capacity(MOST_IN_BATCH);
    while ready.blocking_recv_many(&mut batch, MOST_IN_BATCH) > 0 {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut insert =
            transaction.prepare_cached("INSERT INTO bare (id, body) VALUES (?1, ?2)")?;
        for (id, _) in &batch {
            insert.execute(params![id, [b'-'; BODY]])?;
        }
        drop(insert);
        transaction.commit()?;
        for (_, done) in batch.drain(..) {
            // Whoever has gone needs no answer.
            let _ = done.send(());
        }
    }
    Ok(())
}

async fn write_to_server(
    connection: &DatabaseConnection,
    mut ready: mpsc::UnboundedReceiver<(i64, oneshot::Sender<()>)>,
) -> Result<(), DbErr> {
    let mut batch = Vec::with_capacity(MOST_IN_BATCH);
    while ready.recv_many(&mut batch, MOST_IN_BATCH).await > 0 {
        let rows =
            batch.iter().map(|(id, _)| vec![Value::from(*id), vec![b'-'; BODY].into()]).collect();
        let transaction = begin(connection).await?;
        insert(&transaction, TABLE, &["id", "body"], rows).await?;
        transaction.commit().await?;
        for (_, done) in batch.drain(..) {
            // Whoever has gone needs no answer.
            let _ = done.send(());
        }
    }
    Ok(())
}
