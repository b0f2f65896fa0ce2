//! The counter's side of the conversation on one connection: who signs on, what may be said when,
//! and when a silent peer is dead. Pure: time and nonces are inputs.
//!
//! A bridge that was killed comes back before its old connection is seen to be dead: who signs on as
//! a channel takes the place of whoever was signed on as it before, of whom nothing more is taken.

use crate::counter::Visit;
use domain::message::CounterId;
use secrecy::{ExposeSecret, SecretSlice};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wire::conversation::{
    Challenge, Conversation, Heartbeat, Nonce, RejectReason, Rejected, SignOff, SignOn,
};
use wire::message::Message;
use wire::payload::Payload;
use wire::proof::{Side, prove, verify};

/// A sign-on must be complete within this (docs/peers/counter.md, Sign-on).
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);

/// Who talks here, and the key that both hold.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Id of this counter.
    pub counter: CounterId,
    /// Name of the one bridge that is let in.
    pub bridge: String,
    /// The key that both hold.
    pub key: Arc<SecretSlice<u8>>,
    /// The wanted heartbeat interval in seconds, 0 to 120; 0 = none.
    pub heartbeat_s: u16,
}

/// One conversation.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    phase: Phase,
    channel: Option<u16>,
    began: Instant,
    heartbeat: Duration,
    heartbeats: u64,
    probed: bool,
    heard: Instant,
    sent: Instant,
}

#[derive(Debug)]
enum Phase {
    /// Nothing was said yet; with the nonce that will be ours.
    Silent(Nonce),
    /// Challenged.
    Challenged(Box<SignOn>, Nonce),
    /// We dialled, and signed on.
    SignedOn(Box<SignOn>),
    /// We proved who we are, and wait to be welcomed.
    Proven,
    Open,
    /// We signed off; what is still on its way is answered.
    Leaving,
}

/// What follows from a message or from the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Nothing,
    /// The counter has to do with it.
    Visit(Visit),
    /// Write this message.
    Write(Message),
    /// Write this, if anything, and close; the reason is for the log.
    Close(Option<Message>, &'static str),
}

impl Session {
    /// A conversation that begins now. The nonce must be fresh.
    pub fn new(identity: Identity, nonce: Nonce, now: Instant) -> Session {
        Session {
            identity,
            phase: Phase::Silent(nonce),
            channel: None,
            began: now,
            heartbeat: Duration::ZERO,
            heartbeats: 0,
            probed: false,
            heard: now,
            sent: now,
        }
    }

    /// A conversation that begins now on a connection that this counter opened, and what it says
    /// first. The nonce must be fresh.
    pub fn dial(
        identity: Identity,
        channel: u16,
        nonce: Nonce,
        now: Instant,
    ) -> (Session, Message) {
        let sign_on = SignOn {
            version: SignOn::VERSION,
            dialler: identity.counter.to_string(),
            acceptor: identity.bridge.clone(),
            channel,
            nonce,
            heartbeat_s: identity.heartbeat_s,
        };
        let first = Message::Conversation(Conversation::SignOn(sign_on.clone()));
        let mut session = Session::new(identity, nonce, now);
        session.channel = Some(channel);
        session.phase = Phase::SignedOn(Box::new(sign_on));
        (session, first)
    }

