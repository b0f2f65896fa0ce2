//! The whole link over pipes inside this process, on virtual time.

mod bad_peers;
mod dialled_in;
mod modes;
mod secured;
mod several;

use super::*;
use crate::ask::{Delivery, ReplyTo, Ticket, Unclear};
use crate::status::{Counts, Health, State};
use crate::testing::{GoodCounter, KEY, counter, debit, query, reply, their_codec};
use bytes::BytesMut;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{HashMap, HashSet};
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::time::{timeout, timeout_at};
use wire::codec::{Dialect, Incoming};
use wire::message::{Message, RejectReason, Rejected, RequestId};

/// A pipe whose reading panics when told to.
struct Pipe {
    inner: DuplexStream,
    panic: Arc<AtomicBool>,
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        assert!(!(read.is_ready() && self.panic.swap(false, Ordering::Relaxed)), "told to");
        read
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Opens pipes and gives their other ends to the test; refuses one address until it is opened.
#[derive(Clone)]
struct PipeDial {
    accepted: mpsc::UnboundedSender<DuplexStream>,
    dials: Arc<Mutex<Vec<String>>>,
    panic: Arc<AtomicBool>,
    opened: Arc<AtomicBool>,
    capacity: usize,
}

impl Dial for PipeDial {
    type Stream = Pipe;

    async fn look(&mut self, address: &str) -> io::Result<()> {
        if address == "closed:1" && !self.opened.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
        }
        Ok(())
    }

    async fn dial(&mut self, address: &str) -> io::Result<Pipe> {
        self.dials.lock().expect("no panic").push(address.to_owned());
        if address == "closed:1" && !self.opened.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
        }
        let (inner, theirs) = tokio::io::duplex(self.capacity);
        self.accepted.send(theirs).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Pipe { inner, panic: Arc::clone(&self.panic) })
    }
}

/// A link and everything around it.
struct Stage {
    link: Link,
    accepted: mpsc::UnboundedReceiver<DuplexStream>,
    dials: Arc<Mutex<Vec<String>>>,
    panic: Arc<AtomicBool>,
    opened: Arc<AtomicBool>,
    unmatched: mpsc::Receiver<Unmatched>,
    queue: mpsc::UnboundedSender<Delivery>,
    outcomes: mpsc::UnboundedReceiver<Delivery>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

fn stage() -> Stage {
    stage_with(1 << 20, |_| {})
}

fn stage_with(capacity: usize, change: impl FnOnce(&mut LinkConfig)) -> Stage {
    let mut config = LinkConfig::new(
        counter(),
        vec!["counter:1".to_owned()],
        Dialect::Securities,
        "bridge".to_owned(),
        KEY.to_vec().into(),
    );
    change(&mut config);
    let (accept, accepted) = mpsc::unbounded_channel();
    let (unmatched_to, unmatched) = mpsc::channel(4);
    let (queue, outcomes) = mpsc::unbounded_channel();
    let dials = Arc::new(Mutex::new(Vec::new()));
    let [panic, opened] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let dialler = PipeDial {
        accepted: accept,
        dials: Arc::clone(&dials),
        panic: Arc::clone(&panic),
        opened: Arc::clone(&opened),
        capacity,
    };
    let link = Link::spawn_over(dialler, config, unmatched_to, &tasks, stop.clone());
    tasks.close();
    Stage { link, accepted, dials, panic, opened, unmatched, queue, outcomes, tasks, stop }
}

impl Stage {
    /// The counter's end of the next connection.
    async fn accept(&mut self) -> Peer {
        let accepted = timeout(Duration::from_secs(200), self.accepted.recv());
        let stream = accepted.await.expect("a dial in time").expect("a dialler");
        Peer { stream, inbox: BytesMut::new(), good: GoodCounter::default() }
    }

    /// The same, signed on.
    async fn signed_on(&mut self) -> Peer {
        let mut peer = self.accept().await;
        for _ in 0..2 {
            peer.answer().await;
        }
        self.until(|state| matches!(state, State::Up | State::Syncing)).await;
        peer
    }

    async fn until(&self, reached: impl Fn(State) -> bool) {
        let mut status = self.link.status();
        let wait = status.wait_for(|snapshot| reached(snapshot.connections[0].state));
        timeout(Duration::from_secs(200), wait).await.expect("in time").expect("a link");
    }

