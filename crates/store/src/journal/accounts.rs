//! Enters transfers that have ended in the index of accounts, some hundred at a time and after their
//! callers have been answered. Until then they are found by their rows in `open_transfer`, so that
//! a list is complete at every moment, whatever crashes.

use super::batch::begin;
use super::rows::each_of;
use crate::entity::{account_portion, open_transfer};
use crate::lease;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection,
    DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter, QuerySelect, Value,
};

/// Transfers entered in one transaction: two or three milliseconds in which nothing else is written.
pub(super) const A_STEP: usize = 512;

/// Transfers in a portion. Smaller ones make more of them to look into for a list, of larger ones
/// each step touches more pages.
const A_PORTION: usize = if cfg!(test) { 500 } else { 4096 };

/// The portion that is being filled. One that was begun by an earlier life is left as it is.
struct Portion {
    number: i64,
    transfers: usize,
    oldest: i64,
    newest: i64,
}

/// What remains to be entered.
#[derive(Default)]
pub(super) struct Accounts {
    /// Transfers that ended since the last step.
    waiting: Vec<i64>,
    /// Whether those that an earlier life left behind are among them.
    knows_of_earlier: bool,
    portion: Option<Portion>,
}

impl Accounts {
    /// These have ended, durably.
    pub(super) fn add(&mut self, ended: impl IntoIterator<Item = i64>) {
        self.waiting.extend(ended);
    }

    /// Whether enough have ended for a step. The first one is due at once: lives that are short
    /// would otherwise leave behind more and more.
    pub(super) fn is_due(&self) -> bool {
        !self.knows_of_earlier || self.waiting.len() >= A_STEP
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
        if !self.knows_of_earlier {
            let earlier: Vec<i64> = open_transfer::Entity::find()
                .select_only()
                .column(open_transfer::Column::MasterSerial)
                .filter(open_transfer::Column::State.eq(open_transfer::ENDED))
                .into_tuple()
                .all(connection)
                .await?;
            self.waiting = earlier;
            self.knows_of_earlier = true;
        }
        self.waiting.sort_unstable();
        let (Some(&oldest), Some(&newest)) = (self.waiting.first(), self.waiting.last()) else {
            return Ok(());
        };
        let transaction = begin(connection).await?;
        if let Some(epoch) = epoch
            && !lease::beat(&transaction, epoch).await?
        {
            transaction.rollback().await?;
            return Err(DbErr::Custom("another holds the record".to_owned()));
        }
        let portion =
            if let Some(Portion { number, transfers, oldest: first, newest: last }) = portion {
                let portion = Portion {
                    number,
                    transfers: transfers + self.waiting.len(),
                    oldest: oldest.min(first),
                    newest: newest.max(last),
                };
                portion.row().update(&transaction).await?;
                portion
            } else {
                let number = last_portion(&transaction).await? + 1;
                let portion = Portion { number, transfers: self.waiting.len(), oldest, newest };
                let row = account_portion::Entity::insert(portion.row());
                row.exec_without_returning(&transaction).await?;
                portion
            };
        enter_all(&transaction, portion.number, &self.waiting).await?;
        transaction.commit().await?;
        self.waiting.clear();
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
    let insert = match transaction.get_database_backend() {
        DbBackend::Sqlite => "INSERT OR IGNORE INTO",
        _ => "INSERT IGNORE INTO",
    };
    for side in ["from", "to"] {
        // Entered before, it is entered: the transaction of the step went unanswered.
        let sql = format!(
            "{insert} account_entry (portion_number, account, counter, master_serial) \
             SELECT ?, {side}_account, {side}_counter, master_serial FROM transfer \
             WHERE master_serial"
        );
        each_of(transaction, &sql, Some(Value::from(portion)), masters).await?;
    }
    let sql = "DELETE FROM open_transfer WHERE state = ? AND master_serial";
    each_of(transaction, sql, Some(open_transfer::ENDED.into()), masters).await?;
    Ok(())
}
