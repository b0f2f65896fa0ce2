//! Conversations behind the acceptor, in both dialects: requests, answers, late answers, sign-offs and cut
//! connections, in whatever order an input says.
//!
//! No proof is bent for it: the counter's part is played here, by somebody who holds the link's key and
//! proves it as every counter must. So there is nothing that a release could do without a proof.
//!
//! An input is read as a list of moves, see [`Play::next`]. Whatever it says, every request ends exactly
//! once and truthfully; what is written can be read; and words that are only for people change nothing of
//! the answer that they stand in.

use bytes::BytesMut;
use counter::{day, master, posting, set_words};
use domain::message::{BalanceQuery, CounterId, EntriesQuery, Instruction, Look, Query, Reply};
use domain::message::{Notice, Severity};
use domain::money::Currency;
use domain::serial::{Day, Mark, Role};
use link::LinkConfig;
use link::sans_io::{Renewal, SansIoLink};
use port::Ask;
use port::Delivery;
use port::NotSent;
use port::ReplyTo;
use port::RequestOutcome;
use port::Ticket;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use wire::codec::{Codec, Incoming, Parties};
use wire::conversation::{Challenge, Conversation, Heartbeat, HeartbeatAck, SignOff};
use wire::dialect::{Dialect, XmlOptions};
use wire::message::Message;
use wire::payload::{Payload, RequestId};

mod arrival;
mod counter;

/// The link's key; no other link has it.
const KEY: [u8; 32] = *b"the key of the fuzzers' own link";

/// The counter's nonce.
const NONCE: [u8; 32] = [0x80; 32];

/// Moves of one input; more are not played.
const MOST_MOVES: usize = 64;

/// Longer than any cause's own words with 200 characters of the counter's.
const LONGEST_CAUSE: usize = 800;

/// What stands where words will be put.
const PLACEHOLDER: &str = "0123456789";

/// Conversations in protobuf.
pub fn conversing_securities(bytes: &[u8]) {
    Play::new(Dialect::Securities, Opens::Bridge, bytes).play();
}

/// The same in protobuf with a counter that dials in, after whoever else comes to the acceptor.
pub fn accepting_securities(bytes: &[u8]) {
    Play::new(Dialect::Securities, Opens::Counter, bytes).play();
}

/// Conversations in XML. The first byte chooses the encoding, the unit of amounts and the zone.
pub fn conversing_futures(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let options: XmlOptions = crate::decoding::options(*first);
    Play::new(Dialect::Futures(options), Opens::Bridge, rest).play();
}

/// The same in XML with a counter that dials in.
pub fn accepting_futures(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let options: XmlOptions = crate::decoding::options(*first);
    Play::new(Dialect::Futures(options), Opens::Counter, rest).play();
}

/// Who opens connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opens {
    Bridge,
    Counter,
}

/// What the bridge knows of its counter.
fn config(dialect: &Dialect) -> LinkConfig {
    let counter = CounterId::new(dialect.speech().as_str()).expect("an id");
    let own_name = "bridge".to_owned();
    let mut config =
        LinkConfig::new(counter, Vec::new(), dialect.clone(), own_name, KEY.to_vec().into());
    config.profile.amount_unit = dialect.amount_unit();
    config
}

/// Both sides of one conversation, and what is left of the input.
struct Play<'i> {
    input: &'i [u8],
    opens: Opens,
    dialect: Dialect,
    codec: Codec,
    bridge: SansIoLink,
    now: Instant,
    /// What the bridge has written and the counter has not read.
    written: BytesMut,
    connected: bool,
    asked: u64,
    /// By the number of an ask: what was asked.
    owed: HashMap<u64, Instruction>,
    /// Requests that the counter has read, in the order in which it has.
    read: Vec<(RequestId, Instruction)>,
    queue: mpsc::UnboundedSender<Delivery>,
    outcomes: mpsc::UnboundedReceiver<Delivery>,
}

