//! Bodies without frames, for whoever has no use for frames.

mod common;

use bytes::BytesMut;
use common::{facing, only_message, parties, samples};
use wire::codec::{Codec, EncodeError, Incoming};
use wire::dialect::{Details, Speech};
use wire::ornament::Blemishes;

#[test]
fn a_body_is_what_a_frame_holds() {
    for speech in Speech::ALL {
        let (counter, dialect) = (speech.as_str(), speech.with(Details::default()));
        let (ours, theirs) =
            (Codec::new(dialect.clone(), parties(counter)), facing(&dialect, counter));
        for sample in samples(counter) {
            let mut body = BytesMut::from(&b"before"[..]);
            ours.encode_body(&sample.message, &mut body).expect("sayable");
            let body = &body[6..];
            let mut blemishes = Blemishes::default();
            let read = theirs.decode_body(body, &mut blemishes);
            assert_eq!(read, Incoming::Message(sample.message.clone()), "{}", sample.name);
            assert!(blemishes.is_empty());
            let mut frame = BytesMut::new();
            ours.frame(body, &mut frame).expect("it fits");
            assert!(frame.ends_with(body));
            assert_eq!(only_message(&theirs, &frame), sample.message);
            // But for when it was said, it is what stands in the frame that is written at once.
            let mut at_once = BytesMut::new();
            ours.encode(&sample.message, &mut at_once).expect("sayable");
            assert_eq!(at_once.len(), frame.len());
            assert_eq!(only_message(&theirs, &at_once), sample.message);
        }
    }
}

#[test]
fn the_limit_of_frames_is_that_of_bodies() {
    for speech in Speech::ALL {
        let (counter, dialect) = (speech.as_str(), speech.with(Details::default()));
        let sample = samples(counter).into_iter().next().expect("a sample");
        let codec = Codec::new(dialect.clone(), parties(counter));
        let mut body = BytesMut::new();
        codec.encode_body(&sample.message, &mut body).expect("sayable");
        let exact = codec.clone().with_frame_limit(body.len());
        let shorter = codec.with_frame_limit(body.len() - 1);
        let mut again = BytesMut::from(&b"before"[..]);
        exact.encode_body(&sample.message, &mut again).expect("it fits");
        again.truncate(6);
        let refused = shorter.encode_body(&sample.message, &mut again);
        let (length, limit) = (body.len(), body.len() - 1);
        assert_eq!(refused, Err(EncodeError::TooLong { length, limit }));
        assert_eq!(again, &b"before"[..], "nothing is appended");
        let theirs = facing(&dialect, counter);
        let mut blemishes = Blemishes::default();
        let whole = theirs.clone().with_frame_limit(length).decode_body(&body, &mut blemishes);
        assert_eq!(whole, Incoming::Message(sample.message));
        let cut = theirs.with_frame_limit(limit).decode_body(&body, &mut blemishes);
        let Incoming::Malformed(wrong) = cut else { panic!("{cut:?}") };
        assert!(wrong.error.contains("longer than is allowed"), "{}", wrong.error);
    }
}
