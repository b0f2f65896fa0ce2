//! Every transfer carries a mark of 64 random bits from here on. Rows of earlier versions have none.

use sea_orm::sea_query::{ColumnDef, Table};
use sea_orm::{DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_marks"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_column("transfer", "mark").await? {
            return Ok(());
        }
        let mut column = ColumnDef::new(Transfer::Mark);
        column.big_integer().null();
        let table = Table::alter().table(Transfer::Table).add_column(column).to_owned();
        manager.alter_table(table).await
    }
}

// A migration is frozen; it names its tables itself, whatever the entities become.

#[derive(DeriveIden)]
enum Transfer {
    Table,
    Mark,
}
