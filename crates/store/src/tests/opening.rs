//! Opening: what goes wrong is said in words that help, and without the password.

use super::*;
use crate::address::Address;
use crate::{OpenError, connect};
use sea_orm::sqlx::Row;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;

async fn refusal(url: &str) -> OpenError {
    match patiently(Store::open(url)).await {
        Ok(_) => panic!("{url} opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn files_that_cannot_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| format!("sqlite://{}/{name}", folder.path().display());
    let fresh = Store::open(&at("made/on/the/way/bridge.sqlite")).await.expect("folders are made");
    fresh.close().await;

    std::fs::write(
        folder.path().join("text"),
        "not a database, but long enough to be one".repeat(9),
    )
    .expect("a file");
    assert!(matches!(refusal(&at("text")).await, OpenError::NotADatabase { .. }));
    assert!(matches!(refusal(&at("text/bridge.sqlite")).await, OpenError::CannotCreate { .. }));
    assert!(matches!(refusal(&at("made")).await, OpenError::CannotCreate { .. }));
    let read_only = refusal(&at("made/on/the/way/bridge.sqlite?mode=ro")).await;
    assert!(matches!(read_only, OpenError::ReadOnly { .. }), "{read_only}");
    let absent = refusal(&at("absent.sqlite?mode=rw")).await;
    assert!(matches!(absent, OpenError::CannotCreate { .. }), "{absent}");
    assert!(matches!(refusal("sqlite::memory:").await, OpenError::BadUrl { .. }));
}

#[tokio::test]
async fn a_file_that_another_holds() {
    on_sqlite(|url| async move {
        Store::open(&url).await.expect("opens").close().await;
        let options: SqliteConnectOptions = url.parse().expect("a URL");
        let mut other = options.connect().await.expect("another connection");
        other.execute("BEGIN IMMEDIATE").await.expect("a lock");
        let locked = refusal(&url).await;
        assert!(
            matches!(&locked, OpenError::Locked { by, .. } if by == "this very process"),
            "{locked}"
        );
        other.execute("ROLLBACK").await.expect("no lock");
        Store::open(&url).await.expect("opens now").close().await;
    })
    .await;
}

/// What stands in the way of the tables is told after a few tries.
#[tokio::test]
async fn a_file_with_anothers_tables() {
    on_sqlite(|url| async move {
        let options: SqliteConnectOptions = url.parse().expect("a URL");
        let mut other = options.create_if_missing(true).connect().await.expect("a file");
        other.execute("CREATE TABLE transfer (number INTEGER)").await.expect("a table");
        other.close().await.expect("closed");
        let refused = refusal(&url).await;
        assert!(matches!(refused, OpenError::Migration { .. }), "{refused}");
    })
    .await;
}

/// SQLite refuses at once who makes the file of another's transaction its own log's; whoever opens it
/// waits for the other as long as for any lock.
#[tokio::test]
async fn a_lock_that_sqlite_does_not_wait_for_is_waited_for() {
    on_sqlite(|url| async move {
        let options: SqliteConnectOptions = url.parse().expect("a URL");
        let mut other = options.create_if_missing(true).connect().await.expect("a file");
        other.execute("CREATE TABLE one (x)").await.expect("a table");
        other.execute("BEGIN IMMEDIATE").await.expect("a lock");
        let address = Address::parse(&url).expect("an address");
        let asked = std::time::Instant::now();
        let refused = connect::probe(&address).await;
        assert!(matches!(refused, Err(OpenError::Locked { .. })), "{refused:?}");
        assert!(asked.elapsed() >= connect::BUSY_TIMEOUT, "{:?}", asked.elapsed());
        other.execute("ROLLBACK").await.expect("no lock");
        connect::probe(&address).await.expect("it is free");
    })
    .await;
}

#[tokio::test]
async fn a_file_that_cannot_grow_may_do_so_later() {
    on_sqlite(|url| async move {
        let Address::Sqlite { path, options, durability } =
            Address::parse(&url).expect("an address")
        else {
            panic!("no file");
        };
        let options = options.pragma("max_page_count", "1");
        let refused = connect::probe(&Address::Sqlite { path, options, durability }).await;
        let refused = refused.expect_err("there is no room");
        assert!(matches!(refused, OpenError::Unavailable { .. }), "{refused}");
        assert!(refused.may_pass() && refused.to_string().contains("full"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn servers_that_cannot_be_used() {
    // A port that was free a moment ago.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let gone = refusal(&format!("mysql://me:s3cr3t@127.0.0.1:{port}/bridge")).await;
    assert!(matches!(gone, OpenError::Unreachable { .. }), "{gone}");
    assert!(!gone.to_string().contains("s3cr3t"), "{gone}");
    assert!(gone.to_string().contains(&format!("mysql://me@127.0.0.1:{port}/bridge")), "{gone}");

    let Ok(server) = std::env::var(SERVER) else {
        eprintln!("not run in full: {SERVER} is not set");
        return;
    };
    let server = server.trim_end_matches('/');
    let absent = refusal(&format!("{server}/store_test_absent")).await;
    assert!(matches!(absent, OpenError::NoSuchDatabase { .. }), "{absent}");
    let address = server.rsplit('@').next().expect("an address").trim_start_matches("mysql://");
    let stranger = refusal(&format!("mysql://stranger:s3cr3t@{address}/bridge")).await;
    assert!(matches!(stranger, OpenError::AccessDenied { .. }), "{stranger}");
    assert!(!stranger.to_string().contains("s3cr3t"), "{stranger}");
}

on_each_database!(of_several_that_open_a_new_database_at_once_one_gets_it);

async fn of_several_that_open_a_new_database_at_once_one_gets_it(url: String) {
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { Store::open(&url).await })
        })
        .collect();
    let mut opened = Vec::new();
    for store in opening {
        match store.await.expect("a task") {
            Ok(store) => opened.push(store),
            Err(OpenError::Held { by, .. }) => {
                assert!(by.starts_with(&format!("process {} ", std::process::id())), "{by}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(opened.len(), 1);
    Desk::of(&opened[0]).record(vec![simple(1)]).await;
    opened.remove(0).close().await;
    // Closed, it is free at once.
    let next = Store::open(&url).await.expect("opens");
    Desk::of(&next).record(vec![simple(2)]).await;
    next.close().await;
}

/// On a server, whoever comes while another brings the tables up to date waits for it, and touches nothing.
#[tokio::test]
async fn one_after_the_other_brings_the_tables_up_to_date() {
    on_mysql(|url| async move {
        let mut other = mysql_connection(&url).await;
        let lock = "CONCAT('counter-bridge ', MD5(DATABASE()))";
        let mut ask = async |sql: String| -> i64 {
            let row = other.fetch_one(sea_orm::sqlx::AssertSqlSafe(sql)).await.expect("an answer");
            row.get(0)
        };
        assert_eq!(ask(format!("SELECT GET_LOCK({lock}, 1)")).await, 1);
        let opening = tokio::spawn({
            let url = url.clone();
            async move { Store::open(&url).await }
        });
        let waiting = "SELECT COUNT(*) FROM information_schema.processlist \
                       WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE '%GET_LOCK%'";
        while ask(waiting.to_owned()).await == 0 {}
        let tables =
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()";
        assert_eq!(ask(tables.to_owned()).await, 0);
        assert_eq!(ask(format!("SELECT RELEASE_LOCK({lock})")).await, 1);
        let store = opening.await.expect("a task").expect("opens");
        // Whoever has migrated keeps nobody waiting.
        assert_eq!(ask(format!("SELECT IS_FREE_LOCK({lock})")).await, 1);
        store.close().await;
    })
    .await;
}
