//! Transfers, their outcomes, their trails, operators' decisions and the leases of serials.

use sea_orm::sea_query::{ColumnDef, Index, OnConflict, Query, Table, TableCreateStatement};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_first_tables"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_connection().get_database_backend();
        for table in [transfer(), outcome(), open_transfer(), trail(), decision(), serial_lease()] {
            manager.create_table(for_backend(table, backend)).await?;
        }
        for (name, counter, account) in [
            ("transfer_from", Transfer::FromCounter, Transfer::FromAccount),
            ("transfer_to", Transfer::ToCounter, Transfer::ToAccount),
        ] {
            // MySQL knows no "if not exists" for an index.
            if !manager.has_index("transfer", name).await? {
                let index = Index::create()
                    .name(name)
                    .table(Transfer::Table)
                    .col(counter)
                    .col(account)
                    .col(Transfer::MasterSerial)
                    .to_owned();
                manager.create_index(index).await?;
            }
        }
        let first = Query::insert()
            .into_table(SerialLease::Table)
            .columns([SerialLease::Name, SerialLease::Next])
            .values_panic([crate::entity::serial_lease::TRANSFER.into(), 1_i64.into()])
            .on_conflict(
                OnConflict::column(SerialLease::Name).do_nothing_on([SerialLease::Name]).to_owned(),
            )
            .to_owned();
        manager.execute(first).await
    }
}

/// Case counts in accounts and days in text, whatever a server's defaults are.
fn for_backend(mut table: TableCreateStatement, backend: DbBackend) -> TableCreateStatement {
    if backend == DbBackend::MySql {
        table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
    }
    table
}

fn transfer() -> TableCreateStatement {
    Table::create()
        .table(Transfer::Table)
        .if_not_exists()
        .col(ColumnDef::new(Transfer::MasterSerial).big_integer().not_null().primary_key())
        .col(ColumnDef::new(Transfer::App).var_binary(64).not_null())
        .col(ColumnDef::new(Transfer::IdempotencyKey).var_binary(255).not_null())
        .col(ColumnDef::new(Transfer::Fingerprint).binary_len(32).not_null())
        .col(ColumnDef::new(Transfer::DebitSerial).big_integer().not_null())
        .col(ColumnDef::new(Transfer::CreditSerial).big_integer().not_null())
        .col(ColumnDef::new(Transfer::FromCounter).string_len(32).not_null())
        .col(ColumnDef::new(Transfer::FromAccount).string_len(25).not_null())
        .col(ColumnDef::new(Transfer::ToCounter).string_len(32).not_null())
        .col(ColumnDef::new(Transfer::ToAccount).string_len(25).not_null())
        .col(ColumnDef::new(Transfer::Amount).big_integer().not_null())
        .col(ColumnDef::new(Transfer::Currency).string_len(3).not_null())
        .col(ColumnDef::new(Transfer::DebitDay).integer().not_null())
        .col(ColumnDef::new(Transfer::CreditDay).integer().not_null())
        .col(ColumnDef::new(Transfer::CreditBarrier).boolean().not_null())
        .col(ColumnDef::new(Transfer::CreatedAt).big_integer().not_null())
        .col(ColumnDef::new(Transfer::DeadlineAt).big_integer().not_null())
        .index(
            Index::create()
                .unique()
                .name("transfer_app_key")
                .col(Transfer::App)
                .col(Transfer::IdempotencyKey),
        )
        .to_owned()
}

fn outcome() -> TableCreateStatement {
    Table::create()
        .table(Outcome::Table)
        .if_not_exists()
        .col(ColumnDef::new(Outcome::MasterSerial).big_integer().not_null().primary_key())
        .col(ColumnDef::new(Outcome::State).small_integer().not_null())
        .col(ColumnDef::new(Outcome::Reason).text())
        .col(ColumnDef::new(Outcome::FinishedAt).big_integer().not_null())
        .col(ColumnDef::new(Outcome::AnswerStatus).small_integer().not_null())
        .col(ColumnDef::new(Outcome::AnswerBody).blob().not_null())
        .to_owned()
}

fn open_transfer() -> TableCreateStatement {
    Table::create()
        .table(OpenTransfer::Table)
        .if_not_exists()
        .col(ColumnDef::new(OpenTransfer::MasterSerial).big_integer().not_null().primary_key())
        .col(ColumnDef::new(OpenTransfer::State).small_integer().not_null())
        .to_owned()
}

fn trail() -> TableCreateStatement {
    Table::create()
        .table(Trail::Table)
        .if_not_exists()
        .col(ColumnDef::new(Trail::MasterSerial).big_integer().not_null())
        .col(ColumnDef::new(Trail::Part).big_integer().not_null())
        .col(ColumnDef::new(Trail::Body).text().not_null())
        .primary_key(Index::create().col(Trail::MasterSerial).col(Trail::Part))
        .to_owned()
}

fn decision() -> TableCreateStatement {
    Table::create()
        .table(Decision::Table)
        .if_not_exists()
        .col(ColumnDef::new(Decision::MasterSerial).big_integer().not_null())
        .col(ColumnDef::new(Decision::At).big_integer().not_null())
        .col(ColumnDef::new(Decision::Who).var_binary(64).not_null())
        .col(ColumnDef::new(Decision::Decision).string_len(64).not_null())
        .col(ColumnDef::new(Decision::Note).text().not_null())
        .primary_key(
            Index::create().col(Decision::MasterSerial).col(Decision::At).col(Decision::Who),
        )
        .to_owned()
}

fn serial_lease() -> TableCreateStatement {
    Table::create()
        .table(SerialLease::Table)
        .if_not_exists()
        .col(ColumnDef::new(SerialLease::Name).string_len(32).not_null().primary_key())
        .col(ColumnDef::new(SerialLease::Next).big_integer().not_null())
        .to_owned()
}

// A migration is frozen; it names its tables itself, whatever the entities become.

#[derive(DeriveIden)]
enum Transfer {
    Table,
    MasterSerial,
    App,
    IdempotencyKey,
    Fingerprint,
    DebitSerial,
    CreditSerial,
    FromCounter,
    FromAccount,
    ToCounter,
    ToAccount,
    Amount,
    Currency,
    DebitDay,
    CreditDay,
    CreditBarrier,
    CreatedAt,
    DeadlineAt,
}

#[derive(DeriveIden)]
enum Outcome {
    Table,
    MasterSerial,
    State,
    Reason,
    FinishedAt,
    AnswerStatus,
    AnswerBody,
}

#[derive(DeriveIden)]
enum OpenTransfer {
    Table,
    MasterSerial,
    State,
}

#[derive(DeriveIden)]
enum Trail {
    Table,
    MasterSerial,
    Part,
    Body,
}

#[derive(DeriveIden)]
#[allow(clippy::enum_variant_names)]
enum Decision {
    Table,
    MasterSerial,
    At,
    Who,
    Decision,
    Note,
}

#[derive(DeriveIden)]
enum SerialLease {
    Table,
    Name,
    Next,
}
