//! What one person proposes about a counter that gets nothing new, and what becomes of it: kept for ever. An approval
//! and the readmission that it allows are one write.

use crate::entity::{counter_hold, readmission};
use crate::error::StoreError;
use crate::in_doubt::{HeldCounter, open_holds};
use crate::query::ask;
use crate::store::Store;
use domain::message::CounterId;
use foreign::ForeignText;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QueryOrder,
};

/// That a counter may get new transfers again, as one person proposes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readmission {
    /// Identifies it: 32 hexadecimal digits, of all that stands in it.
    pub id: String,
    /// The counter.
    pub counter: CounterId,
    /// What was seen of what holds it: 32 hexadecimal digits.
    pub version: String,
    /// Whether the bridge's serials go on behind the highest that the counter has seen, however far that is.
    pub move_serials: bool,
    /// Name of the operator who proposes it; at most 64 bytes.
    pub who: ForeignText,
    /// Why, in the operator's own words.
    pub note: ForeignText,
    /// When it was proposed, in microseconds since 1970 UTC.
    pub at: i64,
    /// From when on nobody may approve it any more, in microseconds since 1970 UTC.
    pub until: i64,
}

/// What becomes of a proposal that is not approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadmissionEnd {
    /// Whoever proposed it took it back, or another rejected it.
    Withdrawn,
    /// Its time was over, or the counter was held for something else meanwhile.
    Overtaken,
}

impl ReadmissionEnd {
    const fn as_str(self) -> &'static str {
        match self {
            ReadmissionEnd::Withdrawn => "withdrawn",
            ReadmissionEnd::Overtaken => "overtaken",
        }
    }
}

/// Why a counter was not readmitted, and nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotApproved {
    /// The proposal is not open any more.
    Ended,
    /// What holds the counter is not what was looked at.
    HeldAnew,
}

/// Who says what to a proposal, and when.
#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    ended: &'static str,
    who: &'a ForeignText,
    note: &'a ForeignText,
    at: i64,
}

impl Store {
    /// What is proposed and open, whether or not its time is over: of each counter at most one.
    pub async fn readmissions(&self) -> Result<Vec<Readmission>, StoreError> {
        let open = readmission::Entity::find()
            .filter(readmission::Column::EndedAt.is_null())
            .order_by_asc(readmission::Column::At);
        ask(open.all(self.readers())).await?.into_iter().map(Readmission::try_from).collect()
    }

    /// Keeps a proposal. One that was open for the same counter is overtaken by it.
    pub async fn propose_readmission(&self, proposed: &Readmission) -> Result<(), StoreError> {
        self.once(async |transaction| {
            let overtaken = Word {
                ended: ReadmissionEnd::Overtaken.as_str(),
                who: &proposed.who,
                note: &proposed.note,
                at: proposed.at,
            };
            let of_counter = readmission::Column::Counter.eq(proposed.counter.as_str());
            end(transaction, of_counter, overtaken).await?;
            let row = readmission::ActiveModel {
                id: Set(proposed.id.clone()),
                counter: Set(proposed.counter.to_string()),
                version: Set(proposed.version.clone()),
                move_serials: Set(proposed.move_serials),
                who: Set(proposed.who.as_received().to_owned()),
                note: Set(proposed.note.as_received().to_owned()),
                at: Set(proposed.at),
                until: Set(proposed.until),
                ended_at: Set(None),
                ended: Set(None),
                ended_by: Set(None),
                ended_note: Set(None),
            };
            readmission::Entity::insert(row).exec_without_returning(transaction).await.map(drop)
        })
        .await
    }

    /// Ends a proposal without what was proposed. Whether it was open.
    pub async fn end_readmission(
        &self,
        id: &str,
        ending: ReadmissionEnd,
        (who, note): (&ForeignText, &ForeignText),
        at: i64,
    ) -> Result<bool, StoreError> {
        let word = Word { ended: ending.as_str(), who, note, at };
        self.once(async |transaction| {
            Ok(end(transaction, readmission::Column::Id.eq(id), word).await? > 0)
        })
        .await
    }

    /// Another person approves: the counter gets new transfers again, if it is held by `holds` and by nothing else.
    /// What it said of our serials until now is explained by that.
    pub async fn approve_readmission(
        &self,
        proposed: &Readmission,
        holds: &[HeldCounter],
        (who, note): (&ForeignText, &ForeignText),
        at: i64,
    ) -> Result<Result<(), NotApproved>, StoreError> {
        let word = Word { ended: "approved", who, note, at };
        self.change(async |transaction: &DatabaseTransaction| {
            // Written first, so that nobody else ends it between the look and the end.
            let open = readmission::Column::Id.eq(&proposed.id);
            if end(transaction, open, word).await? == 0 {
                return Ok(Err(NotApproved::Ended));
            }
            let now = open_holds(&proposed.counter).all(transaction).await?;
            // The same once more, since, is no more than was seen.
            let is_seen = |row: &counter_hold::Model| {
                let row = HeldCounter::try_from(row.clone()).ok();
                row.is_some_and(|row| {
                    let is_it = |hold: &HeldCounter| match row.seen {
                        Some(_) => hold.seen == row.seen,
                        None => hold.seen.is_none() && hold.why == row.why,
                    };
                    holds.iter().any(is_it)
                })
            };
            if now.is_empty() || !now.iter().all(is_seen) {
                return Ok(Err(NotApproved::HeldAnew));
            }
            let update = counter_hold::Entity::update_many()
                .col_expr(counter_hold::Column::ReadmittedAt, Expr::value(at))
                .col_expr(counter_hold::Column::Who, Expr::value(who.as_received()))
                .col_expr(counter_hold::Column::Note, Expr::value(note.as_received()))
                .filter(counter_hold::Column::Counter.eq(proposed.counter.as_str()))
                .filter(counter_hold::Column::HeldAt.is_in(now.iter().map(|row| row.held_at)));
            update.exec(transaction).await.map(|_| Ok(()))
        })
        .await
    }
}

/// Ends what is open of this; how many there were.
async fn end(connection: &impl ConnectionTrait, which: Expr, word: Word<'_>) -> Result<u64, DbErr> {
    let update = readmission::Entity::update_many()
        .col_expr(readmission::Column::EndedAt, Expr::value(word.at))
        .col_expr(readmission::Column::Ended, Expr::value(word.ended))
        .col_expr(readmission::Column::EndedBy, Expr::value(word.who.as_received()))
        .col_expr(readmission::Column::EndedNote, Expr::value(word.note.as_received()))
        .filter(which)
        .filter(readmission::Column::EndedAt.is_null());
    Ok(update.exec(connection).await?.rows_affected)
}

impl TryFrom<readmission::Model> for Readmission {
    type Error = StoreError;

    fn try_from(row: readmission::Model) -> Result<Readmission, StoreError> {
        Ok(Readmission {
            counter: CounterId::new(&row.counter)
                .map_err(|error| StoreError::corrupt(row.at, &error))?,
            id: row.id,
            version: row.version,
            move_serials: row.move_serials,
            who: row.who.into(),
            note: row.note.into(),
            at: row.at,
            until: row.until,
        })
    }
}
