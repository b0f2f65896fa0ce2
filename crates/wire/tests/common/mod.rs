//! One example of each message, as the vectors hold them.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses its own part")]

pub mod any;

use domain::message::*;
use domain::money::{Amount, Currency};
use domain::profile::{AmountUnit, Profile};
use domain::serial::{Day, Mark, MasterSerial, Role};
use wire::codec::{Codec, Incoming, Parties};
use wire::conversation::*;
use wire::dialect::{Dialect, Encoding, XmlOptions};
use wire::message::Message;
use wire::payload::*;
use wire::proof::{self, Side};

/// The key of the worked sign-on: 00 01 02 … 1f.
pub fn key() -> [u8; 32] {
    counting_from(0)
}

/// 32 bytes that count up.
pub fn counting_from(first: u8) -> [u8; 32] {
    std::array::from_fn(|index| first + u8::try_from(index).expect("below 32"))
}

/// The sign-on of the vectors, towards a counter of this id.
pub fn sign_on(counter: &str) -> SignOn {
    SignOn {
        version: SignOn::VERSION,
        dialler: "bridge".into(),
        acceptor: counter.into(),
        channel: 0,
        nonce: counting_from(0x40),
        heartbeat_s: 10,
    }
}

/// The acceptor's nonce of the vectors.
pub fn acceptor_nonce() -> Nonce {
    counting_from(0x80)
}

/// When the packets of the vectors were written: 2026-11-21T09:30:00 at UTC+8.
pub const PACKET_MICROS: i64 = 1_795_224_600_000_000;

/// A codec for the bridge's end of a securities link.
pub fn securities() -> Codec {
    Codec::new(Dialect::Securities, parties("securities"))
}

/// A codec for the bridge's end of a futures link, in Beijing's zone.
pub fn futures(encoding: Encoding, amount_unit: AmountUnit) -> Codec {
    let options = XmlOptions { encoding, amount_unit, utc_offset_minutes: 480 };
    Codec::new(Dialect::Futures(options), parties("futures"))
}

/// The bridge and a counter.
pub fn parties(counter: &str) -> Parties {
    Parties { own: "bridge".into(), peer: counter.into() }
}

/// The codec that the other end of a link would use.
pub fn facing(dialect: &Dialect, counter: &str) -> Codec {
    Codec::new(dialect.clone(), Parties { own: counter.into(), peer: "bridge".into() }).at_counter()
}

/// The one message in a buffer.
pub fn only_message(codec: &Codec, bytes: &[u8]) -> Message {
    let mut buffer = bytes::BytesMut::from(bytes);
    match codec.decode(&mut buffer) {
        Ok(Some(Incoming::Message(message))) if buffer.is_empty() => message,
        other => panic!("not one message: {other:?}, {} bytes left", buffer.len()),
    }
}

/// Which end says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Bridge,
    Counter,
}

/// A message with its name and what it shows.
pub struct Sample {
    pub name: &'static str,
    pub says: Says,
    pub words: &'static str,
    pub message: Message,
}

/// The transfer of the vectors.
pub fn master() -> MasterSerial {
    "2026112100000000042".parse().expect("a master serial")
}

/// The settle day of the vectors.
pub fn settle_day() -> Day {
    Day::new(20_261_123).expect("a day")
}

fn account() -> AccountId {
    AccountId::new("000000000018").expect("an account")
}

fn amount(minor: i64) -> Amount {
    Amount::new(minor).expect("an amount")
}

fn posting(role: Role) -> Posting {
    Posting {
        serial: master().leg(role),
        master: master(),
        settle_day: settle_day(),
        account: account(),
        amount: amount(100_000),
        currency: Currency::CNY,
        mark: MARK,
    }
}

/// The mark of the vectors' transfer.
const MARK: Option<Mark> = Some(Mark(0x0123_4567_89ab_cdef));

fn posted(counter_serial: &str) -> Posted {
    Posted {
        counter_serial: counter_serial.into(),
        settle_day: settle_day(),
        account: account(),
        amount: amount(100_000),
        currency: Currency::CNY,
        original: None,
    }
}

fn undoing(counter_serial: &str) -> Posted {
    Posted { original: Some(master().leg(Role::Debit)), ..posted(counter_serial) }
}

fn answer(code: AnswerCode, text: &str) -> Answer {
    Answer { code, text: text.into() }
}

