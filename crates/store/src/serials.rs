//! Leases blocks of sequences: a number that was leased once is never leased again, whoever asks
//! and whatever fails. Gaps are allowed.

use crate::entity::serial_lease::{Column, Entity};
use crate::error::StoreError;
use domain::serial::{Sequence, SerialError};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter};
use std::ops::Range;

/// The lease of the numbers that transfers get.
pub(crate) const TRANSFER: &str = "transfer";

/// Several nodes start at once, each takes one block; a hundred lost races mean something else.
const ATTEMPTS: u32 = 100;

/// Takes the next `count` numbers by compare and swap. The outer error is the database's.
pub(crate) async fn lease(
    connection: &DatabaseConnection,
    count: u64,
) -> Result<Result<Range<u64>, StoreError>, DbErr> {
    for _ in 0..ATTEMPTS {
        let Some(row) = Entity::find_by_id(TRANSFER).one(connection).await? else {
            return Ok(Err(StoreError::corrupt(0, "the row of the serial lease is missing")));
        };
        let (block, next) = match block(row.next, count) {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let update = Entity::update_many()
            .col_expr(Column::Next, Expr::value(next))
            .filter(Column::Name.eq(TRANSFER))
            .filter(Column::Next.eq(row.next));
        if update.exec(connection).await?.rows_affected == 1 {
            return Ok(Ok(block));
        }
    }
    Ok(Err(StoreError::Unavailable { why: "too many others lease serials at once".to_owned() }))
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
