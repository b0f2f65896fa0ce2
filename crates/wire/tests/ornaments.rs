//! What is only for people never keeps proof from being read, in either dialect: it is replaced or
//! kept as it stands, and noted. What anything is decided by stays strict.

mod common;

use bytes::BytesMut;
use common::{PACKET_MICROS, facing, parties, samples};
use domain::message::{Answer, EntriesReply, PostingReply, QueryReply, Reply};
use domain::message::{Notice, Severity};
use domain::profile::AmountUnit;
use foreign::ForeignText;
use proptest::prelude::*;
use wire::codec::{Codec, Incoming};
use wire::conversation::{Conversation, Rejected, SignOff};
use wire::dialect::{Dialect, Encoding, XmlOptions};
use wire::message::Message;
use wire::ornament::{Blemishes, Ornament};
use wire::payload::Payload;

fn futures(encoding: Encoding) -> Dialect {
    let (amount_unit, utc_offset_minutes) = (AmountUnit::Minor, 480);
    Dialect::Futures(XmlOptions { encoding, amount_unit, utc_offset_minutes })
}

fn sample(dialect: &Dialect, name: &str) -> Message {
    samples(counter(dialect)).into_iter().find(|it| it.name == name).expect("a sample").message
}

fn counter(dialect: &Dialect) -> &'static str {
    match dialect {
        Dialect::Securities => "securities",
        Dialect::Futures(_) => "futures",
    }
}

/// The body that the counter writes.
fn body(dialect: &Dialect, message: &Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    let codec = facing(dialect, counter(dialect));
    codec.encode_at(message, PACKET_MICROS, &mut out).expect("sayable");
    out[prefix(dialect)..].to_vec()
}

fn prefix(dialect: &Dialect) -> usize {
    match dialect {
        Dialect::Securities => 4,
        Dialect::Futures(_) => 8,
    }
}

/// What the bridge reads of a body, and what it notes.
fn read(dialect: &Dialect, body: &[u8]) -> (Incoming, Blemishes) {
    let mut frame = match dialect {
        Dialect::Securities => {
            BytesMut::from(&u32::try_from(body.len()).expect("short").to_be_bytes()[..])
        }
        Dialect::Futures(_) => BytesMut::from(format!("{:08}", body.len()).as_bytes()),
    };
    frame.extend_from_slice(body);
    let mut blemishes = Blemishes::default();
    let codec = Codec::new(dialect.clone(), parties(counter(dialect)));
    let incoming = codec.decode_noting(&mut frame, &mut blemishes).expect("good framing");
    (incoming.expect("a whole frame"), blemishes)
}

fn noted(blemishes: Blemishes) -> String {
    blemishes.iter().map(Ornament::as_str).collect::<Vec<_>>().join(" ")
}

fn replaced(body: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = body.windows(from.len()).position(|part| part == from).expect("it is there");
    [&body[..at], to, &body[at + from.len()..]].concat()
}

#[test]
fn what_is_written_as_the_protocol_says_has_no_blemish() {
    for dialect in [Dialect::Securities, futures(Encoding::Utf8), futures(Encoding::Gb18030)] {
        for sample in samples(counter(&dialect)) {
            let codec = Codec::new(dialect.clone(), parties(counter(&dialect)));
            let writer = facing(&dialect, counter(&dialect));
            let (writer, reader) = match sample.says {
                common::Says::Counter => (writer, codec),
                common::Says::Bridge => (codec, writer),
            };
            let mut frame = BytesMut::new();
            writer.encode_at(&sample.message, PACKET_MICROS, &mut frame).expect("sayable");
            let mut blemishes = Blemishes::default();
            reader.decode_noting(&mut frame, &mut blemishes).expect("framing").expect("whole");
            assert!(blemishes.is_empty(), "{}: {}", sample.name, noted(blemishes));
        }
    }
}