    /// A frame arrived, whatever is in it: the peer lives.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.probed = false;
    }

    /// Something was written.
    pub fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// Which of the bridge's connections it is, once that has been said.
    pub fn channel(&self) -> Option<u16> {
        self.channel
    }

    /// Whether the peer has signed on.
    pub fn is_open(&self) -> bool {
        match self.phase {
            Phase::Open | Phase::Leaving => true,
            Phase::Silent(_) | Phase::Challenged(..) | Phase::SignedOn(_) | Phase::Proven => false,
        }
    }

    /// Takes a message.
    pub fn receive(&mut self, message: Message) -> Next {
        match (&self.phase, message) {
            (Phase::Silent(nonce), Message::Conversation(Conversation::SignOn(sign_on))) => {
                let nonce = *nonce;
                self.challenge(sign_on, nonce)
            }
            (
                Phase::Challenged(sign_on, nonce),
                Message::Conversation(Conversation::Answer(answer)),
            ) => {
                let key = self.identity.key.expose_secret();
                if !verify(key, Side::Dialler, sign_on, nonce, &answer.proof) {
                    return reject(RejectReason::BadProof, "the proof is wrong");
                }
                let heartbeat_s = sign_on.heartbeat_s.min(self.identity.heartbeat_s);
                self.heartbeat = Duration::from_secs(heartbeat_s.into());
                self.phase = Phase::Open;
                Next::Visit(Visit::SignedOn(heartbeat_s))
            }
            (
                Phase::SignedOn(sign_on),
                Message::Conversation(Conversation::Challenge(challenge)),
            ) => {
                let key = self.identity.key.expose_secret();
                if !verify(key, Side::Acceptor, sign_on, &challenge.nonce, &challenge.proof) {
                    return reject(RejectReason::BadProof, "the proof is wrong");
                }
                let proof = prove(key, Side::Dialler, sign_on, &challenge.nonce);
                self.phase = Phase::Proven;
                Next::Visit(Visit::Prove(proof))
            }
            (Phase::Proven, Message::Conversation(Conversation::Welcome(welcome))) => {
                let heartbeat_s = welcome.heartbeat_s.min(self.identity.heartbeat_s);
                self.heartbeat = Duration::from_secs(heartbeat_s.into());
                self.phase = Phase::Open;
                Next::Nothing
            }
            (
                Phase::Silent(_) | Phase::Challenged(..) | Phase::SignedOn(_) | Phase::Proven,
                Message::Conversation(Conversation::Rejected(rejected)),
            ) => {
                tracing::warn!(reason = rejected.reason.words(), text = %rejected.text, "rejected");
                Next::Close(None, "the bridge rejected us")
            }
            (Phase::Silent(_) | Phase::Challenged(..), _) => {
                reject(RejectReason::Other, "sign on first")
            }
            (Phase::SignedOn(_) | Phase::Proven, _) => Next::Close(None, "a message out of place"),
            (Phase::Open | Phase::Leaving, message) => match message {
                Message::Payload(Payload::Request(id, instruction)) => {
                    Next::Visit(Visit::Request(id, instruction))
                }
                Message::Conversation(Conversation::Heartbeat(Heartbeat { number })) => {
                    Next::Visit(Visit::Heartbeat(number))
                }
                Message::Conversation(Conversation::SignOff(_)) => Next::Visit(Visit::SignOff),
                Message::Conversation(Conversation::SignOffAck) => Next::Close(None, "signed off"),
                Message::Conversation(Conversation::HeartbeatAck(_)) => Next::Nothing,
                Message::Conversation(Conversation::Notice(notice)) => {
                    tracing::info!(severity = notice.severity.as_str(), text = %notice.text, "notice");
                    Next::Nothing
                }
                Message::Conversation(Conversation::Rejected(_)) => {
                    Next::Close(None, "the bridge rejected us")
                }
                Message::Conversation(
                    Conversation::SignOn(_)
                    | Conversation::Challenge(_)
                    | Conversation::Answer(_)
                    | Conversation::Welcome(_),
                )
                | Message::Payload(Payload::Response(..)) => {
                    Next::Close(None, "a message out of place")
                }
            },
        }
    }

    fn challenge(&mut self, sign_on: SignOn, nonce: Nonce) -> Next {
        if sign_on.version != SignOn::VERSION {
            return reject(RejectReason::Version, "only version 1 is spoken here");
        }
        if sign_on.acceptor != self.identity.counter.as_str()
            || sign_on.dialler != self.identity.bridge
        {
            return reject(RejectReason::UnknownParty, "these names are not known here");
        }
        let proof = prove(self.identity.key.expose_secret(), Side::Acceptor, &sign_on, &nonce);
        self.channel = Some(sign_on.channel);
        self.phase = Phase::Challenged(Box::new(sign_on), nonce);
        Next::Visit(Visit::SignOn(Message::Conversation(Conversation::Challenge(Challenge {
            nonce,
            proof,
        }))))
    }

    /// The counter is closing: says so, if there is a session. What was asked is still answered.
    pub fn leave(&mut self, why: &str) -> Next {
        match self.phase {
            Phase::Silent(_) | Phase::Challenged(..) | Phase::SignedOn(_) | Phase::Proven => {
                Next::Close(None, "stopping")
            }
            Phase::Leaving => Next::Nothing,
            Phase::Open => {
                self.phase = Phase::Leaving;
                Next::Write(Message::Conversation(Conversation::SignOff(SignOff {
                    text: why.into(),
                })))
            }
        }
    }

    /// When [`Session::on_timeout`] is due; `None` while no heartbeat is agreed.
    pub fn timeout(&self) -> Option<Instant> {
        if !self.is_open() {
            return Some(self.began + HANDSHAKE_LIMIT);
        }
        (!self.heartbeat.is_zero()).then(|| {
            let silence = if self.probed { 17 } else { 12 };
            let quiet = self.heard + self.heartbeat * silence / 10;
            quiet.min(self.sent + self.heartbeat * 8 / 10)
        })
    }

    /// What the time says (docs/peers/counter.md, While the session is open): a heartbeat after nothing was sent for 0.8 of the
    /// interval, a probe after nothing was heard for 1.2, dead after a further 0.5.
    pub fn on_timeout(&mut self, now: Instant) -> Next {
        if !self.is_open() {
            return if now >= self.began + HANDSHAKE_LIMIT {
                Next::Close(None, "no sign-on in time")
            } else {
                Next::Nothing
            };
        }
        if self.heartbeat.is_zero() {
            return Next::Nothing;
        }
        if self.probed && now >= self.heard + self.heartbeat * 17 / 10 {
            return Next::Close(None, "the bridge is dead");
        }
        let probe = !self.probed && now >= self.heard + self.heartbeat * 12 / 10;
        if !probe && now < self.sent + self.heartbeat * 8 / 10 {
            return Next::Nothing;
        }
        self.probed |= probe;
        self.sent = now;
        self.heartbeats += 1;
        Next::Write(Message::Conversation(Conversation::Heartbeat(Heartbeat {
            number: self.heartbeats,
        })))
    }
}

