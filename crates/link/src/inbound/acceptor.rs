//! Where counters dial in. The acceptor only spawns; each connection is greeted by a task of its own
//! within strict limits, and handed to its counter's link once it has proven who it is.

use crate::inbound::authenticated::{AuthenticatedConnection, Refused};
use crate::inbound::gate::{self, Gate, Pass};
use crate::io::dial::TcpDial;
use crate::io::tls::{Credentials, Trust};
use crate::io::transport::{Secured, Transport};
use crate::session::greeting::{self, Known};
use crate::timers::Timers;
use bytes::BytesMut;
use domain::message::CounterId;
use first::{FIRST_FRAMES, First};
use metrics::{counter, gauge};
use port::history::History;
use port::status::Tls;
use port::strangers::TOLD_EVERY;
use queue::Queue;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use supervise::clock::now_micros;
use supervise::output::in_words;
use supervise::task::{Task, watched};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::codec::{Codec, Incoming};
use wire::conversation::{Conversation, RejectReason, Rejected};
use wire::dialect::Dialect;
use wire::message::Message;

pub(crate) mod first;
mod queue;

/// Connections that the kernel may hold for us: its default of 128 held connects down to a
/// twentieth of what this many allow.
const BACKLOG: u32 = 4096;

/// How long a rejection may take to write.
const FAREWELL: Duration = Duration::from_millis(500);

/// How the acceptor is kept.
#[derive(Clone, Debug)]
pub struct AcceptorConfig {
    /// Where counters dial in; port 0 for any free one.
    pub listen: SocketAddr,
    /// The bridge's name, which counters ask for.
    pub own_name: String,
    /// How connections are secured; `None` for plain TCP.
    pub tls: Option<Credentials>,
    /// What is allowed to those who have not proven who they are.
    pub limits: AcceptorLimits,
    /// Where counters are known to come from: they have places of their own there.
    pub own_addresses: Vec<IpAddr>,
    /// Where refusals are recorded.
    pub history: History,
}

/// What is allowed to those who have not proven who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptorLimits {
    /// How many there may be at once.
    pub unauthenticated: usize,
    /// How many of them from one address, or one IPv6 network of 64 bits.
    pub per_address: usize,
    /// How long TLS may take.
    pub tls: Duration,
    /// How long the first frame may take.
    pub first_frame: Duration,
    /// How long the rest of the sign-on may take.
    pub sign_on: Duration,
}

impl Default for AcceptorLimits {
    fn default() -> AcceptorLimits {
        AcceptorLimits {
            unauthenticated: 256,
            per_address: 16,
            tls: Duration::from_secs(5),
            first_frame: Duration::from_secs(5),
            sign_on: Duration::from_secs(5),
        }
    }
}

impl AcceptorLimits {
    /// How many connections there may be at the acceptor at once, before a house with so many channels of
    /// counters that dial in: strangers, whoever comes from where counters are known to come from, and
    /// those who have proven who they are and wait to be let in.
    pub fn connections(&self, channels: usize) -> usize {
        self.unauthenticated + self.apart(channels)
    }

    /// Those of them who are no strangers.
    pub fn apart(&self, channels: usize) -> usize {
        if channels == 0 { 0 } else { queue::apart(channels) + channels * gate::WAITING }
    }
}

/// A counter that may dial in; made by [`crate::Link::spawn_accepting`].
#[derive(Debug)]
pub struct InboundPeer {
    pub(crate) known: Known,
    pub(crate) dialect: Dialect,
    pub(crate) codec: Codec,
    /// The way to each of its connections' actors.
    pub(crate) channels: Vec<mpsc::Sender<AuthenticatedConnection>>,
    /// How many may claim each of them, and how often.
    pub(crate) gates: Vec<Arc<Gate>>,
}

/// It listens.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    house: Arc<House>,
}

#[derive(Debug)]
struct House {
    config: AcceptorConfig,
    peers: HashMap<String, InboundPeer>,
    // A lock, because the acceptor lets them queue and each greeter takes its own away; it is held
    // for one look.
    queue: Mutex<Queue>,
    tcp: TcpDial,
}

/// A place in the queue.
struct Place {
    house: Arc<House>,
    ticket: queue::Ticket,
    /// Told when the place is given to somebody else.
    leave: CancellationToken,
}

