//! One connection: bytes in, visits to the desk, acts back, bytes out. All that is ready goes out
//! in one write.

use crate::counter::{Act, Visit};
use crate::desk::{Batch, Delivery, Seat};
use crate::session::{Identity, Next, Session};
use crate::tls::Tls;
use bytes::BytesMut;
use domain::message::{Notice, Severity};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use wire::codec::{Codec, Incoming};
use wire::conversation::{Conversation, RejectReason, Rejected};
use wire::message::Message;

/// Bytes read in one turn: some hundred requests, so that one write answers them all.
const READ_CHUNK: usize = 64 << 10;

/// Nothing more is read while so many bytes wait for a bridge that does not read.
const OUTBOUND_LIMIT: usize = 1 << 20;

/// Nothing more is read while so many batches are at the desk.
const BATCHES_OUT: usize = 16;

/// Bodies that cannot be read: with this many the connection ends.
const MALFORMED_LIMIT: u32 = 5;

/// How long TLS may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);

/// How long a bridge may take to acknowledge our sign-off.
const LEAVE_LIMIT: Duration = Duration::from_millis(500);

/// How long a last write may take.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Numbers all connections of the process.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// What a connection shares with the others.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) identity: Identity,
    pub(crate) codec: Codec,
    pub(crate) tls: Option<Tls>,
    pub(crate) desk: mpsc::Sender<Batch>,
    /// Goes up whenever all sessions are forgotten.
    pub(crate) sessions: watch::Receiver<u64>,
    /// In order: sign off, then close.
    pub(crate) stop: CancellationToken,
    /// At once, as if the process had died.
    pub(crate) kill: CancellationToken,
}

struct Connection {
    around: Surroundings,
    session: Session,
    /// Which connection of the process it is.
    number: u64,
    epoch: u64,
    inbound: BytesMut,
    outbound: BytesMut,
    visits: Vec<Visit>,
    malformed: u32,
}

/// Whether the conversation goes on.
#[must_use]
enum Flow {
    On,
    /// It ends, after what waits is written; the reason is for the log.
    End(&'static str),
}

/// Talks until either side ends it.
pub(crate) async fn converse(stream: TcpStream, peer: SocketAddr, around: Surroundings) {
    at_once(&stream, peer);
    let session = Session::new(around.identity.clone(), rand::random(), Instant::now());
    let Some(tls) = around.tls.clone() else {
        return talk(stream, peer, around, session, None).await;
    };
    let secured = secured(tls.acceptor.accept(stream), peer, &around.kill).await;
    if let Some(stream) = secured {
        talk(stream, peer, around, session, None).await;
    }
}

/// The same on a connection that we opened: we sign on, as this channel.
pub(crate) async fn dialled(
    stream: TcpStream,
    peer: SocketAddr,
    channel: u16,
    around: Surroundings,
) {
    at_once(&stream, peer);
    let (identity, now) = (around.identity.clone(), Instant::now());
    let (session, first) = Session::dial(identity, channel, rand::random(), now);
    let Some(tls) = around.tls.clone() else {
        return talk(stream, peer, around, session, Some(first)).await;
    };
    let secured = secured(tls.connector.connect(tls.bridge_name, stream), peer, &around.kill).await;
    if let Some(stream) = secured {
        talk(stream, peer, around, session, Some(first)).await;
    }
}

/// What is written goes out at once; if that cannot be had, later.
fn at_once(stream: &TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::info!(%peer, %error, "TCP_NODELAY");
    }
}

