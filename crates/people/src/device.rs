//! Which browsers an operator has signed in with before (OWASP, "Device Cookies"). Whoever floods an operator's name
//! with attempts has none of his browsers, so attempts from there are counted apart ([`crate::attempts`]), and the
//! operator gets in. A cookie lets nobody in: it only says by what an attempt is counted.

use crate::name::OperatorName;
use crate::secret::{SecretBytes, fill_at_random, keyed, read_into};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// What a cookie begins with, by which people know it for what it is.
const PREFIX: &str = "cbd_";

/// The longest cookie, in bytes: the prefix, a time, a nonce, a MAC, the longest name and three dots.
const LONGEST: usize = 4 + 20 + 22 + 43 + OperatorName::LONGEST + 3;

/// A browser in which an operator has signed in. Only whoever lets an operator in makes one, or reads it from a
/// cookie that was made then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceOf {
    name: OperatorName,
    nonce: [u8; 16],
}

impl DeviceOf {
    /// A browser in which this operator has just signed in for the first time, with a number from the operating
    /// system's randomness.
    pub fn random(name: OperatorName) -> DeviceOf {
        let mut nonce = [0; 16];
        fill_at_random(&mut nonce);
        DeviceOf { name, nonce }
    }

    /// Whose it is.
    pub fn name(&self) -> &OperatorName {
        &self.name
    }

    /// What tells it from others of the same operator.
    pub fn nonce(&self) -> [u8; 16] {
        self.nonce
    }
}

/// The key under which a process signs its cookies. With another key, all of them are void: operators then sign in
/// as from a new browser.
pub struct DeviceKey(SecretBytes<32>);

impl DeviceKey {
    /// A new one, from the operating system's randomness.
    pub fn random() -> DeviceKey {
        DeviceKey(SecretBytes::random())
    }

    /// A key that was kept.
    pub fn from_bytes(bytes: [u8; 32]) -> DeviceKey {
        DeviceKey(bytes.into())
    }

    /// The cookie of a browser, good until then, in microseconds since 1970 UTC: at most 124 bytes of what a cookie
    /// may have in it.
    pub fn issue(&self, device: &DeviceOf, until: i64) -> String {
        let (until, name) = (until.to_string(), device.name.as_str());
        let nonce = BASE64URL_NOPAD.encode(&device.nonce);
        let mac = self.mac(&until, &nonce, name).finalize().into_bytes();
        let mac = BASE64URL_NOPAD.encode(&mac);
        format!("{PREFIX}{until}.{nonce}.{mac}.{name}")
    }

    /// The browser whose cookie this is, if it was made under this key and is still good.
    pub fn verify(&self, text: &str, now: i64) -> Option<DeviceOf> {
        if text.len() > LONGEST {
            return None;
        }
        // The name is last: it may have dots in it.
        let mut parts = text.strip_prefix(PREFIX)?.splitn(4, '.');
        let (until, nonce, mac, name) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let mut said = [0; 32];
        if !read_into(&BASE64URL_NOPAD, mac, &mut said) {
            return None;
        }
        // In constant time, and before anything is made of what it says.
        self.mac(until, nonce, name).verify_slice(&said).ok()?;
        let mut device = DeviceOf { name: name.parse().ok()?, nonce: [0; 16] };
        let is_read = read_into(&BASE64URL_NOPAD, nonce, &mut device.nonce);
        (is_read && now < until.parse().ok()?).then_some(device)
    }

