//! The record gets a name, says how far each node has written to it, who may write at all, and what was
//! released after it had been behind. Rows get checksums; those of earlier versions have none.

use sea_orm::sea_query::{ColumnDef, Index, OnConflict, Query, Table, TableCreateStatement};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_where_the_record_ends"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let backend = connection.get_database_backend();
        for table in [identity(), position(), release(), lease()] {
            manager.create_table(for_backend(table, backend)).await?;
        }
        let record = crate::position::Id::random().hex();
        let named = Query::insert()
            .into_table(RecordIdentity::Table)
            .columns([RecordIdentity::Name, RecordIdentity::Id])
            .values_panic(["record".into(), record.into()])
            .on_conflict(
                OnConflict::column(RecordIdentity::Name)
                    .do_nothing_on([RecordIdentity::Name])
                    .to_owned(),
            )
            .to_owned();
        manager.execute(named).await?;
        let held = Query::insert()
            .into_table(ShardLease::Table)
            .columns([ShardLease::Shard, ShardLease::Epoch, ShardLease::Beat])
            .values_panic([0_i32.into(), 0_i64.into(), 0_i64.into()])
            .on_conflict(
                OnConflict::column(ShardLease::Shard).do_nothing_on([ShardLease::Shard]).to_owned(),
            )
            .to_owned();
        manager.execute(held).await?;
        for table in ["transfer", "outcome", "trail", "decision"] {
            if !manager.has_column(table, "checksum").await? {
                let sql = format!("ALTER TABLE {table} ADD COLUMN checksum BIGINT");
                connection.execute_unprepared(&sql).await?;
            }
        }
        Ok(())
    }
}

/// Case counts, whatever a server's defaults are.
fn for_backend(mut table: TableCreateStatement, backend: DbBackend) -> TableCreateStatement {
    if backend == DbBackend::MySql {
        table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
    }
    table
}

fn identity() -> TableCreateStatement {
    Table::create()
        .table(RecordIdentity::Table)
        .if_not_exists()
        .col(ColumnDef::new(RecordIdentity::Name).string_len(32).not_null().primary_key())
        .col(ColumnDef::new(RecordIdentity::Id).string_len(32).not_null())
        .to_owned()
}

fn position() -> TableCreateStatement {
    Table::create()
        .table(NodePosition::Table)
        .if_not_exists()
        .col(ColumnDef::new(NodePosition::Node).string_len(32).not_null().primary_key())
        .col(ColumnDef::new(NodePosition::Lineage).big_integer().not_null())
        .col(ColumnDef::new(NodePosition::Number).big_integer().not_null())
        .col(ColumnDef::new(NodePosition::Behind).text())
        .to_owned()
}

fn release() -> TableCreateStatement {
    Table::create()
        .table(RecordRelease::Table)
        .if_not_exists()
        .col(ColumnDef::new(RecordRelease::Node).string_len(32).not_null())
        .col(ColumnDef::new(RecordRelease::Lineage).big_integer().not_null())
        .col(ColumnDef::new(RecordRelease::At).big_integer().not_null())
        .col(ColumnDef::new(RecordRelease::Who).text().not_null())
        .col(ColumnDef::new(RecordRelease::Reason).text().not_null())
        .col(ColumnDef::new(RecordRelease::Missing).text().not_null())
        .col(ColumnDef::new(RecordRelease::DoubtedThrough).big_integer().not_null())
        .primary_key(Index::create().col(RecordRelease::Node).col(RecordRelease::Lineage))
        .to_owned()
}

fn lease() -> TableCreateStatement {
    Table::create()
        .table(ShardLease::Table)
        .if_not_exists()
        .col(ColumnDef::new(ShardLease::Shard).integer().not_null().primary_key())
        .col(ColumnDef::new(ShardLease::Epoch).big_integer().not_null())
        .col(ColumnDef::new(ShardLease::Beat).big_integer().not_null())
        .col(ColumnDef::new(ShardLease::Host).string_len(255))
        .col(ColumnDef::new(ShardLease::Boot).string_len(255))
        .col(ColumnDef::new(ShardLease::Pid).big_integer())
        .col(ColumnDef::new(ShardLease::ProcessStarted).big_integer())
        .col(ColumnDef::new(ShardLease::Since).big_integer())
        .to_owned()
}

// A migration is frozen; it names its tables itself, whatever the entities become.

#[derive(DeriveIden)]
enum RecordIdentity {
    Table,
    Name,
    Id,
}

#[derive(DeriveIden)]
enum NodePosition {
    Table,
    Node,
    Lineage,
    Number,
    Behind,
}

#[derive(DeriveIden)]
enum RecordRelease {
    Table,
    Node,
    Lineage,
    At,
    Who,
    Reason,
    Missing,
    DoubtedThrough,
}

#[derive(DeriveIden)]
enum ShardLease {
    Table,
    Shard,
    Epoch,
    Beat,
    Host,
    Boot,
    Pid,
    ProcessStarted,
    Since,
}
