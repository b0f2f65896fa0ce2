//! By what a person, or a person's program, is known: sessions and tokens.

use super::acts::{Act, DONE, add, locked};
use super::operators::Operator;
use super::{Digest, People, hex};
use crate::entity::{operator, operator_recovery, operator_session, operator_token};
use crate::error::StoreError;
use crate::query::ask;
use foreign::ForeignText;
use people::{OperatorName, Role};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

/// Browsers in which one operator may be signed in at once: past it the one that began first is signed out.
const SESSIONS: u64 = 16;

/// Tokens that one operator may have.
const TOKENS: u64 = 64;

/// A browser in which somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of what the browser holds.
    pub digest: String,
    /// Who is signed in.
    pub name: OperatorName,
    /// Since when, in microseconds since 1970 UTC.
    pub began_at: i64,
    /// When it was last used, to the minute.
    pub seen_at: i64,
    /// The address from which it was begun.
    pub address: String,
    /// What the browser says it is.
    pub agent: ForeignText,
}

/// A session to be.
#[derive(Clone)]
pub struct NewSession {
    /// SHA-256 of what the browser will hold.
    pub digest: Digest,
    /// Who signs in.
    pub name: OperatorName,
    /// The address from which; at most 64 bytes.
    pub address: String,
    /// What the browser says it is; what is longer than 255 bytes is cut.
    pub agent: ForeignText,
    /// What is kept of the password that was shown: another one by now lets nobody in.
    pub password: String,
    /// The secret of the second factor, as it was when the code was looked at.
    pub second_factor: Option<String>,
    /// By what, beside the password.
    pub factor: Factor,
    /// Sessions that began before this are over by their age, in microseconds since 1970 UTC.
    pub over_before: i64,
    /// The session that this browser showed, which this one takes the place of.
    pub instead_of: Option<Digest>,
}

/// What is used up by a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// Nothing: the operator has no second factor.
    None,
    /// A code of this step, which no other sign-in may have used, nor a later one.
    Step(i64),
    /// A code that is good once.
    Recovery(Digest),
}

/// What became of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedIn {
    /// It has begun.
    Begun,
    /// The code has been used, or the operator has been disabled or changed meanwhile.
    Refused,
}

/// A token as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of it.
    pub digest: String,
    /// Whose it is.
    pub name: OperatorName,
    /// What it is for, in the operator's words.
    pub label: ForeignText,
    /// What may be done by it, if its operator may too.
    pub role: Role,
    /// When it was made, in microseconds since 1970 UTC.
    pub made_at: i64,
    /// When it ends, in microseconds since 1970 UTC.
    pub expires_at: i64,
    /// When it was last used, to the minute; none if it never was.
    pub seen_at: Option<i64>,
}

/// A token to be.
#[derive(Clone)]
pub struct NewToken {
    /// SHA-256 of it.
    pub digest: Digest,
    /// Whose it is.
    pub name: OperatorName,
    /// What it is for; at most 64 bytes.
    pub label: ForeignText,
    /// What may be done by it.
    pub role: Role,
    /// When it ends, in microseconds since 1970 UTC.
    pub expires_at: i64,
}

impl People {
    /// Begins a session, and uses up by what it was proven; the act is recorded with it.
    pub async fn sign_in(&self, new: &NewSession, act: &Act) -> Result<SignedIn, StoreError> {
        self.change(async |transaction| {
            if !use_up(transaction, new, act.at).await? {
                return Ok(Ok(SignedIn::Refused));
            }
            make_room(transaction, new).await?;
            let row = operator_session::ActiveModel {
                digest: Set(hex(&new.digest)),
                name: Set(new.name.to_string()),
                began_at: Set(act.at),
                seen_at: Set(act.at),
                address: Set(new.address.clone()),
                agent: Set(cut(new.agent.as_received(), 255)),
            };
            operator_session::Entity::insert(row).exec_without_returning(transaction).await?;
            add(transaction, act, Some(DONE)).await?;
            Ok(Ok(SignedIn::Begun))
        })
        .await
    }

    /// The session behind what a browser holds, and whose it is. Whether it is over yet is for the caller to say.
    pub async fn session(
        &self,
        digest: &Digest,
    ) -> Result<Option<(Session, Operator)>, StoreError> {
        let query = operator_session::Entity::find_by_id(hex(digest));
        let Some(row) = ask(query.one(&self.readers)).await? else { return Ok(None) };
        let session = session(row)?;
        Ok(self.operator(&session.name).await?.map(|operator| (session, operator)))
    }

