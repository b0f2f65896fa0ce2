//! Makes connections: one for the writer, a few for readers, each set up the same way.

use crate::address::Address;
use crate::durability::{self, Durability, Variables};
use crate::error::OpenError;
use crate::fault::{self, Fault, describe_driver, sqlite_code};
use crate::holder::who_holds;
use sea_orm::sqlx::mysql::{MySqlConnection, MySqlDatabaseError, MySqlPoolOptions};
use sea_orm::sqlx::pool::PoolOptions;
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{self, ConnectOptions, Connection, Database, Executor};
use sea_orm::{DatabaseConnection, DbErr};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long SQLite waits for another's lock before it says busy. A caller is waiting meanwhile.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Between two looks at a lock that SQLite does not wait for.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long a server may take to let us in, and how long to say how it is set up; a disk likewise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was given up in the middle of a question is looked at before another gets it.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one statement of a reader may run. Less than a question is waited for, so that no
/// connection is busy with what nobody wants any more.
const STATEMENT: Duration = Duration::from_secs(8);

/// Instructions of SQLite's machine between two looks at the clock: some ten microseconds.
const BETWEEN_LOOKS: i32 = 1000;

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

/// What a connection of a server is set to, whatever the server's defaults are. One that is not
/// strict cuts what is too long; one that does not check keys takes a key twice; one that chains
/// transactions begins another after each; with a stricter isolation, looking for what another node
/// wrote finds the past.
const MYSQL_SESSION: &str = "SET SESSION \
    sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), \
    innodb_lock_wait_timeout = 5, \
    unique_checks = 1, \
    foreign_key_checks = 1, \
    completion_type = 'NO_CHAIN', \
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
        Address::Mysql { options, durability, .. } => {
            let options = options
                .clone()
                .statement_cache_capacity(STATEMENT_CACHE)
                .disable_statement_logging();
            let use_of = Use::Writing(*durability);
            mysql_session(one(MySqlPoolOptions::new()), use_of).connect_lazy_with(options).into()
        }
    }
}

/// A pool of connections that only read, without having connected. What is asked on them ends within
/// [`STATEMENT`], whether or not anybody still waits for it.
pub(crate) fn readers(address: &Address) -> DatabaseConnection {
    readers_within(address, STATEMENT)
}

/// The same with another limit for one statement.
pub(crate) fn readers_within(address: &Address, statement: Duration) -> DatabaseConnection {
    so_many_readers(address, statement, READERS)
}

/// The same, so many of them.
pub(crate) fn few_readers(address: &Address, readers: u32) -> DatabaseConnection {
    so_many_readers(address, STATEMENT, readers)
}

fn so_many_readers(address: &Address, statement: Duration, readers: u32) -> DatabaseConnection {
    match address {
        Address::Sqlite { options, .. } => {
            let options = options
                .clone()
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .pragma("query_only", "ON")
                .disable_statement_logging();
            // A file does not go away between two questions: instead of being tried, a connection
            // is told when the next statement has to end.
            SqlitePoolOptions::new()
                .max_connections(readers)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire(false)
                .after_connect(move |connection, _| {
                    Box::pin(async move { end_within(connection, statement).await })
                })
                .before_acquire(move |connection, _| {
                    Box::pin(async move {
                        end_within(connection, statement).await?;
                        Ok(true)
                    })
                })
                .connect_lazy_with(options)
                .into()
        }
        Address::Mysql { options, .. } => {
            // Without it, who gives up a question to a server that says nothing leaves a connection
            // behind that counts as taken for as long as its socket lasts.
            let pool = MySqlPoolOptions::new()
                .max_connections(readers)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .after_release(|connection, _| {
                    Box::pin(async move {
                        let answer = tokio::time::timeout(LOOK_TIMEOUT, connection.ping()).await;
                        answer.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
                    })
                });
            let options = options.clone().disable_statement_logging();
            mysql_session(pool, Use::Reading(statement)).connect_lazy_with(options).into()
        }
    }
}

/// Lets the next statement on a connection run so long.
async fn end_within(
    connection: &mut SqliteConnection,
    statement: Duration,
) -> Result<(), sqlx::Error> {
    let until = Instant::now() + statement;
    let mut handle = connection.lock_handle().await?;
    handle.set_progress_handler(BETWEEN_LOOKS, move || Instant::now() < until);
    Ok(())
}

/// Connects once, to find out in plain words why writing would fail, and whether what is written
/// there lasts. Makes the folder of a file.
///
/// SQLite does not wait for another's lock while it changes a new file to its write-ahead log, so
/// whoever opens it in that moment is told at once that it is locked: then it is waited for here,
/// as long as SQLite itself would wait.
pub(crate) async fn probe(address: &Address) -> Result<(), OpenError> {
    let given_up = Instant::now() + BUSY_TIMEOUT;
    loop {
        match Box::pin(probe_once(address)).await {
            Err(OpenError::Locked { .. }) if Instant::now() < given_up => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            result => return result,
        }
    }
}

