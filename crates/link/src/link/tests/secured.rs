//! The link under TLS: who gets in, what is shown, and what is true of requests when it is cut.

use super::*;
use crate::Trust;
use crate::io::tls::testing::Authority;
use crate::{Credentials, Secured, TlsDial, Transport};
use port::status::Tls;
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wire::conversation::Conversation;
use wire::payload::Payload;

/// A link to `listener`, securing with these credentials and expecting this name.
fn link_to(listener: &TcpListener, ours: Credentials, name: &str) -> (Link, CancellationToken) {
    let address = listener.local_addr().expect("an address").to_string();
    let config = LinkConfig {
        tls: Some(TlsDial::new(ours, name).expect("a name")),
        timers: crate::Timers { tls: Duration::from_millis(300), ..crate::Timers::default() },
        ..LinkConfig::new(
            counter(),
            vec![address],
            Dialect::Securities,
            "bridge".to_owned(),
            KEY.to_vec().into(),
        )
    };
    let stop = CancellationToken::new();
    let link = Link::spawn(config, mpsc::channel(4).0, &TaskTracker::new(), stop.clone());
    (link, stop)
}

async fn first_cause(link: &Link) -> String {
    let mut status = link.follow();
    let wait = status.wait_for(|now| now.connections[0].last_cause.is_some());
    let snapshot = timeout(Duration::from_secs(20), wait).await.expect("in time");
    snapshot.expect("a link").connections[0].last_cause.clone().expect("a cause")
}

async fn accepted(
    listener: &TcpListener,
    theirs: &Credentials,
) -> io::Result<TlsStream<TcpStream>> {
    let (stream, _) = listener.accept().await?;
    TlsAcceptor::from(theirs.current().server).accept(stream).await
}

#[tokio::test]
async fn a_counter_with_the_right_certificate_is_talked_to_and_its_expiry_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let ours = authority.credentials(folder.path(), "bridge");
    let theirs = authority.credentials(folder.path(), "securities");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let (link, stop) = link_to(&listener, ours, "securities");
    let stream = accepted(&listener, &theirs).await.expect("a handshake");
    let (_, connection) = stream.get_ref();
    let shown = crate::io::tls::read(&connection.peer_certificates().expect("ours")[0]);
    assert_eq!(shown.expect("readable").names, ["bridge"], "the bridge shows its own");
    let mut peer = Peer { stream, inbox: BytesMut::new(), good: GoodCounter::default() };
    for _ in 0..2 {
        peer.answer().await;
    }
    let mut status = link.follow();
    let up = status.wait_for(|now| now.health == Health::Up);
    let snapshot =
        timeout(Duration::from_secs(20), up).await.expect("in time").expect("a link").clone();
    let tls = snapshot.connections[0].tls.clone().expect("secured");
    assert_eq!((tls.version.as_str(), tls.peer.as_str()), ("1.3", "securities"));
    assert!(tls.peer_expires_at > now_micros() && tls.own_expires_at > now_micros());
    stop.cancel();
    let end = async {
        loop {
            match peer.hear().await.expect("an open session") {
                Message::Conversation(Conversation::SignOff(_)) => break,
                message => {
                    let answer: Vec<Message> = peer.good.answer(message).into_iter().collect();
                    peer.say(&answer).await;
                }
            }
        }
        peer.say(&[Message::Conversation(Conversation::SignOffAck)]).await;
        peer.stream.read(&mut [0; 8]).await
    };
    // Without TLS's own farewell this would be an error.
    let end = timeout(Duration::from_secs(20), end).await.expect("in time");
    assert_eq!(end.expect("closed in order"), 0);
}

