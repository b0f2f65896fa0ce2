//! XML as far as a packet may use it: elements and attributes. Document types, processing
//! instructions, text, CDATA and entities of one's own are refused, and depth, nodes and attributes
//! are limited, before any meaning is looked for.

use super::attributes::{Attributes, is_blank};
use super::encoding::means;
use crate::terms::Fault;
use crate::xml::options::Encoding;
use quick_xml::Reader;
use quick_xml::events::{BytesDecl, Event};
use std::io::BufRead;

/// The deepest nesting. A packet has a depth of five; this is far beyond it (docs/limits.md).
const DEEPEST: usize = 32;

/// The most elements and comments in a packet. The longest page of entries has about 5,500.
const MOST_NODES: usize = 10_000;

/// The most attributes of an element. Ours have at most five.
const MOST_ATTRIBUTES: usize = 16;

/// One step through a packet.
#[derive(Debug)]
pub(crate) enum Node<'a> {
    /// An element begins.
    Start(Tag<'a>),
    /// The element that began last and is open ends.
    End,
    /// The document ends.
    Eof,
}

/// The start of an element.
#[derive(Debug)]
pub(crate) struct Tag<'a> {
    /// Its name, with a prefix if it has one.
    pub(crate) name: &'a str,
    /// All between `<` and `>`, without a `/` at its end.
    pub(crate) inner: &'a str,
}

/// Walks through a packet.
pub(crate) struct Nodes<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    encoding: Encoding,
    depth: usize,
    count: usize,
    rooted: bool,
    /// Whether the element that began last is empty, and its end has not been told.
    ends: bool,
}

impl<'a> Nodes<'a> {
    /// The nodes of a text whose encoding was this one.
    pub(crate) fn new(text: &'a str, encoding: Encoding) -> Nodes<'a> {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        Nodes { text, reader, encoding, depth: 0, count: 0, rooted: false, ends: false }
    }

    /// The next node.
    pub(crate) fn next(&mut self) -> Result<Node<'a>, Fault> {
        loop {
            let start = self.position();
            match self.reader.read_event().map_err(|_| Fault::from("the XML is not well-formed"))? {
                Event::Start(_) => {
                    let raw = self.text.get(start..self.position()).unwrap_or_default();
                    return self.begin(raw).map(Node::Start);
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    self.ends = false;
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

    /// What comes after the last node, as it is written; nothing where its end comes next, which an empty element has not
    /// got written.
    pub(crate) fn ahead(&self) -> &'a str {
        if self.ends { "" } else { self.text.get(self.position()..).unwrap_or_default() }
    }

    /// Passes over an empty element and the white space before it, so many bytes of what is ahead, which whoever
    /// calls has looked at: it counts as an element that was read.
    pub(crate) fn pass(&mut self, length: usize) -> Result<(), Fault> {
        self.enter()?;
        self.depth -= 1;
        self.reader.stream().consume(length);
        Ok(())
    }

    /// The next node, which must be an element that begins.
    pub(crate) fn any(&mut self) -> Result<Tag<'a>, Fault> {
        match self.next()? {
            Node::Start(tag) => Ok(tag),
            Node::End | Node::Eof => Err("an element is missing".into()),
        }
    }

    /// The next node, which must be the begin of this element.
    pub(crate) fn start(&mut self, name: &'static str) -> Result<Tag<'a>, Fault> {
        let tag = self.any()?;
        if tag.name == name {
            Ok(tag)
        } else {
            Err(Fault::of(name, "is expected, not another element"))
        }
    }

    /// The next node, which must be the end of an element.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        match self.next()? {
            Node::End => Ok(()),
            Node::Start(_) => Err("an element too many".into()),
            Node::Eof => Err("the document ends early".into()),
        }
    }

    fn begin(&mut self, raw: &'a str) -> Result<Tag<'a>, Fault> {
        self.enter()?;
        self.ends = raw.ends_with("/>");
        let inner = raw
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'))
            .map(|inner| inner.strip_suffix('/').unwrap_or(inner))
            .ok_or(Fault::from("the XML is not well-formed"))?;
        let end = inner.bytes().position(is_blank).unwrap_or(inner.len());
        let name = &inner[..end];
        Ok(Tag { name, inner })
    }

    /// One element more, and one level deeper.
    fn enter(&mut self) -> Result<(), Fault> {
        if self.depth == 0 && std::mem::replace(&mut self.rooted, true) {
            return Err("a second root".into());
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("nested deeper than 32".into());
        }
        self.count()
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
    pub(crate) fn attributes<const N: usize>(
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

#[cfg(test)]
mod tests {
    use super::super::text::unescaped;
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
    fn what_is_passed_over_counts_as_read_and_the_walk_goes_on_behind_it() {
        let mut nodes = Nodes::new("<r>\n <s a='1'/> <t/></r>", Encoding::Utf8);
        nodes.start("r").expect("a root");
        assert_eq!(nodes.ahead(), "\n <s a='1'/> <t/></r>");
        nodes.pass("\n <s a='1'/>".len()).expect("an element");
        assert_eq!(nodes.ahead(), " <t/></r>");
        assert_eq!(nodes.start("t").expect("another").inner, "t");
        nodes.end().expect("its end");
        nodes.end().expect("the root's end");
        assert!(matches!(nodes.next(), Ok(Node::Eof)));

        let mut nodes = Nodes::new("<r><s/><t/></r>", Encoding::Utf8);
        nodes.start("r").expect("a root");
        nodes.start("s").expect("an empty element");
        assert_eq!(nodes.ahead(), "", "its end comes first");
        nodes.end().expect("its end");
        assert_eq!(nodes.ahead(), "<t/></r>");

        let flat = format!("<r>{}</r>", "<s/>".repeat(MOST_NODES));
        let mut nodes = Nodes::new(&flat, Encoding::Utf8);
        nodes.start("r").expect("a root");
        for _ in 1..MOST_NODES {
            nodes.pass(4).expect("no more than there may be");
        }
        assert!(nodes.pass(4).is_err(), "one too many");

        for (depth, may) in [(DEEPEST - 1, true), (DEEPEST, false)] {
            let nested = format!("{}<s/>", "<r>".repeat(depth));
            let mut nodes = Nodes::new(&nested, Encoding::Utf8);
            for _ in 0..depth {
                nodes.start("r").expect("no deeper than it may be");
            }
            assert_eq!(nodes.pass(4).is_ok(), may, "{depth}");
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
