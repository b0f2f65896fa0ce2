//! A counter that an operator keeps from new transfers, or kept. Rows are added; the last three columns
//! are filled once.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "operator_hold")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) counter: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) held_at: i64,
    /// `hold` or `drain`.
    pub(crate) kind: String,
    pub(crate) who: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) note: String,
    /// 0 while it is in force.
    pub(crate) released_at: i64,
    pub(crate) released_by: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) release_note: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
