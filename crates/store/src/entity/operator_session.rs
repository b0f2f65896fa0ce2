//! A browser in which an operator is signed in: there is a row for as long as that may go on. That somebody signed in
//! or out is an act (`operator_act`).

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "operator_session")]
pub(crate) struct Model {
    /// SHA-256 of what the browser holds, in hexadecimal digits.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) digest: String,
    pub(crate) name: String,
    pub(crate) began_at: i64,
    pub(crate) seen_at: i64,
    pub(crate) address: String,
    pub(crate) agent: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
