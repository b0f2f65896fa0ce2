//! The index of accounts: two rows for each transfer that has ended, one for either side. Rows of one
//! portion lie together, and a transfer is entered in the portion that is being filled, so that what
//! is written at one time touches few pages however many accounts there are.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_entry")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) portion_number: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) account: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) counter: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) master_serial: i64,
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

impl ActiveModelBehavior for ActiveModel {}
