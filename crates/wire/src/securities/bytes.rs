//! The protobuf wire format: tags, varints, and bytes behind a length.

use crate::conversation::{Nonce, Proof};
use crate::error::EncodeError;
use crate::ornament::Ornament;
use crate::terms::{Fault, Trace};
use bytes::{BufMut, BytesMut};
use domain::serial::Mark;
use encoding_rs::UTF_8;
use std::borrow::Cow;

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const DELIMITED: u32 = 2;
const FIXED32: u32 = 5;

/// The highest field number that protobuf allows.
const LAST_FIELD: u64 = (1 << 29) - 1;

/// Whether it could be written.
pub(super) type Written = Result<(), EncodeError>;

/// What was read, or what is wrong with it.
pub(super) type Read<T> = Result<T, Fault>;

/// Hands every field of a message to `field`.
pub(super) fn each<'a>(
    bytes: &'a [u8],
    singular: FieldSet,
    mut field: impl FnMut(u32, Value<'a>) -> Read<()>,
) -> Read<()> {
    let mut fields = Fields::new(bytes, singular);
    while let Some((number, value)) = fields.next()? {
        field(number, value)?;
    }
    Ok(())
}

/// Writes one message's fields. A field at its default is left out, as proto3 does.
pub(super) struct Writer<'a>(pub(super) &'a mut BytesMut);

impl Writer<'_> {
    /// A number, left out if zero.
    pub(super) fn uint(&mut self, field: u32, value: impl Into<u64>) {
        let value = value.into();
        if value != 0 {
            self.always(field, value);
        }
    }

    /// A number, even if zero: a field with presence.
    pub(super) fn always(&mut self, field: u32, value: impl Into<u64>) {
        self.tag(field, VARINT);
        self.varint(value.into());
    }

    /// A signed number that is known not to be negative.
    pub(super) fn minor(&mut self, field: u32, value: i64) {
        self.uint(field, value.cast_unsigned());
    }

    /// A mark, left out if there is none; one of all zeros is written.
    pub(super) fn mark(&mut self, field: u32, mark: Option<Mark>) {
        if let Some(Mark(bits)) = mark {
            self.tag(field, FIXED64);
            self.0.put_u64_le(bits);
        }
    }

    /// A text, left out if empty.
    pub(super) fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    /// Bytes, left out if there are none.
    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.tag(field, DELIMITED);
            self.varint(bytes.len() as u64);
            self.0.extend_from_slice(bytes);
        }
    }

    /// A message, even if empty.
    pub(super) fn message<E>(
        &mut self,
        field: u32,
        fields: impl FnOnce(&mut Writer) -> Result<(), E>,
    ) -> Result<(), E> {
        self.tag(field, DELIMITED);
        // Nearly every message is shorter than 128 bytes: one byte is set aside for its length, and
        // a longer message is moved once.
        let start = self.0.len();
        self.0.extend_from_slice(&[0]);
        fields(&mut Writer(self.0))?;
        let length = self.0.len() - start - 1;
        let (encoded, width) = encode_varint(length as u64);
        if width > 1 {
            self.0.resize(self.0.len() + width - 1, 0);
            self.0.copy_within(start + 1..start + 1 + length, start + width);
        }
        self.0[start..start + width].copy_from_slice(&encoded[..width]);
        Ok(())
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    fn varint(&mut self, value: u64) {
        if value < 0x80 {
            self.0.put_u8(value.to_le_bytes()[0]);
            return;
        }
        let (bytes, width) = encode_varint(value);
        let end = self.0.len() + width;
        // All ten at once and the rest cut off: a copy of a fixed length takes no call.
        self.0.extend_from_slice(&bytes);
        self.0.truncate(end);
    }
}

/// The bytes of a varint and how many of them count.
fn encode_varint(mut value: u64) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut width = 0;
    loop {
        let low = (value & 0x7f).to_le_bytes()[0];
        value >>= 7;
        if value == 0 {
            bytes[width] = low;
            return (bytes, width + 1);
        }
        bytes[width] = low | 0x80;
        width += 1;
    }
}

/// A set of field numbers below 64.
#[derive(Clone, Copy)]
pub(super) struct FieldSet(u64);

