//! Operators: made, changed, disabled.

use super::acts::{Act, DONE, add, locked};
use super::{Digest, People, hex};
use crate::entity::{operator, operator_recovery, operator_session, operator_token};
use crate::error::StoreError;
use crate::fault::Fault;
use crate::query::ask;
use foreign::ForeignText;
use people::{OperatorName, Role};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

/// An operator as recorded.
#[derive(Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name by which the operator signs in.
    pub name: OperatorName,
    /// What the operator may.
    pub role: Role,
    /// What is kept of the password: a PHC string.
    pub password: String,
    /// Whether the password is known to another, who made it: it has to be changed before anything is done.
    pub must_change: bool,
    /// The secret of the second factor in base32; none until there is one.
    pub second_factor: Option<String>,
    /// The step of the last code of it that was taken.
    pub last_step: Option<i64>,
    /// Since when the operator is known, in microseconds since 1970 UTC.
    pub made_at: i64,
    /// Who made it.
    pub made_by: ForeignText,
    /// Since when it may do nothing, in microseconds since 1970 UTC.
    pub disabled_at: Option<i64>,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("disabled_at", &self.disabled_at)
            .finish_non_exhaustive()
    }
}

/// An operator to be.
#[derive(Clone)]
pub struct NewOperator {
    /// The name by which the operator signs in.
    pub name: OperatorName,
    /// What the operator may.
    pub role: Role,
    /// What is kept of the password: a PHC string.
    pub password: String,
    /// Whether it has to be changed at the first sign-in.
    pub must_change: bool,
    /// The second factor, if there is to be one.
    pub factor: Option<NewFactor>,
}

/// What is changed of an operator.
#[derive(Clone)]
pub enum Change {
    /// What the operator may.
    Role(Role),
    /// What an operator changes of its own, in a session that goes on; all others end.
    Own {
        /// What was kept of the password that was shown: another one by now is not overtaken.
        former: String,
        /// What is kept of the new one, a PHC string.
        password: String,
        /// Another second factor.
        factor: Option<NewFactor>,
        /// The session in which it is changed.
        but: Digest,
    },
    /// What an operator is given by another who has lost its password or its second factor. All sessions and tokens end.
    Given {
        /// What is kept of the password, a PHC string.
        password: String,
        /// Whether it has to be changed at the next sign-in.
        must_change: bool,
        /// The second factor; none takes it away.
        factor: Option<NewFactor>,
    },
    /// Whether it may do nothing. All sessions end, and its programs' tokens with them.
    Disabled(bool),
}

/// A second factor to be.
#[derive(Clone)]
pub struct NewFactor {
    /// Its secret in base32.
    pub secret: String,
    /// Digests of codes for signing in once each without it; the former ones are good for nothing any more.
    pub recovery: Vec<Digest>,
}

/// Why an operator was not made or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unchanged {
    /// There is one of this name.
    #[error("there is an operator of this name")]
    Exists,
    /// There is none of this name.
    #[error("there is no operator of this name")]
    Unknown,
    /// Nobody would be left who may make others.
    #[error("it is the only admin that is left: make another one first")]
    LastAdmin,
    /// The password has been changed meanwhile, or the session in which it was to be changed has ended.
    #[error("somebody has changed it meanwhile: sign in anew")]
    Overtaken,
    /// The database does not answer, or not as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl People {
    /// All operators by name.
    pub async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        let query = operator::Entity::find().order_by_asc(operator::Column::Name);
        ask(query.all(&self.readers)).await?.into_iter().map(read).collect()
    }

    /// One of them.
    pub async fn operator(&self, name: &OperatorName) -> Result<Option<Operator>, StoreError> {
        let query = operator::Entity::find_by_id(name.as_str());
        ask(query.one(&self.readers)).await?.map(read).transpose()
    }

    /// Makes an operator; the act is recorded with it.
    pub async fn add(&self, new: &NewOperator, act: &Act) -> Result<(), Unchanged> {
        self.change(async |transaction| {
            if operator::Entity::find_by_id(new.name.as_str()).one(transaction).await?.is_some() {
                return Ok(Err(Unchanged::Exists));
            }
            let row = operator::ActiveModel {
                name: Set(new.name.to_string()),
                role: Set(new.role.as_str().to_owned()),
                password: Set(new.password.clone()),
                must_change: Set(new.must_change),
                second_factor: Set(new.factor.as_ref().map(|factor| factor.secret.clone())),
                last_step: Set(None),
                made_at: Set(act.at),
                made_by: Set(act.who.as_received().to_owned()),
                disabled_at: Set(None),
            };
            match operator::Entity::insert(row).exec_without_returning(transaction).await {
                Ok(_) => {}
                Err(error) if Fault::of(&error) == Fault::Duplicate => {
                    return Ok(Err(Unchanged::Exists));
                }
                Err(error) => return Err(error),
            }
            let codes = new.factor.as_ref().map_or(&[][..], |factor| &factor.recovery);
            renew_recovery(transaction, new.name.as_str(), codes).await?;
            add(transaction, act, Some(DONE)).await?;
            Ok(Ok(()))
        })
        .await
    }

    /// Changes an operator, and gives it as it was; the act is recorded with it. The last admin who may act stays one.
    pub async fn alter(
        &self,
        name: &OperatorName,
        change: &Change,
        act: &Act,
    ) -> Result<Operator, Unchanged> {
        self.change(async |transaction| {
            if may_take_an_admin(change) {
                lock_admins(transaction).await?;
            }
            let Some(former) = locked(transaction, name.as_str()).await? else {
                return Ok(Err(Unchanged::Unknown));
            };
            if !apply(transaction, &former, change, act.at).await? {
                return Ok(Err(Unchanged::Overtaken));
            }
            if is_admin(&former) && admins(transaction).await? == 0 {
                return Ok(Err(Unchanged::LastAdmin));
            }
            let before = Some(standing(&former).into());
            let act = Act { before, ..act.clone() };
            add(transaction, &act, Some(DONE)).await?;
            Ok(read(former).map_err(Unchanged::from))
        })
        .await
    }
}