fn posting_reply(role: Role, code: AnswerCode, text: &str, posted: Option<Posted>) -> Reply {
    let (serial, answer) = (master().leg(role), answer(code, text));
    Reply::Posting(PostingReply { serial, answer, posted, mark: MARK })
}

fn query_reply(finding: Finding, code: AnswerCode, text: &str, posted: Option<Posted>) -> Reply {
    Reply::Query(QueryReply {
        serial: master().leg(Role::Credit),
        finding,
        answer: answer(code, text),
        posted,
        mark: MARK,
    })
}

fn entry(kind: EntryKind, role: Role, counter_serial: &str, seconds: i64) -> Entry {
    Entry {
        kind,
        serial: master().leg(role),
        posted: match kind {
            EntryKind::Debit | EntryKind::Credit => posted(counter_serial),
            EntryKind::Reversal => undoing(counter_serial),
        },
        at_micros: PACKET_MICROS + seconds * 1_000_000,
        mark: MARK,
    }
}

fn state(counter: &str) -> CounterState {
    CounterState {
        id: CounterId::new(counter).expect("an id"),
        profile: Profile {
            per_transfer_limit: Some(amount(5_000_000_000)),
            echoes_marks: true,
            ..Profile::default()
        },
        settle_day: settle_day(),
        open: true,
        highest_serial: Some(master().leg(Role::Debit)),
    }
}

