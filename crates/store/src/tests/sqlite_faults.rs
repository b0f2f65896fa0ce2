//! A SQLite file that is locked, full or read-only while the journal runs: told plainly, nothing
//! lost, and over by itself.

use super::*;
use crate::{JournalHealth, StoreError};
use sea_orm::sqlx::SqliteConnection;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::Mutex;

async fn another(url: &str) -> SqliteConnection {
    let options: SqliteConnectOptions = url.parse().expect("a URL");
    options.connect().await.expect("another connection")
}

fn why(answer: &Answer) -> &str {
    match answer {
        Err(WriteError::Refused { why }) => why,
        other => panic!("{other:?} is no refusal"),
    }
}

/// Breaks a database, writes what is new and what was begun, mends it, and looks what came of it.
async fn survives(
    url: String,
    word: &str,
    break_it: impl AsyncFnOnce(&Journal),
    mend_it: impl AsyncFnOnce(&Journal),
) {
    let store = Store::open(&url).await.expect("opens");
    let journal = store.journal();
    let mut desk = Desk::of(&store);
    desk.record(vec![simple(1), simple(2)]).await;
    break_it(&journal).await;

    // In one batch: what is new is refused, what was begun is kept.
    let first = desk.submit(vec![
        simple(3),
        trail(master(1), 1, "debited"),
        end(master(1), FinalState::Completed),
    ]);
    let answer = desk.answers(&first[..1]).await.remove(0);
    assert!(why(&answer).contains(word), "{}", why(&answer));
    let mut health = journal.health();
    assert!(
        matches!(&*health.borrow(), JournalHealth::Failing { why, .. } if why.contains(word)),
        "{:?}",
        *health.borrow()
    );
    // What is new is refused at once from now on, and what was begun goes on being kept.
    let kept =
        desk.submit(vec![trail(master(2), 1, "debited"), end(master(2), FinalState::Reversed)]);
    let answer = desk.write(vec![simple(4)]).await.remove(0);
    assert!(is_refused(&answer));
    assert!(matches!(store.lease_serials(1).await, Err(StoreError::Unavailable { .. })));
    // Questions are answered meanwhile.
    assert_eq!(store.open_transfers(None, 10).await.expect("asks").len(), 2);

    mend_it(&journal).await;
    assert_eq!(desk.answers(&first[1..]).await, [Ok(()), Ok(())]);
    assert_eq!(desk.answers(&kept).await, [Ok(()), Ok(())]);
    patiently(journal.drain()).await;
    patiently(health.wait_for(|health| *health == JournalHealth::Ok)).await.expect("a journal");
    desk.record(vec![simple(5)]).await;
    assert!(store.lease_serials(1).await.is_ok());
    for refused in [3, 4] {
        assert_eq!(store.find(master(refused)).await.expect("asks"), None);
    }
    assert_eq!(store.trail(master(1)).await.expect("asks"), ["debited"]);
    let open = store.open_transfers(None, 10).await.expect("asks");
    assert_eq!(open.len(), 1, "only the last is open");
    store.close().await;
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

/// Health comes back even if nobody writes anything.
#[tokio::test]
async fn health_returns_by_itself() {
    on_sqlite(|url| async move {
        let store = Store::open(&url).await.expect("opens");
        let journal = store.journal();
        let mut desk = Desk::of(&store);
        journal.execute("PRAGMA query_only = ON").await.expect("a setting");
        assert!(is_refused(&desk.write(vec![simple(1)]).await[0]));
        let mut health = journal.health();
        let JournalHealth::Failing { since, .. } = health.borrow_and_update().clone() else {
            panic!("healthy");
        };
        // A further attempt fails and says since when.
        patiently(health.changed()).await.expect("a journal");
        assert!(
            matches!(&*health.borrow_and_update(), JournalHealth::Failing { since: s, .. } if *s == since)
        );
        journal.execute("PRAGMA query_only = OFF").await.expect("a setting");
        patiently(health.wait_for(|health| *health == JournalHealth::Ok)).await.expect("a journal");
        desk.record(vec![simple(1)]).await;
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
