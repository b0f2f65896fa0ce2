//! Leases blocks of sequences: a number that was leased once is never leased again, whoever asks
//! and whatever fails. Gaps are allowed.

use crate::address::Address;
use crate::connect;
use crate::entity::serial_lease::{Column, Entity};
use crate::error::StoreError;
use domain::serial::{Sequence, SerialError};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use std::ops::Range;

/// The lease of the numbers that transfers get.
pub(crate) const TRANSFER: &str = "transfer";

/// Several nodes start at once, each takes one block; a hundred lost races mean something else.
const ATTEMPTS: u32 = 100;

/// Takes the next `count` numbers by compare and swap.
pub(crate) async fn lease(
    connection: &DatabaseConnection,
    address: &Address,
    count: u64,
) -> Result<Range<u64>, StoreError> {
    let unavailable = |error| StoreError::Unavailable { why: connect::explain(address, &error) };
    for _ in 0..ATTEMPTS {
        let row = Entity::find_by_id(TRANSFER).one(connection).await.map_err(unavailable)?;
        let Some(row) = row else {
            return Err(StoreError::corrupt(0, "the row of the serial lease is missing"));
        };
        let block = block(row.next, count)?;
        let next =
            i64::try_from(block.end).map_err(|_| SerialError::SequenceOutOfRange(block.end))?;
        let update = Entity::update_many()
            .col_expr(Column::Next, Expr::value(next))
            .filter(Column::Name.eq(TRANSFER))
            .filter(Column::Next.eq(row.next));
        if update.exec(connection).await.map_err(unavailable)?.rows_affected == 1 {
            return Ok(block);
        }
    }
    Err(StoreError::Unavailable { why: "too many others lease serials at once".to_owned() })
}

/// The block of `count` numbers that begins with `next`.
fn block(next: i64, count: u64) -> Result<Range<u64>, StoreError> {
    let first = u64::try_from(next)
        .map_err(|_| StoreError::corrupt(next, "the next serial is negative"))?;
    let end = first.checked_add(count).ok_or(SerialError::SequenceOutOfRange(u64::MAX))?;
    if count == 0 {
        return Err(SerialError::SequenceOutOfRange(0).into());
    }
    Sequence::new(first)?;
    Sequence::new(end - 1)?;
    Ok(first..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_ends_with_the_last_number() {
        assert_eq!(block(1, 1000), Ok(1..1001));
        assert_eq!(block(99_999_999_990, 10), Ok(99_999_999_990..100_000_000_000));
        for (next, count) in [(99_999_999_990, 11), (100_000_000_000, 1), (1, 0), (1, u64::MAX)] {
            assert!(matches!(block(next, count), Err(StoreError::Serials(_))), "{next} {count}");
        }
        assert!(matches!(block(-1, 1), Err(StoreError::Corrupt { .. })));
    }
}
