//! What a dialect is to the codec: the bodies of frames, written and read on one link.

use crate::error::EncodeError;
use crate::frame::Prefix;
use crate::message::Message;
use crate::terms::{Fault, Trace};
use bytes::BytesMut;
use std::fmt;

/// The two ends of a link, as the XML header names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties {
    /// Name of the party that encodes.
    pub own: String,
    /// Name of the party that decodes.
    pub peer: String,
}

/// Which of the two parties encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The bridge.
    Bridge,
    /// The counter.
    Counter,
}

/// When something is written, and by whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion {
    /// Which of the two parties writes.
    pub(crate) end: End,
    /// Microseconds since 1970 UTC, for a time label; nothing is decided by it.
    pub(crate) now_micros: i64,
}

/// How one dialect writes and reads the body of a frame.
pub(crate) trait Format: fmt::Debug + Send + Sync {
    /// How the length before a body is written.
    fn prefix(&self) -> Prefix;

    /// Whether a body says when it was written.
    fn tells_the_time(&self) -> bool;

    /// Appends the message's body. What it has appended when it fails is cut off by whoever calls it.
    fn write(&self, message: &Message, on: Occasion, out: &mut BytesMut)
    -> Result<(), EncodeError>;

    /// A body of its own as text for people, without what is the session's own.
    fn spelled(&self, body: &[u8]) -> Result<String, Fault>;

    /// Reads a body, noting in `trace` what it is about as soon as that shows.
    fn read(&self, body: &[u8], trace: &mut Trace) -> Result<Message, Fault>;
}