#[tokio::test]
async fn another_certificate_or_none_in_time_is_no_counter() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let ours = authority.credentials(folder.path(), "bridge");
    let futures = authority.credentials(folder.path(), "futures");
    let stranger = Authority::new().credentials(folder.path(), "securities");
    for (theirs, word) in [(futures, "not valid for name"), (stranger, "invalid peer certificate")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let (link, _stop) = link_to(&listener, ours.clone(), "securities");
        assert!(accepted(&listener, &theirs).await.is_err());
        let cause = first_cause(&link).await;
        assert!(cause.contains("TLS") && cause.contains(word), "{cause}");
    }
    // It takes the connection and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let (link, _stop) = link_to(&listener, ours, "securities");
    let _silent = listener.accept().await.expect("a connection");
    assert!(first_cause(&link).await.contains("TLS: no handshake in time"));
}

#[tokio::test]
async fn renewed_certificates_are_used_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let ours = authority.credentials(folder.path(), "bridge");
    let theirs = authority.credentials(folder.path(), "securities");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let (_link, _stop) = link_to(&listener, ours, "securities");
    let shown = |stream: &TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().expect("ours")[0].to_vec()
    };
    let before = shown(&accepted(&listener, &theirs).await.expect("a handshake"));
    authority.issue(folder.path(), "bridge");
    let after = shown(&accepted(&listener, &theirs).await.expect("a handshake"));
    assert_ne!(before, after);
}

/// Opens pipes through a tap, and secures them.
#[derive(Clone)]
struct SecuredDial {
    accepted: mpsc::UnboundedSender<DuplexStream>,
    ours: Credentials,
    capacity: usize,
}

impl Dial for SecuredDial {
    type Stream = Transport<DuplexStream>;

    async fn dial(&mut self, _: &str) -> io::Result<Self::Stream> {
        let (inner, theirs) = tokio::io::duplex(self.capacity);
        self.accepted.send(theirs).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Transport::Plain(inner))
    }

    fn secures(&self) -> bool {
        true
    }

    async fn secure(&mut self, stream: Self::Stream) -> io::Result<(Self::Stream, Option<Tls>)> {
        let Transport::Plain(stream) = stream else {
            return Err(io::Error::other("secured twice"));
        };
        let connector = TlsConnector::from(self.ours.current().client);
        let name = ServerName::try_from("securities").expect("a name");
        let tls = TlsDial::new(self.ours.clone(), "securities").expect("a name");
        let stream = connector.connect(name, stream).await?;
        let secured = Secured::new(stream, Trust::of_server(&tls));
        let told = secured.told(0)?;
        Ok((Transport::Secured(Box::new(secured)), Some(told)))
    }
}

