//! The indexes by counters' own serials and by amount as sorted runs, packed, in the place of a row for each entry. What
//! was entered is entered anew by the journal, while the bridge runs.

use sea_orm::sea_query::{ColumnDef, Index, IntoIden, Table};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveIden};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0015_runs_of_terms"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let number = |name: Of| ColumnDef::new(name).big_integer().not_null().to_owned();
        let mut key = Index::create();
        for column in [Of::PortionNumber, Of::Kind, Of::FirstKey, Of::Part] {
            key.col(column.into_iden());
        }
        let mut run = Table::create()
            .table("term_run")
            .if_not_exists()
            .col(number(Of::PortionNumber))
            .col(ColumnDef::new(Of::Kind).small_integer().not_null())
            .col(number(Of::FirstKey))
            .col(number(Of::Part))
            .col(ColumnDef::new(Of::Body).blob().not_null())
            .col(number(Of::Checksum))
            .primary_key(&mut key)
            .to_owned();
        if manager.get_database_backend() == DbBackend::MySql {
            run.engine("InnoDB");
        }
        manager.create_table(run).await?;
        // As before the first of them: none is entered yet, and it is found meanwhile by going through what has ended. The
        // tables go first, so that at a server an earlier version enters nothing more in them and moves no reach.
        for sql in [
            "DROP TABLE IF EXISTS serial_entry",
            "DROP TABLE IF EXISTS amount_entry",
            "DELETE FROM term_portion",
            "UPDATE term_reach SET \
             oldest = (SELECT COALESCE(MAX(master_serial) + 1, 0) FROM outcome), \
             through = (SELECT COALESCE(MAX(portion_number), 1) - 1 FROM account_portion) \
             WHERE name = 'terms'",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}

// A migration is frozen; it names its tables itself, whatever the entities become.

#[derive(DeriveIden)]
enum Of {
    PortionNumber,
    Kind,
    FirstKey,
    Part,
    Body,
    Checksum,
}
