//! What an operator did. Rows are added; the outcome is filled once.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "operator_act")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) number: i64,
    pub(crate) at: i64,
    pub(crate) who: String,
    /// Whereby: which session, which token, or the machine itself.
    pub(crate) by: String,
    pub(crate) act: String,
    pub(crate) about: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) before: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) after: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) reason: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) outcome: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
