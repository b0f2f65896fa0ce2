//! The operators' pages in a real browser, over a bridge whose counter says whatever might do harm: as two people who
//! decide together see them, in both languages, by keyboard alone.

use anyhow::{Context, Result, ensure};
use domain::message::{Instruction, Reply};
use domain::message::{Notice, Severity};
use people::Role;
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

/// Who approves what the tester proposes.
const APPROVER: &str = "wang";

/// A transfer that waits for a person, as soon as nobody answers for its credit.
const BRISK: &str = "[coordinator]\npatience = 1\nfirst_pause_ms = 50\nlongest_pause_ms = 100\n\
                     posting_deadline_ms = 300\nquery_deadline_ms = 300\n";

#[tokio::test]
async fn two_decide_by_keyboard_in_either_language_and_nobody_elses_words_act_on_a_page()
-> Result<()> {
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

    stage.add_person(APPROVER, Role::Approver).await?;

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/node/page.mjs");
    let url = format!("http://{}/", stage.operators());
    let both = [tester::NAME, tester::PASSWORD, APPROVER, tester::PASSWORD];
    let looking = Command::new("node")
        .args([script, &packages, &browser, &url, &serial])
        .args(both)
        .arg("hostile")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended =
        tokio::time::timeout(Duration::from_mins(8), looking).await.context("it ends")??;
    let complained = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{complained}");
    let seen: Value = serde_json::from_slice(&ended.stdout)?;
    let views = seen["views"].as_array().context("views")?;
    assert_eq!(views.len(), 48, "{seen}");
    for view in views {
        is_for_everybody(view, &serial)?;
    }
    assert_eq!(seen["complaints"], json!([]), "the browser has nothing to complain of");
    decided_by_two(&seen);
    let requests = seen["requests"].as_array().context("requests")?;
    let elsewhere: Vec<&Value> = requests
        .iter()
        .filter(|asked| !asked.as_str().is_some_and(|asked| asked.starts_with(&url)))
        .collect();
    assert!(elsewhere.is_empty(), "it asks elsewhere: {elsewhere:?}");
    Ok(())
}

/// A page as anybody sees it: axe finds nothing, it fits its window, and others' words are words.
fn is_for_everybody(view: &Value, serial: &str) -> Result<()> {
    let name = view["name"].as_str().context("a name")?;
    assert_eq!(view["violations"], json!([]), "{name}");
    assert_eq!(view["overflows"], false, "{name}");
    let language = if name.contains("chinese") { "zh-CN" } else { "en" };
    assert_eq!(view["language"], language, "{name}");
    let text = view["text"].as_str().context("a text")?;
    assert_eq!((&view["markup"], &view["overtaken"]), (&json!(0), &json!(false)), "{text}");
    if name.ends_with(" /") {
        let first = view["first"].as_str().context("a title")?;
        assert!(first.starts_with("Needs a person") || first.starts_with("待人工处理"), "{first}");
    }
    if name.ends_with(&format!("/transfers/{serial}")) {
        assert!(text.contains(serial) && text.contains(HARMLESS), "{name}: {text}");
    }
    if name.ends_with(&format!("q={serial}")) {
        assert!(text.contains(serial), "{name}: {text}");
    }
    Ok(())
}

/// One proposes, nobody approves that alone, another does; and what else they did.
fn decided_by_two(seen: &Value) {
    let said = |at: usize| seen["steps"][at].as_str().unwrap_or_default();
    assert_eq!(said(0), "Proposed. Another person has to approve it.", "{}", seen["steps"]);
    assert!(said(1).starts_with("Nobody approves a proposal of one's own"), "{}", said(1));
    assert_eq!(seen["isCut"], false, "a page that refused something is live");
    assert_eq!(seen["kept"], "my own words", "what was typed is kept");
    assert_eq!(said(2), "已批准，裁定生效。");
    assert!(seen["after"] != "state needs_operator", "{}", seen["after"]);
    assert!(
        said(3).starts_with("hold: tester,") && said(3).ends_with("to try hold"),
        "{}",
        said(3)
    );
    assert_eq!((said(4), said(5), said(6)), ("not on hold", "总览", "/sign-in"));
    assert_eq!(seen["steps"].as_array().map(Vec::len), Some(7), "{}", seen["steps"]);
}
