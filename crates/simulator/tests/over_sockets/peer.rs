//! A counter in this process, and a bridge's end of a conversation with it, written from the
//! protocol alone.

use bytes::BytesMut;
use domain::message::{
    AccountId, BalanceQuery, CounterId, Finding, Instruction, Look, Posting, PostingReply, Query,
    Reply, Reversal,
};
use domain::money::{Amount, Currency};
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence};
use secrecy::SecretSlice;
use simulator::{Error, FaultPlan, Options};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wire::codec::{Codec, Incoming, Parties};
use wire::conversation::{ChallengeAnswer, Conversation, SignOff, SignOn, Welcome};
use wire::dialect::{Dialect, Encoding, XmlOptions};
use wire::message::Message;
use wire::payload::{Payload, RequestId};
use wire::proof::{Side, prove, verify};

pub(crate) const KEY: [u8; 32] = [7; 32];
pub(crate) const DAY: u32 = 20_261_121;

/// Nothing here takes this long unless something is broken.
const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) fn dialects() -> Vec<Dialect> {
    use domain::profile::AmountUnit::{Major, Minor};
    let futures = |encoding, amount_unit| {
        Dialect::Futures(XmlOptions { encoding, amount_unit, utc_offset_minutes: 480 })
    };
    vec![Dialect::Securities, futures(Encoding::Utf8, Minor), futures(Encoding::Gb18030, Major)]
}

pub(crate) fn options(dialect: Dialect, plan: &str) -> Options {
    let id = CounterId::new("counter-a").expect("an id");
    let key = SecretSlice::from(KEY.to_vec());
    Options {
        accounts: vec![(account("A"), 100_000), (account("B"), 0)],
        faults: FaultPlan::from_toml(plan).expect("a plan"),
        settle_day: Some(day()),
        ..Options::new(dialect, id, "bridge".to_owned(), key)
    }
}

/// A counter that runs here.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) dialect: Dialect,
    /// The channel of the next bridge: of one channel a counter listens to the newest session only.
    next_channel: AtomicU16,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

pub(crate) async fn start(options: Options) -> Running {
    let dialect = options.dialect.clone();
    let stop = CancellationToken::new();
    let (ready, address) = oneshot::channel();
    let task = tokio::spawn(simulator::run(
        options,
        move |address| ready.send(address).expect("the test waits"),
        stop.clone(),
    ));
    let address = timeout(DEADLINE, address).await.expect("starts in time").expect("starts");
    Running { address, dialect, next_channel: AtomicU16::new(0), stop, task }
}

/// A securities counter with this plan, and a session with it.
pub(crate) async fn planned(plan: &str) -> (Running, Bridge) {
    let counter = start(options(Dialect::Securities, plan)).await;
    let bridge = counter.bridge().await;
    (counter, bridge)
}

impl Running {
    pub(crate) async fn bridge(&self) -> Bridge {
        let mut bridge = Bridge::connect(self.address, self.dialect.clone()).await;
        bridge.channel = self.next_channel.fetch_add(1, Ordering::Relaxed);
        bridge.sign_on(&KEY, "bridge").await.expect("signs on");
        bridge
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn ended(self) {
        let ended = timeout(DEADLINE, self.task).await.expect("ends in time");
        ended.expect("does not panic").expect("ends well");
    }
}

/// The bridge's end of one connection.
pub(crate) struct Bridge {
    pub(crate) stream: TcpStream,
    codec: Codec,
    inbound: BytesMut,
    requests: u64,
    channel: u16,
}

/// What came instead of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Closed,
    HalfAFrame,
    Malformed,
    Rejected(wire::conversation::RejectReason),
}

impl Bridge {
    pub(crate) async fn connect(address: SocketAddr, dialect: Dialect) -> Bridge {
        let stream = TcpStream::connect(address).await.expect("connects");
        let parties = Parties { own: "bridge".to_owned(), peer: "counter-a".to_owned() };
        let codec = Codec::new(dialect, parties);
        Bridge { stream, codec, inbound: BytesMut::new(), requests: 0, channel: 0 }
    }

