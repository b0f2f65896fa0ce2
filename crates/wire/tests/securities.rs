//! The protobuf dialect: round trips, the generated types as witness, hostile bytes.

mod common;

use bytes::BytesMut;
use common::{Says, facing, samples, securities};
use proptest::prelude::*;
use prost::Message as _;
use wire::codec::{Codec, Dialect, EncodeError, FrameError, Incoming};
use wire::message::{Message, RequestId};
use wire::securities::generated;

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

#[test]
fn every_sample_has_a_speaker() {
    assert!(samples("securities").iter().any(|sample| sample.says == Says::Bridge));
    assert!(samples("securities").iter().any(|sample| sample.says == Says::Counter));
}

#[test]
fn a_request_without_an_id_is_not_said() {
    let sample = samples("securities").into_iter().find(|sample| sample.name == "debit");
    let Some(Message::Request(_, instruction)) = sample.map(|sample| sample.message) else {
        panic!("a request")
    };
    let mut out = BytesMut::from(&b"before"[..]);
    let refused = securities().encode(&Message::Request(RequestId(0), instruction), &mut out);
    assert!(matches!(refused, Err(EncodeError::Unsayable(_))));
    assert_eq!(&out[..], b"before");
}

#[test]
fn a_limit_holds_for_both_ends() {
    let debit = samples("securities").remove(10).message;
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
