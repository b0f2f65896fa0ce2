//! What makes a server's transaction ours: the lease's row under our epoch, and the number of the batch
//! after the one before. Both change in one statement, the first of every batch.

use crate::lease::{self, SHARD};
use crate::position::ledger::{Ledger, Numbering};
use crate::position::rows::{one, settled_number, signed, statement};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Value};

/// Whether a transaction may write.
pub(super) enum Fenced {
    /// It may; with its number, unless the record is behind.
    Held(Option<Numbering>),
    /// The record does not end where it was left; it counts as behind from now on.
    Elsewhere,
    /// Another holds the record; who, in words.
    Superseded(String),
}

/// Begins a batch. `knows_place`: this connection has found the record where it was left.
pub(super) async fn fence(
    transaction: &DatabaseTransaction,
    ledger: &Ledger,
    knows_place: bool,
) -> Result<Fenced, DbErr> {
    if !knows_place && let Some(node) = ledger.node().filter(|_| ledger.numbering().is_some()) {
        let found = settled_number(transaction, node).await?;
        if !found.is_some_and(|number| ledger.found(number)) {
            ledger.fall_behind(ledger.lacking(found));
        }
    }
    let (numbering, epoch) = (ledger.numbering(), ledger.epoch().unwrap_or(0));
    let Some(Numbering { node, last }) = &numbering else {
        return Ok(match superseded(transaction, ledger).await? {
            Some(why) => Fenced::Superseded(why),
            None => Fenced::Held(None),
        });
    };
    let sql = "UPDATE shard_lease l, node_position p SET l.beat = l.beat + 1, p.number = p.number + 1 \
               WHERE l.shard = ? AND l.epoch = ? AND p.node = ? AND p.number = ?";
    let values: [Value; 4] =
        [SHARD.into(), epoch.into(), node.as_str().into(), signed(*last).into()];
    let done = transaction.execute_raw(statement(transaction, sql, values)).await?;
    if done.rows_affected() == 2 {
        return Ok(Fenced::Held(numbering));
    }
    if let Some(why) = superseded(transaction, ledger).await? {
        return Ok(Fenced::Superseded(why));
    }
    let sql = "SELECT number FROM node_position WHERE node = ?";
    let found = one(transaction, sql, [node.as_str().into()]).await?;
    let found = found.map(|row| row.try_get::<i64>("", "number")).transpose()?;
    ledger.fall_behind(ledger.lacking(found.map(crate::position::rows::count)));
    Ok(Fenced::Elsewhere)
}

/// Says that the holder is there; or who holds the record, if it is another by now.
pub(crate) async fn superseded<C: ConnectionTrait>(
    connection: &C,
    ledger: &Ledger,
) -> Result<Option<String>, DbErr> {
    let Some(epoch) = ledger.epoch() else { return Ok(None) };
    if lease::beat(connection, epoch).await? {
        return Ok(None);
    }
    Ok(Some(lease::told(connection).await))
}
