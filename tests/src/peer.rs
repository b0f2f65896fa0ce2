//! A counter played by the test itself: it signs on honestly, and then says what the test wants, when
//! the test wants it. So it can lie, contradict itself, or not answer.

use anyhow::{Context, Result, bail, ensure};
use domain::message::{
    Answer, AnswerCode, CounterId, Finding, Instruction, Posted, PostingReply, QueryReply, Reply,
};
use domain::profile::Profile;
use domain::serial::Day;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wire::codec::{Codec, Incoming, Parties};
use wire::conversation::{Challenge, Conversation, CounterState, HeartbeatAck, SignOn, Welcome};
use wire::dialect::Dialect;
use wire::message::Message;
use wire::payload::{Payload, RequestId};
use wire::proof::{Side, prove, verify};

/// How long a request that has to come is waited for.
const ASKED_WITHIN: Duration = Duration::from_secs(20);

/// What the counter proves itself with.
const NONCE: [u8; 32] = [0x2a; 32];

/// A counter of the securities dialect. Dropping it closes its connection.
pub struct Peer {
    id: &'static str,
    address: SocketAddr,
    says: mpsc::UnboundedSender<Message>,
    asked: mpsc::UnboundedReceiver<(RequestId, Instruction)>,
    task: JoinHandle<()>,
}

/// The key that a peer shares with the bridge; no two have the same.
pub(crate) fn key(id: &str) -> [u8; 32] {
    let mut key = *b"a key that peers have.          ";
    let id = &id.as_bytes()[..id.len().min(9)];
    key[23..23 + id.len()].copy_from_slice(id);
    key
}

/// The peers in a configuration, and where it wants their keys.
pub(crate) fn keys_wanted(configuration: &str) -> impl Iterator<Item = (&str, String)> {
    let named =
        configuration.split("key_file = '").skip(1).filter_map(|rest| rest.split_once(".peer'"));
    named.map(|(id, _)| (id, format!("{id}.peer")))
}

/// Whether it answers a sign-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// As the protocol wants it.
    Good,
    /// It says nothing to a sign-off and never closes.
    Bad,
}

