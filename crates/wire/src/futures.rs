//! The XML dialect of `proto/futures/v1/futures.xsd`: the packet of source 001 (payload, header, one
//! request or response, data groups of data items) with English names.
//!
//! Reading order: `words` names the transactions, answers and enumerations; `items` the data
//! items; `figures` how amounts and times are spelled; `write` makes a packet of `group`s; `xml` is the
//! guarded parser (its `attributes` apart), `read` the packet's grammar, and `meaning` what a packet says.

mod attributes;
mod figures;
mod group;
mod items;
mod meaning;
mod read;
mod words;
mod write;
mod xml;

use crate::codec::{Encoding, End, FuturesOptions, Parties};
use crate::message::Message;
use crate::terms::{Fault, Trace};
use encoding_rs::GB18030;
use std::borrow::Cow;

pub(crate) use write::write;

/// Where a packet comes from, and when.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) parties: &'a Parties,
    pub(crate) end: End,
    /// Microseconds since 1970 UTC, for the packet's time label.
    pub(crate) now_micros: i64,
}

/// Reads a body, noting in `trace` what it is about as soon as that shows.
pub(crate) fn read(
    bytes: &[u8],
    options: &FuturesOptions,
    parties: &Parties,
    trace: &mut Trace,
) -> Result<Message, Fault> {
    match decoded(bytes, options.encoding) {
        Ok(text) => {
            // A byte order mark is harmless.
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let packet = read::packet(text, options.encoding, trace)?;
            meaning::message(&packet, options, parties)
        }
        Err(fault) => {
            // Only what it was about is taken from a text in the wrong encoding.
            let _ = read::packet(&String::from_utf8_lossy(bytes), options.encoding, trace);
            Err(fault)
        }
    }
}

fn decoded(bytes: &[u8], encoding: Encoding) -> Result<Cow<'_, str>, Fault> {
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| "the text is not UTF-8".into()),
        Encoding::Gb18030 => GB18030
            .decode_without_bom_handling_and_without_replacement(bytes)
            .ok_or("the text is not GB18030".into()),
    }
}

/// The name of an encoding in an XML declaration.
fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Utf8 => "UTF-8",
        Encoding::Gb18030 => "GB18030",
    }
}
