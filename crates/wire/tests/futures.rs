//! The XML dialect: round trips in both encodings and units, lenient reading, hostile packets.

mod common;

use bytes::BytesMut;
use common::{PACKET_MICROS, facing, futures, parties, samples};
use domain::message::{Finding, Reply};
use domain::profile::AmountUnit;
use proptest::prelude::*;
use wire::codec::{Codec, EncodeError, FrameError, Incoming, Malformed, Parties};
use wire::conversation::{Conversation, RejectReason, Rejected};
use wire::dialect::{Dialect, Encoding, XmlOptions};
use wire::message::Message;
use wire::payload::{Payload, RequestId};

const KINDS: [(Encoding, AmountUnit); 4] = [
    (Encoding::Utf8, AmountUnit::Minor),
    (Encoding::Utf8, AmountUnit::Major),
    (Encoding::Gb18030, AmountUnit::Minor),
    (Encoding::Gb18030, AmountUnit::Major),
];

fn dialect(encoding: Encoding, amount_unit: AmountUnit, utc_offset_minutes: i16) -> Dialect {
    Dialect::Futures(XmlOptions { encoding, amount_unit, utc_offset_minutes })
}

fn reader(encoding: Encoding, unit: AmountUnit) -> Codec {
    facing(&dialect(encoding, unit, 480), "futures")
}

fn encoded(codec: &Codec, message: &Message) -> BytesMut {
    let mut out = BytesMut::new();
    codec.encode_at(message, PACKET_MICROS, &mut out).expect("sayable");
    out
}

fn framed(body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::from(format!("{:08}", body.len()).as_bytes());
    frame.extend_from_slice(body);
    frame
}

/// A sample's packet as text, from the bridge, with minor units.
fn text_of(name: &str) -> String {
    let sample = samples("futures").into_iter().find(|it| it.name == name).expect("a sample");
    let frame = encoded(&futures(Encoding::Utf8, AmountUnit::Minor), &sample.message);
    String::from_utf8(frame[8..].to_vec()).expect("UTF-8")
}

fn read(body: &[u8]) -> Incoming {
    let mut frame = framed(body);
    let incoming = reader(Encoding::Utf8, AmountUnit::Minor).decode(&mut frame);
    incoming.expect("good framing").expect("a whole frame")
}

fn malformed(body: &[u8]) -> Malformed {
    match read(body) {
        Incoming::Malformed(malformed) => malformed,
        Incoming::Message(message) => panic!("{message:?}"),
    }
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(
        message in common::any::message(), kind in 0usize..4, offset in -720i16..=840
    ) {
        let (encoding, unit) = KINDS[kind];
        let dialect = dialect(encoding, unit, offset);
        let frame = encoded(&Codec::new(dialect.clone(), parties("futures")), &message);
        prop_assert_eq!(common::only_message(&facing(&dialect, "futures"), &frame), message);
    }

    #[test]
    fn any_bytes_are_an_answer_or_a_typed_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = reader(Encoding::Gb18030, AmountUnit::Minor).decode(&mut buffer) {}
    }

    #[test]
    fn any_body_in_good_framing_lets_the_conversation_go_on(
        body in prop::collection::vec(any::<u8>(), 1..200), xml in "[<>/&;#x='\"!?A-Z a-z\\[\\]-]{1,200}", kind in 0usize..4
    ) {
        let (encoding, unit) = KINDS[kind];
        for body in [&body[..], xml.as_bytes()] {
            let mut buffer = framed(body);
            let incoming = reader(encoding, unit).decode(&mut buffer);
            prop_assert!(matches!(incoming, Ok(Some(Incoming::Malformed(_)))));
            prop_assert!(buffer.is_empty());
        }
    }

    #[test]
    fn a_damaged_frame_is_never_a_panic(
        message in common::any::message(),
        kind in 0usize..4,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[ -~]{0,4}"), 1..4),
        byte in any::<u8>(),
    ) {
        let (encoding, unit) = KINDS[kind];
        let mut body = encoded(&futures(encoding, unit), &message)[8..].to_vec();
        for (from, to, instead) in cuts {
            let (from, to) = (from.index(body.len()), to.index(body.len()));
            body.splice(from..to.clamp(from, from + 8), instead.bytes().chain([byte]));
        }
        let mut frame = framed(&body);
        while let Ok(Some(_)) = reader(encoding, unit).decode(&mut frame) {}
    }
}

