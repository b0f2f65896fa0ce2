//! Brings the tables to this version: one list of migrations for every kind of database. Each is
//! written so that running it again, or beside another bridge that runs it too, does no harm.

mod m0001_first_tables;
mod m0002_accounts_in_portions;
mod m0003_marks;
mod m0004_where_the_record_ends;
mod m0005_counters_in_doubt;
mod m0006_lists_of_apps;
mod m0007_parts_of_trails;
mod m0008_people;
mod m0009_readmissions;
mod m0010_counters_on_hold;
mod m0011_holds_in_any_script;
mod m0012_serials_and_amounts;
mod m0013_alarms;
mod m0014_saved_views;
mod m0015_runs_of_terms;

use crate::address::Address;
use crate::connect;
use crate::error::OpenError;
use crate::fault::{self, Fault};
use crate::hold;
use crate::holder::who_holds;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Where nothing keeps two from migrating at once they may fail each other; the loser finds the work done.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Whoever waits for full tables to be changed is told so often how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// A server that says nothing for so long is looked at, and after so many looks left.
const SILENCE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });
const LOOKS: u32 = 3;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first_tables::Migration),
            Box::new(m0002_accounts_in_portions::Migration),
            Box::new(m0003_marks::Migration),
            Box::new(m0004_where_the_record_ends::Migration),
            Box::new(m0005_counters_in_doubt::Migration),
            Box::new(m0006_lists_of_apps::Migration),
            Box::new(m0007_parts_of_trails::Migration),
            Box::new(m0008_people::Migration),
            Box::new(m0009_readmissions::Migration),
            Box::new(m0010_counters_on_hold::Migration),
            Box::new(m0011_holds_in_any_script::Migration),
            Box::new(m0012_serials_and_amounts::Migration),
            Box::new(m0013_alarms::Migration),
            Box::new(m0014_saved_views::Migration),
            Box::new(m0015_runs_of_terms::Migration),
        ]
    }
}

/// How often a second is waited for another that migrates. The server of one that is gone without a word
/// keeps its lock for as long as it believes in the connection; whoever migrates then goes by tries.
const TURNS: u32 = 60;

/// Held on a server by the connection of the one that migrates; gone with that connection.
const LOCK: &str = "CONCAT('counter-bridge ', MD5(DATABASE()))";

/// Runs what has not been run. `connection` is a pool of one that may write.
pub(crate) async fn run(
    address: &Address,
    connection: &DatabaseConnection,
) -> Result<(), OpenError> {
    hold::before_records_were_held(address).await?;
    let has_lock = match address {
        // The file is held by this process.
        Address::Sqlite { .. } => false,
        Address::Mysql { .. } => {
            gets_lock(|| locked(connection, format!("SELECT GET_LOCK({LOCK}, 1)"))).await
        }
    };
    let result = run_patiently(address, connection).await;
    if has_lock {
        // Should it fail, the lock goes with the connection.
        let _ = locked(connection, format!("SELECT RELEASE_LOCK({LOCK})")).await;
    }
    result
}

/// Waits until no other bridge brings the tables of this database up to date; whether none begins to
/// before this one is done. `ask` waits a second for it. A cluster has no such locks, and a server that
/// is gone is found out about by what follows.
async fn gets_lock<A>(ask: impl Fn() -> A) -> bool
where
    A: Future<Output = Option<bool>>,
{
    for turn in 0..TURNS {
        match ask().await {
            Some(true) => return true,
            Some(false) => {
                if turn == 0 {
                    tracing::info!(
                        "waiting for another bridge, which brings the tables up to date"
                    );
                }
            }
            None => return false,
        }
    }
    tracing::warn!("another bridge does not get done with the tables: going on beside it");
    false
}

/// What a server answers of a lock, if it has any.
async fn locked(connection: &DatabaseConnection, sql: String) -> Option<bool> {
    let asked = Statement::from_string(connection.get_database_backend(), sql);
    let answer = tokio::time::timeout(SILENCE, connection.query_one_raw(asked)).await;
    let row = answer.ok()?.ok()??;
    row.try_get_by_index::<Option<i64>>(0).ok()?.map(|locked| locked == 1)
}

