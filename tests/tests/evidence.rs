//! A counter that says it posted something else than it was asked for: what it said stands beside what was ordered, on the
//! operators' side, on the page and in the file that is carried away, as it was sent and as it was received.

use anyhow::{Context, Result, ensure};
use domain::message::{Instruction, Reply};
use domain::money::Amount;
use domain::serial::Day;
use serde_json::{Value, json};
use system_tests::http::{Heard, client, send};
use system_tests::peer::{Manners, Peer, done};
use system_tests::stage::{FOUND_WITHIN, Stage};
use system_tests::tester;

/// Words that would act on a terminal and on a page.
const HOSTILE: &str = "\u{1b}[2J<b>\u{202e}001";
/// The same on a page.
const HARMLESS: &str = "\\u202e001";

/// A transfer that goes on asking, and is written down soon.
const BRISK: &str = "[coordinator]\npatience = 1\nfirst_pause_ms = 50\nlongest_pause_ms = 100\n\
                     posting_deadline_ms = 2000\nquery_deadline_ms = 300\n";

#[tokio::test]
async fn what_a_counter_said_otherwise_stands_beside_what_was_ordered() -> Result<()> {
    let mut liar = Peer::start("liar", Manners::Good).await?;
    let stage = Stage::start(&format!("{}\n{BRISK}", liar.configured())).await?;
    stage.until("liar", true, FOUND_WITHIN).await?;
    let place = |account| json!({ "counter": "liar", "account": account });
    let order =
        json!({ "from": place("6001"), "to": place("8001"), "amount": 70_000, "currency": "CNY" });
    let told = stage.caller()?.post("other", &order.to_string(), 0).await?;
    ensure!(told.status == 202, "{told:?}");
    let (id, debit) = liar.posting().await?;
    let Instruction::Debit(ordered) = &debit else { panic!("{debit:?}") };
    let mut reply = done(&debit);
    let Reply::Posting(said) = &mut reply else { panic!("{reply:?}") };
    said.answer.text = HOSTILE.into();
    let posted = said.posted.as_mut().context("a posting")?;
    posted.amount = Amount::new(70_001)?;
    posted.settle_day = Day::new(20_200_229)?;
    liar.answer(id, reply)?;

    // A list does not carry it, and says which one it is.
    let serial = stage
        .look("/ops/v1/transfers?state=needs_operator", |said| {
            let listed: Value = serde_json::from_str(said).ok()?;
            let one = &listed["transfers"][0];
            assert!(one["trail"].as_array()?.iter().all(|entry| entry.get("messages").is_none()));
            Some(one["master_serial"].as_str()?.to_owned())
        })
        .await?;
    let one = stage
        .look(&format!("/ops/v1/transfers/{serial}"), |said| {
            serde_json::from_str::<Value>(said).ok()
        })
        .await?;
    let trail = one["trail"].as_array().context("a trail")?;
    let entry = |event: &str| {
        let found = trail
            .iter()
            .find(|entry| entry["event"].as_str().is_some_and(|it| it.starts_with(event)));
        found.map(|entry| &entry["messages"]).with_context(|| format!("{event}: {one}"))
    };
    let sent = entry("debit sent")?["sent"]["text"].as_str().context("a message")?;
    for line in [
        "request_id: …\ndebit {\n".to_owned(),
        format!("  serial: {}\n", ordered.serial.number()),
        format!("  settle_day: {}\n", ordered.settle_day),
        "  account: \"6001\"\n  amount: 70000\n  currency: \"CNY\"\n".to_owned(),
    ] {
        assert!(sent.contains(&line), "{line}: {sent}");
    }
    let received = &entry("debit: still unknown")?["received"];
    assert_eq!(received["differs"], json!(["amount", "settle day"]), "{received}");
    assert_eq!((&received["came"], &received["counter"]), (&json!("awaited"), &json!("liar")));
    let text = received["text"].as_str().context("a message")?;
    for line in
        ["posting_reply {\n", "    settle_day: 20200229\n", "    amount: 70001\n", "\\033[2J<b>"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(entry("debit: still unknown")?["rule"]["number"], 9);
    let question = entry("debit asked about")?["sent"]["text"].as_str().context("a question")?;
    assert!(
        question.contains("query {\n") && question.contains("  look: LOOK_ONLY\n"),
        "{question}"
    );

    people_see_it(&stage, &serial).await
}

/// The same on the page, and in the file.
async fn people_see_it(stage: &Stage, serial: &str) -> Result<()> {
    let base = format!("http://{}", stage.operators());
    let proof = json!({ "name": tester::NAME, "password": tester::PASSWORD });
    let door = client().post(format!("{base}/ops/v1/session"));
    let door = send(door.header("sec-fetch-site", "same-origin").json(&proof)).await?;
    let cookie = door.headers.get("set-cookie").context("a cookie")?.to_str()?;
    let cookie = cookie.split(';').next().context("a pair")?.to_owned();
    let page = async |path: &str| -> Result<Heard> {
        let heard = send(client().get(format!("{base}{path}")).header("cookie", &cookie)).await?;
        ensure!(heard.status.as_u16() == 200, "{path}: {}", heard.status);
        Ok(heard)
    };
    let shown = page(&format!("/transfers/{serial}")).await?;
    let rules = shown.headers["content-security-policy"].to_str()?.to_owned();
    assert!(rules.starts_with("default-src 'self'"), "{rules}");
    let file = page(&format!("/transfers/{serial}/evidence.html")).await?;
    let rules = file.headers["content-security-policy"].to_str()?.to_owned();
    assert!(rules.starts_with("default-src 'none'; style-src 'sha256-"), "{rules}");
    let name = format!("attachment; filename=\"transfer-{serial}-evidence.html\"");
    assert_eq!(file.headers["content-disposition"], name.as_str());
    assert_eq!(file.headers["cache-control"], "no-store");
    for text in [shown.text(), file.text()] {
        assert!(text.contains("amount: 70000\n") && text.contains("amount: 70001\n"), "{text}");
        assert!(text.contains("not as it was ordered") && text.contains(HARMLESS), "{text}");
        assert!(!text.contains("<b>") && !text.contains('\u{202e}'), "{text}");
    }
    Ok(())
}
