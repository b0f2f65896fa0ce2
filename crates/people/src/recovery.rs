//! Recovery codes: for an operator whose telephone is gone. Ten are shown once, each is good once, and only their
//! digests are stored. 80 random bits cannot be guessed, so the digest needs neither salt nor cost.

use crate::secret::SecretBytes;
use data_encoding::BASE32_NOPAD;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};
use std::fmt;

/// How many codes an operator has.
pub const COUNT: usize = 10;

/// Characters of a code, without its dashes.
const LENGTH: usize = 16;

/// Characters in a row, before a dash.
const GROUP: usize = 4;

/// A recovery code: 80 random bits.
pub struct RecoveryCode(SecretBytes<10>);

impl RecoveryCode {
    /// A new one, from the operating system's randomness.
    pub fn random() -> RecoveryCode {
        RecoveryCode(SecretBytes::random())
    }

    /// All that an operator gets, new.
    pub fn random_set() -> [RecoveryCode; COUNT] {
        std::array::from_fn(|_| RecoveryCode::random())
    }

    /// The code as it is shown, once: base32 (RFC 4648) in four groups of four, `ABCD-EFGH-IJKL-MNOP`.
    pub fn text(&self) -> String {
        let letters = self.letters();
        let mut text = String::with_capacity(LENGTH + LENGTH / GROUP - 1);
        for (place, letter) in letters.chars().enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        text
    }

    /// All that is stored of it: see [`digest`].
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.letters().as_bytes()).into()
    }

    fn letters(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(self.0.expose()))
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryCode({:?})", self.0)
    }
}

/// By what a code that somebody typed is looked up: SHA-256 over its sixteen characters. Case, dashes and blanks do
/// not count, for people copy it from paper. `None` if it is no such code, whoever's.
pub fn digest(typed: &str) -> Option<[u8; 32]> {
    let mut letters = Zeroizing::new([0; LENGTH]);
    let mut length = 0;
    for letter in typed.chars().filter(|letter| *letter != '-' && !letter.is_whitespace()) {
        let byte = u8::try_from(letter.to_ascii_uppercase()).ok()?;
        if !matches!(byte, b'A'..=b'Z' | b'2'..=b'7') {
            return None;
        }
        *letters.get_mut(length)? = byte;
        length += 1;
    }
    (length == LENGTH).then(|| Sha256::digest(*letters).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn code() -> RecoveryCode {
        RecoveryCode(SecretBytes::from([0, 1, 2, 3, 4, 5, 6, 7, 8, 255]))
    }

    #[test]
    fn a_code_is_shown_in_four_groups_of_four() {
        assert_eq!(code().text(), "AAAQ-EAYE-AUDA-OCH7");
    }

    #[test]
    fn a_code_is_known_again_however_it_is_typed() {
        let stored = code().digest();
        assert_eq!(stored, <[u8; 32]>::from(Sha256::digest("AAAQEAYEAUDAOCH7")));
        for typed in [
            "AAAQ-EAYE-AUDA-OCH7",
            "aaaq-eaye-auda-och7",
            "AAAQEAYEAUDAOCH7",
            " aaaq eaye\tauda och7\n",
            "--AAAQ--EAYEAUDAOCH7-",
        ] {
            assert_eq!(digest(typed), Some(stored), "{typed:?}");
        }
    }

    #[test]
    fn what_is_no_code_has_no_digest() {
        for typed in [
            "",
            "-",
            "AAAQ-EAYE-AUDA-OCH",
            "AAAQ-EAYE-AUDA-OCH7A",
            "AAAQ-EAYE-AUDA-OCH1",
            "AAAQ-EAYE-AUDA-OCH0",
            "AAAQ-EAYE-AUDA-OCH8",
            "AAAQ-EAYE-AUDA-OCH=",
            "AAAQ_EAYE_AUDA_OCH7",
            "ÄAAQ-EAYE-AUDA-OCH7",
            "ſAAQ-EAYE-AUDA-OCH7",
        ] {
            assert_eq!(digest(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn an_operator_gets_ten_that_are_all_others() {
        let set = RecoveryCode::random_set();
        let texts: BTreeSet<String> = set.iter().map(RecoveryCode::text).collect();
        assert_eq!(texts.len(), 10);
        for one in &set {
            assert_eq!(digest(&one.text()), Some(one.digest()));
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_code() {
        assert_eq!(format!("{:?}", code()), "RecoveryCode(..)");
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_a_code_only_with_sixteen_letters(
            typed in ".{0,40}|[A-Za-z2-7 -]{14,24}"
        ) {
            let letters = typed.chars().filter(|it| matches!(it, 'A'..='Z' | 'a'..='z' | '2'..='7'));
            if digest(&typed).is_some() {
                prop_assert_eq!(letters.count(), 16);
            }
        }
    }
}