    /// Whether a recovery code of an operator's may still be used. Asked of whoever signs in, whatever else is right, so
    /// that the time of an answer tells nothing.
    pub async fn recovers(&self, name: &OperatorName, digest: &Digest) -> Result<bool, StoreError> {
        let key = (name.to_string(), hex(digest));
        let found = ask(operator_recovery::Entity::find_by_id(key).one(&self.readers)).await?;
        Ok(found.is_some_and(|code| code.used_at.is_none()))
    }

    /// The sessions of an operator, the latest first; those that are over and were not looked at since are among them.
    pub async fn sessions(&self, name: &OperatorName) -> Result<Vec<Session>, StoreError> {
        let query = operator_session::Entity::find()
            .filter(operator_session::Column::Name.eq(name.as_str()))
            .order_by_desc(operator_session::Column::BeganAt);
        ask(query.all(&self.readers)).await?.into_iter().map(session).collect()
    }

    /// A session was used: at this time, whatever the clock said when it was used last. Of two who say so at once, one
    /// does.
    pub async fn saw_session(
        &self,
        digest: &Digest,
        former: i64,
        at: i64,
    ) -> Result<(), StoreError> {
        self.change(async |transaction| {
            operator_session::Entity::update_many()
                .col_expr(operator_session::Column::SeenAt, Expr::value(at))
                .filter(operator_session::Column::Digest.eq(hex(digest)))
                .filter(operator_session::Column::SeenAt.eq(former))
                .exec(transaction)
                .await
                .map(|_| Ok(()))
        })
        .await
    }

    /// Ends a session, by its digest as [`Session::digest`] has it; whether there was one. The act is recorded with it.
    pub async fn end_session(&self, digest: &str, act: &Act) -> Result<bool, StoreError> {
        self.change(async |transaction| {
            let query = operator_session::Entity::delete_by_id(digest.to_owned());
            let ended = query.exec(transaction).await?.rows_affected > 0;
            if ended {
                add(transaction, act, Some(DONE)).await?;
            }
            Ok(Ok(ended))
        })
        .await
    }

    /// Makes a token; the act is recorded with it. `false`: its operator may not act, or has as many as one may have.
    pub async fn add_token(&self, new: &NewToken, act: &Act) -> Result<bool, StoreError> {
        self.change(async |transaction| {
            let name = new.name.as_str();
            let operator = locked(transaction, name).await?;
            // What has ended by its time takes no place.
            operator_token::Entity::delete_many()
                .filter(operator_token::Column::ExpiresAt.lte(act.at))
                .exec(transaction)
                .await?;
            let its = operator_token::Entity::find().filter(operator_token::Column::Name.eq(name));
            if operator.is_none_or(|operator| operator.disabled_at.is_some())
                || its.count(transaction).await? >= TOKENS
            {
                return Ok(Ok(false));
            }
            let row = operator_token::ActiveModel {
                digest: Set(hex(&new.digest)),
                name: Set(name.to_owned()),
                label: Set(new.label.as_received().to_owned()),
                role: Set(new.role.as_str().to_owned()),
                made_at: Set(act.at),
                expires_at: Set(new.expires_at),
                seen_at: Set(None),
            };
            operator_token::Entity::insert(row).exec_without_returning(transaction).await?;
            add(transaction, act, Some(DONE)).await?;
            Ok(Ok(true))
        })
        .await
    }

    /// A token, and whose it is. Whether it has ended is for the caller to say.
    pub async fn token(&self, digest: &Digest) -> Result<Option<(Token, Operator)>, StoreError> {
        let query = operator_token::Entity::find_by_id(hex(digest));
        let Some(row) = ask(query.one(&self.readers)).await? else { return Ok(None) };
        let token = token(row)?;
        Ok(self.operator(&token.name).await?.map(|operator| (token, operator)))
    }

    /// Whose token this is, if it holds at `now`, in microseconds since 1970 UTC: it has not run out, and its operator is
    /// not disabled. Its role is no more than its operator's by now.
    pub async fn valid_token(
        &self,
        digest: &Digest,
        now: i64,
    ) -> Result<Option<(Token, Operator)>, StoreError> {
        let Some((mut token, operator)) = self.token(digest).await? else { return Ok(None) };
        if token.expires_at <= now || operator.disabled_at.is_some() {
            return Ok(None);
        }
        token.role = token.role.min(operator.role);
        Ok(Some((token, operator)))
    }

    /// The tokens of an operator, the latest first.
    pub async fn tokens(&self, name: &OperatorName) -> Result<Vec<Token>, StoreError> {
        let query = operator_token::Entity::find()
            .filter(operator_token::Column::Name.eq(name.as_str()))
            .order_by_desc(operator_token::Column::MadeAt);
        ask(query.all(&self.readers)).await?.into_iter().map(token).collect()
    }

