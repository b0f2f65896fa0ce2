//! The dialling side of a sign-on: we challenge, are challenged, and check who answers.

use super::Setup;
use crate::cause::Cause;
use crate::keys::KeyId;
use domain::message::CounterId;
use domain::money::Amount;
use domain::profile::Profile;
use domain::serial::{Day, SubSerial};
use std::collections::VecDeque;
use wire::message::{ChallengeAnswer, CounterState, Message, Nonce, Rejected, SignOn, Welcome};

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
        let first = Message::SignOn(sign_on.clone());
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
            (_, Message::Rejected(Rejected { reason, text })) => {
                Err(Cause::Rejected { reason, text: text.clipped(200) })
            }
            (Awaits::Challenge, Message::Challenge(challenge)) => {
                let (key, proof) = setup
                    .keys
                    .answer(&self.sign_on, &challenge.nonce, &challenge.proof)
                    .ok_or(Cause::BadProof)?;
                outgoing.push_back(Message::Answer(ChallengeAnswer { proof, counter: None }));
                self.awaits = Awaits::Welcome(key);
                Ok(None)
            }
            (Awaits::Welcome(key), Message::Welcome(Welcome { heartbeat_s, counter })) => {
                opened(&setup.counter, &setup.profile, heartbeat_s, counter, key).map(Some)
            }
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
        Message::SignOn(_) => "a sign-on",
        Message::Challenge(_) => "a challenge",
        Message::Answer(_) => "a challenge's answer",
        Message::Welcome(_) => "a welcome",
        Message::Rejected(_) => "a rejection",
        Message::SignOff(_) => "a sign-off",
        Message::SignOffAck => "a sign-off acknowledgement",
        Message::Heartbeat(_) => "a heartbeat",
        Message::HeartbeatAck(_) => "a heartbeat's answer",
        Message::Request(..) => "a request",
        Message::Response(..) => "a response",
        Message::Notice(_) => "a notice",
    }
}
