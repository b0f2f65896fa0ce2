//! What must hold of a decoder, whatever comes.

use bytes::BytesMut;
use wire::codec::{Codec, Dialect, Incoming, Parties};

/// Longer than any error's own words with 60 characters of the body.
const LONGEST_ERROR: usize = 600;

/// Takes all frames off the bytes. Each makes the rest shorter; an error is bounded; and what was
/// read can be written again, and is then read as the same.
pub fn all(dialect: Dialect, bytes: &[u8]) {
    let own = Parties { own: "bridge".to_owned(), peer: "futures".to_owned() };
    let peer = Parties { own: "futures".to_owned(), peer: "bridge".to_owned() };
    let reader = Codec::new(dialect.clone(), own);
    let writer = Codec::new(dialect, peer).at_counter();
    let mut buffer = BytesMut::from(bytes);
    loop {
        let before = buffer.len();
        match reader.decode(&mut buffer) {
            Err(_) => return,
            Ok(None) => return assert_eq!(buffer.len(), before, "bytes were taken without a frame"),
            Ok(Some(incoming)) => {
                assert!(buffer.len() < before, "a frame of no bytes");
                match incoming {
                    Incoming::Malformed(what) => assert!(what.error.len() <= LONGEST_ERROR),
                    Incoming::Message(message) => {
                        let mut again = BytesMut::new();
                        if writer.encode_at(&message, 0, &mut again).is_ok() {
                            let read = reader.decode(&mut again);
                            assert_eq!(read, Ok(Some(Incoming::Message(message))));
                        }
                    }
                }
            }
        }
    }
}
