//! Counters that operators keep from new transfers: since when, who, why, and who let them go on.

use sea_orm::sea_query::{ColumnDef, Index, Table};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

/// At most one hold of a counter is in force: `released_at` is 0 until it is released.
const ONE_EACH: &str = "hold_in_force";

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0010_counters_on_hold"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create()
            .table(OperatorHold::Table)
            .if_not_exists()
            .col(ColumnDef::new(OperatorHold::Counter).string_len(32).not_null())
            .col(ColumnDef::new(OperatorHold::HeldAt).big_integer().not_null())
            .col(ColumnDef::new(OperatorHold::Kind).string_len(16).not_null())
            .col(ColumnDef::new(OperatorHold::Who).string_len(64).not_null())
            .col(ColumnDef::new(OperatorHold::Note).text().not_null())
            .col(ColumnDef::new(OperatorHold::ReleasedAt).big_integer().not_null())
            .col(ColumnDef::new(OperatorHold::ReleasedBy).string_len(64).null())
            .col(ColumnDef::new(OperatorHold::ReleaseNote).text().null())
            .primary_key(Index::create().col(OperatorHold::Counter).col(OperatorHold::HeldAt))
            .to_owned();
        if manager.get_connection().get_database_backend() == DbBackend::MySql {
            table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
        }
        manager.create_table(table).await?;
        // MySQL knows no `IF NOT EXISTS` for an index.
        if manager.has_index("operator_hold", ONE_EACH).await? {
            return Ok(());
        }
        let one_each = Index::create()
            .name(ONE_EACH)
            .table(OperatorHold::Table)
            .col(OperatorHold::Counter)
            .col(OperatorHold::ReleasedAt)
            .unique()
            .to_owned();
        manager.create_index(one_each).await
    }
}

// A migration is frozen; it names its table itself, whatever the entity becomes.

#[derive(DeriveIden)]
enum OperatorHold {
    Table,
    Counter,
    HeldAt,
    Kind,
    Who,
    Note,
    ReleasedAt,
    ReleasedBy,
    ReleaseNote,
}
