//! What the bridge may not decide: a person is shown the evidence, decides at the command line, and
//! is held to what is proven.

use people::Role;
use reqwest::StatusCode;
use serde_json::Value;
use std::path::PathBuf;
use system_tests::audit::{State, Told};
use system_tests::caller::Order;
use system_tests::database::Kind;
use system_tests::operator::{another, look, parked, person, person_with, resolve};
use system_tests::tester;
use system_tests::town::{Faults, Town};

/// Credits are done and never answered, and questions about them are not heard.
const DEAF: &str = "[[rule]]\non = ['credit']\ndo = 'no_answer'\n\
                    [[rule]]\non = ['query', 'fence']\ndo = 'drop'";

/// A bridge that calls a person after a second.
const IMPATIENT: &str = "posting_deadline_ms = 300\nquery_deadline_ms = 200\npatience = 1\n\
                         first_pause_ms = 50\nparked_pause_s = 1";

/// Another operator, and the file with a token in that one's name.
async fn other(town: &Town, name: &str) -> PathBuf {
    let config = town.bridge.config_file();
    let folder = config.parent().expect("a folder");
    let made = tester::provide_other(town.bridge.database(), folder, name, Role::Operator);
    made.await.expect("an operator");
    tester::token_file(folder, name)
}

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
async fn a_parked_transfer_survives_a_kill_and_ends_when_the_counter_hears_again() {
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
    assert_eq!(town.caller.ending(&order).await.expect("it ends"), State::Completed);
    assert!(!resolve(&town, &serial, "resume").await.expect("it ends"), "nothing is to be decided");
    assert_eq!(town.audit().await.expect("an audit"), []);
}

/// The credits of the first three are done and of the fourth is not, and nobody is told: until the
/// counter hears again. The third has been claimed meanwhile.
#[tokio::test]
async fn after_an_outage_what_is_proven_ends_by_itself_and_what_is_to_be_returned_by_one_word() {
    let outage = "[[rule]]\non = ['credit']\namount = 704\ndo = 'drop'\n\
                  [[rule]]\non = ['credit']\ndo = 'no_answer'\n\
                  [[rule]]\non = ['query', 'fence']\ndo = 'drop'";
    let patience = format!("{IMPATIENT}\ntransfer_deadline_s = 2");
    for kind in Kind::all() {
        let faults = Faults { futures: outage, coordinator: &patience, ..Faults::default() };
        let mut town = Town::start(kind, faults).await.expect("the town starts");
        let orders: Vec<Order> =
            (701..=704).map(|amount| Order::new(format!("outage-{amount}"), amount)).collect();
        for order in &orders {
            town.caller.send(order).await.expect("an answer");
        }
        let list = "/ops/v1/transfers?state=needs_operator";
        let listed =
            look(&town, list, |listed| (listed["total"] == 4).then(|| listed["transfers"].clone()));
        let listed = listed.await.expect("all of them wait for a person");
        let serial = |index: usize| listed[index]["master_serial"].as_str().expect("a serial");
        for transfer in listed.as_array().expect("a list") {
            let reason = transfer["reason"].as_str().expect("a reason");
            assert_eq!(reason, "the credit's outcome could not be established");
        }
        let wang = other(&town, "wang").await;
        let claim = ["claim", serial(2), "--note", "on the telephone"];
        person_with(&town, &wang, &claim).await.expect("it is claimed");

        town.futures.cure().await.expect("it hears again");
        for order in &orders[..2] {
            let ending = town.caller.ending(order).await.expect("it ends");
            assert_eq!(ending, State::Completed, "{kind:?} {}", order.key);
        }
        let known = look(&town, list, |listed| {
            let transfers = listed["transfers"].as_array()?;
            let proven = |transfer: &Value| {
                transfer["reason"].as_str().is_some_and(|reason| reason.starts_with("proven: "))
            };
            (transfers.len() == 2 && transfers.iter().all(proven)).then(|| transfers.clone())
        });
        let known = known.await.expect("the others are known, and wait");
        let said = |index: usize| known[index]["next"].as_str().expect("what is next").to_owned();
        assert_eq!(
            (said(0).as_str(), said(1).as_str()),
            (
                "both legs are proven done; it ends as completed when wang claims it no longer",
                "proven: debit done, credit never executed; the debit is to be returned: resume"
            )
        );
        let told = person(&town, &["resume-proven", "--list", "--json"]).await.expect("a list");
        let proven: Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(
            (&proven["total"], &proven["transfers"][0]["master_serial"]),
            (&1.into(), &serial(3).into())
        );
        let resume = ["resume-proven", "--note", "futures is back"];
        let told = person(&town, &resume).await.expect("it is proposed");
        assert!(told.contains(serial(3)) && told.contains("1 proposed"), "{told}");
        let lines = person(&town, &["resume-proven", "--proposed"]).await.expect("lines");
        assert!(lines.contains("which sends the reversal: futures is back"), "{lines}");
        let config = town.bridge.config_file();
        let file = config.with_file_name("proposed");
        std::fs::write(&file, lines).expect("a file");
        let file = file.to_str().expect("a name");
        let approve = ["resume-proven", "--approve", file, "--note", "seen, too"];
        let own = person(&town, &approve).await.expect_err("it is one's own").to_string();
        assert!(own.contains("own_proposal"), "{own}");
        let another = another(&town).await.expect("a token");
        let told = person_with(&town, &another, &approve).await.expect("it is resumed");
        assert!(told.contains(serial(3)) && told.contains("1 approved"), "{told}");
        let ending = town.caller.ending(&orders[3]).await.expect("it ends");
        assert_eq!(ending, State::Reversed, "{kind:?}");

        let release = ["claim", serial(2), "--release"];
        assert!(person(&town, &release).await.is_err(), "only who has claimed it");
        person_with(&town, &wang, &release).await.expect("it is released");
        let ending = town.caller.ending(&orders[2]).await.expect("it ends");
        assert_eq!(ending, State::Completed, "{kind:?}");
        assert_eq!(town.audit().await.expect("an audit"), [], "{kind:?}");
    }
}
