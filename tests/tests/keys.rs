//! One key and several requests at the same moment: whatever is told is the record's.

use reqwest::StatusCode;
use serde_json::Value;
use std::collections::BTreeSet;
use system_tests::caller::{Order, Said};
use system_tests::database::Kind;
use system_tests::town::{Faults, Town};
use tokio::task::JoinSet;

/// So many requests each of two callers sends, one after the other.
const ROUNDS: usize = 60;

async fn town() -> Town {
    Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts")
}

/// What is said to orders that are sent again and again, each order beside the others.
async fn together(town: &Town, orders: &[Order], rounds: usize) -> Vec<(Order, Said)> {
    let mut callers = JoinSet::new();
    for order in orders {
        let (caller, order) = (town.caller.clone(), order.clone());
        callers.spawn(async move {
            let mut said = Vec::new();
            for _ in 0..rounds {
                said.push((order.clone(), caller.send(&order).await.expect("an answer")));
            }
            said
        });
    }
    callers.join_all().await.into_iter().flatten().collect()
}

fn kind(said: &Said) -> String {
    let problem: Value = said.json().expect("JSON");
    problem["type"].as_str().unwrap_or_default().to_owned()
}

/// The serial that somebody was told, and whether `GET` finds it.
async fn found(town: &Town, said: &Said) -> String {
    let told: Value = said.json().expect("JSON");
    let master = told["master_serial"].as_str().expect("a serial").to_owned();
    let shown = town.caller.get(&format!("/v1/transfers/{master}")).await.expect("an answer");
    assert_eq!(shown.status, StatusCode::OK, "{said:?} names a transfer that is not there");
    master
}

#[tokio::test]
async fn an_order_that_has_ended_is_told_its_stored_answer_however_often_at_once() {
    let town = town().await;
    let order = Order::new("ended", 10);
    let first = town.caller.settle(&order).await.expect("it ends");
    for (_, said) in together(&town, &[order.clone(), order.clone()], ROUNDS).await {
        assert_eq!(said, first);
    }
    assert_eq!(town.audit().await.expect("an audit"), []);
}

#[tokio::test]
async fn beside_a_mistaken_order_the_right_one_is_told_its_stored_answer() {
    let town = town().await;
    let (right, mistaken) = (Order::new("ended", 10), Order::new("ended", 20));
    let first = town.caller.settle(&right).await.expect("it ends");
    let master = found(&town, &first).await;
    for (order, said) in together(&town, &[right.clone(), mistaken], ROUNDS).await {
        if order.amount == right.amount {
            assert_eq!(said, first);
        } else {
            assert_eq!(said.status, StatusCode::UNPROCESSABLE_ENTITY, "{said:?}");
            assert_eq!(
                (kind(&said).as_str(), found(&town, &said).await),
                ("/errors/key_reused", master.clone())
            );
        }
    }
    assert_eq!(town.audit().await.expect("an audit"), []);
}

#[tokio::test]
async fn of_two_orders_that_come_first_together_one_is_begun_and_everybody_hears_of_it() {
    let town = town().await;
    for round in 0..10 {
        let key = format!("together-{round}");
        let orders: Vec<Order> =
            (0..8).map(|n| Order::new(key.as_str(), if n % 2 == 0 { 10 } else { 20 })).collect();
        let said = together(&town, &orders, 1).await;
        let mut begun = BTreeSet::new();
        let mut masters = BTreeSet::new();
        for (order, said) in &said {
            masters.insert(found(&town, said).await);
            match said.status {
                StatusCode::CREATED | StatusCode::ACCEPTED => {
                    begun.insert(order.amount);
                }
                StatusCode::CONFLICT => assert_eq!(kind(said), "/errors/in_progress"),
                StatusCode::UNPROCESSABLE_ENTITY => assert_eq!(kind(said), "/errors/key_reused"),
                _ => panic!("{order:?}: {said:?}"),
            }
        }
        assert_eq!((begun.len(), masters.len()), (1, 1), "{said:?}");
        for (order, said) in &said {
            let other = said.status == StatusCode::UNPROCESSABLE_ENTITY;
            assert_eq!(other, !begun.contains(&order.amount), "{order:?}: {said:?}");
        }
    }
    assert_eq!(town.audit().await.expect("an audit"), []);
}

#[tokio::test]
async fn a_key_in_quotation_marks_is_the_same_key() {
    let town = town().await;
    let plain = town.caller.settle(&Order::new("abc", 10)).await.expect("it ends");
    let quoted = town.caller.settle(&Order::new("\"abc\"", 10)).await.expect("it ends");
    assert_eq!(plain, quoted);
    let mistaken = town.caller.send(&Order::new("\"abc\"", 11)).await.expect("an answer");
    assert_eq!(kind(&mistaken), "/errors/key_reused");
    let malformed = town.caller.send(&Order::new("\"abc", 10)).await.expect("an answer");
    assert_eq!(malformed.status, StatusCode::BAD_REQUEST);
    assert_eq!(kind(&malformed), "/errors/malformed_idempotency_key");
    assert_eq!(town.audit().await.expect("an audit"), []);
}
