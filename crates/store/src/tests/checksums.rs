//! Rows that somebody altered: named, and never served.

use super::*;
use crate::{ListFilter, Reader, StoreError};

on_each_database!(
    no_altered_row_is_served,
    a_part_of_a_trail_that_is_missing_is_named,
    rows_without_a_checksum_are_taken,
    what_is_open_and_cannot_be_read_hides_no_other,
);

fn is_damaged<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Corrupt { .. }))
}

async fn filled(url: &str) -> Store {
    let store = Store::open(url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record((1..=6).map(simple).collect()).await;
    for number in 1..=3 {
        let ended = Write {
            trail: Some((1, "last".to_owned())),
            ..end(master(number), FinalState::Reversed)
        };
        desk.record(vec![trail(master(number), 0, "first"), ended]).await;
    }
    desk.record(vec![trail(master(5), 0, "debited"), decision(master(5), 7, "ann", "resume")])
        .await;
    store
}

async fn no_altered_row_is_served(url: String) {
    let store = filled(&url).await;
    let journal = store.journal();
    for (alter, mend) in [
        (
            "UPDATE outcome SET answer_status = 202 WHERE master_serial = 2026112100000000001",
            "UPDATE outcome SET answer_status = 201 WHERE master_serial = 2026112100000000001",
        ),
        (
            "UPDATE outcome SET reason = NULL WHERE master_serial = 2026112100000000001",
            "UPDATE outcome SET reason = '余额不足' WHERE master_serial = 2026112100000000001",
        ),
        (
            "UPDATE outcome SET state = 1 WHERE master_serial = 2026112100000000001",
            "UPDATE outcome SET state = 3 WHERE master_serial = 2026112100000000001",
        ),
        (
            "UPDATE transfer SET amount = 100001 WHERE master_serial = 2026112100000000001",
            "UPDATE transfer SET amount = 100000 WHERE master_serial = 2026112100000000001",
        ),
        (
            "UPDATE transfer SET to_account = 'F2' WHERE master_serial = 2026112100000000001",
            "UPDATE transfer SET to_account = 'F1' WHERE master_serial = 2026112100000000001",
        ),
    ] {
        assert!(store.find(master(1)).await.is_ok(), "before {alter}");
        journal.execute(alter).await.expect("altered");
        let found = store.find(master(1)).await;
        assert!(is_damaged(&found), "{alter}: {found:?}");
        assert!(is_damaged(&store.find_by_key("shop", "key-1").await), "{alter}");
        assert!(is_damaged(&store.list(&ListFilter::default()).await), "{alter}");
        // An audit, which looks at each of them, finds this one and no other.
        let reader = Reader::open(&url).await.expect("a record all the same");
        let each = reader.each(&ListFilter::default()).await.expect("asks");
        let altered: Vec<MasterSerial> =
            each.iter().filter(|(_, row)| is_damaged(row)).map(|(master, _)| *master).collect();
        assert_eq!((each.len(), altered), (6, vec![master(1)]), "{alter}");
        reader.close().await;
        journal.execute(mend).await.expect("mended");
    }
    assert_eq!(store.trail(master(1)).await.expect("asks"), ["first", "last"]);
    let alter = "UPDATE trail SET body = 'First' WHERE master_serial = 2026112100000000001";
    journal.execute(alter).await.expect("altered");
    assert!(is_damaged(&store.trail(master(1)).await));
    let alter = "UPDATE decision SET note = 'by nobody' WHERE master_serial = 2026112100000000005";
    journal.execute(alter).await.expect("altered");
    assert!(is_damaged(&store.decisions(master(5)).await));
    let reader = Reader::open(&url).await.expect("a record all the same");
    assert!(is_damaged(&reader.decisions(master(5)).await));
    let found_in = async |numbers: &[u64]| -> Vec<i64> {
        let masters: Vec<MasterSerial> = numbers.iter().copied().map(master).collect();
        let found = reader.damages(&masters).await.expect("asks");
        let keys = found.into_iter().map(|error| match error {
            StoreError::Corrupt { key, .. } => key,
            other => panic!("{other}"),
        });
        keys.collect()
    };
    assert_eq!(found_in(&[1, 5]).await, [1, 5].map(|number| master(number).number()));
    assert_eq!(found_in(&[2, 3, 4, 6]).await, [0; 0]);
    reader.close().await;

    // What is open and damaged is shown to be so, beside what is not.
    let alter = "UPDATE trail SET body = 'credited' WHERE master_serial = 2026112100000000005";
    journal.execute(alter).await.expect("altered");
    let alter = "UPDATE transfer SET amount = 1 WHERE master_serial = 2026112100000000006";
    journal.execute(alter).await.expect("altered");
    let open = store.open_transfers(None, 10).await.expect("asks");
    let damaged: Vec<bool> = open.iter().map(|open| open.damage.is_some()).collect();
    assert_eq!(damaged, [false, true, true]);
    store.close().await;
}

/// Whichever of them it is, the last too.
async fn a_part_of_a_trail_that_is_missing_is_named(url: String) {
    let store = filled(&url).await;
    let journal = store.journal();
    let mut desk = Desk::of(&store);
    let more = (1..=3).map(|part| trail(master(5), part, "more")).collect();
    desk.record(more).await;
    for (lose, named) in [
        ("DELETE FROM trail WHERE part = 3", "part 3 of its trail is missing"),
        ("DELETE FROM trail WHERE part = 2", "part 2 of its trail is missing"),
        ("DELETE FROM trail WHERE part = 1", "part 1 of its trail is missing"),
        ("DELETE FROM trail WHERE part = 0", "part 0 of its trail is missing"),
    ] {
        let reader = Reader::open(&url).await.expect("a record all the same");
        let before = reader.damages(&[master(5), master(6)]).await.expect("asks");
        journal.execute(lose).await.expect("lost");
        let found = reader.damages(&[master(5), master(6)]).await.expect("asks");
        assert!(before.len() <= 1 && found.len() == 1, "{lose}: {before:?} and {found:?}");
        reader.close().await;
        let told = store.trail(master(5)).await.expect_err("it is not whole");
        assert_eq!(told, found[0]);
        assert!(told.to_string().contains(named), "{told}");
        let open = store.open_transfers(None, 10).await.expect("asks");
        let damaged: Vec<bool> = open.iter().map(|open| open.damage.is_some()).collect();
        assert_eq!(damaged, [false, true, false], "{lose}");
        assert!(open[1].damage.as_ref().is_some_and(|what| what.contains(named)), "{open:?}");
        assert_eq!(open[1].next_part, 4, "what is written from now on follows the last");
    }
    store.close().await;
}

async fn rows_without_a_checksum_are_taken(url: String) {
    let store = filled(&url).await;
    let journal = store.journal();
    for sql in [
        "UPDATE transfer SET checksum = NULL",
        "UPDATE outcome SET checksum = NULL",
        "UPDATE trail SET checksum = NULL",
        "UPDATE decision SET checksum = NULL",
        "UPDATE open_transfer SET parts = NULL",
        "DELETE FROM trail WHERE master_serial = 2026112100000000005",
    ] {
        journal.execute(sql).await.expect("as an earlier version left them");
    }
    assert_eq!(store.list(&ListFilter::default()).await.expect("asks").transfers.len(), 6);
    assert_eq!(store.trail(master(1)).await.expect("asks"), ["first", "last"]);
    assert_eq!(store.decisions(master(5)).await.expect("asks").len(), 1);
    let open = store.open_transfers(None, 10).await.expect("asks");
    assert!(open.iter().all(|open| open.damage.is_none()));
    // What goes on from there is not counted either.
    Desk::of(&store).record(vec![trail(master(5), 0, "debited")]).await;
    let open = store.open_transfers(None, 10).await.expect("asks");
    assert!(open.iter().all(|open| open.damage.is_none()));
    store.close().await;
}

/// Of six transfers three are open: one in a state that there is not, one in no currency, one that is
/// marked as ended and is not.
async fn what_is_open_and_cannot_be_read_hides_no_other(url: String) {
    let store = filled(&url).await;
    let mut desk = Desk::of(&store);
    desk.record(vec![simple(7)]).await;
    let journal = store.journal();
    for sql in [
        "UPDATE open_transfer SET state = 9 WHERE master_serial = 2026112100000000004",
        "UPDATE transfer SET currency = '??' WHERE master_serial = 2026112100000000005",
        "UPDATE open_transfer SET state = 0 WHERE master_serial = 2026112100000000006",
    ] {
        journal.execute(sql).await.expect("altered");
    }
    for number in [5, 6] {
        assert!(is_damaged(&store.find(master(number)).await), "{number}");
    }
    for limit in [1, 2, 10] {
        let (mut taken, mut unreadable, mut after) = (Vec::new(), Vec::new(), None);
        loop {
            let page = store.open_page(after, limit).await.expect("asks");
            taken.extend(
                page.transfers
                    .iter()
                    .map(|open| (open.transfer.master.sequence.number(), open.damage.is_some())),
            );
            unreadable.extend(page.unreadable.iter().map(|error| match error {
                StoreError::Corrupt { key, .. } => key % 10,
                other => panic!("{other}"),
            }));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(taken, [(4, true), (7, false)], "pages of {limit}");
        assert_eq!(unreadable, [5, 6], "pages of {limit}");
    }
    // An ending beside a row that says open: what was told is not taken up again.
    let alter = "INSERT INTO open_transfer (master_serial, state) VALUES (2026112100000000001, 2)";
    journal.execute("DELETE FROM open_transfer WHERE state = 0").await.expect("altered");
    journal.execute(alter).await.expect("altered");
    let page = store.open_page(None, 10).await.expect("asks");
    assert!(page.unreadable.iter().any(|error| error.to_string().contains("it has ended")));
    store.close().await;
}