#[test]
fn a_frame_may_arrive_byte_by_byte() {
    for (encoding, unit) in KINDS {
        let mut arrived = BytesMut::new();
        let mut read = Vec::new();
        for sample in samples("futures") {
            for byte in encoded(&futures(encoding, unit), &sample.message) {
                arrived.extend_from_slice(&[byte]);
                if let Some(it) = reader(encoding, unit).decode(&mut arrived).expect("framing") {
                    read.push(it);
                }
            }
        }
        let expected: Vec<_> =
            samples("futures").into_iter().map(|it| Incoming::Message(it.message)).collect();
        assert_eq!(read, expected);
    }
}

#[test]
fn what_is_harmless_is_read() {
    let debit = text_of("debit");
    let expected = read(debit.as_bytes());
    assert!(matches!(
        expected,
        Incoming::Message(Message::Payload(Payload::Request(RequestId(1), _)))
    ));
    for (from, to) in [
        ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", ""),
        ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "\u{feff}<?xml version='1.0'?>\r\n"),
        ("2026-11-21T09:30:00", "2026:11:21t09:30:00"),
        ("<Header>", "\n  <!-- who -->\n  <Header>\n"),
        ("role=\"bridge\"/>", "role='bridge' ></Sender>"),
        ("000000100000", "100000"),
        ("000000000421", "421"),
        (" type=\"n\" length=\"12\" fixed=\"yes\"", ""),
        ("<DataGroup>", "<DataGroup><DataItem name=\"Branch\" content=\"7\"/>"),
        ("<Payload ", "<Payload xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "),
        ("CNY", "&#67;N&#x59;"),
        ("shareholder", "depositor"),
    ] {
        assert!(debit.contains(from), "{from}");
        assert_eq!(read(debit.replacen(from, to, 1).as_bytes()), expected, "{to}");
    }
}

#[test]
fn what_is_not_harmless_is_malformed() {
    let debit = text_of("debit");
    for (from, to) in [
        ("<Payload ", "<!DOCTYPE Payload SYSTEM \"x.dtd\"><Payload "),
        ("<Payload ", "<!DOCTYPE P [<!ENTITY a \"1\"><!ENTITY b \"&a;&a;\">]><Payload "),
        ("CNY", "&cny;"),
        ("<Header>", "<?target data?><Header>"),
        ("UTF-8", "GB18030"),
        ("Payload", "Envelope"),
        ("</Payload>", "</Payload><Payload/>"),
        ("</Payload>", "</Payload>more"),
        ("</Payload>", ""),
        ("version=\"1.0\" timestamp", "version=\"2.0\" timestamp"),
        ("id=\"bridge\"", "id=\"other\""),
        ("id=\"futures\"", "id=\"securities\""),
        ("<Request id=\"1\">", "<Request id=\"0\">"),
        ("<Request id=\"1\">", "<Request id=\"-1\">"),
        ("<Request id=\"1\">", "<Request id=\"1\" id=\"2\">"),
        ("<Request id=\"1\">", "<Request>"),
        ("code=\"2001\"", "code=\"2002\""),
        ("<Debit id=\"1\"", "<Debit id=\"2\""),
        ("Debit", "Withdrawal"),
        ("DataGroup", "Data"),
        ("<DataGroup>", "<DataGroup/><DataGroup>"),
        ("<DataGroup>", "<DataGroup>x"),
        ("<DataGroup>", "<DataGroup><Item name=\"Memo\" content=\"x\"/>"),
        ("<DataGroup>", "<DataGroup><DataItem name=\"Amount\" content=\"000000100000\"/>"),
        ("000000100000", "000000000000"),
        ("000000100000", "-00000100000"),
        ("000000100000", "1000.00"),
        ("000000100000", "1000000000000"),
        ("000000100000", "99999999999999999999999"),
        ("000000000421", "000000000429"),
        ("2026112100000000042", "2026119900000000042"),
        ("20261123", "20261131"),
        ("CNY", "cny"),
        ("000000000018", "00000 000018"),
        ("content=\"CNY\"", ""),
    ] {
        assert!(debit.contains(from), "{from}");
        let broken = match from {
            "Debit" | "Payload" | "DataGroup" => debit.replace(from, to),
            _ => debit.replacen(from, to, 1),
        };
        let error = malformed(broken.as_bytes()).error;
        assert!(!error.is_empty() && error.len() < 200, "{to}: {error}");
    }
}