    fn make(&self, number: u64, instruction: Instruction, within: Duration) -> Ask {
        Ask {
            ticket: Ticket(number),
            instruction,
            deadline: Instant::now() + within,
            reply_to: ReplyTo::Queue(self.queue.clone()),
        }
    }

    /// Asks a debit of this number with ten seconds to go.
    fn ask(&self, number: u64) {
        self.link.ask(self.make(number, debit(number), Duration::from_secs(10)));
    }

    async fn outcome(&mut self) -> (u64, Outcome) {
        let outcome = timeout(Duration::from_secs(200), self.outcomes.recv());
        let delivery = outcome.await.expect("in time").expect("an outcome");
        (delivery.ticket.0, delivery.outcome)
    }

    fn counts(&self) -> Counts {
        self.link.status().borrow().counts
    }

    /// Waits until the link's task has ended; how long that took.
    async fn ended(&self) -> Duration {
        let began = Instant::now();
        timeout(Duration::from_mins(1), self.tasks.wait()).await.expect("in time");
        began.elapsed()
    }
}

/// A counter at the other end of a pipe.
struct Peer<S = DuplexStream> {
    stream: S,
    inbox: BytesMut,
    good: GoodCounter,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// The next message; `None` when the link has closed.
    async fn hear(&mut self) -> Option<Message> {
        loop {
            match their_codec().decode(&mut self.inbox).expect("good framing") {
                Some(Incoming::Message(message)) => return Some(message),
                Some(Incoming::Malformed(malformed)) => panic!("{malformed:?}"),
                None => {}
            }
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next request; heartbeats are answered meanwhile.
    async fn request(&mut self) -> (RequestId, Instruction) {
        loop {
            match self.hear().await.expect("a request") {
                Message::Request(id, instruction) => return (id, instruction),
                message => {
                    let answer: Vec<Message> = self.good.answer(message).into_iter().collect();
                    self.say(&answer).await;
                }
            }
        }
    }

    async fn say(&mut self, messages: &[Message]) {
        let mut bytes = BytesMut::new();
        for message in messages {
            their_codec().encode(message, &mut bytes).expect("sayable");
        }
        self.stream.write_all(&bytes).await.expect("an open pipe");
    }

    /// Hears one message and answers it as a good counter does.
    async fn answer(&mut self) -> bool {
        let Some(message) = self.hear().await else { return false };
        if let Some(answer) = self.good.answer(message) {
            self.say(&[answer]).await;
        }
        true
    }

    /// Answers until the link closes.
    async fn serve(mut self) {
        while self.answer().await {}
    }
}

fn down(number: u64) -> (u64, Outcome) {
    (number, Outcome::NotSent(NotSent::Down))
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_is_answered() {
    let mut stage = stage();
    assert!(!stage.link.is_up());
    assert_eq!((stage.link.settle_day(), stage.link.session_began()), (None, None));
    let peer = stage.signed_on().await;
    assert!(stage.link.is_up());
    assert_eq!(stage.link.settle_day(), Some(crate::testing::day()));
    assert!(stage.link.session_began().is_some());
    tokio::spawn(peer.serve());
    stage.link.ask_all((1..=200).map(|n| stage.make(n, debit(n), Duration::from_secs(10))));
    for _ in 1..=200 {
        let (number, outcome) = stage.outcome().await;
        assert_eq!(outcome, Outcome::Answered(reply(&debit(number))));
    }
    let (to, answer) = tokio::sync::oneshot::channel();
    let ask = stage.make(1, query(1), Duration::from_secs(5));
    stage.link.ask(Ask { reply_to: ReplyTo::Once(to), ..ask });
    assert_eq!(answer.await, Ok(Outcome::Answered(reply(&query(1)))));
    let mut status = stage.link.status();
    let settled = status.wait_for(|now| now.counts.answered == 201 && now.queued == 0);
    timeout(Duration::from_secs(1), settled).await.expect("a fresh snapshot").expect("a link");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_down_refuses_at_once_and_writes_nothing_of_it_later() {
    let mut stage = stage();
    let mut peer = stage.accept().await;
    stage.ask(1);
    assert_eq!(stage.outcome().await, down(1));
    drop(peer);
    stage.until(|state| state == State::BackingOff).await;
    stage.ask(2);
    assert_eq!(stage.outcome().await, down(2));
    peer = stage.signed_on().await;
    stage.ask(3);
    assert_eq!(peer.request().await.1, debit(3), "the first that is ever written");
}

#[tokio::test(start_paused = true)]
async fn after_a_drop_it_comes_back_and_asks_before_it_sends() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    stage.ask(1);
    let (old_id, _) = peer.request().await;
    drop(peer);
    assert_eq!(stage.outcome().await, (1, Outcome::Unknown(Unclear::LinkLost)));
    assert!(!stage.link.is_up() && stage.link.session_began().is_none());

    let mut peer = stage.signed_on().await;
    let snapshot = Arc::clone(&stage.link.status().borrow());
    assert_eq!((snapshot.connections[0].state, snapshot.connections[0].epoch), (State::Syncing, 2));
    assert_eq!(
        snapshot.connections[0].last_cause.as_deref(),
        Some("the counter closed the connection")
    );
    assert!(!stage.link.is_up());
    stage.ask(2);
    stage.link.ask(stage.make(3, query(1), Duration::from_secs(5)));
    let (id, asked) = peer.request().await;
    assert_eq!(asked, query(1));
    // The old connection's answer comes on the new one: late, and still handed out.
    peer.say(&[
        Message::Response(old_id, reply(&debit(1))),
        Message::Response(id, reply(&query(1))),
    ])
    .await;
    assert_eq!(stage.outcome().await, (3, Outcome::Answered(reply(&query(1)))));
    let late = Unmatched::Reply { counter: counter(), reply: reply(&debit(1)), late: true };
    assert_eq!(stage.unmatched.recv().await, Some(late));
    stage.link.synced();
    assert_eq!(peer.request().await.1, debit(2));
    stage.until(|state| state == State::Up).await;
}

#[tokio::test(start_paused = true)]
async fn a_frozen_counter_is_left_after_17_seconds_and_dialled_again() {
    let mut stage = stage();
    let _frozen = stage.signed_on().await;
    let began = Instant::now();
    stage.until(|state| state == State::Suspect).await;
    stage.until(|state| state == State::BackingOff).await;
    assert!(began.elapsed() >= Duration::from_millis(16_990), "{:?}", began.elapsed());
    assert!(began.elapsed() <= Duration::from_millis(17_100), "{:?}", began.elapsed());
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_expires_behind_a_stalled_transport_is_never_written() {
    // The pipe holds two requests or so; the counter reads nothing.
    let mut stage = stage_with(300, |config| {
        config.timers.write_progress = Duration::from_secs(100);
        config.timers.early_probe = Duration::from_secs(100);
        config.timers.heartbeat_s = 120;
    });
    let mut peer = stage.signed_on().await;
    for number in 1..=500 {
        stage.link.ask(stage.make(number, debit(number), Duration::from_secs(5)));
    }
    let mut expired = HashSet::new();
    let mut timed_out = HashSet::new();
    for _ in 1..=500 {
        match stage.outcome().await {
            (number, Outcome::NotSent(NotSent::Expired)) => expired.insert(number),
            (number, Outcome::Unknown(Unclear::TimedOut)) => timed_out.insert(number),
            other => panic!("{other:?}"),
        };
    }
    assert!(expired.len() > 400 && !timed_out.is_empty(), "{}", expired.len());
    stage.ask(501);
    let mut written = HashSet::new();
    loop {
        let (_, instruction) = peer.request().await;
        let number = instruction.serial().expect("a serial").sequence.number();
        if number == 501 {
            break;
        }
        written.insert(number);
    }
    assert_eq!(written, timed_out, "what was begun, and nothing that was told to be unsent");
}

#[tokio::test(start_paused = true)]
async fn beyond_the_queues_bound_the_answer_is_busy_at_once() {
    let mut stage = stage_with(300, |config| config.bounds.queued = 100);
    let _frozen = stage.signed_on().await;
    let asks = (1..=150).map(|n| stage.make(n, debit(n), Duration::from_secs(5)));
    stage.link.ask_all(asks.collect::<Vec<_>>());
    for number in 101..=150 {
        assert_eq!(stage.outcome().await, (number, Outcome::NotSent(NotSent::Busy)));
    }
    let mut rest = HashSet::new();
    for _ in 1..=100 {
        rest.insert(stage.outcome().await.0);
    }
    assert_eq!(rest, (1..=100).collect());
    let mut status = stage.link.status();
    let told = status.wait_for(|now| now.counts.busy == 50 && now.queued == 0);
    timeout(Duration::from_mins(1), told).await.expect("a fresh snapshot").expect("a link");
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_the_connection_and_nothing_else() {
    let mut stage = stage();
    for round in 1..=3 {
        let mut peer = stage.signed_on().await;
        stage.link.synced();
        stage.until(|state| state == State::Up).await;
        stage.ask(round);
        peer.request().await;
        stage.panic.store(true, Ordering::Relaxed);
        peer.say(&[Message::Heartbeat(wire::message::Heartbeat { number: 1 })]).await;
        assert_eq!(stage.outcome().await, (round, Outcome::Unknown(Unclear::LinkLost)));
        stage.until(|state| state == State::BackingOff).await;
        let cause = stage.link.status().borrow().connections[0].last_cause.clone();
        assert_eq!(cause.as_deref(), Some("the link's task failed: told to"));
    }
    stage.signed_on().await;
    assert_eq!(stage.counts().drops, 3);
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_stops_at_once_and_in_order() {
    let mut stage = stage();
    let peer = stage.signed_on().await;
    let served = tokio::spawn(peer.serve());
    stage.stop.cancel();
    assert!(stage.ended().await <= Duration::from_millis(100));
    served.await.expect("the pipe is closed");
    stage.ask(1);
    assert_eq!(stage.outcome().await, (1, Outcome::NotSent(NotSent::Stopping)));
    assert_eq!(stage.link.status().borrow().connections[0].state, State::Stopped);
    assert_eq!((stage.counts().drops, stage.link.session_began()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_answers_but_takes_nothing_new() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    stage.ask(1);
    let (id, asked) = peer.request().await;
    stage.stop.cancel();
    stage.until(|state| state == State::Draining).await;
    stage.ask(2);
    assert_eq!(stage.outcome().await, (2, Outcome::NotSent(NotSent::Stopping)));
    peer.say(&[Message::Response(id, reply(&asked))]).await;
    assert_eq!(stage.outcome().await, (1, Outcome::Answered(reply(&asked))));
    assert!(matches!(peer.hear().await, Some(Message::SignOff(_))));
    peer.say(&[Message::SignOffAck]).await;
    assert!(stage.ended().await <= Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_within_its_budget_whatever_the_counter_does() {
    // It answers nothing; it does not even read; it is not there; it has rejected us.
    let mut stage = stage();
    let _silent = stage.signed_on().await;
    stage.ask(1);
    stage.until(|state| state == State::Up).await;
    stage.stop.cancel();
    assert!(stage.ended().await <= Duration::from_secs(20));
    assert!(matches!(stage.outcome().await, (1, Outcome::Unknown(_) | Outcome::NotSent(_))));

    let mut stage = stage_with(300, |_| {});
    let _stuffed = stage.signed_on().await;
    (1..=50).for_each(|number| stage.ask(number));
    stage.stop.cancel();
    assert!(stage.ended().await <= Duration::from_secs(20));

    let stage = stage_with(300, |config| config.addresses = vec!["closed:1".to_owned()]);
    stage.until(|state| state == State::BackingOff).await;
    stage.stop.cancel();
    assert!(stage.ended().await <= Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn a_link_whose_last_handle_is_gone_ends_in_order() {
    let mut stage = stage();
    let peer = stage.signed_on().await;
    let served = tokio::spawn(peer.serve());
    let Stage { link, tasks, .. } = stage;
    drop(link);
    timeout(Duration::from_secs(1), tasks.wait()).await.expect("in time");
    served.await.expect("the pipe is closed");
}

async fn reject(stage: &mut Stage, reason: RejectReason) {
    let mut peer = stage.accept().await;
    peer.hear().await;
    peer.say(&[Message::Rejected(Rejected { reason, text: "no".to_owned() })]).await;
    assert_eq!(peer.hear().await, None, "the link closes");
}

#[tokio::test(start_paused = true)]
async fn three_rejections_hold_the_link_until_it_is_released() {
    let mut stage = stage();
    for _ in 0..3 {
        reject(&mut stage, RejectReason::BadProof).await;
    }
    stage.until(|state| state == State::Held).await;
    stage.link.reconnect_now();
    assert!(timeout(Duration::from_hours(1), stage.accepted.recv()).await.is_err());
    stage.link.release();
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn already_signed_on_is_no_wedge() {
    let mut stage = stage();
    for _ in 0..20 {
        reject(&mut stage, RejectReason::AlreadySignedOn).await;
    }
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_may_end_a_wait() {
    let mut stage = stage();
    reject(&mut stage, RejectReason::BadProof).await;
    stage.until(|state| state == State::BackingOff).await;
    let began = Instant::now();
    stage.link.reconnect_now();
    stage.signed_on().await;
    assert!(began.elapsed() < Duration::from_secs(1), "not the 60 s of a rejection");
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_accepts_and_closes_is_not_dialled_without_end() {
    let mut stage = stage();
    let end = Instant::now() + Duration::from_mins(10);
    while let Ok(Some(stream)) = timeout_at(end, stage.accepted.recv()).await {
        drop(stream);
    }
    let dials = stage.dials.lock().expect("no panic").len();
    assert!((10..=120).contains(&dials), "{dials} in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn addresses_are_tried_in_order() {
    let mut stage = stage_with(1 << 20, |config| {
        config.addresses = ["closed:1", "counter:2", "counter:3"].map(str::to_owned).to_vec();
    });
    drop(stage.signed_on().await);
    stage.signed_on().await;
    let dials = stage.dials.lock().expect("no panic").clone();
    assert_eq!(dials, ["closed:1", "counter:2", "counter:3"]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_counted() {
    let mut stage = stage();
    let mut peer = stage.signed_on().await;
    let stray = Message::Response(RequestId(1), reply(&debit(9)));
    peer.say(&vec![stray; 10]).await;
    let mut status = stage.link.status();
    let told = status.wait_for(|now| now.counts.unmatched == 10);
    timeout(Duration::from_secs(1), told).await.expect("a fresh snapshot").expect("a link");
    assert_eq!(stage.counts().unmatched_dropped, 6, "the queue holds 4");
    let events = stage.link.events().since(0);
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event.what, crate::history::What::Unmatched { .. }))
            .count(),
        10
    );
}

/// The same over real sockets: a name that must be resolved, a refused address before it, and a
/// window's worth of requests in one go.
#[tokio::test]
async fn it_talks_over_tcp() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let closed_port = closed.local_addr().expect("an address").port();
    drop(closed);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let config = LinkConfig::new(
        counter(),
        vec![format!("127.0.0.1:{closed_port}"), format!("localhost:{port}")],
        Dialect::Securities,
        "bridge".to_owned(),
        KEY.to_vec().into(),
    );
    let (unmatched, _held) = mpsc::channel(4);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let link = Link::spawn(config, unmatched, &tasks, stop.clone());
    tasks.close();
    let whole = async {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut peer = Peer { stream, inbox: BytesMut::new(), good: GoodCounter::default() };
        for _ in 0..2 {
            peer.answer().await;
        }
        let served = tokio::spawn(peer.serve());
        link.status().wait_for(|now| now.health == Health::Up).await.expect("a link");
        let (queue, mut outcomes) = mpsc::unbounded_channel();
        link.ask_all((1..=1000).map(|number| Ask {
            ticket: Ticket(number),
            instruction: debit(number),
            deadline: Instant::now() + Duration::from_secs(10),
            reply_to: ReplyTo::Queue(queue.clone()),
        }));
        for _ in 1..=1000 {
            let delivery = outcomes.recv().await.expect("an outcome");
            let answered = Outcome::Answered(reply(&debit(delivery.ticket.0)));
            assert_eq!(delivery.outcome, answered);
        }
        stop.cancel();
        tasks.wait().await;
        served.await.expect("the connection is closed");
    };
    timeout(Duration::from_secs(30), whole).await.expect("in time");
}

/// Connections are cut at random bytes while requests flow; every request ends exactly once, and
/// what is told to be unsent has never reached the counter.
#[tokio::test(start_paused = true)]
async fn whatever_is_cut_outcomes_are_exact_and_true() {
    for seed in 0..30 {
        let mut rng = StdRng::seed_from_u64(seed);
        let capacity = rng.random_range(40..600);
        let mut stage = stage_with(capacity, |config| config.timers.heartbeat_s = 1);
        let mut seen: HashSet<u64> = HashSet::new();
        let mut outcomes: HashMap<u64, Outcome> = HashMap::new();
        let mut asked = 0;
        for _ in 0..8 {
            let mut peer = stage.signed_on().await;
            stage.link.synced();
            let batch = rng.random_range(1..40);
            for number in asked + 1..=asked + batch {
                stage.ask(number);
            }
            asked += batch;
            let cut_after = rng.random_range(0..4000);
            let mut heard = peer.inbox.len();
            while heard < cut_after {
                let before = peer.inbox.len();
                let read = timeout(Duration::from_secs(1), peer.stream.read_buf(&mut peer.inbox));
                match read.await {
                    Ok(Ok(0) | Err(_)) | Err(_) => break,
                    Ok(Ok(_)) => heard += peer.inbox.len() - before,
                }
                while let Some(incoming) = their_codec().decode(&mut peer.inbox).expect("frames") {
                    let Incoming::Message(message) = incoming else { panic!("seed {seed}") };
                    if let Message::Request(_, instruction) = &message {
                        let serial = instruction.serial().expect("a serial");
                        assert!(seen.insert(serial.sequence.number()), "sent twice, seed {seed}");
                    }
                    if rng.random_bool(0.8) {
                        let answer = peer.good.answer(message);
                        let mut bytes = BytesMut::new();
                        if let Some(answer) = answer {
                            their_codec().encode(&answer, &mut bytes).expect("sayable");
                        }
                        // The link may be gone, or not reading.
                        let write = peer.stream.write_all(&bytes);
                        let _ = timeout(Duration::from_secs(1), write).await;
                    }
                }
            }
            drop(peer);
            stage.until(|state| state == State::BackingOff).await;
        }
        stage.stop.cancel();
        stage.ended().await;
        while let Ok(delivery) = stage.outcomes.try_recv() {
            let twice = outcomes.insert(delivery.ticket.0, delivery.outcome);
            assert!(twice.is_none(), "told twice, seed {seed}");
        }
        assert_eq!(outcomes.len() as u64, asked, "every one is told, seed {seed}");
        for (number, outcome) in outcomes {
            match outcome {
                Outcome::NotSent(_) => assert!(!seen.contains(&number), "{number}, seed {seed}"),
                Outcome::Answered(_) => assert!(seen.contains(&number), "{number}, seed {seed}"),
                Outcome::Unknown(_) => {}
            }
        }
    }
}

fn hours(opens_in_s: i64, closes_in_s: i64) -> Option<crate::ServiceHours> {
    let now = now_micros() / 1_000_000;
    let second = |shift: i64| u32::try_from((now + shift).rem_euclid(86_400)).expect("a day");
    crate::ServiceHours::new(second(opens_in_s), second(closes_in_s), 0)
}

#[tokio::test(start_paused = true)]
async fn outside_its_service_hours_a_counter_is_left_alone_unless_an_operator_wants_it() {
    let mut stage = stage_with(1 << 20, |config| config.hours = hours(3600, 7200));
    stage.until(|state| state == State::OutOfHours).await;
    stage.ask(1);
    assert_eq!(stage.outcome().await, down(1));
    assert!(timeout(Duration::from_mins(10), stage.accepted.recv()).await.is_err());
    let next = stage.link.status().borrow().connections[0].next_attempt_at;
    assert!(next.is_some_and(|next| next > now_micros() + 3_000_000_000));
    stage.link.reconnect_now();
    stage.signed_on().await;
}

#[tokio::test(start_paused = true)]
async fn when_its_service_hours_end_what_is_in_flight_is_answered_and_the_session_signed_off() {
    let mut stage = stage_with(1 << 20, |config| config.hours = hours(-3600, 60));
    let mut peer = stage.signed_on().await;
    let serve = async {
        loop {
            match peer.hear().await.expect("an open session") {
                Message::SignOff(sign_off) => return sign_off.text,
                message => {
                    let answer: Vec<Message> = peer.good.answer(message).into_iter().collect();
                    peer.say(&answer).await;
                }
            }
        }
    };
    let text = timeout(Duration::from_secs(62), serve).await.expect("at its closing");
    assert_eq!(text, "the service hours are over");
    peer.say(&[Message::SignOffAck]).await;
    let mut status = stage.link.status();
    let told = status.wait_for(|now| {
        now.connections[0].last_cause.as_deref() == Some("outside the counter's service hours")
    });
    timeout(Duration::from_secs(5), told).await.expect("in time").expect("a link");
    assert_eq!(stage.counts().drops, 0);
}