async fn probe_once(address: &Address) -> Result<(), OpenError> {
    match address {
        Address::Sqlite { path, options, durability } => {
            let folder = make_folder(path)?;
            let weaknesses = durability::weaknesses_of_folder(&durability::mounts(), folder);
            durability::judge(*durability, &path.display().to_string(), &weaknesses)?;
            // Longer than a lock is waited for.
            let trying = tokio::time::timeout(CONNECT_TIMEOUT, try_file(path, options));
            trying.await.unwrap_or_else(|_| {
                Err(OpenError::Unavailable {
                    database: path.display().to_string(),
                    why: format!("no answer of the disk within {} s", CONNECT_TIMEOUT.as_secs()),
                })
            })
        }
        Address::Mysql { shown, durability, .. } => {
            let mut connection = greet(address).await?;
            let variables = in_time(shown, Variables::of(&mut connection)).await?;
            // Whether it hears of it makes no difference.
            let _ = tokio::time::timeout(LOOK_TIMEOUT, connection.close()).await;
            if let Some(why) = variables.takes_no_writes() {
                return Err(OpenError::Unavailable { database: shown.clone(), why });
            }
            durability::judge(*durability, shown, &variables.weaknesses())
        }
    }
}

async fn try_file(path: &Path, options: &SqliteConnectOptions) -> Result<(), OpenError> {
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

/// Connects to a server once, to find out in plain words why that would fail.
pub(crate) async fn greet(address: &Address) -> Result<MySqlConnection, OpenError> {
    let bad = |why: String| OpenError::BadUrl { url: address.to_string(), why };
    let Address::Mysql { shown, options, files, .. } = address else {
        return Err(bad("it names no server".to_owned()));
    };
    // The driver would call it a server that cannot be reached.
    for file in files {
        std::fs::File::open(file).map_err(|error| bad(format!("{}: {error}", file.display())))?;
    }
    in_time(shown, Box::pin(options.connect())).await
}

/// What a server answers within [`CONNECT_TIMEOUT`].
async fn in_time<T>(
    shown: &str,
    asking: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, OpenError> {
    match tokio::time::timeout(CONNECT_TIMEOUT, asking).await {
        Ok(answer) => answer.map_err(|error| explain_mysql(shown, &error)),
        Err(_) => Err(OpenError::Unreachable {
            server: shown.to_owned(),
            why: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        }),
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

/// What the connections of a server's pool are for.
#[derive(Clone, Copy, Debug)]
enum Use {
    /// Each that is made anew leads to a server that may have been set up otherwise meanwhile, or to
    /// another one: it is looked at again.
    Writing(Durability),
    /// What is asked on them ends within this time.
    Reading(Duration),
}

/// Sets up the connections of a pool.
fn mysql_session(pool: MySqlPoolOptions, use_of: Use) -> MySqlPoolOptions {
    pool.after_connect(move |connection, _| {
        Box::pin(async move {
            connection.execute(MYSQL_SESSION).await?;
            connection.execute(MYSQL_ISOLATION).await?;
            match use_of {
                Use::Writing(durability) => {
                    let found = Variables::of(connection).await?;
                    let unfit = found.takes_no_writes().or_else(|| match durability {
                        Durability::Full => found.weaknesses().into_iter().next(),
                        Durability::AsItIs => None,
                    });
                    // The pool passes the reason over; whoever connects anew looks first, and tells.
                    unfit.map_or(Ok(()), |why| Err(sqlx::Error::Protocol(why)))
                }
                Use::Reading(statement) => {
                    connection.execute(sqlx::AssertSqlSafe(mysql_limit(statement))).await?;
                    Ok(())
                }
            }
        })
    })
}

/// MariaDB and MySQL have different names for it, and each takes for a comment what is meant for the
/// other. It holds for what only reads.
fn mysql_limit(statement: Duration) -> String {
    let (seconds, milliseconds) = (statement.as_secs_f64(), statement.as_millis());
    format!(
        "SET SESSION autocommit = 1 /*M!100101 , max_statement_time = {seconds:.3} */ \
         /*!50708 , max_execution_time = {milliseconds} */"
    )
}

/// Makes the folder of a file, and says which it is.
pub(crate) fn make_folder(path: &Path) -> Result<&Path, OpenError> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| OpenError::CannotCreate {
                path: path.display().to_string(),
                why: format!("folder {}: {error}", folder.display()),
            })?;
            Ok(folder)
        }
        None => Ok(Path::new(".")),
    }
}

pub(crate) fn explain_sqlite(file: &Path, error: &sqlx::Error) -> OpenError {
    let path = file.display().to_string();
    let why = describe_driver(error);
    let code = match error {
        sqlx::Error::Database(said) => sqlite_code(said.as_ref()) & 0xff,
        _ => 1,
    };
    match code {
        5 | 6 => OpenError::Locked { by: who_holds(file), path },
        // No memory, the disk failed, no room.
        7 | 10 | 13 => OpenError::Unavailable { database: path, why },
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
    match (number, error) {
        (None, sqlx::Error::Tls(_)) => return OpenError::Untrusted { server, why },
        // What comes before the certificates are agreed on is the server's own.
        (None, sqlx::Error::Io(said)) if said.kind() == std::io::ErrorKind::InvalidData => {
            return OpenError::Untrusted { server, why };
        }
        (None, sqlx::Error::Configuration(_)) => {
            return OpenError::BadUrl { url: server, why };
        }
        (Some(_) | None, _) => {}
    }
    match number {
        Some(1044 | 1045 | 1130 | 1251 | 1698 | 2061) => OpenError::AccessDenied { server, why },
        Some(1049) => OpenError::NoSuchDatabase { server, why },
        _ => OpenError::Unreachable { server, why },
    }
}
