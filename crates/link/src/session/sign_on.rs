//! The dialling side of a sign-on: we challenge, are challenged, and check who answers.

use super::Setup;
use crate::session::cause::Cause;
use crate::session::keys::KeyId;
use domain::message::CounterId;
use domain::money::Amount;
use domain::profile::Profile;
use domain::serial::{Day, SubSerial};
use std::collections::VecDeque;
use wire::conversation::{
    ChallengeAnswer, Conversation, CounterState, Nonce, Rejected, SignOn, Welcome,
};
use wire::message::Message;
use wire::payload::Payload;

/// Where a sign-on stands.
#[derive(Debug)]
pub(super) struct SigningOn {
    sign_on: SignOn,
    awaits: Awaits,
}

#[derive(Clone, Copy, Debug)]
enum Awaits {
    Challenge,
    /// After it has proven itself by this key.
    Welcome(KeyId),
}

/// What the counter said as it opened the session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    /// By which key it has proven itself.
    pub(crate) key: KeyId,
    pub(crate) heartbeat_s: u16,
    pub(crate) settle_day: Day,
    pub(crate) highest_serial: Option<SubSerial>,
    pub(crate) open: bool,
    /// How many requests both profiles allow in flight.
    pub(crate) window: u16,
    /// The largest single posting that both profiles allow.
    pub(crate) limit: Option<Amount>,
}

impl SigningOn {
    /// The sign-on, and its first message.
    pub(super) fn begin(setup: &Setup, channel: u16, nonce: Nonce) -> (SigningOn, Message) {
        let sign_on = SignOn {
            version: SignOn::VERSION,
            dialler: setup.own_name.to_string(),
            acceptor: setup.counter.as_str().to_owned(),
            channel,
            nonce,
            heartbeat_s: setup.timers.heartbeat_s,
        };
        let first = Message::Conversation(Conversation::SignOn(sign_on.clone()));
        (SigningOn { sign_on, awaits: Awaits::Challenge }, first)
    }

    /// The next message of the sign-on; what the counter said once it is complete.
    pub(super) fn on_message(
        &mut self,
        setup: &Setup,
        message: Message,
        outgoing: &mut VecDeque<Message>,
    ) -> Result<Option<Opened>, Cause> {
        match (self.awaits, message) {
            (_, Message::Conversation(Conversation::Rejected(Rejected { reason, text }))) => {
                Err(Cause::Rejected { reason, text: text.clipped(200) })
            }
            (Awaits::Challenge, Message::Conversation(Conversation::Challenge(challenge))) => {
                let (key, proof) = setup
                    .keys
                    .answer(&self.sign_on, &challenge.nonce, &challenge.proof)
                    .ok_or(Cause::BadProof)?;
                outgoing.push_back(Message::Conversation(Conversation::Answer(ChallengeAnswer {
                    proof,
                    counter: None,
                })));
                self.awaits = Awaits::Welcome(key);
                Ok(None)
            }
            (
                Awaits::Welcome(key),
                Message::Conversation(Conversation::Welcome(Welcome { heartbeat_s, counter })),
            ) => opened(&setup.counter, &setup.profile, heartbeat_s, counter, key).map(Some),
            (awaits, other) => Err(Cause::Protocol {
                message: name(&other),
                state: match awaits {
                    Awaits::Challenge => "its challenge was expected",
                    Awaits::Welcome(_) => "its welcome was expected",
                },
            }),
        }
    }
}

/// Checks that it is the right counter and that it can do what is relied on.
pub(super) fn opened(
    configured: &CounterId,
    profile: &Profile,
    heartbeat_s: u16,
    said: Option<CounterState>,
    key: KeyId,
) -> Result<Opened, Cause> {
    let wrong = |declared: String| Cause::WrongCounter {
        configured: configured.clone(),
        declared: declared.into(),
    };
    let counter = said.ok_or_else(|| wrong("somebody without a name".to_owned()))?;
    if counter.id != *configured {
        return Err(wrong(counter.id.as_str().to_owned()));
    }
    profile.confirm(&counter.profile)?;
    Ok(Opened {
        key,
        heartbeat_s,
        settle_day: counter.settle_day,
        highest_serial: counter.highest_serial,
        open: counter.open,
        window: profile.max_in_flight.min(counter.profile.max_in_flight),
        limit: profile.smaller_limit(&counter.profile),
    })
}

/// For people.
pub(super) fn name(message: &Message) -> &'static str {
    match message {
        Message::Conversation(Conversation::SignOn(_)) => "a sign-on",
        Message::Conversation(Conversation::Challenge(_)) => "a challenge",
        Message::Conversation(Conversation::Answer(_)) => "a challenge's answer",
        Message::Conversation(Conversation::Welcome(_)) => "a welcome",
        Message::Conversation(Conversation::Rejected(_)) => "a rejection",
        Message::Conversation(Conversation::SignOff(_)) => "a sign-off",
        Message::Conversation(Conversation::SignOffAck) => "a sign-off acknowledgement",
        Message::Conversation(Conversation::Heartbeat(_)) => "a heartbeat",
        Message::Conversation(Conversation::HeartbeatAck(_)) => "a heartbeat's answer",
        Message::Payload(Payload::Request(..)) => "a request",
        Message::Payload(Payload::Response(..)) => "a response",
        Message::Conversation(Conversation::Notice(_)) => "a notice",
    }
}
