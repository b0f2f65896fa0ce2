//! What lets in whoever bears it: the secret of a session, which a browser holds in a cookie, and the secret of a
//! token, which a script holds. Both are 256 random bits, so that nobody has to be slowed down who guesses at them,
//! and of both only a digest is stored, so that who reads the database cannot sign in with what he reads.

use crate::secret::SecretBytes;
use data_encoding::BASE64URL_NOPAD;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};
use std::marker::PhantomData;
use std::{fmt, str::FromStr};

/// The secret of a session: `cbs_` and 43 characters.
pub type SessionSecret = Bearer<OfSession>;

/// The secret of a token: `cbt_` and 43 characters.
pub type TokenSecret = Bearer<OfToken>;

/// A secret of 256 random bits. Its text is a prefix, by which people and scanners of repositories know it for
/// what it is, and base64url (RFC 4648) without padding.
pub struct Bearer<K> {
    bytes: SecretBytes<32>,
    kind: PhantomData<fn() -> K>,
}

/// What a secret is for. There are two.
pub trait Kind: sealed::Sealed {
    /// What its text begins with.
    const PREFIX: &'static str;
}

/// Of a session.
#[derive(Clone, Copy, Debug)]
pub enum OfSession {}

/// Of a token.
#[derive(Clone, Copy, Debug)]
pub enum OfToken {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::OfSession {}
    impl Sealed for super::OfToken {}
}

impl Kind for OfSession {
    const PREFIX: &'static str = "cbs_";
}

impl Kind for OfToken {
    const PREFIX: &'static str = "cbt_";
}

/// A text that is no such secret. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {0} and 43 characters of base64url", self.prefix)]
pub struct NotASecret {
    /// What it would have begun with.
    pub prefix: &'static str,
}

impl<K: Kind> Bearer<K> {
    /// A new one, from the operating system's randomness.
    pub fn random() -> Bearer<K> {
        Bearer { bytes: SecretBytes::random(), kind: PhantomData }
    }

    /// The text, for the one who bears it and for nobody else.
    pub fn text(&self) -> String {
        let mut text = K::PREFIX.to_owned();
        BASE64URL_NOPAD.encode_append(self.bytes.expose(), &mut text);
        text
    }

    /// SHA-256 of the text: all that is stored. The prefix is part of it, so a session's secret is never good
    /// for a token.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(Zeroizing::new(self.text()).as_bytes()).into()
    }
}

impl<K: Kind> FromStr for Bearer<K> {
    type Err = NotASecret;
    fn from_str(text: &str) -> Result<Bearer<K>, NotASecret> {
        text.strip_prefix(K::PREFIX)
            .and_then(|rest| SecretBytes::read(&BASE64URL_NOPAD, rest))
            .map(|bytes| Bearer { bytes, kind: PhantomData })
            .ok_or(NotASecret { prefix: K::PREFIX })
    }
}

impl<K: Kind> fmt::Debug for Bearer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::PREFIX)?;
        self.bytes.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_secret_is_read_as_it_is_written_and_has_the_digest_of_its_text() {
        let secret = SessionSecret::random();
        let text = secret.text();
        assert_eq!((text.len(), &text[..4]), (47, "cbs_"));
        let read: SessionSecret = text.parse().expect("a secret");
        assert_eq!(read.text(), text);
        assert_eq!(read.digest(), secret.digest());
        assert_eq!(secret.digest(), <[u8; 32]>::from(Sha256::digest(&text)));
        assert_ne!(SessionSecret::random().digest(), secret.digest());
    }

    #[test]
    fn a_sessions_secret_is_no_tokens() {
        let session = SessionSecret::random().text();
        let refused = session.parse::<TokenSecret>().expect_err("of a session");
        assert_eq!(refused.to_string(), "not cbt_ and 43 characters of base64url");
        let token: TokenSecret = session.replace("cbs_", "cbt_").parse().expect("a secret");
        let session: SessionSecret = session.parse().expect("a secret");
        assert_ne!(token.digest(), session.digest(), "the same bits, of another kind");
    }

    #[test]
    fn only_the_one_text_is_read() {
        let zeros = "A".repeat(43);
        assert!(format!("cbs_{zeros}").parse::<SessionSecret>().is_ok());
        let bad = [
            String::new(),
            "cbs_".into(),
            zeros.clone(),
            format!("CBS_{zeros}"),
            format!(" cbs_{zeros}"),
            format!("cbs_{zeros}\n"),
            format!("cbs_{zeros}="),
            format!("cbs_{zeros}A"),
            format!("cbs_{}", &zeros[1..]),
            // The last character has two bits that are not of the secret.
            format!("cbs_{}B", &zeros[1..]),
            format!("cbs_+{}", &zeros[1..]),
        ];
        for text in bad {
            assert!(text.parse::<SessionSecret>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_what_it_is_and_nothing_of_it() {
        assert_eq!(format!("{:?}", SessionSecret::random()), "cbs_..");
        assert_eq!(format!("{:?}", TokenSecret::random()), "cbt_..");
    }

    proptest! {
        #[test]
        fn garbage_is_no_secret_and_what_is_read_is_written_the_same(
            text in ".{0,60}|(cbs_|cbt_)[A-Za-z0-9_-]{42,44}"
        ) {
            if let Ok(secret) = text.parse::<TokenSecret>() {
                prop_assert_eq!(secret.text(), text);
            }
        }
    }
}
