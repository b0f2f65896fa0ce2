//! The keys that a counter and the bridge prove themselves by: one, or two while one replaces the other.

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretSlice};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wire::conversation::{Nonce, Proof, SignOn};
use wire::proof::{self, Side};

/// A counter's keys. Cheap to clone; all clones are the same keys, and what takes their place holds
/// for every later sign-on.
#[derive(Clone)]
pub struct LinkKeys(Arc<Held>);

struct Held {
    keys: ArcSwap<Keys>,
    /// Whether the next counter that dials in is shown the second key first.
    second_is_next: AtomicBool,
}

struct Keys {
    first: Key,
    second: Option<Key>,
}

struct Key {
    id: KeyId,
    secret: SecretSlice<u8>,
}

/// Which key it was; the same for the same key, whenever it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyId(u64);

impl Key {
    fn new(secret: SecretSlice<u8>) -> Key {
        let mut hasher = DefaultHasher::new();
        secret.expose_secret().hash(&mut hasher);
        Key { id: KeyId(hasher.finish()), secret }
    }

    fn proves(&self, side: Side, sign_on: &SignOn, nonce: &Nonce, proof: &Proof) -> bool {
        proof::verify(self.secret.expose_secret(), side, sign_on, nonce, proof)
    }

    fn prove(&self, side: Side, sign_on: &SignOn, nonce: &Nonce) -> Proof {
        proof::prove(self.secret.expose_secret(), side, sign_on, nonce)
    }
}

impl Keys {
    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.second)
    }
}

impl LinkKeys {
    /// One key, and perhaps the one that replaces it, or that it replaces. Each has at least 32 bytes.
    pub fn new(first: SecretSlice<u8>, second: Option<SecretSlice<u8>>) -> LinkKeys {
        let keys = Keys { first: Key::new(first), second: second.map(Key::new) };
        let (keys, second_is_next) = (ArcSwap::from_pointee(keys), AtomicBool::new(false));
        LinkKeys(Arc::new(Held { keys, second_is_next }))
    }

    /// Puts other keys in the place of these. Whether they are others.
    pub fn replace(&self, with: &LinkKeys) -> bool {
        let new = with.0.keys.load_full();
        let old = self.0.keys.swap(Arc::clone(&new));
        !old.all().map(|key| key.id).eq(new.all().map(|key| key.id))
    }

    /// Whether a key is still one of these.
    pub(crate) fn hold(&self, id: KeyId) -> bool {
        self.0.keys.load().all().any(|key| key.id == id)
    }

    /// To a counter that was dialled and has proven itself by one of the keys: which, and our proof by
    /// the same.
    pub(crate) fn answer(
        &self,
        sign_on: &SignOn,
        nonce: &Nonce,
        theirs: &Proof,
    ) -> Option<(KeyId, Proof)> {
        let keys = self.0.keys.load();
        let key = keys.all().find(|key| key.proves(Side::Acceptor, sign_on, nonce, theirs))?;
        Some((key.id, key.prove(Side::Dialler, sign_on, nonce)))
    }

    /// To a counter that dials in, our proof. Which key it has is not known before it answers: the one
    /// that it proved itself by last is tried first, and if it leaves instead, the other is the next.
    pub(crate) fn challenge(&self, sign_on: &SignOn, nonce: &Nonce) -> Proof {
        let keys = self.0.keys.load();
        let second = self.0.second_is_next.fetch_xor(true, Ordering::Relaxed);
        let key = keys.second.as_ref().filter(|_| second).unwrap_or(&keys.first);
        key.prove(Side::Acceptor, sign_on, nonce)
    }

    /// By which key a counter that dials in has proven itself.
    pub(crate) fn verify(&self, sign_on: &SignOn, nonce: &Nonce, theirs: &Proof) -> Option<KeyId> {
        let keys = self.0.keys.load();
        let key = keys.all().find(|key| key.proves(Side::Dialler, sign_on, nonce, theirs))?;
        self.0.second_is_next.store(key.id != keys.first.id, Ordering::Relaxed);
        Some(key.id)
    }
}

