//! What people are shown of a message is what goes over the wire: read back, it is the message.

mod common;

use bytes::{BufMut, BytesMut};
use common::any;
use domain::profile::AmountUnit;
use encoding_rs::GB18030;
use proptest::prelude::*;
use wire::codec::{Codec, Incoming, SESSIONS_OWN};
use wire::dialect::{Dialect, Encoding, XmlOptions};
use wire::message::Message;
use wire::ornament::Blemishes;
use wire::payload::Payload;
use wire::securities::generated;

/// The number that is filled in for the session's own.
const ID: &str = "1";

/// Whoever writes, and whoever reads it at the other end.
fn ends(dialect: &Dialect, counter: &str, payload: &Payload) -> (Codec, Codec) {
    let bridge = Codec::new(dialect.clone(), common::parties(counter));
    let counter = common::facing(dialect, counter);
    match payload {
        Payload::Request(..) => (bridge, counter),
        Payload::Response(..) => (counter, bridge),
    }
}

/// The same with the number that is filled in.
fn with_id(payload: Payload) -> Payload {
    let id = wire::payload::RequestId(1);
    match payload {
        Payload::Request(_, it) => Payload::Request(id, it),
        Payload::Response(_, it) => Payload::Response(id, it),
    }
}

#[track_caller]
fn check(dialect: &Dialect, counter: &str, payload: Payload, read: impl Fn(&str) -> Vec<u8>) {
    let (writes, reads) = ends(dialect, counter, &payload);
    let text = writes.spelled(&payload).expect("it can be said");
    let body = read(&text);
    let mut blemishes = Blemishes::default();
    let said = Message::Payload(with_id(payload));
    assert_eq!(reads.decode_body(&body, &mut blemishes), Incoming::Message(said), "{text}");
    assert!(blemishes.is_empty(), "{text}");
}

fn payload() -> impl Strategy<Value = Payload> {
    any::message().prop_filter_map("a payload", |message| match message {
        Message::Payload(payload) => Some(payload),
        Message::Conversation(_) => None,
    })
}

/// XML with what the session gives filled in.
fn packet(text: &str, encoding: Encoding) -> Vec<u8> {
    let time = format!("timestamp=\"{SESSIONS_OWN}\"");
    assert_eq!(text.matches(&time).count(), 1, "{text}");
    let mut filled = text.replacen(&time, "timestamp=\"2026-11-21T09:30:00\"", 1);
    for head in ["<Request id=\"", "<Response id=\"", " requestId=\""] {
        filled = filled.replacen(&format!("{head}{SESSIONS_OWN}\""), &format!("{head}{ID}\""), 1);
    }
    match encoding {
        Encoding::Utf8 => filled.into_bytes(),
        Encoding::Gb18030 => GB18030.encode(&filled).0.into_owned(),
    }
}

/// Reads the text form: a field a line, a message between braces. Field numbers are those of the types that prost makes of
/// the schema, by a path that is not the codec's.
fn frame(text: &str) -> Vec<u8> {
    let mut lines = text.lines().map(str::trim);
    let mut out = BytesMut::new();
    message(&mut lines, "Frame", &mut out);
    assert_eq!(lines.next(), None, "{text}");
    out.to_vec()
}

fn varint(mut value: u64, out: &mut BytesMut) {
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        out.put_u8(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return;
        }
    }
}

fn delimited(number: u64, bytes: &[u8], out: &mut BytesMut) {
    varint(number << 3 | 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn message<'a>(lines: &mut impl Iterator<Item = &'a str>, of: &str, out: &mut BytesMut) {
    while let Some(line) = lines.next() {
        if line == "}" {
            return;
        }
        if let Some(name) = line.strip_suffix(" {") {
            let (number, of) = field(of, name);
            let mut inner = BytesMut::new();
            message(lines, of, &mut inner);
            delimited(number, &inner, out);
            continue;
        }
        let (name, value) = line.split_once(": ").expect("a field");
        let (number, words) = field(of, name);
        let value = if value == SESSIONS_OWN { ID } else { value };
        if let Some(quoted) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
            delimited(number, unquoted(quoted).as_bytes(), out);
        } else if let Some(hex) = value.strip_prefix("0x") {
            varint(number << 3 | 1, out);
            out.put_u64_le(u64::from_str_radix(hex, 16).expect("a mark"));
        } else {
            varint(number << 3, out);
            let word = |word: &str| match words {
                "Look" => generated::Look::from_str_name(word).map(i32::from),
                "Finding" => generated::Finding::from_str_name(word).map(i32::from),
                _ => generated::EntryKind::from_str_name(word).map(i32::from),
            };
            let number = match value {
                "true" => 1,
                "false" => 0,
                value => match (value.parse::<i64>(), value.parse::<u64>()) {
                    (_, Ok(number)) => number,
                    (Ok(number), Err(_)) => number.cast_unsigned(),
                    (Err(_), Err(_)) => {
                        u64::try_from(word(value).expect("a word")).expect("a number")
                    }
                },
            };
            varint(number, out);
        }
    }
}

