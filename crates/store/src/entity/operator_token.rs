//! By what a program of an operator's proves itself: there is a row for as long as it may.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "operator_token")]
pub(crate) struct Model {
    /// SHA-256 of the token, in hexadecimal digits.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) digest: String,
    /// Whose it is.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) label: String,
    pub(crate) role: String,
    pub(crate) made_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) seen_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
