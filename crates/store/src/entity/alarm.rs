//! An alarm, open or closed. Rows are added; how often it was said changes while it is open, and who has acknowledged and
//! closed it is filled once.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "alarm")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) number: i64,
    pub(crate) kind: String,
    /// Empty, `counter:` and an id, or `transfer:` and a serial.
    pub(crate) about: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) text: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) latest: String,
    pub(crate) raised_at: i64,
    pub(crate) last_at: i64,
    pub(crate) times: i64,
    pub(crate) acknowledged_at: Option<i64>,
    pub(crate) acknowledged_by: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) acknowledged_note: Option<String>,
    pub(crate) acknowledged_times: Option<i64>,
    /// None while it is open.
    pub(crate) closed_at: Option<i64>,
    /// None while it is open, and where it closed by itself.
    pub(crate) closed_by: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) closed_note: Option<String>,
    pub(crate) checksum: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