fn unquoted(quoted: &str) -> String {
    let mut text = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (letter, false) => text.push(letter),
            (_, true) => match letters.next().expect("an escape") {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                first @ '0'..='3' => {
                    let octal: String = [Some(first), letters.next(), letters.next()]
                        .map(|digit| digit.expect("three digits"))
                        .iter()
                        .collect();
                    let code = u32::from_str_radix(&octal, 8).expect("octal");
                    text.push(char::from_u32(code).expect("a character"));
                }
                other => text.push(other),
            },
        }
    }
    text
}

/// The number of a field and what it holds, read from the schema as it stands in `proto/`.
fn field(of: &str, name: &str) -> (u64, &'static str) {
    let schema = include_str!("../../../proto/securities/v1/securities.proto");
    let (_, rest) = schema.split_once(&format!("\nmessage {of} {{\n")).expect(of);
    let (body, _) = rest.split_once("\n}\n").expect("its end");
    let declared = body.lines().map(str::trim).find_map(|line| {
        let (left, right) = line.split_once(" = ")?;
        let mut words = left.split(' ').rev();
        (words.next() == Some(name)).then(|| (words.next().expect("a type"), right))
    });
    let (of, number) = declared.unwrap_or_else(|| panic!("{of} has no {name}"));
    (number.trim_end_matches(';').parse().expect("a number"), of)
}

proptest! {
    #[test]
    fn protobuf_in_its_text_form_is_what_goes_over_the_wire(payload in payload()) {
        check(&Dialect::Securities, "securities", payload, frame);
    }

    #[test]
    fn xml_by_lines_is_what_goes_over_the_wire(payload in payload(), major: bool, gb: bool) {
        let encoding = if gb { Encoding::Gb18030 } else { Encoding::Utf8 };
        let amount_unit = if major { AmountUnit::Major } else { AmountUnit::Minor };
        let options = XmlOptions { encoding, amount_unit, utc_offset_minutes: 480 };
        let dialect = Dialect::Futures(options);
        check(&dialect, "futures", payload, |text| packet(text, encoding));
    }
}

/// As a person reads it, of both dialects.
#[test]
fn a_debit_is_spelled_so() {
    let samples = common::samples("securities");
    let debit = samples.iter().find(|sample| sample.name == "debit").expect("a debit");
    let Message::Payload(debit) = &debit.message else { panic!("a payload") };
    let protobuf = common::securities().spelled(debit).expect("it can be said");
    assert_eq!(
        protobuf,
        "request_id: …\ndebit {\n  serial: 421\n  master: 2026112100000000042\n  settle_day: 20261123\n  \
         account: \"000000000018\"\n  amount: 100000\n  currency: \"CNY\"\n  mark: 0x0123456789abcdef\n}\n"
    );
    let xml =
        common::futures(Encoding::Utf8, AmountUnit::Major).spelled(debit).expect("it can be said");
    assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Payload version=\"1.0\" timestamp=\"…\">\n  <Header>\n"), "{xml}");
    assert!(
        xml.contains(
            "\n  <Request id=\"…\">\n    <Debit id=\"1\" code=\"2001\" initiator=\"shareholder\">\n"
        ),
        "{xml}"
    );
    assert!(
        xml.contains(
            "name=\"Amount\" type=\"n\" length=\"13\" fixed=\"no\" content=\"1000.00\"/>\n"
        ),
        "{xml}"
    );
}
