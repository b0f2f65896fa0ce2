//! Real sockets and a real clock: nothing happens too early, and everything happens.

use super::*;
use axum::body::{Body, Bytes};
use axum::extract::Extension;
use axum::routing::{get, post};
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::Notify;

struct Rig {
    address: SocketAddr,
    house: Arc<House>,
    stop: Stop,
    /// Told when somebody is at `/slow`.
    waits: Arc<Notify>,
    /// Lets `/slow` answer.
    go: Arc<Notify>,
    ends: tokio::task::JoinHandle<()>,
}

/// What an answer has that nobody reads: more than all buffers in between.
const LONG: usize = 32 << 20;

impl Rig {
    async fn new(limits: Limits) -> Rig {
        let (waits, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (here, goes) = (waits.clone(), go.clone());
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/proven", get(async |Extension(visit): Extension<Visit>| visit.settle()))
            .route("/body", post(|body: Bytes| async move { body.len().to_string() }))
            .route("/long", get(|| async { Body::from(vec![b'x'; LONG]) }))
            .route(
                "/slow",
                get(move || async move {
                    here.notify_one();
                    goes.notified().await;
                    "at last"
                }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = Server::new(listener, "test", limits, Trust::Shown);
        let (house, stop) = (server.house.clone(), Stop::default());
        let ends = tokio::spawn(server.serve(router, stop.clone()));
        Rig { address, house, stop, waits, go, ends }
    }

    async fn from(&self, last: u8) -> Peer {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((IpAddr::from([127, 0, 0, last]), 0).into()).expect("a loopback address");
        Peer(socket.connect(self.address).await.expect("a connection"))
    }

    async fn connect(&self) -> Peer {
        self.from(1).await
    }

    async fn until_there_are(&self, count: usize) {
        while self.house.places().len() != count {
            tokio::task::yield_now().await;
        }
    }
}

struct Peer(TcpStream);

impl Peer {
    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("it is taken");
    }

    async fn get(&mut self, path: &str) -> String {
        self.say(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        self.hear().await
    }

    /// What comes at once; nothing once it is closed.
    async fn hear(&mut self) -> String {
        let mut heard = vec![0; 1 << 16];
        let count = self.0.read(&mut heard).await.unwrap_or(0);
        String::from_utf8_lossy(&heard[..count]).into_owned()
    }

    /// Everything until it is closed.
    async fn until_closed(&mut self) -> String {
        let mut heard = Vec::new();
        let closed = self.0.read_to_end(&mut heard);
        let _ = tokio::time::timeout(Duration::from_secs(30), closed).await.expect("it is closed");
        String::from_utf8_lossy(&heard).into_owned()
    }
}

const HALF: &str = "POST /body HTTP/1.1\r\nhost: x\r\nx-a: ";

/// Short ones, each of its own length.
fn hasty() -> Limits {
    let [head, body, idle, write] = [150, 250, 350, 450].map(Duration::from_millis);
    Limits { head, body, idle, write, ..Limits::default() }
}

#[tokio::test]
async fn whoever_says_nothing_or_half_a_head_is_sent_away() {
    let rig = Rig::new(hasty()).await;
    for said in ["", HALF] {
        let began = Instant::now();
        let mut peer = rig.connect().await;
        peer.say(said).await;
        assert_eq!(peer.until_closed().await, "");
        assert!(began.elapsed() >= hasty().head, "{:?}", began.elapsed());
    }
    rig.until_there_are(0).await;
}

#[tokio::test]
async fn a_byte_now_and_then_buys_no_time() {
    let rig = Rig::new(hasty()).await;
    let mut peer = rig.connect().await;
    peer.say(HALF).await;
    let mut byte = [0];
    for _ in 0..1000 {
        let read = tokio::time::timeout(Duration::from_millis(20), peer.0.read(&mut byte)).await;
        if let Ok(read) = read {
            assert!(!matches!(read, Ok(1..)), "nothing is answered");
            return;
        }
        let _ = peer.0.write_all(b"a").await;
    }
    panic!("it is never sent away");
}

#[tokio::test]
async fn a_long_head_is_told_so_and_takes_no_more_memory() {
    let rig = Rig::new(Limits::default()).await;
    let mut peer = rig.connect().await;
    let long = "b".repeat(390_000);
    // It stops reading where the limit is, so that the rest may not be taken.
    let _ = peer.0.write_all(format!("GET / HTTP/1.1\r\nhost: x\r\na: {long}").as_bytes()).await;
    let heard = peer.hear().await;
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 431 "), "{heard}");
    let mut peer = rig.connect().await;
    let fits = "b".repeat(15_000);
    peer.say(&format!("GET / HTTP/1.1\r\nhost: x\r\na: {fits}\r\n\r\n")).await;
    assert!(peer.hear().await.starts_with("HTTP/1.1 200 "));
    let mut peer = rig.connect().await;
    let over = "b".repeat(17_000);
    peer.say(&format!("GET / HTTP/1.1\r\nhost: x\r\na: {over}\r\n\r\n")).await;
    let heard = peer.hear().await;
    assert!(heard.starts_with("HTTP/1.1 431 "), "{heard}");
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request_but_not_for_ever() {
    let rig = Rig::new(hasty()).await;
    let mut peer = rig.connect().await;
    for _ in 0..3 {
        assert!(peer.get("/").await.ends_with("here"));
    }
    let began = Instant::now();
    assert_eq!(peer.until_closed().await, "");
    // The server may have begun to count a little before this.
    assert!(began.elapsed() > hasty().body, "{:?}", began.elapsed());
}

#[tokio::test]
async fn half_a_body_is_not_waited_for() {
    let rig = Rig::new(hasty()).await;
    let mut peer = rig.connect().await;
    let began = Instant::now();
    peer.say("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nab").await;
    assert_eq!(peer.until_closed().await, "");
    assert!(began.elapsed() >= hasty().body, "{:?}", began.elapsed());
    let rig = Rig::new(Limits::default()).await;
    let mut peer = rig.connect().await;
    peer.say("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nab").await;
    peer.say("cd").await;
    assert!(peer.hear().await.ends_with("\r\n\r\n4"));
}

#[tokio::test]
async fn our_own_answer_takes_its_time() {
    let rig = Rig::new(hasty()).await;
    let mut peer = rig.connect().await;
    peer.say("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    rig.waits.notified().await;
    // Longer than any limit.
    for _ in 0..4 {
        assert_eq!(rig.connect().await.until_closed().await, "");
    }
    rig.go.notify_one();
    assert!(peer.hear().await.ends_with("at last"));
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_dropped() {
    let rig = Rig::new(hasty()).await;
    let mut peer = rig.connect().await;
    let began = Instant::now();
    peer.say("GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await;
    rig.until_there_are(1).await;
    rig.until_there_are(0).await;
    assert!(began.elapsed() >= hasty().write, "{:?}", began.elapsed());
    let rig = Rig::new(Limits::default()).await;
    let mut reads = rig.connect().await;
    reads.say("GET /long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(reads.until_closed().await.len() > LONG, "whoever reads gets all of it");
}

#[tokio::test]
async fn one_address_has_only_so_many_connections() {
    let rig = Rig::new(Limits { per_address: 2, ..Limits::default() }).await;
    let mut first = rig.connect().await;
    assert!(first.get("/proven").await.starts_with("HTTP/1.1 200 "));
    let mut silent = rig.connect().await;
    rig.until_there_are(2).await;
    // Who only stands there goes for whoever shares its address, and nobody elsewhere does.
    let mut second = rig.connect().await;
    assert!(second.get("/proven").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(silent.until_closed().await, "");
    assert!(rig.from(2).await.get("/").await.ends_with("here"), "another address has its own");
    // Both have shown that they belong here; the one that rests goes, and not the one that is served.
    first.say("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    rig.waits.notified().await;
    let mut third = rig.connect().await;
    assert!(third.get("/proven").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(second.until_closed().await, "");
    third.say("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    rig.waits.notified().await;
    assert_eq!(rig.connect().await.until_closed().await, "");
    rig.go.notify_one();
    rig.go.notify_one();
}

#[tokio::test]
async fn strangers_make_room_for_newcomers_and_never_for_one_another_alone() {
    let limits = Limits { connections: 4, per_address: 3, ..Limits::default() };
    let rig = Rig::new(limits).await;
    let mut proven = rig.connect().await;
    assert!(proven.get("/proven").await.starts_with("HTTP/1.1 200 "));
    let mut oldest = rig.from(2).await;
    oldest.say(HALF).await;
    let _others = [rig.from(2).await, rig.from(2).await];
    rig.until_there_are(4).await;
    let mut newcomer = rig.from(3).await;
    assert!(newcomer.get("/").await.ends_with("here"));
    assert_eq!(oldest.until_closed().await, "");
    assert!(proven.get("/").await.ends_with("here"));
    rig.until_there_are(4).await;
}

#[tokio::test]
async fn a_stop_waits_for_answers_and_for_nothing_else() {
    let rig = Rig::new(Limits::default()).await;
    let mut silent = rig.connect().await;
    let mut half = rig.connect().await;
    half.say(HALF).await;
    let mut idle = rig.connect().await;
    assert!(idle.get("/").await.ends_with("here"));
    let mut busy = rig.connect().await;
    busy.say("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    rig.waits.notified().await;
    rig.until_there_are(4).await;
    rig.stop.soft.cancel();
    for peer in [&mut silent, &mut half, &mut idle] {
        assert_eq!(peer.until_closed().await, "");
    }
    assert!(!rig.ends.is_finished());
    rig.go.notify_one();
    let heard = busy.until_closed().await;
    assert!(heard.ends_with("at last"), "{heard}");
    rig.ends.await.expect("no panic");
    assert!(TcpStream::connect(rig.address).await.is_err());
}

#[tokio::test]
async fn past_the_deadline_nothing_is_waited_for() {
    let rig = Rig::new(Limits::default()).await;
    let mut busy = rig.connect().await;
    busy.say("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    rig.waits.notified().await;
    rig.stop.soft.cancel();
    assert!(!rig.ends.is_finished());
    rig.stop.hard.cancel();
    rig.ends.await.expect("no panic");
    assert_eq!(busy.until_closed().await, "");
}

#[tokio::test(start_paused = true)]
async fn trouble_with_accepting_is_waited_out() {
    let mut troubles = Troubles::default();
    troubles.met("test", &io::ErrorKind::ConnectionAborted.into());
    assert_eq!(troubles.until, None, "one connection's own affair");
    let mut pauses = Vec::new();
    for _ in 0..9 {
        troubles.met("test", &io::Error::from_raw_os_error(24));
        pauses.push(troubles.pause.expect("a pause").as_millis());
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    troubles.over();
    troubles.met("test", &io::Error::from_raw_os_error(24));
    assert_eq!(troubles.pause, Some(FIRST_PAUSE));
}
