//! The attributes of an element, in one pass over its bytes.
//!
//! A packet is mostly attributes: this loop is most of what reading one costs (docs/performance.md).

use crate::terms::Fault;

/// Walks over the attributes of an element: names, and values as they are written.
pub(crate) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    /// Of all that stands between an element's name and its end.
    pub(crate) fn of(text: &'a str) -> Attributes<'a> {
        Attributes { rest: text }
    }

    /// The attribute that the text begins with, and what comes after it.
    fn split(text: &'a str) -> Option<((&'a str, &'a str), &'a str)> {
        let bytes = text.as_bytes();
        let name =
            skip(bytes, 0, |byte| byte != b'=' && byte != b'"' && byte != b'\'' && !is_blank(byte));
        let equals = skip(bytes, name, is_blank);
        let open = skip(bytes, equals + 1, is_blank);
        let quote = *bytes.get(open).filter(|quote| matches!(quote, b'"' | b'\''))?;
        let close = skip(bytes, open + 1, |byte| byte != quote);
        // Every index is that of an ASCII character, or the length.
        let well_formed = name > 0 && bytes.get(equals) == Some(&b'=') && close < bytes.len();
        well_formed.then(|| ((&text[..name], &text[open + 1..close]), &text[close + 1..]))
    }
}

/// The first index from `start` on whose byte is not `passed`, or the length.
fn skip(bytes: &[u8], start: usize, passed: impl Fn(u8) -> bool) -> usize {
    let mut index = start.min(bytes.len());
    while index < bytes.len() && passed(bytes[index]) {
        index += 1;
    }
    index
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(&'a str, &'a str), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = trimmed(self.rest);
        if text.is_empty() {
            return None;
        }
        let apart = text.len() < self.rest.len();
        let Some((attribute, rest)) = Self::split(text).filter(|_| apart) else {
            self.rest = "";
            return Some(Err("an attribute is not well-formed".into()));
        };
        self.rest = rest;
        Some(Ok(attribute))
    }
}

/// Whether XML takes the byte for white space.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A text without the white space that it begins with.
pub(crate) fn trimmed(text: &str) -> &str {
    &text[skip(text.as_bytes(), 0, is_blank)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(&str, &str)>, Fault> {
        Attributes::of(text).collect()
    }

    #[test]
    fn names_and_values_come_as_they_are_written() {
        for (text, expected) in [
            ("", &[][..]),
            (" \t\r\n", &[]),
            (" a=\"1\"", &[("a", "1")]),
            ("\na = '1'\tb:c=\"\" ", &[("a", "1"), ("b:c", "")]),
            (" a='\"' b=\"'\"", &[("a", "\""), ("b", "'")]),
            (" a='&amp; >/ = 余'", &[("a", "&amp; >/ = 余")]),
            (" 名='1'", &[("名", "1")]),
        ] {
            assert_eq!(all(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused_and_ends_the_walk() {
        for text in [
            "a='1'",
            " a",
            " a=",
            " a =",
            " a=1",
            " a='",
            " a='1",
            " a='1\"",
            " ='1'",
            " =",
            " '1'",
            " a='1'b='2'",
            " a='1'2",
            " a b='1'",
            " a=='1'",
            " a\"='1'",
            " \u{a0}",
            " a\u{a0}='1'x",
        ] {
            assert!(all(text).is_err(), "{text}");
            assert!(Attributes::of(text).count() <= 2, "{text}");
        }
    }
}
