//! A body as text, for people: protobuf's text form of the very bytes, with the names of the schema, which the build
//! reads out of it.

use super::bytes::{FieldSet, Fields, Value};
use crate::codec::SESSIONS_OWN;
use crate::terms::Fault;
use std::fmt::Write;

/// A message of the schema.
struct Shape {
    name: &'static str,
    fields: &'static [(u32, &'static str, Kind)],
}

/// What the bytes of a field are.
#[derive(Clone, Copy)]
enum Kind {
    /// What they look like: a number, a mark or a text.
    Plain,
    /// A number below zero, perhaps.
    Signed,
    Truth,
    /// One of an enum's words.
    Word(&'static [(u64, &'static str)]),
    Message(&'static str),
}

static SCHEMA: &[Shape] = include!(concat!(env!("OUT_DIR"), "/securities_names.rs"));

/// The body of a frame. What is the session's own is left out.
pub(super) fn spelled(body: &[u8]) -> Result<String, Fault> {
    let mut text = String::new();
    message(body, "Frame", 0, &mut text)?;
    Ok(text)
}

fn message(bytes: &[u8], name: &str, depth: usize, text: &mut String) -> Result<(), Fault> {
    let fields = SCHEMA.iter().find(|shape| shape.name == name).map_or(&[][..], |it| it.fields);
    let mut read = Fields::new(bytes, FieldSet::up_to(0));
    while let Some((number, value)) = read.next()? {
        let known = fields.iter().find(|(field, ..)| *field == number);
        let (field, kind) = match known {
            Some((_, field, kind)) => ((*field).to_owned(), *kind),
            None => (number.to_string(), Kind::Plain),
        };
        let _ = write!(text, "{:width$}{field}", "", width = 2 * depth);
        if depth == 0 && number == super::body::REQUEST_ID {
            let _ = writeln!(text, ": {SESSIONS_OWN}");
            continue;
        }
        // Writing into a text does not fail.
        let _ = match (kind, value) {
            (Kind::Message(name), Value::Bytes(bytes)) => {
                text.push_str(" {\n");
                message(bytes, name, depth + 1, text)?;
                writeln!(text, "{:width$}}}", "", width = 2 * depth)
            }
            (Kind::Word(words), Value::Number(value)) => {
                match words.iter().find(|(known, _)| *known == value) {
                    Some((_, word)) => writeln!(text, ": {word}"),
                    None => writeln!(text, ": {value}"),
                }
            }
            (Kind::Truth, Value::Number(value)) => writeln!(text, ": {}", value != 0),
            (Kind::Signed, Value::Number(value)) => writeln!(text, ": {}", value.cast_signed()),
            (_, Value::Number(value)) => writeln!(text, ": {value}"),
            (_, Value::Fixed64(bits)) => writeln!(text, ": 0x{bits:016x}"),
            (_, Value::Bytes(bytes)) => writeln!(text, ": \"{}\"", Quoted(bytes)),
            (_, Value::Fixed) => writeln!(text, ": (four bytes)"),
        };
    }
    Ok(())
}

/// Bytes as the text form writes a string.
struct Quoted<'a>(&'a [u8]);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for letter in String::from_utf8_lossy(self.0).chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\0'..='\u{1f}' | '\u{7f}' => write!(f, "\\{:03o}", u32::from(letter))?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}
