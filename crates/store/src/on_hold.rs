//! Counters that operators keep from new transfers, over restarts: who, why, since when, and who let
//! them go on. What is kept of counters whose words are in doubt is `in_doubt`.

use crate::entity::operator_hold::{ActiveModel, Column, Entity, Model};
use crate::error::{NotChanged, StoreError};
use crate::fault::{describe, is_damage};
use crate::query::ask;
use crate::store::Store;
use domain::message::CounterId;
use foreign::ForeignText;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, Select,
};

/// What `released_at` is while a hold is in force.
const IN_FORCE: i64 = 0;

/// How far a counter is kept from work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldKind {
    /// It gets no new transfers; all else goes on.
    Hold,
    /// The same, and its connections are signed off while nothing needs them.
    Drain,
}

impl HoldKind {
    /// The word in the database, in events and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            HoldKind::Hold => "hold",
            HoldKind::Drain => "drain",
        }
    }

    fn of(word: &str) -> Option<HoldKind> {
        [HoldKind::Hold, HoldKind::Drain].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A counter that an operator keeps from new transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnHold {
    /// The counter's id.
    pub counter: CounterId,
    /// How far.
    pub kind: HoldKind,
    /// Name of the operator.
    pub who: ForeignText,
    /// Why, in the operator's words.
    pub note: ForeignText,
    /// Since when, in microseconds since 1970 UTC.
    pub since: i64,
}

/// What operators have in force, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// The counters that operators keep from new transfers, the longest first. One whose row cannot be read is kept by
    /// a hold in its place, which says so: what somebody kept from new transfers gets none for what became of a row.
    pub holds: Vec<OnHold>,
    /// The rows that cannot be read.
    pub damaged: Vec<DamagedHold>,
}

/// A row of a hold that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedHold {
    /// The counter that it is about; `None` if not even that can be read: it may be about any.
    pub counter: Option<CounterId>,
    /// What is wrong with it.
    pub error: StoreError,
}

impl InForce {
    /// Whether there is a hold that may be any counter's.
    pub fn lacks_a_counter(&self) -> bool {
        self.damaged.iter().any(|damaged| damaged.counter.is_none())
    }

    fn of(rows: Vec<Result<Model, Unread>>) -> InForce {
        let mut in_force = InForce::default();
        for row in rows {
            let (counter, at, error) = match row {
                Ok(row) => {
                    let (counter, at) = (row.counter.clone(), row.held_at);
                    match read(row) {
                        Ok(hold) => {
                            in_force.holds.push(hold);
                            continue;
                        }
                        Err(error) => (counter, at, error),
                    }
                }
                Err(Unread { counter, at, error }) => (counter, at, error),
            };
            let counter = CounterId::new(&counter).ok();
            in_force
                .holds
                .extend(counter.clone().map(|counter| OnHold::unread(counter, at, &error)));
            in_force.damaged.push(DamagedHold { counter, error });
        }
        in_force
    }
}

impl OnHold {
    /// What stands for a hold that cannot be read: that of its kinds which keeps new transfers away and leaves the
    /// rest to go on.
    pub fn unread(counter: CounterId, since: i64, error: &StoreError) -> OnHold {
        OnHold {
            counter,
            kind: HoldKind::Hold,
            who: "nobody who can be read".into(),
            note: format!("what is recorded of a hold cannot be read: {error}").into(),
            since,
        }
    }
}

/// A row that cannot be read whole.
struct Unread {
    counter: String,
    at: i64,
    error: StoreError,
}

/// Why a counter was not released, and nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTakenOff {
    /// No operator keeps it from new transfers.
    NotOnHold,
    /// Another hold is in force than the one that is meant.
    Another(OnHold),
}

impl Store {
    /// Keeps a counter from new transfers; the hold that is in force then. One of the same kind that is
    /// in force already stays as it is; one of the other kind is released by whoever says this, at the
    /// same moment.
    pub async fn put_on_hold(&self, hold: &OnHold) -> Result<OnHold, NotChanged> {
        let put = self.change_or_not(async |transaction: &DatabaseTransaction| {
            // One that cannot be read is replaced.
            let former = in_force(transaction, &hold.counter).await?;
            if let Some(former) = &former {
                if !former.is_damaged && former.hold.kind == hold.kind {
                    return Ok(Ok::<_, StoreError>(former.hold.clone()));
                }
                let why = format!("{}: {}", hold.kind.as_str(), hold.note.as_received());
                let who = hold.who.as_received();
                release(transaction, &hold.counter, who, &why, hold.since).await?;
            }
            // Two that are said at one moment have two keys.
            let after = former.map_or(i64::MIN, |former| former.hold.since.saturating_add(1));
            let hold = OnHold { since: hold.since.max(after), ..hold.clone() };
            Entity::insert(row(&hold)).exec_without_returning(transaction).await?;
            Ok(Ok(hold))
        });
        put.await?.map_err(NotChanged::Nothing)
    }