/// The time label of a packet, its roles, who initiated, and the response's own id.
#[test]
fn a_label_costs_nothing_but_itself() {
    let dialect = futures(Encoding::Utf8);
    let done = sample(&dialect, "posting-reply-done");
    let whole = body(&dialect, &done);
    for label in [
        "2026-12-31T23:59:60",
        "2026-11-28T10:20:30.123",
        "2026-11-28T10:20:30+08:00",
        "2026-11-28 10:20:30",
        "0000-00-00T00:00:00",
        "yesterday &nbsp; <",
        "",
    ] {
        let body = replaced(&whole, b"2026-11-21T09:30:00", label.as_bytes());
        let (incoming, blemishes) = read(&dialect, &body);
        assert_eq!(incoming, Incoming::Message(done.clone()), "{label}");
        assert_eq!(noted(blemishes), "label", "{label}");
    }
    for (from, to) in [
        (" timestamp=\"2026-11-21T09:30:00\"", ""),
        ("role=\"counter\"", "role=\"bank\""),
        ("role=\"counter\"", ""),
        ("<Response id=\"1\"", "<Response id=\"7f3c-a\""),
        ("<Response id=\"1\"", "<Response"),
    ] {
        let body = replaced(&whole, from.as_bytes(), to.as_bytes());
        let (incoming, blemishes) = read(&dialect, &body);
        assert_eq!(incoming, Incoming::Message(done.clone()), "{from} {to}");
        assert_eq!(noted(blemishes), "label", "{from} {to}");
    }
    let notice = sample(&dialect, "notice");
    let body = replaced(&body(&dialect, &notice), b"securities-system", b"somebody");
    assert_eq!(read(&dialect, &body).0, Incoming::Message(notice));
}

/// Words that a program cut at a byte's length, in the middle of a character.
#[test]
fn words_cut_inside_a_character_leave_the_posting_whole() {
    for encoding in [Encoding::Utf8, Encoding::Gb18030] {
        let dialect = futures(encoding);
        for name in ["posting-reply-done", "query-reply-done", "balance-reply", "entries-reply"] {
            let message = sample(&dialect, name);
            let whole = body(&dialect, &message);
            let words = in_encoding("交易成功", encoding);
            for cut in 1..words.len() {
                let cut = replaced(&whole, &words, &words[..cut]);
                let (incoming, blemishes) = read(&dialect, &cut);
                let Incoming::Message(read) = incoming else { panic!("{incoming:?}") };
                assert_eq!(without_words(read), without_words(message.clone()), "{name}");
                assert!(matches!(&*noted(blemishes), "" | "words"));
            }
        }
    }
}

/// A counter that agreed on UTF-8 and puts GBK into a text.
#[test]
fn words_in_another_encoding_leave_the_posting_whole() {
    let dialect = futures(Encoding::Utf8);
    let message = sample(&dialect, "posting-reply-done");
    let whole = body(&dialect, &message);
    let gbk = in_encoding("交易成功：客户资金已划转", Encoding::Gb18030);
    let body = replaced(&whole, "交易成功".as_bytes(), &gbk);
    let (incoming, blemishes) = read(&dialect, &body);
    let Incoming::Message(read_message) = incoming else { panic!("{incoming:?}") };
    assert_eq!(without_words(read_message), without_words(message));
    assert_eq!(noted(blemishes), "words");
    for (from, to) in [("交易成功", "a & b"), ("交易成功", "&copy; <x>"), ("交易成功", "\u{1}")]
    {
        let body = replaced(&whole, from.as_bytes(), to.as_bytes());
        let (incoming, blemishes) = read(&dialect, &body);
        assert!(
            matches!(incoming, Incoming::Message(Message::Payload(Payload::Response(..)))),
            "{to}: {incoming:?}"
        );
        assert_eq!(noted(blemishes), "words", "{to}");
    }
}

#[test]
fn what_decides_stays_strict_beside_words_that_cannot_be_read() {
    let dialect = futures(Encoding::Gb18030);
    let whole = body(&dialect, &sample(&dialect, "posting-reply-done"));
    for strict in ["000000000421", "\"20261123", "000000000018", "000000100000", "CNY"] {
        let broken = replaced(&whole, strict.as_bytes(), &[strict.as_bytes(), b"\xbd"].concat());
        let (incoming, _) = read(&dialect, &broken);
        assert!(matches!(incoming, Incoming::Malformed(_)), "{strict}");
    }
    let code = replaced(&whole, b"code=\"200\"", b"code=\"200\xbd\"");
    assert!(matches!(read(&dialect, &code).0, Incoming::Malformed(_)));
    let securities = Dialect::Securities;
    let whole = body(&securities, &sample(&securities, "posting-reply-done"));
    for strict in ["000000000018", "CNY"] {
        let broken = [&[0xff], &strict.as_bytes()[1..]].concat();
        let (incoming, _) = read(&securities, &replaced(&whole, strict.as_bytes(), &broken));
        assert!(matches!(incoming, Incoming::Malformed(_)), "{strict}");
    }
}

