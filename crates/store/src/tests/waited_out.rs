//! A database that fails while the journal runs, whatever it is and however it is broken: told plainly,
//! nothing lost, and over by itself.

use super::*;
use crate::{JournalHealth, StoreError};

fn why(answer: &Answer) -> &str {
    match answer {
        Err(WriteError::Refused { why }) => why,
        other => panic!("{other:?} is no refusal"),
    }
}

/// Breaks a database, writes what is new and what was begun, mends it, and looks what came of it.
pub(super) async fn survives(
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
        trail(master(1), 0, "debited"),
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
        desk.submit(vec![trail(master(2), 0, "debited"), end(master(2), FinalState::Reversed)]);
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
    desk.record(vec![trail(master(5), 0, "debited"), trail(master(5), 1, "credited")]).await;
    let open = store.open_transfers(None, 10).await.expect("asks");
    assert_eq!((open[0].next_part, &open[0].damage), (2, &None));
    store.close().await;
}

/// Health comes back even if nobody writes anything, and not before the database works.
pub(super) async fn returns_by_itself(
    url: String,
    break_it: impl AsyncFnOnce(&Journal),
    mend_it: impl AsyncFnOnce(&Journal),
) {
    let store = Store::open(&url).await.expect("opens");
    let journal = store.journal();
    let mut desk = Desk::of(&store);
    break_it(&journal).await;
    let told = |number| Write { trail: Some((0, "accepted".to_owned())), ..simple(number) };
    assert!(is_refused(&desk.write(vec![told(1)]).await[0]));
    let mut health = journal.health();
    let JournalHealth::Failing { since, .. } = health.borrow_and_update().clone() else {
        panic!("healthy");
    };
    // A further attempt fails and says since when.
    patiently(health.changed()).await.expect("a journal");
    assert!(
        matches!(&*health.borrow_and_update(), JournalHealth::Failing { since: s, .. } if *s == since)
    );
    mend_it(&journal).await;
    patiently(health.wait_for(|health| *health == JournalHealth::Ok)).await.expect("a journal");
    desk.record(vec![told(1)]).await;
    store.close().await;
}