impl FieldSet {
    /// The numbers 1 to `last`.
    pub(super) const fn up_to(last: u32) -> FieldSet {
        FieldSet((1 << (last + 1)) - 2)
    }

    /// The same without `field`.
    pub(super) const fn without(self, field: u32) -> FieldSet {
        FieldSet(self.0 & !(1 << field))
    }
}

/// Reads one message's fields in the order in which they come.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    singular: FieldSet,
    seen: u64,
}

impl<'a> Fields<'a> {
    /// The fields in `bytes`, of which those in `singular` may come once only.
    pub(super) fn new(bytes: &'a [u8], singular: FieldSet) -> Fields<'a> {
        Fields { rest: bytes, singular, seen: 0 }
    }

    /// The next field's number and value.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        if !(1..=LAST_FIELD).contains(&(tag >> 3)) {
            return Err("a field's number is out of range".into());
        }
        // Just checked to fit.
        let field = u32::try_from(tag >> 3).unwrap_or(u32::MAX);
        let bit = if field < 64 { 1 << field & self.singular.0 } else { 0 };
        if self.seen & bit != 0 {
            return Err(Fault(format!("field {field} comes twice").into()));
        }
        self.seen |= bit;
        let value = match (tag & 7) as u32 {
            VARINT => Value::Number(self.varint()?),
            FIXED64 => Value::Fixed64(self.eight()?),
            FIXED32 => self.take(4).map(|_| Value::Fixed)?,
            DELIMITED => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| Fault::from(TRUNCATED))?;
                Value::Bytes(self.take(length)?)
            }
            _ => return Err("a field has an unknown wire type".into()),
        };
        Ok(Some((field, value)))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Fault> {
        // Nearly every tag, length and code.
        if let Some((byte, rest)) = self.rest.split_first()
            && *byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for (index, byte) in self.rest.iter().copied().enumerate().take(10) {
            if index == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { TRUNCATED.into() } else { "a number is too long".into() })
    }

    fn eight(&mut self) -> Result<u64, Fault> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Fault::from(TRUNCATED))?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*taken))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Fault::from(TRUNCATED))?;
        self.rest = rest;
        Ok(taken)
    }
}

const TRUNCATED: &str = "the body ends in the middle of a field";

/// A field's value as far as the wire format knows it.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// A varint.
    Number(u64),
    /// Bytes behind a length.
    Bytes(&'a [u8]),
    /// Eight bytes, the lowest first.
    Fixed64(u64),
    /// Four bytes; no field of ours.
    Fixed,
}

impl<'a> Value<'a> {
    /// An unsigned number or an enum's value.
    pub(super) fn number(self, field: &'static str) -> Result<u64, Fault> {
        match self {
            Value::Number(number) => Ok(number),
            Value::Bytes(_) | Value::Fixed64(_) | Value::Fixed => {
                Err(Fault::of(field, "is not a number"))
            }
        }
    }

    /// A signed number of minor units or microseconds.
    pub(super) fn signed(self, field: &'static str) -> Result<i64, Fault> {
        self.number(field).map(u64::cast_signed)
    }

    /// A mark.
    pub(super) fn mark(self) -> Result<Mark, Fault> {
        match self {
            Value::Fixed64(bits) => Ok(Mark(bits)),
            Value::Number(_) | Value::Bytes(_) | Value::Fixed => {
                Err(Fault::of("mark", "is not eight bytes"))
            }
        }
    }

    /// A truth value: 0 or 1.
    pub(super) fn truth(self, field: &'static str) -> Result<bool, Fault> {
        match self.number(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Fault::of(field, "is neither 0 nor 1")),
        }
    }

    /// Bytes, or the bytes of a message.
    pub(super) fn bytes(self, field: &'static str) -> Result<&'a [u8], Fault> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Number(_) | Value::Fixed64(_) | Value::Fixed => {
                Err(Fault::of(field, "is not bytes"))
            }
        }
    }

    /// A text.
    pub(super) fn text(self, field: &'static str) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| Fault::of(field, "is not UTF-8"))
    }

    /// Words, which are only for people: what is not UTF-8 is replaced.
    pub(super) fn words(self, field: &'static str, trace: &Trace) -> Result<Cow<'a, str>, Fault> {
        let (words, unreadable) = UTF_8.decode_without_bom_handling(self.bytes(field)?);
        if unreadable {
            trace.blemish(Ornament::Words);
        }
        Ok(words)
    }

    /// A nonce or a proof.
    pub(super) fn token(self, field: &'static str) -> Result<Token, Fault> {
        self.bytes(field)?.try_into().map_err(|_| Fault::of(field, "is not 32 bytes"))
    }
}

