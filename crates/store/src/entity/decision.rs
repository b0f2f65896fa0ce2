//! What operators decided; only added to. The key is transfer, moment and person, so that writing
//! a decision a second time after a lost connection adds nothing.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "decision")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) master_serial: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) at: i64,
    #[sea_orm(primary_key, auto_increment = false, column_type = "VarBinary(StringLen::N(64))")]
    pub(crate) who: Vec<u8>,
    pub(crate) decision: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) note: String,
    /// Over all other columns ([`crate::checksum`]); null in rows of earlier versions.
    pub(crate) checksum: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
