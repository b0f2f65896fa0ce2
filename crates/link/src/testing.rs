//! What tests of this crate share: instants by the second, asks and their outcomes.

use crate::request::pending_reply::Queued;
use crate::request::pending_reply::{ConnectionHandle, PendingReply};
use crate::session::Setup;
use domain::message::{
    Answer, AnswerCode, BalanceReply, CounterId, EntriesReply, Finding, Instruction, Look, Posted,
    Posting, PostingReply, Query, QueryReply, Reply,
};
use domain::money::{Amount, Currency};
use domain::profile::Profile;
use domain::serial::{Day, MasterSerial, Role, Sequence, SubSerial};
use port::Bounds;
use port::{Delivery, ReplyTo, RequestOutcome, Ticket};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use wire::codec::{Codec, Parties};
use wire::conversation::{Challenge, Conversation, CounterState, HeartbeatAck, SignOn, Welcome};
use wire::dialect::Dialect;
use wire::message::Message;
use wire::payload::Payload;
use wire::proof::{self, Side};

/// So many seconds after the beginning of time.
pub(crate) fn at(seconds: u64) -> Instant {
    at_ms(seconds * 1000)
}

/// So many milliseconds after the beginning of time.
pub(crate) fn at_ms(milliseconds: u64) -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(Instant::now) + Duration::from_millis(milliseconds)
}

pub(crate) fn counter() -> CounterId {
    CounterId::new("securities").expect("an id")
}

pub(crate) fn day() -> Day {
    Day::new(20_261_121).expect("a day")
}

pub(crate) fn master(number: u64) -> MasterSerial {
    MasterSerial { day: day(), sequence: Sequence::new(number).expect("a sequence") }
}

pub(crate) fn serial(number: u64) -> SubSerial {
    master(number).leg(Role::Debit)
}

pub(crate) fn debit(number: u64) -> Instruction {
    Instruction::Debit(Posting {
        serial: serial(number),
        master: master(number),
        settle_day: day(),
        account: "6200001".parse().expect("an account"),
        amount: Amount::new(100).expect("an amount"),
        currency: Currency::CNY,
        mark: None,
    })
}

pub(crate) fn query(number: u64) -> Instruction {
    let (serial, settle_day) = (serial(number), day());
    Instruction::Query(Query { serial, settle_day, look: Look::Only, mark: None })
}

/// Makes queued requests, numbered from 1, and collects what becomes of them.
pub(crate) struct Asks {
    pub(crate) shared: Arc<ConnectionHandle>,
    made: u64,
    queue: mpsc::UnboundedSender<Delivery>,
    outcomes: mpsc::UnboundedReceiver<Delivery>,
}

pub(crate) fn asks() -> Asks {
    let (queue, outcomes) = mpsc::unbounded_channel();
    Asks { shared: Arc::new(ConnectionHandle::new(counter())), made: 0, queue, outcomes }
}

impl Asks {
    /// The next number's debit.
    pub(crate) fn debit(&mut self, deadline: Instant) -> Queued {
        self.queue(debit(self.made + 1), deadline)
    }

    /// The next number's query.
    pub(crate) fn query(&mut self, deadline: Instant) -> Queued {
        self.queue(query(self.made + 1), deadline)
    }

    pub(crate) fn queue(&mut self, instruction: Instruction, deadline: Instant) -> Queued {
        self.made += 1;
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        let reply_to = ReplyTo::Queue(self.queue.clone());
        let pending_reply = PendingReply::new(&self.shared, Ticket(self.made), reply_to);
        Queued { pending_reply, instruction, deadline }
    }

    /// What became of which, in the order of delivery, since the last look.
    pub(crate) fn outcomes(&mut self) -> Vec<(u64, RequestOutcome)> {
        std::iter::from_fn(|| self.outcomes.try_recv().ok())
            .map(|delivery| (delivery.ticket.0, delivery.outcome))
            .collect()
    }

    pub(crate) fn queued(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed)
    }
}

pub(crate) const KEY: [u8; 32] = [7; 32];

pub(crate) fn setup() -> Setup {
    Setup {
        counter: counter(),
        own_name: Arc::new("bridge".to_owned()),
        codec: our_codec(),
        keys: KEY.to_vec().into(),
        profile: Arc::new(Profile::default()),
        timers: Arc::default(),
        bounds: Bounds::default(),
    }
}

