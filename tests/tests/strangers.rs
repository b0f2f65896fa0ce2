//! Whoever connects and says little or nothing: neither a listener, nor a link, nor a stop waits for
//! them, however few files the process may open.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use system_tests::peer::{Manners, Peer};
use system_tests::process::free_address;
use system_tests::stage::{FOUND_WITHIN, Stage};

/// How soon an idle bridge is gone that was told to stop, whoever is connected to it.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// How soon an operator is answered, whoever else is there.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// Begins of requests that are never ended.
const HALVES: [&str; 3] = [
    "",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half",
    "POST /v1/transfers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
];

/// Connects and says this. Where there is no place left, nobody is there to be told of it.
fn stranger(to: SocketAddr, says: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // It may have been turned away already.
    let _ = stream.write_all(says.as_bytes());
    Ok(stream)
}

/// Whether the other side has closed.
fn is_closed(stream: &mut TcpStream) -> bool {
    let _ = stream.set_nonblocking(true);
    match stream.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

fn counter(id: &str, address: SocketAddr) -> String {
    format!(
        "[[counter]]\nid = '{id}'\ndialect = 'securities'\naddresses = ['{address}']\n\
         key_file = 'k'\nheartbeat_s = 1\n"
    )
}

async fn operators_are_answered(stage: &Stage) -> Result<()> {
    let begun = Instant::now();
    for path in ["/healthz", "/readyz", "/ops/v1/counters", "/ops/v1/transfers", "/metrics"] {
        let said = tokio::time::timeout(ANSWERED_WITHIN, stage.said(path)).await;
        said.with_context(|| format!("{path} is not answered"))??;
    }
    ensure!(begun.elapsed() < ANSWERED_WITHIN, "{:?}", begun.elapsed());
    Ok(())
}

/// With as few files as it starts with at all, hundreds of strangers on both ports.
#[tokio::test]
async fn with_few_files_to_open_strangers_keep_neither_operators_nor_links_out() -> Result<()> {
    let address = free_address()?;
    let mut stage = Stage::prepared(&counter("securities", address))?.with_descriptors(72);
    stage.restart().await?;
    let mut strangers = Vec::new();
    for round in 0..200 {
        for to in [stage.api(), stage.operators()] {
            strangers.push(stranger(to, HALVES[round % HALVES.len()])?);
        }
    }
    // They are there before the counter is: the link dials through all of it.
    let accounts = ["--account", "6001=1000", "--account", "6002=0", "--books", "s.jsonl"];
    let listen = address.to_string();
    let options = [&["--listen", &listen][..], &accounts[..]].concat();
    let first = stage.counter("securities", &options)?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    operators_are_answered(&stage).await?;
    // Callers are as well: a signed request comes in where strangers stand.
    let body = json!({
        "from": { "counter": "securities", "account": "6001" },
        "to": { "counter": "securities", "account": "6002" },
        "amount": 1,
        "currency": "CNY",
    });
    let said = stage.caller()?.post("through", &body.to_string(), 20).await?;
    ensure!(said.status == 201, "{said:?}\n{}", stage.log());
    // Again and again, for a link that comes back needs what it had before.
    first.kill().await?;
    stage.until("securities", false, FOUND_WITHIN).await?;
    for round in 0..100 {
        for to in [stage.api(), stage.operators()] {
            strangers.push(stranger(to, HALVES[round % HALVES.len()])?);
        }
    }
    let _second = stage.counter("securities", &options)?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    operators_are_answered(&stage).await?;
    let log = stage.log();
    ensure!(!log.contains("Too many open files"), "{log}");
    drop(strangers);
    Ok(())
}

/// A connection that rests costs nothing, and is ended for who has something to say.
#[tokio::test]
async fn sixty_four_idle_connections_blind_nobody() -> Result<()> {
    let address = free_address()?;
    let mut stage = Stage::prepared(&counter("securities", address))?.with_descriptors(64);
    stage.restart().await?;
    let mut idle = Vec::new();
    for _ in 0..64 {
        let mut stream =
            stranger(stage.operators(), "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        // Answered, or not taken: it rests from then on.
        let _ = stream.read(&mut [0; 1024]);
        idle.push(stream);
    }
    let listen = address.to_string();
    let _counter = stage.counter("securities", &["--listen", &listen])?;
    stage.until("securities", true, FOUND_WITHIN).await?;
    operators_are_answered(&stage).await?;
    Ok(())
}

/// Half a head is not waited for longer than a head may take, on whichever port; whoever drips bytes
/// buys no time by it.
#[tokio::test]
async fn a_head_that_is_never_ended_is_ended_for_it() -> Result<()> {
    let stage = Stage::start(&counter("securities", free_address()?)).await?;
    let mut halves = Vec::new();
    for to in [stage.api(), stage.operators()] {
        for _ in 0..100 {
            halves.push(stranger(to, HALVES[1])?);
        }
    }
    operators_are_answered(&stage).await?;
    let begun = Instant::now();
    while !halves.iter_mut().all(is_closed) {
        ensure!(begun.elapsed() < Duration::from_secs(20), "half a head is still waited for");
        for half in &mut halves {
            // One more byte of the head, now and then.
            let _ = half.write_all(b"x");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ensure!(begun.elapsed() > Duration::from_secs(5), "{:?}", begun.elapsed());
    Ok(())
}

/// An idle bridge, and whoever wants to keep it from going.
#[tokio::test]
async fn an_idle_bridge_is_gone_within_a_second_whoever_is_connected() -> Result<()> {
    let polite = Peer::start("polite", Manners::Good).await?;
    let rude = Peer::start("rude", Manners::Bad).await?;
    let door = free_address()?;
    let mut stage = Stage::start(&format!(
        "[accept]\nlisten = '{door}'\n{}{}[[counter]]\nid = 'dials'\ndialect = 'securities'\n\
         dials_in = true\nkey_file = 'k'\n",
        polite.configured(),
        rude.configured()
    ))
    .await?;
    for counter in ["polite", "rude"] {
        stage.until(counter, true, FOUND_WITHIN).await?;
    }
    let mut strangers = Vec::new();
    for to in [stage.api(), stage.operators(), door] {
        for half in HALVES {
            strangers.push(stranger(to, half)?);
        }
    }
    // A connection that was answered, and one whose owner reads a feed.
    strangers
        .push(stranger(stage.operators(), "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?);
    let token = std::fs::read_to_string(stage.token_file())?;
    let feed = format!(
        "GET /ops/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    strangers.push(stranger(stage.operators(), &feed)?);
    operators_are_answered(&stage).await?;
    let begun = Instant::now();
    let bridge = stage.bridge()?;
    bridge.ask_to_end()?;
    let status = bridge.ended(Duration::from_secs(25)).await?;
    let took = begun.elapsed();
    ensure!(status.success(), "{status}\n{}", stage.log());
    ensure!(took <= GONE_WITHIN, "it took {took:?}\n{}", stage.log());
    Ok(())
}

/// Who runs the bridge sees who is not let in, by which key and why; a flood of it is a few lines.
#[tokio::test]
async fn refused_signatures_are_logged_once_in_a_while_with_key_cause_and_address() -> Result<()> {
    let stage = Stage::start(&counter("securities", free_address()?)).await?;
    let url = format!("http://{}/v1/transfers", stage.api());
    let client = system_tests::http::client();
    let asked = async |keyid: &str| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
        let input = format!(
            r#"sig=("@method" "@target-uri");created={now};expires={};nonce="n";keyid="{keyid}""#,
            now + 60
        );
        let request = client.get(&url).header("signature-input", input);
        let answer = system_tests::http::send(request.header("signature", "sig=:AAAA:")).await?;
        let head = &answer.headers;
        ensure!(answer.status == 401 && head["cache-control"] == "no-store", "{answer:?}");
        ensure!(head["x-content-type-options"] == "nosniff", "{answer:?}");
        anyhow::Ok(answer.text())
    };
    let unknown = asked("who-is-this").await?;
    let known = asked("demo-hmac").await?;
    ensure!(unknown == known, "a stranger learns which keys there are: {unknown} {known}");
    for _ in 0..100 {
        asked("who-is-this").await?;
    }
    let log = stage.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("was not let in")).collect();
    ensure!(lines.len() == 3, "{log}");
    for (line, words) in lines.iter().zip([
        ["who-is-this", "no such key is known here", "127.0.0.1"],
        ["demo-hmac", "does not fit this request", "127.0.0.1"],
    ]) {
        ensure!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    Ok(())
}

/// For whoever balances load; what ails it is for operators alone.
#[tokio::test]
async fn the_api_says_unsigned_that_it_lives_and_nothing_else() -> Result<()> {
    let stage = Stage::start("").await?;
    let asked =
        async |path: &str| system_tests::http::get(format!("http://{}{path}", stage.api())).await;
    let alive = asked("/healthz").await?;
    assert_eq!(alive.status, 200);
    assert_eq!(alive.headers["cache-control"], "no-store");
    assert_eq!(alive.text(), r#"{"status":"ok"}"#);
    // Nothing of what operators are told: there is no such path on this side.
    for path in ["/readyz", "/metrics", "/ops/v1/summary"] {
        let url = format!("http://{}{path}", stage.api());
        let answer = system_tests::http::client().get(url).send().await?;
        assert_eq!(answer.status(), 404, "{path}");
        assert!(answer.text().await?.contains("/errors/no_such_path"), "{path}");
    }
    Ok(())
}