/// It is an identity, but not the one that proof hangs on: what cannot be read is not kept, and the
/// posting is proof all the same. One that is missing is no posting.
#[test]
fn a_counter_serial_that_cannot_be_read_costs_itself() {
    let serial = b"F20261123000017";
    for dialect in [Dialect::Securities, futures(Encoding::Utf8)] {
        let message = sample(&dialect, "posting-reply-done");
        let whole = body(&dialect, &message);
        // As long as it was: protobuf says how long.
        for broken in [
            &b"F2026112300001\xff"[..],
            b"F2026112300001\x01",
            b"\xbd\xbb\xd2\xd7\xb3\xc90000017xx",
        ] {
            let (incoming, blemishes) = read(&dialect, &replaced(&whole, serial, broken));
            let Incoming::Message(Message::Payload(Payload::Response(_, Reply::Posting(read)))) =
                incoming
            else {
                panic!("{incoming:?}")
            };
            let Message::Payload(Payload::Response(_, Reply::Posting(expected))) = &message else {
                panic!("a reply")
            };
            let (read, expected) = (read.posted.expect("posted"), expected.posted.as_ref());
            assert_eq!(read.counter_serial, "");
            let counter_serial = String::new();
            assert_eq!(
                Some(&read),
                expected
                    .map(|it| domain::message::Posted {
                        counter_serial: counter_serial.into(),
                        ..it.clone()
                    })
                    .as_ref()
            );
            assert!(blemishes.has(Ornament::CounterSerial));
        }
    }
    let dialect = futures(Encoding::Utf8);
    let whole = body(&dialect, &sample(&dialect, "posting-reply-done"));
    assert!(matches!(read(&dialect, &replaced(&whole, serial, b"")).0, Incoming::Malformed(_)));
    let long = replaced(&whole, serial, &[b'9'; 33]);
    assert!(read(&dialect, &long).1.has(Ornament::CounterSerial));
}

#[test]
fn the_time_of_an_entry_costs_itself() {
    let dialect = futures(Encoding::Utf8);
    let message = sample(&dialect, "entries-reply");
    let Message::Payload(Payload::Response(_, Reply::Entries(EntriesReply { entries, .. }))) =
        &message
    else {
        panic!("entries")
    };
    let (first, whole) = (entries[0].at_micros, body(&dialect, &message));
    let text = String::from_utf8(whole.clone()).expect("UTF-8");
    let (_, from) = text.split_once("TransactionTime").expect("a time");
    let at = from.split('"').find(|part| part.len() == 19).expect("the time").to_owned();
    for (to, expected) in [
        (format!("{at}.250"), first),
        (format!("{at}+08:00"), first),
        (at.replace('T', " "), first),
        ("00:00".to_owned(), 0),
        (String::new(), 0),
    ] {
        let body = replaced(&whole, format!("\"{at}\"").as_bytes(), format!("\"{to}\"").as_bytes());
        let (incoming, blemishes) = read(&dialect, &body);
        let Incoming::Message(Message::Payload(Payload::Response(_, Reply::Entries(read)))) =
            incoming
        else {
            panic!("{incoming:?}")
        };
        assert_eq!(read.entries[0].at_micros, expected, "{to}");
        assert_eq!(read.entries[0].posted, entries[0].posted);
        assert_eq!(noted(blemishes), "entry_time", "{to}");
    }
}

#[test]
fn notices_rejections_and_farewells_are_heard_whatever_their_words() {
    let securities = Dialect::Securities;
    let (incoming, blemishes) = read(&securities, &[0xaa, 0x01, 5, 0x0a, 3, b'a', 0xff, b'b']);
    assert_eq!(
        incoming,
        Incoming::Message(Message::Conversation(Conversation::SignOff(SignOff {
            text: "a\u{fffd}b".into()
        })))
    );
    assert_eq!(noted(blemishes), "words");
    let (incoming, blemishes) = read(&securities, &[0xba, 0x01, 5, 0x08, 9, 0x12, 1, b'x']);
    let notice = |text: &str| {
        Message::Conversation(Conversation::Notice(Notice {
            severity: Severity::Warning,
            text: text.into(),
        }))
    };
    assert_eq!(incoming, Incoming::Message(notice("x")));
    assert_eq!(noted(blemishes), "label");
    let (incoming, _) = read(&securities, &[0xa2, 0x01, 5, 0x08, 3, 0x12, 1, 0xff]);
    assert!(matches!(
        incoming,
        Incoming::Message(Message::Conversation(Conversation::Rejected(Rejected { .. })))
    ));

    let dialect = futures(Encoding::Utf8);
    let whole = body(&dialect, &sample(&dialect, "notice"));
    let grave = replaced(&whole, b"\"warning\"", b"\"panic\"");
    let (incoming, blemishes) = read(&dialect, &grave);
    assert!(
        matches!(incoming, Incoming::Message(Message::Conversation(Conversation::Notice(it))) if it.severity == Severity::Warning)
    );
    assert_eq!(noted(blemishes), "label");
    let wordless = replaced(&whole, b"name=\"Text\"", b"name=\"Words\"");
    assert_eq!(read(&dialect, &wordless).0, Incoming::Message(notice("")));
}

