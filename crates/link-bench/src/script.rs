//! What a played counter says: sign-ons and heartbeats by the codec, postings by copying bytes, so
//! that the counter is never what is slow.

use anyhow::{Context, Result, bail};
use bytes::{Buf, BufMut, BytesMut};
use domain::message::{AccountId, Answer, AnswerCode, CounterId, Instruction, Posted, Posting};
use domain::message::{PostingReply, Reply};
use domain::money::{Amount, Currency};
use domain::profile::Profile;
use domain::serial::{Day, MasterSerial, Role, Sequence};
use foreign::ForeignText;
use wire::codec::{Codec, Incoming, Parties};
use wire::conversation::{
    Challenge, Conversation, CounterState, HeartbeatAck, Nonce, SignOn, Welcome,
};
use wire::dialect::Dialect;
use wire::message::Message;
use wire::payload::{Payload, RequestId};
use wire::proof::{self, Side};

/// The key of all links here.
pub(crate) const KEY: [u8; 32] = [7; 32];

/// The bridge's name here.
pub(crate) const BRIDGE: &str = "bridge";

/// Whom every played counter's certificate names.
pub(crate) const CERTIFIED: &str = "counter";

const NONCE: Nonce = [9; 32];

/// The fields of a frame that are copied: the request id, a debit, and its serial within it.
const REQUEST_ID: u8 = 0x08;
const DEBIT: u8 = 0x12;
const POSTING_REPLY: u8 = 0x42;
const SERIAL: u8 = 0x08;

/// The debit of this number.
pub(crate) fn debit(number: u64, account: &AccountId) -> Instruction {
    let master = MasterSerial { day: day(), sequence: sequence(number) };
    Instruction::Debit(Posting {
        serial: master.leg(Role::Debit),
        master,
        settle_day: day(),
        account: account.clone(),
        amount: amount(),
        currency: Currency::CNY,
        mark: None,
    })
}

/// The account of all debits here.
pub(crate) fn account() -> AccountId {
    AccountId::new("000000000018").expect("digits are an account")
}

fn sequence(number: u64) -> Sequence {
    Sequence::new(number % 90_000_000_000 + 10_000_000_000).expect("eleven digits")
}

fn day() -> Day {
    Day::new(20_261_121).expect("it exists")
}

fn amount() -> Amount {
    Amount::new(100_000).expect("within bounds")
}

/// The codec of the counter's end.
pub(crate) fn counters_codec() -> Codec {
    let parties = Parties { own: CERTIFIED.to_owned(), peer: BRIDGE.to_owned() };
    Codec::new(Dialect::Securities, parties).at_counter()
}

/// One conversation of a played counter.
#[derive(Debug)]
pub(crate) struct Script {
    codec: Codec,
    sign_on: Option<SignOn>,
    /// What follows the serial in every answer to a posting.
    tail: Vec<u8>,
    pub(crate) told: Told,
}

/// What happened in the conversation that somebody may want to know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// The session opened in this turn.
    pub(crate) opened: bool,
    /// So many heartbeats came in this turn.
    pub(crate) heartbeats: u32,
    /// The bridge signed off.
    pub(crate) leaving: bool,
}

impl Script {
    pub(crate) fn new() -> Result<Script> {
        let codec = counters_codec();
        let tail = tail(&codec)?;
        Ok(Script { codec, sign_on: None, tail, told: Told::default() })
    }