async fn run_patiently(
    address: &Address,
    connection: &DatabaseConnection,
) -> Result<(), OpenError> {
    let mut attempt = 1;
    loop {
        let error = match run_once(address, connection).await? {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let why = connect::explain(address, &error);
        if attempt == ATTEMPTS {
            return Err(refused(address, &error, why));
        }
        tracing::debug!(why, attempt, "migration will be tried again");
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Changing full tables takes as long as it takes, if the server is there: whether it is, another
/// connection finds out. That nothing has to be changed is known at once, or the server is silent.
async fn run_once(
    address: &Address,
    connection: &DatabaseConnection,
) -> Result<Result<(), DbErr>, OpenError> {
    let asking = Migrator::get_pending_migrations(connection);
    let pending: Vec<String> = match tokio::time::timeout(SILENCE, asking).await {
        Ok(Ok(pending)) => pending.iter().map(|one| one.name().to_owned()).collect(),
        Ok(Err(error)) => return Ok(Err(error)),
        Err(_) => return Err(failed(address, Fault::Lost, silence())),
    };
    let done = AtomicUsize::new(0);
    let up = async {
        for _ in &pending {
            Migrator::up(connection, Some(1)).await?;
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    tokio::select! {
        result = Box::pin(up) => Ok(result),
        why = is_gone(address) => Err(failed(address, Fault::Lost, why)),
        never = tell_of(&pending, &done) => match never {},
    }
}

/// Says again and again how far it is, where changing full tables takes long.
async fn tell_of(pending: &[String], done: &AtomicUsize) -> Infallible {
    let began = Instant::now();
    loop {
        tokio::time::sleep(TOLD_EVERY).await;
        let done = done.load(Ordering::Relaxed);
        if let Some(name) = pending.get(done) {
            let (of, seconds) = (pending.len(), began.elapsed().as_secs());
            tracing::info!("{}", how_far(name, done + 1, of, seconds));
        }
    }
}

fn how_far(name: &str, at: usize, of: usize, seconds: u64) -> String {
    // The number of a migration is of interest to nobody who waits for it.
    let what = name.split_once('_').map_or(name, |(_, words)| words).replace('_', " ");
    format!("bringing the tables up to date since {seconds} s: {at} of {of}, {what}")
}

/// Returns why, once a server has said nothing to anybody for a while. A file is not looked at: what
/// changes it is in this process.
async fn is_gone(address: &Address) -> String {
    if let Address::Sqlite { .. } = address {
        return std::future::pending().await;
    }
    looked_at_in_vain(|| connect::greet(address)).await.to_string()
}

/// Looks again and again; returns the last error when so many looks in a row have failed.
async fn looked_at_in_vain<T, E, L>(look: impl Fn() -> L) -> E
where
    L: Future<Output = Result<T, E>>,
{
    let mut left = LOOKS;
    loop {
        tokio::time::sleep(SILENCE).await;
        match look().await {
            Ok(_) => left = LOOKS,
            Err(error) => {
                left -= 1;
                if left == 0 {
                    return error;
                }
            }
        }
    }
}

fn silence() -> String {
    format!("no answer within {} s", SILENCE.as_secs())
}

/// A file that another writes to may be free later.
fn refused(address: &Address, error: &DbErr, why: String) -> OpenError {
    // SQLite's numbers for a lock of another process, and of another connection of this one.
    match (address, fault::number(error).map(|number| number & 0xff)) {
        (Address::Sqlite { path, .. }, Some(5 | 6)) => {
            OpenError::Locked { path: path.display().to_string(), by: who_holds(path) }
        }
        (Address::Sqlite { .. } | Address::Mysql { .. }, _) => {
            failed(address, Fault::of(error), why)
        }
    }
}

fn failed(address: &Address, fault: Fault, why: String) -> OpenError {
    let database = address.to_string();
    match fault {
        Fault::Lost | Fault::Contention => OpenError::Unavailable { database, why },
        Fault::Duplicate | Fault::Row | Fault::Down | Fault::Superseded => {
            OpenError::Migration { database, why }
        }
    }
}

/// Makes the tables as the first migrations left them.
#[cfg(test)]
pub(crate) async fn run_first(connection: &DatabaseConnection, migrations: u32) {
    Migrator::up(connection, Some(migrations)).await.expect("migrates");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Databases remember by these names what was done to them: under another it would be done again. Nor
    /// is any undone, for the record of money is not thrown away.
    #[test]
    fn migrations_keep_their_names() {
        let names: Vec<String> =
            Migrator::migrations().iter().map(|one| one.name().to_owned()).collect();
        let expected = [
            "m0001_first_tables",
            "m0002_accounts_in_portions",
            "m0003_marks",
            "m0004_where_the_record_ends",
            "m0005_counters_in_doubt",
            "m0006_lists_of_apps",
            "m0007_parts_of_trails",
            "m0008_people",
            "m0009_readmissions",
            "m0010_counters_on_hold",
            "m0011_holds_in_any_script",
            "m0012_serials_and_amounts",
            "m0013_alarms",
            "m0014_saved_views",
            "m0015_runs_of_terms",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn whoever_waits_for_full_tables_is_told_which() {
        let told = how_far("m0006_lists_of_apps", 1, 2, 4);
        assert_eq!(told, "bringing the tables up to date since 4 s: 1 of 2, lists of apps");
    }

    /// Whoever has gone without a word holds up nobody for ever.
    #[tokio::test]
    async fn the_lock_of_another_is_waited_for_so_long() {
        for (free_after, asked, has_lock) in
            [(0, 1, true), (59, 60, true), (60, 60, false), (u32::MAX, 60, false)]
        {
            let turns = Cell::new(0);
            let got = gets_lock(|| {
                turns.set(turns.get() + 1);
                std::future::ready(Some(turns.get() > free_after))
            });
            assert_eq!((got.await, turns.get()), (has_lock, asked), "free after {free_after}");
        }
        assert!(!gets_lock(|| std::future::ready(None)).await, "there are no locks");
    }

    /// Whoever meets another's lock may wait for it; what is wrong with the tables does not pass.
    #[tokio::test]
    async fn a_file_that_is_locked_may_be_free_later() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("bridge.sqlite").display());
        let address = Address::parse(&url).expect("an address");
        let writer = connect::writer(&address);
        let refusal = async |sql: &str| {
            let error = writer.execute_unprepared(sql).await.expect_err("it is refused");
            refused(&address, &error, "as a test wants".to_owned())
        };
        writer.execute_unprepared("CREATE TABLE one (x)").await.expect("a table");
        writer.execute_unprepared("PRAGMA busy_timeout = 0").await.expect("a setting");
        let again = refusal("CREATE TABLE one (x)").await;
        assert!(matches!(again, OpenError::Migration { .. }), "{again}");
        let other = connect::writer(&address);
        other.execute_unprepared("BEGIN IMMEDIATE").await.expect("a lock");
        let locked = refusal("INSERT INTO one VALUES (1)").await;
        assert!(matches!(locked, OpenError::Locked { .. }), "{locked}");
        other.close().await.expect("closes");
        writer.close().await.expect("closes");
    }

    /// One that was away for a moment is not given up.
    #[tokio::test(start_paused = true)]
    async fn a_server_is_gone_after_three_looks_in_a_row() {
        let (looks, began) = (Cell::new(0), Instant::now());
        let last = looked_at_in_vain(|| {
            looks.set(looks.get() + 1);
            std::future::ready(if looks.get() == 3 { Ok(()) } else { Err(looks.get()) })
        });
        assert_eq!(last.await, 6);
        assert_eq!(began.elapsed(), 6 * SILENCE);
        assert_eq!(silence(), format!("no answer within {} s", SILENCE.as_secs()));
    }
}
