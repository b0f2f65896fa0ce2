//! What two persons decide about a counter that gets nothing new.

use sea_orm::sea_query::{ColumnDef, Index, Table};
use sea_orm::{DbBackend, DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0009_readmissions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut readmission = Table::create()
            .table(Readmission::Table)
            .if_not_exists()
            .col(ColumnDef::new(Readmission::Id).string_len(32).not_null().primary_key())
            .col(ColumnDef::new(Readmission::Counter).string_len(32).not_null())
            .col(ColumnDef::new(Readmission::Version).string_len(32).not_null())
            .col(ColumnDef::new(Readmission::MoveSerials).boolean().not_null())
            .col(ColumnDef::new(Readmission::Who).string_len(64).not_null())
            .col(ColumnDef::new(Readmission::Note).text().not_null())
            .col(ColumnDef::new(Readmission::At).big_integer().not_null())
            .col(ColumnDef::new(Readmission::Until).big_integer().not_null())
            .col(ColumnDef::new(Readmission::EndedAt).big_integer().null())
            .col(ColumnDef::new(Readmission::Ended).string_len(16).null())
            .col(ColumnDef::new(Readmission::EndedBy).string_len(64).null())
            .col(ColumnDef::new(Readmission::EndedNote).text().null())
            .to_owned();
        if manager.get_database_backend() == DbBackend::MySql {
            readmission.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
        }
        manager.create_table(readmission).await?;
        // MySQL knows no `IF NOT EXISTS` for an index.
        if manager.has_index("readmission", "readmission_by_end").await? {
            return Ok(());
        }
        let by_end = Index::create()
            .name("readmission_by_end")
            .table(Readmission::Table)
            .col(Readmission::EndedAt)
            .to_owned();
        manager.create_index(by_end).await
    }
}

// A migration is frozen; it names its tables itself, whatever the entities become.

#[derive(DeriveIden)]
enum Readmission {
    Table,
    Id,
    Counter,
    Version,
    MoveSerials,
    Who,
    Note,
    At,
    Until,
    EndedAt,
    Ended,
    EndedBy,
    EndedNote,
}
