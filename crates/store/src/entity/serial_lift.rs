//! How the lease of serials was moved past what a counter had seen: the numbers in between were given
//! out by nobody whom this record knows.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "serial_lift")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) from_next: i64,
    pub(crate) to_next: i64,
    pub(crate) counter: String,
    pub(crate) day: i32,
    pub(crate) at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
