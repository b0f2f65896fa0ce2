//! The row of an open transfer says from here on how many parts its trail has: of a row that is gone no
//! checksum tells. Those of earlier versions do not say it.

use sea_orm::sea_query::{ColumnDef, Table};
use sea_orm::{DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0007_parts_of_trails"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_column("open_transfer", "parts").await? {
            return Ok(());
        }
        let mut column = ColumnDef::new(OpenTransfer::Parts);
        column.integer().null();
        let table = Table::alter().table(OpenTransfer::Table).add_column(column).to_owned();
        manager.alter_table(table).await
    }
}

// A migration is frozen; it names its tables itself, whatever the entities become.

#[derive(DeriveIden)]
enum OpenTransfer {
    Table,
    Parts,
}
