//! Alarms of a whole bridge: raised by what counters really do, one however often it is said, there after a kill, and in
//! the audit trail when somebody has acknowledged and closed them.

use anyhow::{Context, Result, ensure};
use domain::message::{Instruction, Posting, Reply};
use people::Role as OperatorRole;
use serde_json::{Value, json};
use system_tests::audit::State;
use system_tests::caller::Order;
use system_tests::database::Kind;
use system_tests::operator::{connected, look, parked};
use system_tests::peer::{Manners, Peer, done};
use system_tests::stage::{FOUND_WITHIN, Stage};
use system_tests::tester;
use system_tests::town::{Faults, Town};

/// How often something is said at once.
const OFTEN: u64 = 300;

/// A posting of a transfer that there never was.
fn of_nobody() -> Result<Reply> {
    let master: domain::serial::MasterSerial = "2026112100000077777".parse()?;
    Ok(done(&Instruction::Credit(Posting {
        serial: master.leg(domain::serial::Role::Credit),
        master,
        settle_day: domain::serial::Day::new(20_261_121).context("a day")?,
        account: "8001".parse()?,
        amount: domain::money::Amount::new(1)?,
        currency: domain::money::Currency::CNY,
        mark: None,
    })))
}

/// The alarms of a page that are about the liar's foreign words.
fn foreign(page: &str) -> Vec<Value> {
    let page: Value = serde_json::from_str(page).unwrap_or_default();
    let all = page["alarms"].as_array().cloned().unwrap_or_default().into_iter();
    all.filter(|alarm| (&alarm["kind"], &alarm["counter"]) == (&json!("foreign"), &json!("liar")))
        .collect()
}

/// The one that is open, as soon as it is recorded and was said so often.
async fn open(stage: &Stage, times: u64) -> Result<Value> {
    let found = stage.look("/ops/v1/alarms?state=open", |page| {
        let mut alarms = foreign(page);
        let alarm = alarms.pop().filter(|_| alarms.is_empty())?;
        let is_so = alarm["number"].is_i64() && alarm["times"].as_u64() >= Some(times);
        is_so.then_some(alarm)
    });
    found.await
}

async fn say(stage: &Stage, who: &str, path: &str, note: &str) -> Result<(u16, Value)> {
    let http = system_tests::http::as_operator(&tester::token_file(stage.folder(), who));
    post(&http, &format!("http://{}{path}", stage.operators()), note).await
}

async fn post(http: &reqwest::Client, url: &str, note: &str) -> Result<(u16, Value)> {
    let said = system_tests::http::send(http.post(url).json(&json!({ "note": note }))).await?;
    Ok((said.status.as_u16(), said.json()?))
}

#[tokio::test]
async fn an_alarm_outlives_a_kill_and_one_acknowledges_it_and_another_closes_it() -> Result<()> {
    let liar = Peer::start("liar", Manners::Good).await?;
    let mut stage = Stage::start(&liar.configured()).await?;
    for name in ["lin", "wang"] {
        stage.add_person(name, OperatorRole::Operator).await?;
    }
    stage.until("liar", true, FOUND_WITHIN).await?;
    let flood = || (0..OFTEN).try_for_each(|_| liar.say_unasked(of_nobody()?));
    flood()?;
    let raised = open(&stage, OFTEN).await?;
    ensure!(raised["closes_by_itself"] == false, "{raised}");
    let number = raised["number"].as_i64().context("a number")?;

    stage.restart().await?;
    let kept = open(&stage, 1).await?;
    for field in ["number", "kind", "counter", "text", "raised_at"] {
        assert_eq!(kept[field], raised[field], "{field}");
    }
    stage.until("liar", true, FOUND_WITHIN).await?;
    flood()?;
    let again = open(&stage, kept["times"].as_u64().context("a count")? + OFTEN).await?;
    assert_eq!((&again["number"], &again["raised_at"]), (&raised["number"], &raised["raised_at"]));

    let path = format!("/ops/v1/alarms/{number}");
    let (status, seen) =
        say(&stage, "lin", &format!("{path}/acknowledgement"), "on the telephone").await?;
    ensure!(status == 200 && seen["acknowledged"]["who"] == "lin", "{seen}");
    stage.restart().await?;
    let kept = open(&stage, 1).await?;
    assert_eq!(kept["acknowledged"], seen["acknowledged"], "what is told is durable");
    let (status, closed) =
        say(&stage, "wang", &format!("{path}/closing"), "a test of theirs").await?;
    ensure!(status == 200 && closed["closed"]["who"] == "wang", "{closed}");
    let (status, late) = say(&stage, "lin", &format!("{path}/closing"), "late").await?;
    ensure!(status == 409 && late["type"] == "/errors/alarm_closed", "{late}");

    // Said again it is another.
    stage.until("liar", true, FOUND_WITHIN).await?;
    flood()?;
    let another = open(&stage, 1).await?;
    ensure!(another["number"].as_i64() > Some(number), "{another}");
    ensure!(another["acknowledged"].is_null(), "{another}");

    stage.restart().await?;
    let history = foreign(&stage.said("/ops/v1/alarms?state=closed").await?);
    assert_eq!(history.len(), 1, "{history:?}");
    assert_eq!(history[0]["closed"], closed["closed"]);
    let acts = stage.said(&format!("/ops/v1/acts?about=alarm%20{number}")).await?;
    let acts: Value = serde_json::from_str(&acts)?;
    let acts = acts["acts"].as_array().context("acts")?.iter();
    let told: Vec<String> = acts
        .map(|act| {
            ["who", "act", "before", "after", "reason", "outcome"]
                .map(|field| act[field].as_str().unwrap_or("-"))
                .join(" ")
        })
        .collect();
    let expected = [
        "lin alarm_closed - closed late alarm_closed",
        "wang alarm_closed acknowledged by lin closed a test of theirs done",
        "lin alarm_acknowledged open acknowledged on the telephone done",
    ];
    assert_eq!(told, expected);
    Ok(())
}

