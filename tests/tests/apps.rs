//! What an app may do, and how much of the bridge it may take up, beside another.

use reqwest::StatusCode;
use std::time::{SystemTime, UNIX_EPOCH};
use system_tests::audit::{State, audit};
use system_tests::caller::{Caller, Order, Said};
use system_tests::database::Kind;
use system_tests::operator;
use system_tests::town::{Faults, NOBODY, POOR, RICH, Town};

/// Starts the bridge anew with these lines in the section of the town's app.
async fn with_rights(town: &mut Town, rights: &str) {
    let file = town.bridge.config_file();
    let text = std::fs::read_to_string(&file).expect("a configuration");
    let named = "name = \"demo\"\n";
    assert!(text.contains(named), "{text}");
    std::fs::write(&file, text.replace(named, &format!("{named}{rights}\n"))).expect("writable");
    town.bridge.terminate().await.expect("it ends");
    town.bridge.restart().await.expect("it starts");
    operator::connected(town).await.expect("connected");
}

/// The slug of a refusal.
fn refused(said: &Said) -> (u16, String) {
    let problem: serde_json::Value = said.json().expect("a problem");
    let kind = problem["type"].as_str().expect("a type").trim_start_matches("/errors/");
    (said.status.as_u16(), kind.to_owned())
}

/// One app's callers wait for a counter that does not answer; the next app is let in all the same.
#[tokio::test]
async fn slow_callers_of_one_app_turn_no_other_away() {
    let faults = Faults { coordinator: "most_callers = 8", ..Faults::default() };
    let town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    let other = Caller::new(&town.other_app, &town.bridge.api()).expect("a caller");
    town.futures.freeze().expect("frozen");
    let slow: Vec<_> = (0..12)
        .map(|number| {
            let caller = town.caller.clone();
            let order = Order::new(format!("slow-{number}"), 10);
            tokio::spawn(async move { caller.post(&order.key, &order.body(), 30).await })
        })
        .collect();
    town.caller.until_there_are(6).await.expect("as many as may wait");
    let order = Order::new("of-the-other", 20);
    let said = other.post(&order.key, &order.body(), 0).await.expect("an answer");
    assert_eq!(said.status, StatusCode::ACCEPTED, "{said:?}");
    town.futures.thaw().expect("thawed");
    let (mut done, mut turned_away) = (0, 0);
    for caller in slow {
        let said = caller.await.expect("no panic").expect("an answer");
        if said.status == StatusCode::CREATED {
            done += 1;
        } else {
            assert_eq!(refused(&said), (429, "overloaded".to_owned()));
            turned_away += 1;
        }
    }
    assert_eq!((done, turned_away), (6, 6), "six of eight: two are kept for the other");
    assert_eq!(other.ending(&order).await.expect("it ends"), State::Completed);
    let mut told = town.caller.told().await.expect("a list");
    told.extend(other.told().await.expect("a list"));
    let books = [&town.securities, &town.futures].map(|counter| counter.books().expect("books"));
    assert_eq!(audit(&books, &told), []);
}

#[tokio::test]
async fn an_app_at_its_limit_is_told_and_no_other_is() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    with_rights(&mut town, "requests_per_s = 1").await;
    let other = Caller::new(&town.other_app, &town.bridge.api()).expect("a caller");
    let all = |caller: &Caller| {
        let each = |_| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.get("/v1/transfers?limit=1").await })
        };
        (0..50).map(each).collect::<Vec<_>>()
    };
    let (busy, quiet) = (all(&town.caller), all(&other));
    let mut turned_away = 0;
    for said in busy {
        let said = said.await.expect("no panic").expect("an answer");
        if said.status != StatusCode::OK {
            assert_eq!(refused(&said), (429, "too_many_requests".to_owned()));
            turned_away += 1;
        }
    }
    assert!(turned_away > 0, "fifty at once, and one a second");
    for said in quiet {
        assert_eq!(said.await.expect("no panic").expect("an answer").status, StatusCode::OK);
    }
}

#[tokio::test]
async fn an_app_may_do_what_its_configuration_says() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    let rights = "accounts = ['securities:6001', 'futures:80*']\n\
                  directions = ['securities->futures']\nlargest_transfer = 500";
    with_rights(&mut town, rights).await;
    let forbidden = |slug: &str| (403, slug.to_owned());
    for (order, expected) in [
        (Order::new("others", 10).from(POOR), forbidden("foreign_account")),
        (Order::new("to-others", 10).to(NOBODY), forbidden("foreign_account")),
        (Order::new("too-much", 501), (422, "rule_broken".to_owned())),
    ] {
        let said = town.caller.send(&order).await.expect("an answer");
        assert_eq!(refused(&said), expected, "{}", order.key);
    }
    let back = r#"{"from":{"counter":"futures","account":"8001"},
        "to":{"counter":"securities","account":"6001"},"amount":1,"currency":"CNY"}"#;
    let said = town.caller.post("back", back, 1).await.expect("an answer");
    assert_eq!(refused(&said), forbidden("foreign_direction"));
    let balance = |account| format!("/v1/counters/securities/accounts/{account}/balance");
    let said = town.caller.get(&balance(POOR)).await.expect("an answer");
    assert_eq!(refused(&said), forbidden("foreign_account"));
    let said = town.caller.get(&balance(RICH)).await.expect("an answer");
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    let allowed = Order::new("allowed", 500);
    assert_eq!(town.caller.ending(&allowed).await.expect("it ends"), State::Completed);
    assert_eq!(town.caller.told().await.expect("a list").len(), 1);
    // Another app has its own rights.
    let other = Caller::new(&town.other_app, &town.bridge.api()).expect("a caller");
    let order = Order::new("of-the-other", 40).from(POOR);
    assert_eq!(other.ending(&order).await.expect("it ends"), State::Completed);
}

/// Orders beyond what an app may move in a day, before and after a kill, and what became of each.
async fn orders_of_a_day() -> Vec<String> {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    with_rights(&mut town, "sum_a_day = 1000\ntransfers_a_day = 3").await;
    let mut told = Vec::new();
    let too_much = Order::new("too-much", 401);
    let orders = [
        vec![Order::new("first", 600), Order::new("refused", 400).from(POOR), too_much.clone()],
        vec![
            too_much,
            Order::new("second", 399),
            Order::new("third", 1),
            Order::new("fourth", 1),
            // What was answered once is answered again.
            Order::new("first", 600),
        ],
    ];
    for life in orders {
        for order in life {
            let said = town.caller.send(&order).await.expect("an answer");
            told.push(if said.status.is_success() {
                let ending = town.caller.ending(&order).await.expect("it ends");
                format!("{ending:?}").to_lowercase()
            } else {
                refused(&said).1
            });
        }
        town.bridge.kill().await.expect("killed");
        town.bridge.restart().await.expect("it starts");
        operator::connected(&town).await.expect("connected");
    }
    assert_eq!(town.audit().await.expect("an audit"), []);
    told
}

/// What was moved before a restart still counts after it, and what moved nothing does not.
#[tokio::test]
async fn what_an_app_may_move_in_a_day_is_kept_over_a_restart() {
    let today = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        since.as_secs() / 86_400
    };
    let told = loop {
        let day = today();
        let told = orders_of_a_day().await;
        // Over midnight another day's limit would count.
        if day == today() {
            break told;
        }
    };
    let (done, over) = ("completed", "over_day_limit");
    assert_eq!(told, [done, "refused", over, over, done, done, over, done]);
}