impl Peer {
    /// Listens on a port of its own.
    pub async fn start(id: &'static str, manners: Manners) -> Result<Peer> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (says, mut to_say) = mpsc::unbounded_channel();
        let (asks, asked) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let session = Session { id, manners, stream, to_say: &mut to_say, asks: &asks };
                // However it ends, the bridge comes again.
                let _ = session.run().await;
            }
        });
        Ok(Peer { id, address, says, asked, task })
    }

    /// Its lines in the bridge's configuration.
    pub fn configured(&self) -> String {
        format!(
            "[[counter]]\nid = '{}'\ndialect = 'securities'\naddresses = ['{}']\nkey_file = '{}.peer'\n",
            self.id, self.address, self.id
        )
    }

    /// Says something, now.
    pub fn say(&self, message: Message) -> Result<()> {
        self.says.send(message).ok().context("its task has ended")
    }

    /// Answers a request.
    pub fn answer(&self, id: RequestId, reply: Reply) -> Result<()> {
        self.say(Message::Payload(Payload::Response(id, reply)))
    }

    /// The same words, as an answer to nothing.
    pub fn say_unasked(&self, reply: Reply) -> Result<()> {
        // Numbers that a bridge takes years to reach.
        self.say(Message::Payload(Payload::Response(RequestId(1 << 40), reply)))
    }

    /// The next request that moves money; all others are left unanswered.
    pub async fn posting(&mut self) -> Result<(RequestId, Instruction)> {
        let next = async {
            loop {
                let (id, instruction) = self.asked.recv().await.context("its task has ended")?;
                if instruction.moves_money() {
                    return Ok((id, instruction));
                }
            }
        };
        match timeout(ASKED_WITHIN, next).await {
            Ok(posting) => posting,
            Err(_) => bail!("{} was asked for nothing in {ASKED_WITHIN:?}", self.id),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A true answer to a posting: it is in the books.
pub fn done(instruction: &Instruction) -> Reply {
    match instruction {
        Instruction::Debit(it) | Instruction::Credit(it) => Reply::Posting(PostingReply {
            serial: it.serial,
            answer: answer(AnswerCode::DONE),
            posted: Some(Posted {
                counter_serial: format!("X{}", it.serial).into(),
                settle_day: it.settle_day,
                account: it.account.clone(),
                amount: it.amount,
                currency: it.currency,
                original: None,
            }),
            mark: it.mark,
        }),
        other => panic!("nothing that is told as done here: {other:?}"),
    }
}

/// A refusal of a posting, of whatever kind.
pub fn refused(instruction: &Instruction) -> Reply {
    match instruction {
        Instruction::Debit(it) | Instruction::Credit(it) => Reply::Posting(PostingReply {
            serial: it.serial,
            answer: answer(AnswerCode::INSUFFICIENT_FUNDS),
            posted: None,
            mark: it.mark,
        }),
        other => panic!("nothing that is refused here: {other:?}"),
    }
}

/// A question's answer: the serial was never heard of.
pub fn not_found(instruction: &Instruction) -> Option<Reply> {
    let Instruction::Query(it) = instruction else { return None };
    Some(Reply::Query(QueryReply {
        serial: it.serial,
        finding: Finding::NotFound,
        answer: answer(AnswerCode::DONE),
        posted: None,
        mark: it.mark,
    }))
}

fn answer(code: AnswerCode) -> Answer {
    Answer { code, text: "as the test has it".into() }
}

fn today() -> Day {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Day::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// One connection.
struct Session<'p> {
    id: &'static str,
    manners: Manners,
    stream: TcpStream,
    to_say: &'p mut mpsc::UnboundedReceiver<Message>,
    asks: &'p mpsc::UnboundedSender<(RequestId, Instruction)>,
}

impl Session<'_> {
    async fn run(mut self) -> Result<()> {
        let parties = Parties { own: self.id.to_owned(), peer: "bridge".to_owned() };
        let codec = Codec::new(Dialect::Securities, parties).at_counter();
        let mut buffer = bytes::BytesMut::new();
        let mut signed_on: Option<SignOn> = None;
        loop {
            while let Some(incoming) = codec.decode(&mut buffer)? {
                let Incoming::Message(message) = incoming else { bail!("{incoming:?}") };
                if let Some(reply) = self.reply(message, &mut signed_on)? {
                    self.write(&codec, &reply).await?;
                }
            }
            tokio::select! {
                read = self.stream.read_buf(&mut buffer) => {
                    if read? == 0 {
                        // Who has no manners does not close either.
                        if self.manners == Manners::Bad {
                            std::future::pending::<()>().await;
                        }
                        return Ok(());
                    }
                }
                message = self.to_say.recv() => {
                    self.write(&codec, &message.context("nobody is left")?).await?;
                }
            }
        }
    }

    async fn write(&mut self, codec: &Codec, message: &Message) -> Result<()> {
        let mut frame = bytes::BytesMut::new();
        codec.encode(message, &mut frame)?;
        Ok(self.stream.write_all(&frame).await?)
    }

    fn reply(&self, message: Message, signed_on: &mut Option<SignOn>) -> Result<Option<Message>> {
        Ok(match message {
            Message::Conversation(Conversation::SignOn(sign_on)) => {
                let proof = prove(&key(self.id), Side::Acceptor, &sign_on, &NONCE);
                *signed_on = Some(sign_on);
                Some(Message::Conversation(Conversation::Challenge(Challenge {
                    nonce: NONCE,
                    proof,
                })))
            }
            Message::Conversation(Conversation::Answer(said)) => {
                let sign_on = signed_on.as_ref().context("an answer to nothing")?;
                ensure!(
                    verify(&key(self.id), Side::Dialler, sign_on, &NONCE, &said.proof),
                    "no proof"
                );
                let counter = CounterState {
                    id: CounterId::new(self.id)?,
                    profile: Profile { echoes_marks: true, ..Profile::default() },
                    settle_day: today(),
                    open: true,
                    highest_serial: None,
                };
                let heartbeat_s = sign_on.heartbeat_s;
                Some(Message::Conversation(Conversation::Welcome(Welcome {
                    heartbeat_s,
                    counter: Some(counter),
                })))
            }
            Message::Conversation(Conversation::Heartbeat(beat)) => {
                Some(Message::Conversation(Conversation::HeartbeatAck(HeartbeatAck {
                    number: beat.number,
                    counter: Some((today(), true)),
                })))
            }
            Message::Conversation(Conversation::SignOff(_)) if self.manners == Manners::Good => {
                Some(Message::Conversation(Conversation::SignOffAck))
            }
            Message::Payload(Payload::Request(id, instruction)) => {
                let answer = not_found(&instruction)
                    .map(|reply| Message::Payload(Payload::Response(id, reply)));
                if answer.is_none() {
                    // A test that has heard enough goes on without it.
                    let _ = self.asks.send((id, instruction));
                }
                answer
            }
            _ => None,
        })
    }
}
