//! Counters that dial in: who is let in, what the others are told, and who may take whose place.

use super::*;
use crate::io::tls::testing::Authority;
use crate::{Acceptor, AcceptorConfig, AcceptorLimits, Credentials};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use wire::conversation::{ChallengeAnswer, Conversation, CounterState, SignOn};
use wire::proof::{self, Side};

/// An acceptor with one counter behind it.
struct House {
    link: Link,
    address: SocketAddr,
    history: History,
    queue: mpsc::UnboundedSender<Delivery>,
    outcomes: mpsc::UnboundedReceiver<Delivery>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

fn house() -> House {
    house_with(None, AcceptorLimits::default(), |_| {})
}

fn house_with(
    tls: Option<Credentials>,
    limits: AcceptorLimits,
    change: impl FnOnce(&mut LinkConfig),
) -> House {
    let history = History::default();
    let mut config = LinkConfig {
        history: history.clone(),
        ..LinkConfig::new(
            counter(),
            Vec::new(),
            Dialect::Securities,
            "bridge".to_owned(),
            KEY.to_vec().into(),
        )
    };
    change(&mut config);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let unmatched = mpsc::channel(4).0;
    let (link, inbound_peer) = Link::spawn_accepting(config, unmatched, &tasks, stop.clone());
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let own_name = "bridge".to_owned();
    let config = AcceptorConfig {
        listen,
        own_name,
        tls,
        limits,
        own_addresses: Vec::new(),
        history: history.clone(),
    };
    let acceptor = Acceptor::open(config, vec![inbound_peer]).expect("a free port");
    let address = acceptor.address().expect("an address");
    acceptor.spawn(&tasks, stop.clone());
    tasks.close();
    let (queue, outcomes) = mpsc::unbounded_channel();
    House { link, address, history, queue, outcomes, stop, tasks }
}

impl House {
    async fn until(&self, reached: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut status = self.link.follow();
        let wait = status.wait_for(|snapshot| reached(snapshot));
        Arc::clone(&timeout(Duration::from_secs(20), wait).await.expect("in time").expect("a link"))
    }

    fn ask(&self, number: u64) {
        self.link.ask(Ask {
            ticket: Ticket(number),
            instruction: debit(number),
            deadline: Instant::now() + Duration::from_secs(10),
            reply_to: ReplyTo::Queue(self.queue.clone()),
        });
    }

