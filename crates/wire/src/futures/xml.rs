//! XML as far as a packet may use it: elements and attributes. Document types, processing
//! instructions, text, CDATA and entities of one's own are refused, and depth, nodes and attributes
//! are limited, before any meaning is looked for.

use super::attributes::{Attributes, is_blank};
use super::means;
use crate::codec::Encoding;
use crate::ornament::Ornament;
use crate::terms::{Fault, Trace};
use quick_xml::Reader;
use quick_xml::events::{BytesDecl, Event};
use std::borrow::Cow;

/// The deepest nesting. A packet has a depth of five; this is far beyond it (docs/limits.md).
const DEEPEST: usize = 32;

/// The most elements and comments in a packet. The longest page of entries has about 5,500.
const MOST_NODES: usize = 10_000;

/// The most attributes of an element. Ours have at most five.
const MOST_ATTRIBUTES: usize = 16;

/// One step through a packet.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// An element begins.
    Start(Tag<'a>),
    /// The element that began last and is open ends.
    End,
    /// The document ends.
    Eof,
}

/// The start of an element.
#[derive(Debug)]
pub(super) struct Tag<'a> {
    /// Its name, with a prefix if it has one.
    pub(super) name: &'a str,
    /// All between `<` and `>`, without a `/` at its end.
    pub(super) inner: &'a str,
}

/// Walks through a packet.
pub(super) struct Nodes<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    encoding: Encoding,
    depth: usize,
    count: usize,
    rooted: bool,
}

impl<'a> Nodes<'a> {
    /// The nodes of a text whose encoding was this one.
    pub(super) fn new(text: &'a str, encoding: Encoding) -> Nodes<'a> {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        Nodes { text, reader, encoding, depth: 0, count: 0, rooted: false }
    }

    /// The next node.
    pub(super) fn next(&mut self) -> Result<Node<'a>, Fault> {
        loop {
            let start = self.position();
            match self.reader.read_event().map_err(|_| Fault::from("the XML is not well-formed"))? {
                Event::Start(_) => {
                    let raw = self.text.get(start..self.position()).unwrap_or_default();
                    return self.begin(raw).map(Node::Start);
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Node::End);
                }
                Event::Eof if self.depth > 0 => {
                    return Err("the document ends inside an element".into());
                }
                Event::Eof => return Ok(Node::Eof),
                Event::Text(text) if text.bytes().all(is_blank) => {}
                Event::Comment(_) => self.count()?,
                Event::Decl(declaration) if start == 0 => self.check(&declaration)?,
                Event::Text(_) | Event::CData(_) => return Err("text between elements".into()),
                Event::GeneralRef(_) => return Err("a reference between elements".into()),
                Event::DocType(_) => return Err("a document type is not allowed".into()),
                Event::PI(_) | Event::Decl(_) => {
                    return Err("a processing instruction is not allowed".into());
                }
                Event::Empty(_) => return Err("the XML is not well-formed".into()),
            }
        }
    }

    fn begin(&mut self, raw: &'a str) -> Result<Tag<'a>, Fault> {
        if self.depth == 0 && std::mem::replace(&mut self.rooted, true) {
            return Err("a second root".into());
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("nested deeper than 32".into());
        }
        self.count()?;
        let inner = raw
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'))
            .map(|inner| inner.strip_suffix('/').unwrap_or(inner))
            .ok_or(Fault::from("the XML is not well-formed"))?;
        let end = inner.bytes().position(is_blank).unwrap_or(inner.len());
        let name = &inner[..end];
        Ok(Tag { name, inner })
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.count += 1;
        if self.count > MOST_NODES { Err("more than 10000 nodes".into()) } else { Ok(()) }
    }

    fn check(&self, declaration: &BytesDecl) -> Result<(), Fault> {
        let version =
            declaration.version().map_err(|_| Fault::from("the declaration is broken"))?;
        if version != "1.0" {
            return Err("the declaration's version is not 1.0".into());
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(stated)) if means(stated.as_bytes(), self.encoding) => Ok(()),
            Some(_) => Err("the declared encoding is not the agreed one".into()),
        }
    }

    fn position(&self) -> usize {
        // The whole text is in memory.
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }
}

