//! What the bridge may not decide: a person is shown the evidence, decides at the command line, and
//! is held to what is proven.

use reqwest::StatusCode;
use serde_json::Value;
use std::time::Duration;
use system_tests::audit::{State, Told};
use system_tests::caller::{END_WITHIN, LOOK_EVERY, Order};
use system_tests::database::Kind;
use system_tests::process::Process;
use system_tests::town::{Faults, Town};
use tokio::time::{Instant, sleep};

/// Credits are done and never answered, and questions about them are not heard.
const DEAF: &str = "[[rule]]\non = ['credit']\ndo = 'no_answer'\n\
                    [[rule]]\non = ['query', 'fence']\ndo = 'drop'";

/// A bridge that calls a person after a second.
const IMPATIENT: &str = "posting_deadline_ms = 300\nquery_deadline_ms = 200\npatience = 1\n\
                         first_pause_ms = 50\nparked_pause_s = 1";

/// Looks at the operators' side until what is there is what is wanted.
async fn look<T>(town: &Town, path: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
    let url = format!("{}{path}", town.bridge.operators());
    let deadline = Instant::now() + END_WITHIN;
    loop {
        let said = reqwest::get(&url).await.expect("an answer").text().await.expect("a body");
        let said: Value = serde_json::from_str(&said).expect("JSON");
        if let Some(found) = wanted(&said) {
            return found;
        }
        assert!(Instant::now() < deadline, "{said}\n{}", town.bridge.log());
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until all counters are connected.
async fn connected(town: &Town) {
    look(town, "/ops/v1/counters", |counters| {
        let counters = counters.as_array()?;
        counters.iter().all(|counter| counter["health"] == "up").then_some(())
    })
    .await;
}

/// Waits until a transfer needs a person.
async fn parked(town: &Town) -> Value {
    look(town, "/ops/v1/transfers?state=needs_operator", |listed| {
        listed["transfers"].get(0).cloned()
    })
    .await
}

/// `counter-bridge resolve`, and whether it was taken.
async fn resolve(town: &Town, serial: &str, decision: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let operators = town.bridge.operators();
    let arguments = ["resolve", serial, decision, "--operators", &operators];
    let reasons = ["--who", "lin", "--note", "confirmed by telephone"];
    let arguments: Vec<&str> = arguments.into_iter().chain(reasons).collect();
    let mut person = Process::start("resolve", folder.path(), &arguments).expect("it starts");
    person.ended(Duration::from_secs(20)).await.expect("it ends").success()
}

#[tokio::test]
async fn a_person_decides_what_cannot_be_known_and_cannot_decide_against_proof() {
    for kind in Kind::all() {
        let faults = Faults { futures: DEAF, coordinator: IMPATIENT, ..Faults::default() };
        let town = Town::start(kind, faults).await.expect("the town starts");
        let order = Order::new("deaf", 700);
        connected(&town).await;
        town.caller.send(&order).await.expect("an answer");
        let transfer = parked(&town).await;
        let serial = transfer["master_serial"].as_str().expect("a serial").to_owned();
        assert_eq!(transfer["legs"][0]["knowledge"], "done", "{transfer}");
        assert_eq!(transfer["legs"][1]["knowledge"], "unknown", "{transfer}");

        assert!(!resolve(&town, &serial, "refused").await, "the debit is done");
        assert!(resolve(&town, &serial, "completed").await);
        assert!(!resolve(&town, &serial, "reversed").await, "it is final");

        let said = town.caller.send(&order).await.expect("an answer");
        assert_eq!(said.status, StatusCode::CREATED, "{said:?}");
        let told: Told = said.json().expect("a transfer");
        assert_eq!(told.state, State::Completed);
        assert_eq!(town.audit().await.expect("an audit"), [], "{kind:?}");
    }
}

#[tokio::test]
async fn a_parked_transfer_survives_a_kill_and_is_resumed_when_the_counter_hears_again() {
    let faults = Faults { futures: DEAF, coordinator: IMPATIENT, ..Faults::default() };
    let mut town = Town::start(Kind::Sqlite, faults).await.expect("the town starts");
    let order = Order::new("deaf-for-a-while", 700);
    connected(&town).await;
    town.caller.send(&order).await.expect("an answer");
    let transfer = parked(&town).await;
    let serial = transfer["master_serial"].as_str().expect("a serial").to_owned();

    town.bridge.restart().await.expect("it starts again");
    let transfer = parked(&town).await;
    assert_eq!(transfer["master_serial"], serial.as_str(), "it still needs a person");

    town.futures.cure().await.expect("it hears again");
    connected(&town).await;
    assert!(resolve(&town, &serial, "resume").await, "{}", town.bridge.log());
    assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
    assert_eq!(town.audit().await.expect("an audit"), []);
}
