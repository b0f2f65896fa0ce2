//! What a database error means for what was being written. Decided by the error's number, never
//! by its words.

use sea_orm::sqlx::{self, mysql::MySqlDatabaseError, sqlite::SqliteError};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

/// What went wrong, split by what is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A row with that key exists.
    Duplicate,
    /// This row cannot be stored, now or later; others can.
    Row,
    /// Others were in the way: the same again, at once.
    Contention,
    /// The connection is gone, cannot be trusted, or leads to a server that takes no writes (any
    /// more): a new one, which may lead to another.
    Lost,
    /// Locked, full or broken: later.
    Down,
    /// Another bridge holds the record: never again by this process.
    Superseded,
}

impl Fault {
    /// Classifies an error of a statement, or of opening a transaction.
    pub(crate) fn of(error: &DbErr) -> Fault {
        match driver_error(error) {
            Some(sqlx::Error::Database(said)) => {
                if let Some(said) = said.try_downcast_ref::<MySqlDatabaseError>() {
                    of_mysql(said.number(), said.code())
                } else if said.try_downcast_ref::<SqliteError>().is_some() {
                    of_sqlite(sqlite_code(said.as_ref()))
                } else {
                    Fault::Down
                }
            }
            Some(sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_)) => {
                Fault::Lost
            }
            Some(
                sqlx::Error::WorkerCrashed | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed,
            ) => Fault::Lost,
            Some(_) => Fault::Down,
            None => match error {
                DbErr::ConnectionAcquire(
                    ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed,
                ) => Fault::Lost,
                _ => Fault::Down,
            },
        }
    }

    /// Whether a failed COMMIT certainly recorded nothing. Only an answer of the database that is
    /// known to mean a rollback counts; everything else may have been recorded.
    pub(crate) fn commit_was_undone(error: &DbErr) -> bool {
        let Some(sqlx::Error::Database(said)) = driver_error(error) else { return false };
        if let Some(said) = said.try_downcast_ref::<MySqlDatabaseError>() {
            commit_was_undone_by_mysql(said.number())
        } else if said.try_downcast_ref::<SqliteError>().is_some() {
            commit_was_undone_by_sqlite(sqlite_code(said.as_ref()))
        } else {
            false
        }
    }
}

/// The number by which the server or SQLite names an error (SQLite's is the extended one).
pub(crate) fn number(error: &DbErr) -> Option<u32> {
    let Some(sqlx::Error::Database(said)) = driver_error(error) else { return None };
    match said.try_downcast_ref::<MySqlDatabaseError>() {
        Some(said) => Some(u32::from(said.number())),
        None => Some(sqlite_code(said.as_ref())),
    }
}

/// Whether a question failed because of what the database holds: a page that is not what was
/// written, or a value that is none of its column's kind. Asking again is of no use.
pub(crate) fn is_damage(error: &DbErr) -> bool {
    match driver_error(error) {
        // Corrupt, and not a database; a table or an index that is marked as crashed, a page that
        // is not what was written.
        Some(sqlx::Error::Database(said)) => match said.try_downcast_ref::<MySqlDatabaseError>() {
            Some(said) => matches!(said.number(), 126 | 127 | 1034 | 1194 | 1195 | 1712 | 1877),
            None => matches!(sqlite_code(said.as_ref()) & 0xff, 11 | 26),
        },
        Some(
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::TypeNotFound { .. },
        ) => true,
        Some(_) => false,
        None => matches!(error, DbErr::Type(_) | DbErr::TryIntoErr { .. }),
    }
}

/// Whether a question failed because its table is not there.
pub(crate) fn lacks_table(error: &DbErr) -> bool {
    match driver_error(error) {
        Some(sqlx::Error::Database(said)) => match said.try_downcast_ref::<MySqlDatabaseError>() {
            Some(said) => said.number() == 1146,
            // SQLite has no number of its own for it.
            None => said.message().starts_with("no such table"),
        },
        Some(_) | None => false,
    }
}

/// Whether a question failed because its table has no such column.
pub(crate) fn lacks_column(error: &DbErr) -> bool {
    match driver_error(error) {
        Some(sqlx::Error::Database(said)) => match said.try_downcast_ref::<MySqlDatabaseError>() {
            Some(said) => said.number() == 1054,
            None => said.message().starts_with("no such column"),
        },
        Some(_) | None => false,
    }
}

/// The driver's words without SeaORM's and the driver's prefixes.
pub(crate) fn describe(error: &DbErr) -> String {
    match driver_error(error) {
        Some(error) => describe_driver(error),
        None => error.to_string(),
    }
}

/// The driver's words without its prefix.
pub(crate) fn describe_driver(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(said) => said.message().to_owned(),
        sqlx::Error::Io(said) => said.to_string(),
        sqlx::Error::PoolTimedOut => "no connection in time".to_owned(),
        other => other.to_string(),
    }
}

fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

pub(crate) fn sqlite_code(said: &dyn sqlx::error::DatabaseError) -> u32 {
    said.code().and_then(|code| code.parse().ok()).unwrap_or(1)
}

/// Whether a COMMIT that a server failed with this number certainly recorded nothing.
fn commit_was_undone_by_mysql(number: u16) -> bool {
    // Lock wait, deadlock (a cluster's certification too), server read-only, rolled back by a plugin
    // of group replication.
    matches!(number, 1205 | 1213 | 1290 | 1836 | 3101)
}

/// Whether a COMMIT that SQLite failed with this extended code certainly recorded nothing.
pub(crate) fn commit_was_undone_by_sqlite(code: u32) -> bool {
    // Busy, read-only, full, constraint. A failed write or sync (10) may have reached the disk.
    matches!(code & 0xff, 5 | 8 | 13 | 19)
}