    async fn outcome(&mut self) -> (u64, RequestOutcome) {
        let outcome = timeout(Duration::from_secs(20), self.outcomes.recv());
        let delivery = outcome.await.expect("in time").expect("an outcome");
        (delivery.ticket.0, delivery.outcome)
    }
}

fn their_sign_on() -> SignOn {
    SignOn {
        version: 1,
        dialler: "securities".to_owned(),
        acceptor: "bridge".to_owned(),
        channel: 0,
        nonce: [3; 32],
        heartbeat_s: 10,
    }
}

fn their_state() -> CounterState {
    GoodCounter::default().state
}

fn peer<S>(stream: S) -> Peer<S> {
    Peer { stream, inbox: BytesMut::new(), good: GoodCounter::default() }
}

/// Signs on; what the bridge said last.
async fn sign_on<S: AsyncRead + AsyncWrite + Unpin>(
    peer: &mut Peer<S>,
    sign_on: SignOn,
    key: &[u8],
) -> Option<Message> {
    peer.say(&[Message::Conversation(Conversation::SignOn(sign_on.clone()))]).await;
    let said = peer.hear().await;
    let Some(Message::Conversation(Conversation::Challenge(challenge))) = said else { return said };
    assert!(proof::verify(&KEY, Side::Acceptor, &sign_on, &challenge.nonce, &challenge.proof));
    let proof = proof::prove(key, Side::Dialler, &sign_on, &challenge.nonce);
    let counter = Some(their_state());
    peer.say(&[Message::Conversation(Conversation::Answer(ChallengeAnswer { proof, counter }))])
        .await;
    peer.hear().await
}

async fn dialled(house: &House) -> Peer<TcpStream> {
    peer(TcpStream::connect(house.address).await.expect("a connection"))
}

async fn signed_on(house: &House) -> Peer<TcpStream> {
    let mut peer = dialled(house).await;
    let said = sign_on(&mut peer, their_sign_on(), &KEY).await;
    assert!(matches!(said, Some(Message::Conversation(Conversation::Welcome(_)))), "{said:?}");
    peer
}

#[tokio::test]
async fn a_counter_that_dials_in_is_asked_like_any_other_and_may_come_back() {
    let mut house = house();
    for round in 1..=3 {
        house.ask(round);
        assert_eq!(house.outcome().await, down(round), "nobody is there");
        let peer = signed_on(&house).await;
        let from = peer.stream.local_addr().expect("an address").to_string();
        let snapshot = house.until(|now| now.connections[0].epoch == round).await;
        assert_eq!(snapshot.connections[0].address, from);
        house.link.synced();
        house.until(|now| now.health == Health::Up).await;
        assert_eq!(house.link.settle_day(), Some(crate::testing::day()));
        let served = tokio::spawn(peer.serve());
        house.ask(round);
        let answered = RequestOutcome::Answered(reply(&debit(round)));
        assert_eq!(house.outcome().await, (round, answered));
        served.abort();
        house.until(|now| now.health == Health::Down).await;
    }
    let peer = signed_on(&house).await;
    let served = tokio::spawn(peer.serve());
    house.until(|now| now.health == Health::Up).await;
    house.stop.cancel();
    timeout(Duration::from_secs(5), house.tasks.wait()).await.expect("in time");
    served.await.expect("signed off and closed");
}

#[tokio::test]
async fn who_does_not_fit_is_told_why_and_operators_are_too() {
    let house = house();
    let wrong = |change: fn(&mut SignOn)| {
        let mut sign_on = their_sign_on();
        change(&mut sign_on);
        Message::Conversation(Conversation::SignOn(sign_on))
    };
    for (first, reason) in [
        (wrong(|sign_on| sign_on.version = 2), RejectReason::Version),
        (wrong(|sign_on| sign_on.dialler = "futures".to_owned()), RejectReason::UnknownParty),
        (wrong(|sign_on| sign_on.acceptor = "another".to_owned()), RejectReason::UnknownParty),
        (wrong(|sign_on| sign_on.channel = 1), RejectReason::UnknownParty),
        (Message::Conversation(Conversation::SignOffAck), RejectReason::Other),
    ] {
        let mut peer = dialled(&house).await;
        peer.say(&[first]).await;
        let Some(Message::Conversation(Conversation::Rejected(rejected))) = peer.hear().await
        else {
            panic!("a rejection")
        };
        assert_eq!(rejected.reason, reason, "{}", rejected.text);
        assert_eq!(peer.hear().await, None, "closed");
    }
    let mut thief = dialled(&house).await;
    let said = sign_on(&mut thief, their_sign_on(), &[8; 32]).await;
    let Some(Message::Conversation(Conversation::Rejected(rejected))) = said else {
        panic!("{said:?}")
    };
    assert_eq!(rejected.reason, RejectReason::BadProof);
    let told = house.history.since(0).into_iter().filter_map(|event| match event.what {
        port::history::What::Stranger { cause, .. } => Some((event.counter, cause)),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 6, "{told:?}");
    assert_eq!(told[5].0, Some(counter()));
    assert!(told[5].1.contains("the proof is wrong"), "{told:?}");
    assert_eq!(told[1].0, None, "who that is, nobody knows");
}

#[tokio::test]
async fn garbage_at_the_door_ends_there() {
    let house = house();
    for bytes in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x40\0\0\0", b"99999999", b"00000000", b"\0\0\0\x03abc"]
    {
        let mut peer = dialled(&house).await;
        peer.stream.write_all(bytes).await.expect("a connection");
        let closed = timeout(Duration::from_secs(2), peer.stream.read(&mut [0; 64])).await;
        assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{bytes:?}: {closed:?}");
    }
    let (strangers, all) = house.history.strangers();
    let kept: u64 = strangers.iter().map(|stranger| stranger.times).sum();
    assert_eq!((all, kept), (5, 5), "{strangers:?}");
    for stranger in strangers {
        assert_eq!((stranger.address, stranger.counter), (house.address.ip(), None));
        assert!(["frame", "malformed"].contains(&stranger.why) && !stranger.cause.is_empty());
    }
    // Of one that has said which counter it is, that is told.
    let mut halfway = dialled(&house).await;
    halfway.say(&[Message::Conversation(Conversation::SignOn(their_sign_on()))]).await;
    assert!(matches!(
        halfway.hear().await,
        Some(Message::Conversation(Conversation::Challenge(_)))
    ));
    halfway.stream.write_all(b"\0\0\0\x03abc").await.expect("a connection");
    assert_eq!(halfway.hear().await, None, "closed");
    let (strangers, _) = house.history.strangers();
    assert_eq!((strangers[0].why, &strangers[0].counter), ("malformed", &Some(counter())));
    // A byte at a time is slow, not wrong.
    let mut peer = dialled(&house).await;
    let mut bytes = BytesMut::new();
    their_codec()
        .encode(&Message::Conversation(Conversation::SignOn(their_sign_on())), &mut bytes)
        .expect("sayable");
    for byte in bytes {
        peer.stream.write_all(&[byte]).await.expect("a connection");
        peer.stream.flush().await.expect("a connection");
    }
    assert!(matches!(peer.hear().await, Some(Message::Conversation(Conversation::Challenge(_)))));
}

#[tokio::test]
async fn a_second_login_is_refused_while_the_first_lives_and_takes_its_place_when_it_is_dead() {
    let mut house = house();
    let first = signed_on(&house).await;
    let old = first.stream.local_addr().expect("an address").to_string();
    house.until(|now| now.health == Health::Up).await;
    let served = tokio::spawn(first.serve());
    let mut second = dialled(&house).await;
    let new = second.stream.local_addr().expect("an address").to_string();
    let said = sign_on(&mut second, their_sign_on(), &KEY).await;
    let Some(Message::Conversation(Conversation::Rejected(rejected))) = said else {
        panic!("{said:?}")
    };
    assert_eq!(rejected.reason, RejectReason::AlreadySignedOn);
    assert!(
        rejected.text.as_received().contains(&old) && rejected.text.as_received().contains(&new),
        "{}",
        rejected.text
    );
    house.ask(1);
    assert!(
        matches!(house.outcome().await, (1, RequestOutcome::Answered(_))),
        "the first was not touched"
    );
    served.abort();

    // A first one that answers nothing more: its process hangs.
    house.until(|now| now.health == Health::Down).await;
    let mut hanging = signed_on(&house).await;
    house.until(|now| now.health == Health::Up).await;
    house.ask(2);
    hanging.request().await;
    let began = Instant::now();
    let _third = signed_on(&house).await;
    let took = began.elapsed();
    assert_eq!(house.outcome().await, (2, RequestOutcome::Unknown(Unclear::LinkLost)));
    // It went because it was asked and said nothing, and not before it had time to. How late this
    // is found out is the machine's doing: sockets keep real time.
    let snapshot = house.until(|now| now.health != Health::Down).await;
    let cause = snapshot.connections[0].last_cause.clone();
    assert!(
        cause.as_deref().is_some_and(|cause| cause.contains("replaced")),
        "{took:?}: {cause:?}"
    );
    assert!(took >= Duration::from_millis(1900), "{took:?}");
}

#[tokio::test]
async fn one_address_may_not_fill_the_door_nor_shut_out_who_shares_it() {
    let limits = AcceptorLimits { per_address: 3, ..AcceptorLimits::default() };
    let house = house_with(None, limits, |_| {});
    let mut stalled = Vec::new();
    for _ in 0..3 {
        stalled.push(dialled(&house).await);
    }
    // It shares their address, and nobody has said where it comes from.
    let mut counter = dialled(&house).await;
    let said = sign_on(&mut counter, their_sign_on(), &KEY).await;
    assert!(matches!(said, Some(Message::Conversation(Conversation::Welcome(_)))), "{said:?}");
    // The one who had stood longest went for it; the others stand as long as they may.
    let closed = timeout(Duration::from_secs(2), stalled[0].stream.read(&mut [0; 8])).await;
    assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
    let (strangers, _) = house.history.strangers();
    assert!(strangers.iter().any(|stranger| stranger.why == "displaced"), "{strangers:?}");
}

async fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((from, 0))).expect("an address of this machine");
    socket.connect(to).await.expect("a connection")
}

