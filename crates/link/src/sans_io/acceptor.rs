//! The acceptor for one connection of one counter, without its socket, its clock and its task: what
//! `acceptor` does around the pure part is repeated here in its order.

use crate::config::LinkConfig;
use crate::inbound::acceptor::first::{FIRST_FRAMES, First, first};
use crate::session::Opened;
use crate::session::greeting::{self, Known};
use bytes::BytesMut;
use wire::codec::{Codec, Incoming, Parties};
use wire::conversation::{Conversation, Nonce, Rejected, SignOn};
use wire::dialect::Dialect;
use wire::message::Message;

/// See the module.
#[derive(Debug)]
pub struct PaperDoor {
    known: Known,
    dialect: Dialect,
    codec: Codec,
    inbox: BytesMut,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Nothing was said yet.
    Silent,
    /// The proof is awaited, over this.
    Challenged(Box<SignOn>, Nonce),
    /// Let in, or sent away.
    Over,
}

/// What follows from what has come.
#[derive(Debug)]
pub enum Step {
    /// More is awaited.
    Wait,
    /// These bytes are written, and more is awaited.
    Say(Vec<u8>),
    /// These bytes are written, if any, and the connection is closed; why, in words.
    Close(Vec<u8>, String),
    /// They have proven who they are, and are let in.
    In(Entrance),
}

/// Somebody who was let in.
#[derive(Debug)]
pub struct Entrance {
    pub(super) opened: Opened,
    pub(super) inbox: BytesMut,
}

impl PaperDoor {
    /// An acceptor at which somebody has just arrived whom nobody knows.
    pub fn new(config: &LinkConfig) -> PaperDoor {
        let known = config.known();
        let parties = Parties { own: known.own_name.clone(), peer: known.counter.to_string() };
        PaperDoor {
            dialect: config.dialect.clone(),
            codec: Codec::new(config.dialect.clone(), parties),
            known,
            inbox: BytesMut::new(),
            phase: Phase::Silent,
        }
    }

    /// Bytes that are held for somebody who has proven nothing.
    pub fn held(&self) -> usize {
        self.inbox.len()
    }

    /// Bytes arrived. `nonce` is ours, should it be asked for; `micros` is now, in microseconds since
    /// 1970 UTC.
    pub fn received(&mut self, bytes: &[u8], nonce: Nonce, micros: i64) -> Step {
        self.inbox.extend_from_slice(bytes);
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Silent => self.greet(nonce, micros),
            Phase::Challenged(sign_on, nonce) => self.answered(sign_on, nonce),
            Phase::Over => Step::Close(Vec::new(), "it is over".to_owned()),
        }
    }

    fn greet(&mut self, nonce: Nonce, micros: i64) -> Step {
        let (message, dialect, codec) = match first(&mut self.inbox, &self.known.own_name) {
            First::Wait => {
                self.phase = Phase::Silent;
                return Step::Wait;
            }
            First::Unreadable(_, wrong) => return Step::Close(Vec::new(), wrong),
            First::Heard(heard) => *heard,
        };
        let sign_on = match greeting::sign_on(message) {
            Ok(sign_on) => sign_on,
            Err(rejected) => return refused(&codec, rejected),
        };
        let same = self.dialect.speech() == dialect.speech();
        if !same || sign_on.dialler != self.known.counter.as_str() {
            return refused(&codec, greeting::unknown("no such counter dials in here"));
        }
        let challenge = match self.known.challenge(&sign_on, None, nonce, micros) {
            Ok(challenge) => challenge,
            Err(rejected) => return refused(&self.codec, rejected),
        };
        self.phase = Phase::Challenged(Box::new(sign_on), nonce);
        Step::Say(encoded(&self.codec, &Message::Conversation(Conversation::Challenge(challenge))))
    }

    fn answered(&mut self, sign_on: Box<SignOn>, nonce: Nonce) -> Step {
        let codec = self.codec.clone().with_frame_limit(FIRST_FRAMES);
        let answer = match codec.decode(&mut self.inbox) {
            Ok(None) => {
                self.phase = Phase::Challenged(sign_on, nonce);
                return Step::Wait;
            }
            Ok(Some(Incoming::Message(message))) => message,
            Ok(Some(Incoming::Malformed(wrong))) => return Step::Close(Vec::new(), wrong.error),
            Err(error) => return Step::Close(Vec::new(), error.to_string()),
        };
        match self.known.open(&sign_on, &nonce, answer) {
            Ok(opened) => Step::In(Entrance { opened, inbox: std::mem::take(&mut self.inbox) }),
            Err(rejected) => refused(&self.codec, rejected),
        }
    }
}

fn refused(codec: &Codec, rejected: Rejected) -> Step {
    let why = rejected.text.to_string();
    Step::Close(encoded(codec, &Message::Conversation(Conversation::Rejected(rejected))), why)
}

/// What cannot be said is not.
fn encoded(codec: &Codec, message: &Message) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    match codec.encode_at(message, 0, &mut bytes) {
        Ok(()) => bytes.to_vec(),
        Err(_) => Vec::new(),
    }
}