/// Carries bytes from the link to the counter, and cuts both ways after so many of them.
async fn cut_after(mut link: DuplexStream, mut counter: DuplexStream, mut most: usize) {
    let (mut there, mut back) = ([0; 97], [0; 97]);
    loop {
        tokio::select! {
            read = link.read(&mut there) => {
                let Ok(count @ 1..) = read else { return };
                let count = count.min(most);
                most -= count;
                if counter.write_all(&there[..count]).await.is_err() || most == 0 {
                    return;
                }
            }
            read = counter.read(&mut back) => {
                let Ok(count @ 1..) = read else { return };
                if link.write_all(&back[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wherever_tls_is_cut_what_is_told_to_be_unsent_was_never_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let ours = authority.credentials(folder.path(), "bridge");
    let theirs = authority.credentials(folder.path(), "securities");
    let (mut unsent, mut unknown) = (0, 0);
    for seed in 0..60 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (accept, mut accepted) = mpsc::unbounded_channel();
        let capacity = rng.random_range(40..8000);
        let dialler = SecuredDial { accepted: accept, ours: ours.clone(), capacity };
        let config = LinkConfig::new(
            counter(),
            vec!["counter:1".to_owned()],
            Dialect::Securities,
            "bridge".to_owned(),
            KEY.to_vec().into(),
        );
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let link = Link::spawn_over(dialler, config, mpsc::channel(4).0, &tasks, stop.clone());
        tasks.close();
        let raw = accepted.recv().await.expect("a dial");
        let (tapped, counters) = tokio::io::duplex(64 << 10);
        // A handshake and a sign-on take some three thousand bytes.
        let cut = tokio::spawn(cut_after(raw, tapped, rng.random_range(3000..30_000)));
        let acceptor = TlsAcceptor::from(theirs.current().server);
        let counter_side = async {
            let mut seen = HashSet::new();
            let Ok(stream) = acceptor.accept(counters).await else { return seen };
            let mut peer = Peer { stream, inbox: BytesMut::new(), good: GoodCounter::default() };
            while let Some(message) = peer.hear().await {
                if let Message::Payload(Payload::Request(_, instruction)) = &message {
                    let serial = instruction.serial().expect("a serial");
                    assert!(seen.insert(serial.sequence.number()), "sent twice, seed {seed}");
                }
                let mut bytes = BytesMut::new();
                if let Some(answer) = peer.good.answer(message) {
                    their_codec().encode(&answer, &mut bytes).expect("sayable");
                }
                // What was cut is still heard to its end.
                let _ = timeout(Duration::from_secs(1), peer.stream.write_all(&bytes)).await;
                let _ = timeout(Duration::from_secs(1), peer.stream.flush()).await;
            }
            seen
        };
        let link_side = async {
            let (queue, mut outcomes) = mpsc::unbounded_channel();
            let mut status = link.follow();
            let up = status.wait_for(|now| now.health == Health::Up);
            let _ = timeout(Duration::from_secs(5), up).await;
            let asks = (1..=400).map(|number| Ask {
                ticket: Ticket(number),
                instruction: debit(number),
                deadline: Instant::now() + Duration::from_secs(10),
                reply_to: ReplyTo::Queue(queue.clone()),
            });
            link.ask_all(asks.collect());
            let mut told = HashMap::new();
            while told.len() < 400 {
                let delivery = outcomes.recv().await.expect("an outcome");
                assert!(told.insert(delivery.ticket.0, delivery.outcome).is_none());
            }
            stop.cancel();
            told
        };
        let (seen, told) = tokio::join!(counter_side, link_side);
        cut.abort();
        for (number, outcome) in told {
            match outcome {
                RequestOutcome::NotSent(_) => {
                    unsent += 1;
                    assert!(!seen.contains(&number), "{number}, seed {seed}");
                }
                RequestOutcome::Answered(_) => {
                    assert!(seen.contains(&number), "{number}, seed {seed}");
                }
                RequestOutcome::Unknown(_) => unknown += 1,
            }
        }
    }
    assert!(unsent > 100 && unknown > 100, "{unsent} unsent, {unknown} unknown: nothing was tried");
}

/// Takes so many bytes, then fails.
struct Brittle(DuplexStream, usize);

impl AsyncRead for Brittle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Brittle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.1 == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let most = bytes.len().min(self.1);
        let written = Pin::new(&mut self.0).poll_write(context, &bytes[..most]);
        if let Poll::Ready(Ok(count)) = written {
            self.1 -= count;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[tokio::test]
async fn a_write_that_fails_half_way_is_told_to_be_taken_and_fails_the_next_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let ours = authority.credentials(folder.path(), "bridge");
    let theirs = authority.credentials(folder.path(), "securities");
    let (inner, outer) = tokio::io::duplex(1 << 20);
    let connector = TlsConnector::from(ours.current().client);
    let name = ServerName::try_from("securities").expect("a name");
    let acceptor = TlsAcceptor::from(theirs.current().server);
    let (client, server) =
        tokio::join!(connector.connect(name, Brittle(inner, 1 << 20)), acceptor.accept(outer));
    let (mut client, _server) = (client.expect("a handshake"), server.expect("a handshake"));
    client.get_mut().0.1 = 50;
    let mut secured = Secured::new(client, Trust::of_client(&ours));
    let first = secured.write(&[7; 1000]).await.expect("taken, as far as anybody can know");
    assert_eq!(first, 1000);
    assert!(secured.write(&[7; 1000]).await.is_err());
}
