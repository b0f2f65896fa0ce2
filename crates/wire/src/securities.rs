//! The protobuf dialect of `proto/securities/v1/securities.proto`.
//!
//! Written and read by hand, field by field, because the types that prost generates merge a field
//! that comes twice, read an unknown enum value as its zero, and hold one `String` per text. The
//! generated types are kept as an independent witness: tests compare every frame with theirs.

mod bytes;
mod conversation;
mod payload;
mod spelling;

use crate::error::EncodeError;
use crate::format::{Format, Occasion};
use crate::frame::Prefix;
use crate::message::Message;
use crate::payload::RequestId;
use crate::terms::{Fault, Trace};
use ::bytes::BytesMut;
use bytes::{FieldSet, Fields, Writer};

/// The dialect: nothing differs between the counters that speak it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Securities;

impl Format for Securities {
    fn prefix(&self) -> Prefix {
        Prefix::Binary
    }

    fn tells_the_time(&self) -> bool {
        false
    }

    fn write(
        &self,
        message: &Message,
        _on: Occasion,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let mut frame = Writer(out);
        match message {
            Message::Payload(payload) => payload::write(&mut frame, payload),
            Message::Conversation(conversation) => conversation::write(&mut frame, conversation),
        }
    }

    fn spelled(&self, body: &[u8]) -> Result<String, Fault> {
        spelling::spelled(body)
    }

    fn read(&self, bytes: &[u8], trace: &mut Trace) -> Result<Message, Fault> {
        let mut fields = Fields::new(bytes, FieldSet::up_to(body::NOTICE));
        let mut id = 0;
        let mut said = None;
        let mut bodies = 0;
        while let Some((number, value)) = fields.next()? {
            match number {
                body::REQUEST_ID => {
                    id = value.number("request id")?;
                    trace.request = (id != 0).then_some(RequestId(id));
                }
                body::DEBIT..=body::HEARTBEAT_ACK | body::SIGN_ON..=body::NOTICE => {
                    bodies += 1;
                    said = Some((number, value.bytes("body")?));
                }
                _ => {}
            }
        }
        if bodies > 1 {
            return Err("the frame has more than one body".into());
        }
        let Some((number, bytes)) = said else { return Err("the frame has no body".into()) };
        if (body::DEBIT..=body::ENTRIES_REPLY).contains(&number) {
            payload::read(number, id, bytes, trace).map(Message::Payload)
        } else {
            conversation::read(number, bytes, trace).map(Message::Conversation)
        }
    }
}

/// What prost generates from the schema. The codec does not use it; tests do, and a peer written in
/// Rust may.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod generated {
    include!(concat!(env!("OUT_DIR"), "/counter_bridge.securities.v1.rs"));
}

/// Numbers of the fields of `Frame`.
mod body {
    pub(super) const REQUEST_ID: u32 = 1;
    pub(super) const DEBIT: u32 = 2;
    pub(super) const CREDIT: u32 = 3;
    pub(super) const REVERSE: u32 = 4;
    pub(super) const QUERY: u32 = 5;
    pub(super) const BALANCE_QUERY: u32 = 6;
    pub(super) const ENTRIES_QUERY: u32 = 7;
    pub(super) const POSTING_REPLY: u32 = 8;
    pub(super) const QUERY_REPLY: u32 = 9;
    pub(super) const BALANCE_REPLY: u32 = 10;
    pub(super) const ENTRIES_REPLY: u32 = 11;
    pub(super) const HEARTBEAT: u32 = 12;
    pub(super) const HEARTBEAT_ACK: u32 = 13;
    pub(super) const SIGN_ON: u32 = 16;
    pub(super) const CHALLENGE: u32 = 17;
    pub(super) const CHALLENGE_ANSWER: u32 = 18;
    pub(super) const WELCOME: u32 = 19;
    pub(super) const REJECTED: u32 = 20;
    pub(super) const SIGN_OFF: u32 = 21;
    pub(super) const SIGN_OFF_ACK: u32 = 22;
    pub(super) const NOTICE: u32 = 23;
}
