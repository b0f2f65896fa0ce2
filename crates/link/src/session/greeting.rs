//! The accepting side of a sign-on, as data: who is at the acceptor, and whether they may come in.

use super::sign_on::{Opened, name, opened};
use crate::request::away::Away;
use crate::session::cause::Cause;
use crate::session::hours::{Now, ServiceHours};
use crate::session::keys::LinkKeys;
use crate::timers::Timers;
use domain::message::CounterId;
use domain::profile::Profile;
use std::sync::Arc;
use wire::conversation::{Challenge, Conversation, Nonce, RejectReason, Rejected, SignOn};
use wire::message::Message;

/// What is known of a counter that may dial in.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) counter: CounterId,
    /// Our name; the counter must ask for it.
    pub(crate) own_name: String,
    pub(crate) keys: LinkKeys,
    pub(crate) profile: Arc<Profile>,
    pub(crate) timers: Timers,
    /// How many connections it may have.
    pub(crate) channels: u16,
    /// When it may; `None` for always.
    pub(crate) hours: Option<ServiceHours>,
    /// Whether it may not come in for now, whatever the hour.
    pub(crate) away: Away,
    /// Whom its certificate must name, where there are certificates.
    pub(crate) certificate_name: String,
}

/// The first frame, if it is a sign-on in our version.
pub(crate) fn sign_on(message: Message) -> Result<SignOn, Rejected> {
    match message {
        Message::Conversation(Conversation::SignOn(sign_on))
            if sign_on.version == SignOn::VERSION =>
        {
            Ok(sign_on)
        }
        Message::Conversation(Conversation::SignOn(_)) => {
            Err(no(RejectReason::Version, "only version 1 is spoken here"))
        }
        other => Err(no(RejectReason::Other, &format!("sign on first, before {}", name(&other)))),
    }
}

impl Known {
    /// Proves who we are and asks the same, if names and certificate fit. `certified` is whom the
    /// certificate names, where there is one; `micros` is now, in microseconds since 1970 UTC.
    pub(crate) fn challenge(
        &self,
        sign_on: &SignOn,
        certified: Option<&[String]>,
        nonce: Nonce,
        micros: i64,
    ) -> Result<Challenge, Rejected> {
        if sign_on.acceptor != self.own_name {
            return Err(unknown("this bridge has another name"));
        }
        if sign_on.channel >= self.channels {
            let text = format!("channels are 0 to {}", self.channels.saturating_sub(1));
            return Err(unknown(&text));
        }
        let fits = |names: &[String]| {
            names.iter().any(|name| name.eq_ignore_ascii_case(&self.certificate_name))
        };
        if certified.is_some_and(|names| !fits(names)) {
            return Err(unknown("the certificate names somebody else"));
        }
        if let Some(Now::Closed(rest)) = self.hours.as_ref().map(|hours| hours.at(micros)) {
            let minutes = rest.as_secs().div_ceil(60);
            let text = format!("outside the service hours; they begin in {minutes} min");
            return Err(no(RejectReason::NotNow, &text));
        }
        if self.away.is_wanted() {
            return Err(no(RejectReason::NotNow, "nothing is needed for now; come back later"));
        }
        let proof = self.keys.challenge(sign_on, &nonce);
        Ok(Challenge { nonce, proof })
    }

    /// Checks the counter's proof and what it can do.
    pub(crate) fn open(
        &self,
        sign_on: &SignOn,
        nonce: &Nonce,
        message: Message,
    ) -> Result<Opened, Rejected> {
        let answer = match message {
            Message::Conversation(Conversation::Answer(answer)) => answer,
            Message::Conversation(Conversation::Rejected(Rejected { reason, text })) => {
                let hint = match reason {
                    RejectReason::BadProof => {
                        "it holds another key, or is somebody else in its name: it says "
                    }
                    RejectReason::Version
                    | RejectReason::UnknownParty
                    | RejectReason::AlreadySignedOn
                    | RejectReason::NotNow
                    | RejectReason::Other => "it goes no further, and says ",
                };
                return Err(no(RejectReason::Other, &format!("{hint}{}", text.clipped(200))));
            }
            other => {
                let text = format!("the proof was expected, not {}", name(&other));
                return Err(no(RejectReason::Other, &text));
            }
        };
        let key = self
            .keys
            .verify(sign_on, nonce, &answer.proof)
            .ok_or_else(|| no(RejectReason::BadProof, "the proof is wrong"))?;
        let heartbeat_s = sign_on.heartbeat_s.min(self.timers.heartbeat_s);
        opened(&self.counter, &self.profile, heartbeat_s, answer.counter, key).map_err(|cause| {
            let reason = match cause {
                Cause::WrongCounter { .. } => RejectReason::UnknownParty,
                _ => RejectReason::Other,
            };
            no(reason, &cause.to_string())
        })
    }
}

/// Nobody that is known here.
pub(crate) fn unknown(text: &str) -> Rejected {
    no(RejectReason::UnknownParty, text)
}

