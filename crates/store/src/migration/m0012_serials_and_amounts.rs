//! The indexes by counters' own serials and by amount, in portions, and how far they reach yet: what had ended before
//! there were any is entered by the journal, some at a time, while the bridge runs.

use sea_orm::sea_query::{ColumnDef, Index, IntoIden, Table, TableCreateStatement};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0012_serials_and_amounts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let backend = connection.get_database_backend();
        let number = |name: Of| ColumnDef::new(name).big_integer().not_null().to_owned();
        let mut serial = Table::create();
        serial
            .table("serial_entry")
            .col(number(Of::PortionNumber))
            .col(number(Of::SerialHash))
            .col(number(Of::MasterSerial));
        keyed(&mut serial, vec![Of::PortionNumber, Of::SerialHash, Of::MasterSerial]);
        let mut amount = Table::create();
        amount
            .table("amount_entry")
            .col(number(Of::PortionNumber))
            .col(number(Of::Amount))
            .col(ColumnDef::new(Of::Currency).string_len(3).not_null())
            .col(number(Of::MasterSerial));
        keyed(&mut amount, vec![Of::PortionNumber, Of::Amount, Of::Currency, Of::MasterSerial]);
        for mut table in [serial, amount] {
            table.if_not_exists();
            match backend {
                // Otherwise SQLite keeps such a key beside the table, and every row twice.
                DbBackend::Sqlite => table.extra("WITHOUT ROWID"),
                _ => table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin"),
            };
            manager.create_table(table).await?;
        }
        let portion = Table::create()
            .table("term_portion")
            .if_not_exists()
            .col(ColumnDef::new(Of::PortionNumber).big_integer().not_null().primary_key())
            .col(number(Of::Oldest))
            .col(number(Of::Newest))
            .to_owned();
        manager.create_table(portion).await?;
        let reach = Table::create()
            .table("term_reach")
            .if_not_exists()
            .col(ColumnDef::new(Of::Name).string_len(32).not_null().primary_key())
            .col(number(Of::Oldest))
            .col(number(Of::Through))
            .to_owned();
        manager.create_table(reach).await?;
        let insert = match backend {
            DbBackend::Sqlite => "INSERT OR IGNORE INTO",
            _ => "INSERT IGNORE INTO",
        };
        // Behind the newest that has ended: none is entered yet; 0 if there is none at all. What ends from now on is in
        // portions of accounts that are not begun yet, or in the last one: at a server an earlier version may be filling
        // it while this is done. What is entered twice is shown once.
        let sql = format!(
            "{insert} term_reach (name, oldest, through) \
             SELECT 'terms', (SELECT COALESCE(MAX(master_serial) + 1, 0) FROM outcome), \
             (SELECT COALESCE(MAX(portion_number), 1) - 1 FROM account_portion)"
        );
        connection.execute_unprepared(&sql).await.map(drop)
    }
}

/// Its whole row is its key.
fn keyed(table: &mut TableCreateStatement, columns: Vec<Of>) {
    let mut index = Index::create();
    for column in columns {
        index.col(column.into_iden());
    }
    table.primary_key(&mut index);
}

// A migration is frozen; it names its tables itself, whatever the entities become.

#[derive(DeriveIden)]
enum Of {
    PortionNumber,
    SerialHash,
    MasterSerial,
    Amount,
    Currency,
    Oldest,
    Newest,
    Name,
    Through,
}
