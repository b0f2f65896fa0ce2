//! What the bridge may not decide: a person is shown the evidence, decides at the command line, and
//! is held to what is proven.

use reqwest::StatusCode;
use system_tests::audit::{State, Told};
use system_tests::caller::Order;
use system_tests::database::Kind;
use system_tests::operator::{connected, parked, resolve};
use system_tests::town::{Faults, Town};

/// Credits are done and never answered, and questions about them are not heard.
const DEAF: &str = "[[rule]]\non = ['credit']\ndo = 'no_answer'\n\
                    [[rule]]\non = ['query', 'fence']\ndo = 'drop'";

/// A bridge that calls a person after a second.
const IMPATIENT: &str = "posting_deadline_ms = 300\nquery_deadline_ms = 200\npatience = 1\n\
                         first_pause_ms = 50\nparked_pause_s = 1";

#[tokio::test]
async fn a_person_decides_what_cannot_be_known_and_cannot_decide_against_proof() {
    for kind in Kind::all() {
        let faults = Faults { futures: DEAF, coordinator: IMPATIENT, ..Faults::default() };
        let town = Town::start(kind, faults).await.expect("the town starts");
        let order = Order::new("deaf", 700);
        town.caller.send(&order).await.expect("an answer");
        let transfer = parked(&town).await.expect("it needs a person");
        let serial = transfer["master_serial"].as_str().expect("a serial").to_owned();
        assert_eq!(transfer["legs"][0]["knowledge"], "done", "{transfer}");
        assert_eq!(transfer["legs"][1]["knowledge"], "unknown", "{transfer}");

        assert!(!resolve(&town, &serial, "refused").await.expect("it ends"), "the debit is done");
        assert!(resolve(&town, &serial, "completed").await.expect("it ends"));
        assert!(!resolve(&town, &serial, "reversed").await.expect("it ends"), "it is final");

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
    town.caller.send(&order).await.expect("an answer");
    let transfer = parked(&town).await.expect("it needs a person");
    let serial = transfer["master_serial"].as_str().expect("a serial").to_owned();

    town.bridge.restart().await.expect("it starts again");
    let transfer = parked(&town).await.expect("it needs a person");
    assert_eq!(transfer["master_serial"], serial.as_str(), "it still needs a person");

    town.futures.cure().await.expect("it hears again");
    connected(&town).await.expect("they connect");
    assert!(resolve(&town, &serial, "resume").await.expect("it ends"), "{}", town.bridge.log());
    assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
    assert_eq!(town.audit().await.expect("an audit"), []);
}