/// The acceptor's side of a sign-on, as a good counter plays it.
pub(crate) struct GoodCounter {
    pub(crate) key: [u8; 32],
    pub(crate) heartbeat_s: u16,
    pub(crate) state: CounterState,
    sign_on: Option<SignOn>,
}

impl Default for GoodCounter {
    fn default() -> GoodCounter {
        let state = CounterState {
            id: counter(),
            profile: Profile::default(),
            settle_day: day(),
            open: true,
            highest_serial: None,
        };
        GoodCounter { key: KEY, heartbeat_s: 10, state, sign_on: None }
    }
}

impl GoodCounter {
    const NONCE: [u8; 32] = [9; 32];

    /// What it says to a message: sign-ons are checked and answered, heartbeats and sign-offs
    /// answered, debits posted, queries not found.
    pub(crate) fn answer(&mut self, message: Message) -> Option<Message> {
        let day = self.state.settle_day;
        match message {
            Message::Conversation(Conversation::SignOn(sign_on)) => {
                assert_eq!((sign_on.version, sign_on.dialler.as_str()), (1, "bridge"));
                assert_eq!(sign_on.acceptor, "securities");
                let proof = proof::prove(&self.key, Side::Acceptor, &sign_on, &Self::NONCE);
                self.sign_on = Some(sign_on);
                Some(Message::Conversation(Conversation::Challenge(Challenge {
                    nonce: Self::NONCE,
                    proof,
                })))
            }
            Message::Conversation(Conversation::Answer(answer)) => {
                let sign_on = self.sign_on.as_ref().expect("a sign-on");
                let (nonce, proof) = (&Self::NONCE, &answer.proof);
                assert!(proof::verify(&self.key, Side::Dialler, sign_on, nonce, proof));
                let counter = Some(self.state.clone());
                Some(Message::Conversation(Conversation::Welcome(Welcome {
                    heartbeat_s: self.heartbeat_s,
                    counter,
                })))
            }
            Message::Conversation(Conversation::Heartbeat(beat)) => {
                let counter = Some((day, self.state.open));
                Some(Message::Conversation(Conversation::HeartbeatAck(HeartbeatAck {
                    number: beat.number,
                    counter,
                })))
            }
            Message::Conversation(Conversation::SignOff(_)) => {
                Some(Message::Conversation(Conversation::SignOffAck))
            }
            Message::Payload(Payload::Request(id, instruction)) => {
                Some(Message::Payload(Payload::Response(id, reply(&instruction))))
            }
            Message::Conversation(
                Conversation::Challenge(_)
                | Conversation::Welcome(_)
                | Conversation::Rejected(_)
                | Conversation::SignOffAck
                | Conversation::HeartbeatAck(_)
                | Conversation::Notice(_),
            )
            | Message::Payload(Payload::Response(..)) => None,
        }
    }
}

/// A posting of a day.
pub(crate) fn posted(settle_day: Day) -> Posted {
    Posted {
        counter_serial: "C1".into(),
        settle_day,
        account: "6200001".parse().expect("an account"),
        amount: Amount::new(100).expect("an amount"),
        currency: Currency::CNY,
        original: None,
    }
}

/// A true answer.
pub(crate) fn reply(instruction: &Instruction) -> Reply {
    let done = Answer { code: AnswerCode::DONE, text: "done".into() };
    match instruction {
        Instruction::Debit(_) | Instruction::Credit(_) | Instruction::Reverse(_) => {
            let serial = instruction.serial().expect("a serial");
            Reply::Posting(PostingReply { serial, answer: done, posted: None, mark: None })
        }
        Instruction::Query(query) => Reply::Query(QueryReply {
            serial: query.serial,
            finding: Finding::NotFound,
            answer: done,
            posted: None,
            mark: None,
        }),
        Instruction::Balance(_) => Reply::Balance(BalanceReply { answer: done, balance: None }),
        Instruction::Entries(_) => {
            Reply::Entries(EntriesReply { answer: done, entries: Vec::new(), more: false })
        }
    }
}

/// The codec of this end.
pub(crate) fn our_codec() -> Codec {
    codec("bridge", "securities")
}

/// The codec of the counter's end.
pub(crate) fn their_codec() -> Codec {
    codec("securities", "bridge")
}

fn codec(own: &str, peer: &str) -> Codec {
    let parties = Parties { own: own.to_owned(), peer: peer.to_owned() };
    Codec::new(Dialect::Securities, parties)
}
