//! One row for each transfer that was ever accepted; never changed, never removed.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transfer")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) master_serial: i64,
    /// Bytes, like the key: compared exactly, case and trailing spaces included.
    #[sea_orm(column_type = "VarBinary(StringLen::N(64))")]
    pub(crate) app: Vec<u8>,
    #[sea_orm(column_type = "VarBinary(StringLen::N(255))")]
    pub(crate) idempotency_key: Vec<u8>,
    #[sea_orm(column_type = "Binary(32)")]
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) debit_serial: i64,
    pub(crate) credit_serial: i64,
    pub(crate) from_counter: String,
    pub(crate) from_account: String,
    pub(crate) to_counter: String,
    pub(crate) to_account: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) debit_day: i32,
    pub(crate) credit_day: i32,
    pub(crate) credit_barrier: bool,
    pub(crate) created_at: i64,
    pub(crate) deadline_at: i64,
    /// The 64 bits of its mark; null in rows of earlier versions.
    pub(crate) mark: Option<i64>,
    /// Over all other columns ([`crate::checksum`]); null in rows of earlier versions.
    pub(crate) checksum: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    #[sea_orm(has_one = "super::outcome::Entity")]
    Outcome,
    #[sea_orm(has_one = "super::open_transfer::Entity")]
    OpenTransfer,
}

impl Related<super::outcome::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Outcome.def()
    }
}

impl Related<super::open_transfer::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::OpenTransfer.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
