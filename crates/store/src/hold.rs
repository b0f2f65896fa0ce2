//! Holding a record, so that no other bridge writes to it: the file's lock, or the server's lease.

use crate::address::Address;
use crate::connect::{self, BUSY_TIMEOUT, LOOK_AGAIN};
use crate::error::OpenError;
use crate::holder::who_has_open;
use crate::lease;
use crate::lock::{self, NotLocked, RecordLock};
use sea_orm::DatabaseConnection;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions, Connection, Executor};
use std::time::Instant;

/// What holds a record until it is dropped or given back.
#[derive(Debug)]
pub(crate) struct Hold {
    _lock: Option<RecordLock>,
    /// The epoch of the lease, at a server.
    pub(crate) epoch: Option<i64>,
}

impl Hold {
    /// Holds a file, if that is the database: before anything of it is touched.
    pub(crate) async fn of_file(address: &Address) -> Result<Hold, OpenError> {
        let Address::Sqlite { path, .. } = address else {
            return Ok(Hold { _lock: None, epoch: None });
        };
        connect::make_folder(path)?;
        match lock::take(path, BUSY_TIMEOUT).await {
            Ok(lock) => Ok(Hold { _lock: Some(lock), epoch: None }),
            Err(NotLocked::Held(by)) => {
                Err(OpenError::Held { database: path.display().to_string(), by })
            }
            Err(NotLocked::Io(error)) => {
                // Why the file beside it cannot be made is mostly why it cannot be used itself.
                connect::probe(address).await?;
                Err(OpenError::CannotCreate {
                    path: lock::beside(path).display().to_string(),
                    why: error.to_string(),
                })
            }
        }
    }

    /// Holds the record of a server, if that is the database, once its tables are there.
    pub(crate) async fn of_server(
        self,
        address: &Address,
        connection: &DatabaseConnection,
    ) -> Result<Hold, OpenError> {
        match address {
            Address::Sqlite { .. } => Ok(self),
            Address::Mysql { shown, .. } => {
                Ok(Hold { epoch: Some(lease::take(connection, shown).await?), ..self })
            }
        }
    }

    /// Gives a lease back; a lock goes with this.
    pub(crate) async fn give_back(self, connection: &DatabaseConnection) {
        if let Some(epoch) = self.epoch
            && let Err(error) = lease::give_back(connection, epoch).await
        {
            tracing::warn!(%error, "the lease of the record is not given back: it runs out by itself");
        }
    }
}

/// Refuses a file with a record from before records were held, while anybody else has it open: it may be the bridge of
/// that version, which knows no lock, and would go on moving its money. What has the file open for a moment is waited for.
pub(crate) async fn before_records_were_held(address: &Address) -> Result<(), OpenError> {
    let Address::Sqlite { path, options, .. } = address else { return Ok(()) };
    let options = options.clone().busy_timeout(BUSY_TIMEOUT).disable_statement_logging();
    let given_up = Instant::now() + BUSY_TIMEOUT;
    loop {
        let error = match alone_with(&options).await {
            Ok(()) => return Ok(()),
            Err(error) => connect::explain_sqlite(path, &error),
        };
        match error {
            OpenError::Locked { .. } if Instant::now() < given_up => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            OpenError::Locked { .. } => {
                let (database, by) = (path.display().to_string(), who_has_open(path));
                return Err(OpenError::Held { database, by });
            }
            error => return Err(error),
        }
    }
}

/// SQLite gives up a file's write-ahead log only where nobody else has the file open. Whoever writes to it next begins
/// one again.
async fn alone_with(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    let table = "SELECT 1 FROM sqlite_master WHERE name = 'transfer' AND NOT EXISTS \
                 (SELECT 1 FROM sqlite_master WHERE name = 'shard_lease')";
    if connection.fetch_optional(table).await?.is_some() {
        connection.execute("PRAGMA journal_mode = DELETE").await?;
    }
    connection.close().await
}

/// Who holds the record behind `url` now, in words; `None` if nobody is seen to. Nothing is made,
/// taken or written. A server's holder is watched for as long as it may be silent.
pub async fn held_by(url: &str) -> Result<Option<String>, OpenError> {
    match Address::parse(url)? {
        Address::Sqlite { path, .. } => Ok(lock::held_by(&path)),
        address @ Address::Mysql { .. } => {
            let connection = connect::readers(&address);
            let by = lease::held_by(&connection).await;
            let _ = connection.close_by_ref().await;
            // One that cannot be asked, or has no such table yet, names nobody.
            Ok(by.unwrap_or(None))
        }
    }
}
