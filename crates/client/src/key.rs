//! What an app signs with.

use ed25519_dalek::{
    Signer as _, SigningKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// A signature algorithm of the RFC 9421 registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `hmac-sha256`: one secret that the app and the bridge hold.
    HmacSha256,
    /// `ed25519`: the app keeps the private key, the bridge knows the public one.
    Ed25519,
}

impl Algorithm {
    /// The name in the registry, as in the `alg` parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::HmacSha256 => "hmac-sha256",
            Algorithm::Ed25519 => "ed25519",
        }
    }

    /// The algorithm of a registry name; only those two.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        [Algorithm::HmacSha256, Algorithm::Ed25519].into_iter().find(|known| known.as_str() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A signing key. Debug names the algorithm and never shows the key.
#[derive(Clone)]
pub enum Key {
    /// A shared secret.
    Hmac(HmacKey),
    /// A private key.
    Ed25519(Ed25519Key),
}

/// A shared secret of at least 32 bytes.
#[derive(Clone)]
pub struct HmacKey(Box<Hmac<Sha256>>);

/// An Ed25519 private key.
#[derive(Clone)]
pub struct Ed25519Key(Box<SigningKey>);

/// Why something is not a key. Never says anything of the key itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A secret that could be guessed: of so many bytes, fewer than 32.
    #[error("an HMAC secret must have at least 32 bytes, not {0}")]
    SecretTooShort(usize),
    /// A text that is not a PKCS#8 document with an Ed25519 key.
    #[error("not an Ed25519 private key in PEM (PKCS#8, -----BEGIN PRIVATE KEY-----)")]
    NotAPrivateKey,
    /// An id that is not 1 to 128 visible ASCII characters.
    #[error("a key id is 1 to 128 visible ASCII characters")]
    NotAnId,
}

impl Key {
    /// A shared secret of at least 32 bytes.
    pub fn hmac(secret: &[u8]) -> Result<Key, KeyError> {
        if secret.len() < 32 {
            return Err(KeyError::SecretTooShort(secret.len()));
        }
        <Hmac<Sha256> as KeyInit>::new_from_slice(secret)
            .map(|mac| Key::Hmac(HmacKey(Box::new(mac))))
            .map_err(|_| KeyError::SecretTooShort(secret.len()))
    }

    /// An Ed25519 private key as PEM: PKCS#8, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn ed25519_pem(pem: &str) -> Result<Key, KeyError> {
        SigningKey::from_pkcs8_pem(pem.trim())
            .map(|key| Key::Ed25519(Ed25519Key(Box::new(key))))
            .map_err(|_| KeyError::NotAPrivateKey)
    }

    /// A new Ed25519 key from the operating system's randomness.
    pub fn generate_ed25519() -> Key {
        Key::Ed25519(Ed25519Key(Box::new(SigningKey::from_bytes(&rand::random()))))
    }

    /// A key as a file holds it: for HMAC the secret's bytes, without the line end that editors
    /// leave behind; for Ed25519 the private key as PEM.
    pub fn from_file(algorithm: Algorithm, content: &[u8]) -> Result<Key, KeyError> {
        match algorithm {
            Algorithm::HmacSha256 => {
                let key =
                    content.strip_suffix(b"\n").map(|key| key.strip_suffix(b"\r").unwrap_or(key));
                Key::hmac(key.unwrap_or(content))
            }
            Algorithm::Ed25519 => std::str::from_utf8(content)
                .map_err(|_| KeyError::NotAPrivateKey)
                .and_then(Key::ed25519_pem),
        }
    }

    /// The algorithm that the key is for.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Key::Hmac(_) => Algorithm::HmacSha256,
            Key::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The signature of a message: 32 bytes for HMAC, 64 for Ed25519.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Key::Hmac(HmacKey(keyed)) => {
                let mut mac = Hmac::clone(keyed);
                mac.update(message);
                mac.finalize().into_bytes().to_vec()
            }
            Key::Ed25519(Ed25519Key(private)) => private.sign(message).to_bytes().to_vec(),
        }
    }
}

impl Ed25519Key {
    /// What the bridge is told of the key, as PEM (`-----BEGIN PUBLIC KEY-----`).
    pub fn public_pem(&self) -> Result<String, KeyError> {
        self.0
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| KeyError::NotAPrivateKey)
    }

    /// The private key as PEM, for a file that only the app can read.
    pub fn private_pem(&self) -> Result<String, KeyError> {
        self.0
            .to_pkcs8_pem(LineEnding::LF)
            .map(|pem| pem.to_string())
            .map_err(|_| KeyError::NotAPrivateKey)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.algorithm())
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

impl fmt::Debug for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ed25519Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_comes_back_from_its_file() {
        let key = Key::generate_ed25519();
        let Key::Ed25519(private) = &key else { panic!("an Ed25519 key") };
        let pem = private.private_pem().expect("a PEM");
        let again = Key::from_file(Algorithm::Ed25519, pem.as_bytes()).expect("a key");
        assert_eq!(key.sign(b"text"), again.sign(b"text"));
        assert!(private.public_pem().expect("a PEM").starts_with("-----BEGIN PUBLIC KEY-----"));
        assert_ne!(key.sign(b"text"), Key::generate_ed25519().sign(b"text"));
    }

    #[test]
    fn secrets_lose_one_line_end_of_their_file_and_nothing_else() {
        let two = [[b'k'; 32].as_slice(), b"\n\n"].concat();
        let one = Key::hmac(&[[b'k'; 32].as_slice(), b"\n"].concat()).expect("a key");
        let read = Key::from_file(Algorithm::HmacSha256, &two).expect("a key");
        assert_eq!(read.sign(b"text"), one.sign(b"text"));
        let secret = [b" 0123456789abcdef0123456789abcd ".as_slice(), b"\r\n"].concat();
        let key = Key::from_file(Algorithm::HmacSha256, &secret).expect("a key");
        let plain = Key::hmac(b" 0123456789abcdef0123456789abcd ").expect("a key");
        assert_eq!(key.sign(b"text"), plain.sign(b"text"));
        assert_eq!(Key::hmac(&[1; 31]).err(), Some(KeyError::SecretTooShort(31)));
        assert_eq!(
            Key::from_file(Algorithm::HmacSha256, b"\n").err(),
            Some(KeyError::SecretTooShort(0))
        );
        assert_eq!(Key::ed25519_pem("no").err(), Some(KeyError::NotAPrivateKey));
        assert_eq!(
            Key::from_file(Algorithm::Ed25519, &[0xff]).err(),
            Some(KeyError::NotAPrivateKey)
        );
    }

    #[test]
    fn debug_shows_no_key() {
        let hmac = Key::hmac(&[b'x'; 32]).expect("a key");
        assert_eq!(format!("{hmac:?}"), "Key(hmac-sha256)");
        assert_eq!(format!("{:?}", Key::generate_ed25519()), "Key(ed25519)");
    }
}
