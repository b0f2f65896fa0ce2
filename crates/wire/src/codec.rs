//! Frames of either dialect.

pub use crate::frame::FrameError;

use crate::frame::Prefix;
use crate::futures::{self, Origin};
use crate::message::{Message, RequestId};
use crate::ornament::Blemishes;
use crate::securities;
use crate::terms::{Fault, Trace};
use bytes::{Buf, BytesMut};
use domain::profile::AmountUnit;
use domain::serial::SubSerial;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest frame body that is read or written, in bytes, unless configured smaller.
pub const FRAME_LIMIT: usize = 1 << 20;

/// Which bytes a counter speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Protobuf behind a 4-byte big-endian length.
    Securities,
    /// XML behind an 8-digit ASCII decimal length.
    Futures(FuturesOptions),
}

/// What differs between counters that speak XML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuturesOptions {
    /// How text is encoded.
    pub encoding: Encoding,
    /// How amounts are written.
    pub amount_unit: AmountUnit,
    /// The counter's zone, in minutes east of UTC, for the times on the wire.
    pub utc_offset_minutes: i16,
}

/// How an XML frame's text is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// GB18030, the Chinese national standard.
    Gb18030,
}

/// The two ends of a link, as the XML header names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties {
    /// Who encodes.
    pub own: String,
    /// Who decodes.
    pub peer: String,
}

/// Turns messages into frames and frames into messages, for one link. Cheap to clone; holds no
/// state of a conversation.
#[derive(Clone, Debug)]
pub struct Codec {
    speech: Speech,
    end: End,
    frame_limit: usize,
}

/// A dialect with what it needs to know of the link.
#[derive(Clone, Debug)]
enum Speech {
    Securities,
    Futures(FuturesOptions, Arc<Parties>),
}

/// Which of the two parties encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The bridge.
    Bridge,
    /// The counter.
    Counter,
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
    /// The request that it answered, if that much could be read.
    pub request: Option<RequestId>,
    /// The serial that it was about, if that much could be read.
    pub serial: Option<SubSerial>,
    /// What is wrong with it; never holds content of the body longer than 60 characters.
    pub error: String,
}

/// A message that cannot be said in this dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The frame would exceed the limit.
    #[error("frame of {length} bytes would exceed the limit of {limit}")]
    TooLong {
        /// How long it would be.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A text does not fit its field or the encoding.
    #[error("{0}")]
    Unsayable(String),
}

impl Codec {
    /// A codec for the bridge's end of one link.
    pub fn new(dialect: Dialect, parties: Parties) -> Codec {
        let speech = match dialect {
            Dialect::Securities => Speech::Securities,
            Dialect::Futures(options) => Speech::Futures(options, Arc::new(parties)),
        };
        Codec { speech, end: End::Bridge, frame_limit: FRAME_LIMIT }
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
        let now_micros = match self.speech {
            Speech::Securities => 0,
            Speech::Futures(..) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|since| i64::try_from(since.as_micros()).ok())
                .unwrap_or(0),
        };
        self.encode_at(message, now_micros, out)
    }

    /// The same at a given time, in microseconds since 1970 UTC.
    pub fn encode_at(
        &self,
        message: &Message,
        now_micros: i64,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        self.prefix().write(self.frame_limit, out, |out| match &self.speech {
            Speech::Securities => securities::write(message, out),
            Speech::Futures(options, parties) => {
                let from = Origin { parties, end: self.end, now_micros };
                futures::write(message, options, &from, out)
            }
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
        let Some(body) = self.prefix().body(buffer, self.frame_limit)? else { return Ok(None) };
        let mut trace = Trace::default();
        let read = match &self.speech {
            Speech::Securities => securities::read(body, &mut trace),
            Speech::Futures(options, parties) => futures::read(body, options, parties, &mut trace),
        };
        for ornament in trace.blemishes.get().iter() {
            blemishes.note(ornament);
        }
        let incoming = match read {
            Ok(message) => Incoming::Message(message),
            Err(Fault(why)) => Incoming::Malformed(Malformed {
                request: trace.request,
                serial: trace.serial,
                error: why.into_owned(),
            }),
        };
        let length = self.prefix().width() + body.len();
        buffer.advance(length);
        Ok(Some(incoming))
    }

    fn prefix(&self) -> Prefix {
        match self.speech {
            Speech::Securities => Prefix::Binary,
            Speech::Futures(..) => Prefix::Digits,
        }
    }
}
