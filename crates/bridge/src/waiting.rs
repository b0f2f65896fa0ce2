//! Waits for a database that is not there yet, and says so meanwhile: to the log, to operators and
//! to callers. What waiting cannot mend ends the start at once.

use crate::service_manager::ServiceManager;
use api::problem::{MEDIA_TYPE, Problem};
use ops::{Names, RULES};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{OpenError, Options, Store};
use supervise::clock::now_micros;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Pauses between attempts: doubled from the first up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// So often it is said again that the same is waited for.
const SAY_AGAIN: Duration = Duration::from_mins(1);

/// Whoever asks meanwhile has so long to do so, and so many do at once; others wait their turn.
const ASKING_TAKES: Duration = Duration::from_secs(2);
const MOST_ASKING: usize = 32;

/// Bytes of a request that are looked at: its first line is told apart, the rest is not needed.
const LONGEST_HEAD: usize = 8 * 1024;

/// What is waited for.
#[derive(Clone, Debug)]
struct Waiting {
    /// Microseconds since 1970 UTC.
    since: i64,
    /// In the database's words.
    what: String,
}

/// Which listener is asked; the operators' by the names that are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Side {
    Api,
    Operators(Names),
}

/// Opens the database behind `url`, and waits for it as long as it may come by itself. Who asks one
/// of the listeners meanwhile is told what is waited for, and so is the service manager; both are left as they were.
pub(crate) async fn for_database(
    url: &str,
    record: &Options,
    api: &TcpListener,
    (operators, names): (&TcpListener, &Names),
    manager: &ServiceManager,
) -> Result<Store, OpenError> {
    let error = match Store::open_with(url, record).await {
        Ok(store) => return Ok(store),
        Err(error) if error.may_pass() => error,
        Err(error) => return Err(error),
    };
    tracing::warn!(what = %error, "waiting for the database");
    let waiting = Waiting { since: now_micros(), what: error.to_string() };
    let shared = Mutex::new(waiting.clone());
    manager.waiting(&waiting.what);
    tokio::select! {
        opened = come(url, record, &shared, manager) => {
            let seconds = (now_micros() - waiting.since) / 1_000_000;
            opened.inspect(|_| tracing::info!(seconds, "the database is there"))
        }
        never = answer(api, Side::Api, &shared) => match never {},
        never = answer(operators, Side::Operators(names.clone()), &shared) => match never {},
    }
}

/// Tries again and again, more slowly each time.
async fn come(
    url: &str,
    record: &Options,
    waiting: &Mutex<Waiting>,
    manager: &ServiceManager,
) -> Result<Store, OpenError> {
    let (mut pause, mut said_at) = (FIRST_PAUSE, Instant::now());
    loop {
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let what = match Store::open_with(url, record).await {
            Err(error) if error.may_pass() => error.to_string(),
            ended => return ended,
        };
        manager.waiting(&what);
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.what != what || said_at.elapsed() >= SAY_AGAIN {
            said_at = Instant::now();
            tracing::warn!(what, "still waiting for the database");
            waiting.what = what;
        }
    }
}

/// Answers whoever asks, until it is dropped.
async fn answer(
    listener: &TcpListener,
    side: Side,
    waiting: &Mutex<Waiting>,
) -> std::convert::Infallible {
    let mut asking = JoinSet::new();
    loop {
        while asking.len() >= MOST_ASKING {
            asking.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let telling = tell(stream, side.clone(), Arc::new(waiting));
                asking.spawn(timeout(ASKING_TAKES, telling));
            }
            // No descriptor is free: one will be.
            Err(_) => sleep(FIRST_PAUSE).await,
        }
        while asking.try_join_next().is_some() {}
    }
}

/// One answer to one request; then the connection is closed.
async fn tell(mut stream: TcpStream, side: Side, waiting: Arc<Waiting>) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !ends(&head) && head.len() < LONGEST_HEAD {
        match stream.read(&mut piece).await? {
            0 => return Ok(()),
            length => head.extend_from_slice(&piece[..length]),
        }
    }
    let told = match &side {
        Side::Operators(names) if !names.know(host(&head)) => {
            let problem = Problem::foreign_host().document();
            response("421 Misdirected Request", MEDIA_TYPE, &problem, &RULES)
        }
        side => told(side, path(&head), &waiting),
    };
    stream.write_all(told.as_bytes()).await?;
    stream.shutdown().await?;
    // A body that is on its way still: closing on it would take the answer away.
    while stream.read(&mut piece).await? > 0 {}
    Ok(())
}

fn ends(head: &[u8]) -> bool {
    head.windows(4).any(|bytes| bytes == b"\r\n\r\n")
}

/// The path of a request's first line, without its query.
fn path(head: &[u8]) -> &str {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let target = std::str::from_utf8(line).ok().and_then(|line| line.split(' ').nth(1));
    target.and_then(|target| target.split('?').next()).unwrap_or("")
}

/// What the first `Host` line says; nothing readable is nobody's name.
fn host(head: &[u8]) -> Option<&str> {
    let mut lines = head.split(|byte| *byte == b'\n').skip(1);
    lines.find_map(|line| {
        let (name, value) = line.split_at_checked(b"host:".len())?;
        let named = name.eq_ignore_ascii_case(b"host:");
        named.then(|| std::str::from_utf8(value).unwrap_or("").trim())
    })
}