#[test]
fn an_answer_that_cannot_be_read_still_says_whose_it_is() {
    let reply = text_of("posting-reply-done");
    let serial = "000000000421".parse().ok();
    for (from, to, expected) in [
        ("code=\"200\"", "code=\"20\"", (Some(RequestId(1)), serial)),
        ("code=\"200\"", "code=\"2000\"", (Some(RequestId(1)), serial)),
        ("\"20261123\"", "\"2026\"", (Some(RequestId(1)), serial)),
        ("000000100000", "0", (Some(RequestId(1)), serial)),
        ("</Payload>", "", (Some(RequestId(1)), serial)),
        ("000000000421", "000000000420", (Some(RequestId(1)), None)),
        ("requestId=\"1\"", "requestId=\"x\"", (None, None)),
        ("requestId=\"1\"", "requestId=\"9\" requestId=\"8\"", (None, None)),
        ("messageId=\"1\"", "messageId=\"2\"", (Some(RequestId(1)), serial)),
        ("<Payload", "<!DOCTYPE x><Payload", (None, None)),
    ] {
        assert!(reply.contains(from), "{from}");
        let malformed = malformed(reply.replacen(from, to, 1).as_bytes());
        assert_eq!((malformed.request, malformed.serial), expected, "{to}");
    }
}

#[test]
fn several_answers_in_a_packet_are_refused_with_a_reason() {
    let reply = text_of("posting-reply-done");
    let start = reply.find("<Answer").expect("an answer");
    let end = reply.find("</Response>").expect("its end");
    let twice = reply.replacen("</Response>", &format!("{}</Response>", &reply[start..end]), 1);
    assert!(malformed(twice.as_bytes()).error.contains("more than one transaction or answer"));
}

#[test]
fn unknown_values_are_the_cautious_ones() {
    let reply = text_of("query-reply-done").replace("content=\"done\"", "content=\"perhaps\"");
    match read(reply.as_bytes()) {
        Incoming::Message(Message::Payload(Payload::Response(_, Reply::Query(reply)))) => {
            assert_eq!(reply.finding, Finding::Unclear);
        }
        other => panic!("{other:?}"),
    }
    let rejected = text_of("rejected").replace("bad-proof", "bad-weather");
    assert!(matches!(
        read(rejected.as_bytes()),
        Incoming::Message(Message::Conversation(Conversation::Rejected(Rejected {
            reason: RejectReason::Other,
            ..
        })))
    ));
}