#[tokio::test]
async fn mode_13_two_hundred_slow_clients_do_not_keep_a_good_one_waiting() {
    let house = house();
    let mut stalled = Vec::new();
    for number in 0..200_u8 {
        let mut stream = connect_from([127, 0, 1, number % 20 + 1], house.address).await;
        // Half of them begin a frame and never end it.
        if number % 2 == 0 {
            stream.write_all(&[0, 0]).await.expect("a connection");
        }
        stalled.push(stream);
    }
    let began = Instant::now();
    signed_on(&house).await;
    let took = began.elapsed();
    assert!(took <= Duration::from_millis(100), "{took:?}");
    house.until(|now| now.counts.sign_ons == 1).await;
}

#[tokio::test]
async fn under_tls_the_certificate_must_be_the_counters_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let ours = authority.credentials(folder.path(), "bridge");
    let house = house_with(Some(ours), AcceptorLimits::default(), |_| {});
    let name = || ServerName::try_from("bridge").expect("a name");
    for (certified, lets_in) in [("futures", false), ("securities", true)] {
        let theirs = authority.credentials(folder.path(), certified);
        let connector = TlsConnector::from(theirs.current().client);
        let tcp = TcpStream::connect(house.address).await.expect("a connection");
        let mut peer = peer(connector.connect(name(), tcp).await.expect("a handshake"));
        peer.say(&[Message::Conversation(Conversation::SignOn(their_sign_on()))]).await;
        match peer.hear().await {
            Some(Message::Conversation(Conversation::Challenge(_))) => assert!(lets_in),
            Some(Message::Conversation(Conversation::Rejected(rejected))) => {
                assert!(
                    !lets_in && rejected.text.as_received().contains("certificate"),
                    "{}",
                    rejected.text
                );
            }
            other => panic!("{other:?}"),
        }
    }
    // Without a certificate, or in the clear, nobody gets as far as a sign-on.
    let mut clear = dialled(&house).await;
    clear.say(&[Message::Conversation(Conversation::SignOn(their_sign_on()))]).await;
    assert!(!matches!(clear.stream.read(&mut [0; 64]).await, Ok(count) if count > 7));
}

