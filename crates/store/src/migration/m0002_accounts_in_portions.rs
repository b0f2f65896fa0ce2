//! The index of accounts becomes a table of its own, in portions, and the last part of a trail goes
//! with the outcome: a transfer then touches pages that are being filled, and hardly any other.

use sea_orm::sea_query::{ColumnDef, Index, Table};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_accounts_in_portions"
    }
}

/// The portion of the transfers that had ended before there were any.
const FIRST_PORTION: i64 = 1;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let backend = connection.get_database_backend();
        if !manager.has_column("outcome", "trail").await? {
            let mut column = ColumnDef::new(Outcome::Trail);
            column.text();
            let table = Table::alter().table(Outcome::Table).add_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        let mut entry = Table::create();
        entry
            .table(AccountEntry::Table)
            .if_not_exists()
            .col(ColumnDef::new(AccountEntry::PortionNumber).big_integer().not_null())
            .col(ColumnDef::new(AccountEntry::Account).string_len(25).not_null())
            .col(ColumnDef::new(AccountEntry::Counter).string_len(32).not_null())
            .col(ColumnDef::new(AccountEntry::MasterSerial).big_integer().not_null())
            .primary_key(
                Index::create()
                    .col(AccountEntry::PortionNumber)
                    .col(AccountEntry::Account)
                    .col(AccountEntry::Counter)
                    .col(AccountEntry::MasterSerial),
            );
        match backend {
            // Otherwise SQLite keeps such a key beside the table, and every row twice.
            DbBackend::Sqlite => entry.extra("WITHOUT ROWID"),
            // Case counts in accounts, whatever a server's defaults are.
            _ => entry.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin"),
        };
        manager.create_table(entry).await?;
        let portion = Table::create()
            .table(AccountPortion::Table)
            .if_not_exists()
            .col(
                ColumnDef::new(AccountPortion::PortionNumber)
                    .big_integer()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(AccountPortion::Oldest).big_integer().not_null())
            .col(ColumnDef::new(AccountPortion::Newest).big_integer().not_null())
            .to_owned();
        manager.create_table(portion).await?;
        // Once the old indexes are gone all that had ended is entered.
        if manager.has_index("transfer", "transfer_from").await? {
            enter_what_has_ended(connection).await?;
        }
        for name in ["transfer_to", "transfer_from"] {
            if manager.has_index("transfer", name).await? {
                let index = Index::drop().name(name).table(Transfer::Table).to_owned();
                manager.drop_index(index).await?;
            }
        }
        Ok(())
    }
}

/// Both rows of every transfer that has ended, as one portion.
async fn enter_what_has_ended<C: ConnectionTrait>(connection: &C) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    let insert = match backend {
        DbBackend::Sqlite => "INSERT OR IGNORE INTO",
        _ => "INSERT IGNORE INTO",
    };
    for side in ["from", "to"] {
        let entries = format!(
            "{insert} account_entry (portion_number, account, counter, master_serial) \
             SELECT {FIRST_PORTION}, t.{side}_account, t.{side}_counter, t.master_serial \
             FROM transfer t JOIN outcome o ON o.master_serial = t.master_serial \
             ORDER BY 2, 3, 4"
        );
        connection.execute_unprepared(&entries).await?;
    }
    let portion = format!(
        "{insert} account_portion (portion_number, oldest, newest) \
         SELECT {FIRST_PORTION}, MIN(master_serial), MAX(master_serial) \
         FROM outcome HAVING COUNT(*) > 0"
    );
    connection.execute_unprepared(&portion).await.map(drop)
}

// A migration is frozen; it names its tables itself, whatever the entities become.

#[derive(DeriveIden)]
enum Transfer {
    Table,
}

#[derive(DeriveIden)]
enum Outcome {
    Table,
    Trail,
}

#[derive(DeriveIden)]
enum AccountEntry {
    Table,
    PortionNumber,
    Account,
    Counter,
    MasterSerial,
}

#[derive(DeriveIden)]
enum AccountPortion {
    Table,
    PortionNumber,
    Oldest,
    Newest,
}
