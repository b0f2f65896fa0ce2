//! Bytes → the conversation's messages.

use super::super::body;
use super::super::bytes::{FieldSet, Read, each};
use crate::conversation::{
    Challenge, ChallengeAnswer, Conversation, CounterState, Heartbeat, HeartbeatAck, RejectReason,
    Rejected, SignOff, SignOn, WORDS_LONGEST, Welcome,
};
use crate::ornament::Ornament;
use crate::terms::{self, Fault, Trace, clip, short};
use domain::message::{Notice, Severity};
use domain::profile::{AmountUnit, CodeTable, Profile};
use domain::serial::Day;
use std::borrow::Cow;

/// Reads the body of field `number`.
pub(in crate::securities) fn read(number: u32, bytes: &[u8], trace: &Trace) -> Read<Conversation> {
    Ok(match number {
        body::HEARTBEAT => Conversation::Heartbeat(Heartbeat { number: heartbeat(bytes)? }),
        body::HEARTBEAT_ACK => Conversation::HeartbeatAck(heartbeat_ack(bytes)?),
        body::SIGN_ON => Conversation::SignOn(sign_on(bytes)?),
        body::CHALLENGE => Conversation::Challenge(challenge(bytes)?),
        body::CHALLENGE_ANSWER => Conversation::Answer(challenge_answer(bytes)?),
        body::WELCOME => Conversation::Welcome(welcome(bytes)?),
        body::REJECTED => Conversation::Rejected(rejected(bytes, trace)?),
        body::SIGN_OFF => Conversation::SignOff(sign_off(bytes, trace)?),
        body::SIGN_OFF_ACK => {
            each(bytes, FieldSet::up_to(1), |_, _| Ok(()))?;
            Conversation::SignOffAck
        }
        body::NOTICE => Conversation::Notice(notice(bytes, trace)?),
        _ => return Err("the frame's body is unknown".into()),
    })
}

fn heartbeat(bytes: &[u8]) -> Read<u64> {
    let mut counted = 0;
    each(bytes, FieldSet::up_to(1), |number, value| {
        if number == 1 {
            counted = value.number("number")?;
        }
        Ok(())
    })?;
    Ok(counted)
}

