//! Counters in doubt: what holds them, over restarts, and what they said of our serials against what
//! was ever leased (DOMAIN §3 rule 10). Written seldom, on a connection of its own that is closed
//! again, by whoever holds the record alone.

use crate::entity::serial_lease::TRANSFER;
use crate::entity::{counter_hold, serial_lease, serial_lift};
use crate::error::StoreError;
use crate::query::ask;
use crate::store::Store;
use domain::message::CounterId;
use domain::serial::{Day, Sequence};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QueryOrder, Select,
};
use std::convert::Infallible;

/// Numbers that the lease is moved in a day on the mere word of counters. A bridge that gives out a
/// hundred serials a second uses about as many; at this pace all numbers last for 27 years.
pub const MOST_LIFTED_A_DAY: u64 = 10_000_000;

/// A counter that gets nothing new, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldCounter {
    /// The counter's id.
    pub counter: CounterId,
    /// Why it is held, in words for operators.
    pub why: String,
    /// The sequence that it said it had seen, where that is the reason.
    pub seen: Option<Sequence>,
    /// Since when it is held, in microseconds since 1970 UTC.
    pub since: i64,
}

/// What a counter has seen of our serials, held against what was leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// No further than what was given out, or than what an operator has looked at before.
    Known,
    /// Further than anything that this record ever gave out.
    Beyond {
        /// The ordinal of the first number that it had not given out.
        next: u64,
    },
}

/// How far the lease of serials may be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// On counters' words: [`MOST_LIFTED_A_DAY`] on this day, together.
    Day(Day),
    /// As far as is asked for, because an operator wants it; the day on which.
    Wanted(Day),
}

impl Store {
    /// Keeps why a counter gets nothing new. The same hold twice is one: a counter that says the same at each of its
    /// sign-ons is held for it once.
    pub async fn hold_counter(&self, held: &HeldCounter) -> Result<(), StoreError> {
        self.once(async |connection| {
            // Kept as an ordinal, which stays what it is when the numbers begin again.
            let next = next(connection).await?.unwrap_or(1);
            let seen = held.seen.map(|seen| ordinal(seen, next));
            let open = open_holds(&held.counter).all(connection).await?;
            let is_it = |row: &counter_hold::Model| match seen {
                // The words beside the number also say how far the record is by now.
                Some(_) => row.seen == seen,
                None => row.why == held.why,
            };
            if open.iter().any(is_it) {
                return Ok(());
            }
            let last = counter_hold::Entity::find()
                .filter(counter_hold::Column::Counter.eq(held.counter.as_str()))
                .order_by_desc(counter_hold::Column::HeldAt)
                .one(connection)
                .await?;
            // Two that are given at one moment, or after a clock was set back, have two keys.
            let after = last.map_or(i64::MIN, |last| last.held_at.saturating_add(1));
            let row = counter_hold::ActiveModel {
                counter: Set(held.counter.to_string()),
                held_at: Set(held.since.max(after)),
                why: Set(held.why.clone()),
                seen: Set(seen),
                readmitted_at: Set(None),
                who: Set(None),
                note: Set(None),
            };
            counter_hold::Entity::insert(row).exec_without_returning(connection).await.map(drop)
        })
        .await
    }

    /// The counters that get nothing new: the oldest reason of each.
    pub async fn held_counters(&self) -> Result<Vec<HeldCounter>, StoreError> {
        let query = counter_hold::Entity::find()
            .filter(counter_hold::Column::ReadmittedAt.is_null())
            .order_by_asc(counter_hold::Column::HeldAt)
            .order_by_asc(counter_hold::Column::Counter);
        let mut held: Vec<HeldCounter> = Vec::new();
        for row in ask(query.all(self.readers())).await? {
            let row = HeldCounter::try_from(row)?;
            match held.iter_mut().find(|known| known.counter == row.counter) {
                Some(known) => known.seen = known.seen.max(row.seen),
                None => held.push(row),
            }
        }
        Ok(held)
    }

    /// What holds a counter, the oldest first, each for itself.
    pub async fn holds_of(&self, counter: &CounterId) -> Result<Vec<HeldCounter>, StoreError> {
        let rows = ask(open_holds(counter).all(self.readers())).await?;
        rows.into_iter().map(HeldCounter::try_from).collect()
    }

    /// Holds what a counter has seen against the lease as it is recorded now.
    pub async fn reach(&self, counter: &CounterId, seen: Sequence) -> Result<Reach, StoreError> {
        // Read before the lifts: one that is made meanwhile is then seen as one, and not as numbers
        // that were given out.
        let next = ask(next(self.readers())).await?.ok_or_else(missing)?;
        let seen = ordinal(seen, next);
        let explained = counter_hold::Entity::find()
            .filter(counter_hold::Column::Counter.eq(counter.as_str()))
            .filter(counter_hold::Column::ReadmittedAt.is_not_null())
            .filter(counter_hold::Column::Seen.gte(seen));
        if ask(explained.one(self.readers())).await?.is_some() {
            return Ok(Reach::Known);
        }
        let lifted = serial_lift::Entity::find()
            .filter(serial_lift::Column::FromNext.lte(seen))
            .filter(serial_lift::Column::ToNext.gt(seen));
        if let Some(lift) = ask(lifted.one(self.readers())).await? {
            return Ok(Reach::Beyond { next: number(lift.from_next)? });
        }
        Ok(if seen < next { Reach::Known } else { Reach::Beyond { next: number(next)? } })
    }

