//! Serials: no number twice, whoever asks.

use super::*;
use crate::{Options, RecordStanding, StoreError};
use domain::serial::SerialError;

on_each_database!(
    two_who_ask_never_share_a_number,
    the_last_number_is_the_last,
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

async fn the_last_number_is_the_last(url: String) {
    let store = Store::open(&url).await.expect("opens");
    assert_eq!(
        store.lease_serials(0).await,
        Err(StoreError::Serials(SerialError::SequenceOutOfRange(0)))
    );
    assert_eq!(store.lease_serials(99_999_999_990).await, Ok(1..99_999_999_991));
    assert!(matches!(store.lease_serials(10).await, Err(StoreError::Serials(_))));
    assert_eq!(store.lease_serials(9).await, Ok(99_999_999_991..100_000_000_000));
    assert!(matches!(store.lease_serials(1).await, Err(StoreError::Serials(_))));
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