impl From<Vec<u8>> for LinkKeys {
    fn from(key: Vec<u8>) -> LinkKeys {
        LinkKeys::new(key.into(), None)
    }
}

impl From<SecretSlice<u8>> for LinkKeys {
    fn from(key: SecretSlice<u8>) -> LinkKeys {
        LinkKeys::new(key, None)
    }
}

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkKeys({})", self.0.keys.load().all().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> SecretSlice<u8> {
        vec![byte; 32].into()
    }

    fn sign_on() -> SignOn {
        SignOn {
            version: SignOn::VERSION,
            dialler: "securities".to_owned(),
            acceptor: "bridge".to_owned(),
            channel: 0,
            nonce: [3; 32],
            heartbeat_s: 10,
        }
    }

    const NONCE: Nonce = [4; 32];

    fn proof(key: u8, side: Side) -> Proof {
        proof::prove(&[key; 32], side, &sign_on(), &NONCE)
    }

    /// Which key our challenge was proven by.
    fn shown(keys: &LinkKeys) -> u8 {
        let shown = keys.challenge(&sign_on(), &NONCE);
        (1..4).find(|key| proof(*key, Side::Acceptor) == shown).expect("one of them")
    }

    #[test]
    fn a_counter_that_is_dialled_is_answered_by_the_key_that_it_has() {
        let keys = LinkKeys::new(secret(1), Some(secret(2)));
        for key in [1, 2] {
            let (id, ours) =
                keys.answer(&sign_on(), &NONCE, &proof(key, Side::Acceptor)).expect("known");
            assert!(ours == proof(key, Side::Dialler) && keys.hold(id), "{key}");
        }
        assert!(keys.answer(&sign_on(), &NONCE, &proof(3, Side::Acceptor)).is_none());
        assert!(
            keys.answer(&sign_on(), &NONCE, &proof(1, Side::Dialler)).is_none(),
            "our own side"
        );
        assert!(
            LinkKeys::from(secret(1))
                .answer(&sign_on(), &NONCE, &proof(2, Side::Acceptor))
                .is_none()
        );
    }

    #[test]
    fn a_counter_that_dials_in_is_shown_the_other_key_if_the_first_does_not_please_it() {
        let keys = LinkKeys::new(secret(1), Some(secret(2)));
        assert_eq!([shown(&keys), shown(&keys), shown(&keys)], [1, 2, 1], "until one is answered");
        assert!(keys.verify(&sign_on(), &NONCE, &proof(2, Side::Dialler)).is_some());
        assert_eq!(shown(&keys), 2, "the one that it answered is the first");
        assert!(keys.verify(&sign_on(), &NONCE, &proof(1, Side::Dialler)).is_some());
        assert_eq!(shown(&keys), 1);
        assert!(keys.verify(&sign_on(), &NONCE, &proof(3, Side::Dialler)).is_none());
        let single = LinkKeys::from(secret(1));
        assert_eq!([shown(&single), shown(&single)], [1, 1]);
    }

    #[test]
    fn keys_that_are_replaced_are_others_for_everybody() {
        let keys = LinkKeys::from(secret(1));
        let link = keys.clone();
        let old = link.verify(&sign_on(), &NONCE, &proof(1, Side::Dialler)).expect("it is known");
        assert!(!keys.replace(&LinkKeys::from(secret(1))), "the same, read again");
        assert!(link.hold(old));
        assert!(keys.replace(&LinkKeys::new(secret(2), Some(secret(1)))));
        assert!(link.hold(old), "both, while one replaces the other");
        assert!(keys.replace(&LinkKeys::from(secret(2))));
        assert!(!link.hold(old));
        assert!(link.verify(&sign_on(), &NONCE, &proof(1, Side::Dialler)).is_none());
        assert!(link.verify(&sign_on(), &NONCE, &proof(2, Side::Dialler)).is_some());
    }

    #[test]
    fn no_key_is_shown() {
        assert_eq!(format!("{:?}", LinkKeys::new(secret(1), Some(secret(2)))), "LinkKeys(2)");
    }
}
