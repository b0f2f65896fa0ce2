//! Moves what SQLite has committed from its write-ahead log into its file, beside the writer and not
//! in its way: the long part is done on a connection of its own, and only what was added meanwhile by
//! the writer itself, so that the log can begin anew.
//!
//! SQLite would do all of it within a commit, and every caller in that batch would wait for it.

use super::batch::limited;
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
