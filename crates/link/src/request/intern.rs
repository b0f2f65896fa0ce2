//! One copy of what many links are configured with alike: ten thousand links hold a pointer each to
//! the same timers and the same profile.

use crate::timers::Timers;
use domain::profile::Profile;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// More kinds than this are not looked for: what is not found is only kept twice.
const KINDS: usize = 64;

/// What all links of this process rely on, how long they wait, and who they are.
pub(crate) static PROFILES: Pool<Profile> = Pool::new();
pub(crate) static TIMERS: Pool<Timers> = Pool::new();
pub(crate) static NAMES: Pool<String> = Pool::new();

/// Values that some link holds.
// A lock, because links may be started from anywhere; it is held while a link starts.
#[derive(Debug)]
pub(crate) struct Pool<T>(Mutex<Vec<Weak<T>>>);

impl<T: PartialEq> Pool<T> {
    pub(crate) const fn new() -> Pool<T> {
        Pool(Mutex::new(Vec::new()))
    }

    /// The same value, in the copy that others hold too, if any do.
    pub(crate) fn one(&self, value: T) -> Arc<T> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = kinds.iter().filter_map(Weak::upgrade).find(|held| **held == value) {
            return held;
        }
        let value = Arc::new(value);
        kinds.retain(|kind| kind.strong_count() > 0);
        if kinds.len() < KINDS {
            kinds.push(Arc::downgrade(&value));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_held_once_and_forgotten_with_their_last_holder() {
        let pool = Pool::new();
        let (one, other) = (pool.one("x".to_owned()), pool.one("x".to_owned()));
        assert!(Arc::ptr_eq(&one, &other));
        assert_eq!(*pool.one("y".to_owned()), "y");
        drop((one, other));
        let many: Vec<_> = (0..100).map(|number| pool.one(number.to_string())).collect();
        assert_eq!(pool.0.lock().expect("no panic").len(), KINDS);
        assert_eq!(*many[99], "99");
    }
}