#[tokio::test]
async fn a_counter_that_speaks_xml_dials_in_too_in_either_encoding() {
    use domain::profile::{AmountUnit, Profile};
    use wire::codec::Codec;
    use wire::dialect::{Encoding, XmlOptions};
    for encoding in [Encoding::Utf8, Encoding::Gb18030] {
        let options =
            XmlOptions { encoding, amount_unit: AmountUnit::Minor, utc_offset_minutes: 480 };
        let dialect = Dialect::Futures(options);
        let house = house_with(None, AcceptorLimits::default(), |config| {
            config.dialect = dialect.clone();
            config.profile = Profile::default();
        });
        let parties = Parties { own: "securities".to_owned(), peer: "bridge".to_owned() };
        let codec = Codec::new(dialect.clone(), parties).at_counter();
        let mut stream = TcpStream::connect(house.address).await.expect("a connection");
        let (mut inbox, mut bytes) = (BytesMut::new(), BytesMut::new());
        codec
            .encode(&Message::Conversation(Conversation::SignOn(their_sign_on())), &mut bytes)
            .expect("sayable");
        stream.write_all(&bytes).await.expect("a connection");
        let mut heard = Vec::new();
        while heard.len() < 2 {
            match codec.decode(&mut inbox).expect("frames") {
                Some(Incoming::Message(Message::Conversation(Conversation::Challenge(
                    challenge,
                )))) => {
                    let proof =
                        proof::prove(&KEY, Side::Dialler, &their_sign_on(), &challenge.nonce);
                    let counter = Some(their_state());
                    let answer = Message::Conversation(Conversation::Answer(ChallengeAnswer {
                        proof,
                        counter,
                    }));
                    bytes.clear();
                    codec.encode(&answer, &mut bytes).expect("sayable");
                    stream.write_all(&bytes).await.expect("a connection");
                    heard.push("challenge");
                }
                Some(Incoming::Message(Message::Conversation(Conversation::Welcome(_)))) => {
                    heard.push("welcome");
                }
                Some(other) => panic!("{other:?}"),
                None => assert!(stream.read_buf(&mut inbox).await.expect("bytes") > 0),
            }
        }
        house.until(|now| now.health == Health::Up).await;
    }
}