/// The stream after its handshake, if that came to be.
async fn secured<S>(
    handshake: impl Future<Output = io::Result<S>>,
    peer: SocketAddr,
    kill: &CancellationToken,
) -> Option<S> {
    match kill.run_until_cancelled(timeout(HANDSHAKE_LIMIT, handshake)).await? {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::warn!(%peer, %error, "no TLS");
            None
        }
        Err(_) => {
            tracing::warn!(%peer, "no TLS in time");
            None
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    around: Surroundings,
    session: Session,
    first: Option<Message>,
) {
    let kill = around.kill.clone();
    let epoch = *around.sessions.borrow();
    let mut connection = Connection {
        session,
        number: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
        epoch,
        around,
        inbound: BytesMut::new(),
        outbound: BytesMut::new(),
        visits: Vec::new(),
        malformed: 0,
    };
    if let Some(first) = first {
        connection.write(&first);
    }
    tokio::select! {
        biased;
        () = kill.cancelled() => tracing::info!(%peer, "connection killed"),
        ended = connection.run(stream) => match ended {
            Ok(why) => tracing::info!(%peer, why, "connection closed"),
            Err(error) => tracing::info!(%peer, %error, "connection lost"),
        },
    }
}

/// Writes what is left, and closes.
async fn flush(
    mut writer: impl AsyncWrite + Unpin,
    mut outbound: BytesMut,
    why: &'static str,
) -> io::Result<&'static str> {
    let flushed = timeout(FLUSH_LIMIT, async {
        writer.write_all_buf(&mut outbound).await?;
        writer.shutdown().await
    });
    match flushed.await {
        Ok(done) => done.map(|()| why),
        Err(_) => Ok("the bridge does not read"),
    }
}

