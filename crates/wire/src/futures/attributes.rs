//! The attributes of an element, in one pass over its bytes.
//!
//! A packet is mostly attributes, and reading it is most of what a futures counter costs the bridge:
//! `quick_xml`'s own iterator over them took two thirds of it (docs/performance.md).

use crate::terms::Fault;

/// Walks over the attributes of an element: names, and values as they are written.
pub(super) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    /// Of all that stands between an element's name and its end.
    pub(super) fn of(text: &'a str) -> Attributes<'a> {
        Attributes { rest: text }
    }

    /// The attribute that the rest begins with, and what comes after it.
    fn split(text: &'a str) -> Option<((&'a str, &'a str), &'a str)> {
        let end = text.bytes().position(|byte| byte == b'=' || is_blank(byte))?;
        let (name, rest) = text.split_at(end);
        let rest = trimmed(trimmed(rest).strip_prefix('=')?);
        let quote = *rest.as_bytes().first().filter(|quote| matches!(quote, b'"' | b'\''))?;
        let rest = &rest[1..];
        let end = rest.bytes().position(|byte| byte == quote)?;
        let known = !name.is_empty() && !name.contains(['"', '\'']);
        known.then(|| ((name, &rest[..end]), &rest[end + 1..]))
    }
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
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trimmed(text: &str) -> &str {
    let blanks = text.bytes().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    &text[blanks..]
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
            "a='1'", " a", " a=", " a =", " a=1", " a='", " a='1", " a='1\"", " ='1'", " =", " '1'",
            " a='1'b='2'", " a='1'2", " a b='1'", " a=='1'", " a\"='1'", " \u{a0}", " a\u{a0}='1'x",
        ] {
            assert!(all(text).is_err(), "{text}");
            assert!(Attributes::of(text).count() <= 2, "{text}");
        }
    }
}
