//! One row for each transfer that has ended. The primary key makes the first end the only one.
//! What is left to say of how it came to it is in `trail`: most transfers have no other.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outcome")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) master_serial: i64,
    pub(crate) state: i16,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) reason: Option<String>,
    pub(crate) finished_at: i64,
    pub(crate) answer_status: i16,
    #[sea_orm(column_type = "Blob")]
    pub(crate) answer_body: Vec<u8>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) trail: Option<String>,
    /// Over all other columns ([`crate::checksum`]); null in rows of earlier versions.
    pub(crate) checksum: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    #[sea_orm(
        belongs_to = "super::transfer::Entity",
        from = "Column::MasterSerial",
        to = "super::transfer::Column::MasterSerial"
    )]
    Transfer,
}

impl Related<super::transfer::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Transfer.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
