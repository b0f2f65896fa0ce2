//! The memory of nonces: bounded, and never forgetful before a signature expires.

use super::error::AuthError;
use crate::shares::Shares;
use ring::digest::{Context, SHA256};
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Remembers every (key id, nonce) until the signature that carried it has expired. A node's own:
/// at another node, or after a restart, a replayed POST is told its stored answer.
///
/// Only signatures that verified are remembered, so nobody without a key can fill it. It holds a
/// fingerprint of sixteen bytes for each, about 80 bytes of memory in all, taken as needed. When a
/// shard is full it refuses rather than forgets, and half of it is kept for the apps in equal parts: none
/// can use it up for another. Time is an input. Should the clock step back, what
/// was forgotten counts as expired, until whatever could have been signed by then has expired.
pub struct NonceMemory {
    shards: Box<[Mutex<Shard>]>,
    capacity: usize,
}

/// What a nonce is remembered by: half a SHA-256 over the key's id, behind its length, and the
/// nonce. A clash refuses a request once in longer than the bridge will run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 16]);

impl Fingerprint {
    pub(super) fn of(keyid: &str, nonce: &str) -> Fingerprint {
        let mut hash = Context::new(&SHA256);
        hash.update(&u64::try_from(keyid.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(keyid.as_bytes());
        hash.update(nonce.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finish().as_ref()[..16]);
        Fingerprint(half)
    }
}

/// When a signature expires, in seconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expiry {
    pub(super) at_s: i64,
    /// No signature that is good now expires later.
    pub(super) latest_s: i64,
}

#[derive(Clone)]
struct Shard {
    seen: HashSet<Fingerprint>,
    /// The same fingerprints by the second in which they expire, with the app whose they are.
    by_expiry: BTreeMap<i64, Vec<(Fingerprint, Arc<str>)>>,
    shares: Shares,
    /// Everything that expires at or before this second has been forgotten.
    forgotten_until: i64,
}

impl NonceMemory {
    /// Two signed requests meet in one of 64 locks seldom, and each is held for under 1 µs.
    const SHARDS: usize = 64;

    /// Room for `capacity` nonces, rounded up to a multiple of 64, that these apps share. Enough is the
    /// highest rate of signed requests times how long their signatures are valid.
    pub fn new(capacity: usize, apps: impl IntoIterator<Item = Arc<str>>) -> NonceMemory {
        let of_shard = capacity.div_ceil(Self::SHARDS).max(1);
        let shard = Shard {
            seen: HashSet::new(),
            by_expiry: BTreeMap::new(),
            shares: Shares::new(of_shard, apps),
            forgotten_until: 0,
        };
        NonceMemory {
            shards: (0..Self::SHARDS).map(|_| Mutex::new(shard.clone())).collect(),
            capacity: of_shard * Self::SHARDS,
        }
    }

    /// From here on these apps share the room.
    pub(super) fn belongs_to(&self, apps: &(impl Iterator<Item = Arc<str>> + Clone)) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.shares.belong_to(apps.clone());
        }
    }

    /// How many nonces are remembered now, expired ones included until they are swept.
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).seen.len())
            .sum()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers a nonce of a signature of this app's that verified, or says that it was used before.
    pub(super) fn remember(
        &self,
        app: &Arc<str>,
        fingerprint: Fingerprint,
        expiry: Expiry,
        now_s: i64,
    ) -> Result<(), AuthError> {
        let expires_s = expiry.at_s;
        let shard = &self.shards[usize::from(fingerprint.0[0]) % self.shards.len()];
        // A panic between the two inserts could only leave a nonce that is never swept.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.forget_expired(now_s);
        // The clock may have been ahead: all that is signed by now is still refused, and no more.
        shard.forgotten_until = shard.forgotten_until.min(expiry.latest_s);
        if expires_s <= shard.forgotten_until {
            return Err(AuthError::Expired { ago_s: (shard.forgotten_until - expires_s).max(0) });
        }
        if shard.seen.contains(&fingerprint) {
            return Err(AuthError::ReplayedNonce);
        }
        if !shard.shares.take(app) {
            let first = shard.by_expiry.keys().next().copied().unwrap_or(now_s);
            let wait = first.saturating_sub(now_s).clamp(1, 300);
            return Err(AuthError::NonceMemoryFull {
                retry_after_s: u32::try_from(wait).unwrap_or(300),
            });
        }
        shard.seen.insert(fingerprint);
        shard.by_expiry.entry(expires_s).or_default().push((fingerprint, app.clone()));
        Ok(())
    }
}

impl Shard {
    fn forget_expired(&mut self, now_s: i64) {
        while let Some(first) = self.by_expiry.first_entry() {
            if *first.key() > now_s {
                break;
            }
            self.forgotten_until = self.forgotten_until.max(*first.key());
            for (fingerprint, app) in first.remove() {
                self.seen.remove(&fingerprint);
                self.shares.give_back(&app);
            }
        }
    }
}

