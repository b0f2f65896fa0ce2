//! Words from outside drive no terminal and begin no line: whatever a counter or a stranger says reaches
//! operators escaped, on every surface, and is kept as it came.

use anyhow::{Context, Result, ensure};
use domain::message::{Instruction, Reply};
use domain::message::{Notice, Severity};
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::Output;
use std::time::Duration;
use system_tests::peer::{Manners, Peer, done};
use system_tests::process::program;
use system_tests::stage::{FOUND_WITHIN, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::conversation::{Conversation, SignOff};
use wire::message::Message;

/// It clears a screen, rings a bell, turns a number around and begins a line of a log.
const HOSTILE: &str = "\u{1b}[2J\u{1b}[1;31mALL FINAL\u{1b}]0;mine\u{7}\r\u{202e}001\u{9b}5m\nERROR forged\u{2028}余额";
const HARMLESS: &str =
    r"\u001b[2J\u001b[1;31mALL FINAL\u001b]0;mine\u0007\r\u202e001\u009b5m\nERROR forged\u2028余额";

/// Nothing in it drives a terminal, and no line of it begins with somebody else's words.
fn is_harmless(what: &str, text: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(text).with_context(|| format!("{what} is no text"))?;
    let unseen: Vec<char> =
        text.chars().filter(|&letter| letter != '\n' && foreign::is_unseen(letter)).collect();
    ensure!(unseen.is_empty(), "{what} has {unseen:?}:\n{text}");
    ensure!(!text.lines().any(|line| line.starts_with("ERROR forged")), "{what}:\n{text}");
    Ok(())
}

/// A person's command, and what it wrote.
async fn command(stage: &Stage, arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(program()?);
    command.args(arguments).args(["--client", "client.toml"]).current_dir(stage.folder());
    let within = tokio::time::timeout(Duration::from_secs(20), command.kill_on_drop(true).output());
    within.await.context("it does not end")?.context("it does not start")
}

/// A counter whose every word is hostile, and the bridge that listens to it.
async fn stage() -> Result<(Stage, Peer)> {
    let hostile = Peer::start("hostile", Manners::Good).await?;
    let stage = Stage::start(&hostile.configured()).await?;
    stage.until("hostile", true, FOUND_WITHIN).await?;
    let mut client = String::new();
    writeln!(client, "url = 'http://{}'\noperators = 'http://{}'", stage.api(), stage.operators())?;
    writeln!(client, "key_id = 'demo-hmac'\nkey_file = 'demo-hmac.secret'")?;
    writeln!(client, "algorithm = 'hmac-sha256'\ntoken_file = 'tester.token'")?;
    std::fs::write(stage.folder().join("client.toml"), client)?;
    Ok((stage, hostile))
}

#[tokio::test]
async fn a_counters_words_are_escaped_on_every_surface_and_kept_as_they_came() -> Result<()> {
    let (stage, mut hostile) = stage().await?;
    let place = |account| json!({ "counter": "hostile", "account": account });
    let order = json!({
        "from": place("6001"), "to": place("8001"), "amount": 100, "currency": "CNY",
    });
    let caller = stage.caller()?;
    let told = tokio::spawn(async move { caller.post("words", &order.to_string(), 20).await });
    for _ in 0..2 {
        let (id, posting) = hostile.posting().await?;
        ensure!(matches!(posting, Instruction::Debit(_) | Instruction::Credit(_)), "{posting:?}");
        let mut reply = done(&posting);
        if let Reply::Posting(reply) = &mut reply {
            reply.answer.text = HOSTILE.into();
        }
        hostile.answer(id, reply)?;
    }
    let transfer: Value = told.await??.json()?;
    assert_eq!(transfer["state"], "completed", "{transfer}");
    assert_eq!(transfer["legs"][0]["answer"]["text"], HOSTILE, "evidence is kept as it came");
    let notice = Notice { severity: Severity::Warning, text: HOSTILE.into() };
    hostile.say(Message::Conversation(Conversation::Notice(notice)))?;
    stage.told(|event| event["text"].as_str().is_some_and(|text| text.contains(HARMLESS))).await?;
    hostile.say(Message::Conversation(Conversation::SignOff(SignOff { text: HOSTILE.into() })))?;
    stage
        .look("/ops/v1/counters", |said| said.contains("the counter signed off").then_some(()))
        .await?;
    let serial = transfer["master_serial"].as_str().context("a serial")?;
    for arguments in [
        &["show", serial][..],
        &["show", serial, "--json"],
        &["status"],
        &["status", "--json"],
        &["balance", "hostile:6001"],
    ] {
        let said = command(&stage, arguments).await?;
        is_harmless(&format!("{arguments:?}"), &said.stdout)?;
        is_harmless(&format!("{arguments:?}, what went wrong"), &said.stderr)?;
    }
    let shown = command(&stage, &["show", serial]).await?;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("余额"), "what is harmless is shown");
    let json = command(&stage, &["show", serial, "--json"]).await?;
    let same: Value = serde_json::from_slice(&json.stdout)?;
    assert_eq!(same["legs"][0]["answer"]["text"], HOSTILE, "machines read it as it came");
    let log = stage.log();
    let notices = log.lines().filter(|line| line.contains("hostile says (warning)")).count();
    assert!(log.contains(HARMLESS) && notices == 1, "the notice is logged once:\n{log}");
    is_harmless("the log", log.as_bytes())
}

/// Without a key, over both of the bridge's listeners.
#[tokio::test]
async fn strangers_forge_no_line_of_the_log() -> Result<()> {
    let (stage, _hostile) = stage().await?;
    let key = HOSTILE.replace(['\n', '\r'], "\u{85}");
    for (address, head) in [
        (stage.api(), format!("GET /v1/transfers?state={key} HTTP/1.1\r\nhost: a\r\n\r\n")),
        (
            stage.api(),
            format!(
                "GET /v1/transfers HTTP/1.1\r\nhost: {key}\r\nsignature: sig1=:AAAA:\r\n\
                 signature-input: sig1=(\"@method\");keyid=\"{key}\";alg=\"hmac-sha256\"\r\n\r\n"
            ),
        ),
        (stage.operators(), format!("GET /{key} HTTP/1.1\r\nhost: {key}\r\n\r\n")),
    ] {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await??;
    }
    let ours = stage.caller()?.get("/v1/transfers?state=nonsense").await?;
    assert_eq!(ours.status, 400, "the bridge goes on");
    is_harmless("the log", stage.log().as_bytes())
}