impl Connection {
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        stream: S,
    ) -> io::Result<&'static str> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (back, mut deliveries) = mpsc::unbounded_channel();
        let stop = self.around.stop.clone();
        let mut batches_out = 0_usize;
        let mut leave_by: Option<Instant> = None;
        let alarm = sleep_until(Instant::now());
        tokio::pin!(alarm);
        let why = loop {
            let may_read = self.outbound.len() < OUTBOUND_LIMIT && batches_out < BATCHES_OUT;
            if may_read {
                self.inbound.reserve(READ_CHUNK);
            }
            // What was heard and said only moves the alarm back: it is then early, and set again.
            let due = [self.session.timeout(), leave_by].into_iter().flatten().min();
            if let Some(due) = due
                && due < alarm.deadline()
            {
                alarm.as_mut().reset(due);
            }
            let flow = tokio::select! {
                biased;
                () = stop.cancelled(), if leave_by.is_none() => {
                    leave_by = Some(Instant::now() + LEAVE_LIMIT);
                    let next = self.session.leave("the counter is stopping");
                    self.follow(next)
                }
                () = alarm.as_mut() => {
                    let now = Instant::now();
                    if leave_by.is_some_and(|by| by <= now) {
                        break "stopping; the sign-off was not acknowledged";
                    }
                    let next = self.session.on_timeout(now);
                    let flow = self.follow(next);
                    let due = self.session.timeout().unwrap_or(now + Duration::from_hours(1));
                    alarm.as_mut().reset(due);
                    flow
                }
                Some(delivery) = deliveries.recv() => {
                    let acts = match delivery {
                        Delivery::Batch(acts) => {
                            batches_out -= 1;
                            acts
                        }
                        Delivery::Late(acts) => acts,
                    };
                    self.perform(acts).await
                }
                written = writer.write_buf(&mut self.outbound), if !self.outbound.is_empty() => {
                    if written? == 0 {
                        return Ok("the bridge reads no more");
                    }
                    // Under TLS what was taken is not yet on its way.
                    if self.outbound.is_empty() {
                        writer.flush().await?;
                    }
                    self.session.sent(Instant::now());
                    Flow::On
                }
                read = reader.read_buf(&mut self.inbound), if may_read => {
                    if read? == 0 {
                        return Ok("closed by the bridge");
                    }
                    let flow = self.read();
                    if !self.visits.is_empty() {
                        if !self.hand_over(&back).await {
                            return Ok("the counter has ended");
                        }
                        batches_out += 1;
                    }
                    flow
                }
            };
            match flow {
                Flow::On => {}
                Flow::End(why) => break why,
            }
        };
        flush(writer, self.outbound, why).await
    }

    /// Hands to the counter what was asked of it. Whether it is still there.
    async fn hand_over(&mut self, back: &mpsc::UnboundedSender<Delivery>) -> bool {
        let visits = std::mem::take(&mut self.visits);
        let (channel, connection) = (self.session.channel(), self.number);
        let seat = channel.map(|channel| Seat { channel, connection });
        self.around.desk.send(Batch { seat, visits, back: back.clone() }).await.is_ok()
    }

    /// Takes every whole frame that is there.
    fn read(&mut self) -> Flow {
        if *self.around.sessions.borrow() != self.epoch {
            let text = "no session here; sign on again".to_owned();
            self.write(&Message::Conversation(Conversation::Rejected(Rejected {
                reason: RejectReason::Other,
                text: text.into(),
            })));
            return Flow::End("its session was forgotten");
        }
        let now = Instant::now();
        loop {
            let flow = match self.around.codec.decode(&mut self.inbound) {
                Ok(None) => return Flow::On,
                Ok(Some(Incoming::Message(message))) => {
                    self.session.heard(now);
                    let next = self.session.receive(message);
                    self.follow(next)
                }
                Ok(Some(Incoming::Malformed(malformed))) => {
                    self.session.heard(now);
                    self.complain(&malformed.error)
                }
                Err(error) => {
                    tracing::warn!(%error, "broken framing");
                    Flow::End("broken framing")
                }
            };
            if let Flow::End(_) = flow {
                return flow;
            }
        }
    }

    fn complain(&mut self, error: &str) -> Flow {
        tracing::warn!(error, "a body that is no message");
        self.malformed += 1;
        if !self.session.is_open() || self.malformed >= MALFORMED_LIMIT {
            return Flow::End("bodies that are no messages");
        }
        let text = format!("not understood, and not done: {error}");
        self.write(&Message::Conversation(Conversation::Notice(Notice {
            severity: Severity::Warning,
            text: text.into(),
        })));
        Flow::On
    }

    fn follow(&mut self, next: Next) -> Flow {
        match next {
            Next::Nothing => Flow::On,
            Next::Visit(visit) => {
                self.visits.push(visit);
                Flow::On
            }
            Next::Write(message) => {
                self.write(&message);
                Flow::On
            }
            Next::Close(message, why) => {
                if let Some(message) = message {
                    self.write(&message);
                }
                Flow::End(why)
            }
        }
    }

    async fn perform(&mut self, acts: Vec<Act>) -> Flow {
        for act in acts {
            match act {
                Act::Write(message) => self.write(&message),
                Act::WriteGarbage => self.write_garbage(),
                Act::WriteHalf(message) => {
                    let start = self.outbound.len();
                    self.write(&message);
                    let half = (self.outbound.len() - start) / 2;
                    self.outbound.truncate(start + half);
                    return Flow::End("half a frame, as planned");
                }
                Act::Freeze(freeze) => {
                    tokio::select! {
                        () = sleep(freeze) => {}
                        () = self.around.stop.cancelled() => {}
                    }
                    // What the bridge said meanwhile is still to be read.
                    self.session.heard(Instant::now());
                }
                Act::Close => return Flow::End("closed, as planned"),
            }
        }
        Flow::On
    }

    fn write(&mut self, message: &Message) {
        if let Err(error) = self.around.codec.encode(message, &mut self.outbound) {
            tracing::error!(%error, "an answer cannot be said in this dialect");
        }
    }

    /// Good framing around a body that is no message in either dialect.
    fn write_garbage(&mut self) {
        const BODY: &[u8] = b"\xff\xfe nonsense \xff";
        if let Err(error) = self.around.codec.frame(BODY, &mut self.outbound) {
            tracing::error!(%error, "nonsense does not fit a frame");
        }
    }
}
