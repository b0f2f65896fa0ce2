//! Bytes that nobody may guess or see: they come from the operating system's generator, are wiped when they are
//! dropped, and `Debug` says nothing of them. Texts of them are read strictly, so that one secret has one text.

use data_encoding::Encoding;
use hmac::{EagerHash, Hmac, KeyInit};
use rand::rand_core::UnwrapErr;
use rand::{Rng, rngs::SysRng};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use std::fmt;

/// So many secret bytes.
pub(crate) struct SecretBytes<const N: usize>(SecretBox<[u8; N]>);

impl<const N: usize> SecretBytes<N> {
    /// New ones.
    pub(crate) fn random() -> SecretBytes<N> {
        // Filled where they stay, so that no copy is left behind.
        let mut bytes = Box::new([0; N]);
        fill_at_random(bytes.as_mut_slice());
        SecretBytes(SecretBox::new(bytes))
    }

    /// Those that a text stands for; `None` if it is not the one text that stands for so many bytes.
    pub(crate) fn read(encoding: &Encoding, text: &str) -> Option<SecretBytes<N>> {
        let mut bytes = SecretBytes(SecretBox::new(Box::new([0; N])));
        read_into(encoding, text, bytes.expose_mut()).then_some(bytes)
    }

    /// The bytes, for what computes with them.
    pub(crate) fn expose(&self) -> &[u8; N] {
        self.0.expose_secret()
    }

    fn expose_mut(&mut self) -> &mut [u8; N] {
        self.0.expose_secret_mut()
    }
}

impl<const N: usize> From<[u8; N]> for SecretBytes<N> {
    fn from(bytes: [u8; N]) -> SecretBytes<N> {
        SecretBytes(SecretBox::new(Box::new(bytes)))
    }
}

impl<const N: usize> fmt::Debug for SecretBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// Fills bytes from the operating system's generator. A system that has no randomness to give is one on which
/// nobody can safely sign in: that is a panic, never a weak secret.
pub(crate) fn fill_at_random(bytes: &mut [u8]) {
    UnwrapErr(SysRng).fill_bytes(bytes);
}

/// Reads the one text that stands for exactly so many bytes; says whether it was that.
pub(crate) fn read_into(encoding: &Encoding, text: &str, bytes: &mut [u8]) -> bool {
    encoding.decode_len(text.len()).is_ok_and(|length| length == bytes.len())
        && encoding.decode_mut(text.as_bytes(), bytes).is_ok_and(|length| length == bytes.len())
}

/// An HMAC under a key.
pub(crate) fn keyed<D: EagerHash>(key: &[u8]) -> Hmac<D> {
    // HMAC takes a key of any length; the error type is there for MACs that do not.
    <Hmac<D> as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};

    #[test]
    fn random_bytes_are_others_each_time_and_none_is_left_out() {
        let mut is_set = [false; 32];
        for _ in 0..64 {
            let (one, other) = (SecretBytes::<32>::random(), SecretBytes::<32>::random());
            assert_ne!(one.expose(), other.expose());
            for (set, byte) in is_set.iter_mut().zip(one.expose()) {
                *set |= *byte != 0;
            }
        }
        assert_eq!(is_set, [true; 32]);
    }

    #[test]
    fn a_text_stands_for_so_many_bytes_and_no_other_text_does() {
        let read = |text| SecretBytes::<1>::read(&BASE64URL_NOPAD, text).map(|it| *it.expose());
        assert_eq!(read("_w"), Some([255]));
        // The last bits are not of the byte: with others than zeros it would be a second text for it.
        for bad in ["", "_", "_x", "_w=", "_w==", "_wA", "/w", "_w\n", "é"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert!(SecretBytes::<10>::read(&BASE32_NOPAD, "AAAAAAAAAAAAAAAA").is_some());
        assert!(SecretBytes::<10>::read(&BASE32_NOPAD, "aaaaaaaaaaaaaaaa").is_none());
        assert!(SecretBytes::<10>::read(&BASE32_NOPAD, "AAAAAAAAAAAAAAA").is_none());
    }

    #[test]
    fn debug_shows_none_of_them() {
        assert_eq!(format!("{:?}", SecretBytes::from([7; 4])), "..");
    }
}
