//! Framing: a length, then that many bytes. Nothing is reserved for what has only been announced.

use crate::error::{EncodeError, FrameError};
use bytes::{BufMut, BytesMut};

/// How a dialect writes the length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Four bytes, big-endian.
    Binary,
    /// Eight ASCII decimal digits.
    Digits,
}

impl Prefix {
    /// Bytes of the length itself.
    pub(crate) const fn width(self) -> usize {
        match self {
            Prefix::Binary => 4,
            Prefix::Digits => 8,
        }
    }

    /// Whether a length is taken for one of these by its first byte. Four binary ones begin with zero, for no frame
    /// is longer than a mebibyte; whatever else is no digit is taken for them too, and found too long.
    pub(crate) const fn may_begin_with(self, byte: u8) -> bool {
        match self {
            Prefix::Binary => !byte.is_ascii_digit(),
            Prefix::Digits => byte.is_ascii_digit(),
        }
    }

    /// The body of the frame at the front of `buffer`, or nothing while it is not all there. A
    /// length that cannot be right is refused as soon as it shows.
    pub(crate) fn body(self, buffer: &[u8], limit: usize) -> Result<Option<&[u8]>, FrameError> {
        let announced = match self {
            Prefix::Binary => match buffer.first_chunk::<4>() {
                Some(length) => u64::from(u32::from_be_bytes(*length)),
                None => return Ok(None),
            },
            Prefix::Digits => {
                let digits = &buffer[..buffer.len().min(8)];
                if !digits.iter().all(u8::is_ascii_digit) {
                    return Err(FrameError::BadLength);
                }
                if digits.len() < 8 {
                    return Ok(None);
                }
                digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
            }
        };
        if announced == 0 {
            return Err(FrameError::Empty);
        }
        match usize::try_from(announced) {
            Ok(length) if length <= limit => {
                Ok(buffer.get(self.width()..).and_then(|rest| rest.get(..length)))
            }
            _ => Err(FrameError::TooLong { announced, limit }),
        }
    }

    /// Appends a frame around what `body` appends. On an error nothing is appended.
    pub(crate) fn write(
        self,
        limit: usize,
        out: &mut BytesMut,
        body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        out.put_bytes(0, self.width());
        let written = body(out).and_then(|()| {
            let length = out.len() - start - self.width();
            if length > limit { Err(EncodeError::TooLong { length, limit }) } else { Ok(length) }
        });
        match written {
            Ok(length) => {
                self.fill(&mut out[start..start + self.width()], length);
                Ok(())
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }

    fn fill(self, prefix: &mut [u8], length: usize) {
        match self {
            Prefix::Binary => {
                // The limit is far below 4 GiB.
                let length = u32::try_from(length).unwrap_or(u32::MAX);
                prefix.copy_from_slice(&length.to_be_bytes());
            }
            Prefix::Digits => {
                let mut rest = length;
                for digit in prefix.iter_mut().rev() {
                    // A remainder of ten fits a byte.
                    *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                    rest /= 10;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_refused_as_soon_as_it_cannot_be_right() {
        let limit = 100;
        for (prefix, bytes, expected) in [
            (Prefix::Binary, &b""[..], Ok(None)),
            (Prefix::Binary, &[0, 0, 0], Ok(None)),
            (Prefix::Binary, &[0, 0, 0, 0], Err(FrameError::Empty)),
            (Prefix::Binary, &[0, 0, 0, 2, 7], Ok(None)),
            (Prefix::Binary, &[0, 0, 0, 2, 7, 8, 9], Ok(Some(&[7, 8][..]))),
            (Prefix::Binary, &[0, 0, 0, 101], Err(FrameError::TooLong { announced: 101, limit })),
            (
                Prefix::Binary,
                &[255, 255, 255, 255],
                Err(FrameError::TooLong { announced: 4_294_967_295, limit }),
            ),
            (Prefix::Digits, b"", Ok(None)),
            (Prefix::Digits, b"0000000", Ok(None)),
            (Prefix::Digits, b"00000000", Err(FrameError::Empty)),
            (Prefix::Digits, b"0000x", Err(FrameError::BadLength)),
            (Prefix::Digits, b"+0000002ab", Err(FrameError::BadLength)),
            (Prefix::Digits, b"0x000002ab", Err(FrameError::BadLength)),
            (Prefix::Digits, b"00000002a", Ok(None)),
            (Prefix::Digits, b"00000002abc", Ok(Some(b"ab"))),
            (Prefix::Digits, b"00000101", Err(FrameError::TooLong { announced: 101, limit })),
            (
                Prefix::Digits,
                b"99999999",
                Err(FrameError::TooLong { announced: 99_999_999, limit }),
            ),
        ] {
            assert_eq!(prefix.body(bytes, limit), expected, "{prefix:?} {bytes:?}");
        }
    }

    #[test]
    fn a_body_of_exactly_the_limit_is_written_and_one_more_byte_is_not() {
        for prefix in [Prefix::Binary, Prefix::Digits] {
            let mut out = BytesMut::from(&b"before"[..]);
            prefix
                .write(100, &mut out, |out| {
                    out.put_bytes(b'x', 100);
                    Ok(())
                })
                .expect("fits");
            assert_eq!(
                prefix.body(&out[6..], 100).map(|body| body.map(<[u8]>::len)),
                Ok(Some(100))
            );
            let whole = out.clone();
            let refused = prefix.write(100, &mut out, |out| {
                out.put_bytes(b'x', 101);
                Ok(())
            });
            assert_eq!(refused, Err(EncodeError::TooLong { length: 101, limit: 100 }));
            assert_eq!(out, whole, "nothing is appended");
        }
    }
}
