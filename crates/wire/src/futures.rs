//! The XML dialect of `proto/futures/v1/futures.xsd`: the packet of source 001 (payload, header, one
//! request or response, data groups of data items) with English names.
//!
//! Reading order: `words` names the transactions and answers, `items` the data items; `packet` is the grammar
//! around them; `payload` and `conversation` are what packets say, `spelling` is how people see them.

mod conversation;
mod items;
mod packet;
mod payload;
mod spelling;
mod words;

use crate::conversation::Conversation;
use crate::error::EncodeError;
use crate::format::{Format, Occasion, Parties};
use crate::frame::Prefix;
use crate::message::Message;
use crate::ornament::Ornament;
use crate::terms::{Fault, Trace, sayable};
use crate::xml::encoding::{decoded, encode};
use crate::xml::figures::time;
use crate::xml::options::XmlOptions;
use bytes::BytesMut;
use packet::Content;

/// The dialect on one link.
#[derive(Clone, Debug)]
pub(crate) struct Futures {
    pub(crate) options: XmlOptions,
    pub(crate) parties: Parties,
}

impl Format for Futures {
    fn prefix(&self) -> Prefix {
        Prefix::Digits
    }

    fn tells_the_time(&self) -> bool {
        true
    }

    fn write(
        &self,
        message: &Message,
        on: Occasion,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        sayable(packet::write(out, &self.options, &self.parties, on, |packet| match message {
            Message::Payload(payload) => payload::write(packet, payload),
            Message::Conversation(conversation) => conversation::write(packet, conversation),
        }))?;
        encode(out, start, self.options.encoding)
    }

    fn spelled(&self, body: &[u8]) -> Result<String, Fault> {
        Ok(spelling::spelled(body, self.options.encoding))
    }

    fn read(&self, body: &[u8], trace: &mut Trace) -> Result<Message, Fault> {
        let Futures { options, parties } = self;
        let text = decoded(body, options.encoding, trace);
        // A byte order mark is harmless.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let packet = &packet::read(text, options.encoding, trace)?;
        // For people; nothing is decided by it.
        if time("timestamp", &packet.timestamp, options.utc_offset_minutes).is_err() {
            trace.blemish(Ornament::Label);
        }
        let message: Message = match &packet.content {
            Content::Instructed(it) => payload::instruction(*it, packet, options, trace)?.into(),
            Content::Replied(kind, code, text) => {
                payload::reply((*kind, *code, text), packet, options, trace)?.into()
            }
            Content::Said(it) => conversation::said(*it, packet, options, trace)?.into(),
            Content::Answered(kind, code, text) => {
                conversation::answered((*kind, *code, text), packet, options, trace)?.into()
            }
        };
        // Whoever signs on or rejects says names in the message itself, and may not know ours.
        let introduces = matches!(
            message,
            Message::Conversation(Conversation::SignOn(_) | Conversation::Rejected(_))
        );
        if !introduces && (packet.sender != parties.peer || packet.receiver != parties.own) {
            return Err("the header names other parties than those of this link".into());
        }
        Ok(message)
    }
}
