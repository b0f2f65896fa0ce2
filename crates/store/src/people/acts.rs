//! What operators did.

use super::People;
use crate::entity::{operator, operator_act, operator_session, operator_token};
use crate::error::StoreError;
use crate::query::ask;
use foreign::ForeignText;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

/// Something that an operator does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When, in microseconds since 1970 UTC.
    pub at: i64,
    /// The operator's name; of what is done on the machine itself, that of its user. At most 64 bytes.
    pub who: ForeignText,
    /// Whereby the operator was known: which session, which token, or the machine. At most 128 bytes.
    pub by: String,
    /// What is done, as a word such as `sign_in`. At most 32 bytes.
    pub act: String,
    /// On what: a serial, a counter, an operator. At most 128 bytes.
    pub about: ForeignText,
    /// How it was, where something is changed.
    pub before: Option<ForeignText>,
    /// How it is to be.
    pub after: Option<ForeignText>,
    /// Why, in the operator's words.
    pub reason: Option<ForeignText>,
}

/// An act that is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acted {
    /// Its number: a later one is higher.
    pub number: i64,
    /// What was done.
    pub act: Act,
    /// What became of it, in a word or in words; none if that was not recorded: the bridge ended meanwhile.
    pub outcome: Option<ForeignText>,
}

/// Which acts are asked for, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActFilter {
    /// Of this operator alone.
    pub who: Option<String>,
    /// On this alone.
    pub about: Option<String>,
    /// Before the act with this number.
    pub before: Option<i64>,
}

impl ActFilter {
    /// Acts on a page.
    pub const PAGE: u64 = 100;
}

/// By what somebody is known: its digest, as [`Session::digest`](super::Session::digest) and
/// [`Token::digest`](super::Token::digest) have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The session of a browser.
    Session(String),
    /// A token.
    Token(String),
}

impl Known {
    /// Whose it is, if there is one.
    pub(super) async fn holder(
        &self,
        transaction: &DatabaseTransaction,
    ) -> Result<Option<String>, DbErr> {
        match self {
            Known::Session(digest) => {
                let found = operator_session::Entity::find_by_id(digest).one(transaction).await?;
                Ok(found.map(|session| session.name))
            }
            Known::Token(digest) => {
                let found = operator_token::Entity::find_by_id(digest).one(transaction).await?;
                Ok(found.map(|token| token.name))
            }
        }
    }
}

impl People {
    /// Records what is about to be done, and gives its number: what becomes of it is said by [`People::done`]. None if
    /// whoever acts is not known by this any more: it has ended, or the operator was disabled, since the request came.
    pub async fn act(&self, act: &Act, by: &Known) -> Result<Option<i64>, StoreError> {
        self.change(async |transaction| {
            let name = by.holder(transaction).await?;
            let operator = match &name {
                Some(name) => locked(transaction, name).await?,
                None => None,
            };
            if operator.is_none_or(|operator| operator.disabled_at.is_some()) {
                return Ok(Ok(None));
            }
            add(transaction, act, None).await.map(|number| Ok(Some(number)))
        })
        .await
    }

    /// Records what became of an act; the first word counts.
    pub async fn done(&self, number: i64, outcome: &str) -> Result<(), StoreError> {
        self.change(async |transaction| {
            operator_act::Entity::update_many()
                .col_expr(operator_act::Column::Outcome, Expr::value(outcome))
                .filter(operator_act::Column::Number.eq(number))
                .filter(operator_act::Column::Outcome.is_null())
                .exec(transaction)
                .await
                .map(|_| Ok(()))
        })
        .await
    }

    /// A page of acts, the latest first.
    pub async fn acts(&self, filter: &ActFilter) -> Result<Vec<Acted>, StoreError> {
        let mut query = operator_act::Entity::find().order_by_desc(operator_act::Column::Number);
        if let Some(who) = &filter.who {
            query = query.filter(operator_act::Column::Who.eq(who));
        }
        if let Some(about) = &filter.about {
            query = query.filter(operator_act::Column::About.eq(about));
        }
        if let Some(before) = filter.before {
            query = query.filter(operator_act::Column::Number.lt(before));
        }
        let rows = ask(query.limit(ActFilter::PAGE).all(&self.readers)).await?;
        Ok(rows.into_iter().map(acted).collect())
    }
}

fn acted(row: operator_act::Model) -> Acted {
    let text = |text: Option<String>| text.map(ForeignText::from);
    Acted {
        number: row.number,
        act: Act {
            at: row.at,
            who: row.who.into(),
            by: row.by,
            act: row.act,
            about: row.about.into(),
            before: text(row.before),
            after: text(row.after),
            reason: text(row.reason),
        },
        outcome: text(row.outcome),
    }
}

/// What became of an act that is one transaction with what it changes.
pub(super) const DONE: &str = "done";

/// The row of an operator, which nobody else changes until this transaction has ended.
pub(super) async fn locked(
    transaction: &DatabaseTransaction,
    name: &str,
) -> Result<Option<operator::Model>, DbErr> {
    operator::Entity::find_by_id(name).lock_exclusive().one(transaction).await
}

/// Adds an act within a transaction; what became of it is known where it is that transaction's own.
pub(super) async fn add(
    connection: &impl ConnectionTrait,
    act: &Act,
    outcome: Option<&str>,
) -> Result<i64, DbErr> {
    let text = |text: &Option<ForeignText>| text.as_ref().map(|text| text.as_received().to_owned());
    let row = operator_act::ActiveModel {
        number: NotSet,
        at: Set(act.at),
        who: Set(act.who.as_received().to_owned()),
        by: Set(act.by.clone()),
        act: Set(act.act.clone()),
        about: Set(act.about.as_received().to_owned()),
        before: Set(text(&act.before)),
        after: Set(text(&act.after)),
        reason: Set(text(&act.reason)),
        outcome: Set(outcome.map(str::to_owned)),
    };
    let inserted = operator_act::Entity::insert(row).exec(connection).await?;
    Ok(inserted.last_insert_id)
}
