//! Moves what SQLite has committed from its write-ahead log into its file, beside the writer and not
//! in its way: the long part is done on a connection of its own, and only what was added meanwhile by
//! the writer itself, so that the log can begin anew.
//!
//! SQLite would do all of it within a commit, and every caller in that batch would wait for it.

use super::attempt::limited;
use crate::address::Address;
use crate::connect;
use crate::fault::describe;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::task::JoinHandle;

/// Writes between two checkpoints: some 4 MiB of log. While the file is flushed a commit takes longer,
/// and the more so the more there is to flush: with eight times as many the slowest hundredth of
/// transfers took 16 ms instead of 10 at 64 callers, for a twentieth more of them. Should
/// checkpoints fail, SQLite makes its own, far later.
const EVERY: usize = 1024;

/// Does not wait for readers, and none waits for it.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// When the log is due, and who is at it.
#[derive(Default)]
pub(super) struct Checkpoints {
    written: usize,
    connection: Option<DatabaseConnection>,
    running: Option<JoinHandle<Result<(), DbErr>>>,
}

impl Checkpoints {
    /// Looks after the log once so many more writes are committed on the connection `writer`.
    pub(super) async fn look_after(
        &mut self,
        address: &Address,
        writer: &DatabaseConnection,
        written: usize,
    ) {
        if matches!(address, Address::Mysql { .. }) {
            return;
        }
        self.written += written;
        match self.running.take() {
            Some(running) if running.is_finished() => {
                let result = match running.await {
                    Ok(Ok(())) => limited(writer.execute_unprepared(CHECKPOINT)).await.map(drop),
                    Ok(Err(error)) => Err(error),
                    Err(error) => Err(DbErr::Custom(error.to_string())),
                };
                if let Err(error) = result {
                    self.connection = None;
                    tracing::warn!(why = describe(&error), "the log is not moved into the file");
                }
            }
            Some(running) => self.running = Some(running),
            None if self.written >= EVERY => {
                self.written = 0;
                let connection =
                    self.connection.get_or_insert_with(|| connect::writer(address)).clone();
                self.running = Some(tokio::spawn(async move {
                    connection.execute_unprepared(CHECKPOINT).await.map(drop)
                }));
            }
            None => {}
        }
    }

    /// Ends what is running and closes the connection.
    pub(super) async fn close(&mut self) {
        if let Some(running) = self.running.take() {
            // What it does not move is moved the next time.
            let _ = running.await;
        }
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A file with a log that nobody has moved, and who writes to it.
    async fn with_a_log(folder: &tempfile::TempDir) -> (Address, DatabaseConnection) {
        let path = folder.path().join("bridge.sqlite");
        let address = Address::parse(&format!("sqlite://{}", path.display())).expect("an address");
        connect::probe(&address).await.expect("it is made");
        let writer = connect::writer(&address);
        writer.execute_unprepared("CREATE TABLE one (x TEXT)").await.expect("a table");
        (address, writer)
    }

    /// Rows in the file alone, as whoever loses the log finds it.
    fn rows_without_log(folder: &tempfile::TempDir) -> i64 {
        let copy = folder.path().join("copy");
        std::fs::copy(folder.path().join("bridge.sqlite"), &copy).expect("a copy");
        let copy = rusqlite::Connection::open(copy).expect("it opens");
        copy.query_row("SELECT COUNT(*) FROM one", [], |row| row.get(0)).unwrap_or(0)
    }

    async fn finished(checkpoints: &Checkpoints) {
        let running = || checkpoints.running.as_ref().expect("it runs").is_finished();
        let waiting = async {
            while !running() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("in time");
    }

    /// The log is due after so many writes, moved beside the writer, and due again after as many more.
    #[tokio::test]
    async fn the_log_is_moved_once_enough_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let (address, writer) = with_a_log(&folder).await;
        let mut checkpoints = Checkpoints::default();
        for round in 1..=2 {
            writer.execute_unprepared("INSERT INTO one VALUES ('x')").await.expect("written");
            checkpoints.look_after(&address, &writer, EVERY - 1).await;
            assert!(checkpoints.running.is_none(), "round {round}: one is missing");
            assert_eq!(rows_without_log(&folder), round - 1);
            checkpoints.look_after(&address, &writer, 1).await;
            finished(&checkpoints).await;
            checkpoints.look_after(&address, &writer, 0).await;
            assert!(checkpoints.running.is_none(), "round {round}: it is through");
            assert_eq!(rows_without_log(&folder), round);
        }
        checkpoints.close().await;
        assert!(checkpoints.connection.is_none(), "its connection is closed");
        writer.close().await.expect("closed");
    }

    /// Nobody waits for it, however long it takes; only the end does.
    #[tokio::test]
    async fn one_that_hangs_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let (address, writer) = with_a_log(&folder).await;
        let running = Some(tokio::spawn(std::future::pending()));
        let mut checkpoints = Checkpoints { running, ..Checkpoints::default() };
        tokio::time::pause();
        for _ in 0..2 {
            let looking = checkpoints.look_after(&address, &writer, EVERY);
            tokio::time::timeout(Duration::from_secs(1), looking).await.expect("at once");
            assert!(checkpoints.running.is_some(), "there is one at a time");
        }
        let closing = tokio::time::timeout(Duration::from_secs(1), checkpoints.close());
        assert!(closing.await.is_err(), "what runs has the connection");
    }
}
