//! Serials: no number twice, whoever asks.

use super::*;
use crate::{Options, RecordStanding, StoreError};
use domain::serial::SerialError;

on_each_database!(
    two_who_ask_never_share_a_number,
    after_the_last_number_the_first_comes_round_when_nobody_has_it_any_more,
    a_lease_that_went_back_gives_out_nothing,
);

async fn two_who_ask_never_share_a_number(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut tasks = Vec::new();
    for store in [store.clone(), store] {
        for _ in 0..2 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let mut blocks = Vec::new();
                for count in 1..=20 {
                    blocks.push(store.lease_serials(count).await.expect("a block"));
                }
                blocks
            }));
        }
    }
    let mut numbers = Vec::new();
    for task in tasks {
        let blocks = task.await.expect("a task");
        assert!(blocks.is_sorted_by_key(|block| block.start), "later blocks are higher");
        numbers.extend(blocks.into_iter().flatten());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=4 * 210).collect::<Vec<u64>>());
}

async fn after_the_last_number_the_first_comes_round_when_nobody_has_it_any_more(url: String) {
    const MAX: u64 = Sequence::MAX;
    let store = Store::open(&url).await.expect("opens");
    assert_eq!(
        store.lease_serials(0).await,
        Err(StoreError::Serials(SerialError::SequenceOutOfRange(0)))
    );
    let mut desk = Desk::of(&store);
    // 1 and 2 have ended, 3 is open; all were accepted on 21 November.
    desk.record((1..=3).map(simple).collect()).await;
    desk.record((1..=2).map(|number| end(master(number), FinalState::Completed)).collect()).await;
    assert_eq!(store.lease_serials(MAX - 1).await, Ok(1..MAX));
    let over = store.lease_serials(2).await.expect("a block");
    assert_eq!(over, MAX..MAX + 2);
    assert_eq!(
        over.clone().map(|at| Sequence::of_ordinal(at).number()).collect::<Vec<_>>(),
        [MAX, 1]
    );
    let day = |text: &str| text.parse::<Day>().expect("a day");
    for (today, days, free) in [
        ("20261121", 0, false),
        ("20261128", 7, false),
        ("20261128", 6, true),
        ("20261127", 6, false),
        ("20270601", 100, true),
        ("20270601", 400, false),
    ] {
        assert_eq!(store.are_free(&over, day(today), days).await, Ok(free), "{today} {days}");
    }
    // What is open is not given out again, however old it is.
    let open = store.lease_serials(2).await.expect("a block");
    assert_eq!(store.are_free(&open, day("20990101"), 7).await, Ok(false));
    let later = store.lease_serials(10).await.expect("a block");
    assert_eq!(store.are_free(&later, day("20261121"), 7).await, Ok(true));
    store.close().await;
}

/// As after a fail-over that lost commits, or when a page with the lease was put back: the first
/// number below what this life was given shows it, before any batch does.
async fn a_lease_that_went_back_gives_out_nothing(url: String) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { position: Some(folder.path().join("position")) };
    let store = Store::open_with(&url, &options).await.expect("opens");
    assert_eq!(store.lease_serials(100).await, Ok(1..101));
    store.journal().execute("UPDATE serial_lease SET next = 51").await.expect("altered");
    let refused = store.lease_serials(100).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    let standing = store.standing().borrow().clone();
    assert!(matches!(standing, RecordStanding::Behind { .. }), "{standing:?}");
    store.close().await;
}
