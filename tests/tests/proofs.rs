//! Counters that neither dedupe nor fence: only a new session proves what became of a request that was
//! lost, and the bridge makes one itself. No operator acts here.

use system_tests::audit::State;
use system_tests::books::Kind as Line;
use system_tests::caller::Order;
use system_tests::database::Kind;
use system_tests::town::{Faults, Town};
use tokio::task::JoinSet;

/// So many credits are lost on their way to the counter, which goes on as if nothing were.
const LOST: usize = 20;

const BRISK: &str = "posting_deadline_ms = 1000\nquery_deadline_ms = 1000\nlongest_pause_ms = 500";

async fn town(kind: Kind) -> Town {
    let losing = format!("[[rule]]\non = ['credit']\ntimes = {LOST}\ndo = 'drop'");
    let faults = Faults {
        futures: &losing,
        coordinator: BRISK,
        in_flight_limit_ms: Some(1_500),
        ..Faults::default()
    };
    Town::start(kind, faults).await.expect("the town starts")
}

/// Orders as many transfers as lose their credit, kills the bridge once all are debited if it is to be
/// killed, and gives how they end, each without help.
async fn endings(town: &mut Town, killed: bool) -> Vec<State> {
    let mut settling = JoinSet::new();
    for number in 0..LOST {
        let (caller, order) = (town.caller.clone(), Order::new(format!("lost-{number}"), 700));
        settling.spawn(async move { caller.ending(&order).await });
    }
    Town::wait_for(&town.securities, Line::Debit, LOST).await.expect("all are debited");
    if killed {
        town.bridge.restart().await.expect("the bridge starts again");
    }
    let mut endings = Vec::new();
    while let Some(ended) = settling.join_next().await {
        endings.push(ended.expect("no panic").expect("it ends"));
    }
    endings
}

#[tokio::test]
async fn what_is_lost_where_nothing_can_be_fenced_ends_without_an_operator() {
    for kind in Kind::all() {
        let mut town = town(kind).await;
        let endings = endings(&mut town, false).await;
        let log = || town.bridge.log();
        assert_eq!(endings, [State::Reversed; LOST], "{kind:?}\n{}", log());
        assert!(log().contains("signed off, to prove by a new session"), "{kind:?}\n{}", log());
        assert_eq!(town.audit().await.expect("an audit"), [], "{kind:?}\n{}", log());
    }
}

/// A credit that had not left when the bridge was killed is sent afterwards; one that had is proven to
/// be lost by the sessions that the next life begins with.
#[tokio::test]
async fn what_a_restart_leaves_open_where_nothing_can_be_fenced_ends_without_an_operator() {
    for kind in Kind::all() {
        let mut town = town(kind).await;
        let endings = endings(&mut town, true).await;
        let log = || town.bridge.log();
        for ending in &endings {
            assert!(matches!(ending, State::Completed | State::Reversed), "{ending:?}\n{}", log());
        }
        assert_eq!(endings.len(), LOST);
        assert_eq!(town.audit().await.expect("an audit"), [], "{kind:?}\n{}", log());
    }
}
