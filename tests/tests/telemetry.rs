//! What is exported for OpenTelemetry, by a real process to a collector that this test is.

use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use system_tests::process::{free_address, program};
use system_tests::stage::{FOUND_WITHIN, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What is exported waits for a second at most.
const EXPORTED_WITHIN: Duration = Duration::from_secs(15);
/// What a transfer would take that waits for a collector.
const HELD_UP: Duration = Duration::from_secs(5);

/// A request: its first line and headers, and its body.
#[derive(Debug)]
struct Exported {
    head: String,
    body: Vec<u8>,
}

impl Exported {
    fn has(&self, words: &str) -> bool {
        self.body.windows(words.len()).any(|piece| piece == words.as_bytes())
    }
}

/// Takes what is exported; as long as it stands still, it reads, and answers nobody.
struct Collector {
    endpoint: String,
    taken: mpsc::UnboundedReceiver<Exported>,
    stands_still: Arc<AtomicBool>,
}

impl Collector {
    async fn new() -> Result<Collector> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (take, taken) = mpsc::unbounded_channel();
        let stands_still = Arc::new(AtomicBool::new(false));
        let still = Arc::clone(&stands_still);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (take, still) = (take.clone(), Arc::clone(&still));
                tokio::spawn(async move { answer(stream, &take, &still).await });
            }
        });
        Ok(Collector { endpoint, taken, stands_still })
    }

    /// The next that is exported to this path and has these words in it.
    async fn next(&mut self, path: &str, words: &str) -> Result<Exported> {
        let line = format!("POST {path} HTTP/1.1\r\n");
        let wanted = async {
            loop {
                let one = self.taken.recv().await.context("nobody exports")?;
                if one.head.starts_with(&line) && one.has(words) {
                    return anyhow::Ok(one);
                }
            }
        };
        timeout(EXPORTED_WITHIN, wanted).await.with_context(|| format!("{path}: {words}"))?
    }
}

/// Reads one request after another, and answers each as a collector does that has taken all of it.
async fn answer(
    mut stream: TcpStream,
    take: &mpsc::UnboundedSender<Exported>,
    still: &AtomicBool,
) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            (stream.read_buf(&mut read).await.ok()? > 0).then_some(())?;
        };
        let head = String::from_utf8(read[..end].to_vec()).ok()?;
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1)?.split("\r\n").next()?;
        let length: usize = length.parse().ok()?;
        while read.len() < end + length {
            (stream.read_buf(&mut read).await.ok()? > 0).then_some(())?;
        }
        let body = read[end..end + length].to_vec();
        read.drain(..end + length);
        take.send(Exported { head, body }).ok()?;
        if still.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let said =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(said).await.ok()?;
    }
}

/// Whether the program under test was built with it; the tests of CI are.
async fn is_built_in(stage: &Stage) -> Result<bool> {
    let mut check = tokio::process::Command::new(program()?);
    check.args(["check", "--config", "bridge.toml"]).current_dir(stage.folder());
    let checked = check.output().await?;
    if checked.status.success() {
        return Ok(true);
    }
    let said = String::from_utf8_lossy(&checked.stderr);
    ensure!(said.contains("opentelemetry: this program was built without it"), "{said}");
    println!("LEFT OUT: the program was built without the feature opentelemetry");
    Ok(false)
}

/// Orders one transfer within a counter; its master serial.
async fn transfer(stage: &Stage, key: &str) -> Result<String> {
    let body = "{\"from\":{\"counter\":\"securities\",\"account\":\"6001\"},\"to\":\
                {\"counter\":\"securities\",\"account\":\"6002\"},\"amount\":1,\
                \"currency\":\"CNY\"}";
    let said = stage.caller()?.post(key, body, 20).await?;
    ensure!(said.status == 201, "{said:?}");
    let answer: serde_json::Value = said.json()?;
    Ok(answer["master_serial"].as_str().context("a serial")?.to_owned())
}

/// A transfer is a span with its master serial, and what is logged a record. A collector that stands still delays
/// nothing, neither a transfer nor the end of the bridge; and once it is away, that is said.
#[tokio::test]
async fn a_transfer_is_exported_with_its_master_serial_and_a_collector_holds_nobody_up()
-> Result<()> {
    let mut collector = Collector::new().await?;
    let address = free_address()?.to_string();
    let sections = format!(
        "[opentelemetry]\nendpoint = '{}'\nservice_name = 'bridge-of-a-test'\n\
         [[counter]]\nid = 'securities'\ndialect = 'securities'\naddresses = ['{address}']\n\
         key_file = 'k'\nheartbeat_s = 1\n",
        collector.endpoint
    );
    // What stands in the environment leaves nothing out.
    let sampler = vec![("OTEL_TRACES_SAMPLER", "always_off".to_owned())];
    let mut stage = Stage::prepared(&sections)?.with_variables(sampler);
    if !is_built_in(&stage).await? {
        return Ok(());
    }
    stage.restart().await?;
    let accounts = ["--account", "6001=10000", "--account", "6002=0", "--books", "s.jsonl"];
    let options = [&["--listen", &address][..], &accounts[..]].concat();
    let running = stage.counter("securities", &options)?;
    stage.until("securities", true, FOUND_WITHIN).await?;

    let line = collector.next("/v1/logs", "the bridge is up").await?;
    ensure!(line.has("bridge-of-a-test") && line.has("INFO"), "{line:?}");
    let serial = transfer(&stage, "first").await?;
    let span = collector.next("/v1/traces", &serial).await?;
    for words in ["transfer", "master", "completed", "securities", "bridge-of-a-test"] {
        ensure!(span.has(words), "{words}: {span:?}");
    }
    ensure!(!span.has("6001"), "no account: {span:?}");
    ensure!(span.head.to_lowercase().contains("content-type: application/x-protobuf"), "{span:?}");

    collector.stands_still.store(true, Ordering::Relaxed);
    let held_up = Instant::now();
    for number in 0..20 {
        let serial = transfer(&stage, &format!("still-{number}")).await?;
        if number == 0 {
            collector.next("/v1/traces", &serial).await?;
        }
    }
    // It has had its time.
    stage.logged("the collector takes no spans: they are not exported", 1).await?;
    ensure!(stage.said("/readyz").await?.contains("\"ready\""));
    ensure!(held_up.elapsed() < 20 * HELD_UP, "{:?}", held_up.elapsed());
    // It ends in time, which is looked at there.
    ensure!(stage.terminate().await?.success());
    running.kill().await?;
    Ok(())
}
