//! Looking at a record from outside.

use super::*;
use crate::{ListFilter, OpenError, Reader};

on_each_database!(a_reader_sees_what_is_durable_beside_the_writer, an_empty_database_is_no_record,);

async fn a_reader_sees_what_is_durable_beside_the_writer(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record((1..=3).map(simple).collect()).await;
    let reader = Reader::open(&url).await.expect("opens beside it");
    assert_eq!(reader.list(&ListFilter::default()).await.expect("asks").len(), 3);
    desk.record(vec![simple(4)]).await;
    let found = reader.find_by_sequence(master(4).sequence).await.expect("asks");
    assert_eq!(found.map(|stored| stored.transfer.master), Some(master(4)));
    assert_eq!(reader.decisions(master(4)).await.expect("asks"), []);
    desk.record(vec![decision(master(4), 7, "ann", "resume")]).await;
    let decided = reader.decisions(master(4)).await.expect("asks");
    assert_eq!(decided, store.decisions(master(4)).await.expect("asks"));
    assert_eq!(decided.len(), 1);
    assert_eq!(reader.damaged_pages().await.expect("asks"), [""; 0]);

    // Whatever is closed is closed for all who hold it.
    let (same, other) = (reader.clone(), store.clone());
    assert!(same.list(&ListFilter::default()).await.is_ok() && other.ping().await.is_ok());
    reader.close().await;
    let closed = same.list(&ListFilter::default()).await;
    assert!(matches!(closed, Err(StoreError::Unavailable { .. })), "{closed:?}");
    store.close().await;
    assert!(other.ping().await.is_err());
}

async fn an_empty_database_is_no_record(url: String) {
    let refused = Reader::open(&url).await.expect_err("there is nothing");
    assert!(
        matches!(refused, OpenError::NotADatabase { .. } | OpenError::NoSuchDatabase { .. }),
        "{refused}"
    );
    if let Some(path) = url.strip_prefix("sqlite://") {
        assert!(refused.to_string().contains("there is no such file"), "{refused}");
        assert!(!std::path::Path::new(path).exists(), "reading makes nothing");
        std::fs::write(path, "").expect("an empty file");
        let refused = Reader::open(&url).await.expect_err("it has no tables");
        assert!(refused.to_string().contains("no record of a bridge"), "{refused}");
    }
}
