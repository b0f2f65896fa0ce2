//! Enters what has ended in the indexes by counters' own serials and by amount: whole portions of accounts, once nothing
//! more comes to them, and what had ended before there were such indexes, the newest first. All of it waits until nobody
//! else does: a commit never pays for it.
//!
//! `term_reach` says how far it is: portions of accounts from the first to `through` are entered, and of what had ended
//! before, all from `oldest` on. What stands in the index beyond that is found twice, and shown once.

use super::attempt::begin_under;
use super::reach::until;
use super::rows::{each_of, insert_new, insert_verb};
use crate::counter_serial::{counter_serials, each_part, hash};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, Statement, Value};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Transfers entered in one transaction: some milliseconds in which nothing else is written.
const A_STEP: usize = if cfg!(test) { 7 } else { 128 };

/// Portions of accounts that make one of these: a serial that one transfer has is sought in each, and nobody waits while
/// more pages are written.
const OF_ACCOUNTS: i64 = if cfg!(test) { 2 } else { 16 };

/// Transfers in a portion of what had ended before there was an index.
const A_PORTION: usize = if cfg!(test) { 20 } else { 65_536 };

/// How long a step may take, during which nothing else is written; then the next ones are half as large.
pub(super) const TIME: Duration = Duration::from_millis(500);

/// How long nothing is tried after a failure.
const REST: Duration = Duration::from_mins(1);

/// How far the indexes reach: what had ended earlier is in them from the first on, 0 if all is; and portions of accounts
/// up to the second.
pub(crate) const REACH: &str = "SELECT oldest, through FROM term_reach WHERE name = 'terms'";

/// A portion of accounts whose transfers are being entered.
struct Filling {
    number: i64,
    left: Vec<i64>,
    oldest: i64,
    newest: i64,
}

/// A portion of what had ended before. One that was begun by an earlier life is left as it is.
struct Earlier {
    number: i64,
    transfers: usize,
    newest: i64,
}

/// How far it has come.
pub(crate) struct Terms {
    filling: Option<Filling>,
    earlier: Option<Earlier>,
    has_all_earlier: bool,
    /// The portion of accounts that was being filled when there was nothing to enter before it.
    looked_before: Option<i64>,
    not_before: Option<Instant>,
    /// Transfers entered in the next step.
    step: usize,
    /// Of the two kinds, the one that is older goes first: the other has failed, and must not keep it back.
    earlier_first: bool,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            filling: None,
            earlier: None,
            has_all_earlier: false,
            looked_before: None,
            not_before: None,
            step: A_STEP,
            earlier_first: false,
        }
    }
}

impl Terms {
    /// In how long something may be entered; `None` if there is nothing. `open` is the portion of accounts that is being
    /// filled.
    pub(crate) fn due_in(&self, open: Option<i64>) -> Option<Duration> {
        let is_done = self.has_all_earlier && self.looked_before == Some(end(open));
        (!is_done).then(|| until(self.not_before))
    }

    /// Whether there may be something to enter, and it is time to.
    pub(crate) fn is_due(&self, open: Option<i64>) -> bool {
        self.due_in(open) == Some(Duration::ZERO)
    }

    /// It failed, or took too long; it is tried again after a while, from what is durable, with less in a step, and with
    /// the other kind first.
    pub(crate) fn rest(&mut self) {
        *self = Terms {
            not_before: Some(Instant::now() + REST),
            step: (self.step / 2).max(1),
            earlier_first: !self.earlier_first,
            ..Terms::default()
        };
    }

    /// Enters a step's transfers of either kind, of what is complete first; whether there were any. At a server it is done
    /// under the lease of `epoch`, as all that is written.
    pub(crate) async fn go_on(
        &mut self,
        connection: &DatabaseConnection,
        epoch: Option<i64>,
        open: Option<i64>,
    ) -> Result<bool, DbErr> {
        // One of the two in a step: whoever comes meanwhile waits for it.
        let entered = (self.earlier_first && self.enter_earlier(connection, epoch).await?)
            || self.enter_portion(connection, epoch, open).await?
            || self.enter_earlier(connection, epoch).await?;
        self.step = (self.step * 2).min(A_STEP);
        Ok(entered)
    }

    /// Goes on with the oldest portion of accounts that is complete.
    async fn enter_portion(
        &mut self,
        connection: &DatabaseConnection,
        epoch: Option<i64>,
        open: Option<i64>,
    ) -> Result<bool, DbErr> {
        if self.filling.is_none() && self.looked_before != Some(end(open)) {
            self.filling = next_portion(connection, end(open)).await?;
            self.looked_before = self.filling.is_none().then_some(end(open));
        }
        let Some(filling) = self.filling.take() else { return Ok(false) };
        self.filling = fill(connection, epoch, filling, self.step).await?;
        Ok(true)
    }

