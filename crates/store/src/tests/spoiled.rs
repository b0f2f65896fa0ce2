//! One write that the database cannot store, in a batch with others.

use super::*;
use crate::JournalHealth;

on_each_database!(what_cannot_be_stored_is_refused_alone);

/// What the database says to the transfer with the key `key-2`, and to it alone.
fn spoiled(url: &str) -> &'static str {
    if url.starts_with("sqlite") {
        "CREATE TEMP TRIGGER spoiled BEFORE INSERT ON transfer \
         WHEN NEW.idempotency_key = CAST('key-2' AS BLOB) \
         BEGIN SELECT RAISE(ABORT, 'as a test wants'); END"
    } else {
        "CREATE TRIGGER spoiled BEFORE INSERT ON transfer FOR EACH ROW \
         IF NEW.idempotency_key = 'key-2' THEN \
         SIGNAL SQLSTATE '22001' SET MYSQL_ERRNO = 1406, MESSAGE_TEXT = 'as a test wants'; \
         END IF"
    }
}

async fn what_cannot_be_stored_is_refused_alone(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let journal = store.journal();
    let mut desk = Desk::of(&store);
    desk.record(vec![simple(9)]).await;
    journal.execute(spoiled(&url)).await.expect("a trigger");
    let together = vec![simple(1), simple(2), simple(3), end(master(9), FinalState::Completed)];
    let answers = desk.write(together).await;
    for (write, is_spoiled) in [(0, false), (1, true), (2, false), (3, false)] {
        assert_eq!(is_refused(&answers[write]), is_spoiled, "{write}: {answers:?}");
        assert_eq!(answers[write].is_ok(), !is_spoiled, "{write}: {answers:?}");
    }
    let told = format!("{:?}", answers[1]);
    assert!(told.contains("as a test wants"), "{told}");
    let alone = desk.write(vec![simple(2)]).await;
    assert!(is_refused(&alone[0]), "{alone:?}");
    assert_eq!(*journal.health().borrow(), JournalHealth::Ok, "nothing is wrong with the database");
    let open = store.open_transfers(None, 10).await.expect("asks");
    assert_eq!(
        open.iter().map(|open| open.transfer.master).collect::<Vec<_>>(),
        [master(1), master(3)]
    );
    store.close().await;
}