    /// Over parts of which only the last may have a dot in it, so that no other parts have the same text.
    fn mac(&self, until: &str, nonce: &str, name: &str) -> Hmac<Sha256> {
        let mut mac = keyed::<Sha256>(self.0.expose());
        mac.update(format!("{until}.{nonce}.{name}").as_bytes());
        mac
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UNTIL: i64 = 1_795_219_200_000_000;

    fn key() -> DeviceKey {
        DeviceKey::from_bytes([7; 32])
    }

    fn device(name: &str) -> DeviceOf {
        DeviceOf { name: name.parse().expect("a name"), nonce: [9; 16] }
    }

    #[test]
    fn a_cookie_is_known_again_until_its_end() {
        let device = device("anna.b");
        let cookie = key().issue(&device, UNTIL);
        assert_eq!(key().verify(&cookie, UNTIL - 1), Some(device.clone()));
        assert_eq!(key().verify(&cookie, UNTIL), None);
        assert_eq!((device.name().as_str(), device.nonce()), ("anna.b", [9; 16]));
        assert!(cookie.bytes().all(|it| it.is_ascii_graphic() && !b"\",;\\".contains(&it)));
    }

    #[test]
    fn a_cookie_of_another_key_is_none_of_ours() {
        let cookie = DeviceKey::random().issue(&device("anna"), UNTIL);
        assert_eq!(key().verify(&cookie, 0), None);
        assert_ne!(DeviceKey::random().0.expose(), DeviceKey::random().0.expose());
    }

    #[test]
    fn no_part_of_a_cookie_can_be_changed() {
        let cookie = key().issue(&device("anna"), UNTIL);
        let rest = cookie.strip_prefix("cbd_").expect("the prefix");
        let [until, nonce, mac, name] = rest.split('.').collect::<Vec<_>>()[..] else {
            panic!("{cookie}")
        };
        let other = BASE64URL_NOPAD.encode(&[8; 16]);
        let long = UNTIL + 1;
        for bad in [
            format!("cbd_{long}.{nonce}.{mac}.{name}"),
            format!("cbd_+{until}.{nonce}.{mac}.{name}"),
            format!("cbd_0{until}.{nonce}.{mac}.{name}"),
            format!("cbd_{until}.{other}.{mac}.{name}"),
            format!("cbd_{until}.{nonce}.{mac}.bert"),
            format!("cbd_{until}.{nonce}.{mac}.ann"),
            format!("cbd_{until}.{nonce}.{mac}.Anna"),
            format!("cbd_{until}.{nonce}.{mac}"),
            format!("cbd_{until}.{nonce}..{name}"),
            format!("cbd_{until}.{nonce}.{}.{name}", &mac[..42]),
            format!("cbd_{until}.{nonce}.{}A.{name}", &mac[..42]),
            format!("cbd_{until}.{nonce}.{mac}A.{name}"),
            format!("cbd_{until}.{nonce}.{mac}=.{name}"),
            format!("cbs_{until}.{nonce}.{mac}.{name}"),
            rest.to_owned(),
            format!(" {cookie}"),
            format!("{cookie} "),
            String::new(),
            "cbd_".into(),
            "cbd_...".into(),
        ] {
            assert_ne!(bad, cookie);
            assert_eq!(key().verify(&bad, 0), None, "{bad}");
        }
    }

    #[test]
    fn the_longest_cookie_is_read_and_what_is_longer_is_not_looked_at() {
        let longest = device(&"a".repeat(32));
        let cookie = key().issue(&longest, i64::MAX);
        assert_eq!(cookie.len(), LONGEST - 1, "a negative time has a sign");
        assert_eq!(key().verify(&cookie, 0), Some(longest.clone()));
        let cookie = key().issue(&longest, i64::MIN + 1);
        assert_eq!((cookie.len(), LONGEST), (124, 124));
        assert_eq!(key().verify(&cookie, i64::MIN), Some(longest));
        assert_eq!(key().verify(&format!("{cookie}a"), i64::MIN), None);
    }

    #[test]
    fn browsers_of_one_operator_differ() {
        let name: OperatorName = "anna".parse().expect("a name");
        assert_ne!(DeviceOf::random(name.clone()), DeviceOf::random(name));
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        assert_eq!(format!("{:?}", key()), "DeviceKey(..)");
    }

    proptest! {
        #[test]
        fn garbage_is_no_cookie(
            text in ".{0,130}|cbd_[0-9]{1,20}\\.[A-Za-z0-9_-]{22}\\.[A-Za-z0-9_-]{43}\\.[a-z]{1,8}"
        ) {
            prop_assert_eq!(key().verify(&text, 0), None);
        }
    }
}