fn heartbeat_ack(bytes: &[u8]) -> Read<HeartbeatAck> {
    let (mut counted, mut place) = (0, None);
    each(bytes, FieldSet::up_to(2), |number, value| {
        match number {
            1 => counted = value.number("number")?,
            2 => place = Some(standing(value.bytes("counter")?)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(HeartbeatAck { number: counted, counter: place })
}

fn standing(bytes: &[u8]) -> Read<(Day, bool)> {
    let (mut day, mut open) = (0, false);
    each(bytes, FieldSet::up_to(2), |number, value| {
        match number {
            1 => day = value.number("settle day")?,
            2 => open = value.truth("open")?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((terms::day("settle day", day)?, open))
}

fn sign_on(bytes: &[u8]) -> Read<SignOn> {
    let (mut version, mut channel, mut heartbeat_s) = (0, 0, 0);
    let (mut dialler, mut acceptor, mut nonce) = ("", "", None);
    each(bytes, FieldSet::up_to(6), |number, value| {
        match number {
            1 => version = value.number("version")?,
            2 => dialler = value.text("dialler")?,
            3 => acceptor = value.text("acceptor")?,
            4 => channel = value.number("channel")?,
            5 => nonce = Some(value.token("nonce")?),
            6 => heartbeat_s = value.number("heartbeat interval")?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(SignOn {
        version: short("version", version)?,
        dialler: terms::name("dialler", dialler)?,
        acceptor: terms::name("acceptor", acceptor)?,
        channel: short("channel", channel)?,
        nonce: nonce.ok_or(Fault::from("nonce: missing"))?,
        heartbeat_s: short("heartbeat interval", heartbeat_s)?,
    })
}

fn challenge(bytes: &[u8]) -> Read<Challenge> {
    let (mut nonce, mut proof) = (None, None);
    each(bytes, FieldSet::up_to(2), |number, value| {
        match number {
            1 => nonce = Some(value.token("nonce")?),
            2 => proof = Some(value.token("proof")?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(Challenge {
        nonce: nonce.ok_or(Fault::from("nonce: missing"))?,
        proof: proof.ok_or(Fault::from("proof: missing"))?,
    })
}

fn challenge_answer(bytes: &[u8]) -> Read<ChallengeAnswer> {
    let (mut proof, mut counter) = (None, None);
    each(bytes, FieldSet::up_to(2), |number, value| {
        match number {
            1 => proof = Some(value.token("proof")?),
            2 => counter = Some(counter_state(value.bytes("counter")?)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(ChallengeAnswer { proof: proof.ok_or(Fault::from("proof: missing"))?, counter })
}

fn welcome(bytes: &[u8]) -> Read<Welcome> {
    let (mut heartbeat_s, mut counter) = (0, None);
    each(bytes, FieldSet::up_to(2), |number, value| {
        match number {
            1 => heartbeat_s = value.number("heartbeat interval")?,
            2 => counter = Some(counter_state(value.bytes("counter")?)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(Welcome { heartbeat_s: short("heartbeat interval", heartbeat_s)?, counter })
}

fn counter_state(bytes: &[u8]) -> Read<CounterState> {
    let (mut id, mut declared, mut day, mut open, mut highest) = ("", None, 0, false, 0);
    each(bytes, FieldSet::up_to(5), |number, value| {
        match number {
            1 => id = value.text("counter id")?,
            2 => declared = Some(value.bytes("profile")?),
            3 => day = value.number("settle day")?,
            4 => open = value.truth("open")?,
            5 => highest = value.number("highest serial")?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(CounterState {
        id: terms::counter_id(id)?,
        profile: profile(declared.ok_or(Fault::from("profile: missing"))?)?,
        settle_day: terms::day("settle day", day)?,
        open,
        highest_serial: match highest {
            0 => None,
            number => Some(terms::sub_serial("highest serial", number)?),
        },
    })
}

fn profile(bytes: &[u8]) -> Read<Profile> {
    // What is absent is not promised.
    let mut promises = [false; 6];
    let (mut horizon, mut cut_over_s, mut unit, mut limit) = (0, 0, 0, 0);
    let (mut in_flight_limit_ms, mut max_in_flight) = (None, None);
    each(bytes, FieldSet::up_to(12), |number, value| {
        match number {
            1 => promises[0] = value.truth("dedupes")?,
            2 => promises[1] = value.truth("refusals stick")?,
            3 => promises[2] = value.truth("can fence")?,
            4 => promises[3] = value.truth("can reverse")?,
            5 => promises[4] = value.truth("can query reversals")?,
            6 => horizon = value.number("query horizon")?,
            7 => in_flight_limit_ms = Some(value.number("in-flight limit")?),
            8 => max_in_flight = Some(value.number("largest number in flight")?),
            9 => cut_over_s = value.number("cut-over")?,
            10 => unit = value.number("amount unit")?,
            11 => limit = value.signed("per-transfer limit")?,
            12 => promises[5] = value.truth("echoes marks")?,
            _ => {}
        }
        Ok(())
    })?;
    let [dedupes, refusals_stick, can_fence, can_reverse, can_query_reversals, echoes_marks] =
        promises;
    let max_in_flight = max_in_flight.ok_or(Fault::from("largest number in flight: missing"))?;
    Ok(Profile {
        dedupes,
        refusals_stick,
        can_fence,
        can_reverse,
        can_query_reversals,
        echoes_marks,
        query_horizon_days: short("query horizon", horizon)?,
        in_flight_limit_ms: in_flight_limit_ms.ok_or(Fault::from("in-flight limit: missing"))?,
        max_in_flight: short("largest number in flight", max_in_flight)?,
        cut_over_s: short("cut-over", cut_over_s)?,
        amount_unit: match unit {
            1 => AmountUnit::Minor,
            2 => AmountUnit::Major,
            _ => return Err("amount unit: is not a known value".into()),
        },
        per_transfer_limit: match limit {
            0 => None,
            minor => Some(terms::amount("per-transfer limit", minor)?),
        },
        codes: CodeTable::default(),
    })
}

fn rejected(bytes: &[u8], trace: &Trace) -> Read<Rejected> {
    let (mut reason, mut text) = (0, Cow::default());
    each(bytes, FieldSet::up_to(2), |number, value| {
        match number {
            1 => reason = value.number("reason")?,
            2 => text = value.words("text", trace)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(Rejected {
        reason: match reason {
            1 => RejectReason::Version,
            2 => RejectReason::UnknownParty,
            3 => RejectReason::BadProof,
            4 => RejectReason::AlreadySignedOn,
            5 => RejectReason::NotNow,
            _ => RejectReason::Other,
        },
        text: clip(&text, WORDS_LONGEST).into(),
    })
}

fn sign_off(bytes: &[u8], trace: &Trace) -> Read<SignOff> {
    let mut text = Cow::default();
    each(bytes, FieldSet::up_to(1), |number, value| {
        if number == 1 {
            text = value.words("text", trace)?;
        }
        Ok(())
    })?;
    Ok(SignOff { text: clip(&text, WORDS_LONGEST).into() })
}

fn notice(bytes: &[u8], trace: &Trace) -> Read<Notice> {
    let (mut severity, mut text) = (0, Cow::default());
    each(bytes, FieldSet::up_to(2), |number, value| {
        match number {
            1 => severity = value.number("severity")?,
            2 => text = value.words("text", trace)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(Notice {
        severity: match severity {
            1 => Severity::Info,
            2 => Severity::Warning,
            3 => Severity::Alarm,
            // Whoever reads it decides how grave it is.
            _ => {
                trace.blemish(Ornament::Label);
                Severity::Warning
            }
        },
        text: clip(&text, WORDS_LONGEST).into(),
    })
}
