//! The operators' page in a real browser, over a bridge whose counter says whatever might do harm.

use anyhow::{Context, Result, ensure};
use domain::message::{Instruction, Reply};
use domain::message::{Notice, Severity};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use system_tests::peer::{Manners, Peer, done};
use system_tests::stage::{FOUND_WITHIN, Stage};
use system_tests::tester;
use tokio::process::Command;
use wire::conversation::Conversation;
use wire::message::Message;

/// Names the folder with the packages of `tests/node/package.json`.
const PACKAGES_VARIABLE: &str = "COUNTER_BRIDGE_TEST_NODE";
/// Names a browser of the family of Chromium.
const BROWSER_VARIABLE: &str = "COUNTER_BRIDGE_TEST_BROWSER";

/// Markup that would act, a number that is turned around, a screen that is cleared.
const HOSTILE: &str = "</td><img src=x onerror=\"window.overtaken=1\"><script>window.overtaken=1</script>\
                       <b>ALL FINAL</b>\u{202e}001\u{1b}[2J";
/// The same as it is shown.
const HARMLESS: &str = "</td><img src=x onerror=\"window.overtaken=1\"><script>window.overtaken=1</script>\
                        <b>ALL FINAL</b>\\u202e001\\u001b[2J";

/// A transfer that waits for a person, as soon as nobody answers for its credit.
const BRISK: &str = "[coordinator]\npatience = 1\nfirst_pause_ms = 50\nlongest_pause_ms = 100\n\
                     posting_deadline_ms = 300\nquery_deadline_ms = 300\n";

#[tokio::test]
async fn the_page_is_for_everybody_and_nobody_elses_words_act_on_it() -> Result<()> {
    let variables = [PACKAGES_VARIABLE, BROWSER_VARIABLE].map(std::env::var);
    let [Ok(packages), Ok(browser)] = variables else {
        println!(
            "left out: {PACKAGES_VARIABLE} or {BROWSER_VARIABLE} is not set; `cargo xtask test` sets both"
        );
        return Ok(());
    };
    let mut hostile = Peer::start("hostile", Manners::Good).await?;
    let stage = Stage::start(&format!("{}\n{BRISK}", hostile.configured())).await?;
    stage.until("hostile", true, FOUND_WITHIN).await?;
    let place = |account| json!({ "counter": "hostile", "account": account });
    let order = json!({
        "from": place("6001"), "to": place("8001"), "amount": 100_000, "currency": "CNY",
    });
    let told = stage.caller()?.post("page", &order.to_string(), 0).await?;
    ensure!(told.status == 202, "{told:?}");
    let (id, debit) = hostile.posting().await?;
    let mut reply = done(&debit);
    if let Reply::Posting(reply) = &mut reply {
        reply.answer.text = HOSTILE.into();
    }
    hostile.answer(id, reply)?;
    let (_, credit) = hostile.posting().await?;
    ensure!(matches!(credit, Instruction::Credit(_)), "{credit:?}");
    hostile.say(Message::Conversation(Conversation::Notice(Notice {
        severity: Severity::Alarm,
        text: HOSTILE.into(),
    })))?;
    let serial = stage
        .look("/ops/v1/transfers?state=needs_operator", |said| {
            let listed: Value = serde_json::from_str(said).ok()?;
            Some(listed["transfers"][0]["master_serial"].as_str()?.to_owned())
        })
        .await?;

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/node/page.mjs");
    let url = format!("http://{}/", stage.operators());
    let looking = Command::new("node")
        .args([script, &packages, &browser, &url, &serial, tester::NAME, tester::PASSWORD])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended =
        tokio::time::timeout(Duration::from_mins(3), looking).await.context("it ends")??;
    let complained = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{complained}");
    let seen: Value = serde_json::from_slice(&ended.stdout)?;
    let views = seen["views"].as_array().context("views")?;
    assert_eq!(views.len(), 3, "{seen}");
    for view in views {
        let grave: Vec<&Value> = view["violations"]
            .as_array()
            .context("violations")?
            .iter()
            .filter(|violation| {
                violation["impact"] == "serious" || violation["impact"] == "critical"
            })
            .collect();
        assert!(grave.is_empty(), "{}: {grave:#?}", view["name"]);
        let text = view["text"].as_str().context("a text")?;
        let found = view["found"].as_str().context("what was found")?;
        assert!(found.contains(&serial) && found.contains("as a master serial"), "{found}");
        assert_eq!(view["address"], format!("{url}?q={serial}"), "it can be sent to a colleague");
        assert!(view["first"].as_str().is_some_and(|title| title.starts_with("Needs a person")));
        assert!(text.contains(&serial) && text.contains(HARMLESS), "{text}");
        assert_eq!((&view["markup"], &view["overtaken"]), (&json!(0), &json!(false)), "{text}");
        assert_eq!(view["overflows"], false, "{}", view["name"]);
    }
    assert_eq!(seen["complaints"], json!([]), "the browser has nothing to complain of");
    let requests = seen["requests"].as_array().context("requests")?;
    let elsewhere: Vec<&Value> = requests
        .iter()
        .filter(|asked| !asked.as_str().is_some_and(|asked| asked.starts_with(&url)))
        .collect();
    assert!(elsewhere.is_empty(), "it asks elsewhere: {elsewhere:?}");
    Ok(())
}
