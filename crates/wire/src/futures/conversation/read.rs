//! Packets → the conversation's messages.

use super::super::items::Item;
use super::super::packet::Packet;
use super::super::words::{Answered, Said};
use crate::conversation::{
    Challenge, ChallengeAnswer, Conversation, CounterState, Heartbeat, HeartbeatAck, RejectReason,
    Rejected, SignOff, SignOn, WORDS_LONGEST, Welcome,
};
use crate::ornament::Ornament;
use crate::terms::{self, Trace, clip};
use crate::xml::options::XmlOptions;
use crate::xml::reader::{Read, Reader};
use crate::xml::word::Word;
use domain::message::{Notice, Severity};
use domain::profile::{CodeTable, Profile};
use domain::serial::Day;
use foreign::ForeignText;

type Group<'a> = Reader<'a, Item>;

/// What a packet with this transaction says.
pub(in crate::futures) fn said(
    transaction: Said,
    packet: &Packet,
    options: &XmlOptions,
    trace: &Trace,
) -> Read<Conversation> {
    let group = &Group { group: packet.one_group()?, options, trace };
    let conversation = match transaction {
        Said::SignOn => Conversation::SignOn(sign_on(group)?),
        Said::SignOnProof => Conversation::Answer(ChallengeAnswer {
            proof: group.token(Item::Proof)?,
            counter: counter_state(group)?,
        }),
        Said::SignOff => Conversation::SignOff(SignOff { text: words(group) }),
        Said::Heartbeat => {
            Conversation::Heartbeat(Heartbeat { number: group.number(Item::HeartbeatNumber, 20)? })
        }
        Said::Notice => {
            Conversation::Notice(Notice { severity: severity(group), text: words(group) })
        }
    };
    carries_no_request(packet, conversation)
}

/// What a packet with this answer, its code and words says.
pub(in crate::futures) fn answered(
    (kind, code, text): (Answered, u64, &str),
    packet: &Packet,
    options: &XmlOptions,
    trace: &Trace,
) -> Read<Conversation> {
    let group = || packet.one_group().map(|group| Group { group, options, trace });
    let conversation = match kind {
        Answered::Challenge => {
            expect_code(code, 100)?;
            let (nonce, proof) = (group()?.token(Item::Nonce)?, group()?.token(Item::Proof)?);
            Conversation::Challenge(Challenge { nonce, proof })
        }
        Answered::Welcome => {
            expect_code(code, 200)?;
            let heartbeat_s = group()?.short(Item::HeartbeatInterval, 5)?;
            let counter = counter_state(&group()?)?;
            Conversation::Welcome(Welcome { heartbeat_s, counter })
        }
        Answered::Rejected => {
            // A reason that is not in the protocol is another reason.
            let reason =
                Word::of(group()?.text(Item::RejectReason)?).unwrap_or(RejectReason::Other);
            Conversation::Rejected(Rejected { reason, text: clip(text, WORDS_LONGEST).into() })
        }
        Answered::SignOffAck => {
            expect_code(code, 200)?;
            Conversation::SignOffAck
        }
        Answered::HeartbeatAck => {
            expect_code(code, 200)?;
            Conversation::HeartbeatAck(HeartbeatAck {
                number: group()?.number(Item::HeartbeatNumber, 20)?,
                counter: standing(&group()?)?,
            })
        }
    };
    carries_no_request(packet, conversation)
}

/// A message of the conversation's own carries no request id.
fn carries_no_request(packet: &Packet, conversation: Conversation) -> Read<Conversation> {
    if packet.request == 0 { Ok(conversation) } else { Err("request id: must be 0 here".into()) }
}

fn expect_code(code: u64, expected: u64) -> Read<()> {
    if code == expected { Ok(()) } else { Err("the answer's code is not that of its kind".into()) }
}

/// Words for people; none where there are none.
fn words(group: &Group) -> ForeignText {
    let words = group.find(Item::Text).unwrap_or_else(|| {
        group.trace.blemish(Ornament::Words);
        ""
    });
    clip(words, WORDS_LONGEST).into()
}

/// How grave a notice is. Where that cannot be read, whoever reads it decides.
fn severity(group: &Group) -> Severity {
    group.find(Item::Severity).and_then(Word::of).unwrap_or_else(|| {
        group.trace.blemish(Ornament::Label);
        Severity::Warning
    })
}

fn sign_on(group: &Group) -> Read<SignOn> {
    Ok(SignOn {
        version: group.short(Item::ProtocolVersion, 5)?,
        dialler: terms::name("Dialler", group.text(Item::Dialler)?)?,
        acceptor: terms::name("Acceptor", group.text(Item::Acceptor)?)?,
        channel: group.short(Item::Channel, 5)?,
        nonce: group.token(Item::Nonce)?,
        heartbeat_s: group.short(Item::HeartbeatInterval, 5)?,
    })
}

/// The settle day and whether the counter is open: both, or neither.
fn standing(group: &Group) -> Read<Option<(Day, bool)>> {
    if group.find(Item::SettleDay).is_none() && group.find(Item::Open).is_none() {
        return Ok(None);
    }
    Ok(Some((group.day(Item::SettleDay)?, group.word(Item::Open)?)))
}

fn counter_state(group: &Group) -> Read<Option<CounterState>> {
    let Some(id) = group.find(Item::CounterId) else { return Ok(None) };
    Ok(Some(CounterState {
        id: terms::counter_id(id)?,
        profile: profile(group)?,
        settle_day: group.day(Item::SettleDay)?,
        open: group.word(Item::Open)?,
        highest_serial: match group.find(Item::HighestSerial) {
            None => None,
            Some(_) => Some(group.serial(Item::HighestSerial)?),
        },
    }))
}

fn profile(group: &Group) -> Read<Profile> {
    Ok(Profile {
        dedupes: group.word(Item::Dedupes)?,
        refusals_stick: group.word(Item::RefusalsStick)?,
        can_fence: group.word(Item::CanFence)?,
        can_reverse: group.word(Item::CanReverse)?,
        can_query_reversals: group.word(Item::CanQueryReversals)?,
        // What is absent is not promised.
        echoes_marks: match group.find(Item::EchoesMarks) {
            None => false,
            Some(_) => group.word(Item::EchoesMarks)?,
        },
        query_horizon_days: group.short(Item::QueryHorizonDays, 5)?,
        in_flight_limit_ms: group.number(Item::InFlightLimitMs, 20)?,
        max_in_flight: group.short(Item::MaxInFlight, 5)?,
        cut_over_s: group.short(Item::CutOverSeconds, 10)?,
        amount_unit: group.word(Item::AmountUnit)?,
        per_transfer_limit: match group.find(Item::PerTransferLimit) {
            None => None,
            Some(_) => Some(group.amount(Item::PerTransferLimit)?),
        },
        codes: CodeTable::default(),
    })
}
