//! What operators do about counters' links, one after another: whose turn it is, how often, and what drains wait for.

use domain::message::CounterId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{NotChanged, StoreError};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout};

/// How often a person may have one counter sign on anew. It costs the counter a sign-on for each connection, and
/// the bridge does it by itself whenever that proves something.
pub const NEW_SESSION_EVERY: Duration = Duration::from_mins(1);

/// How often what is in force of a counter may be changed at once: drained instead of held, held instead of drained, or
/// released. Each is a row that is kept for ever, and some are a sign-off or a sign-on.
pub const CHANGES_AT_ONCE: u32 = 8;

/// Then once in so long.
pub const CHANGE_EVERY: Duration = Duration::from_secs(15);

/// How long whoever holds or releases a counter waits for those before.
const TURN: Duration = Duration::from_secs(5);

/// The open transfers with a leg at a counter that is drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Those that go on by themselves: the connections stay for them.
    pub moving: usize,
    /// Those that wait for a person: while the connections are signed off the counter is not asked about them.
    pub parked: usize,
}

impl Waits {
    /// Adds what another shard counted.
    pub(crate) fn join(self, other: Waits) -> Waits {
        Waits { moving: self.moving + other.moving, parked: self.parked + other.parked }
    }

    /// Adds one.
    pub(crate) fn add(&mut self, is_parked: bool) {
        if is_parked {
            self.parked += 1;
        } else {
            self.moving += 1;
        }
    }
}

/// What operators do, one after another, and what they wait for.
#[derive(Debug)]
pub(crate) struct ByHand {
    /// Of whoever holds or releases: what is in force here is what the database has.
    turn: Semaphore,
    /// The counters of whose holds the database may have taken something and not said so.
    unclear: watch::Sender<BTreeSet<CounterId>>,
    /// When each counter was last asked to sign on anew.
    renewed: Mutex<HashMap<CounterId, Instant>>,
    /// When all changes of each counter's hold are paid for.
    changed: Mutex<HashMap<CounterId, Instant>>,
    /// What each drain waits for.
    waits: Mutex<BTreeMap<CounterId, Waits>>,
}

impl Default for ByHand {
    fn default() -> ByHand {
        ByHand {
            turn: Semaphore::new(1),
            unclear: watch::Sender::default(),
            renewed: Mutex::default(),
            changed: Mutex::default(),
            waits: Mutex::default(),
        }
    }
}

impl ByHand {
    /// Waits until nobody else holds or releases a counter, but not for ever.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let busy = |_| StoreError::Unavailable {
            why: "others hold and release counters, or the database does not answer them"
                .to_owned(),
        };
        timeout(TURN, self.turn.acquire()).await.map_err(busy)?.map_err(|_| StoreError::Closed)
    }

    /// Something of a counter's hold is about to be written. Whoever has the turn takes this after it.
    pub(crate) fn writing(&self, counter: &CounterId) -> Writing<'_> {
        Writing { by_hand: self, counter: counter.clone(), is_known: false }
    }

    /// The counters of whose holds the database may have taken something and not said so, now and whenever that
    /// changes.
    pub(crate) fn unclear(&self) -> watch::Receiver<BTreeSet<CounterId>> {
        self.unclear.subscribe()
    }

    /// What the database has of holds is in force.
    pub(crate) fn clear(&self) {
        self.unclear.send_replace(BTreeSet::new());
    }

    /// What each drain waits for.
    pub(crate) fn waits(&self) -> MutexGuard<'_, BTreeMap<CounterId, Waits>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is in force of a counter may be changed; if so, it counts. If not, how long it takes until it may.
    pub(crate) fn may_change(&self, counter: &CounterId, now: Instant) -> Result<(), Duration> {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        // The present, if that is past.
        let paid = changed.get(counter).copied().unwrap_or(now).max(now);
        let after = paid + CHANGE_EVERY;
        let too_far = (after - now).saturating_sub(CHANGE_EVERY * CHANGES_AT_ONCE);
        if !too_far.is_zero() {
            return Err(too_far);
        }
        changed.insert(counter.clone(), after);
        Ok(())
    }

    /// Whether a counter may sign on anew, by when it did last; if so, it counts as having done it.
    pub(crate) fn may_renew(&self, counter: &CounterId, now: Instant) -> Result<(), Duration> {
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let again = renewed.get(counter).map(|last| *last + NEW_SESSION_EVERY);
        if let Some(again) = again.filter(|again| now < *again) {
            return Err(again - now);
        }
        renewed.insert(counter.clone(), now);
        Ok(())
    }
}

