//! How a packet's text is encoded, and how it is named.

use crate::error::EncodeError;
use crate::ornament::Ornament;
use crate::terms::Trace;
use crate::xml::options::Encoding;
use bytes::BytesMut;
use encoding_rs::{GB18030, GBK, UTF_8};
use std::borrow::Cow;

/// Encodes what has been written from `start` on, which is UTF-8 so far.
pub(crate) fn encode(
    out: &mut BytesMut,
    start: usize,
    encoding: Encoding,
) -> Result<(), EncodeError> {
    match encoding {
        Encoding::Utf8 => Ok(()),
        // GB18030 says ASCII as ASCII does.
        Encoding::Gb18030 if out[start..].is_ascii() => Ok(()),
        Encoding::Gb18030 => {
            let text = std::str::from_utf8(&out[start..])
                .map_err(|_| EncodeError::Unsayable("the packet is not text".to_owned()))?;
            // Whatever GB18030 lacked would become a character reference.
            let (bytes, ..) = GB18030.encode(text);
            let bytes = bytes.into_owned();
            out.truncate(start);
            out.extend_from_slice(&bytes);
            Ok(())
        }
    }
}

/// The text. Bytes that are none become replacement characters, one at least for each run of them:
/// words that were cut in the middle of a character stay readable, and no value that anything is
/// decided by may hold one. Neither encoding lets such bytes take a quote or a bracket along.
pub(crate) fn decoded<'a>(bytes: &'a [u8], encoding: Encoding, trace: &Trace) -> Cow<'a, str> {
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
pub(crate) fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Utf8 => "UTF-8",
        Encoding::Gb18030 => "GB18030",
    }
}

/// Names that software gives to code page 936 and that the standard of labels does not list.
const MORE_NAMES_OF_GBK: [&str; 3] = ["cp936", "ms936", "windows-936"];

/// Whether a declaration that names `stated` means `encoding`. Much software says GBK or gb2312 and
/// writes GB18030, of which both are parts, and the hyphen of UTF-8 is often missing.
pub(crate) fn means(stated: &[u8], encoding: Encoding) -> bool {
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