    /// Lets a counter go on; the hold that was in force. With a `meant`, the time since when that hold is, no other is
    /// released.
    pub async fn take_off_hold(
        &self,
        counter: &CounterId,
        meant: Option<i64>,
        (who, note): (&ForeignText, &ForeignText),
        at: i64,
    ) -> Result<Result<OnHold, NotTakenOff>, NotChanged> {
        let taken = self.change_or_not(async |transaction: &DatabaseTransaction| {
            let Some(Former { hold: held, .. }) = in_force(transaction, counter).await? else {
                return Ok(Err(NotTakenOff::NotOnHold));
            };
            if meant.is_some_and(|meant| meant != held.since) {
                return Ok(Err(NotTakenOff::Another(held)));
            }
            release(transaction, counter, who.as_received(), note.as_received(), at).await?;
            Ok(Ok(held))
        });
        taken.await
    }

    /// The counters that operators keep from new transfers, the longest first, once all that was said before is either
    /// recorded or never will be: also that of which the database has not said so.
    pub async fn on_hold_for_certain(&self) -> Result<InForce, StoreError> {
        // It begins as every word about a counter does, with what only one transaction at a time may have: it waits for
        // one whose commit is still on its way.
        let rows = self.once(async |transaction| all_in_force(transaction).await);
        rows.await.map(InForce::of)
    }

    /// The counters that operators keep from new transfers, the longest first.
    pub async fn on_hold(&self) -> Result<InForce, StoreError> {
        ask(all_in_force(self.readers())).await.map(InForce::of)
    }
}

/// Those in force, the longest first.
fn still_in_force() -> Select<Entity> {
    Entity::find()
        .filter(Column::ReleasedAt.eq(IN_FORCE))
        .order_by_asc(Column::HeldAt)
        .order_by_asc(Column::Counter)
}

/// Each that is in force. Where one cannot be read, they are read one by one, so that it hides no other.
async fn all_in_force(
    connection: &impl ConnectionTrait,
) -> Result<Vec<Result<Model, Unread>>, DbErr> {
    match still_in_force().all(connection).await {
        Err(error) if is_damage(&error) => {}
        rows => return Ok(rows?.into_iter().map(Ok).collect()),
    }
    let keys = still_in_force().select_only().column(Column::Counter).column(Column::HeldAt);
    let keys: Vec<(String, i64)> = keys.into_tuple().all(connection).await?;
    let mut rows = Vec::with_capacity(keys.len());
    for (counter, at) in keys {
        match Entity::find_by_id((counter.clone(), at)).one(connection).await {
            Ok(row) => rows.extend(row.map(Ok)),
            Err(error) if is_damage(&error) => {
                let error = StoreError::corrupt(at, &describe(&error));
                rows.push(Err(Unread { counter, at, error }));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(rows)
}

/// What is in force of a counter, or stands for it.
struct Former {
    hold: OnHold,
    is_damaged: bool,
}

async fn in_force(
    transaction: &DatabaseTransaction,
    counter: &CounterId,
) -> Result<Option<Former>, DbErr> {
    let InForce { holds, damaged } = InForce::of(all_in_force(transaction).await?);
    let is_damaged = damaged.iter().any(|damaged| damaged.counter.as_ref() == Some(counter));
    let found = holds.into_iter().find(|hold| hold.counter == *counter);
    Ok(found.map(|hold| Former { hold, is_damaged }))
}

async fn release(
    transaction: &DatabaseTransaction,
    counter: &CounterId,
    who: &str,
    note: &str,
    at: i64,
) -> Result<(), DbErr> {
    let update = Entity::update_many()
        // Whatever the clock says, it is in force no more.
        .col_expr(Column::ReleasedAt, Expr::value(at.max(IN_FORCE + 1)))
        .col_expr(Column::ReleasedBy, Expr::value(who))
        .col_expr(Column::ReleaseNote, Expr::value(note))
        .filter(Column::Counter.eq(counter.as_str()))
        .filter(Column::ReleasedAt.eq(IN_FORCE));
    update.exec(transaction).await.map(drop)
}

fn row(hold: &OnHold) -> ActiveModel {
    ActiveModel {
        counter: Set(hold.counter.to_string()),
        held_at: Set(hold.since),
        kind: Set(hold.kind.as_str().to_owned()),
        who: Set(hold.who.as_received().to_owned()),
        note: Set(hold.note.as_received().to_owned()),
        released_at: Set(IN_FORCE),
        released_by: Set(None),
        release_note: Set(None),
    }
}

fn read(row: Model) -> Result<OnHold, StoreError> {
    let counter =
        CounterId::new(&row.counter).map_err(|error| StoreError::corrupt(row.held_at, &error))?;
    let kind = HoldKind::of(&row.kind)
        .ok_or_else(|| StoreError::corrupt(row.held_at, &format!("{:?} is no hold", row.kind)))?;
    Ok(OnHold { counter, kind, who: row.who.into(), note: row.note.into(), since: row.held_at })
}