/// The names that real software declares.
#[test]
fn gbk_is_a_name_of_gb18030_and_utf8_of_utf_8() {
    for (encoding, written, names, wrong) in [
        (
            Encoding::Gb18030,
            "GB18030",
            &["GBK", "gb2312", "gb18030", "Gb_2312-80", "x-gbk", "CP936"][..],
            ["UTF-8", "utf-16", "klingon"],
        ),
        (Encoding::Utf8, "UTF-8", &["utf8", "UTF8", "utf-8"][..], ["GBK", "GB18030", "latin1"]),
    ] {
        let dialect = futures(encoding);
        let message = sample(&dialect, "posting-reply-refused");
        let whole = body(&dialect, &message);
        for name in names {
            let (incoming, blemishes) =
                read(&dialect, &replaced(&whole, written.as_bytes(), name.as_bytes()));
            assert_eq!(incoming, Incoming::Message(message.clone()), "{name}");
            assert!(blemishes.is_empty(), "{name}");
        }
        for name in wrong {
            let body = replaced(&whole, written.as_bytes(), name.as_bytes());
            assert!(matches!(read(&dialect, &body).0, Incoming::Malformed(_)), "{name}");
        }
    }
}

proptest! {
    /// Whatever bytes stand where words do, all else of the answer is what it was.
    #[test]
    fn whatever_stands_for_words_the_rest_is_the_same(
        garbage in prop::collection::vec(any::<u8>(), 0..40), gb18030 in any::<bool>(), which in 0usize..4
    ) {
        let name = ["posting-reply-done", "query-reply-done", "balance-reply", "entries-reply"][which];
        let dialect = futures(if gb18030 { Encoding::Gb18030 } else { Encoding::Utf8 });
        let message = sample(&dialect, name);
        let words = in_encoding("交易成功", if gb18030 { Encoding::Gb18030 } else { Encoding::Utf8 });
        // A quote ends the words, whatever the encoding.
        let garbage: Vec<u8> = garbage.into_iter().filter(|byte| *byte != b'"').collect();
        let (incoming, _) = read(&dialect, &replaced(&body(&dialect, &message), &words, &garbage));
        let Incoming::Message(read) = incoming else { panic!("{incoming:?}") };
        prop_assert_eq!(without_words(read), without_words(message));
    }
}

fn in_encoding(text: &str, encoding: Encoding) -> Vec<u8> {
    let dialect = futures(encoding);
    let said = |text: &str| {
        body(&dialect, &Message::Conversation(Conversation::SignOff(SignOff { text: text.into() })))
    };
    let (one, other) = (said("x"), said(&format!("x{text}")));
    let at = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    other[at..at + other.len() - one.len()].to_vec()
}

fn without_words(message: Message) -> Message {
    let bare = |answer: Answer| Answer { text: ForeignText::default(), ..answer };
    match message {
        Message::Payload(Payload::Response(id, Reply::Posting(it))) => Message::Payload(
            Payload::Response(id, Reply::Posting(PostingReply { answer: bare(it.answer), ..it })),
        ),
        Message::Payload(Payload::Response(id, Reply::Query(it))) => Message::Payload(
            Payload::Response(id, Reply::Query(QueryReply { answer: bare(it.answer), ..it })),
        ),
        Message::Payload(Payload::Response(id, Reply::Balance(mut it))) => {
            it.answer = bare(it.answer);
            Message::Payload(Payload::Response(id, Reply::Balance(it)))
        }
        Message::Payload(Payload::Response(id, Reply::Entries(mut it))) => {
            it.answer = bare(it.answer);
            Message::Payload(Payload::Response(id, Reply::Entries(it)))
        }
        other => other,
    }
}
