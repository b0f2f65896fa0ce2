//! A question that takes too long is ended where it runs, and leaves its connection good.

use super::*;
use crate::address::Address;
use crate::connect;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::time::Instant;

on_each_database!(a_question_that_takes_too_long_is_ended,);

async fn a_question_that_takes_too_long_is_ended(url: String) {
    let store = Store::open(&url).await.expect("opens");
    let address = Address::parse(&url).expect("it was opened");
    let limit = Duration::from_millis(200);
    let readers = connect::readers_within(&address, limit);
    let backend = readers.get_database_backend();
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) \
                   SELECT COUNT(*) AS n FROM c";
    let endless = match backend {
        DbBackend::Sqlite => endless.to_owned(),
        // There, recursion is bounded, and sleeping is not.
        _ => "SELECT COUNT(*) AS n FROM (SELECT SLEEP(60)) AS s".to_owned(),
    };
    // More often than there are connections.
    for _ in 0..6 {
        let began = Instant::now();
        let asked = Statement::from_string(backend, endless.clone());
        let answer = tokio::time::timeout(Duration::from_secs(30), readers.query_one_raw(asked));
        let answer = answer.await.expect("it is ended");
        assert!(began.elapsed() >= limit, "{:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(30));
        // A server may also answer the sleep itself as interrupted.
        if backend == DbBackend::Sqlite {
            assert!(answer.is_err(), "{answer:?}");
        }
        let asked = Statement::from_string(backend, "SELECT 1 AS n");
        let row = readers.query_one_raw(asked).await.expect("it is good").expect("a row");
        assert_eq!(row.try_get::<i64>("", "n").ok(), Some(1));
    }
    store.close().await;
}
