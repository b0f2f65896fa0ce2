//! Counters that get nothing new because what they say is in doubt, and how far the lease of serials
//! was moved on their word.

use sea_orm::sea_query::{ColumnDef, Index, Table};
use sea_orm::{DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_counters_in_doubt"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let hold = Table::create()
            .table(CounterHold::Table)
            .if_not_exists()
            .col(ColumnDef::new(CounterHold::Counter).string_len(32).not_null())
            .col(ColumnDef::new(CounterHold::HeldAt).big_integer().not_null())
            .col(ColumnDef::new(CounterHold::Why).text().not_null())
            .col(ColumnDef::new(CounterHold::Seen).big_integer().null())
            .col(ColumnDef::new(CounterHold::ReadmittedAt).big_integer().null())
            .col(ColumnDef::new(CounterHold::Who).string_len(64).null())
            .col(ColumnDef::new(CounterHold::Note).text().null())
            .primary_key(Index::create().col(CounterHold::Counter).col(CounterHold::HeldAt))
            .to_owned();
        manager.create_table(hold).await?;
        let lift = Table::create()
            .table(SerialLift::Table)
            .if_not_exists()
            .col(ColumnDef::new(SerialLift::FromNext).big_integer().not_null().primary_key())
            .col(ColumnDef::new(SerialLift::ToNext).big_integer().not_null())
            .col(ColumnDef::new(SerialLift::Counter).string_len(32).not_null())
            .col(ColumnDef::new(SerialLift::Day).integer().not_null())
            .col(ColumnDef::new(SerialLift::At).big_integer().not_null())
            .to_owned();
        manager.create_table(lift).await
    }
}

// A migration is frozen; it names its tables itself, whatever the entities become.

#[derive(DeriveIden)]
enum CounterHold {
    Table,
    Counter,
    HeldAt,
    Why,
    Seen,
    ReadmittedAt,
    Who,
    Note,
}

#[derive(DeriveIden)]
enum SerialLift {
    Table,
    FromNext,
    ToNext,
    Counter,
    Day,
    At,
}