    /// Moves the lease past what a counter has seen, so that nobody gets a number that it knows.
    /// `false` if that would take more than is allowed, or half of all numbers.
    pub async fn lift_serials(
        &self,
        counter: &CounterId,
        seen: Sequence,
        allowance: Allowance,
        at: i64,
    ) -> Result<bool, StoreError> {
        self.once(async |transaction| {
            // Written first, so that nobody leases between the look and the move.
            serial_lease::Entity::update_many()
                .col_expr(serial_lease::Column::Next, Expr::col(serial_lease::Column::Next))
                .filter(serial_lease::Column::Name.eq(TRANSFER))
                .exec(transaction)
                .await?;
            let Some(next) = next(transaction).await? else { return Ok(false) };
            let wanted = ordinal(seen, next) + 1;
            if wanted <= next {
                return Ok(true);
            }
            // Half of all numbers ahead is as far behind: nobody can have seen that.
            if u64::try_from(wanted - next).is_ok_and(|ahead| ahead > Sequence::MAX / 2) {
                return Ok(false);
            }
            let day = match allowance {
                Allowance::Day(day) => {
                    let today = serial_lift::Entity::find()
                        .filter(serial_lift::Column::Day.eq(day.number()))
                        .all(transaction)
                        .await?;
                    let lifted: i64 = today.iter().map(|lift| lift.to_next - lift.from_next).sum();
                    let allowed = i64::try_from(MOST_LIFTED_A_DAY).unwrap_or(i64::MAX);
                    if lifted.saturating_add(wanted - next) > allowed {
                        return Ok(false);
                    }
                    day
                }
                Allowance::Wanted(day) => day,
            };
            let update = serial_lease::Entity::update_many()
                .col_expr(serial_lease::Column::Next, Expr::value(wanted))
                .filter(serial_lease::Column::Name.eq(TRANSFER));
            update.exec(transaction).await?;
            let lift = serial_lift::ActiveModel {
                from_next: Set(next),
                to_next: Set(wanted),
                counter: Set(counter.to_string()),
                day: Set(i32::try_from(day.number()).unwrap_or(i32::MAX)),
                at: Set(at),
            };
            serial_lift::Entity::insert(lift)
                .exec_without_returning(transaction)
                .await
                .map(|_| true)
        })
        .await
    }

    /// Does something in one transaction on a connection of its own.
    pub(crate) async fn once<T>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, DbErr> + Clone,
    ) -> Result<T, StoreError> {
        let done = self.change(async |transaction: &DatabaseTransaction| {
            work(transaction).await.map(Ok::<T, Infallible>)
        });
        Ok(done.await?.unwrap_or_else(|never| match never {}))
    }
}

/// What holds a counter, the oldest first.
pub(crate) fn open_holds(counter: &CounterId) -> Select<counter_hold::Entity> {
    counter_hold::Entity::find()
        .filter(counter_hold::Column::Counter.eq(counter.as_str()))
        .filter(counter_hold::Column::ReadmittedAt.is_null())
        .order_by_asc(counter_hold::Column::HeldAt)
}

impl TryFrom<counter_hold::Model> for HeldCounter {
    type Error = StoreError;

    fn try_from(row: counter_hold::Model) -> Result<HeldCounter, StoreError> {
        Ok(HeldCounter {
            counter: CounterId::new(&row.counter)
                .map_err(|error| StoreError::corrupt(row.held_at, &error))?,
            why: row.why,
            seen: row.seen.map(number).transpose()?.map(Sequence::of_ordinal),
            since: row.held_at,
        })
    }
}

async fn next(connection: &impl ConnectionTrait) -> Result<Option<i64>, DbErr> {
    Ok(serial_lease::Entity::find_by_id(TRANSFER).one(connection).await?.map(|row| row.next))
}

fn missing() -> StoreError {
    StoreError::corrupt(0, "the row of the serial lease is missing")
}

/// Which number that was given out, or is about to be, somebody means who names a sequence.
fn ordinal(sequence: Sequence, next: i64) -> i64 {
    let near = sequence.ordinal_near(u64::try_from(next).unwrap_or(1));
    i64::try_from(near).unwrap_or(i64::MAX)
}

fn number(next: i64) -> Result<u64, StoreError> {
    u64::try_from(next).map_err(|error| StoreError::corrupt(next, &error))
}