    /// A token was used.
    pub async fn saw_token(&self, digest: &Digest, at: i64) -> Result<(), StoreError> {
        self.change(async |transaction| {
            operator_token::Entity::update_many()
                .col_expr(operator_token::Column::SeenAt, Expr::value(at))
                .filter(operator_token::Column::Digest.eq(hex(digest)))
                .exec(transaction)
                .await
                .map(|_| Ok(()))
        })
        .await
    }

    /// Ends a token, by its digest as [`Token::digest`] has it; whether there was one. The act is recorded with it.
    pub async fn end_token(&self, digest: &str, act: &Act) -> Result<bool, StoreError> {
        self.change(async |transaction| {
            let query = operator_token::Entity::delete_by_id(digest.to_owned());
            let ended = query.exec(transaction).await?.rows_affected > 0;
            if ended {
                add(transaction, act, Some(DONE)).await?;
            }
            Ok(Ok(ended))
        })
        .await
    }
}

/// Uses up by what a sign-in was proven. Two with one code, at the same moment or one after the other, are one.
async fn use_up(
    transaction: &DatabaseTransaction,
    new: &NewSession,
    at: i64,
) -> Result<bool, DbErr> {
    let name = new.name.as_str();
    let mut may = operator::Entity::update_many()
        .filter(operator::Column::Name.eq(name))
        .filter(operator::Column::Password.eq(&new.password))
        .filter(match &new.second_factor {
            Some(secret) => operator::Column::SecondFactor.eq(secret),
            None => operator::Column::SecondFactor.is_null(),
        })
        .filter(operator::Column::DisabledAt.is_null());
    may = match new.factor {
        Factor::None => may
            .col_expr(operator::Column::Name, Expr::value(name))
            .filter(operator::Column::SecondFactor.is_null()),
        Factor::Step(step) => may
            .col_expr(operator::Column::LastStep, Expr::value(step))
            .filter(operator::Column::LastStep.is_null().or(operator::Column::LastStep.lt(step))),
        Factor::Recovery(_) => may.col_expr(operator::Column::Name, Expr::value(name)),
    };
    if may.exec(transaction).await?.rows_affected != 1 {
        return Ok(false);
    }
    let Factor::Recovery(digest) = new.factor else { return Ok(true) };
    let used = operator_recovery::Entity::update_many()
        .col_expr(operator_recovery::Column::UsedAt, Expr::value(at))
        .filter(operator_recovery::Column::Name.eq(name))
        .filter(operator_recovery::Column::Digest.eq(hex(&digest)))
        .filter(operator_recovery::Column::UsedAt.is_null());
    Ok(used.exec(transaction).await?.rows_affected == 1)
}

/// Ends what is over, the session that this one takes the place of, and those that began first, until there is room for
/// one more.
async fn make_room(transaction: &DatabaseTransaction, new: &NewSession) -> Result<(), DbErr> {
    let name = new.name.as_str();
    let mut over = Condition::any().add(operator_session::Column::BeganAt.lt(new.over_before));
    if let Some(former) = &new.instead_of {
        over = over.add(operator_session::Column::Digest.eq(hex(former)));
    }
    operator_session::Entity::delete_many()
        .filter(operator_session::Column::Name.eq(name))
        .filter(over)
        .exec(transaction)
        .await?;
    let too_many: Vec<String> = operator_session::Entity::find()
        .select_only()
        .column(operator_session::Column::Digest)
        .filter(operator_session::Column::Name.eq(name))
        .order_by_desc(operator_session::Column::BeganAt)
        .offset(SESSIONS - 1)
        .limit(u64::from(u32::MAX))
        .into_tuple()
        .all(transaction)
        .await?;
    if too_many.is_empty() {
        return Ok(());
    }
    operator_session::Entity::delete_many()
        .filter(operator_session::Column::Digest.is_in(too_many))
        .exec(transaction)
        .await
        .map(drop)
}

/// The beginning of a text, of at most so many bytes.
fn cut(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

fn session(row: operator_session::Model) -> Result<Session, StoreError> {
    Ok(Session {
        name: named(&row.name)?,
        digest: row.digest,
        began_at: row.began_at,
        seen_at: row.seen_at,
        address: row.address,
        agent: row.agent.into(),
    })
}

fn token(row: operator_token::Model) -> Result<Token, StoreError> {
    let role = row.role.parse();
    Ok(Token {
        name: named(&row.name)?,
        role: role.map_err(|error| damaged(format!("a token of {:?}: {error}", row.name)))?,
        digest: row.digest,
        label: row.label.into(),
        made_at: row.made_at,
        expires_at: row.expires_at,
        seen_at: row.seen_at,
    })
}

fn named(name: &str) -> Result<OperatorName, StoreError> {
    name.parse().map_err(|error| damaged(format!("operator {name:?}: {error}")))
}

fn damaged(what: String) -> StoreError {
    StoreError::Damaged { what }
}