impl<'a> Tag<'a> {
    /// The values of the named attributes as they are written; others are passed over.
    pub(super) fn attributes<const N: usize>(
        &self,
        names: [&'static str; N],
    ) -> Result<[Option<&'a str>; N], Fault> {
        let mut values = [const { None }; N];
        for (index, attribute) in Attributes::of(&self.inner[self.name.len()..]).enumerate() {
            let (name, raw) = attribute?;
            if index >= MOST_ATTRIBUTES {
                return Err("an element has more than 16 attributes".into());
            }
            let Some(slot) = names.iter().position(|known| *known == name) else {
                continue;
            };
            if values[slot].replace(raw).is_some() {
                return Err(Fault::of(names[slot], "comes twice"));
            }
        }
        Ok(values)
    }
}

/// An attribute's value: references resolved, white space normalized as XML does.
pub(super) fn unescaped(raw: &str) -> Result<Cow<'_, str>, Fault> {
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
pub(super) fn readable<'a>(raw: &'a str, ornament: Ornament, trace: &Trace) -> Cow<'a, str> {
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
pub(super) fn is_xml(char: char) -> bool {
    match char {
        '\t' | '\n' | '\r' => true,
        '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(text: &str) -> Result<String, Fault> {
        let mut nodes = Nodes::new(text, Encoding::Utf8);
        let mut seen = String::new();
        loop {
            match nodes.next()? {
                Node::Start(tag) => {
                    let [a, b] = tag.attributes(["a", "b"])?;
                    seen.push_str(tag.name);
                    for value in [a, b].into_iter().flatten() {
                        seen.push('=');
                        seen.push_str(&unescaped(value)?);
                    }
                    seen.push('(');
                }
                Node::End => seen.push(')'),
                Node::Eof => return Ok(seen),
            }
        }
    }

    #[test]
    fn elements_and_attributes_are_walked() {
        for (text, expected) in [
            ("<r/>", "r()"),
            ("<r />\n", "r()"),
            ("<r a='1'/>", "r=1()"),
            ("<r\n\ta=\"1\" other='x' b = '>/'><s/></r>", "r=1=>/(s())"),
            ("<?xml version='1.0'?><r/>", "r()"),
            ("<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\n<r/>", "r()"),
            ("<!-- a comment --><r><!-- another --></r>", "r()"),
            ("<r a='&lt;&amp;amp;&gt;&quot;&apos;&#65;&#x4f59;&#9;'/>", "r=<&amp;>\"'A余\t()"),
            ("<r a='1\n2\t3'/>", "r=1 2 3()"),
            ("<r a='，'/>", "r=，()"),
        ] {
            assert_eq!(walk(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "<r>",
            "<r",
            "</r>",
            "<r></s>",
            "<r/><r/>",
            "<r/>text",
            "text<r/>",
            "<r>text</r>",
            "<r>&amp;</r>",
            "<r>&#32;</r>",
            "<r><![CDATA[x]]></r>",
            "<r><![CDATA[]]></r>",
            "<!DOCTYPE r><r/>",
            "<!DOCTYPE r [<!ENTITY a 'aaaa'>]><r a='&a;'/>",
            "<!doctype r><r/>",
            "<?php x?><r/>",
            "<r><?xml version='1.0'?></r>",
            " <?xml version='1.0'?><r/>",
            "<r/><?xml version='1.0'?>",
            "<?xml version='1.1'?><r/>",
            "<?xml encoding='UTF-8'?><r/>",
            "<?xml version='1.0' encoding='GB18030'?><r/>",
            "<?xml version='1.0' encoding='UTF-16'?><r/>",
            "<r a='1' a='2'/>",
            "<r a=1/>",
            "<r a/>",
            "<r a='<'/>",
            "<r a='&nbsp;'/>",
            "<r a='&'/>",
            "<r a='&amp'/>",
            "<r a='&#0;'/>",
            "<r a='&#xD800;'/>",
            "<r a='&#xFFFF;'/>",
            "<r a='&#x110000;'/>",
            "<r a='&#+65;'/>",
            "<r a='&#;'/>",
            "<r a='&#x;'/>",
            "<r a='\u{1}'/>",
            "<r a='\u{ffff}'/>",
            "<!-- a -- b --><r/>",
        ] {
            assert!(walk(text).is_err(), "{text}");
        }
    }

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
    fn depth_nodes_and_attributes_have_edges() {
        let nested = |depth| format!("{}{}", "<r>".repeat(depth), "</r>".repeat(depth));
        assert!(walk(&nested(DEEPEST)).is_ok());
        assert!(walk(&nested(DEEPEST + 1)).is_err());
        assert!(walk(&"<r>".repeat(100_000)).is_err());
        let flat = |count| format!("<r>{}</r>", "<s/>".repeat(count));
        assert!(walk(&flat(MOST_NODES - 1)).is_ok());
        assert!(walk(&flat(MOST_NODES)).is_err());
        assert!(walk(&format!("<r>{}</r>", "<!-- -->".repeat(MOST_NODES))).is_err());
        let wide = |count| format!("<r{}/>", " x='1'".repeat(count));
        assert!(walk(&wide(MOST_ATTRIBUTES)).is_ok());
        assert!(walk(&wide(MOST_ATTRIBUTES + 1)).is_err());
    }
}