/// Classifies SQLite's extended code.
pub(crate) fn of_sqlite(code: u32) -> Fault {
    match code {
        // Primary key, unique, row id.
        1555 | 2067 | 2579 => Fault::Duplicate,
        _ => match code & 0xff {
            // Too big, constraint, mismatch, range.
            18 | 19 | 20 | 25 => Fault::Row,
            _ => Fault::Down,
        },
    }
}

fn of_mysql(number: u16, state: Option<&str>) -> Fault {
    match number {
        1022 | 1062 | 1169 | 1586 => Fault::Duplicate,
        1205 | 1213 => Fault::Contention,
        // Node not ready (Galera), shut-down in progress, killed: the connection leads nowhere.
        1047 | 1053 | 1317 | 1927 | 3169
        // Read-only, as a primary is after a fail-over; a member that its group has left behind;
        // off-line: whoever answers here takes no writes, and another may.
        | 1290 | 1792 | 1836 | 3032 | 3098 | 3100 | 3101 | 3796 => Fault::Lost,
        // A packet above the server's limit would be too large again.
        1153 => Fault::Row,
        _ => match state {
            // 08: connection. 22: data exception. 23: integrity constraint.
            Some(state) if state.starts_with("08") => Fault::Lost,
            Some(state) if state.starts_with("22") || state.starts_with("23") => Fault::Row,
            _ => Fault::Down,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_decide() {
        assert_eq!(of_sqlite(1555), Fault::Duplicate);
        assert_eq!(of_sqlite(2067), Fault::Duplicate);
        assert_eq!(of_sqlite(1299), Fault::Row, "not null");
        assert_eq!(of_sqlite(5), Fault::Down, "busy");
        assert_eq!(of_sqlite(517), Fault::Down, "busy, snapshot");
        assert_eq!(of_sqlite(8), Fault::Down, "read-only");
        assert_eq!(of_sqlite(13), Fault::Down, "full");
        assert_eq!(of_mysql(1062, Some("23000")), Fault::Duplicate);
        assert_eq!(of_mysql(1213, Some("40001")), Fault::Contention);
        assert_eq!(of_mysql(1406, Some("22001")), Fault::Row, "too long");
        assert_eq!(of_mysql(1114, Some("HY000")), Fault::Down, "table full");
        // Both are told as a connection's; only one of them would be the same on another.
        assert_eq!(of_mysql(1153, Some("08S01")), Fault::Row, "packet too large");
        assert_eq!(of_mysql(1158, Some("08S01")), Fault::Lost, "nothing more to be read");
    }

    #[test]
    fn no_connection_is_one_that_was_lost() {
        for why in [ConnAcquireErr::Timeout, ConnAcquireErr::ConnectionClosed] {
            let error = DbErr::ConnectionAcquire(why);
            assert_eq!(Fault::of(&error), Fault::Lost, "{error}");
        }
        assert_eq!(Fault::of(&DbErr::Custom("words".to_owned())), Fault::Down);
    }

    #[test]
    fn what_cannot_be_read_as_what_it_is_is_damage() {
        let by_driver = |error: sqlx::Error| DbErr::Query(RuntimeErr::SqlxError(error.into()));
        let decoded = sqlx::Error::Decode("no number".into());
        for (error, is_so) in [
            (DbErr::Type("no number".to_owned()), true),
            (by_driver(decoded), true),
            (by_driver(sqlx::Error::PoolTimedOut), false),
            (DbErr::Custom("words".to_owned()), false),
        ] {
            assert_eq!(is_damage(&error), is_so, "{error}");
        }
    }

    /// After a fail-over, the old primary answers and refuses every write: it is left, as a server
    /// that went away is.
    #[test]
    fn a_server_that_takes_no_writes_is_left() {
        for (number, state, what) in [
            (1290, "HY000", "--read-only"),
            (1792, "25006", "a transaction that is read-only"),
            (1836, "HY000", "read-only mode"),
            (1047, "08S01", "a node that is not ready"),
            (1053, "08S01", "shutting down"),
            (1317, "70100", "interrupted"),
            (3032, "HY000", "off-line"),
            (3100, "HY000", "its group took it back"),
            (3101, "40000", "its group undid it"),
        ] {
            assert_eq!(of_mysql(number, Some(state)), Fault::Lost, "{what}");
        }
    }

    #[test]
    fn only_what_means_undone_is_taken_for_it() {
        for number in [1205, 1213, 1290, 1836, 3101] {
            assert!(commit_was_undone_by_mysql(number), "{number}");
        }
        // Shutting down, not ready, a plugin's failure before or after the commit, interrupted, an
        // error during the commit: it may be recorded.
        for number in [1053, 1047, 3100, 1317, 1180, 1792, 2013] {
            assert!(!commit_was_undone_by_mysql(number), "{number}");
        }
        for code in [5, 517, 8, 13, 19] {
            assert!(commit_was_undone_by_sqlite(code), "{code}");
        }
        for code in [10, 266, 1034, 11, 26, 1] {
            assert!(!commit_was_undone_by_sqlite(code), "{code}");
        }
    }

    #[test]
    fn a_lost_connection_during_commit_is_not_an_undone_commit() {
        let lost = DbErr::Query(RuntimeErr::SqlxError(
            sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()).into(),
        ));
        assert_eq!(Fault::of(&lost), Fault::Lost);
        assert!(!Fault::commit_was_undone(&lost));
    }
}