    /// Goes on with what had ended before there was an index.
    async fn enter_earlier(
        &mut self,
        connection: &DatabaseConnection,
        epoch: Option<i64>,
    ) -> Result<bool, DbErr> {
        if self.has_all_earlier {
            return Ok(false);
        }
        let entered = go_back(connection, epoch, self.earlier.take(), self.step).await?;
        self.has_all_earlier = entered.is_none();
        self.earlier = entered.filter(|portion| portion.transfers < A_PORTION);
        Ok(!self.has_all_earlier)
    }
}

/// Before which number all portions of accounts are complete, if this one is being filled.
fn end(open: Option<i64>) -> i64 {
    open.unwrap_or(i64::MAX)
}

/// The oldest portion of accounts that is not entered, of those that are complete.
async fn next_portion(connection: &DatabaseConnection, end: i64) -> Result<Option<Filling>, DbErr> {
    let sql = "SELECT MIN(portion_number) FROM account_portion WHERE portion_number < ? \
               AND portion_number > (SELECT through FROM term_reach WHERE name = 'terms')";
    let values = vec![Value::from(end)];
    let Some(number) = first::<Option<i64>>(connection, sql, values).await?.flatten() else {
        return Ok(None);
    };
    let sql = "SELECT DISTINCT master_serial FROM account_entry WHERE portion_number = ?";
    let rows = connection.query_all_raw(asked(connection, sql, vec![number.into()])).await?;
    let mut left = numbers(&rows)?;
    left.sort_unstable();
    let (oldest, newest) = (left.first().copied(), left.last().copied());
    let (oldest, newest) = (oldest.unwrap_or(0), newest.unwrap_or(0));
    Ok(Some(Filling { number, left, oldest, newest }))
}

/// Enters some of a portion; `None` once all of it is.
async fn fill(
    connection: &DatabaseConnection,
    epoch: Option<i64>,
    mut portion: Filling,
    most: usize,
) -> Result<Option<Filling>, DbErr> {
    let these = portion.left.split_off(portion.left.len().saturating_sub(most));
    let said = said(connection, &these).await?;
    let transaction = begin_under(connection, epoch).await?;
    let several = (portion.number - 1) / OF_ACCOUNTS + 1;
    enter(&transaction, several, &these, said).await?;
    let is_done = portion.left.is_empty();
    if is_done {
        let Filling { number, oldest, newest, .. } = portion;
        show(&transaction, several, oldest, newest).await?;
        let sql = "UPDATE term_reach SET through = ? WHERE name = 'terms'";
        transaction.execute_raw(asked(&transaction, sql, vec![number.into()])).await?;
    }
    transaction.commit().await?;
    Ok((!is_done).then_some(portion))
}

/// Enters some of what had ended before there was an index; `None` if there is no more.
async fn go_back(
    connection: &DatabaseConnection,
    epoch: Option<i64>,
    portion: Option<Earlier>,
    most: usize,
) -> Result<Option<Earlier>, DbErr> {
    let oldest = first::<i64>(connection, REACH, Vec::new()).await?.unwrap_or(0);
    if oldest == 0 {
        return Ok(None);
    }
    let sql = "SELECT master_serial FROM outcome WHERE master_serial < ? \
               ORDER BY master_serial DESC LIMIT ?";
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let values = vec![oldest.into(), limit.into()];
    let these = numbers(&connection.query_all_raw(asked(connection, sql, values)).await?)?;
    let said = said(connection, &these).await?;
    let transaction = begin_under(connection, epoch).await?;
    let (newest, last) = (these.first().copied(), these.last().copied());
    let entered = if let (Some(newest), Some(last)) = (newest, last) {
        let portion = match portion {
            Some(begun) => begun,
            None => Earlier { number: first_number(&transaction).await? - 1, transfers: 0, newest },
        };
        enter(&transaction, portion.number, &these, said).await?;
        show(&transaction, portion.number, last, portion.newest).await?;
        Some(Earlier { transfers: portion.transfers + these.len(), ..portion })
    } else {
        None
    };
    let sql = "UPDATE term_reach SET oldest = ? WHERE name = 'terms'";
    let values = vec![last.unwrap_or(0).into()];
    transaction.execute_raw(asked(&transaction, sql, values)).await?;
    transaction.commit().await?;
    Ok(entered)
}

