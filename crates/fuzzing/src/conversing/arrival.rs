//! How a conversation begins: the bridge dials, or somebody comes to its acceptor who may be the counter.

use super::counter::day;
use super::{KEY, NONCE, Opens, Play, config};
use bytes::BytesMut;
use domain::message::CounterId;
use domain::profile::Profile;
use link::sans_io::{Heard, PaperDoor, Step};
use wire::codec::Incoming;
use wire::conversation::{Challenge, ChallengeAnswer, Conversation, CounterState, SignOn, Welcome};
use wire::message::Message;
use wire::proof::{self, Side};

/// What a bridge holds at most for somebody at its acceptor: a frame that is not whole.
const MOST_HELD: usize = (16 << 10) + 64;

/// Who comes to the acceptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The counter.
    Honest,
    /// Whoever does not know the key, and makes up a proof.
    Forger,
    /// Whoever heard a proof once, and says it again.
    Replayer,
    /// Somebody who says anything, a byte of the input's here and there.
    Garbler,
}

impl Play<'_> {
    /// Whatever the input says comes to the acceptor; only the counter is let in.
    pub(super) fn arrive(&mut self) {
        let arrival = match self.byte() % 6 {
            0 => Arrival::Forger,
            1 => Arrival::Replayer,
            2 | 3 => Arrival::Garbler,
            _ => return self.arrive_with_anything(),
        };
        self.dials_in(arrival);
        if self.connected {
            assert_eq!(arrival, Arrival::Garbler, "let in without a proof");
            self.turn();
            self.cut();
        }
    }

    /// Bytes without any meaning, in parts.
    fn arrive_with_anything(&mut self) {
        let mut door = self.door();
        for _ in 0..=self.byte() % 4 {
            let bytes = if self.byte().is_multiple_of(2) {
                let body = self.bytes();
                self.framed(&body)
            } else {
                self.bytes()
            };
            match door.received(&bytes, NONCE, 0) {
                Step::Wait => assert!(door.held() <= MOST_HELD, "{} bytes are held", door.held()),
                Step::Say(said) => self.can_be_read(&said),
                Step::Close(said, _) => return self.can_be_read(&said),
                Step::In(_) => panic!("let in without a proof"),
            }
        }
    }

    /// Somebody signs on at the acceptor; who is let in is connected then.
    fn dials_in(&mut self, arrival: Arrival) {
        let mut door = self.door();
        let mut sign_on = SignOn {
            version: SignOn::VERSION,
            dialler: self.dialect.speech().as_str().to_owned(),
            acceptor: "bridge".to_owned(),
            channel: 0,
            nonce: [7; 32],
            heartbeat_s: 10,
        };
        if arrival == Arrival::Garbler {
            sign_on.channel = u16::from(self.byte() % 3);
            sign_on.version = u16::from(self.byte() % 2) + 1;
            sign_on.heartbeat_s = u16::from(self.byte());
        }
        let Some(said) = self.at_door(
            &mut door,
            &Message::Conversation(Conversation::SignOn(sign_on.clone())),
            arrival,
        ) else {
            return;
        };
        let challenge = match self.codec.decode(&mut BytesMut::from(&said[..])) {
            Ok(Some(Incoming::Message(Message::Conversation(Conversation::Challenge(
                challenge,
            ))))) => challenge,
            // A garbled one may be answered as another counter's.
            other => {
                assert_eq!(arrival, Arrival::Garbler, "{other:?}");
                return;
            }
        };
        let honest =
            proof::verify(&KEY, Side::Acceptor, &sign_on, &challenge.nonce, &challenge.proof);
        assert!(honest || arrival == Arrival::Garbler, "the bridge does not prove who it is");
        let proof = match arrival {
            Arrival::Honest | Arrival::Garbler => {
                proof::prove(&KEY, Side::Dialler, &sign_on, &challenge.nonce)
            }
            Arrival::Forger => [self.byte(); 32],
            // Of another connection, with another nonce; or the bridge's own.
            Arrival::Replayer if self.byte().is_multiple_of(2) => challenge.proof,
            Arrival::Replayer => proof::prove(&KEY, Side::Dialler, &sign_on, &[1; 32]),
        };
        let answer = ChallengeAnswer { proof, counter: Some(self.state()) };
        self.at_door(&mut door, &Message::Conversation(Conversation::Answer(answer)), arrival);
    }

    /// Says something at the acceptor; what is answered, unless that is all, or they are let in.
    fn at_door(
        &mut self,
        door: &mut PaperDoor,
        message: &Message,
        arrival: Arrival,
    ) -> Option<Vec<u8>> {
        let mut frame = self.encoded(message);
        if arrival == Arrival::Garbler {
            for _ in 0..self.byte() % 3 {
                let at = usize::from(self.byte()) * 256 + usize::from(self.byte());
                let (at, byte) = (at % frame.len(), self.byte());
                frame[at] = byte;
            }
        }
        // In two parts, wherever it is cut.
        let cut = usize::from(self.byte()) * frame.len() / 256;
        for part in [&frame[..cut], &frame[cut..]] {
            match door.received(part, NONCE, 0) {
                Step::Wait => assert!(door.held() <= MOST_HELD, "{} bytes are held", door.held()),
                Step::Say(said) => return Some(said),
                Step::Close(said, _) => {
                    self.can_be_read(&said);
                    return None;
                }
                Step::In(entrance) => {
                    self.bridge.accepted(self.now, entrance);
                    self.connected = true;
                    self.written.clear();
                    return None;
                }
            }
        }
        None
    }

    fn door(&self) -> PaperDoor {
        PaperDoor::new(&config(&self.dialect))
    }

    /// What the bridge says at its acceptor can be read by whom it is said to.
    fn can_be_read(&self, said: &[u8]) {
        if said.is_empty() {
            return;
        }
        let mut said = BytesMut::from(said);
        // In the dialect of whoever came, which is not always the counter's.
        let read = self.codec.decode(&mut said);
        if let Ok(Some(Incoming::Message(message))) = read {
            assert!(
                matches!(
                    message,
                    Message::Conversation(Conversation::Rejected(_) | Conversation::Challenge(_))
                ),
                "{message:?} at the door"
            );
        }
    }

    /// An honest sign-on, by whoever of the two opens connections.
    pub(super) fn sign_on(&mut self) {
        match self.opens {
            Opens::Bridge => self.dialled(),
            Opens::Counter => {
                self.dials_in(Arrival::Honest);
                assert!(self.connected, "an honest counter is let in");
            }
        }
    }

    /// The bridge dials.
    fn dialled(&mut self) {
        self.bridge.connected(self.now);
        self.connected = true;
        self.written.clear();
        let mut heard = Vec::new();
        for _ in 0..3 {
            self.bridge.turn(self.now, &mut heard).expect("an honest counter");
            let unsent = self.bridge.unsent().to_vec();
            self.bridge.took(self.now, unsent.len());
            self.written.extend_from_slice(&unsent);
            let incoming = self.codec.decode(&mut self.written).expect("good framing");
            match incoming {
                Some(Incoming::Message(Message::Conversation(Conversation::SignOn(sign_on)))) => {
                    self.challenge(&sign_on);
                }
                Some(Incoming::Message(Message::Conversation(Conversation::Answer(_)))) => {
                    let counter = self.state();
                    self.say(&Message::Conversation(Conversation::Welcome(Welcome {
                        heartbeat_s: 10,
                        counter: Some(counter),
                    })));
                }
                _ => break,
            }
        }
        self.bridge.turn(self.now, &mut heard).expect("an honest counter");
        assert!(heard.contains(&Heard::Opened), "an honest counter is let in");
    }

    fn challenge(&mut self, sign_on: &SignOn) {
        let proof = proof::prove(&KEY, Side::Acceptor, sign_on, &NONCE);
        self.say(&Message::Conversation(Conversation::Challenge(Challenge {
            nonce: NONCE,
            proof,
        })));
    }

    /// What the counter says of itself.
    fn state(&self) -> CounterState {
        let profile = Profile {
            amount_unit: self.dialect.amount_unit(),
            echoes_marks: true,
            ..Profile::default()
        };
        CounterState {
            id: CounterId::new(self.dialect.speech().as_str()).expect("an id"),
            profile,
            settle_day: day(),
            open: true,
            highest_serial: None,
        }
    }
}