#[test]
fn a_counter_says_its_day_and_whether_it_is_open_or_neither() {
    let ack = text_of("heartbeat-ack");
    let item = |name: &str| {
        let start = ack.find(&format!("<DataItem name=\"{name}\"")).expect("the item");
        let end = start + ack[start..].find("/>").expect("its end") + 2;
        &ack[start..end]
    };
    let (day, open) = (item("SettleDay"), item("Open"));
    for (gone, missing) in [(day, "SettleDay"), (open, "Open")] {
        let error = malformed(ack.replacen(gone, "", 1).as_bytes()).error;
        assert!(error.contains(missing), "{error}");
    }
    match read(ack.replacen(day, "", 1).replacen(open, "", 1).as_bytes()) {
        Incoming::Message(Message::Conversation(Conversation::HeartbeatAck(ack))) => {
            assert_eq!(ack.counter, None);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_wrong_encoding_is_noticed() {
    let refused = samples("futures")
        .into_iter()
        .find(|sample| sample.name == "posting-reply-refused")
        .expect("a sample")
        .message;
    let gb18030 = encoded(&futures(Encoding::Gb18030, AmountUnit::Minor), &refused);
    let answer = "可取余额不足";
    assert!(!gb18030.windows(answer.len()).any(|window| window == answer.as_bytes()));
    let malformed = malformed(&gb18030[8..]);
    assert_eq!(malformed.error, "the declared encoding is not the agreed one");
    let mut broken = framed(b"<Payload \xff\xff>");
    let incoming = reader(Encoding::Gb18030, AmountUnit::Minor).decode(&mut broken);
    assert!(matches!(incoming, Ok(Some(Incoming::Malformed(_)))));
}

#[test]
fn units_of_two_counters_are_never_mixed() {
    let debit = samples("futures").into_iter().find(|it| it.name == "debit").expect("a sample");
    for (wrong, right) in
        [(AmountUnit::Minor, AmountUnit::Major), (AmountUnit::Major, AmountUnit::Minor)]
    {
        let mut frame = encoded(&futures(Encoding::Utf8, wrong), &debit.message);
        let incoming = reader(Encoding::Utf8, right).decode(&mut frame).expect("good framing");
        assert!(matches!(incoming, Some(Incoming::Malformed(_))), "{incoming:?}");
    }
}

#[test]
fn words_for_people_are_cut_and_cleaned_rather_than_lost() {
    let message = Message::Conversation(Conversation::Rejected(Rejected {
        reason: RejectReason::Other,
        text: format!("\0{}", "长".repeat(600)).into(),
    }));
    let codec = futures(Encoding::Utf8, AmountUnit::Minor);
    match common::only_message(
        &reader(Encoding::Utf8, AmountUnit::Minor),
        &encoded(&codec, &message),
    ) {
        Message::Conversation(Conversation::Rejected(rejected)) => {
            assert_eq!(rejected.text, format!("\u{fffd}{}", "长".repeat(499)).as_str());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_limit_holds_for_both_ends_and_framing_is_never_guessed() {
    let debit = samples("futures").into_iter().find(|it| it.name == "debit").expect("a sample");
    let frame = encoded(&futures(Encoding::Utf8, AmountUnit::Minor), &debit.message);
    let length = frame.len() - 8;
    let exact = reader(Encoding::Utf8, AmountUnit::Minor).with_frame_limit(length);
    assert!(matches!(exact.decode(&mut frame.clone()), Ok(Some(Incoming::Message(_)))));
    let short = futures(Encoding::Utf8, AmountUnit::Minor).with_frame_limit(length - 1);
    assert_eq!(
        short.decode(&mut frame.clone()),
        Err(FrameError::TooLong { announced: length as u64, limit: length - 1 })
    );
    let mut out = BytesMut::from(&b"before"[..]);
    assert_eq!(
        short.encode_at(&debit.message, PACKET_MICROS, &mut out),
        Err(EncodeError::TooLong { length, limit: length - 1 })
    );
    assert_eq!(&out[..], b"before");
    let codec = futures(Encoding::Utf8, AmountUnit::Minor);
    assert_eq!(codec.decode(&mut BytesMut::from("<Payload")), Err(FrameError::BadLength));
    assert_eq!(codec.decode(&mut BytesMut::from("00000000")), Err(FrameError::Empty));
    let announced = codec.decode(&mut BytesMut::from("01048577"));
    assert!(matches!(announced, Err(FrameError::TooLong { announced: 1_048_577, .. })));
}

#[test]
fn the_longest_page_of_entries_fits_a_frame() {
    let reply = samples("futures").into_iter().find(|it| it.name == "entries-reply");
    let Some(Message::Payload(Payload::Response(id, Reply::Entries(mut reply)))) =
        reply.map(|it| it.message)
    else {
        panic!("entries")
    };
    reply.entries = vec![reply.entries[1].clone(); 500];
    let longest = Message::Payload(Payload::Response(id, Reply::Entries(reply.clone())));
    let frame = encoded(&futures(Encoding::Utf8, AmountUnit::Minor), &longest);
    assert_eq!(common::only_message(&reader(Encoding::Utf8, AmountUnit::Minor), &frame), longest);
    reply.entries.push(reply.entries[0].clone());
    let too_long = Message::Payload(Payload::Response(id, Reply::Entries(reply)));
    for codec in [futures(Encoding::Utf8, AmountUnit::Minor), common::securities()] {
        let refused = codec.encode(&too_long, &mut BytesMut::new());
        assert!(matches!(refused, Err(EncodeError::Unsayable(_))));
    }
}

/// Whoever refuses to say what was posted need not say that there is no more of it.
#[test]
fn a_refusal_to_state_entries_needs_no_group() {
    let whole = text_of("entries-reply");
    let (from, to) = (whole.find("<DataGroup>"), whole.rfind("</DataGroup>"));
    let (from, to) = from.zip(to).expect("groups");
    let none = format!("{}{}", &whole[..from], &whole[to + "</DataGroup>".len()..]);
    assert!(malformed(none.as_bytes()).error.contains("a data group is missing"));
    let refused = none.replace("code=\"200\"", "code=\"502\"");
    let Incoming::Message(Message::Payload(Payload::Response(_, Reply::Entries(reply)))) =
        read(refused.as_bytes())
    else {
        panic!("entries")
    };
    assert_eq!((reply.answer.code.number(), reply.entries.len(), reply.more), (502, 0, false));
}

#[test]
fn a_party_without_a_sayable_name_says_nothing() {
    let options = dialect(Encoding::Utf8, AmountUnit::Minor, 0);
    for own in ["", "a\nb"] {
        let parties = Parties { own: own.into(), peer: "futures".into() };
        let refused = Codec::new(options.clone(), parties)
            .encode(&Message::Conversation(Conversation::SignOffAck), &mut BytesMut::new());
        assert!(matches!(refused, Err(EncodeError::Unsayable(_))), "{own:?}");
    }
}
