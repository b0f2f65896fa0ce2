//! The first message at the acceptor, in whichever dialect it is. Pure.

use bytes::BytesMut;
use wire::codec::{Codec, Incoming, Parties};
use wire::dialect::Dialect;
use wire::message::Message;
use wire::ornament::{Blemishes, Ornament};

/// The longest frame that is read from somebody who has not proven anything, in bytes: a sign-on
/// has some hundred, in XML some thousand.
pub(crate) const FIRST_FRAMES: usize = 16 << 10;

/// What has come of it.
#[derive(Debug)]
pub(crate) enum First {
    /// It is not all there.
    Wait,
    /// It is read, and taken out of what has come.
    Heard(Box<(Message, Dialect, Codec)>),
    /// It is none; in a word for counts, and in words for people.
    Unreadable(&'static str, String),
}

/// Reads it; the first byte of a length tells which dialect it is. `own` is the bridge's name.
pub(crate) fn first(inbox: &mut BytesMut, own: &str) -> First {
    let Some(begin) = inbox.first() else { return First::Wait };
    let dialects = Dialect::of_first_byte(*begin);
    // Whoever signs on says names in the message itself; nobody has a name before.
    let parties = Parties { own: own.to_owned(), peer: "counter".to_owned() };
    let mut wrong = String::new();
    let count = dialects.len();
    for (index, dialect) in dialects.into_iter().enumerate() {
        let last = index + 1 == count;
        let codec = Codec::new(dialect.clone(), parties.clone()).with_frame_limit(FIRST_FRAMES);
        let mut rest = inbox.clone();
        let mut blemishes = Blemishes::default();
        match codec.decode_noting(&mut rest, &mut blemishes) {
            // A text in another encoding, which is tried next.
            Ok(Some(_)) if blemishes.has(Ornament::Words) && !last => {
                "the text is in another encoding".clone_into(&mut wrong);
            }
            Ok(Some(Incoming::Message(message))) => {
                *inbox = rest;
                return First::Heard(Box::new((message, dialect, codec)));
            }
            // Perhaps in the next encoding.
            Ok(Some(Incoming::Malformed(malformed))) => wrong = malformed.error,
            Ok(None) => return First::Wait,
            Err(error) => return First::Unreadable("frame", error.to_string()),
        }
    }
    First::Unreadable("malformed", wrong)
}