/// The last number that was given to a portion of what had ended before: they go down from 0, those of accounts up.
async fn first_number(transaction: &DatabaseTransaction) -> Result<i64, DbErr> {
    let sql = "SELECT MIN(portion_number) FROM term_portion WHERE portion_number < 0";
    Ok(first::<Option<i64>>(transaction, sql, Vec::new()).await?.flatten().unwrap_or(0))
}

/// The counters' serials that these transfers' trails speak of, by their hashes, in order. What has ended says nothing
/// more.
async fn said(
    connection: &DatabaseConnection,
    masters: &[i64],
) -> Result<BTreeSet<(i64, i64)>, DbErr> {
    let mut said = BTreeSet::new();
    let mut unreadable = BTreeSet::new();
    each_part(connection, masters, |master, part| {
        if let Some(part) = part {
            said.extend(counter_serials(part).iter().map(|serial| (hash(serial), master)));
        } else {
            unreadable.insert(master);
        }
    })
    .await?;
    if !unreadable.is_empty() {
        tracing::error!(
            transfers = ?unreadable,
            "trails that cannot be read are found by no counter's serial; `counter-bridge audit` names the damage"
        );
    }
    Ok(said)
}

/// Entered before, they are entered: the transaction of a step went unanswered, or a life ended within a portion.
async fn enter(
    transaction: &DatabaseTransaction,
    portion: i64,
    masters: &[i64],
    said: BTreeSet<(i64, i64)>,
) -> Result<(), DbErr> {
    let rows = said.into_iter();
    let rows = rows.map(|(hash, master)| vec![portion.into(), hash.into(), master.into()]);
    let columns = ["portion_number", "serial_hash", "master_serial"];
    insert_new(transaction, "serial_entry", &columns, rows.collect()).await?;
    let insert = insert_verb(transaction);
    let sql = format!(
        "{insert} amount_entry (portion_number, amount, currency, master_serial) \
         SELECT ?, amount, currency, master_serial FROM transfer WHERE master_serial"
    );
    each_of(transaction, &sql, &[portion.into()], masters).await.map(drop)
}

/// From now on a portion is looked into for what lies between these, too.
async fn show(
    transaction: &DatabaseTransaction,
    number: i64,
    oldest: i64,
    newest: i64,
) -> Result<(), DbErr> {
    let row = vec![number.into(), oldest.into(), newest.into()];
    let columns = ["portion_number", "oldest", "newest"];
    insert_new(transaction, "term_portion", &columns, vec![row]).await?;
    let sql = "UPDATE term_portion SET \
               oldest = CASE WHEN oldest < ? THEN oldest ELSE ? END, \
               newest = CASE WHEN newest > ? THEN newest ELSE ? END WHERE portion_number = ?";
    let (oldest, newest): (Value, Value) = (oldest.into(), newest.into());
    let values = vec![oldest.clone(), oldest, newest.clone(), newest, number.into()];
    transaction.execute_raw(asked(transaction, sql, values)).await.map(drop)
}

fn asked(connection: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}

async fn first<T: sea_orm::TryGetable>(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: Vec<Value>,
) -> Result<Option<T>, DbErr> {
    let row = connection.query_one_raw(asked(connection, sql, values)).await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

fn numbers(rows: &[sea_orm::QueryResult]) -> Result<Vec<i64>, DbErr> {
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_it_rests_and_begins_with_what_is_durable() {
        let mut terms = Terms::default();
        assert!(terms.is_due(None));
        terms.has_all_earlier = true;
        terms.looked_before = Some(3);
        assert!(!terms.is_due(Some(3)));
        assert_eq!(terms.due_in(Some(3)), None);
        // The next portion is begun: the one before it is complete.
        assert!(terms.is_due(Some(4)));
        terms.rest();
        assert!(!terms.is_due(Some(4)));
        assert!(terms.due_in(Some(4)).is_some_and(|wait| wait <= REST && REST / 2 < wait));
        terms.not_before = Some(Instant::now());
        assert!(terms.is_due(Some(3)));
    }

    #[test]
    fn each_failure_halves_the_step_and_lets_the_other_kind_go_first() {
        let mut terms = Terms::default();
        let mut steps = Vec::new();
        for failures in 1..=4 {
            terms.rest();
            assert_eq!(terms.earlier_first, failures % 2 == 1);
            steps.push(terms.step);
        }
        assert_eq!((A_STEP, steps), (7, vec![3, 1, 1, 1]));
    }
}
