//! The conversation's messages → bytes. Field numbers and order are those of the schema.

use super::super::body;
use super::super::bytes::{Writer, Written};
use crate::conversation::{Conversation, CounterState, RejectReason, SignOn, WORDS_LONGEST};
use crate::terms::{self, clip, sayable};
use domain::message::Severity;
use domain::profile::{AmountUnit, Profile};

/// Writes the fields of a frame around it.
pub(in crate::securities) fn write(frame: &mut Writer, conversation: &Conversation) -> Written {
    match conversation {
        Conversation::Heartbeat(heartbeat) => frame.message(body::HEARTBEAT, |fields| {
            fields.uint(1, heartbeat.number);
            Ok(())
        }),
        Conversation::HeartbeatAck(ack) => frame.message(body::HEARTBEAT_ACK, |fields| {
            fields.uint(1, ack.number);
            let Some((settle_day, open)) = ack.counter else { return Ok(()) };
            fields.message(2, |fields| {
                fields.uint(1, settle_day.number());
                fields.uint(2, open);
                Ok(())
            })
        }),
        Conversation::SignOn(it) => frame.message(body::SIGN_ON, |fields| sign_on(fields, it)),
        Conversation::Challenge(challenge) => frame.message(body::CHALLENGE, |fields| {
            fields.bytes(1, &challenge.nonce);
            fields.bytes(2, &challenge.proof);
            Ok(())
        }),
        Conversation::Answer(answer) => frame.message(body::CHALLENGE_ANSWER, |fields| {
            fields.bytes(1, &answer.proof);
            counter_state(fields, 2, answer.counter.as_ref())
        }),
        Conversation::Welcome(welcome) => frame.message(body::WELCOME, |fields| {
            fields.uint(1, welcome.heartbeat_s);
            counter_state(fields, 2, welcome.counter.as_ref())
        }),
        Conversation::Rejected(rejected) => frame.message(body::REJECTED, |fields| {
            let reason: u32 = match rejected.reason {
                RejectReason::Version => 1,
                RejectReason::UnknownParty => 2,
                RejectReason::BadProof => 3,
                RejectReason::AlreadySignedOn => 4,
                RejectReason::NotNow => 5,
                RejectReason::Other => 6,
            };
            fields.uint(1, reason);
            fields.text(2, clip(rejected.text.as_received(), WORDS_LONGEST));
            Ok(())
        }),
        Conversation::SignOff(sign_off) => frame.message(body::SIGN_OFF, |fields| {
            fields.text(1, clip(sign_off.text.as_received(), WORDS_LONGEST));
            Ok(())
        }),
        Conversation::SignOffAck => frame.message(body::SIGN_OFF_ACK, |_| Ok(())),
        Conversation::Notice(notice) => frame.message(body::NOTICE, |fields| {
            let severity: u32 = match notice.severity {
                Severity::Info => 1,
                Severity::Warning => 2,
                Severity::Alarm => 3,
            };
            fields.uint(1, severity);
            fields.text(2, clip(notice.text.as_received(), WORDS_LONGEST));
            Ok(())
        }),
    }
}

fn sign_on(fields: &mut Writer, sign_on: &SignOn) -> Written {
    sayable(terms::name("dialler", &sign_on.dialler))?;
    sayable(terms::name("acceptor", &sign_on.acceptor))?;
    fields.uint(1, sign_on.version);
    fields.text(2, &sign_on.dialler);
    fields.text(3, &sign_on.acceptor);
    fields.uint(4, sign_on.channel);
    fields.bytes(5, &sign_on.nonce);
    fields.uint(6, sign_on.heartbeat_s);
    Ok(())
}

fn counter_state(fields: &mut Writer, field: u32, state: Option<&CounterState>) -> Written {
    let Some(state) = state else { return Ok(()) };
    fields.message(field, |fields| {
        fields.text(1, state.id.as_str());
        fields.message(2, |fields| {
            profile(fields, &state.profile);
            Ok(())
        })?;
        fields.uint(3, state.settle_day.number());
        fields.uint(4, state.open);
        if let Some(highest) = state.highest_serial {
            fields.uint(5, highest.number());
        }
        Ok(())
    })
}

fn profile(fields: &mut Writer, profile: &Profile) {
    let unit: u32 = match profile.amount_unit {
        AmountUnit::Minor => 1,
        AmountUnit::Major => 2,
    };
    fields.uint(1, profile.dedupes);
    fields.uint(2, profile.refusals_stick);
    fields.uint(3, profile.can_fence);
    fields.uint(4, profile.can_reverse);
    fields.uint(5, profile.can_query_reversals);
    fields.uint(6, profile.query_horizon_days);
    fields.always(7, profile.in_flight_limit_ms);
    fields.always(8, profile.max_in_flight);
    fields.uint(9, profile.cut_over_s);
    fields.uint(10, unit);
    if let Some(limit) = profile.per_transfer_limit {
        fields.minor(11, limit.minor());
    }
    fields.uint(12, profile.echoes_marks);
}