/// Something of holds that is being written. Whoever leaves it without knowing what came of it, by an error of the
/// database or because nobody waits any more, leaves that to be found out.
#[must_use = "what came of it has to be known, or found out"]
pub(crate) struct Writing<'a> {
    by_hand: &'a ByHand,
    counter: CounterId,
    is_known: bool,
}

impl Writing<'_> {
    /// What came of it; that nothing was changed is known, too.
    pub(crate) fn what_came_of<T>(&mut self, done: Result<T, NotChanged>) -> Result<T, NotChanged> {
        self.is_known = matches!(done, Err(NotChanged::Nothing(_)));
        done
    }

    /// It is known what came of it, and that is in force.
    pub(crate) fn ends_well(mut self) {
        self.is_known = true;
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.is_known {
            let counter = self.counter.clone();
            self.by_hand.unclear.send_modify(|unclear| {
                unclear.insert(counter);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_signs_on_anew_by_hand_once_a_minute() {
        let (by_hand, now) = (ByHand::default(), Instant::now());
        let [bank, other] = ["bank", "other"].map(|id| CounterId::new(id).expect("an id"));
        assert_eq!(by_hand.may_renew(&bank, now), Ok(()));
        assert_eq!(by_hand.may_renew(&other, now), Ok(()), "each by itself");
        let edge = now + NEW_SESSION_EVERY;
        let just_before = edge - Duration::from_millis(1);
        assert_eq!(by_hand.may_renew(&bank, just_before), Err(Duration::from_millis(1)));
        assert_eq!(by_hand.may_renew(&bank, edge), Ok(()), "a refusal puts nothing off");
        assert_eq!(by_hand.may_renew(&bank, edge), Err(NEW_SESSION_EVERY));
    }

    #[test]
    fn a_hold_is_changed_so_often_at_once_and_then_once_in_a_while() {
        let (by_hand, now) = (ByHand::default(), Instant::now());
        let [bank, other] = ["bank", "other"].map(|id| CounterId::new(id).expect("an id"));
        let changes = |counter: &CounterId, at: Instant| {
            (0..100).take_while(|_| by_hand.may_change(counter, at).is_ok()).count()
        };
        assert_eq!(changes(&bank, now), 8);
        assert_eq!(by_hand.may_change(&bank, now), Err(CHANGE_EVERY));
        assert_eq!(changes(&other, now), 8, "each by itself");
        let edge = now + CHANGE_EVERY;
        let just_before = edge - Duration::from_millis(1);
        assert_eq!(by_hand.may_change(&bank, just_before), Err(Duration::from_millis(1)));
        assert_eq!(changes(&bank, edge), 1, "a refusal puts nothing off");
        assert_eq!(changes(&bank, now + Duration::from_hours(1)), 8);
    }

    #[test]
    fn only_what_may_be_recorded_is_found_out() {
        let (by_hand, bank) = (ByHand::default(), CounterId::new("bank").expect("an id"));
        let said = |not: fn(StoreError) -> NotChanged| {
            let mut writing = by_hand.writing(&bank);
            let told = writing.what_came_of::<()>(Err(not(StoreError::Closed)));
            assert!(told.is_err());
        };
        said(NotChanged::Nothing);
        assert!(by_hand.unclear().borrow().is_empty());
        said(NotChanged::Unclear);
        assert!(by_hand.unclear().borrow().contains(&bank));
        by_hand.clear();
        drop(by_hand.writing(&bank));
        assert!(by_hand.unclear().borrow().contains(&bank), "nobody waited");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_holds_or_releases_waits_five_seconds_for_those_before() {
        let by_hand = ByHand::default();
        let turn = by_hand.turn().await.expect("nobody is before");
        let began = Instant::now();
        let busy = by_hand.turn().await.map(drop);
        assert!(matches!(busy, Err(StoreError::Unavailable { .. })), "{busy:?}");
        assert_eq!(began.elapsed(), TURN);
        drop(turn);
        assert!(by_hand.turn().await.is_ok());
    }
}
