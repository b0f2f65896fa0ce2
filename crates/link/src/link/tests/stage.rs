//! A link over pipes inside this process, and the counter at their other ends.

use super::*;
use wire::payload::Payload;

/// A pipe whose reading panics when told to.
pub(super) struct Pipe {
    inner: DuplexStream,
    panic: Arc<AtomicBool>,
}

impl crate::io::transport::Carrier for Pipe {}

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
pub(super) struct PipeDial {
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
pub(super) struct Stage {
    pub(super) link: Link,
    pub(super) accepted: mpsc::UnboundedReceiver<DuplexStream>,
    pub(super) dials: Arc<Mutex<Vec<String>>>,
    pub(super) panic: Arc<AtomicBool>,
    pub(super) opened: Arc<AtomicBool>,
    pub(super) unmatched: mpsc::Receiver<Unmatched>,
    pub(super) queue: mpsc::UnboundedSender<Delivery>,
    pub(super) outcomes: mpsc::UnboundedReceiver<Delivery>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

pub(super) fn stage() -> Stage {
    stage_with(1 << 20, |_| {})
}

pub(super) fn stage_with(capacity: usize, change: impl FnOnce(&mut LinkConfig)) -> Stage {
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
    pub(super) async fn accept(&mut self) -> Peer {
        let accepted = timeout(Duration::from_secs(200), self.accepted.recv());
        let stream = accepted.await.expect("a dial in time").expect("a dialler");
        Peer { stream, inbox: BytesMut::new(), good: GoodCounter::default() }
    }

    /// The same, signed on.
    pub(super) async fn signed_on(&mut self) -> Peer {
        let mut peer = self.accept().await;
        for _ in 0..2 {
            peer.answer().await;
        }
        self.until(|state| matches!(state, State::Up | State::Syncing)).await;
        peer
    }

    pub(super) async fn until(&self, reached: impl Fn(State) -> bool) {
        let mut status = self.link.follow();
        let wait = status.wait_for(|snapshot| reached(snapshot.connections[0].state));
        timeout(Duration::from_secs(200), wait).await.expect("in time").expect("a link");
    }

    pub(super) fn make(&self, number: u64, instruction: Instruction, within: Duration) -> Ask {
        Ask {
            ticket: Ticket(number),
            instruction,
            deadline: Instant::now() + within,
            reply_to: ReplyTo::Queue(self.queue.clone()),
        }
    }

    /// Asks a debit of this number with ten seconds to go.
    pub(super) fn ask(&self, number: u64) {
        self.link.ask(self.make(number, debit(number), Duration::from_secs(10)));
    }

    pub(super) async fn outcome(&mut self) -> (u64, RequestOutcome) {
        let outcome = timeout(Duration::from_secs(200), self.outcomes.recv());
        let delivery = outcome.await.expect("in time").expect("an outcome");
        (delivery.ticket.0, delivery.outcome)
    }

    pub(super) fn counts(&self) -> Counts {
        self.link.follow().borrow().counts
    }

    /// Waits until the link's task has ended; how long that took.
    pub(super) async fn ended(&self) -> Duration {
        let began = Instant::now();
        timeout(Duration::from_mins(1), self.tasks.wait()).await.expect("in time");
        began.elapsed()
    }
}

/// A counter at the other end of a pipe.
pub(super) struct Peer<S = DuplexStream> {
    pub(super) stream: S,
    pub(super) inbox: BytesMut,
    pub(super) good: GoodCounter,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// The next message; `None` when the link has closed.
    pub(super) async fn hear(&mut self) -> Option<Message> {
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
    pub(super) async fn request(&mut self) -> (RequestId, Instruction) {
        loop {
            match self.hear().await.expect("a request") {
                Message::Payload(Payload::Request(id, instruction)) => return (id, instruction),
                message => {
                    let answer: Vec<Message> = self.good.answer(message).into_iter().collect();
                    self.say(&answer).await;
                }
            }
        }
    }

    pub(super) async fn say(&mut self, messages: &[Message]) {
        let mut bytes = BytesMut::new();
        for message in messages {
            their_codec().encode(message, &mut bytes).expect("sayable");
        }
        self.stream.write_all(&bytes).await.expect("an open pipe");
    }

    /// Hears one message and answers it as a good counter does.
    pub(super) async fn answer(&mut self) -> bool {
        let Some(message) = self.hear().await else { return false };
        if let Some(answer) = self.good.answer(message) {
            self.say(&[answer]).await;
        }
        true
    }

    /// Answers until the link closes.
    pub(super) async fn serve(mut self) {
        while self.answer().await {}
    }
}

pub(super) fn down(number: u64) -> (u64, RequestOutcome) {
    (number, RequestOutcome::NotSent(NotSent::Down))
}
