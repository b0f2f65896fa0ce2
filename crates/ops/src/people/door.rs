//! The door by which everybody comes in: it asks the database who shows a session or a token, remembers that for when
//! the database does not answer, and lets nobody try too often.

use super::identity::{By, Identity, Proof, nobody};
use super::pace::Pace;
use api::problem::{Problem, kind};
use api::refused::database;
use people::{Attempts, DeviceKey, Lifetime, Limits, OperatorName, session};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::StoreError;
use store::people::{Digest, People};
use supervise::clock::now_micros;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

/// How long somebody who was known a moment ago may go on looking while the database does not answer: it is then that
/// people look.
const REMEMBERED: Duration = Duration::from_mins(10);

/// How long the database may take to say who somebody is, before that is looked up in memory.
const ASKED_WITHIN: Duration = Duration::from_secs(1);

/// How many are remembered; past it those who were not seen for longest are forgotten.
const MOST_REMEMBERED: usize = 1_024;

/// Passwords that are tried at once: each takes a core for a moment, and money is moved by the same cores.
const HASHED_AT_ONCE: usize = 1;

/// Strangers who wait for that, and those who come from a browser in which they have signed in before: a flood of the
/// former leaves the latter their places.
const MOST_WAITING: usize = 16;

/// By which everybody comes in.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) people: People,
    pub(super) lifetime: Lifetime,
    pub(super) attempts: Arc<Mutex<Attempts>>,
    /// The key under which browsers are known again, once it was needed.
    devices: Arc<OnceCell<DeviceKey>>,
    hashing: Arc<Semaphore>,
    waiting: [Arc<Semaphore>; 2],
    remembered: Arc<Mutex<HashMap<Digest, Remembered>>>,
    /// Of whoever notes when somebody was last seen.
    noting: Arc<Semaphore>,
    pace: Arc<Mutex<Pace>>,
    keeping: Arc<Mutex<Pace>>,
    /// From when on attempts and acts are counted.
    opened: Instant,
}

/// Somebody whom the database knew a moment ago.
struct Remembered {
    identity: Identity,
    /// When it was asked.
    at: Instant,
    /// When the session or the token ends whatever happens, in microseconds since 1970 UTC.
    ends_at: i64,
}