    /// Answers every whole frame of `inbox`. Answers to postings go to `answers`, each on its own if
    /// that is given, all else to `outbox`.
    pub(crate) fn turn(
        &mut self,
        inbox: &mut BytesMut,
        outbox: &mut BytesMut,
        mut answers: Option<&mut Vec<BytesMut>>,
    ) -> Result<()> {
        self.told = Told::default();
        while let Some(length) = inbox.first_chunk::<4>().map(|length| u32::from_be_bytes(*length))
        {
            let length = usize::try_from(length)?;
            let Some(body) = inbox.get(4..4 + length) else { break };
            if let Some((id, serial)) = posting(body) {
                match &mut answers {
                    None => self.answer(id, serial, outbox),
                    Some(answers) => {
                        let mut answer = BytesMut::new();
                        self.answer(id, serial, &mut answer);
                        answers.push(answer);
                    }
                }
                inbox.advance(4 + length);
            } else {
                match self.codec.decode(inbox)? {
                    Some(Incoming::Message(message)) => self.say(message, outbox)?,
                    Some(Incoming::Malformed(wrong)) => bail!("{}", wrong.error),
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn answer(&self, id: &[u8], serial: &[u8], out: &mut BytesMut) {
        let inner = 1 + serial.len() + self.tail.len();
        let body = 1 + id.len() + 2 + inner;
        out.put_u32(u32::try_from(body).unwrap_or(u32::MAX));
        out.put_u8(REQUEST_ID);
        out.extend_from_slice(id);
        out.put_u8(POSTING_REPLY);
        // Shorter than 128, as `tail` makes sure.
        out.put_u8(u8::try_from(inner).unwrap_or(u8::MAX));
        out.put_u8(SERIAL);
        out.extend_from_slice(serial);
        out.extend_from_slice(&self.tail);
    }

    fn say(&mut self, message: Message, outbox: &mut BytesMut) -> Result<()> {
        let answer = match message {
            Message::Conversation(Conversation::SignOn(sign_on)) => {
                let proof = proof::prove(&KEY, Side::Acceptor, &sign_on, &NONCE);
                self.sign_on = Some(sign_on);
                Message::Conversation(Conversation::Challenge(Challenge { nonce: NONCE, proof }))
            }
            Message::Conversation(Conversation::Answer(_)) => {
                let sign_on = self.sign_on.as_ref().context("an answer to nothing")?;
                self.told.opened = true;
                let counter = CounterState {
                    id: CounterId::new(&sign_on.acceptor)?,
                    profile: Profile::default(),
                    settle_day: day(),
                    open: true,
                    highest_serial: None,
                };
                let heartbeat_s = sign_on.heartbeat_s;
                Message::Conversation(Conversation::Welcome(Welcome {
                    heartbeat_s,
                    counter: Some(counter),
                }))
            }
            Message::Conversation(Conversation::Heartbeat(beat)) => {
                self.told.heartbeats += 1;
                let counter = Some((day(), true));
                Message::Conversation(Conversation::HeartbeatAck(HeartbeatAck {
                    number: beat.number,
                    counter,
                }))
            }
            Message::Conversation(Conversation::SignOff(_)) => {
                self.told.leaving = true;
                Message::Conversation(Conversation::SignOffAck)
            }
            Message::Conversation(
                Conversation::HeartbeatAck(_) | Conversation::Notice(_) | Conversation::SignOffAck,
            ) => return Ok(()),
            other => bail!("nobody here answers {other:?}"),
        };
        self.codec.encode(&answer, outbox)?;
        Ok(())
    }
}

/// What follows the serial in the answer to a posting that was made.
fn tail(codec: &Codec) -> Result<Vec<u8>> {
    let Instruction::Debit(posting) = debit(1, &account()) else { bail!("a debit is a debit") };
    let reply = PostingReply {
        serial: posting.serial,
        answer: Answer { code: AnswerCode::DONE, text: ForeignText::default() },
        posted: Some(Posted {
            counter_serial: "F20261123000017".into(),
            settle_day: posting.settle_day,
            account: posting.account,
            amount: posting.amount,
            currency: posting.currency,
            original: None,
        }),
        mark: None,
    };
    let mut frame = BytesMut::new();
    codec.encode(
        &Message::Payload(Payload::Response(RequestId(1), Reply::Posting(reply))),
        &mut frame,
    )?;
    // Length, request id 1, the tag and the length of the reply, the tag of its serial.
    let serial = frame.get(9..).and_then(varint).context("an answer has a serial")?;
    let tail = frame[9 + serial.len()..].to_vec();
    anyhow::ensure!(tail.len() + 12 < 128, "an answer's length takes one byte");
    Ok(tail)
}

/// The bytes of the request id and of the serial, if this is a debit.
fn posting(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = body.strip_prefix(&[REQUEST_ID])?;
    let id = varint(rest)?;
    let rest = rest[id.len()..].strip_prefix(&[DEBIT])?;
    let length = varint(rest)?;
    let rest = rest[length.len()..].strip_prefix(&[SERIAL])?;
    Some((id, varint(rest)?))
}

fn varint(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().take(10).position(|byte| *byte < 0x80)?;
    bytes.get(..=end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_answer_is_what_the_codec_would_have_written() {
        let ours = Codec::new(
            Dialect::Securities,
            Parties { own: BRIDGE.to_owned(), peer: CERTIFIED.to_owned() },
        );
        let mut script = Script::new().expect("a script");
        for (id, number) in [(1, 1), (300, 77), (1_763_700_000_000_000, 89_999_999_999)] {
            let instruction = debit(number, &account());
            let (mut inbox, mut outbox) = (BytesMut::new(), BytesMut::new());
            ours.encode(
                &Message::Payload(Payload::Request(RequestId(id), instruction.clone())),
                &mut inbox,
            )
            .expect("sayable");
            script.turn(&mut inbox, &mut outbox, None).expect("understood");
            let Ok(Some(Incoming::Message(Message::Payload(Payload::Response(
                told,
                Reply::Posting(reply),
            ))))) = ours.decode(&mut outbox)
            else {
                panic!("no answer to {id}")
            };
            assert_eq!((told, Some(reply.serial)), (RequestId(id), instruction.serial()));
            assert_eq!(reply.posted.map(|posted| posted.amount), Some(amount()));
            assert!(inbox.is_empty() && outbox.is_empty());
        }
    }
}
