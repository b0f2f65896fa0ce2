//! Counters that go away and come back: the bridge finds them again, and what was begun is ended.

use std::time::Duration;
use system_tests::audit::State;
use system_tests::books::Kind as Line;
use system_tests::caller::Order;
use system_tests::database::Kind;
use system_tests::town::{Faults, Town};

#[tokio::test]
async fn a_counter_that_was_killed_is_found_again() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    let ending = town.caller.ending(&Order::new("before", 10)).await;
    assert_eq!(ending.expect("it ends"), State::Completed);
    town.securities.restart().await.expect("it starts again");
    town.futures.restart().await.expect("it starts again");
    let ending = town.caller.ending(&Order::new("after", 10)).await;
    assert_eq!(ending.expect("it ends"), State::Completed, "{}", town.bridge.log());
    assert_eq!(town.audit().await.expect("an audit"), []);
}

#[tokio::test]
async fn a_credit_waits_for_its_counter() {
    let silence = "[[rule]]\non = ['credit']\ntimes = 1\ndo = 'no_answer'";
    let faults = Faults { futures: silence, ..Faults::default() };
    let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    let order = Order::new("patience", 10);
    let settling = tokio::spawn({
        let (caller, order) = (town.caller.clone(), order.clone());
        async move { caller.ending(&order).await }
    });
    Town::wait_for(&town.futures, Line::Credit, 1).await.expect("it is posted");
    town.futures.kill().await.expect("it is killed");
    town.futures.restart().await.expect("it starts again");
    assert_eq!(settling.await.expect("no panic").expect("it ends"), State::Completed);
    assert_eq!(town.audit().await.expect("an audit"), []);
}

#[tokio::test]
async fn a_frozen_counter_is_noticed_and_taken_back() {
    let town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    town.futures.freeze().expect("it is frozen");
    let order = Order::new("frozen", 10);
    // The answer comes at all, while the credit's counter is silent.
    town.caller.send(&order).await.expect("an answer");
    town.futures.thaw().expect("it goes on");
    let ending = town.caller.ending(&order).await.expect("it ends");
    assert!(
        matches!(ending, State::Completed | State::Reversed | State::Refused),
        "{ending:?}\n{}",
        town.bridge.log()
    );
    let ending = town.caller.ending(&Order::new("thawed", 10)).await;
    assert_eq!(ending.expect("it ends"), State::Completed, "{}", town.bridge.log());
    assert_eq!(town.audit().await.expect("an audit"), []);
}

#[tokio::test]
async fn a_bridge_that_is_asked_to_end_does_so() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    let order = Order::new("before", 10);
    assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
    let status = town.bridge.terminate().await.expect("it ends");
    assert!(status.success(), "{status}\n{}", town.bridge.log());
    town.bridge.restart().await.expect("it starts again");
    assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
    assert_eq!(town.audit().await.expect("an audit"), []);
}

#[tokio::test]
async fn a_second_signal_stops_at_once_and_nothing_is_lost() {
    let silence = "[[rule]]\non = ['credit']\ntimes = 1\ndo = 'no_answer'";
    let faults = Faults { futures: silence, ..Faults::default() };
    let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    let order = Order::new("impatience", 10);
    let sending = tokio::spawn({
        let (caller, order) = (town.caller.clone(), order.clone());
        // Nobody answers it: the bridge goes while it waits.
        async move { drop(caller.send(&order).await) }
    });
    Town::wait_for(&town.futures, Line::Credit, 1).await.expect("it is posted");
    // Asked once it waits for the answer that never comes.
    let after = town.bridge.terminate_twice(Duration::from_secs(1)).await.expect("it ends");
    let after = after.expect("once was not enough");
    assert!(after < Duration::from_secs(1), "{after:?}\n{}", town.bridge.log());
    sending.abort();
    town.bridge.restart().await.expect("it starts again");
    let ending = town.caller.ending(&order).await;
    assert_eq!(ending.expect("it ends"), State::Completed, "{}", town.bridge.log());
    assert_eq!(town.audit().await.expect("an audit"), []);
}
