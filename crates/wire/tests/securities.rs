//! The protobuf dialect: round trips, the generated types as witness, hostile bytes.

mod common;

use bytes::BytesMut;
use common::{facing, samples, securities};
use domain::message::{Finding, Reply};
use proptest::prelude::*;
use prost::Message as _;
use wire::codec::{Codec, EncodeError, FrameError, Incoming, Malformed};
use wire::conversation::{Conversation, RejectReason};
use wire::dialect::Dialect;
use wire::message::Message;
use wire::payload::{Payload, RequestId};
use wire::securities::generated::{self, frame::Body};

fn encoded(message: &Message) -> BytesMut {
    let mut out = BytesMut::new();
    securities().encode(message, &mut out).expect("sayable");
    out
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(message in common::any::message()) {
        let frame = encoded(&message);
        prop_assert_eq!(common::only_message(&facing(&Dialect::Securities, "securities"), &frame), message);
    }

    /// The generated types read every frame and write the same bytes: nothing is outside the
    /// schema, in another order, or longer than it need be.
    #[test]
    fn the_schema_says_the_same_bytes(message in common::any::message()) {
        let frame = encoded(&message);
        let witness = generated::Frame::decode(&frame[4..]).expect("the schema reads it");
        prop_assert_eq!(witness.encode_to_vec(), frame[4..].to_vec());
    }

    #[test]
    fn any_bytes_are_an_answer_or_a_typed_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = securities().decode(&mut buffer) {}
    }

    #[test]
    fn any_body_in_good_framing_lets_the_conversation_go_on(
        body in proptest::collection::vec(any::<u8>(), 1..200)
    ) {
        let mut buffer = BytesMut::from(&u32::try_from(body.len()).expect("short").to_be_bytes()[..]);
        buffer.extend_from_slice(&body);
        prop_assert!(matches!(securities().decode(&mut buffer), Ok(Some(_))));
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn a_damaged_frame_is_never_a_panic(
        message in common::any::message(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut frame = encoded(&message);
        let at = at.index(frame.len());
        frame[at] = byte;
        while let Ok(Some(_)) = securities().decode(&mut frame) {}
    }
}

#[test]
fn a_frame_may_arrive_byte_by_byte() {
    let mut codec_in = BytesMut::new();
    let mut read = Vec::new();
    let codec = facing(&Dialect::Securities, "securities");
    for sample in samples("securities") {
        for byte in encoded(&sample.message) {
            codec_in.extend_from_slice(&[byte]);
            if let Some(incoming) = codec.decode(&mut codec_in).expect("good framing") {
                read.push(incoming);
            }
        }
    }
    let expected: Vec<_> =
        samples("securities").into_iter().map(|it| Incoming::Message(it.message)).collect();
    assert_eq!(read, expected);
}

fn sample(name: &str) -> Message {
    samples("securities").into_iter().find(|it| it.name == name).expect("a sample").message
}

/// A sample as the generated types see it.
fn witness(name: &str) -> generated::Frame {
    generated::Frame::decode(&encoded(&sample(name))[4..]).expect("the schema reads it")
}

fn read(body: &[u8]) -> Incoming {
    let mut buffer = BytesMut::from(&u32::try_from(body.len()).expect("short").to_be_bytes()[..]);
    buffer.extend_from_slice(body);
    securities().decode(&mut buffer).expect("good framing").expect("a whole frame")
}

fn malformed(body: &[u8]) -> Malformed {
    match read(body) {
        Incoming::Malformed(malformed) => malformed,
        Incoming::Message(message) => panic!("{message:?}"),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn fields_mean_what_the_schema_says() {
    let (serial, master, settle_day, amount) =
        (421, 2_026_112_100_000_000_042, 20_261_123, 100_000);
    let (account, currency) = ("000000000018".to_owned(), "CNY".to_owned());
    let mark = Some(0x0123_4567_89ab_cdef);
    let posted = |counter_serial: &str| generated::Posted {
        counter_serial: counter_serial.to_owned(),
        settle_day,
        account: account.clone(),
        amount,
        currency: currency.clone(),
        original: 0,
    };
    let posting = |serial| generated::Posting {
        serial,
        master,
        settle_day,
        account: account.clone(),
        amount,
        currency: currency.clone(),
        mark,
    };
    let expected = [
        ("debit", 1, Body::Debit(posting(serial))),
        ("credit", 2, Body::Credit(posting(422))),
        (
            "reverse",
            3,
            Body::Reverse(generated::Reversal {
                serial: 423,
                original: serial,
                master,
                settle_day,
                account: account.clone(),
                amount,
                currency: currency.clone(),
                mark,
            }),
        ),
        (
            "posting-reply-done",
            1,
            Body::PostingReply(generated::PostingReply {
                serial,
                code: 200,
                text: "交易成功".into(),
                posted: Some(posted("F20261123000017")),
                mark,
            }),
        ),
        (
            "query-fence",
            5,
            Body::Query(generated::Query {
                serial: 422,
                settle_day,
                look: generated::Look::Fence.into(),
                mark,
            }),
        ),
        (
            "query-reply-done",
            4,
            Body::QueryReply(generated::QueryReply {
                serial: 422,
                finding: generated::Finding::Done.into(),
                code: 200,
                text: "交易成功".into(),
                posted: Some(posted("F20261123000018")),
                mark,
            }),
        ),
        (
            "balance-reply",
            6,
            Body::BalanceReply(generated::BalanceReply {
                code: 200,
                text: "交易成功".into(),
                balance: Some(generated::Balance {
                    account: account.clone(),
                    currency: currency.clone(),
                    available: 250_000,
                    withdrawable: 200_050,
                }),
            }),
        ),
        (
            "entries-query",
            7,
            Body::EntriesQuery(generated::EntriesQuery {
                account: account.clone(),
                day: settle_day,
                offset: 0,
                limit: 10,
            }),
        ),
        ("heartbeat", 0, Body::Heartbeat(generated::Heartbeat { number: 7 })),
        (
            "welcome",
            0,
            Body::Welcome(generated::Welcome {
                heartbeat_s: 10,
                counter: Some(generated::CounterState {
                    id: "securities".into(),
                    profile: Some(generated::Profile {
                        dedupes: true,
                        refusals_stick: true,
                        can_fence: true,
                        can_reverse: true,
                        can_query_reversals: true,
                        query_horizon_days: 7,
                        in_flight_limit_ms: Some(60_000),
                        max_in_flight: Some(256),
                        cut_over_s: 0,
                        amount_unit: generated::AmountUnit::Minor.into(),
                        per_transfer_limit: 5_000_000_000,
                        echoes_marks: true,
                    }),
                    settle_day,
                    open: true,
                    highest_serial: serial,
                }),
            }),
        ),
    ];
    for (name, request_id, body) in expected {
        assert_eq!(witness(name), generated::Frame { request_id, body: Some(body) }, "{name}");
    }
}

#[test]
fn what_breaks_a_rule_is_malformed_and_still_says_whose_it_is() {
    type Change = fn(&mut generated::PostingReply);
    let changes: [(&str, Change); 12] = [
        ("a negative amount", |it| posted(it).amount = -1),
        ("an amount of nothing", |it| posted(it).amount = 0),
        ("an amount of thirteen digits", |it| posted(it).amount = 1_000_000_000_000),
        ("the most negative amount", |it| posted(it).amount = i64::MIN),
        ("a code of two digits", |it| it.code = 99),
        ("a code of four digits", |it| it.code = 1000),
        ("a code that would wrap to 200", |it| it.code = 65_736),
        ("no code", |it| it.code = 0),
        ("an account with a blank", |it| posted(it).account = "00 18".into()),
        ("no currency", |it| posted(it).currency = String::new()),
        ("a day that is not", |it| posted(it).settle_day = 20_261_131),
        ("no counter serial", |it| posted(it).counter_serial = String::new()),
    ];
    for (what, change) in changes {
        let mut frame = witness("posting-reply-done");
        match &mut frame.body {
            Some(Body::PostingReply(reply)) => change(reply),
            other => panic!("{other:?}"),
        }
        let malformed = malformed(&frame.encode_to_vec());
        let of = (malformed.request, malformed.serial);
        assert_eq!(of, (Some(RequestId(1)), "000000000421".parse().ok()), "{what}");
        assert!(malformed.error.len() < 200, "{what}");
    }
}

fn posted(reply: &mut generated::PostingReply) -> &mut generated::Posted {
    reply.posted.as_mut().expect("posted")
}

#[test]
fn what_is_doubtful_about_a_body_is_malformed() {
    let debit = encoded(&sample("debit"))[4..].to_vec();
    let heartbeat = encoded(&sample("heartbeat"))[4..].to_vec();
    let without_id = debit[2..].to_vec();
    let two_bodies = [&debit[..], &heartbeat[..]].concat();
    let same_twice = [&debit[..], &debit[2..]].concat();
    let two_ids = [&[0x08, 1], &debit[..]].concat();
    for (what, body) in [
        ("no body", &[0x08, 1][..]),
        ("only unknown fields", &[0xf8, 0x01, 1]),
        ("two bodies", &two_bodies),
        ("the same body twice", &same_twice),
        ("two request ids", &two_ids),
        ("no request id", &without_id),
        ("a truncated body", &debit[..debit.len() - 1]),
        ("a body that is a number", &[0x08, 1, 0x10, 1]),
        ("a body past the end", &[0x08, 1, 0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        ("a group", &[0x08, 1, 0x13, 0x14]),
        ("words that are a number", &[0xaa, 0x01, 2, 0x08, 1]),
        ("a truth that is 2", &[0x6a, 8, 0x12, 6, 0x08, 0xc3, 0xd8, 0xd4, 0x09, 0x10, 2]),
        ("a look that is not", &[0x08, 1, 0x2a, 0]),
    ] {
        assert!(!malformed(body).error.is_empty(), "{what}");
    }
}

#[test]
fn unknown_values_are_the_cautious_ones_and_unknown_fields_are_skipped() {
    let mut frame = witness("query-reply-done");
    if let Some(Body::QueryReply(reply)) = &mut frame.body {
        reply.finding = 77;
    }
    match read(&frame.encode_to_vec()) {
        Incoming::Message(Message::Payload(Payload::Response(_, Reply::Query(reply)))) => {
            assert_eq!(reply.finding, Finding::Unclear);
        }
        other => panic!("{other:?}"),
    }
    let mut frame = witness("rejected");
    if let Some(Body::Rejected(rejected)) = &mut frame.body {
        rejected.reason = -1;
    }
    match read(&frame.encode_to_vec()) {
        Incoming::Message(Message::Conversation(Conversation::Rejected(it))) => {
            assert_eq!(it.reason, RejectReason::Other);
        }
        other => panic!("{other:?}"),
    }
    let mut debit = encoded(&sample("debit"))[4..].to_vec();
    debit.extend([0xf8, 0x01, 1, 0xf8, 0x01, 2, 0xfa, 0x01, 1, b'x']);
    assert_eq!(read(&debit), Incoming::Message(sample("debit")));
}

#[test]
fn a_request_without_an_id_is_not_said() {
    let Message::Payload(Payload::Request(_, instruction)) = sample("debit") else {
        panic!("a request")
    };
    let mut out = BytesMut::from(&b"before"[..]);
    let refused = securities()
        .encode(&Message::Payload(Payload::Request(RequestId(0), instruction)), &mut out);
    assert!(matches!(refused, Err(EncodeError::Unsayable(_))));
    assert_eq!(&out[..], b"before");
}

#[test]
fn a_limit_holds_for_both_ends() {
    let debit = sample("debit");
    let frame = encoded(&debit);
    let length = frame.len() - 4;
    let exact = securities().with_frame_limit(length);
    exact.encode(&debit, &mut BytesMut::new()).expect("fits");
    assert!(matches!(exact.decode(&mut frame.clone()), Ok(Some(Incoming::Message(_)))));
    let short = securities().with_frame_limit(length - 1);
    let refused = short.encode(&debit, &mut BytesMut::new());
    assert_eq!(refused, Err(EncodeError::TooLong { length, limit: length - 1 }));
    assert_eq!(
        short.decode(&mut frame.clone()),
        Err(FrameError::TooLong { announced: length as u64, limit: length - 1 })
    );
    let widest: Codec = securities().with_frame_limit(usize::MAX);
    let mut two_mebibytes = BytesMut::from(&[0, 0x20, 0, 0][..]);
    assert!(matches!(widest.decode(&mut two_mebibytes), Err(FrameError::TooLong { .. })));
    assert!(two_mebibytes.capacity() < 100, "nothing is reserved for what is announced");
}

#[test]
fn a_reversal_says_what_it_undid_or_nothing_and_never_two_things() {
    let with = |change: &dyn Fn(&mut generated::EntriesReply)| {
        let mut frame = witness("entries-reply");
        let Some(Body::EntriesReply(reply)) = &mut frame.body else { panic!("{frame:?}") };
        change(reply);
        read(&frame.encode_to_vec())
    };
    let originals = |change: &dyn Fn(&mut generated::EntriesReply)| match with(change) {
        Incoming::Message(Message::Payload(Payload::Response(_, Reply::Entries(reply)))) => {
            Some(reply.entries.iter().map(|entry| entry.posted.original).collect::<Vec<_>>())
        }
        Incoming::Malformed(_) => None,
        other @ Incoming::Message(_) => panic!("{other:?}"),
    };
    let undone = "000000000421".parse().ok();
    assert_eq!(originals(&|_| {}), Some(vec![None, undone]));
    assert_eq!(originals(&|reply| reply.entries[1].original = 0), Some(vec![None, None]));
    let in_the_posting = |reply: &mut generated::EntriesReply| {
        reply.entries[1].original = 0;
        posted_of(reply).original = 421;
    };
    assert_eq!(originals(&in_the_posting), Some(vec![None, undone]));
    assert_eq!(originals(&|reply| posted_of(reply).original = 421), Some(vec![None, undone]));
    assert_eq!(originals(&|reply| posted_of(reply).original = 431), None, "two things");
}

fn posted_of(reply: &mut generated::EntriesReply) -> &mut generated::Posted {
    reply.entries[1].posted.as_mut().expect("posted")
}
