//! Money in transit as operators see it, while a counter does not answer and once it does.

use reqwest::StatusCode;
use serde_json::{Value, json};
use system_tests::audit::State;
use system_tests::caller::Order;
use system_tests::database::Kind;
use system_tests::operator::{look, parked};
use system_tests::tester;
use system_tests::town::{Faults, Town};

/// Credits are done and never answered, and questions about them are not heard.
const DEAF: &str = "[[rule]]\non = ['credit']\ndo = 'no_answer'\n\
                    [[rule]]\non = ['query', 'fence']\ndo = 'drop'";

/// A bridge that calls a person after a second.
const IMPATIENT: &str = "posting_deadline_ms = 300\nquery_deadline_ms = 200\npatience = 1\n\
                         first_pause_ms = 50\nparked_pause_s = 1";

/// What is shown as soon as the futures counter is so.
async fn once(town: &Town, colour: &str) -> Value {
    let shown = look(town, "/ops/v1/transit", |transit| {
        let counters = transit["counters"].as_array()?;
        let futures = counters.iter().find(|one| one["counter"] == "futures")?;
        (futures["colour"] == colour).then(|| transit.clone())
    });
    shown.await.expect("it comes to be so")
}

fn at<'a>(transit: &'a Value, counter: &str) -> &'a Value {
    let counters = transit["counters"].as_array().expect("counters");
    counters.iter().find(|one| one["counter"] == counter).expect("it is configured")
}

/// The page as somebody sees it who is signed in.
async fn page(town: &Town) -> String {
    let base = town.bridge.operators();
    let proof = json!({ "name": tester::NAME, "password": tester::PASSWORD });
    let signing_in = system_tests::http::client().post(format!("{base}/ops/v1/session"));
    let signing_in = signing_in.header("sec-fetch-site", "same-origin").json(&proof);
    let heard = system_tests::http::send(signing_in).await.expect("an answer");
    assert_eq!(heard.status, StatusCode::CREATED);
    let cookies = heard.headers.get_all("set-cookie").iter().map(|cookie| {
        let cookie = cookie.to_str().expect("text");
        cookie.split(';').next().expect("a pair").to_owned()
    });
    let cookies = cookies.collect::<Vec<_>>().join("; ");
    let looking = system_tests::http::client().get(format!("{base}/transit"));
    let looking = looking.header("cookie", cookies).header("accept-language", "en");
    let heard = system_tests::http::send(looking).await.expect("an answer");
    assert_eq!(heard.status, StatusCode::OK);
    heard.text()
}

#[tokio::test]
async fn money_at_a_counter_that_does_not_answer_is_unknown_there_until_it_does() {
    let faults = Faults { futures: DEAF, coordinator: IMPATIENT, ..Faults::default() };
    let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    let calm = once(&town, "green").await;
    assert_eq!((&calm["totals"], &calm["transfers"]), (&json!([]), &json!([])));

    let order = Order::new("deaf-for-a-while", 700);
    town.caller.send(&order).await.expect("an answer");
    let parked = parked(&town).await.expect("it needs a person");
    for restarted in [false, true] {
        if restarted {
            town.bridge.restart().await.expect("it starts again");
        }
        let transit = once(&town, "unknown").await;
        let total = &transit["totals"][0];
        assert_eq!(
            (&total["moving"]["in_transit"], &total["conserved"]),
            (&json!(700), &json!(true))
        );
        let pair = &transit["pairs"][0];
        assert_eq!((&pair["from"], &pair["to"]), (&json!("securities"), &json!("futures")));
        assert_eq!(pair["moving"]["transfers"], 1);
        let futures = at(&transit, "futures");
        assert_eq!(futures["why"], json!(["legs whose outcome is not known: 1"]), "{futures}");
        assert_eq!(futures["money"][0]["unknown"], 700);
        assert!(futures["unknown_since"].as_i64() <= transit["now"].as_i64(), "{transit}");
        let securities = at(&transit, "securities");
        assert_eq!(
            (&securities["colour"], &securities["money"][0]["debited"]),
            (&json!("green"), &json!(700))
        );
        assert_eq!(transit["transfers"][0]["master_serial"], parked["master_serial"]);
    }
    let page_then = page(&town).await;
    let serial = parked["master_serial"].as_str().expect("a serial");
    for text in [
        "<span class=\"badge degraded\">unknown</span>",
        "<span class=\"badge up\">green</span>",
        "7.00 CNY",
        &format!("href=\"/transfers/{serial}\""),
    ] {
        assert!(page_then.contains(text), "{text}: {page_then}");
    }

    town.futures.cure().await.expect("it hears again");
    assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
    let transit = once(&town, "green").await;
    assert_eq!((&transit["totals"], &transit["transfers"]), (&json!([]), &json!([])));
    let page_now = page(&town).await;
    assert!(
        page_now.contains("No money is in transit.") && !page_now.contains(">unknown<"),
        "{page_now}"
    );
    let url = format!("{}/metrics", town.bridge.operators());
    let metrics = system_tests::http::get(url).await.expect("an answer").text();
    for line in ["in_transit_conserved 1", "alarms_total{kind=\"defect\"} 0"] {
        assert!(metrics.contains(&format!("\ncounter_bridge_{line}\n")), "{line}: {metrics}");
    }
    assert_eq!(town.audit().await.expect("an audit"), []);
}
