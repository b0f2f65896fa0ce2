//! Enters what had ended before there was an index by app and state, the newest first and some at a
//! time: a record of many millions does not keep a start waiting. `ended_reach` says how far back the
//! index reaches; a list goes through what is older by itself.

use super::attempt::begin_under;
use super::rows::insert_verb;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement, Value};
use std::time::{Duration, Instant};

/// Transfers entered in one transaction: some milliseconds in which nothing else is written.
const A_STEP: u64 = if cfg!(test) { 7 } else { 512 };

/// How long nothing is tried after a failure.
const REST: Duration = Duration::from_mins(1);

/// How far it has come.
#[derive(Default)]
pub(crate) struct Reach {
    is_complete: bool,
    not_before: Option<Instant>,
}

/// How long it is until a moment; nothing, if there is none or it has passed.
pub(super) fn until(moment: Option<Instant>) -> Duration {
    moment.map_or(Duration::ZERO, |moment| moment.saturating_duration_since(Instant::now()))
}

impl Reach {
    /// In how long more may be entered; `None` if there is no more.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        (!self.is_complete).then(|| until(self.not_before))
    }

    /// Whether there may be more to enter, and it is time to.
    pub(crate) fn is_due(&self) -> bool {
        self.due_in() == Some(Duration::ZERO)
    }

    /// It failed; it is tried again after a while.
    pub(crate) fn rest(&mut self) {
        self.not_before = Some(Instant::now() + REST);
    }

    /// Enters the next step. At a server it is done under the lease of `epoch`, as all that is written.
    pub(crate) async fn go_on(
        &mut self,
        connection: &DatabaseConnection,
        epoch: Option<i64>,
    ) -> Result<(), DbErr> {
        let backend = connection.get_database_backend();
        let asked =
            |sql: &str, values: Vec<Value>| Statement::from_sql_and_values(backend, sql, values);
        let transaction = begin_under(connection, epoch).await?;
        let row = transaction.query_one_raw(asked(OLDEST, Vec::new())).await?;
        let oldest: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        if oldest == 0 {
            transaction.rollback().await?;
            self.is_complete = true;
            return Ok(());
        }
        let sql = "SELECT master_serial FROM outcome WHERE master_serial < ? \
                   ORDER BY master_serial DESC LIMIT ?";
        let rows = transaction.query_all_raw(asked(sql, vec![oldest.into(), A_STEP.into()]));
        let rows = rows.await?;
        let last = rows.last().map(|row| row.try_get_by_index::<i64>(0)).transpose()?;
        if let Some(last) = last {
            let insert = insert_verb(&transaction);
            let sql = format!(
                "{insert} ended_entry (app, state, master_serial) \
                 SELECT t.app, o.state, o.master_serial \
                 FROM outcome o JOIN transfer t ON t.master_serial = o.master_serial \
                 WHERE o.master_serial >= ? AND o.master_serial < ?"
            );
            transaction.execute_raw(asked(&sql, vec![last.into(), oldest.into()])).await?;
        }
        let sql = "UPDATE ended_reach SET oldest = ? WHERE name = 'ended'";
        transaction.execute_raw(asked(sql, vec![last.unwrap_or(0).into()])).await?;
        transaction.commit().await
    }
}

/// All that has ended since this serial, itself included, is in the index, or has just ended; 0: all.
pub(crate) const OLDEST: &str = "SELECT oldest FROM ended_reach WHERE name = 'ended'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_it_rests_for_a_while() {
        let mut reach = Reach::default();
        assert!(reach.is_due());
        reach.rest();
        assert!(!reach.is_due());
        reach.not_before = Some(Instant::now());
        assert!(reach.is_due());
        reach.is_complete = true;
        assert!(!reach.is_due());
    }
}
