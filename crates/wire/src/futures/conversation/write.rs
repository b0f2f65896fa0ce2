//! The conversation's messages → packets.

use super::super::items::Item;
use super::super::packet::{request, response};
use super::super::words::{Answered, Said};
use crate::conversation::{Conversation, CounterState, SignOn, WORDS_LONGEST};
use crate::terms::{self, clip};
use crate::xml::writer::{Writer, Written};
use domain::profile::Profile;

/// Writes the request or response of a packet.
pub(in crate::futures) fn write(packet: &mut Writer, conversation: &Conversation) -> Written {
    match conversation {
        Conversation::Heartbeat(heartbeat) => request(packet, 0, Said::Heartbeat, |group| {
            group.number(Item::HeartbeatNumber, heartbeat.number);
            Ok(())
        }),
        Conversation::HeartbeatAck(ack) => ok(packet, Answered::HeartbeatAck, 200, |group| {
            group.number(Item::HeartbeatNumber, ack.number);
            if let Some((settle_day, open)) = ack.counter {
                group.day(Item::SettleDay, settle_day);
                group.word(Item::Open, open);
            }
            Ok(())
        }),
        Conversation::SignOn(it) => request(packet, 0, Said::SignOn, |group| sign_on(group, it)),
        Conversation::Challenge(challenge) => ok(packet, Answered::Challenge, 100, |group| {
            group.token(Item::Nonce, &challenge.nonce);
            group.token(Item::Proof, &challenge.proof);
            Ok(())
        }),
        Conversation::Answer(answer) => request(packet, 0, Said::SignOnProof, |group| {
            group.token(Item::Proof, &answer.proof);
            counter_state(group, answer.counter.as_ref());
            Ok(())
        }),
        Conversation::Welcome(welcome) => ok(packet, Answered::Welcome, 200, |group| {
            group.number(Item::HeartbeatInterval, welcome.heartbeat_s);
            counter_state(group, welcome.counter.as_ref());
            Ok(())
        }),
        Conversation::Rejected(rejected) => {
            let text = clip(rejected.text.as_received(), WORDS_LONGEST);
            response(packet, 0, (Answered::Rejected, 401, text), |packet| {
                packet.group(|group| {
                    group.word(Item::RejectReason, rejected.reason);
                    Ok(())
                })
            })
        }
        Conversation::SignOff(sign_off) => request(packet, 0, Said::SignOff, |group| {
            group.text(Item::Text, clip(sign_off.text.as_received(), WORDS_LONGEST));
            Ok(())
        }),
        Conversation::SignOffAck => {
            response(packet, 0, (Answered::SignOffAck, 200, ""), |_| Ok(()))
        }
        Conversation::Notice(notice) => request(packet, 0, Said::Notice, |group| {
            group.word(Item::Severity, notice.severity);
            group.text(Item::Text, clip(notice.text.as_received(), WORDS_LONGEST));
            Ok(())
        }),
    }
}

/// An answer without words.
fn ok(
    packet: &mut Writer,
    kind: Answered,
    code: u16,
    items: impl FnOnce(&mut Writer) -> Written,
) -> Written {
    response(packet, 0, (kind, code, ""), |packet| packet.group(items))
}

fn sign_on(group: &mut Writer, sign_on: &SignOn) -> Written {
    terms::name("dialler", &sign_on.dialler)?;
    terms::name("acceptor", &sign_on.acceptor)?;
    group.number(Item::ProtocolVersion, sign_on.version);
    group.text(Item::Dialler, &sign_on.dialler);
    group.text(Item::Acceptor, &sign_on.acceptor);
    group.number(Item::Channel, sign_on.channel);
    group.token(Item::Nonce, &sign_on.nonce);
    group.number(Item::HeartbeatInterval, sign_on.heartbeat_s);
    Ok(())
}

fn counter_state(group: &mut Writer, state: Option<&CounterState>) {
    let Some(state) = state else { return };
    group.text(Item::CounterId, state.id.as_str());
    group.day(Item::SettleDay, state.settle_day);
    group.word(Item::Open, state.open);
    profile(group, &state.profile);
    if let Some(highest) = state.highest_serial {
        group.serial(Item::HighestSerial, highest);
    }
}

fn profile(group: &mut Writer, profile: &Profile) {
    group.word(Item::Dedupes, profile.dedupes);
    group.word(Item::RefusalsStick, profile.refusals_stick);
    group.word(Item::CanFence, profile.can_fence);
    group.word(Item::CanReverse, profile.can_reverse);
    group.word(Item::CanQueryReversals, profile.can_query_reversals);
    group.number(Item::QueryHorizonDays, profile.query_horizon_days);
    group.number(Item::InFlightLimitMs, profile.in_flight_limit_ms);
    group.number(Item::MaxInFlight, profile.max_in_flight);
    group.number(Item::CutOverSeconds, profile.cut_over_s);
    group.word(Item::AmountUnit, profile.amount_unit);
    if let Some(limit) = profile.per_transfer_limit {
        group.amount(Item::PerTransferLimit, limit);
    }
    // Readers of before there were marks pass over what they do not know.
    if profile.echoes_marks {
        group.word(Item::EchoesMarks, true);
    }
}
