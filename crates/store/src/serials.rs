//! Leases blocks of sequences: a number that was leased once is never leased again, whoever asks
//! and whatever fails. Gaps are allowed.

use crate::entity::serial_lease::{Column, Entity};
use crate::error::StoreError;
use crate::lease::SHARD;
use crate::position::ledger::Ledger;
use crate::position::rows::{count as count_of, statement};
use domain::serial::{Sequence, SerialError};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter};
use std::ops::Range;

/// The lease of the numbers that transfers get.
pub(crate) const TRANSFER: &str = "transfer";

/// Several nodes start at once, each takes one block; a hundred lost races mean something else.
const ATTEMPTS: u32 = 100;

/// Takes the next `count` numbers by compare and swap. The outer error is the database's.
pub(crate) async fn lease(
    connection: &DatabaseConnection,
    ledger: &Ledger,
    count: u64,
) -> Result<Result<Range<u64>, StoreError>, DbErr> {
    for _ in 0..ATTEMPTS {
        let Some(row) = Entity::find_by_id(TRANSFER).one(connection).await? else {
            return Ok(Err(StoreError::corrupt(0, "the row of the serial lease is missing")));
        };
        if let Some(given_out) = ledger.given_out()
            && count_of(row.next) < given_out
        {
            let why = format!(
                "the database would give out serials from {} on again, and all before {given_out} \
                 were given out: it lost its last commits, or somebody else wrote to it",
                row.next
            );
            ledger.fall_behind(why.clone());
            return Ok(Err(StoreError::Unavailable { why }));
        }
        let (block, next) = match block(row.next, count) {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        if swap(connection, ledger.epoch(), row.next, next).await? {
            // Known outside the database too, before any of them is used.
            ledger.leased(block.end);
            return Ok(Ok(block));
        }
    }
    Ok(Err(StoreError::Unavailable { why: "too many others lease serials at once".to_owned() }))
}

/// Moves the lease on, if nobody else did; at a server only under the record's own lease.
async fn swap(
    connection: &DatabaseConnection,
    epoch: Option<i64>,
    from: i64,
    to: i64,
) -> Result<bool, DbErr> {
    let Some(epoch) = epoch else {
        let update = Entity::update_many()
            .col_expr(Column::Next, Expr::value(to))
            .filter(Column::Name.eq(TRANSFER))
            .filter(Column::Next.eq(from));
        return Ok(update.exec(connection).await?.rows_affected == 1);
    };
    let sql = "UPDATE serial_lease s, shard_lease l SET s.next = ?, l.beat = l.beat + 1 \
               WHERE s.name = ? AND s.next = ? AND l.shard = ? AND l.epoch = ?";
    let values = [to.into(), TRANSFER.into(), from.into(), SHARD.into(), epoch.into()];
    let done = connection.execute_raw(statement(connection, sql, values)).await?;
    Ok(done.rows_affected() == 2)
}

/// The block of `count` numbers that begins with `next`, and what comes after it.
fn block(next: i64, count: u64) -> Result<(Range<u64>, i64), StoreError> {
    let first = u64::try_from(next)
        .map_err(|_| StoreError::corrupt(next, "the next serial is negative"))?;
    let end = first.checked_add(count).ok_or(SerialError::SequenceOutOfRange(u64::MAX))?;
    if count == 0 {
        return Err(SerialError::SequenceOutOfRange(0).into());
    }
    Sequence::new(first)?;
    Sequence::new(end - 1)?;
    let next = i64::try_from(end).map_err(|_| SerialError::SequenceOutOfRange(end))?;
    Ok((first..end, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_ends_with_the_last_number() {
        assert_eq!(block(1, 1000), Ok((1..1001, 1001)));
        let last = 99_999_999_990..100_000_000_000;
        assert_eq!(block(99_999_999_990, 10), Ok((last, 100_000_000_000)));
        for (next, count) in [(99_999_999_990, 11), (100_000_000_000, 1), (1, 0), (1, u64::MAX)] {
            assert!(matches!(block(next, count), Err(StoreError::Serials(_))), "{next} {count}");
        }
        assert!(matches!(block(-1, 1), Err(StoreError::Corrupt { .. })));
    }
}