fn no(reason: RejectReason, text: &str) -> Rejected {
    Rejected { reason, text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{KEY, counter, day};
    use wire::conversation::{ChallengeAnswer, CounterState};
    use wire::proof::{self, Side};

    fn known() -> Known {
        Known {
            counter: counter(),
            own_name: "bridge".to_owned(),
            keys: KEY.to_vec().into(),
            profile: Arc::default(),
            timers: Timers::default(),
            channels: 2,
            hours: None,
            away: Away::default(),
            certificate_name: "securities".to_owned(),
        }
    }

    fn their_sign_on() -> SignOn {
        SignOn {
            version: 1,
            dialler: "securities".to_owned(),
            acceptor: "bridge".to_owned(),
            channel: 1,
            nonce: [3; 32],
            heartbeat_s: 7,
        }
    }

    fn answer(key: &[u8], counter: Option<CounterState>) -> Message {
        let proof = proof::prove(key, Side::Dialler, &their_sign_on(), &[4; 32]);
        Message::Conversation(Conversation::Answer(ChallengeAnswer { proof, counter }))
    }

    fn state(id: &str, profile: Profile) -> CounterState {
        let id = CounterId::new(id).expect("an id");
        CounterState { id, profile, settle_day: day(), open: true, highest_serial: None }
    }

    #[test]
    fn who_proves_the_key_and_can_do_what_is_relied_on_comes_in() {
        let first = sign_on(Message::Conversation(Conversation::SignOn(their_sign_on())))
            .expect("a sign-on");
        let challenge = known().challenge(&first, None, [4; 32], 0).expect("a challenge");
        assert!(proof::verify(&KEY, Side::Acceptor, &first, &[4; 32], &challenge.proof));
        let state = state("securities", Profile::default());
        let opened =
            known().open(&first, &[4; 32], answer(&KEY, Some(state))).expect("it comes in");
        assert_eq!((opened.heartbeat_s, opened.settle_day, opened.open), (7, day(), true));
    }

    /// The counter finds our proof wrong where it holds another key: that is what operators are told.
    #[test]
    fn a_counter_that_takes_no_proof_of_ours_is_told_of_as_such() {
        let rejected = |reason| {
            let said = Rejected { reason, text: "no\u{1b}[2J".into() };
            let answer = Message::Conversation(Conversation::Rejected(said));
            let no = known().open(&their_sign_on(), &[4; 32], answer).expect_err("no session");
            (no.reason, no.text.as_received().to_owned())
        };
        assert_eq!(
            rejected(RejectReason::BadProof),
            (
                RejectReason::Other,
                "it holds another key, or is somebody else in its name: it says no\\u001b[2J"
                    .to_owned()
            )
        );
        let (reason, text) = rejected(RejectReason::NotNow);
        assert_eq!(reason, RejectReason::Other);
        assert!(text.starts_with("it goes no further"), "{text}");
    }

    #[test]
    fn everybody_else_is_told_why_not() {
        let refused = |message| sign_on(message).expect_err("refused").reason;
        assert_eq!(refused(Message::Conversation(Conversation::SignOffAck)), RejectReason::Other);
        let other = SignOn { version: 2, ..their_sign_on() };
        assert_eq!(
            refused(Message::Conversation(Conversation::SignOn(other))),
            RejectReason::Version
        );

        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let ask = |sign_on: SignOn, names: Option<&[String]>| {
            known().challenge(&sign_on, names, [4; 32], 0).map_err(|rejected| rejected.reason)
        };
        let unknown = Err(RejectReason::UnknownParty);
        let elsewhere = SignOn { acceptor: "other".to_owned(), ..their_sign_on() };
        assert_eq!(ask(elsewhere, None).map(drop), unknown);
        let beyond = SignOn { channel: 2, ..their_sign_on() };
        assert_eq!(ask(beyond, None).map(drop), unknown);
        assert_eq!(ask(their_sign_on(), Some(&names(&["futures"]))).map(drop), unknown);
        assert_eq!(ask(their_sign_on(), Some(&[])).map(drop), unknown);
        assert!(ask(their_sign_on(), Some(&names(&["x", "SECURITIES"]))).is_ok());

        let night = Known { hours: ServiceHours::new(3600, 7200, 0), ..known() };
        let at = |micros| night.challenge(&their_sign_on(), None, [4; 32], micros);
        let early = at(3_000_000_000).map(drop).expect_err("fifty minutes past midnight");
        assert_eq!(early.reason, RejectReason::NotNow);
        assert!(early.text.as_received().contains("in 10 min"), "{}", early.text);
        assert!(at(3_600_000_000).is_ok());

        let drained = known();
        let may = || drained.challenge(&their_sign_on(), None, [4; 32], 0).map(drop);
        assert!(may().is_ok() && drained.away.set(true));
        assert_eq!(may().map_err(|rejected| rejected.reason), Err(RejectReason::NotNow));

        let open = |message| {
            known().open(&their_sign_on(), &[4; 32], message).expect_err("refused").reason
        };
        let good = || Some(state("securities", Profile::default()));
        let less = Profile { can_fence: false, ..Profile::default() };
        assert_eq!(open(answer(&[9; 32], good())), RejectReason::BadProof);
        assert_eq!(open(answer(&KEY, None)), RejectReason::UnknownParty);
        assert_eq!(
            open(answer(&KEY, Some(state("futures", less.clone())))),
            RejectReason::UnknownParty
        );
        assert_eq!(open(answer(&KEY, Some(state("securities", less)))), RejectReason::Other);
        assert_eq!(open(Message::Conversation(Conversation::SignOffAck)), RejectReason::Other);
    }
}