/// 32 bytes, whichever they are.
pub(super) type Token = [u8; 32];

const _: fn(Token) -> (Nonce, Proof) = |token| (token, token);

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<u32>, Fault> {
        let mut fields = Fields::new(bytes, FieldSet::up_to(3).without(2));
        let mut numbers = Vec::new();
        while let Some((number, _)) = fields.next()? {
            numbers.push(number);
        }
        Ok(numbers)
    }

    #[test]
    fn varints_have_edges() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let (bytes, width) = encode_varint(value);
            let mut fields = Fields::new(&bytes[..width], FieldSet::up_to(1));
            assert_eq!(fields.varint().expect("a varint"), value);
            assert!(fields.rest.is_empty());
        }
        let too_long = [255; 11];
        assert!(Fields::new(&too_long, FieldSet::up_to(1)).varint().is_err());
        let too_large = [255, 255, 255, 255, 255, 255, 255, 255, 255, 2];
        assert!(Fields::new(&too_large, FieldSet::up_to(1)).varint().is_err());
        let why = |bytes| Fields::new(bytes, FieldSet::up_to(1)).varint().expect_err("no number").0;
        assert_eq!(why(&[0x80; 9]), TRUNCATED);
        assert_eq!(why(&[0x80; 10]), "a number is too long");
        assert_eq!(why(&[0x80; 11]), "a number is too long");
    }

    #[test]
    fn fields_come_once_unless_they_repeat_and_unknown_ones_are_skipped() {
        assert_eq!(all(&[0x08, 1, 0x10, 1, 0x10, 2]).expect("two repeats"), [1, 2, 2]);
        assert!(all(&[0x08, 1, 0x08, 1]).is_err(), "one comes twice");
        let unknown = [0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0x25, 0, 0, 0, 0, 0x22, 1, 7];
        assert_eq!(all(&unknown).expect("unknown fields"), [4, 4, 4]);
        assert_eq!(all(&[0x80, 0x04, 7]).expect("an unknown field"), [64]);
        for bad in
            [&[0x00][..], &[0x02, 0], &[0x0b], &[0x0c], &[0x0f], &[0x0a, 2, 0], &[0x09, 0], &[0x08]]
        {
            assert!(all(bad).is_err(), "{bad:?}");
        }
        assert!(all(&[0x0a, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]).is_err());
    }

    #[test]
    fn a_truth_value_is_0_or_1() {
        assert!(!Value::Number(0).truth("open").expect("no"));
        assert!(Value::Number(1).truth("open").expect("yes"));
        assert!(Value::Number(2).truth("open").is_err());
        assert!(Value::Fixed64(1).truth("open").is_err());
    }

    #[test]
    fn a_long_message_is_moved_behind_its_length() {
        for length in [0, 1, 125, 126, 127, 128, 16_380, 16_384, 70_000] {
            let text = "x".repeat(length);
            let mut out = BytesMut::from(&b"before"[..]);
            Writer(&mut out)
                .message::<Fault>(1, |writer| {
                    writer.text(2, &text);
                    Ok(())
                })
                .expect("infallible");
            let mut outer = Fields::new(&out[6..], FieldSet::up_to(1));
            let (_, value) = outer.next().expect("a field").expect("one");
            let mut inner = Fields::new(value.bytes("inner").expect("bytes"), FieldSet::up_to(2));
            match inner.next().expect("a field") {
                Some((2, value)) => assert_eq!(value.text("text").expect("text"), text),
                _ => assert_eq!(length, 0),
            }
            assert!(outer.next().expect("the end").is_none());
        }
    }
}
