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
use crate::ornament::Ornament;
use crate::terms::{Fault, Trace};
use encoding_rs::{GB18030, GBK, UTF_8};
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
    let text = decoded(bytes, options.encoding, trace);
    // A byte order mark is harmless.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let packet = read::packet(text, options.encoding, trace)?;
    meaning::message(&packet, options, parties, trace)
}

/// The text. Bytes that are none become replacement characters, one at least for each run of them:
/// words that were cut in the middle of a character stay readable, and no value that anything is
/// decided by may hold one. Neither encoding lets such bytes take a quote or a bracket along.
fn decoded<'a>(bytes: &'a [u8], encoding: Encoding, trace: &Trace) -> Cow<'a, str> {
    let encoding = match encoding {
        Encoding::Utf8 => UTF_8,
        Encoding::Gb18030 => GB18030,
    };
    let (text, unreadable) = encoding.decode_without_bom_handling(bytes);
    if unreadable {
        trace.blemish(Ornament::Words);
    }
    text
}

/// The name of an encoding in an XML declaration that we write.
fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Utf8 => "UTF-8",
        Encoding::Gb18030 => "GB18030",
    }
}

/// Names that software gives to code page 936 and that the standard of labels does not list.
const MORE_NAMES_OF_GBK: [&str; 3] = ["cp936", "ms936", "windows-936"];

/// Whether a declaration that names `stated` means `encoding`. Much software says GBK or gb2312 and
/// writes GB18030, of which both are parts, and the hyphen of UTF-8 is often missing.
fn means(stated: &[u8], encoding: Encoding) -> bool {
    let named = match encoding_rs::Encoding::for_label(stated) {
        Some(named) => named,
        None if MORE_NAMES_OF_GBK
            .iter()
            .any(|name| stated.eq_ignore_ascii_case(name.as_bytes())) =>
        {
            GBK
        }
        None => return false,
    };
    match encoding {
        Encoding::Utf8 => named == UTF_8,
        Encoding::Gb18030 => named == GB18030 || named == GBK,
    }
}
