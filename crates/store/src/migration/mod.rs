//! Brings the tables to this version: one list of migrations for every kind of database. Each is
//! written so that running it again, or beside another bridge that runs it too, does no harm.

mod m0001_first_tables;
mod m0002_accounts_in_portions;

use crate::fault::{Fault, describe};
use sea_orm::DatabaseConnection;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use std::time::Duration;

/// Two that migrate at once may fail each other; the loser finds the work done.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first_tables::Migration),
            Box::new(m0002_accounts_in_portions::Migration),
        ]
    }
}

/// Runs what has not been run. `connection` is a pool of one.
pub(crate) async fn run(connection: &DatabaseConnection) -> Result<(), (Fault, String)> {
    let mut attempt = 1;
    loop {
        match Migrator::up(connection, None).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt == ATTEMPTS => {
                return Err((Fault::of(&error), describe(&error)));
            }
            Err(error) => {
                tracing::debug!(error = %describe(&error), attempt, "migration will be tried again");
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Makes the tables as the first migrations left them.
#[cfg(test)]
pub(crate) async fn run_first(connection: &DatabaseConnection, migrations: u32) {
    Migrator::up(connection, Some(migrations)).await.expect("migrates");
}