/// One message of each kind, towards and from a counter of this id.
#[expect(clippy::too_many_lines, reason = "a table")]
pub fn samples(counter: &str) -> Vec<Sample> {
    use AnswerCode as Code;
    use Says::{Bridge, Counter};
    let prove = |side| proof::prove(&key(), side, &sign_on(counter), &acceptor_nonce());
    let request = |id, instruction| Message::Payload(Payload::Request(RequestId(id), instruction));
    let response = |id, reply| Message::Payload(Payload::Response(RequestId(id), reply));
    let sample = |name, says, words, message| Sample { name, says, words, message };
    let query = |look| {
        Instruction::Query(Query {
            serial: master().leg(Role::Credit),
            settle_day: settle_day(),
            look,
            mark: MARK,
        })
    };
    vec![
        sample(
            "sign-on",
            Bridge,
            "step 1 of 4; the nonce is 40 41 … 5f, the heartbeat asked for is 10 s",
            Message::Conversation(Conversation::SignOn(sign_on(counter))),
        ),
        sample(
            "challenge",
            Counter,
            "step 2 of 4; the nonce is 80 81 … 9f, the proof is the acceptor's",
            Message::Conversation(Conversation::Challenge(Challenge {
                nonce: acceptor_nonce(),
                proof: prove(Side::Acceptor),
            })),
        ),
        sample(
            "challenge-answer",
            Bridge,
            "step 3 of 4; the proof is the dialler's; the bridge dials, so there is no counter state",
            Message::Conversation(Conversation::Answer(ChallengeAnswer {
                proof: prove(Side::Dialler),
                counter: None,
            })),
        ),
        sample(
            "welcome",
            Counter,
            "step 4 of 4; the counter accepts, so it says what it can do and where it stands",
            Message::Conversation(Conversation::Welcome(Welcome {
                heartbeat_s: 10,
                counter: Some(state(counter)),
            })),
        ),
        sample(
            "rejected",
            Counter,
            "instead of step 4: the proof was wrong",
            Message::Conversation(Conversation::Rejected(Rejected {
                reason: RejectReason::BadProof,
                text: "the proof does not hold".into(),
            })),
        ),
        sample(
            "heartbeat",
            Bridge,
            "the seventh of this connection",
            Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 7 })),
        ),
        sample(
            "heartbeat-ack",
            Counter,
            "answers the seventh; the counter says its settle day and that it is open",
            Message::Conversation(Conversation::HeartbeatAck(HeartbeatAck {
                number: 7,
                counter: Some((settle_day(), true)),
            })),
        ),
        sample(
            "sign-off",
            Bridge,
            "the bridge leaves",
            Message::Conversation(Conversation::SignOff(SignOff {
                text: "the bridge is stopping".into(),
            })),
        ),
        sample(
            "sign-off-ack",
            Counter,
            "answers a sign-off",
            Message::Conversation(Conversation::SignOffAck),
        ),
        sample(
            "notice",
            Counter,
            "a warning in Chinese",
            Message::Conversation(Conversation::Notice(Notice {
                severity: Severity::Warning,
                text: "日切将于十分钟后开始".into(),
            })),
        ),
        sample(
            "debit",
            Bridge,
            "request 1: take 1,000.00 yuan",
            request(1, Instruction::Debit(posting(Role::Debit))),
        ),
        sample(
            "posting-reply-done",
            Counter,
            "answers request 1: 200, posted",
            response(
                1,
                posting_reply(Role::Debit, Code::DONE, "交易成功", Some(posted("F20261123000017"))),
            ),
        ),
        sample(
            "posting-reply-refused",
            Counter,
            "answers request 1: 402, nothing was posted",
            response(
                1,
                posting_reply(
                    Role::Debit,
                    Code::INSUFFICIENT_FUNDS,
                    "可取余额不足 <1000.00>",
                    None,
                ),
            ),
        ),
        sample(
            "posting-reply-duplicate",
            Counter,
            "answers request 1 sent again: 201 with the original posting",
            response(
                1,
                posting_reply(
                    Role::Debit,
                    Code::DUPLICATE,
                    "已记账",
                    Some(posted("F20261123000017")),
                ),
            ),
        ),
        sample(
            "credit",
            Bridge,
            "request 2: give 1,000.00 yuan",
            request(2, Instruction::Credit(posting(Role::Credit))),
        ),
        sample(
            "reverse",
            Bridge,
            "request 3: undo the debit of 1,000.00 yuan",
            request(
                3,
                Instruction::Reverse(Reversal {
                    serial: master().leg(Role::Reversal),
                    original: master().leg(Role::Debit),
                    master: master(),
                    settle_day: settle_day(),
                    account: account(),
                    amount: amount(100_000),
                    currency: Currency::CNY,
                    mark: MARK,
                }),
            ),
        ),
        sample(
            "posting-reply-already-reversed",
            Counter,
            "answers request 3 sent again: 601 with the reversal's posting",
            response(
                3,
                posting_reply(
                    Role::Reversal,
                    Code::ALREADY_REVERSED,
                    "已冲正",
                    Some(undoing("F20261123000019")),
                ),
            ),
        ),
        sample(
            "query",
            Bridge,
            "request 4: what became of the credit?",
            request(4, query(Look::Only)),
        ),
        sample(
            "query-fence",
            Bridge,
            "request 5: what became of the credit? If it has not run, bury it",
            request(5, query(Look::Fence)),
        ),
        sample(
            "query-reply-done",
            Counter,
            "answers request 4: posted",
            response(
                4,
                query_reply(Finding::Done, Code::DONE, "交易成功", Some(posted("F20261123000018"))),
            ),
        ),
        sample(
            "query-reply-fenced",
            Counter,
            "answers request 5: it never ran and never will",
            response(5, query_reply(Finding::Fenced, Code::FENCED, "空回滚", None)),
        ),
        sample(
            "balance-query",
            Bridge,
            "request 6: what does the account hold?",
            request(
                6,
                Instruction::Balance(BalanceQuery { account: account(), currency: Currency::CNY }),
            ),
        ),
        sample(
            "balance-reply",
            Counter,
            "answers request 6: 2,500.00 yuan available, 2,000.50 of them withdrawable",
            response(
                6,
                Reply::Balance(BalanceReply {
                    answer: answer(Code::DONE, "交易成功"),
                    balance: Some(Balance {
                        account: account(),
                        currency: Currency::CNY,
                        available: 250_000,
                        withdrawable: 200_050,
                    }),
                }),
            ),
        ),
        sample(
            "entries-query",
            Bridge,
            "request 7: the first ten postings of the settle day",
            request(
                7,
                Instruction::Entries(EntriesQuery {
                    account: Some(account()),
                    day: settle_day(),
                    offset: 0,
                    limit: 10,
                }),
            ),
        ),
        sample(
            "entries-query-all",
            Bridge,
            "request 8: the first 500 postings of the settle day, to whatever account",
            request(
                8,
                Instruction::Entries(EntriesQuery {
                    account: None,
                    day: settle_day(),
                    offset: 0,
                    limit: EntriesQuery::LONGEST_PAGE,
                }),
            ),
        ),
        sample(
            "entries-reply",
            Counter,
            "answers request 7: a debit and the reversal that undid it, and no more",
            response(
                7,
                Reply::Entries(EntriesReply {
                    answer: answer(Code::DONE, "交易成功"),
                    entries: vec![
                        entry(EntryKind::Debit, Role::Debit, "F20261123000017", 1),
                        entry(EntryKind::Reversal, Role::Reversal, "F20261123000019", 62),
                    ],
                    more: false,
                }),
            ),
        ),
    ]
}
