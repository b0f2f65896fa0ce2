//! Frames, whatever the dialect; and bodies without them, for whoever has no use for frames.

pub use crate::error::{EncodeError, FrameError};
pub use crate::format::Parties;

use crate::dialect::Dialect;
use crate::format::{End, Format, Occasion};
use crate::message::Message;
use crate::ornament::Blemishes;
use crate::payload::{Payload, RequestId};
use crate::terms::{Fault, Trace, sayable};
use bytes::{Buf, BytesMut};
use domain::serial::SubSerial;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest frame body that is read or written, in bytes, unless configured smaller.
pub const FRAME_LIMIT: usize = 1 << 20;

/// What stands in a message that is spelled for the numbers and times that its session gives it.
pub const SESSIONS_OWN: &str = "…";

/// Turns messages into frames and frames into messages, for one link. Cheap to clone; holds no
/// state of a conversation.
#[derive(Clone, Debug)]
pub struct Codec {
    format: Arc<dyn Format>,
    end: End,
    frame_limit: usize,
}

/// One whole frame that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message.
    Message(Message),
    /// Good framing around a body that is not a message. The conversation may go on; what the
    /// body was about is unknown.
    Malformed(Malformed),
}

/// A body that is not a message, and what could still be read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Number of the request that it answered, if that much could be read.
    pub request: Option<RequestId>,
    /// Sub serial of the leg that it was about, if that much could be read.
    pub serial: Option<SubSerial>,
    /// What is wrong with it, in words; never holds content of the body longer than 60 characters.
    pub error: String,
}

impl Codec {
    /// A codec for the bridge's end of one link.
    pub fn new(dialect: Dialect, parties: Parties) -> Codec {
        Codec { format: dialect.format(parties), end: End::Bridge, frame_limit: FRAME_LIMIT }
    }

    /// The same with another limit on a frame's body, in bytes, at most [`FRAME_LIMIT`].
    #[must_use]
    pub fn with_frame_limit(mut self, bytes: usize) -> Codec {
        self.frame_limit = bytes.min(FRAME_LIMIT);
        self
    }

    /// Says that this end is the counter's. The XML header tells it; nothing is decided by it.
    #[must_use]
    pub fn at_counter(mut self) -> Codec {
        self.end = End::Counter;
        self
    }

    /// Appends the message as one frame. On an error nothing is appended. The time label of an XML
    /// packet is the system's time: nothing is decided by it, and [`Codec::encode_at`] takes it as an
    /// input instead.
    pub fn encode(&self, message: &Message, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode_at(message, self.label(), out)
    }

    /// The same at a given time, in microseconds since 1970 UTC.
    pub fn encode_at(
        &self,
        message: &Message,
        now_micros: i64,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let on = Occasion { end: self.end, now_micros };
        self.format.prefix().write(self.frame_limit, out, |out| self.format.write(message, on, out))
    }

    /// Appends the message's body alone, as it goes into an HTTP request. On an error nothing is appended.
    pub fn encode_body(&self, message: &Message, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        let on = Occasion { end: self.end, now_micros: self.label() };
        let written = self.format.write(message, on, out).and_then(|()| match out.len() - start {
            length if length > self.frame_limit => {
                Err(EncodeError::TooLong { length, limit: self.frame_limit })
            }
            _ => Ok(()),
        });
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// The body that is written for a payload, as text for people: XML by lines, protobuf in its text form. It is made of
    /// the very bytes, and where the session gives a value, a request's number or the time of a label, there stands
    /// [`SESSIONS_OWN`]; what the payload says of that counts for nothing.
    pub fn spelled(&self, payload: &Payload) -> Result<String, EncodeError> {
        let payload = match payload {
            Payload::Request(_, it) => Payload::Request(RequestId(1), it.clone()),
            Payload::Response(_, it) => Payload::Response(RequestId(1), it.clone()),
        };
        let mut body = BytesMut::new();
        let on = Occasion { end: self.end, now_micros: 0 };
        self.format.write(&Message::Payload(payload), on, &mut body)?;
        sayable(self.format.spelled(&body))
    }

    /// Appends these bytes as one frame, whatever they say: for tests of what is no message.
    pub fn frame(&self, body: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
        self.format.prefix().write(self.frame_limit, out, |out| {
            out.extend_from_slice(body);
            Ok(())
        })
    }

    /// Takes one whole frame off the front of `buffer`, or nothing while it is not all there. Never
    /// reserves more than has arrived.
    pub fn decode(&self, buffer: &mut BytesMut) -> Result<Option<Incoming>, FrameError> {
        self.decode_noting(buffer, &mut Blemishes::default())
    }

    /// The same, and notes what of it is only for people and could not be read as the protocol
    /// writes it.
    pub fn decode_noting(
        &self,
        buffer: &mut BytesMut,
        blemishes: &mut Blemishes,
    ) -> Result<Option<Incoming>, FrameError> {
        let prefix = self.format.prefix();
        let Some(body) = prefix.body(buffer, self.frame_limit)? else { return Ok(None) };
        let incoming = self.decode_body(body, blemishes);
        let length = prefix.width() + body.len();
        buffer.advance(length);
        Ok(Some(incoming))
    }

    /// Reads a body that came without a frame around it. One that is longer than a frame may hold is none.
    pub fn decode_body(&self, body: &[u8], blemishes: &mut Blemishes) -> Incoming {
        let mut trace = Trace::default();
        let read = if body.len() > self.frame_limit {
            Err("the body is longer than is allowed".into())
        } else {
            self.format.read(body, &mut trace)
        };
        for ornament in trace.blemishes.get().iter() {
            blemishes.note(ornament);
        }
        match read {
            Ok(message) => Incoming::Message(message),
            Err(Fault(why)) => Incoming::Malformed(Malformed {
                request: trace.request,
                serial: trace.serial,
                error: why.into_owned(),
            }),
        }
    }

    /// The time of a label, in microseconds since 1970 UTC, where there is one.
    fn label(&self) -> i64 {
        if !self.format.tells_the_time() {
            return 0;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        since.and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or(0)
    }
}
