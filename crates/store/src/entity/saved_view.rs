//! A filter of the list of transfers that an operator keeps under a name. Rows are added, and deleted as they are.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "saved_view")]
pub(crate) struct Model {
    /// 32 hexadecimal digits, by chance.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) name: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) query: String,
    pub(crate) shared: bool,
    pub(crate) made_at: i64,
    pub(crate) checksum: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
