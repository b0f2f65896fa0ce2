//! Operators keep counters from new transfers, at the command line of a bridge that is killed meanwhile.

use reqwest::StatusCode;
use serde_json::Value;
use system_tests::audit::State;
use system_tests::caller::Order;
use system_tests::database::Kind;
use system_tests::operator::{connected, look, person};
use system_tests::town::{Faults, Town};

/// Whoever orders a transfer is told to come later, and nothing of what operators say.
async fn is_refused(town: &Town, order: &Order) {
    let said = town.caller.send(order).await.expect("an answer");
    assert_eq!(said.status, StatusCode::SERVICE_UNAVAILABLE, "{said:?}");
    let problem: Value = said.json().expect("a problem");
    assert_eq!(problem["type"], "/errors/counter_held", "{problem}");
    assert!(!problem.to_string().contains("their release"), "{problem}");
}

/// Waits until the futures counter's only connection stands so, and shows the counter.
async fn until(town: &Town, state: &str) -> Value {
    let stands = look(town, "/ops/v1/counters", |counters| {
        let counters = counters.as_array()?.iter();
        let mut futures = counters.filter(|counter| counter["counter"] == "futures");
        futures.find(|counter| counter["connections"][0]["state"] == state).cloned()
    });
    stands.await.expect("it comes to stand so")
}

#[tokio::test]
async fn a_counter_is_held_and_drained_and_released_at_the_command_line() {
    for kind in Kind::all() {
        let mut town = Town::start(kind, Faults::default()).await.expect("the town starts");
        connected(&town).await.expect("they connect");
        let none = person(&town, &["release", "futures", "--note", "?"]).await;
        assert!(none.expect_err("nobody holds it").to_string().contains("futures is not on hold"));
        let hold = ["hold", "futures", "--note", "their release"];
        let told = person(&town, &hold).await.expect("it is held");
        assert!(told.contains("futures is on hold") && told.contains("release futures"), "{told}");
        let order = Order::new("held", 700);
        is_refused(&town, &order).await;

        town.bridge.restart().await.expect("it starts again");
        connected(&town).await.expect("a held counter is connected");
        is_refused(&town, &order).await;
        let status = person(&town, &["status"]).await.expect("a status");
        assert!(
            status.contains("HOLDS futures since") && status.contains("their release"),
            "{status}"
        );
        let done = ["release", "futures", "--note", "they are done"];
        let told = person(&town, &done).await.expect("it is released");
        assert!(told.contains("it gets new transfers again"), "{told}");
        town.caller.settle(&order).await.expect("it ends");
        assert_eq!(town.caller.ending(&order).await.expect("it is told"), State::Completed);

        person(&town, &["drain", "futures", "--note", "their release"]).await.expect("drained");
        let shown = until(&town, "drained").await;
        assert_eq!(
            (&shown["health"], &shown["on_hold"]["kind"]),
            (&"down".into(), &"drain".into())
        );
        assert_eq!(shown["on_hold"]["waits_for"], 0, "{shown}");
        town.bridge.restart().await.expect("it starts again");
        let shown = until(&town, "drained").await;
        assert_eq!(shown["counts"]["sign_ons"], 0, "nothing needs it: {shown}");
        let order = Order::new("drained", 800);
        is_refused(&town, &order).await;
        let fences = person(&town, &["new-session", "futures", "--note", "?"]).await;
        assert!(fences.expect_err("it can fence").to_string().contains("no_session_needed"));
        person(&town, &done).await.expect("it is released");
        connected(&town).await.expect("it is back");
        town.caller.settle(&order).await.expect("it ends");
        assert_eq!(town.caller.ending(&order).await.expect("it is told"), State::Completed);
        let acts =
            look(&town, "/ops/v1/acts?about=futures", |acts| acts["acts"].as_array().cloned());
        let acts = acts.await.expect("acts");
        let word = |act: &Value, field: &str| act[field].as_str().unwrap_or("-").to_owned();
        let told: Vec<String> = acts
            .iter()
            .map(|act| {
                ["act", "before", "after", "reason", "outcome"]
                    .map(|field| word(act, field))
                    .join(" ")
            })
            .collect();
        let expected = [
            "released drain by tester - they are done done",
            "signed_on_anew - - ? no_session_needed",
            "drained - drain their release done",
            "released hold by tester - they are done done",
            "held - hold their release done",
        ];
        assert_eq!(told, expected, "{kind:?}");
        assert_eq!(town.audit().await.expect("an audit"), [], "{kind:?}");
    }
}