#[tokio::test]
async fn a_panic_in_one_accepted_link_ends_that_link_alone_and_not_its_door() {
    let mut house = house();
    let other = house_with(None, AcceptorLimits::default(), |config| {
        config.history = house.history.clone();
    });
    let first = signed_on(&house).await;
    house.until(|now| now.health == Health::Up).await;
    let bystander = signed_on(&other).await;
    other.until(|now| now.health == Health::Up).await;
    let bystander = tokio::spawn(bystander.serve());
    house.link.panic_now();
    let told = |now: &Snapshot| {
        let cause = now.connections[0].last_cause.as_deref();
        cause.is_some_and(|cause| cause.contains("the link's task failed"))
    };
    house.until(told).await;
    drop(first);
    // It comes again through the same acceptor.
    let again = signed_on(&house).await;
    house.until(|now| now.health == Health::Up).await;
    let served = tokio::spawn(again.serve());
    house.ask(1);
    assert_eq!(house.outcome().await, (1, RequestOutcome::Answered(reply(&debit(1)))));
    let status = other.link.follow().borrow().clone();
    assert_eq!((status.health, status.counts.drops), (Health::Up, 0));
    assert!(!bystander.is_finished());
    served.abort();
    bystander.abort();
}

#[tokio::test]
async fn outside_its_service_hours_a_counter_is_told_to_come_later() {
    let micros = supervise::clock::now_micros();
    let second = u32::try_from(micros / 1_000_000 % 86_400).expect("within a day");
    // They end an hour ago, and begin in two.
    let hours = crate::ServiceHours::new((second + 7200) % 86_400, (second + 82_800) % 86_400, 0);
    let house = house_with(None, AcceptorLimits::default(), |config| config.hours = hours);
    house.until(|now| now.connections[0].state == State::OutOfHours).await;
    let mut peer = dialled(&house).await;
    let said = sign_on(&mut peer, their_sign_on(), &KEY).await;
    let Some(Message::Conversation(Conversation::Rejected(rejected))) = said else {
        panic!("{said:?}")
    };
    assert_eq!(rejected.reason, RejectReason::NotNow);
    assert_eq!(peer.hear().await, None, "closed");
}

/// One that waits at the door when it is drained is waited for no more, and let in when it is wanted.
#[tokio::test]
async fn a_drained_counter_that_dials_in_is_told_to_come_later() {
    let house = house();
    let first = signed_on(&house).await;
    house.until(|now| now.health == Health::Up).await;
    house.link.leave();
    let served = tokio::spawn(first.serve());
    house.until(|now| now.connections[0].state == State::Drained).await;
    served.await.expect("it is signed off");
    let mut peer = dialled(&house).await;
    let said = sign_on(&mut peer, their_sign_on(), &KEY).await;
    let Some(Message::Conversation(Conversation::Rejected(rejected))) = said else {
        panic!("{said:?}")
    };
    assert_eq!(rejected.reason, RejectReason::NotNow);
    house.link.come_back();
    house.until(|now| now.connections[0].state == State::Connecting).await;
    house.link.leave();
    house.until(|now| now.connections[0].state == State::Drained).await;
    house.link.come_back();
    signed_on(&house).await;
    house.until(|now| now.health == Health::Up).await;
}

#[tokio::test]
async fn silent_connections_from_seventeen_addresses_do_not_shut_the_door() {
    let house = house();
    let mut silent = Vec::new();
    for number in 0..17 * 16_u16 {
        let address = u8::try_from(number / 16).expect("few") + 10;
        silent.push(connect_from([127, 0, 0, address], house.address).await);
    }
    let mut counter = peer(connect_from([127, 0, 0, 3], house.address).await);
    let said = sign_on(&mut counter, their_sign_on(), &KEY).await;
    assert!(matches!(said, Some(Message::Conversation(Conversation::Welcome(_)))), "{said:?}");
    let (strangers, _) = house.history.strangers();
    assert!(strangers.iter().any(|stranger| stranger.why == "displaced"), "{strangers:?}");
    drop(silent);
}