impl Acceptor {
    /// Listens for these counters.
    pub fn open(config: AcceptorConfig, peers: Vec<InboundPeer>) -> io::Result<Acceptor> {
        let address = config.listen;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A bridge that comes back takes its port back at once.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let peers: HashMap<String, InboundPeer> =
            peers.into_iter().map(|peer| (peer.known.counter.to_string(), peer)).collect();
        let tcp = TcpDial::new(&Timers::default());
        let bound = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        gauge!("link_door_bound").set(bound(config.limits.unauthenticated));
        gauge!("link_door_address_bound").set(bound(config.limits.per_address));
        let channels: usize = peers.values().map(|peer| peer.channels.len()).sum();
        let queue = Queue::new(&config.limits, &config.own_addresses, channels);
        let house = House { config, peers, queue: Mutex::new(queue), tcp };
        Ok(Acceptor { listener, house: Arc::new(house) })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Lets counters in until `stop`; the task that does.
    pub fn spawn(self, tasks: &TaskTracker, stop: CancellationToken) -> Arc<Task> {
        let greeters = tasks.clone();
        let task = Arc::new(Task::new("the door for counters"));
        let open = async move {
            let history = self.house.config.history.clone();
            let tell = async {
                loop {
                    sleep(TOLD_EVERY).await;
                    history.tell_strangers();
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.accept(&greeters, &stop) => {}
                () = tell => {}
            }
        };
        tasks.spawn(watched(Arc::clone(&task), open));
        task
    }

    async fn accept(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    let Some(place) = House::queue(&self.house, from.ip(), stop) else {
                        self.house.refused(from, "too_many", "too many are at the door", None);
                        continue;
                    };
                    let (leave, stop) = (place.leave.clone(), stop.clone());
                    let house = self.house.clone();
                    tasks.spawn(async move {
                        let greeted = leave.run_until_cancelled(greet(stream, from, place));
                        if greeted.await.is_none() && !stop.is_cancelled() {
                            let cause = "somebody else came, and all places were taken";
                            house.refused(from, "displaced", cause, None);
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    // Out of file descriptors, mostly: let some be closed first.
                    sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

impl House {
    fn queue(house: &Arc<House>, address: IpAddr, stop: &CancellationToken) -> Option<Place> {
        let leave = stop.child_token();
        let (ticket, gone) = house.waiting().enter(address, leave.clone())?;
        gauge!("link_door_waiting").increment(1);
        if let Some(gone) = gone {
            gone.cancel();
        }
        Some(Place { house: Arc::clone(house), ticket, leave })
    }

    fn waiting(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.house.waiting().leave(self.ticket);
        gauge!("link_door_waiting").decrement(1);
    }
}

/// Why somebody was not let in.
enum No {
    /// Nothing can be said to them.
    Mute(&'static str, String, Option<CounterId>),
    /// They are told, in their dialect.
    Told(Box<(Transport, Codec)>, Rejected, Option<CounterId>),
}

impl No {
    /// Nothing can be said to somebody of whom it is not known which counter they are.
    fn mute(why: &'static str, what: impl Into<String>) -> No {
        No::Mute(why, what.into(), None)
    }

    /// The same of somebody who signed on as this counter.
    fn signed_on_as(self, counter: &CounterId) -> No {
        match self {
            No::Mute(why, what, None) => No::Mute(why, what, Some(counter.clone())),
            No::Mute(..) | No::Told(..) => self,
        }
    }
}

/// Somebody before they have said who they are.
struct Stranger {
    stream: Transport,
    inbox: BytesMut,
    tls: Option<Tls>,
    names: Option<Vec<String>>,
}

async fn greet(stream: TcpStream, from: SocketAddr, place: Place) {
    let house = Arc::clone(&place.house);
    let no = match introduced(&house, stream, from).await {
        Ok(Introduced { authenticated, pooled, refused, codec, counter, pass }) => {
            let known = Some(counter);
            // It has proven who it is, and counts no more among strangers, but at its own gate until it
            // is let in or refused; where it came from, it has a place when it
            // comes again.
            house.waiting().learn(from.ip());
            let _pass = pass;
            drop(place);
            let limit = house.config.limits.sign_on;
            if pooled.send_timeout(authenticated, limit).await.is_err() {
                house.refused(from, "busy", "its connection takes nobody in", known);
                return;
            }
            // Dropped without a word: it was taken, or everything ends.
            let Ok(Refused { stream, text }) = refused.await else { return };
            let rejected = Rejected { reason: RejectReason::AlreadySignedOn, text: text.into() };
            No::Told(Box::new((stream, codec)), rejected, known)
        }
        Err(no) => no,
    };
    house.say(from, no).await;
}

/// Somebody who has proven who they are.
struct Introduced {
    authenticated: AuthenticatedConnection,
    /// The way to their link.
    pooled: mpsc::Sender<AuthenticatedConnection>,
    refused: oneshot::Receiver<Refused>,
    codec: Codec,
    counter: CounterId,
    pass: Pass,
}

/// Everything until somebody has proven who they are.
async fn introduced(house: &House, stream: TcpStream, from: SocketAddr) -> Result<Introduced, No> {
    let limits = &house.config.limits;
    let mut stranger = house.secure(stream).await?;
    let until = Instant::now() + limits.first_frame;
    let (first, dialect, codec) = stranger.first(&house.config.own_name, until).await?;
    let sign_on = match greeting::sign_on(first) {
        Ok(sign_on) => sign_on,
        Err(rejected) => return Err(told(stranger, codec, rejected, None)),
    };
    let peer =
        house.peers.get(&sign_on.dialler).filter(|peer| peer.dialect.speech() == dialect.speech());
    let Some(peer) = peer else {
        let rejected = greeting::unknown("no such counter dials in here");
        return Err(told(stranger, codec, rejected, None));
    };
    let (codec, counter) = (peer.codec.clone(), peer.known.counter.clone());
    let nonce = rand::random();
    let challenge =
        match peer.known.challenge(&sign_on, stranger.names.as_deref(), nonce, now_micros()) {
            Ok(challenge) => challenge,
            Err(rejected) => return Err(told(stranger, codec, rejected, Some(counter))),
        };
    let until = Instant::now() + limits.sign_on;
    let answer = async {
        stranger
            .say(&codec, &Message::Conversation(Conversation::Challenge(challenge)), until)
            .await?;
        stranger.hear(&codec, until).await
    };
    let answer = answer.await.map_err(|no| no.signed_on_as(&counter))?;
    let opened = match peer.known.open(&sign_on, &nonce, answer) {
        Ok(opened) => opened,
        Err(rejected) => return Err(told(stranger, codec, rejected, Some(counter))),
    };
    // Within the configured channels: the challenge checked it.
    let channel = usize::from(sign_on.channel);
    let pass = match peer.gates[channel].enter(Instant::now()) {
        Ok(pass) => pass,
        Err(text) => {
            let rejected = Rejected { reason: RejectReason::NotNow, text: text.into() };
            return Err(told(stranger, codec, rejected, Some(counter)));
        }
    };
    let Stranger { stream, inbox, tls, .. } = stranger;
    let (authenticated, refused) = AuthenticatedConnection::new(stream, inbox, from, tls, opened);
    let pooled = peer.channels[channel].clone();
    Ok(Introduced { authenticated, pooled, refused, codec, counter, pass })
}

fn told(stranger: Stranger, codec: Codec, rejected: Rejected, counter: Option<CounterId>) -> No {
    No::Told(Box::new((stranger.stream, codec)), rejected, counter)
}

impl House {
    async fn secure(&self, stream: TcpStream) -> Result<Stranger, No> {
        let io = |error: io::Error| No::mute("io", in_words(&error));
        let tls = |what: String| No::mute("tls", what);
        self.tcp.prepare(&stream).map_err(io)?;
        let Some(credentials) = &self.config.tls else {
            let stream = Transport::Plain(stream);
            return Ok(Stranger { stream, inbox: BytesMut::new(), tls: None, names: None });
        };
        let ready = credentials.current();
        let handshake = TlsAcceptor::from(ready.server).accept(stream);
        let secured = match timeout(self.config.limits.tls, handshake).await {
            Err(_) => return Err(tls("no handshake in time".to_owned())),
            Ok(Err(error)) => return Err(tls(error.to_string())),
            Ok(Ok(stream)) => Secured::new(stream, Trust::of_client(credentials)),
        };
        let told = secured.told(ready.own_expires_at).map_err(|error| tls(error.to_string()))?;
        let names = secured.names().map_err(tls)?;
        Ok(Stranger {
            stream: Transport::Secured(Box::new(secured)),
            inbox: BytesMut::new(),
            tls: Some(told),
            names: Some(names),
        })
    }

    /// Counts somebody who is not let in, and tells operators; so much as they can read.
    fn refused(&self, from: SocketAddr, why: &'static str, cause: &str, known: Option<CounterId>) {
        counter!("link_refused_connections_total", "why" => why).increment(1);
        let named = known.as_ref().map(ToString::to_string);
        if self.config.history.stranger(from.ip(), why, cause, known) {
            tracing::warn!(%from, why, cause, counter = named, "somebody was not let in");
        } else {
            tracing::debug!(%from, why, cause, counter = named, "somebody was not let in");
        }
    }

    /// Tells everybody that somebody was not let in, and them why.
    async fn say(&self, from: SocketAddr, no: No) {
        match no {
            No::Mute(why, what, counter) => self.refused(from, why, &what, counter),
            No::Told(stream_and_codec, rejected, counter) => {
                let (mut stream, codec) = *stream_and_codec;
                self.refused(from, why(rejected.reason), rejected.text.as_received(), counter);
                let mut bytes = BytesMut::new();
                if codec
                    .encode(&Message::Conversation(Conversation::Rejected(rejected)), &mut bytes)
                    .is_ok()
                {
                    // How it went changes nothing.
                    let _ = timeout(FAREWELL, async {
                        stream.write_all(&bytes).await?;
                        stream.shutdown().await
                    })
                    .await;
                }
            }
        }
    }
}

fn why(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::Version => "version",
        RejectReason::UnknownParty => "unknown_party",
        RejectReason::BadProof => "bad_proof",
        RejectReason::AlreadySignedOn => "already_signed_on",
        RejectReason::NotNow => "not_now",
        RejectReason::Other => "other",
    }
}

impl Stranger {
    /// The first message, and in which dialect it was.
    async fn first(&mut self, own: &str, until: Instant) -> Result<(Message, Dialect, Codec), No> {
        loop {
            match first::first(&mut self.inbox, own) {
                First::Wait => self.read(until).await?,
                First::Heard(heard) => return Ok(*heard),
                First::Unreadable(why, wrong) => return Err(No::mute(why, wrong)),
            }
        }
    }

    async fn hear(&mut self, codec: &Codec, until: Instant) -> Result<Message, No> {
        let codec = codec.clone().with_frame_limit(FIRST_FRAMES);
        loop {
            match codec.decode(&mut self.inbox) {
                Ok(Some(Incoming::Message(message))) => return Ok(message),
                Ok(Some(Incoming::Malformed(wrong))) => {
                    return Err(No::mute("malformed", wrong.error));
                }
                Ok(None) => self.read(until).await?,
                Err(error) => return Err(No::mute("frame", error.to_string())),
            }
        }
    }

    async fn read(&mut self, until: Instant) -> Result<(), No> {
        self.inbox.reserve(1024);
        match timeout_at(until, self.stream.read_buf(&mut self.inbox)).await {
            Err(_) => Err(No::mute("silent", "no sign-on in time")),
            Ok(Err(error)) => Err(No::mute("io", in_words(&error))),
            Ok(Ok(0)) => Err(No::mute("closed", "closed before it had signed on")),
            Ok(Ok(_)) => Ok(()),
        }
    }

    async fn say(&mut self, codec: &Codec, message: &Message, until: Instant) -> Result<(), No> {
        let mut bytes = BytesMut::new();
        codec
            .encode(message, &mut bytes)
            .map_err(|error| No::mute("unsayable", error.to_string()))?;
        let write = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        match timeout_at(until, write).await {
            Err(_) => Err(No::mute("silent", "no sign-on in time")),
            Ok(Err(error)) => Err(No::mute("io", in_words(&error))),
            Ok(Ok(())) => Ok(()),
        }
    }
}
