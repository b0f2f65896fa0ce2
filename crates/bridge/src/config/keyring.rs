//! Whose each key is. A key proves who somebody is only while nobody else has it, and while nobody can
//! guess it: one that two parties share, or that is one byte again and again, proves nothing.

use super::section::{Findings, Located};
use secrecy::{ExposeSecret, SecretSlice};
use std::cell::RefCell;
use std::net::IpAddr;

/// The keys that were read, and whose each is.
#[derive(Debug, Default)]
pub(super) struct Keyring(RefCell<Vec<(SecretSlice<u8>, String)>>);

/// From where somebody with the key can use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// From this machine alone.
    ThisMachine,
    /// From elsewhere.
    Beyond,
}

impl Reach {
    /// From where an address can be reached that is listened on.
    pub(super) fn of(listen: IpAddr) -> Reach {
        if listen.is_loopback() { Reach::ThisMachine } else { Reach::Beyond }
    }
}

impl Keyring {
    /// Takes a key in as the key of `holder`, such as `the counter "securities"`. Whether it may be
    /// that; if not, why is noted.
    pub(super) fn take_in(
        &self,
        key: &Located<SecretSlice<u8>>,
        holder: &str,
        reach: Reach,
        findings: &Findings,
    ) -> bool {
        let bytes = key.value.expose_secret();
        match (repeated(bytes), reach) {
            (Some(0 | b'0'), _) => {
                key.wrong(
                    findings,
                    "is nothing but zeros: make a key, as with openssl rand -hex 32",
                );
                return false;
            }
            (Some(_), Reach::Beyond) => {
                key.wrong(
                    findings,
                    "is one byte again and again: make a key, as with openssl rand -hex 32",
                );
                return false;
            }
            (Some(_), Reach::ThisMachine) => key.note(
                findings,
                "is one byte again and again, which is taken only because nobody but this machine \
                 can use it: make a key, as with openssl rand -hex 32",
            ),
            (None, _) => {}
        }
        let mut holders = self.0.borrow_mut();
        match holders.iter().find(|(known, _)| known.expose_secret() == bytes) {
            Some((_, other)) if other != holder => {
                let what = format!("is also the key of {other}: whoever has it could be both");
                key.wrong(findings, what);
                false
            }
            Some(_) => true,
            None => {
                holders.push((key.value.clone(), holder.to_owned()));
                true
            }
        }
    }
}

/// The byte that all of it is, if it is more than one.
fn repeated(bytes: &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    (!rest.is_empty() && rest.iter().all(|byte| byte == first)).then_some(*first)
}
