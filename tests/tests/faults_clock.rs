//! The bridge's clock is stepped, ahead and back, by seconds and by days, while it works: what is
//! believed of a leg does not follow from it, nothing hangs, and who is turned away for the time has
//! begun nothing.

use anyhow::Result;
use reqwest::StatusCode;
use std::time::Duration;
use system_tests::audit::State;
use system_tests::auditor::{self, Statements};
use system_tests::books::Kind as Line;
use system_tests::caller::{Caller, Order};
use system_tests::clock::Clock;
use system_tests::database::Kind;
use system_tests::town::{Faults, Town};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// One day, in seconds.
const DAY_S: i64 = 86_400;

/// Between two steps of a clock that runs away.
const STEP_EVERY: Duration = Duration::from_millis(100);

/// Nothing in these tests takes half as long by a clock that only goes forward.
const SOON: Duration = Duration::from_secs(30);

/// A bridge that asks often, and never calls a person.
const BRISK: &str = "posting_deadline_ms = 500\nquery_deadline_ms = 500\nfirst_pause_ms = 50\n\
                     longest_pause_ms = 200\npatience = 10000";

/// Counters that neither dedupe nor fence say that "not found" counts after so long, and not before.
const LIMIT_MS: u64 = 4_000;

/// A leg lies at the counter for less than that; the first question about it ends the connection, so
/// that the next are asked in a session that was begun after it was sent.
fn lying(on: &str) -> String {
    then_asked_anew(on, "{ on_its_way_ms = 3000 }")
}

/// A leg gets lost.
fn lost(on: &str) -> String {
    then_asked_anew(on, "'drop'")
}

fn then_asked_anew(on: &str, action: &str) -> String {
    format!(
        "[[rule]]\non = ['{on}']\ntimes = 1\ndo = {action}\n\
         [[rule]]\non = ['query']\ntimes = 1\ndo = 'close_before'"
    )
}

fn clock(town: &Town) -> &Clock {
    town.clock.as_ref().expect("a clock of its own")
}

/// Settles an order as a caller whose clock goes wrong with the bridge's.
fn settling(town: &Town, order: &Order) -> JoinHandle<Result<State>> {
    let (caller, order): (Caller, Order) = (town.caller.clone().in_step(), order.clone());
    tokio::spawn(async move { caller.ending(&order).await })
}

/// Steps the clock by so much, again and again, until an order has ended; how it has.
async fn step_until_ended(town: &Town, order: &Order, by_s: i64) -> State {
    let mut ending = settling(town, order);
    for step in 1.. {
        if let Ok(ended) = timeout(STEP_EVERY, &mut ending).await {
            return ended.expect("no panic").expect("it ends");
        }
        clock(town).step_to(step * by_s).expect("it can be set");
    }
    unreachable!("there is no last step")
}

/// By both audits, at the right time.
async fn count_money(town: &mut Town) {
    clock(town).step_to(0).expect("it can be set");
    town.bridge.restart().await.expect("it starts again");
    assert_eq!(town.audit().await.expect("an audit"), [], "{}", town.bridge.log());
    let books = Statements::Books(town.securities.books_file(), town.futures.books_file());
    let audited = auditor::audit(town, &books).await.expect("an audit");
    audited.clean().expect("every unit is accounted for");
}

/// What lies at a counter that cannot fence is executed after all: a bridge that went by its clock
/// would have taken it for dead long before.
#[tokio::test]
async fn a_step_ahead_makes_no_not_found_count_early() {
    let faults = Faults {
        coordinator: BRISK,
        clock: true,
        in_flight_limit_ms: Some(LIMIT_MS),
        ..Faults::default()
    };
    for (securities, futures) in [(lying("debit"), String::new()), (String::new(), lying("credit"))]
    {
        let faults = Faults { securities: &securities, futures: &futures, ..faults };
        let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
        let ending = step_until_ended(&town, &Order::new("lying", 700), DAY_S).await;
        assert_eq!(ending, State::Completed, "{securities}{futures}\n{}", town.bridge.log());
        count_money(&mut town).await;
    }
}

/// What is lost is proven never to run once the limit is over, however far back the clock is.
#[tokio::test]
async fn a_step_back_puts_no_proof_off() {
    let faults = Faults {
        coordinator: BRISK,
        clock: true,
        in_flight_limit_ms: Some(LIMIT_MS),
        ..Faults::default()
    };
    for (securities, futures, ends) in [
        (lost("debit"), String::new(), State::Refused),
        (String::new(), lost("credit"), State::Reversed),
    ] {
        let faults = Faults { securities: &securities, futures: &futures, ..faults };
        let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
        let order = Order::new("lost", 700);
        let ending = timeout(SOON, step_until_ended(&town, &order, -DAY_S)).await;
        assert_eq!(ending.expect("soon"), ends, "{securities}{futures}\n{}", town.bridge.log());
        count_money(&mut town).await;
    }
}

