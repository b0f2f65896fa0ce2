//! Texts in attributes: written so that any reader reads them as they were, and read leniently where they are
//! only for people.

use super::figures::put_number;
use crate::ornament::Ornament;
use crate::terms::{Fault, Trace};
use bytes::BytesMut;
use std::borrow::Cow;

/// Appends a text as it stands.
pub(crate) fn put(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Text inside an attribute. White space is written as references, or a reader would normalize
/// it; so are private characters, some of which editions of GB18030 turn into others; a
/// character that XML does not have becomes U+FFFD.
pub(crate) fn put_escaped(out: &mut BytesMut, text: &str) {
    // Private characters and the two that XML lacks begin with 0xee or 0xef in UTF-8.
    let plain =
        |byte: u8| !matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'' | 0..=0x1f | 0xee | 0xef);
    if text.bytes().all(plain) {
        return put(out, text);
    }
    for char in text.chars() {
        match char {
            '&' => put(out, "&amp;"),
            '<' => put(out, "&lt;"),
            '>' => put(out, "&gt;"),
            '"' => put(out, "&quot;"),
            '\'' => put(out, "&apos;"),
            '\t' => put(out, "&#9;"),
            '\n' => put(out, "&#10;"),
            '\r' => put(out, "&#13;"),
            '\u{e000}'..='\u{f8ff}' => {
                put(out, "&#");
                put_number(out, u32::from(char).into());
                put(out, ";");
            }
            char if is_xml(char) => put(out, char.encode_utf8(&mut [0; 4])),
            _ => put(out, "\u{fffd}"),
        }
    }
}

/// An attribute's value: references resolved, white space normalized as XML does.
pub(crate) fn unescaped(raw: &str) -> Result<Cow<'_, str>, Fault> {
    let special = |byte: &u8| matches!(byte, b'&' | b'<' | 0..=0x1f | 0xef);
    // Without a way out of the loop it runs over many bytes at once.
    if raw.as_bytes().iter().filter(|byte| special(byte)).count() == 0 {
        return Ok(Cow::Borrowed(raw));
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(char) = rest.chars().next() {
        let (char, length) = match char {
            '&' => {
                let (reference, _) =
                    rest[1..].split_once(';').ok_or(Fault::from("a reference does not end"))?;
                (resolved(reference)?, reference.len() + 2)
            }
            '\t' | '\n' | '\r' => (' ', 1),
            '<' => return Err("a '<' in an attribute".into()),
            char if is_xml(char) => (char, char.len_utf8()),
            _ => return Err("a character that XML does not have".into()),
        };
        value.push(char);
        rest = &rest[length..];
    }
    Ok(Cow::Owned(value))
}

/// The value of an attribute that is only for people: what is no reference stays as it stands, and a
/// character that XML does not have is replaced.
pub(crate) fn readable<'a>(raw: &'a str, ornament: Ornament, trace: &Trace) -> Cow<'a, str> {
    if let Ok(value) = unescaped(raw) {
        return value;
    }
    trace.blemish(ornament);
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(char) = rest.chars().next() {
        let reference = rest.strip_prefix('&').and_then(|rest| rest.split_once(';'));
        let (char, length) = match (char, reference) {
            ('&', Some((reference, _))) => match resolved(reference) {
                Ok(char) => (char, reference.len() + 2),
                Err(_) => ('&', 1),
            },
            ('\t' | '\n' | '\r', _) => (' ', 1),
            (char, _) if is_xml(char) => (char, char.len_utf8()),
            (char, _) => (char::REPLACEMENT_CHARACTER, char.len_utf8()),
        };
        value.push(char);
        rest = &rest[length..];
    }
    Cow::Owned(value)
}

fn resolved(reference: &str) -> Result<char, Fault> {
    let code = match reference {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => reference.strip_prefix('#').ok_or(Fault::from("an entity that XML does not have"))?,
    };
    let (digits, radix) = code.strip_prefix('x').map_or((code, 10), |digits| (digits, 16));
    // `from_str_radix` would take a sign.
    let digits = Some(digits).filter(|it| it.chars().all(|digit| digit.is_digit(radix)));
    digits
        .and_then(|digits| u32::from_str_radix(digits, radix).ok())
        .and_then(char::from_u32)
        .filter(|char| is_xml(*char))
        .ok_or("a reference to a character that XML does not have".into())
}

/// Whether XML 1.0 has the character.
pub(crate) fn is_xml(char: char) -> bool {
    match char {
        '\t' | '\n' | '\r' => true,
        '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_for_people_is_read_as_far_as_it_goes() {
        for (raw, expected, whole) in [
            ("成交", "成交", true),
            ("a &amp; b", "a & b", true),
            ("a & b; c", "a & b; c", false),
            ("5 < 6 &nbsp;&lt;", "5 < 6 &nbsp;<", false),
            ("a\u{1}b\u{ffff}", "a\u{fffd}b\u{fffd}", false),
            ("&#0;\t&", "&#0; &", false),
        ] {
            let trace = Trace::default();
            assert_eq!(readable(raw, Ornament::Words, &trace), expected, "{raw}");
            assert_eq!(trace.blemishes.get().is_empty(), whole, "{raw}");
        }
    }

    #[test]
    fn whatever_an_attribute_cannot_hold_is_written_in_other_characters() {
        for (text, written) in [
            ("plain", "plain"),
            ("余额不足", "余额不足"),
            ("&", "&amp;"),
            ("<>\"'", "&lt;&gt;&quot;&apos;"),
            ("\t\n\r", "&#9;&#10;&#13;"),
            ("a&b", "a&amp;b"),
            ("\u{e000}\u{f8ff}", "&#57344;&#63743;"),
            ("\0\u{1f}\u{fffe}\u{ffff}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("\u{f900}\u{fffd}\u{10000}", "\u{f900}\u{fffd}\u{10000}"),
        ] {
            let mut out = BytesMut::new();
            put_escaped(&mut out, text);
            assert_eq!(out, written.as_bytes(), "{text:?}");
        }
    }
}