fn reject(reason: RejectReason, text: &'static str) -> Next {
    let rejected = Rejected { reason, text: text.into() };
    Next::Close(Some(Message::Conversation(Conversation::Rejected(rejected))), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::conversation::{ChallengeAnswer, Welcome};

    const KEY: [u8; 32] = [5; 32];

    fn session(now: Instant) -> Session {
        let identity = Identity {
            counter: CounterId::new("securities").expect("an id"),
            bridge: "bridge".to_owned(),
            key: Arc::new(SecretSlice::from(KEY.to_vec())),
            heartbeat_s: 10,
        };
        Session::new(identity, [9; 32], now)
    }

    fn sign_on() -> SignOn {
        SignOn {
            version: SignOn::VERSION,
            dialler: "bridge".to_owned(),
            acceptor: "securities".to_owned(),
            channel: 0,
            nonce: [1; 32],
            heartbeat_s: 30,
        }
    }

    fn proof(sign_on: &SignOn) -> Message {
        let proof = prove(&KEY, Side::Dialler, sign_on, &[9; 32]);
        Message::Conversation(Conversation::Answer(ChallengeAnswer { proof, counter: None }))
    }

    fn open(now: Instant) -> Session {
        let mut session = session(now);
        session.receive(Message::Conversation(Conversation::SignOn(sign_on())));
        assert_eq!(session.receive(proof(&sign_on())), Next::Visit(Visit::SignedOn(10)));
        session
    }

    fn rejected(next: &Next) -> Option<RejectReason> {
        match next {
            Next::Close(Some(Message::Conversation(Conversation::Rejected(rejected))), _) => {
                Some(rejected.reason)
            }
            _ => None,
        }
    }

    #[test]
    fn both_sides_prove_the_key_and_the_smaller_heartbeat_counts() {
        let mut session = session(Instant::now());
        let Next::Visit(Visit::SignOn(Message::Conversation(Conversation::Challenge(challenge)))) =
            session.receive(Message::Conversation(Conversation::SignOn(sign_on())))
        else {
            panic!("no challenge");
        };
        assert!(verify(&KEY, Side::Acceptor, &sign_on(), &challenge.nonce, &challenge.proof));
        assert!(!session.is_open());
        assert_eq!(session.receive(proof(&sign_on())), Next::Visit(Visit::SignedOn(10)));
        assert!(session.is_open());
    }

    #[test]
    fn a_counter_that_dials_proves_itself_and_is_welcomed() {
        let identity = session(Instant::now()).identity;
        let now = Instant::now();
        let (mut session, first) = Session::dial(identity.clone(), 3, [7; 32], now);
        let Message::Conversation(Conversation::SignOn(sign_on)) = first else {
            panic!("{first:?}")
        };
        assert_eq!((sign_on.dialler.as_str(), sign_on.acceptor.as_str()), ("securities", "bridge"));
        let proof = prove(&KEY, Side::Acceptor, &sign_on, &[8; 32]);
        let next = session.receive(Message::Conversation(Conversation::Challenge(Challenge {
            nonce: [8; 32],
            proof,
        })));
        let Next::Visit(Visit::Prove(proof)) = next else { panic!("{next:?}") };
        assert!(verify(&KEY, Side::Dialler, &sign_on, &[8; 32], &proof));
        assert!(!session.is_open());
        let welcome = Welcome { heartbeat_s: 10, counter: None };
        assert_eq!(
            session.receive(Message::Conversation(Conversation::Welcome(welcome))),
            Next::Nothing
        );
        assert!(session.is_open());

        let (mut fooled, _) = Session::dial(identity, 3, [7; 32], now);
        let next = fooled.receive(Message::Conversation(Conversation::Challenge(Challenge {
            nonce: [8; 32],
            proof: [0; 32],
        })));
        assert_eq!(rejected(&next), Some(RejectReason::BadProof));
    }

    #[test]
    fn a_wrong_version_name_or_proof_is_rejected_by_its_reason() {
        for (message, reason) in [
            (SignOn { version: 2, ..sign_on() }, RejectReason::Version),
            (SignOn { dialler: "other".into(), ..sign_on() }, RejectReason::UnknownParty),
            (SignOn { acceptor: "futures".into(), ..sign_on() }, RejectReason::UnknownParty),
        ] {
            let next = session(Instant::now())
                .receive(Message::Conversation(Conversation::SignOn(message)));
            assert_eq!(rejected(&next), Some(reason));
        }
        let mut challenged = session(Instant::now());
        challenged.receive(Message::Conversation(Conversation::SignOn(sign_on())));
        let other = SignOn { channel: 1, ..sign_on() };
        assert_eq!(rejected(&challenged.receive(proof(&other))), Some(RejectReason::BadProof));
        let early = session(Instant::now())
            .receive(Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 1 })));
        assert_eq!(rejected(&early), Some(RejectReason::Other));
    }

    #[test]
    fn a_sign_on_that_takes_too_long_ends() {
        let now = Instant::now();
        let mut session = session(now);
        assert_eq!(session.timeout(), Some(now + HANDSHAKE_LIMIT));
        assert_eq!(session.on_timeout(now), Next::Nothing);
        assert!(matches!(session.on_timeout(now + HANDSHAKE_LIMIT), Next::Close(None, _)));
    }

    /// Every heartbeat and the end, in seconds after the start, while the peer says nothing.
    #[test]
    fn a_silent_bridge_is_probed_and_then_dead_after_seventeen_seconds() {
        let start = Instant::now();
        let mut session = open(start);
        let mut story = Vec::new();
        for _ in 0..9 {
            let now = session.timeout().expect("a heartbeat is agreed");
            match session.on_timeout(now) {
                Next::Write(Message::Conversation(Conversation::Heartbeat(_))) => {
                    story.push((now - start).as_secs());
                }
                Next::Close(None, why) => {
                    assert_eq!((why, now - start), ("the bridge is dead", Duration::from_secs(17)));
                    assert_eq!(story, [8, 12]);
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("never dead: {story:?}");
    }

    #[test]
    fn a_slow_bridge_that_lives_is_not_dead() {
        let start = Instant::now();
        let mut session = open(start);
        for second in 1..200 {
            let now = start + Duration::from_secs(second);
            let next = session.on_timeout(now);
            assert!(!matches!(next, Next::Close(..)), "dead at {second}");
            if second % 16 == 0 {
                session.heard(now);
            }
        }
    }
}
