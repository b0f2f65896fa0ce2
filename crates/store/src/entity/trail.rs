//! What happened to a transfer, part after part; only added to. The bodies are the coordinator's.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "trail")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) master_serial: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) part: i64,
    #[sea_orm(column_type = "Text")]
    pub(crate) body: String,
    /// Over all other columns ([`crate::checksum`]); null in rows of earlier versions.
    pub(crate) checksum: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