/// Credits are done and never answered, and questions about them are not heard.
const DEAF: &str = "[[rule]]\non = ['credit']\ndo = 'no_answer'\n\
                    [[rule]]\non = ['query', 'fence']\ndo = 'drop'";

/// A bridge that calls a person after a second.
const IMPATIENT: &str = "posting_deadline_ms = 300\nquery_deadline_ms = 200\npatience = 1\n\
                         first_pause_ms = 50\nparked_pause_s = 1";

/// The alarm that transfers need a person, if there is exactly one on this page and it is recorded.
fn waiting(page: &Value) -> Option<Value> {
    let all = page["alarms"].as_array()?.iter();
    let mut found = all.filter(|alarm| alarm["kind"] == "needs_operator");
    let one = found.next()?;
    (found.next().is_none() && one["number"].is_i64()).then(|| one.clone())
}

#[tokio::test]
async fn however_many_transfers_need_a_person_there_is_one_alarm_that_closes_by_itself() {
    for kind in Kind::all() {
        let faults = Faults { futures: DEAF, coordinator: IMPATIENT, ..Faults::default() };
        let mut town = Town::start(kind, faults).await.expect("the town starts");
        connected(&town).await.expect("they connect");
        let orders: Vec<Order> = (0..5).map(|at| Order::new(format!("deaf-{at}"), 700)).collect();
        for order in &orders {
            town.caller.send(order).await.expect("an answer");
        }
        parked(&town).await.expect("they need a person");
        let open = "/ops/v1/alarms?state=open";
        let all = |page: &Value| waiting(page).filter(|alarm| alarm["times"].as_u64() >= Some(5));
        let raised = look(&town, open, all).await.expect("it is raised");

        town.bridge.restart().await.expect("it starts again");
        let kept = look(&town, open, waiting).await.expect("it is open still");
        assert_eq!((&kept["number"], &kept["text"]), (&raised["number"], &raised["text"]));
        let http = system_tests::http::as_operator(&town.bridge.token_file());
        let url = format!("{}/ops/v1/alarms/{}/closing", town.bridge.operators(), kept["number"]);
        let (status, refused) = post(&http, &url, "enough").await.expect("an answer");
        assert_eq!((status, &refused["type"]), (409, &json!("/errors/alarm_lasts")), "{refused}");

        town.futures.cure().await.expect("it hears again");
        for order in &orders {
            let ending = town.caller.ending(order).await.expect("it ends");
            assert_eq!(ending, State::Completed, "{kind:?}");
        }
        let closed = look(&town, "/ops/v1/alarms?state=closed", waiting).await;
        let closed = closed.expect("it closes by itself");
        assert_eq!(
            (&closed["number"], &closed["closed"]["who"]),
            (&raised["number"], &Value::Null),
            "{closed}"
        );
        assert_eq!(town.audit().await.expect("an audit"), [], "{kind:?}");
    }
}
