//! Why counters are held, and what persons said of it, in whatever script they write: on a server the table was made with
//! the database's own, which may know fewer letters.

use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0011_holds_in_any_script"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::MySql {
            return Ok(());
        }
        for table in ["counter_hold", "serial_lift"] {
            let sql =
                format!("ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}
