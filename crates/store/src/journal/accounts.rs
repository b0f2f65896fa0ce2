//! Enters transfers that have ended in the indexes by account and by app, some hundred at a time and
//! after their callers have been answered. Until then they are found by their rows in `open_transfer`,
//! so that a list is complete at every moment, whatever crashes.

use super::attempt::begin_under;
use super::rows::{each_of, insert_verb};
use crate::entity::{account_portion, open_transfer};
use crate::recent::Recent;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, DatabaseTransaction,
    DbErr, EntityTrait, QuerySelect, Value,
};
use std::sync::Arc;

/// Transfers entered in one transaction: two or three milliseconds in which nothing else is written.
pub(super) const A_STEP: usize = 512;

/// Transfers in a portion. Smaller ones make more of them to look into for a list, of larger ones
/// each step touches more pages.
const A_PORTION: usize = if cfg!(test) { 1000 } else { 4096 };

/// The portion that is being filled. One that was begun by an earlier life is left as it is.
struct Portion {
    number: i64,
    transfers: usize,
    oldest: i64,
    newest: i64,
}

/// What remains to be entered.
pub(super) struct Accounts {
    /// Transfers that ended since the last step, or that an earlier life left behind.
    recent: Arc<Recent>,
    /// Whether a step has been made.
    has_begun: bool,
    portion: Option<Portion>,
}

impl Accounts {
    pub(super) fn new(recent: Arc<Recent>) -> Accounts {
        Accounts { recent, has_begun: false, portion: None }
    }

    /// These have ended, durably.
    pub(super) fn add(&mut self, ended: impl IntoIterator<Item = i64>) {
        self.recent.add(ended);
    }

    /// Whether enough have ended for a step. The first one is due at once: lives that are short
    /// would otherwise leave behind more and more.
    pub(super) fn is_due(&self) -> bool {
        !self.has_begun || self.recent.len() >= A_STEP
    }

    /// The portion that is being filled; all others are complete.
    pub(super) fn open_portion(&self) -> Option<i64> {
        self.portion.as_ref().map(|portion| portion.number)
    }

    /// Enters what has ended. If it fails nothing is lost: it is tried again with the next step.
    /// At a server it is done under the lease of `epoch`, as all that is written.
    pub(super) async fn enter(
        &mut self,
        connection: &DatabaseConnection,
        epoch: Option<i64>,
    ) -> Result<(), DbErr> {
        // Known again only if all goes well: a commit may have gone unanswered.
        let portion = self.portion.take().filter(|portion| portion.transfers < A_PORTION);
        let waiting = self.recent.all();
        self.has_begun = true;
        let (Some(&oldest), Some(&newest)) = (waiting.first(), waiting.last()) else {
            return Ok(());
        };
        let transaction = begin_under(connection, epoch).await?;
        let portion =
            if let Some(Portion { number, transfers, oldest: first, newest: last }) = portion {
                let portion = Portion {
                    number,
                    transfers: transfers + waiting.len(),
                    oldest: oldest.min(first),
                    newest: newest.max(last),
                };
                portion.row().update(&transaction).await?;
                portion
            } else {
                let number = last_portion(&transaction).await? + 1;
                let portion = Portion { number, transfers: waiting.len(), oldest, newest };
                let row = account_portion::Entity::insert(portion.row());
                row.exec_without_returning(&transaction).await?;
                portion
            };
        enter_all(&transaction, portion.number, &waiting).await?;
        transaction.commit().await?;
        self.recent.terms.assign(portion.number, &waiting);
        self.recent.remove(&waiting);
        self.portion = Some(portion);
        Ok(())
    }
}

impl Portion {
    fn row(&self) -> account_portion::ActiveModel {
        account_portion::ActiveModel {
            portion_number: Set(self.number),
            oldest: Set(self.oldest),
            newest: Set(self.newest),
        }
    }
}

/// The newest portion that anybody has begun; 0 if there is none.
async fn last_portion(transaction: &DatabaseTransaction) -> Result<i64, DbErr> {
    let last = account_portion::Entity::find()
        .select_only()
        .column_as(account_portion::Column::PortionNumber.max(), "last")
        .into_tuple::<Option<i64>>()
        .one(transaction)
        .await?;
    Ok(last.flatten().unwrap_or(0))
}

async fn enter_all(
    transaction: &DatabaseTransaction,
    portion: i64,
    masters: &[i64],
) -> Result<(), DbErr> {
    let insert = insert_verb(transaction);
    for side in ["from", "to"] {
        // Entered before, it is entered: the transaction of the step went unanswered.
        let sql = format!(
            "{insert} account_entry (portion_number, account, counter, master_serial) \
             SELECT ?, {side}_account, {side}_counter, master_serial FROM transfer \
             WHERE master_serial"
        );
        each_of(transaction, &sql, &[Value::from(portion)], masters).await?;
    }
    let sql = format!(
        "{insert} ended_entry (app, state, master_serial) \
         SELECT t.app, o.state, t.master_serial \
         FROM transfer t JOIN outcome o ON o.master_serial = t.master_serial \
         WHERE t.master_serial"
    );
    each_of(transaction, &sql, &[], masters).await?;
    let sql = "DELETE FROM open_transfer WHERE state = ? AND master_serial";
    each_of(transaction, sql, &[open_transfer::ENDED.into()], masters).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_due_at_once_and_each_other_when_there_is_enough() {
        let mut accounts = Accounts::new(Arc::default());
        assert!(accounts.is_due());
        accounts.has_begun = true;
        let step = i64::try_from(A_STEP).expect("small");
        accounts.add(1..step);
        assert!(!accounts.is_due());
        accounts.add([step]);
        assert!(accounts.is_due());
    }
}
