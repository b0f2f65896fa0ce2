//! Why a counter got nothing new, since when, and who let it again. Rows are added; the last three
//! columns are filled once.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "counter_hold")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) counter: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) held_at: i64,
    #[sea_orm(column_type = "Text")]
    pub(crate) why: String,
    /// The sequence that it said it had seen, where that was the reason.
    pub(crate) seen: Option<i64>,
    pub(crate) readmitted_at: Option<i64>,
    pub(crate) who: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) note: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
