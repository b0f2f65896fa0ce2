//! Alarms: what was raised, about what, how often it was said, who has acknowledged it, and how it closed.

use sea_orm::sea_query::{ColumnDef, Index, Table};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

/// Whatever is written twice, because the first answer was lost, is one row.
const RAISED_ONCE: &str = "alarm_raised_once";
/// Those that are open are few, however many there were.
const OPEN: &str = "alarm_open";

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0013_alarms"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create()
            .table(Alarm::Table)
            .if_not_exists()
            .col(ColumnDef::new(Alarm::Number).big_integer().not_null().primary_key())
            .col(ColumnDef::new(Alarm::Kind).string_len(32).not_null())
            .col(ColumnDef::new(Alarm::About).string_len(64).not_null())
            .col(ColumnDef::new(Alarm::Text).text().not_null())
            .col(ColumnDef::new(Alarm::Latest).text().not_null())
            .col(ColumnDef::new(Alarm::RaisedAt).big_integer().not_null())
            .col(ColumnDef::new(Alarm::LastAt).big_integer().not_null())
            .col(ColumnDef::new(Alarm::Times).big_integer().not_null())
            .col(ColumnDef::new(Alarm::AcknowledgedAt).big_integer().null())
            .col(ColumnDef::new(Alarm::AcknowledgedBy).string_len(64).null())
            .col(ColumnDef::new(Alarm::AcknowledgedNote).text().null())
            .col(ColumnDef::new(Alarm::AcknowledgedTimes).big_integer().null())
            .col(ColumnDef::new(Alarm::ClosedAt).big_integer().null())
            .col(ColumnDef::new(Alarm::ClosedBy).string_len(64).null())
            .col(ColumnDef::new(Alarm::ClosedNote).text().null())
            .col(ColumnDef::new(Alarm::Checksum).big_integer().not_null())
            .to_owned();
        if manager.get_connection().get_database_backend() == DbBackend::MySql {
            table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
        }
        manager.create_table(table).await?;
        // MySQL knows no `IF NOT EXISTS` for an index.
        if !manager.has_index("alarm", RAISED_ONCE).await? {
            let once = Index::create()
                .name(RAISED_ONCE)
                .table(Alarm::Table)
                .col(Alarm::Kind)
                .col(Alarm::About)
                .col(Alarm::RaisedAt)
                .unique()
                .to_owned();
            manager.create_index(once).await?;
        }
        if !manager.has_index("alarm", OPEN).await? {
            let open =
                Index::create().name(OPEN).table(Alarm::Table).col(Alarm::ClosedAt).to_owned();
            manager.create_index(open).await?;
        }
        Ok(())
    }
}

// A migration is frozen; it names its table itself, whatever the entity becomes.

#[derive(DeriveIden)]
enum Alarm {
    Table,
    Number,
    Kind,
    About,
    Text,
    Latest,
    RaisedAt,
    LastAt,
    Times,
    AcknowledgedAt,
    AcknowledgedBy,
    AcknowledgedNote,
    AcknowledgedTimes,
    ClosedAt,
    ClosedBy,
    ClosedNote,
    Checksum,
}
