//! Makes connections: one for the writer, a few for readers, each set up the same way.

use crate::address::Address;
use crate::error::OpenError;
use crate::fault::{self, Fault, describe_driver, sqlite_code};
use crate::holder::who_holds;
use sea_orm::sqlx::mysql::{MySqlDatabaseError, MySqlPoolOptions};
use sea_orm::sqlx::pool::PoolOptions;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{self, ConnectOptions, Connection, Database, Executor};
use sea_orm::{DatabaseConnection, DbErr};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long SQLite waits for another's lock before it says busy. A caller is waiting meanwhile.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Between two looks at a lock that SQLite does not wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long a server may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a reader waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads are small; this many at once keep a local disk or a server busy.
const READERS: u32 = 4;

/// A server's statements come in as many lengths as batches have; each is prepared once.
const STATEMENT_CACHE: usize = 512;

/// Memory for the writer's pages: 16 MiB, in negative KiB; SQLite's own is 2 MiB. After a commit in
/// which pages of an index were split, as in nearly every one with random keys, SQLite looks through
/// the whole of it: 64 MiB took a tenth of the bridge's time for that, and 4 MiB read more again once
/// there were 100,000 transfers.
pub(crate) const SQLITE_CACHE: i64 = -16384;

/// Pages in the log, 128 MiB, before SQLite itself moves them into the file, within a commit. The
/// journal does it before that, and beside.
pub(crate) const SQLITE_CHECKPOINT: i64 = 32768;

/// What a connection of a server is set to. A server that is not strict cuts what is too long;
/// with a stricter isolation, looking for what another node wrote finds the past.
const MYSQL_SESSION: &str = "SET SESSION \
    sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), \
    innodb_lock_wait_timeout = 5, \
    autocommit = 1";
const MYSQL_ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// A pool of one connection that may write, without having connected.
pub(crate) fn writer(address: &Address) -> DatabaseConnection {
    match address {
        Address::Sqlite { options, .. } => {
            let options = options
                .clone()
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .pragma("wal_autocheckpoint", SQLITE_CHECKPOINT.to_string())
                .disable_statement_logging();
            one(SqlitePoolOptions::new()).connect_lazy_with(options).into()
        }
        Address::Mysql { options, .. } => {
            let options = options
                .clone()
                .statement_cache_capacity(STATEMENT_CACHE)
                .disable_statement_logging();
            mysql_session(one(MySqlPoolOptions::new())).connect_lazy_with(options).into()
        }
    }
}

/// A pool of connections that only read, without having connected.
pub(crate) fn readers(address: &Address) -> DatabaseConnection {
    match address {
        Address::Sqlite { options, .. } => {
            let options = options
                .clone()
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .pragma("query_only", "ON")
                .disable_statement_logging();
            SqlitePoolOptions::new()
                .max_connections(READERS)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .connect_lazy_with(options)
                .into()
        }
        Address::Mysql { options, .. } => {
            let pool =
                MySqlPoolOptions::new().max_connections(READERS).acquire_timeout(ACQUIRE_TIMEOUT);
            let options = options.clone().disable_statement_logging();
            mysql_session(pool).connect_lazy_with(options).into()
        }
    }
}

/// Connects once, to find out in plain words why it would fail. Makes the folder of a file.
///
/// SQLite does not wait for another's lock while it changes a new file to its write-ahead log, so
/// whoever opens it in that moment is told at once that it is locked: then it is waited for here,
/// as long as SQLite itself would wait.
pub(crate) async fn probe(address: &Address) -> Result<(), OpenError> {
    let given_up = Instant::now() + BUSY_TIMEOUT;
    loop {
        match probe_once(address).await {
            Err(OpenError::Locked { .. }) if Instant::now() < given_up => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            result => return result,
        }
    }
}

async fn probe_once(address: &Address) -> Result<(), OpenError> {
    match address {
        Address::Sqlite { path, options } => {
            make_folder(path)?;
            let options = options
                .clone()
                .journal_mode(SqliteJournalMode::Wal)
                .busy_timeout(BUSY_TIMEOUT)
                .disable_statement_logging();
            let explain = |error: sqlx::Error| explain_sqlite(path, &error);
            let mut connection = options.connect().await.map_err(explain)?;
            connection.execute("BEGIN IMMEDIATE").await.map_err(explain)?;
            // On a read-only file the transaction begins all the same; only writing tells.
            connection.execute("CREATE TABLE probe_of_writing (x)").await.map_err(explain)?;
            connection.execute("ROLLBACK").await.map_err(explain)?;
            connection.close().await.map_err(explain)
        }
        Address::Mysql { shown, options } => {
            let connecting = tokio::time::timeout(CONNECT_TIMEOUT, options.connect());
            let connection = connecting
                .await
                .map_err(|_| OpenError::Unreachable {
                    server: shown.clone(),
                    why: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
                })?
                .map_err(|error| explain_mysql(shown, &error))?;
            connection.close().await.map_err(|error| explain_mysql(shown, &error))
        }
    }
}

/// Why something failed, with the holder of a SQLite lock named.
pub(crate) fn explain(address: &Address, error: &DbErr) -> String {
    let why = fault::describe(error);
    match address {
        Address::Sqlite { path, .. } => match fault::number(error).map(|number| number & 0xff) {
            Some(5 | 6) => format!("{why} (by {})", who_holds(path)),
            _ => why,
        },
        Address::Mysql { .. } if Fault::of(error) == Fault::Lost => {
            format!("{address} is gone: {why}")
        }
        Address::Mysql { .. } => why,
    }
}

/// Never idle, never renewed: the writer's one connection lasts until it fails.
fn one<D: Database>(pool: PoolOptions<D>) -> PoolOptions<D> {
    pool.max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(ACQUIRE_TIMEOUT)
}

fn mysql_session(pool: MySqlPoolOptions) -> MySqlPoolOptions {
    pool.after_connect(|connection, _| {
        Box::pin(async move {
            connection.execute(MYSQL_SESSION).await?;
            connection.execute(MYSQL_ISOLATION).await?;
            Ok(())
        })
    })
}

fn make_folder(path: &Path) -> Result<(), OpenError> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::create_dir_all(folder).map_err(|error| OpenError::CannotCreate {
            path: path.display().to_string(),
            why: format!("folder {}: {error}", folder.display()),
        }),
        None => Ok(()),
    }
}

fn explain_sqlite(file: &Path, error: &sqlx::Error) -> OpenError {
    let path = file.display().to_string();
    let why = describe_driver(error);
    let code = match error {
        sqlx::Error::Database(said) => sqlite_code(said.as_ref()) & 0xff,
        _ => 1,
    };
    match code {
        5 | 6 => OpenError::Locked { by: who_holds(file), path },
        8 => OpenError::ReadOnly { path, why },
        14 => OpenError::CannotCreate { path, why },
        _ => OpenError::NotADatabase { path, why },
    }
}

fn explain_mysql(shown: &str, error: &sqlx::Error) -> OpenError {
    let (server, why) = (shown.to_owned(), describe_driver(error));
    let number = match error {
        sqlx::Error::Database(said) => {
            said.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
        }
        _ => None,
    };
    match number {
        Some(1044 | 1045 | 1130 | 1251 | 1698 | 2061) => OpenError::AccessDenied { server, why },
        Some(1049) => OpenError::NoSuchDatabase { server, why },
        _ => OpenError::Unreachable { server, why },
    }
}
