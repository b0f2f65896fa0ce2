//! What errors of real databases are taken for, and how they are told: by their numbers, whatever words
//! come with them.

use super::*;
use crate::address::Address;
use crate::connect;
use crate::fault::{self, Fault};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};

const UNDONE: &str = "an undone commit";
const DAMAGE: &str = "damage";
const NO_TABLE: &str = "a table that is missing";

/// What an error says beside its fault.
fn meaning(error: &DbErr) -> Vec<&'static str> {
    let all = [
        (Fault::commit_was_undone(error), UNDONE),
        (fault::is_damage(error), DAMAGE),
        (fault::lacks_table(error), NO_TABLE),
    ];
    all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, meaning)| meaning).collect()
}

async fn refused(connection: &DatabaseConnection, sql: &str) -> DbErr {
    connection.execute_unprepared(sql).await.expect_err(sql)
}

#[tokio::test]
async fn a_server_s_error_is_what_its_number_says() {
    on_mysql(|url| async move {
        let address = Address::parse(&url).expect("an address");
        let connection = connect::writer(&address);
        let cases: [(u32, &str, Fault, &[&str]); 13] = [
            (1205, "HY000", Fault::Contention, &[UNDONE]),
            (1213, "40001", Fault::Contention, &[UNDONE]),
            (1290, "HY000", Fault::Lost, &[UNDONE]),
            (1053, "08S01", Fault::Lost, &[]),
            (1158, "08S01", Fault::Lost, &[]),
            (1153, "08S01", Fault::Row, &[]),
            (1406, "22001", Fault::Row, &[]),
            (1062, "23000", Fault::Duplicate, &[]),
            (1180, "HY000", Fault::Down, &[]),
            (1194, "HY000", Fault::Down, &[DAMAGE]),
            (1712, "HY000", Fault::Down, &[DAMAGE]),
            (1146, "42S02", Fault::Down, &[NO_TABLE]),
            (1054, "42S22", Fault::Down, &[]),
        ];
        for (number, state, fault, means) in cases {
            let signal = format!(
                "SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'words'"
            );
            let error = refused(&connection, &signal).await;
            assert_eq!(fault::number(&error), Some(number), "{error}");
            assert_eq!((Fault::of(&error), meaning(&error)), (fault, means.to_vec()), "{number}");
            assert_eq!(fault::describe(&error), "words");
            let told = connect::explain(&address, &error);
            let expected = if fault == Fault::Lost {
                format!("{address} is gone: words")
            } else {
                "words".to_owned()
            };
            assert_eq!(told, expected, "{number}");
        }
        connection.close().await.expect("closes");
    })
    .await;
}

#[tokio::test]
async fn an_error_of_a_file_is_what_its_number_says() {
    on_sqlite(|url| async move {
        let address = Address::parse(&url).expect("an address");
        let connection = connect::writer(&address);
        let done = async |sql: &str| connection.execute_unprepared(sql).await.expect("done");
        done("CREATE TABLE one (x INTEGER PRIMARY KEY)").await;
        done("INSERT INTO one VALUES (1)").await;
        done("PRAGMA busy_timeout = 0").await;
        let insert = "INSERT INTO one VALUES (2)";
        let check = async |sql: &str, number: u32, fault, means: &[&str], told: &str| {
            let error = refused(&connection, sql).await;
            assert_eq!(fault::number(&error), Some(number), "{error}");
            assert_eq!((Fault::of(&error), meaning(&error)), (fault, means.to_vec()), "{sql}");
            assert_eq!(connect::explain(&address, &error), told);
        };
        let taken = "UNIQUE constraint failed: one.x";
        check("INSERT INTO one VALUES (1)", 1555, Fault::Duplicate, &[UNDONE], taken).await;
        check("SELECT * FROM two", 1, Fault::Down, &[NO_TABLE], "no such table: two").await;
        check("SELECT y FROM one", 1, Fault::Down, &[], "no such column: y").await;
        let options: sea_orm::sqlx::sqlite::SqliteConnectOptions = url.parse().expect("a URL");
        let mut other = options.connect().await.expect("another connection");
        other.execute("BEGIN IMMEDIATE").await.expect("a lock");
        let locked = "database is locked (by this very process)";
        check(insert, 5, Fault::Down, &[UNDONE], locked).await;
        other.close().await.expect("no lock");
        done("PRAGMA query_only = ON").await;
        let read_only = "attempt to write a readonly database";
        check(insert, 8, Fault::Down, &[UNDONE], read_only).await;
        connection.close().await.expect("closes");
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damage() {
    on_sqlite(|url| async move {
        let address = Address::parse(&url).expect("an address");
        std::fs::write(address.to_string(), "no database at all".repeat(99)).expect("a file");
        let connection = connect::writer(&address);
        let error = refused(&connection, "SELECT 1").await;
        assert_eq!(fault::number(&error), Some(26), "{error}");
        assert_eq!((Fault::of(&error), meaning(&error)), (Fault::Down, vec![DAMAGE]));
    })
    .await;
}
