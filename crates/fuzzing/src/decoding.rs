//! The decoders of both dialects.

use bytes::BytesMut;
use domain::profile::AmountUnit;
use wire::codec::{Codec, Incoming, Parties};
use wire::dialect::{Dialect, Encoding, XmlOptions};
use wire::ornament::Blemishes;

/// Longer than any error's own words with 60 characters of the body.
const LONGEST_ERROR: usize = 600;

/// Digits of the length before a futures frame.
const LENGTH_DIGITS: usize = 8;

/// The decoder of the securities dialect: protobuf behind a length.
pub fn securities(bytes: &[u8]) {
    all(Dialect::Securities, bytes);
}

/// The decoder of the futures dialect: XML behind a length. The first byte chooses the encoding, the
/// unit of amounts and the zone.
pub fn futures(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    all(Dialect::Futures(options(*first)), rest);
}

/// Encoding, unit of amounts and zone, by one byte.
pub(crate) fn options(first: u8) -> XmlOptions {
    XmlOptions {
        encoding: if first & 1 == 0 { Encoding::Utf8 } else { Encoding::Gb18030 },
        amount_unit: if first & 2 == 0 { AmountUnit::Minor } else { AmountUnit::Major },
        utc_offset_minutes: if first & 4 == 0 { 0 } else { 480 },
    }
}

/// One frame as long as what follows its length.
pub(crate) fn repair_securities(bytes: &mut [u8]) {
    if let Some((length, body)) = bytes.split_first_chunk_mut::<4>() {
        *length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    }
}

/// The same, behind the byte that chooses.
pub(crate) fn repair_futures(bytes: &mut [u8]) {
    if let Some(body) = bytes.len().checked_sub(1 + LENGTH_DIGITS) {
        bytes[1..=LENGTH_DIGITS].copy_from_slice(format!("{body:08}").as_bytes());
    }
}

/// Takes all frames off the bytes. Each makes the rest shorter; an error is bounded; and what was
/// read can be written again, and is then read as the same and without a blemish: lenient and strict
/// reading agree wherever both succeed.
fn all(dialect: Dialect, bytes: &[u8]) {
    let own = Parties { own: "bridge".to_owned(), peer: "futures".to_owned() };
    let peer = Parties { own: "futures".to_owned(), peer: "bridge".to_owned() };
    let reader = Codec::new(dialect.clone(), own);
    let writer = Codec::new(dialect, peer).at_counter();
    let mut buffer = BytesMut::from(bytes);
    loop {
        let before = buffer.len();
        match reader.decode(&mut buffer) {
            Err(_) => return,
            Ok(None) => {
                return assert_eq!(buffer.len(), before, "bytes were taken without a frame");
            }
            Ok(Some(incoming)) => {
                assert!(buffer.len() < before, "a frame of no bytes");
                match incoming {
                    Incoming::Malformed(what) => assert!(what.error.len() <= LONGEST_ERROR),
                    Incoming::Message(message) => {
                        let mut again = BytesMut::new();
                        if writer.encode_at(&message, 0, &mut again).is_ok() {
                            let mut none = Blemishes::default();
                            let read = reader.decode_noting(&mut again, &mut none);
                            assert_eq!(read, Ok(Some(Incoming::Message(message))));
                            assert!(none.is_empty(), "what is written strictly has a blemish");
                        }
                    }
                }
            }
        }
    }
}
