//! What persons proposed about counters that get nothing new, and what became of it. Rows are added; the last four
//! columns are filled once.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "readmission")]
pub(crate) struct Model {
    /// 32 hexadecimal digits: of all that whoever approves it is shown.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) counter: String,
    /// 32 hexadecimal digits: of the holds that were seen.
    pub(crate) version: String,
    pub(crate) move_serials: bool,
    pub(crate) who: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) note: String,
    pub(crate) at: i64,
    pub(crate) until: i64,
    pub(crate) ended_at: Option<i64>,
    /// `approved`, `withdrawn` or `overtaken`.
    pub(crate) ended: Option<String>,
    pub(crate) ended_by: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) ended_note: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
