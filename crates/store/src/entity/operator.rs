//! A person of the operators' side. The only rows of this database that are changed in place: whatever is done to one
//! is an act of its own (`operator_act`).

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "operator")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) name: String,
    pub(crate) role: String,
    /// Of the password, in the format of PHC strings.
    #[sea_orm(column_type = "Text")]
    pub(crate) password: String,
    pub(crate) must_change: bool,
    /// The secret of the second factor in base32; null until there is one.
    pub(crate) second_factor: Option<String>,
    /// The step of the last code that was taken: none is taken twice.
    pub(crate) last_step: Option<i64>,
    pub(crate) made_at: i64,
    pub(crate) made_by: String,
    pub(crate) disabled_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