/// Two who take an admin away at the same moment would each see the other's still there.
async fn lock_admins(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    operator::Entity::find()
        .filter(operator::Column::Role.eq(Role::Admin.as_str()))
        .order_by_asc(operator::Column::Name)
        .lock_exclusive()
        .all(transaction)
        .await
        .map(drop)
}

fn may_take_an_admin(change: &Change) -> bool {
    match change {
        Change::Role(_) | Change::Disabled(true) => true,
        Change::Own { .. } | Change::Given { .. } | Change::Disabled(false) => false,
    }
}

/// Changes the operator, and then ends what goes with it. `false`: that was overtaken.
async fn apply(
    transaction: &DatabaseTransaction,
    former: &operator::Model,
    change: &Change,
    at: i64,
) -> Result<bool, DbErr> {
    let name = former.name.as_str();
    let mut row = former.clone().into_active_model();
    match change {
        Change::Role(role) => row.role = Set(role.as_str().to_owned()),
        Change::Own { former: shown, password, factor, but } => {
            let goes_on = operator_session::Entity::find_by_id(hex(but)).one(transaction).await?;
            if former.password != *shown || former.disabled_at.is_some() || goes_on.is_none() {
                return Ok(false);
            }
            row.password = Set(password.clone());
            row.must_change = Set(false);
            if let Some(factor) = factor {
                renew_factor(transaction, &mut row, name, Some(factor)).await?;
            }
        }
        Change::Given { password, must_change, factor } => {
            row.password = Set(password.clone());
            row.must_change = Set(*must_change);
            renew_factor(transaction, &mut row, name, factor.as_ref()).await?;
        }
        Change::Disabled(true) => row.disabled_at = Set(Some(former.disabled_at.unwrap_or(at))),
        Change::Disabled(false) => row.disabled_at = Set(None),
    }
    operator::Entity::update(row).exec(transaction).await?;
    match change {
        Change::Own { but, .. } => end_sessions(transaction, name, Some(but)).await?,
        Change::Given { .. } | Change::Disabled(true) => {
            end_sessions(transaction, name, None).await?;
            operator_token::Entity::delete_many()
                .filter(operator_token::Column::Name.eq(name))
                .exec(transaction)
                .await?;
        }
        Change::Role(_) | Change::Disabled(false) => {}
    }
    Ok(true)
}

/// What an operator is, in words for the record of acts.
fn standing(row: &operator::Model) -> String {
    let disabled = if row.disabled_at.is_some() { ", disabled" } else { "" };
    format!("{}{disabled}", row.role)
}

async fn renew_factor(
    transaction: &DatabaseTransaction,
    row: &mut operator::ActiveModel,
    name: &str,
    factor: Option<&NewFactor>,
) -> Result<(), DbErr> {
    row.second_factor = Set(factor.map(|factor| factor.secret.clone()));
    row.last_step = Set(None);
    renew_recovery(transaction, name, factor.map_or(&[], |factor| &factor.recovery)).await
}

fn is_admin(row: &operator::Model) -> bool {
    row.role == Role::Admin.as_str() && row.disabled_at.is_none()
}

async fn admins(connection: &impl ConnectionTrait) -> Result<u64, DbErr> {
    operator::Entity::find()
        .filter(operator::Column::Role.eq(Role::Admin.as_str()))
        .filter(operator::Column::DisabledAt.is_null())
        .count(connection)
        .await
}

async fn renew_recovery(
    transaction: &DatabaseTransaction,
    name: &str,
    digests: &[Digest],
) -> Result<(), DbErr> {
    operator_recovery::Entity::delete_many()
        .filter(operator_recovery::Column::Name.eq(name))
        .exec(transaction)
        .await?;
    let rows = digests.iter().map(|digest| operator_recovery::ActiveModel {
        name: Set(name.to_owned()),
        digest: Set(hex(digest)),
        used_at: NotSet,
    });
    if digests.is_empty() {
        return Ok(());
    }
    operator_recovery::Entity::insert_many(rows).exec_without_returning(transaction).await.map(drop)
}

async fn end_sessions(
    transaction: &DatabaseTransaction,
    name: &str,
    but: Option<&Digest>,
) -> Result<(), DbErr> {
    let mut delete =
        operator_session::Entity::delete_many().filter(operator_session::Column::Name.eq(name));
    if let Some(but) = but {
        delete = delete.filter(operator_session::Column::Digest.ne(hex(but)));
    }
    delete.exec(transaction).await.map(drop)
}

/// Reads a row; one that was altered from outside so that it is no operator is damage.
pub(super) fn read(row: operator::Model) -> Result<Operator, StoreError> {
    let called = row.name;
    let damaged = |why: String| StoreError::Damaged { what: format!("operator {called:?}: {why}") };
    Ok(Operator {
        name: called.parse().map_err(|error| damaged(format!("{error}")))?,
        role: row.role.parse().map_err(|error| damaged(format!("{error}")))?,
        password: row.password,
        must_change: row.must_change,
        second_factor: row.second_factor,
        last_step: row.last_step,
        made_at: row.made_at,
        made_by: row.made_by.into(),
        disabled_at: row.disabled_at,
    })
}