impl<'i> Play<'i> {
    fn new(dialect: Dialect, opens: Opens, input: &'i [u8]) -> Play<'i> {
        let name = dialect.speech().as_str();
        let parties = Parties { own: name.to_owned(), peer: "bridge".to_owned() };
        let (queue, outcomes) = mpsc::unbounded_channel();
        Play {
            input,
            opens,
            codec: Codec::new(dialect.clone(), parties).at_counter(),
            bridge: SansIoLink::new(config(&dialect), 0, Renewal::default(), 1, 1),
            dialect,
            now: Instant::now(),
            written: BytesMut::new(),
            connected: false,
            asked: 0,
            owed: HashMap::new(),
            read: Vec::new(),
            queue,
            outcomes,
        }
    }

    fn play(mut self) {
        if self.opens == Opens::Counter {
            for _ in 0..self.byte() % 4 {
                self.arrive();
            }
        }
        self.sign_on();
        for _ in 0..3 {
            self.ask(0);
        }
        self.turn();
        for _ in 0..MOST_MOVES {
            if self.input.is_empty() {
                break;
            }
            self.next();
            self.turn();
        }
        self.cut();
        assert!(self.owed.is_empty(), "asked and never told: {:?}", self.owed);
    }

    /// One move: a byte says which, and those behind it how.
    fn next(&mut self) {
        match self.byte() % 10 {
            // A body of any bytes in good framing.
            0 => {
                let body = self.bytes();
                let framed = self.framed(&body);
                self.bridge.received(&framed);
            }
            // Bytes without framing, or a part of a frame.
            1 => {
                let bytes = self.bytes();
                self.bridge.received(&bytes);
            }
            2 => {
                let how = self.byte();
                self.ask(how);
            }
            // The counter answers one of the requests that it has read, perhaps not for the first time.
            3 => {
                if let Some((id, instruction)) = self.request() {
                    let reply = self.reply(&instruction);
                    self.say(&Message::Payload(Payload::Response(id, reply)));
                }
            }
            // The same with any bytes for words.
            4 => self.answer_in_any_words(),
            // A true answer in which some bytes are others.
            5 => {
                if let Some((id, instruction)) = self.request() {
                    let reply = self.reply(&instruction);
                    let mut frame = self.encoded(&Message::Payload(Payload::Response(id, reply)));
                    for _ in 0..self.byte() % 4 {
                        let at = usize::from(self.byte()) * 256 + usize::from(self.byte());
                        let (at, byte) = (at % frame.len(), self.byte());
                        frame[at] = byte;
                    }
                    self.bridge.received(&frame);
                }
            }
            // An answer to a request that was never made.
            6 => {
                let id = RequestId(u64::from(self.byte()) << (self.byte() % 56) | 1);
                let (_, instruction) = self.request().unwrap_or((id, posting(1, Role::Debit)));
                let reply = self.reply(&instruction);
                self.say(&Message::Payload(Payload::Response(id, reply)));
            }
            7 => self.converse(),
            8 => {
                let tenths = u64::from(self.byte());
                self.now += Duration::from_millis(tenths * 100);
            }
            _ => {
                self.cut();
                self.sign_on();
            }
        }
    }

    /// What a counter says that answers no request.
    fn converse(&mut self) {
        let day = Day::from_unix_days(20_000 + u32::from(self.byte()));
        let number = u64::from(self.byte());
        let text = String::from_utf8_lossy(&self.bytes()).into_owned();
        let message = match self.byte() % 8 {
            0 => Message::Conversation(Conversation::Heartbeat(Heartbeat { number })),
            1 => Message::Conversation(Conversation::HeartbeatAck(HeartbeatAck {
                number,
                counter: Some((day, true)),
            })),
            2 => Message::Conversation(Conversation::HeartbeatAck(HeartbeatAck {
                number,
                counter: None,
            })),
            3 => Message::Conversation(Conversation::Notice(Notice {
                severity: Severity::Alarm,
                text: text.into(),
            })),
            4 => Message::Conversation(Conversation::SignOff(SignOff { text: text.into() })),
            5 => Message::Conversation(Conversation::SignOffAck),
            6 => Message::Conversation(Conversation::Challenge(Challenge {
                nonce: NONCE,
                proof: NONCE,
            })),
            _ => Message::Payload(Payload::Request(RequestId(number | 1), posting(1, Role::Debit))),
        };
        self.say(&message);
    }

    /// Words are only for people: whatever bytes stand there, the answer is what it was.
    fn answer_in_any_words(&mut self) {
        let Some((id, instruction)) = self.request() else { return };
        let mut reply = self.reply(&instruction);
        let mut words = self.bytes();
        words.truncate(PLACEHOLDER.len());
        if matches!(self.dialect, Dialect::Futures(_)) {
            // A quote ends them, in every encoding.
            words.retain(|byte| *byte != b'"');
        }
        // As long as what they take the place of: protobuf says how long.
        words.resize(PLACEHOLDER.len(), b' ');
        set_words(&mut reply, PLACEHOLDER);
        let mut frame = self.encoded(&Message::Payload(Payload::Response(id, reply.clone())));
        let place = frame.windows(PLACEHOLDER.len()).rposition(|at| at == PLACEHOLDER.as_bytes());
        let Some(place) = place else { return };
        frame[place..place + words.len()].copy_from_slice(&words);
        let peer = self.dialect.speech().as_str().to_owned();
        let own = Parties { own: "bridge".to_owned(), peer };
        let reader = Codec::new(self.dialect.clone(), own);
        let mut read = match reader.decode(&mut BytesMut::from(&frame[..])) {
            Ok(Some(Incoming::Message(Message::Payload(Payload::Response(read, said)))))
                if read == id =>
            {
                said
            }
            other => panic!("words made an answer unreadable: {other:?}"),
        };
        set_words(&mut read, PLACEHOLDER);
        assert_eq!(read, reply, "words changed an answer");
        self.bridge.received(&frame);
    }

    /// The bridge takes a turn, the counter reads what it wrote, and the outcomes are looked at.
    fn turn(&mut self) {
        let mut heard = Vec::new();
        for _ in 0..4 {
            if !self.connected {
                break;
            }
            if let Err(cause) = self.bridge.turn(self.now, &mut heard) {
                assert!(cause.to_string().len() < LONGEST_CAUSE, "{cause}");
                self.bridge.lost(self.now, &cause);
                self.gone();
                break;
            }
            let unsent = self.bridge.unsent().to_vec();
            self.bridge.took(self.now, unsent.len());
            self.written.extend_from_slice(&unsent);
            self.read_what_was_written();
        }
        self.look_at_outcomes();
    }

    /// What the bridge writes can always be read.
    fn read_what_was_written(&mut self) {
        while let Some(incoming) = self.codec.decode(&mut self.written).expect("good framing") {
            match incoming {
                Incoming::Malformed(what) => {
                    panic!("the bridge wrote what nobody can read: {what:?}")
                }
                Incoming::Message(Message::Payload(Payload::Request(id, instruction))) => {
                    let known = self.owed.values().any(|owed| *owed == instruction);
                    assert!(known, "nobody has asked for {instruction:?}");
                    self.read.push((id, instruction));
                }
                Incoming::Message(_) => {}
            }
        }
    }

    fn look_at_outcomes(&mut self) {
        while let Ok(Delivery { ticket: Ticket(ticket), outcome, .. }) = self.outcomes.try_recv() {
            let Some(asked) = self.owed.remove(&ticket) else { panic!("told twice: {outcome:?}") };
            match outcome {
                RequestOutcome::Answered(reply) => {
                    assert_eq!(reply.serial(), asked.serial(), "an answer about something else");
                    assert!(self.was_read(&asked), "answered before it was written");
                }
                // The counter has read it, so that it never left would be a lie.
                RequestOutcome::NotSent(why) => {
                    assert!(!self.was_read(&asked), "{asked:?} was read, and told as {why:?}");
                    assert!(why != NotSent::Unsayable);
                }
                RequestOutcome::Unknown(_) => {}
            }
        }
    }

    fn was_read(&self, asked: &Instruction) -> bool {
        self.read.iter().any(|(_, read)| read == asked)
    }

    fn cut(&mut self) {
        if self.connected {
            let cause = self.bridge.closed_by_peer();
            self.bridge.lost(self.now, &cause);
            self.gone();
        }
        self.look_at_outcomes();
    }

    fn gone(&mut self) {
        self.connected = false;
        self.written.clear();
    }

    /// Something is asked of the counter.
    fn ask(&mut self, how: u8) {
        self.asked += 1;
        let number = self.asked;
        let instruction = match how % 7 {
            0 => posting(number, Role::Debit),
            1 => posting(number, Role::Credit),
            2 => posting(number, Role::Reversal),
            3 | 4 => Instruction::Query(Query {
                serial: master(number).leg(Role::Debit),
                settle_day: day(),
                look: if how % 7 == 3 { Look::Only } else { Look::Fence },
                mark: Some(Mark(number)),
            }),
            5 => Instruction::Balance(BalanceQuery {
                account: format!("{number}").parse().expect("an account"),
                currency: Currency::CNY,
            }),
            _ => Instruction::Entries(EntriesQuery {
                account: Some(format!("{number}").parse().expect("an account")),
                day: day(),
                offset: 0,
                limit: 10,
            }),
        };
        self.owed.insert(number, instruction.clone());
        self.bridge.ask(Ask {
            ticket: Ticket(number),
            instruction,
            deadline: self.now + Duration::from_secs(1 + u64::from(how / 16)),
            reply_to: ReplyTo::Queue(self.queue.clone()),
        });
    }

    /// One of the requests that the counter has read.
    fn request(&mut self) -> Option<(RequestId, Instruction)> {
        let which = usize::from(self.byte());
        let count = self.read.len();
        (count > 0).then(|| self.read[which % count].clone())
    }

    /// An answer of the right kind; a byte says which.
    fn reply(&mut self, instruction: &Instruction) -> Reply {
        let how = self.byte();
        counter::reply(instruction, how)
    }

    fn say(&mut self, message: &Message) {
        let frame = self.encoded(message);
        self.bridge.received(&frame);
    }

    fn encoded(&self, message: &Message) -> Vec<u8> {
        let mut frame = BytesMut::new();
        self.codec.encode_at(message, 0, &mut frame).expect("it can be said");
        frame.to_vec()
    }

    fn framed(&self, body: &[u8]) -> Vec<u8> {
        let mut frame = BytesMut::new();
        self.codec.frame(body, &mut frame).expect("short");
        frame.to_vec()
    }

    /// The next byte of the input; zero behind its end.
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.input.split_first() else { return 0 };
        self.input = rest;
        *byte
    }

    /// Some bytes of the input, behind two that say how many.
    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte()) * 256 + usize::from(self.byte());
        let (taken, rest) = self.input.split_at(length.min(self.input.len()));
        self.input = rest;
        taken.to_vec()
    }
}