fn told(side: &Side, path: &str, waiting: &Waiting) -> String {
    let mut headers = match side {
        Side::Operators(_) => RULES.to_vec(),
        Side::Api => vec![("cache-control", "no-store"), ("x-content-type-options", "nosniff")],
    };
    if path == "/healthz" {
        return response("200 OK", "application/json", &json!({ "status": "ok" }), &headers);
    }
    let again = LONGEST_PAUSE.as_secs().to_string();
    headers.push(("retry-after", &again));
    let (kind, body) = match (side, path) {
        (Side::Operators(_), "/readyz") => (
            "application/json",
            json!({
                "status": "not ready",
                "journal": { "health": "failing", "since": waiting.since, "why": waiting.what },
                "waiting_for": "the database",
            }),
        ),
        (Side::Operators(_), _) => {
            (MEDIA_TYPE, Problem::starting(Some(waiting.what.as_str())).document())
        }
        // What the database says is nothing for strangers.
        (Side::Api, _) => (MEDIA_TYPE, Problem::starting(None).document()),
    };
    response("503 Service Unavailable", kind, &body, &headers)
}

fn response(status: &str, kind: &str, body: &Value, headers: &[(&str, &str)]) -> String {
    let body = body.to_string();
    let mut head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len(),
    );
    for (name, value) in headers {
        // Writing to a string does not fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    format!("{head}\r\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn a_path_is_what_stands_in_the_first_line() {
        for (head, expected) in [
            ("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "/readyz"),
            ("GET /v1/transfers?limit=1 HTTP/1.1\r\n\r\n", "/v1/transfers"),
            ("GET\r\n\r\n", ""),
            ("", ""),
        ] {
            assert_eq!(path(head.as_bytes()), expected, "{head}");
        }
        assert_eq!(path(b"GET /\xff HTTP/1.1\r\n\r\n"), "");
    }

    #[test]
    fn a_host_is_what_its_line_says() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nA: b\r\nHOST:  a:80 \r\nhost: b\r\n\r\n", Some("a:80")),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Some("")),
            ("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", None),
            ("Host: a\r\n\r\n", None),
            ("", None),
        ] {
            assert_eq!(host(head.as_bytes()), expected, "{head}");
        }
        assert_eq!(host(b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n"), Some(""));
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    }

    /// A locked file is waited for; meanwhile everybody is told, nobody who only connects is in the
    /// way, and when the lock goes the start goes on.
    #[tokio::test]
    async fn a_database_that_is_held_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}/bridge.sqlite", folder.path().display());
        Store::open(&url).await.expect("it is made").close().await;
        let lock = rusqlite_lock(&folder.path().join("bridge.sqlite"));
        let listen = async || TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (api, operators) = (listen().await, listen().await);
        let addresses = [&api, &operators].map(|listener| listener.local_addr().expect("known"));
        let opening = tokio::spawn(async move {
            let operators = (&operators, &Names::default());
            let manager = ServiceManager::default();
            for_database(&url, &Options::default(), &api, operators, &manager).await.map(drop)
        });
        let mut silent = Vec::new();
        for _ in 0..3 {
            silent.push(TcpStream::connect(addresses[1]).await.expect("it listens"));
        }
        let ready = ask(addresses[1], "GET /readyz HTTP/1.1\r\n\r\n").await;
        assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
        assert!(ready.contains("is locked by this very process"), "{ready}");
        let alive = ask(addresses[1], "GET /healthz HTTP/1.1\r\n\r\n").await;
        assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
        let alive = ask(addresses[0], "GET /healthz HTTP/1.1\r\n\r\n").await;
        assert!(alive.starts_with("HTTP/1.1 200") && !alive.contains("locked"), "{alive}");
        let bent = ask(addresses[1], "GET /readyz HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
        assert!(bent.starts_with("HTTP/1.1 421") && !bent.contains("is locked"), "{bent}");
        let order = ask(addresses[0], "POST /v1/transfers HTTP/1.1\r\n\r\n{}").await;
        assert!(order.starts_with("HTTP/1.1 503"), "{order}");
        assert!(order.contains("\"/errors/starting\"") && !order.contains("locked"), "{order}");
        assert!(!opening.is_finished());
        drop(lock);
        opening.await.expect("no panic").expect("it opens");
    }

    /// Holds the lock for writing until it is dropped.
    fn rusqlite_lock(path: &std::path::Path) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(path).expect("it is there");
        connection.execute_batch("BEGIN IMMEDIATE").expect("a lock");
        connection
    }

    #[tokio::test]
    async fn what_waiting_cannot_mend_ends_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("text"), "no database at all".repeat(99)).expect("made");
        let url = format!("sqlite://{}/text", folder.path().display());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let operators = (&listener, &Names::default());
        let (record, manager) = (Options::default(), ServiceManager::default());
        let refused = for_database(&url, &record, &listener, operators, &manager).await.map(drop);
        assert!(matches!(refused, Err(OpenError::NotADatabase { .. })), "{refused:?}");
    }
}
