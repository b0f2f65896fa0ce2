//! Idempotency keys: the first wins, and only a taken key counts as taken.

use super::*;

on_each_database!(
    an_old_key_is_a_duplicate,
    the_first_within_a_batch_wins,
    keys_are_compared_byte_for_byte,
    a_taken_serial_is_not_a_duplicate_key,
    what_follows_a_duplicate_is_not_recorded,
    two_nodes_race_for_one_key,
    what_was_committed_is_told_from_what_only_looks_like_it,
);

async fn an_old_key_is_a_duplicate(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record(vec![simple(1), simple(2)]).await;
    let answers = desk
        .write(vec![
            accept(&transfer(master(3), "shop", "key-3")),
            accept(&transfer(master(4), "shop", "key-1")),
            accept(&transfer(master(5), "bank", "key-1")),
            accept(&transfer(master(2), "shop", "key-2")),
            trail(master(3), 0, "goes on"),
        ])
        .await;
    let duplicate = Err(WriteError::DuplicateKey);
    assert_eq!(answers, [Ok(()), duplicate.clone(), Ok(()), duplicate, Ok(())]);
    let found = store.find_by_key("shop", "key-1").await.expect("asks").expect("is there");
    assert_eq!(found.transfer.master, master(1));
    let found = store.find_by_key("bank", "key-1").await.expect("asks").expect("is there");
    assert_eq!(found.transfer.master, master(5));
    assert_eq!(store.find(master(4)).await.expect("asks"), None);
    store.close().await;
}

async fn the_first_within_a_batch_wins(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let answers = Desk::of(&store)
        .write(vec![
            accept(&transfer(master(9), "shop", "key")),
            accept(&transfer(master(8), "shop", "key")),
            accept(&transfer(master(7), "bank", "key")),
            accept(&transfer(master(6), "shop", "key")),
        ])
        .await;
    let duplicate = Err(WriteError::DuplicateKey);
    assert_eq!(answers, [Ok(()), duplicate.clone(), Ok(()), duplicate]);
    let found = store.find_by_key("shop", "key").await.expect("asks").expect("is there");
    assert_eq!(found.transfer.master, master(9));
    store.close().await;
}

async fn keys_are_compared_byte_for_byte(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    let pairs = [
        ("shop", "key"),
        ("shop", "KEY"),
        ("shop", "key "),
        ("shop", "kéy"),
        ("shop", "ke\u{301}y"),
        ("SHOP", "key"),
        ("shop ", "key"),
        ("shopk", "ey"),
    ];
    let writes = || {
        pairs
            .iter()
            .zip(1..)
            .map(|((app, key), sequence)| accept(&transfer(master(sequence), app, key)))
            .collect::<Vec<_>>()
    };
    desk.record(writes()).await;
    for ((app, key), sequence) in pairs.iter().zip(1..) {
        let found = store.find_by_key(app, key).await.expect("asks").expect("is there");
        assert_eq!(found.transfer.master, master(sequence), "{app:?} {key:?}");
    }
    for answer in desk.write(writes()).await {
        assert_eq!(answer, Err(WriteError::DuplicateKey));
    }
    assert_eq!(store.find_by_key("shop", "Key").await.expect("asks"), None);
    store.close().await;
}

async fn a_taken_serial_is_not_a_duplicate_key(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record(vec![simple(1)]).await;
    let answers = desk
        .write(vec![
            accept(&transfer(master(1), "shop", "another")),
            simple(2),
            accept(&transfer(master(2), "shop", "yet another")),
        ])
        .await;
    let refused: Vec<bool> = answers.iter().map(is_refused).collect();
    assert_eq!(refused, [true, false, true]);
    assert_eq!(store.find_by_key("shop", "another").await.expect("asks"), None);
    store.close().await;
}

async fn what_follows_a_duplicate_is_not_recorded(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record(vec![simple(1)]).await;
    let answers = desk
        .write(vec![
            Write {
                trail: Some((0, "never".to_owned())),
                ..accept(&transfer(master(2), "shop", "key-1"))
            },
            trail(master(2), 2, "never"),
            end(master(2), FinalState::Completed),
        ])
        .await;
    assert_eq!(answers[0], Err(WriteError::DuplicateKey));
    assert!(is_refused(&answers[1]) && is_refused(&answers[2]));
    assert_eq!(store.trail(master(2)).await.expect("asks"), [""; 0]);
    store.close().await;
}

/// Two stores on one database write the same keys at the same time: each key is won once.
async fn two_nodes_race_for_one_key(url: String) {
    const KEYS: u64 = 300;
    let mut nodes = Vec::new();
    for node in 0..2 {
        let store = Store::open(&url).await.expect("opens");
        nodes.push(tokio::spawn(async move {
            let mut desk = Desk::of(&store);
            let mut ids = Vec::new();
            for key in 0..KEYS {
                // In opposite orders.
                let key = if node == 0 { key } else { KEYS - 1 - key };
                let serial = master(1 + node * KEYS + key);
                ids.extend(desk.submit(vec![accept(&transfer(serial, "shop", &key.to_string()))]));
                tokio::task::yield_now().await;
            }
            let answers = desk.answers(&ids).await;
            store.close().await;
            answers
        }));
    }
    let mut won = 0;
    let mut lost = 0;
    for node in nodes {
        for answer in node.await.expect("a node") {
            match answer {
                Ok(()) => won += 1,
                Err(WriteError::DuplicateKey) => lost += 1,
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!((won, lost), (KEYS, KEYS));
}

/// After a commit that went unanswered: recorded is what has the same serial, app, key and body.
async fn what_was_committed_is_told_from_what_only_looks_like_it(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let own = transfer(master(1), "shop", "key");
    Desk::of(&store).record(vec![accept(&own)]).await;
    let address = crate::address::Address::parse(&url).expect("an address");
    let connection = crate::connect::writer(&address);
    let other_app = transfer(master(1), "bank", "key");
    let other_key = transfer(master(1), "shop", "Key");
    let other_body = NewTransfer { fingerprint: [9; 32], ..own.clone() };
    let other_serial = transfer(master(2), "shop", "key");
    let asked = [&own, &other_app, &other_key, &other_body, &other_serial];
    let recorded = crate::journal::recorded(&connection, &asked).await.expect("asks");
    assert_eq!(recorded, [true, false, false, false, false]);
    connection.close().await.expect("closes");
    store.close().await;
}
