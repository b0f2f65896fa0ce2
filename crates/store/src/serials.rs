//! Leases blocks of sequences: what was leased once is never leased again, whoever asks and whatever
//! fails. Gaps are allowed.
//!
//! What is leased are ordinals ([`Sequence::of_ordinal`]): they run on where the eleven digits of a
//! sequence begin again. Whether a number may be given out once more is asked when it comes round
//! ([`are_free`]).

use crate::entity::serial_lease::TRANSFER;
use crate::entity::serial_lease::{Column, Entity};
use crate::entity::{open_transfer, transfer};
use crate::error::StoreError;
use crate::lease::SHARD;
use crate::position::ledger::Ledger;
use crate::position::rows::{count as count_of, statement};
use crate::query::ask;
use domain::serial::{Day, MasterSerial, Sequence, SerialError};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter,
    QuerySelect,
};
use std::ops::{Range, RangeInclusive};

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

/// Whether no transfer of the last `days` days before `today`, and none that is open, has a number of
/// this block. Of a first round all are.
pub(crate) async fn are_free(
    connection: &DatabaseConnection,
    block: &Range<u64>,
    today: Day,
    days: u32,
) -> Result<bool, StoreError> {
    let parts = once_more(block);
    if parts.is_empty() {
        return Ok(true);
    }
    let query = open_transfer::Entity::find()
        .select_only()
        .column(open_transfer::Column::MasterSerial)
        .filter(open_transfer::Column::State.ne(open_transfer::ENDED))
        .into_tuple::<i64>();
    let in_block = |master: i64| {
        MasterSerial::from_number(master)
            .is_ok_and(|master| parts.iter().any(|part| part.contains(&master.sequence.number())))
    };
    if ask(query.all(connection)).await?.into_iter().any(in_block) {
        return Ok(false);
    }
    // A clock may have been a day ahead.
    let last = today.unix_days() + 1;
    let all: Vec<u32> = (last.saturating_sub(days + 1)..=last).collect();
    for chunk in all.chunks(DAYS) {
        let key = |day: u32, number: u64| {
            i64::from(Day::from_unix_days(day).number()) * 100_000_000_000
                + i64::try_from(number).unwrap_or(i64::MAX)
        };
        let mut any = Condition::any();
        for day in chunk {
            for part in &parts {
                let column = transfer::Column::MasterSerial;
                any = any.add(column.between(key(*day, *part.start()), key(*day, *part.end())));
            }
        }
        let query = transfer::Entity::find()
            .select_only()
            .column(transfer::Column::MasterSerial)
            .filter(any)
            .limit(1)
            .into_tuple::<i64>();
        if ask(query.one(connection)).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Days in one question: SQLite nests conditions at most 1,000 deep.
const DAYS: usize = 100;

/// The numbers of a block that come round once more: one part, or two where it goes over the edge.
fn once_more(block: &Range<u64>) -> Vec<RangeInclusive<u64>> {
    let first = block.start.max(Sequence::MAX + 1);
    if first >= block.end {
        return Vec::new();
    }
    let (first, last) = (Sequence::of_ordinal(first).number(), Sequence::of_ordinal(block.end - 1));
    let last = last.number();
    if first <= last { vec![first..=last] } else { vec![first..=Sequence::MAX, 1..=last] }
}

/// The block of `count` numbers that begins with `next`, and what comes after it.
fn block(next: i64, count: u64) -> Result<(Range<u64>, i64), StoreError> {
    let first = u64::try_from(next)
        .map_err(|_| StoreError::corrupt(next, "the next serial is negative"))?;
    let end = first.checked_add(count).ok_or(SerialError::SequenceOutOfRange(u64::MAX))?;
    if count == 0 || count > Sequence::MAX || first == 0 {
        return Err(SerialError::SequenceOutOfRange(count).into());
    }
    let next = i64::try_from(end).map_err(|_| SerialError::SequenceOutOfRange(end))?;
    Ok((first..end, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_run_on_over_the_last_number() {
        assert_eq!(block(1, 1000), Ok((1..1001, 1001)));
        let over = 99_999_999_990..100_000_000_010;
        assert_eq!(block(99_999_999_990, 20), Ok((over, 100_000_000_010)));
        for (next, count) in [(1, 0), (0, 1), (1, u64::MAX), (1, Sequence::MAX + 1)] {
            assert!(matches!(block(next, count), Err(StoreError::Serials(_))), "{next} {count}");
        }
        assert!(matches!(block(-1, 1), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn only_what_comes_round_again_has_to_be_free() {
        const MAX: u64 = Sequence::MAX;
        assert_eq!(once_more(&(1..1001)), []);
        assert_eq!(once_more(&(MAX - 9..MAX + 1)), [], "the last of the first round");
        assert_eq!(once_more(&(MAX - 9..MAX + 11)), [1..=10]);
        assert_eq!(once_more(&(MAX + 1..MAX + 2)), [1..=1]);
        assert_eq!(once_more(&(2 * MAX - 1..2 * MAX + 3)), [MAX - 1..=MAX, 1..=2]);
    }
}
