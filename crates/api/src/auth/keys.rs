//! Whose signatures are accepted: keys, each of one app and for one algorithm.

use super::limits;
use ed25519_dalek::{Signature, VerifyingKey, pkcs8::DecodePublicKey};
use ring::hmac;
use std::{collections::HashMap, fmt, sync::Arc};

/// A signature algorithm of the RFC 9421 registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `hmac-sha256`: one secret that both sides hold.
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

/// What checks a signature. Debug names the algorithm and never shows key material.
#[derive(Clone)]
pub struct VerificationKey(Material);

#[derive(Clone)]
enum Material {
    /// Already keyed: a verification starts from a copy.
    HmacSha256(Box<hmac::Key>),
    Ed25519(Box<VerifyingKey>),
}

impl VerificationKey {
    /// The shortest HMAC secret taken, in bytes: what the hash gives back is no longer.
    pub const SHORTEST_SECRET: usize = 32;

    /// A shared secret of at least 32 bytes.
    pub fn hmac_sha256(secret: &[u8]) -> Result<VerificationKey, KeyError> {
        if secret.len() < Self::SHORTEST_SECRET {
            return Err(KeyError::SecretTooShort(secret.len()));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Ok(VerificationKey(Material::HmacSha256(Box::new(key))))
    }

    /// A public key as PEM (`-----BEGIN PUBLIC KEY-----`, X.509 `SubjectPublicKeyInfo`).
    pub fn ed25519_pem(pem: &str) -> Result<VerificationKey, KeyError> {
        VerifyingKey::from_public_key_pem(pem.trim())
            .map_err(|_| KeyError::NotAKey("not an Ed25519 public key in PEM"))
            .and_then(Self::ed25519)
    }

    /// A public key as its 32 bytes.
    pub fn ed25519_bytes(bytes: &[u8; 32]) -> Result<VerificationKey, KeyError> {
        VerifyingKey::from_bytes(bytes)
            .map_err(|_| KeyError::NotAKey("not an Ed25519 public key"))
            .and_then(Self::ed25519)
    }

    /// A key as it is configured: for HMAC the secret's bytes, for Ed25519 the public key as PEM.
    pub fn read(algorithm: Algorithm, content: &[u8]) -> Result<VerificationKey, KeyError> {
        match algorithm {
            Algorithm::HmacSha256 => Self::hmac_sha256(content),
            Algorithm::Ed25519 => std::str::from_utf8(content)
                .map_err(|_| KeyError::NotAKey("not an Ed25519 public key in PEM"))
                .and_then(Self::ed25519_pem),
        }
    }

    /// The algorithm that the key is for.
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Material::HmacSha256(_) => Algorithm::HmacSha256,
            Material::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Whether `signature` is that of `message`; HMAC is compared in constant time.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Material::HmacSha256(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Ed25519(public) => Signature::from_slice(signature)
                .is_ok_and(|signature| public.verify_strict(message, &signature).is_ok()),
        }
    }

    fn ed25519(public: VerifyingKey) -> Result<VerificationKey, KeyError> {
        if public.is_weak() {
            return Err(KeyError::NotAKey("an Ed25519 public key of small order proves nothing"));
        }
        Ok(VerificationKey(Material::Ed25519(Box::new(public))))
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationKey({})", self.algorithm())
    }
}

/// The keys of all apps, by their ids. An app may have several, to change from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    by_id: HashMap<Arc<str>, Registered>,
}

#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) app: Arc<str>,
    pub(super) keyid: Arc<str>,
    pub(super) key: VerificationKey,
}

impl Keys {
    /// No keys: nobody is let in.
    pub fn new() -> Keys {
        Keys::default()
    }

    /// Adds a key of `app`. The id is 1 to 128 visible ASCII characters and is nobody else's.
    pub fn insert(&mut self, keyid: &str, app: &str, key: VerificationKey) -> Result<(), KeyError> {
        let visible = keyid.bytes().all(|byte| byte.is_ascii_graphic());
        if keyid.is_empty() || keyid.len() > limits::KEYID || !visible {
            return Err(KeyError::NotAnId(keyid.chars().take(limits::KEYID).collect()));
        }
        if self.by_id.contains_key(keyid) {
            return Err(KeyError::Duplicate(keyid.to_owned()));
        }
        let keyid: Arc<str> = keyid.into();
        self.by_id.insert(Arc::clone(&keyid), Registered { app: app.into(), keyid, key });
        Ok(())
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The apps that have keys, each as often as it has some.
    pub fn apps(&self) -> impl Iterator<Item = Arc<str>> + Clone {
        self.by_id.values().map(|registered| registered.app.clone())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn get(&self, keyid: &str) -> Option<&Registered> {
        self.by_id.get(keyid)
    }
}

/// Why a key cannot be registered. Never says anything of the key itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A secret that could be guessed: of so many bytes, fewer than 32.
    #[error("an HMAC secret must have at least 32 bytes, not {0}")]
    SecretTooShort(usize),
    /// A text that is not a key of that kind; why, in words.
    #[error("{0}")]
    NotAKey(&'static str),
    /// An id that is not 1 to 128 visible ASCII characters; its first 128.
    #[error("a key id is 1 to 128 visible ASCII characters, not {0:?}")]
    NotAnId(String),
    /// An id that another key has.
    #[error("two keys have the id {0:?}")]
    Duplicate(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> VerificationKey {
        VerificationKey::hmac_sha256(&[7; 32]).expect("a secret")
    }

    #[test]
    fn secrets_have_32_bytes_or_more() {
        assert_eq!(
            VerificationKey::hmac_sha256(&[7; 31]).err(),
            Some(KeyError::SecretTooShort(31))
        );
        let read = VerificationKey::read(Algorithm::HmacSha256, &[7; 32]).expect("a secret");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), b"text");
        assert!(read.verifies(b"text", tag.as_ref()));
    }

    #[test]
    fn ids_are_visible_and_nobody_elses() {
        let mut keys = Keys::new();
        assert!(keys.is_empty());
        assert_eq!(keys.insert("a", "app", secret()), Ok(()));
        assert_eq!(keys.insert("a", "other", secret()), Err(KeyError::Duplicate("a".into())));
        assert_eq!(keys.insert(&"k".repeat(128), "app", secret()), Ok(()));
        for bad in ["", "a b", "é", &"k".repeat(129)] {
            assert!(matches!(keys.insert(bad, "app", secret()), Err(KeyError::NotAnId(_))));
        }
        assert_eq!((keys.len(), keys.is_empty()), (2, false));
    }

    #[test]
    fn weak_and_broken_public_keys_are_refused() {
        // The neutral point, and the order-8 torsion: everything would verify.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert!(VerificationKey::ed25519_bytes(&neutral).is_err());
        assert!(VerificationKey::ed25519_pem("-----BEGIN PUBLIC KEY-----").is_err());
        assert!(VerificationKey::read(Algorithm::Ed25519, &[0xff; 40]).is_err());
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", secret()), "VerificationKey(hmac-sha256)");
    }

    #[test]
    fn names_are_the_registrys() {
        assert_eq!(Algorithm::from_name("ed25519"), Some(Algorithm::Ed25519));
        assert_eq!(Algorithm::from_name("hmac-sha256"), Some(Algorithm::HmacSha256));
        assert_eq!(Algorithm::from_name("HMAC-SHA256"), None);
        assert_eq!(Algorithm::from_name("rsa-pss-sha512"), None);
    }
}