#[tokio::test]
async fn a_step_either_way_hangs_nothing_that_was_begun_and_nothing_new() {
    let slow = "[[rule]]\non = ['credit']\ndo = { on_its_way_ms = 700 }";
    let faults = Faults { futures: slow, coordinator: BRISK, clock: true, ..Faults::default() };
    for kind in Kind::all() {
        let mut town = Town::start(kind, faults).await.expect("the town starts");
        let steps = [3 * DAY_S, 0, 30, -30, -3 * DAY_S, 0];
        for (number, ahead_s) in steps.into_iter().enumerate() {
            let begun = settling(&town, &Order::new(format!("begun-{number}"), 10));
            Town::wait_for(&town.securities, Line::Debit, 2 * number + 1).await.expect("debited");
            clock(&town).step_to(ahead_s).expect("it can be set");
            let new = settling(&town, &Order::new(format!("new-{number}"), 10));
            for ending in [begun, new] {
                let ending = timeout(SOON, ending).await.expect("soon").expect("no panic");
                let ending = ending.unwrap_or_else(|error| panic!("{ahead_s}: {error:#}"));
                assert_eq!(ending, State::Completed, "{ahead_s}\n{}", town.bridge.log());
            }
        }
        count_money(&mut town).await;
    }
}

/// What the clock says after a restart may take the rest of a transfer's time away, and never gives it
/// more: a credit that is not known to be done is fenced then.
#[tokio::test]
async fn a_step_between_two_lives_ends_what_was_begun() {
    let silent = "[[rule]]\non = ['credit']\ndo = 'no_answer'";
    let faults = Faults { futures: silent, coordinator: BRISK, clock: true, ..Faults::default() };
    let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    for (number, ahead_s) in [3 * DAY_S, -3 * DAY_S, 0].into_iter().enumerate() {
        let begun = settling(&town, &Order::new(format!("begun-{number}"), 10));
        Town::wait_for(&town.securities, Line::Debit, number + 1).await.expect("debited");
        town.bridge.kill().await.expect("it is killed");
        clock(&town).step_to(ahead_s).expect("it can be set");
        town.bridge.restart().await.expect("it starts again");
        let ending = timeout(SOON, begun).await.expect("soon").expect("no panic");
        assert!(ending.expect("it ends").is_final(), "{ahead_s}");
    }
    count_money(&mut town).await;
}

/// A bridge whose clock is wrong takes nobody's signature whose clock is right: nothing was begun, and
/// the same key begins it when both agree.
#[tokio::test]
async fn whoever_is_turned_away_for_the_time_has_begun_nothing() {
    let faults = Faults { clock: true, ..Faults::default() };
    let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    for (number, ahead_s) in [DAY_S, -DAY_S].into_iter().enumerate() {
        clock(&town).step_to(ahead_s).expect("it can be set");
        let order = Order::new(format!("turned-away-{number}"), 700);
        let said = town.caller.send(&order).await.expect("an answer");
        assert!(said.is_about_time() && said.status == StatusCode::UNAUTHORIZED, "{said:?}");
        let other = Order::new(format!("in-step-{number}"), 30);
        let ending = settling(&town, &other).await.expect("no panic").expect("it ends");
        assert_eq!(ending, State::Completed);
        let debits = town.securities.books().expect("books").lines;
        let debits = debits.iter().filter(|line| line.kind == Line::Debit).count();
        assert_eq!(debits, 2 * number + 1, "who was turned away has begun nothing");
        clock(&town).step_to(0).expect("it can be set");
        assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
    }
    count_money(&mut town).await;
}

/// Callers of both kinds while the clock jumps about and the bridge is killed. One that was begun while the
/// clock was behind, and is open when the bridge starts with the clock ahead, has no time left then.
#[tokio::test]
async fn a_clock_that_jumps_about_under_load_loses_nothing() {
    let faults = Faults { clock: true, coordinator: BRISK, ..Faults::default() };
    let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    let jumps = [1, DAY_S, -1, -DAY_S, 3_600, 0, -3_600, 5 * DAY_S, -5 * DAY_S, 0];
    let mut callers = Vec::new();
    for number in 0..60 {
        let order = Order::new(format!("load-{number}"), 10 + number);
        let caller = town.caller.clone();
        let caller = if number % 2 == 0 { caller } else { caller.in_step() };
        callers.push(tokio::spawn(async move { caller.ending(&order).await }));
    }
    for (number, ahead_s) in jumps.into_iter().enumerate() {
        clock(&town).step_to(ahead_s).expect("it can be set");
        sleep(STEP_EVERY).await;
        if number % 3 == 0 {
            town.bridge.restart().await.expect("it starts again");
        }
    }
    for caller in callers {
        let ending = caller.await.expect("no panic").expect("it ends");
        assert!(ending.is_final(), "{ending:?}: {}", town.bridge.log());
    }
    count_money(&mut town).await;
}