    pub(crate) async fn sign_on(&mut self, key: &[u8], name: &str) -> Result<Welcome, Broken> {
        let sign_on = SignOn {
            version: SignOn::VERSION,
            dialler: name.to_owned(),
            acceptor: "counter-a".to_owned(),
            channel: self.channel,
            nonce: [3; 32],
            heartbeat_s: 1,
        };
        self.send(&Message::Conversation(Conversation::SignOn(sign_on.clone()))).await;
        let challenge = match self.receive().await? {
            Message::Conversation(Conversation::Challenge(challenge)) => challenge,
            Message::Conversation(Conversation::Rejected(rejected)) => {
                return Err(Broken::Rejected(rejected.reason));
            }
            other => panic!("no challenge: {other:?}"),
        };
        assert!(verify(&KEY, Side::Acceptor, &sign_on, &challenge.nonce, &challenge.proof));
        let proof = prove(key, Side::Dialler, &sign_on, &challenge.nonce);
        self.send(&Message::Conversation(Conversation::Answer(ChallengeAnswer {
            proof,
            counter: None,
        })))
        .await;
        match self.receive().await? {
            Message::Conversation(Conversation::Welcome(welcome)) => Ok(welcome),
            Message::Conversation(Conversation::Rejected(rejected)) => {
                Err(Broken::Rejected(rejected.reason))
            }
            other => panic!("no welcome: {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, message: &Message) {
        let mut frame = BytesMut::new();
        self.codec.encode(message, &mut frame).expect("can be said");
        self.stream.write_all(&frame).await.expect("writes");
    }

    /// The next message, whatever it is.
    pub(crate) async fn receive(&mut self) -> Result<Message, Broken> {
        loop {
            match self.codec.decode(&mut self.inbound).expect("good framing") {
                Some(Incoming::Message(message)) => return Ok(message),
                Some(Incoming::Malformed(_)) => return Err(Broken::Malformed),
                None => {}
            }
            let read = timeout(DEADLINE, self.stream.read_buf(&mut self.inbound));
            // A connection that was reset is as closed as any.
            if read.await.expect("answered in time").unwrap_or(0) == 0 {
                let empty = self.inbound.is_empty();
                return Err(if empty { Broken::Closed } else { Broken::HalfAFrame });
            }
        }
    }

    /// The next message that is no heartbeat of the counter's.
    pub(crate) async fn hear(&mut self) -> Result<Message, Broken> {
        loop {
            match self.receive().await? {
                Message::Conversation(Conversation::Heartbeat(_)) => {}
                message => return Ok(message),
            }
        }
    }

    pub(crate) async fn request(&mut self, instruction: Instruction) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.send(&Message::Payload(Payload::Request(id, instruction))).await;
        id
    }

    pub(crate) async fn reply(&mut self, id: RequestId) -> Result<Reply, Broken> {
        match self.hear().await? {
            Message::Payload(Payload::Response(of, reply)) => {
                assert_eq!(of, id);
                Ok(reply)
            }
            Message::Conversation(Conversation::Rejected(rejected)) => {
                Err(Broken::Rejected(rejected.reason))
            }
            other => panic!("no response: {other:?}"),
        }
    }

    pub(crate) async fn ask(&mut self, instruction: Instruction) -> Result<Reply, Broken> {
        let id = self.request(instruction).await;
        self.reply(id).await
    }

    /// The code of a posting's answer.
    pub(crate) async fn post(&mut self, instruction: Instruction) -> Result<u16, Broken> {
        match self.ask(instruction).await? {
            Reply::Posting(PostingReply { answer, .. }) => Ok(answer.code.number()),
            other => panic!("no posting: {other:?}"),
        }
    }

    pub(crate) async fn find(&mut self, sequence: u64, role: Role, look: Look) -> Finding {
        match self.ask(query(sequence, role, look)).await.expect("answers") {
            Reply::Query(reply) => reply.finding,
            other => panic!("no finding: {other:?}"),
        }
    }

    /// What is available in an account; minor units.
    pub(crate) async fn available(&mut self, id: &str) -> i64 {
        let query = BalanceQuery { account: account(id), currency: Currency::CNY };
        match self.ask(Instruction::Balance(query)).await.expect("answers") {
            Reply::Balance(reply) => reply.balance.expect("has a balance").available,
            other => panic!("no balance: {other:?}"),
        }
    }

    pub(crate) async fn sign_off(&mut self) {
        self.send(&Message::Conversation(Conversation::SignOff(SignOff { text: "done".into() })))
            .await;
    }
}

pub(crate) fn day() -> Day {
    Day::new(DAY).expect("a day")
}

pub(crate) fn account(id: &str) -> AccountId {
    AccountId::new(id).expect("an account")
}

pub(crate) fn master(sequence: u64) -> MasterSerial {
    MasterSerial { day: day(), sequence: Sequence::new(sequence).expect("a sequence") }
}

fn posting(sequence: u64, role: Role, id: &str, minor: i64) -> Posting {
    Posting {
        serial: master(sequence).leg(role),
        master: master(sequence),
        settle_day: day(),
        account: account(id),
        amount: Amount::new(minor).expect("an amount"),
        currency: Currency::CNY,
        mark: Some(Mark(sequence)),
    }
}

pub(crate) fn debit(sequence: u64, minor: i64) -> Instruction {
    Instruction::Debit(posting(sequence, Role::Debit, "A", minor))
}

pub(crate) fn credit(sequence: u64, minor: i64) -> Instruction {
    Instruction::Credit(posting(sequence, Role::Credit, "B", minor))
}

pub(crate) fn reverse(sequence: u64, minor: i64) -> Instruction {
    Instruction::Reverse(Reversal {
        serial: master(sequence).leg(Role::Reversal),
        original: master(sequence).leg(Role::Debit),
        master: master(sequence),
        settle_day: day(),
        account: account("A"),
        amount: Amount::new(minor).expect("an amount"),
        currency: Currency::CNY,
        mark: Some(Mark(sequence)),
    })
}

pub(crate) fn query(sequence: u64, role: Role, look: Look) -> Instruction {
    let serial = master(sequence).leg(role);
    Instruction::Query(Query { serial, settle_day: day(), look, mark: Some(Mark(sequence)) })
}