/// What a request is for, as far as it changes what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A person, or a program, asks: it counts as use, and goes by what is known now.
    Asked,
    /// The same, and it changes nothing: where the database does not answer, what was known a moment ago will do.
    Looked,
    /// A page that nobody touches asks again by itself: it looks, and keeps no session alive.
    Background,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl Door {
    pub(crate) fn new(people: People) -> Door {
        Door {
            people,
            lifetime: Lifetime::default(),
            attempts: Arc::new(Mutex::new(Attempts::new(Limits::default()))),
            devices: Arc::default(),
            hashing: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            waiting: [MOST_WAITING; 2].map(|most| Arc::new(Semaphore::new(most))),
            remembered: Arc::default(),
            noting: Arc::new(Semaphore::new(1)),
            pace: Arc::new(Mutex::new(Pace::of_acts())),
            keeping: Arc::new(Mutex::new(Pace::of_keeping())),
            opened: Instant::now(),
        }
    }

    /// The time by which attempts are counted, in microseconds: no clock that is set frees or holds up anybody.
    pub(super) fn passed(&self) -> i64 {
        i64::try_from(self.opened.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    /// Whether an operator may act already; it counts.
    pub(super) fn may_act(&self, name: &OperatorName) -> bool {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.may(name, self.opened.elapsed())
    }

    /// Whether an operator may keep something for itself already; it counts.
    pub(crate) fn may_keep(&self, name: &OperatorName) -> bool {
        let mut pace = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        pace.may(name, self.opened.elapsed())
    }

    /// The key under which browsers are known again.
    pub(super) async fn devices(&self) -> Result<&DeviceKey, Problem> {
        let kept = self.devices.get_or_try_init(async || {
            self.people.device_key(rand::random()).await.map(DeviceKey::from_bytes)
        });
        kept.await.map_err(|error| database(&error))
    }

    /// Does what takes a core for a moment, such as hashing a password, where nobody else waits for it. Only so many
    /// wait; those who have signed in from here before have places of their own.
    pub(super) async fn hashed<T: Send + 'static>(
        &self,
        is_known: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || {
            let why = "too many sign in at this moment".to_owned();
            Problem::new(kind::SIGN_IN_PAUSED).detail(why).retry_after(1)
        };
        let places = self.waiting[usize::from(is_known)].clone();
        let waits = places.try_acquire_owned().map_err(|_| busy())?;
        let hashes = self.hashing.clone().acquire_owned().await.map_err(|_| busy())?;
        let worked = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((waits, hashes));
            result
        });
        // It panics where there is no memory for it.
        worked.await.map_err(|_| Problem::new(kind::OVERLOADED).retry_after(1))
    }

    /// Who shows this, if that is known and may be; or why that cannot be found out.
    pub(crate) async fn who_shows(&self, proof: Proof, use_of: Use) -> Result<Identity, Problem> {
        let now = now_micros();
        let asking = tokio::time::timeout(ASKED_WITHIN, self.look_up(proof, use_of, now)).await;
        let silent = || StoreError::Unavailable { why: "it does not say who asks".to_owned() };
        match asking.unwrap_or_else(|_| Err(silent())) {
            Ok(Some((identity, ends_at))) => {
                self.remember(proof.digest(), &identity, ends_at);
                Ok(identity)
            }
            Ok(None) => {
                self.forget(&proof.digest());
                Err(nobody())
            }
            Err(error) => {
                let remembered = match use_of {
                    Use::Looked | Use::Background => self.remembered(&proof.digest(), now),
                    Use::Asked => None,
                };
                remembered.ok_or_else(|| database(&error))
            }
        }
    }

    /// Who that is, and when it ends whatever happens.
    async fn look_up(
        &self,
        proof: Proof,
        use_of: Use,
        now: i64,
    ) -> Result<Option<(Identity, i64)>, StoreError> {
        match proof {
            Proof::Session(digest) => self.by_session(digest, use_of, now).await,
            Proof::Token(digest) => self.by_token(digest, now).await,
        }
    }

    async fn by_session(
        &self,
        digest: Digest,
        use_of: Use,
        now: i64,
    ) -> Result<Option<(Identity, i64)>, StoreError> {
        let Some((found, operator)) = self.people.session(&digest).await? else { return Ok(None) };
        let is_over = self.lifetime.is_over(found.began_at, found.seen_at, now).is_some();
        if is_over || operator.disabled_at.is_some() {
            return Ok(None);
        }
        if use_of != Use::Background && session::is_worth_writing(found.seen_at, now) {
            let people = self.people.clone();
            self.note(async move { people.saw_session(&digest, found.seen_at, now).await });
        }
        let ends_at = self.lifetime.ends_at(found.began_at, found.seen_at);
        let identity = Identity::of(&operator, By::Session(found.digest));
        Ok(Some((identity, ends_at)))
    }

    async fn by_token(
        &self,
        digest: Digest,
        now: i64,
    ) -> Result<Option<(Identity, i64)>, StoreError> {
        let Some((found, operator)) = self.people.valid_token(&digest, now).await? else {
            return Ok(None);
        };
        if session::is_worth_writing(found.seen_at.unwrap_or(0), now) {
            let people = self.people.clone();
            self.note(async move { people.saw_token(&digest, now).await });
        }
        let identity = Identity {
            role: found.role,
            // A program is not asked for the password that another knows.
            must_change: false,
            ..Identity::of(&operator, By::Token(found.digest, found.label))
        };
        Ok(Some((identity, found.expires_at)))
    }

    /// Notes beside the request when somebody was last seen: whether it can be noted decides nothing. One at a time;
    /// who comes meanwhile is noted with the next request.
    fn note(&self, noting: impl Future<Output = Result<(), StoreError>> + Send + 'static) {
        let Ok(turn) = self.noting.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            if let Err(error) = noting.await {
                tracing::debug!(%error, "when somebody was last seen is not noted");
            }
            drop(turn);
        });
    }

    fn remember(&self, digest: Digest, identity: &Identity, ends_at: i64) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED && !remembered.contains_key(&digest) {
            let oldest = remembered.iter().min_by_key(|(_, one)| one.at).map(|(digest, _)| *digest);
            oldest.and_then(|oldest| remembered.remove(&oldest));
        }
        let identity = identity.clone();
        remembered.insert(digest, Remembered { identity, at: Instant::now(), ends_at });
    }

    fn forget(&self, digest: &Digest) {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
    }

    /// Nobody is remembered who was changed here.
    pub(super) fn forget_all_of(&self, name: &OperatorName) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|_, one| one.identity.name != *name);
    }

    fn remembered(&self, digest: &Digest, now: i64) -> Option<Identity> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let one = remembered.get(digest)?;
        (one.at.elapsed() < REMEMBERED && now < one.ends_at).then(|| one.identity.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use people::Role;
    use std::sync::mpsc;
    use store::Store;

    async fn door() -> (tempfile::TempDir, Store, Door) {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
        let store = Store::open(&url).await.expect("it opens");
        let door = Door::new(store.people());
        (folder, store, door)
    }

    /// One works, and so many wait for it; whoever is known has a place where strangers have taken all of theirs.
    #[tokio::test]
    async fn so_many_wait_to_be_hashed_and_those_who_are_known_have_places_of_their_own() {
        let (_folder, store, door) = door().await;
        let (go_on, until) = mpsc::channel::<()>();
        let mut working = vec![door.hashed(false, move || until.recv().is_err()).boxed()];
        working.extend((1..MOST_WAITING).map(|_| door.hashed(false, || true).boxed()));
        for one in &mut working {
            assert!(futures::poll!(one).is_pending());
        }
        let one_more = door.hashed(false, || true).await.expect_err("there is no place");
        assert_eq!(one_more.slug(), "sign_in_paused");
        let mut known = Box::pin(door.hashed(true, || true));
        assert!(futures::poll!(&mut known).is_pending(), "it waits");
        drop(go_on);
        for one in working {
            assert_eq!(one.await.ok(), Some(true));
        }
        assert_eq!(known.await.ok(), Some(true));
        assert_eq!(door.hashed(false, || true).await.ok(), Some(true), "there is room again");
        store.close().await;
    }

    #[tokio::test]
    async fn so_many_are_remembered_and_for_so_long() {
        let (_folder, store, door) = door().await;
        tokio::time::pause();
        let identity = Identity {
            name: "ann".parse().expect("a name"),
            role: Role::Viewer,
            by: By::Session(String::new()),
            must_change: false,
        };
        let digest = |number: usize| -> Digest {
            let mut digest = Digest::default();
            digest[..8].copy_from_slice(&number.to_be_bytes());
            digest
        };
        for number in 0..=MOST_REMEMBERED {
            door.remember(digest(number), &identity, i64::MAX);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(door.remembered(&digest(0), 0), None, "who was seen first makes room");
        assert_eq!(door.remembered(&digest(1), 0).as_ref(), Some(&identity));
        let last = digest(MOST_REMEMBERED);
        tokio::time::advance(REMEMBERED.saturating_sub(Duration::from_millis(2))).await;
        assert_eq!(door.remembered(&last, 0).as_ref(), Some(&identity));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(door.remembered(&last, 0), None, "it was too long ago");
        door.remember(last, &identity, 7);
        assert!(door.remembered(&last, 6).is_some());
        assert_eq!(door.remembered(&last, 7), None, "a session ends all the same");
        tokio::time::resume();
        store.close().await;
    }
}