impl fmt::Debug for NonceMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NonceMemory {{ capacity: {} }}", self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(number: u32) -> Fingerprint {
        Fingerprint::of("key", &number.to_string())
    }

    /// With a longest validity of 300 s and no skew.
    fn remember(
        memory: &NonceMemory,
        nonce: Fingerprint,
        at_s: i64,
        now_s: i64,
    ) -> Result<(), AuthError> {
        memory.remember(&"shop".into(), nonce, Expiry { at_s, latest_s: now_s + 300 }, now_s)
    }

    #[test]
    fn a_nonce_is_remembered_until_its_signature_expires() {
        let memory = NonceMemory::new(1000, []);
        assert_eq!(remember(&memory, nonce(1), 100, 50), Ok(()));
        assert_eq!(remember(&memory, nonce(1), 100, 99), Err(AuthError::ReplayedNonce));
        // The same nonce in a later signature is a replay too, while the first is remembered.
        assert_eq!(remember(&memory, nonce(1), 180, 99), Err(AuthError::ReplayedNonce));
        assert_eq!(remember(&memory, nonce(1), 180, 100), Ok(()));
        assert_eq!(memory.len(), 1);
    }

    #[test]
    fn what_was_forgotten_stays_expired_when_the_clock_steps_back() {
        let memory = NonceMemory::new(64, []);
        assert_eq!(remember(&memory, nonce(1), 100, 50), Ok(()));
        assert_eq!(remember(&memory, nonce(1), 200, 150), Ok(()), "swept and remembered anew");
        assert_eq!(remember(&memory, nonce(1), 100, 60), Err(AuthError::Expired { ago_s: 0 }));
    }

    #[test]
    fn a_clock_that_was_a_day_ahead_is_forgiven_once_nothing_of_before_is_valid() {
        const DAY: i64 = 86_400;
        let memory = NonceMemory::new(1000, []);
        assert_eq!(remember(&memory, nonce(1), 400, 100), Ok(()));
        assert_eq!(remember(&memory, nonce(1), DAY + 300, DAY), Ok(()));
        assert_eq!(remember(&memory, nonce(1), 2 * DAY + 300, 2 * DAY), Ok(()), "all is forgotten");
        // Back again: what was signed before the step is not taken a second time, nor is anything
        // else that expires as soon.
        assert_eq!(remember(&memory, nonce(1), 400, 101), Err(AuthError::Expired { ago_s: 1 }));
        assert_eq!(remember(&memory, nonce(1), 401, 102), Err(AuthError::Expired { ago_s: 0 }));
        assert_eq!(remember(&memory, nonce(2), 402, 102), Ok(()));
        assert_eq!(remember(&memory, nonce(2), 402, 103), Err(AuthError::ReplayedNonce));
    }

    #[test]
    fn a_full_memory_refuses_and_recovers() {
        let memory = NonceMemory::new(64, []);
        let mut kept = 0;
        let mut refused = 0;
        for number in 0..1000 {
            match remember(&memory, nonce(number), 130, 100) {
                Ok(()) => kept += 1,
                Err(error) => {
                    assert_eq!(error, AuthError::NonceMemoryFull { retry_after_s: 30 });
                    refused += 1;
                }
            }
        }
        assert_eq!((kept, refused), (64, 936), "every shard fills up to its one place");
        assert_eq!(memory.len(), 64);
        for number in 0..1000 {
            let again = remember(&memory, nonce(number), 130, 100);
            assert!(again.is_err(), "what was kept is still known, what was not still refused");
        }
        assert_eq!(remember(&memory, nonce(5000), 160, 130), Ok(()), "expired ones make room");
    }

    #[test]
    fn one_app_does_not_use_up_anothers_room() {
        let apps = ["busy", "quiet"].map(Arc::<str>::from);
        let memory = NonceMemory::new(64 * 40, apps.clone());
        let kept = |app: &Arc<str>, numbers: std::ops::Range<u32>, now_s: i64| {
            let expiry = Expiry { at_s: now_s + 30, latest_s: now_s + 300 };
            let remember = |number| memory.remember(app, nonce(number), expiry, now_s);
            numbers.filter(|number| remember(*number).is_ok()).count()
        };
        let [busy, quiet] = apps;
        let most = kept(&busy, 0..100_000, 100);
        assert_eq!(most, 64 * 30, "its own quarter and the common half");
        assert_eq!(kept(&quiet, 100_000..100_064, 100), 64, "few for its quarter");
        assert_eq!(memory.len(), most + 64);
        assert_eq!(kept(&busy, 200_000..300_000, 130), most, "what has expired makes room again");
    }

    #[test]
    fn keys_have_nonces_of_their_own() {
        assert_ne!(Fingerprint::of("a", "bc"), Fingerprint::of("ab", "c"));
        assert_ne!(Fingerprint::of("a", "n"), Fingerprint::of("b", "n"));
    }

    #[test]
    fn of_many_at_once_one_wins() {
        let memory = NonceMemory::new(1000, []);
        let wins = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| remember(&memory, nonce(7), 100, 50).is_ok()))
                .collect();
            tries.into_iter().filter_map(|each| each.join().ok()).filter(|won| *won).count()
        });
        assert_eq!(wins, 1);
    }
}
