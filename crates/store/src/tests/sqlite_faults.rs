//! A SQLite file that is locked, full or read-only while the journal runs: told plainly, nothing
//! lost, and over by itself.

use super::waited_out::{returns_by_itself, survives};
use super::*;
use sea_orm::sqlx::SqliteConnection;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::Mutex;

async fn another(url: &str) -> SqliteConnection {
    let options: SqliteConnectOptions = url.parse().expect("a URL");
    options.connect().await.expect("another connection")
}

#[tokio::test]
async fn a_lock_of_another_is_waited_out() {
    on_sqlite(|url| async move {
        let (to, other) = (url.clone(), Mutex::new(None));
        survives(
            url,
            "locked (by this very process)",
            async |_| {
                let mut connection = another(&to).await;
                connection.execute("BEGIN IMMEDIATE").await.expect("a lock");
                other.lock().await.replace(connection);
            },
            async |_| {
                let connection = other.lock().await.take().expect("a connection");
                connection.close().await.expect("no lock");
            },
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_is_waited_out() {
    on_sqlite(|url| {
        survives(
            url,
            "full",
            async |journal| {
                // SQLite raises a limit below the file's length to it.
                journal.execute("PRAGMA max_page_count = 1").await.expect("a limit");
                // The pages that are there have room for a little.
                fill(journal).await;
            },
            async |journal| {
                journal.execute("PRAGMA max_page_count = 100000").await.expect("no limit");
            },
        )
    })
    .await;
}

/// Uses up the room in the pages that are there.
async fn fill(journal: &Journal) {
    let sql = "INSERT INTO trail (master_serial, part, body) \
               SELECT 0, COALESCE(MAX(part), 0) + 1, 'filler' FROM trail WHERE master_serial = 0";
    while journal.execute(sql).await.is_ok() {}
    let sql = "INSERT INTO open_transfer (master_serial, state) \
               SELECT -1 - COUNT(*), 1 FROM open_transfer";
    while journal.execute(sql).await.is_ok() {}
}

#[tokio::test]
async fn a_read_only_database_is_waited_out() {
    on_sqlite(|url| {
        survives(
            url,
            "readonly",
            async |journal| journal.execute("PRAGMA query_only = ON").await.expect("a setting"),
            async |journal| journal.execute("PRAGMA query_only = OFF").await.expect("a setting"),
        )
    })
    .await;
}

#[tokio::test]
async fn health_returns_by_itself() {
    on_sqlite(|url| {
        returns_by_itself(
            url,
            async |journal| journal.execute("PRAGMA query_only = ON").await.expect("a setting"),
            async |journal| journal.execute("PRAGMA query_only = OFF").await.expect("a setting"),
        )
    })
    .await;
}

/// If the database works again by the time the journal ends, what was kept is written all the same.
#[tokio::test]
async fn what_was_kept_is_written_at_the_end() {
    on_sqlite(|url| async move {
        let store = Store::open(&url).await.expect("opens");
        let journal = store.journal();
        let mut desk = Desk::of(&store);
        desk.record(vec![simple(1)]).await;
        journal.execute("PRAGMA query_only = ON").await.expect("a setting");
        assert!(is_refused(&desk.write(vec![simple(2)]).await[0]));
        let kept = desk.submit(vec![end(master(1), FinalState::Completed)]);
        // Both are said before the next attempt.
        let mended = journal.execute("PRAGMA query_only = OFF");
        let (mended, ()) = tokio::join!(mended, store.close());
        mended.expect("a setting");
        assert_eq!(desk.answers(&kept).await, [Ok(())]);
        let store = Store::open(&url).await.expect("opens again");
        assert_eq!(store.open_transfers(None, 10).await.expect("asks").len(), 0);
        store.close().await;
    })
    .await;
}

/// Ending while the database fails does not hang, and what was kept is not called recorded.
#[tokio::test]
async fn closing_while_failing_ends() {
    on_sqlite(|url| async move {
        let store = Store::open(&url).await.expect("opens");
        let mut desk = Desk::of(&store);
        desk.record(vec![simple(1)]).await;
        store.journal().execute("PRAGMA query_only = ON").await.expect("a setting");
        assert!(is_refused(&desk.write(vec![simple(2)]).await[0]));
        desk.submit(vec![end(master(1), FinalState::Completed)]);
        patiently(store.close()).await;
        drop(desk.done);
        assert_eq!(desk.answers.recv().await, None);
        let store = Store::open(&url).await.expect("opens again");
        assert_eq!(store.open_transfers(None, 10).await.expect("asks").len(), 1);
        store.close().await;
    })
    .await;
}
