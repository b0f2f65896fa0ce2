//! The index of what has ended by app and state, and how far back it reaches yet: what had ended before
//! there was one is entered in portions, by the journal, while the bridge runs.

use sea_orm::sea_query::{ColumnDef, Index, Table};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0006_lists_of_apps"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let backend = connection.get_database_backend();
        let mut entry = Table::create();
        entry
            .table(EndedEntry::Table)
            .if_not_exists()
            .col(ColumnDef::new(EndedEntry::App).var_binary(64).not_null())
            .col(ColumnDef::new(EndedEntry::State).small_integer().not_null())
            .col(ColumnDef::new(EndedEntry::MasterSerial).big_integer().not_null())
            .primary_key(
                Index::create()
                    .col(EndedEntry::App)
                    .col(EndedEntry::State)
                    .col(EndedEntry::MasterSerial),
            );
        match backend {
            // Otherwise SQLite keeps such a key beside the table, and every row twice.
            DbBackend::Sqlite => entry.extra("WITHOUT ROWID"),
            _ => entry.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin"),
        };
        manager.create_table(entry).await?;
        let reach = Table::create()
            .table(EndedReach::Table)
            .if_not_exists()
            .col(ColumnDef::new(EndedReach::Name).string_len(32).not_null().primary_key())
            .col(ColumnDef::new(EndedReach::Oldest).big_integer().not_null())
            .to_owned();
        manager.create_table(reach).await?;
        let insert = match backend {
            DbBackend::Sqlite => "INSERT OR IGNORE INTO",
            _ => "INSERT IGNORE INTO",
        };
        // Behind the newest that has ended: none is entered yet. 0 if there is none at all.
        let sql = format!(
            "{insert} ended_reach (name, oldest) \
             SELECT 'ended', COALESCE(MAX(master_serial) + 1, 0) FROM outcome"
        );
        connection.execute_unprepared(&sql).await.map(drop)
    }
}

// A migration is frozen; it names its tables itself, whatever the entities become.

#[derive(DeriveIden)]
enum EndedEntry {
    Table,
    App,
    State,
    MasterSerial,
}

#[derive(DeriveIden)]
enum EndedReach {
    Table,
    Name,
    Oldest,
}
