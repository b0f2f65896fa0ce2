//! One row for each transfer that has not ended, so that recovery scans what is open and not what is
//! over. It is added with the transfer and marked as [`ENDED`] with its outcome; it goes when the
//! transfer is entered in the index of accounts.

use sea_orm::entity::prelude::*;

/// The state of a transfer that has ended and is not in the index of accounts yet. The numbers of
/// the others are those of [`crate::OpenState`].
pub(crate) const ENDED: i16 = 0;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "open_transfer")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) master_serial: i64,
    pub(crate) state: i16,
    /// How many parts its trail has in the table of trails; `None` if a version began it that did not
    /// count them.
    pub(crate) parts: Option<i32>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {
    #[sea_orm(
        belongs_to = "super::transfer::Entity",
        from = "Column::MasterSerial",
        to = "super::transfer::Column::MasterSerial"
    )]
    Transfer,
    #[sea_orm(
        belongs_to = "super::outcome::Entity",
        from = "Column::MasterSerial",
        to = "super::outcome::Column::MasterSerial"
    )]
    Outcome,
}

impl Related<super::transfer::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Transfer.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
