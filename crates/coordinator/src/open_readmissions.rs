//! What is proposed about counters that are held, as it is shown.

use domain::message::CounterId;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;
use store::{Readmission, Store, StoreError};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

/// What is proposed about counters, as it was when the database was last asked: to be shown, and nothing to decide by.
#[derive(Debug, Default)]
pub(crate) struct OpenReadmissions {
    shown: std::sync::Mutex<BTreeMap<CounterId, Readmission>>,
    /// One word after the other: what each is held against is read before it is written.
    turn: Mutex<()>,
}

/// How long whoever says something about a counter waits for those before.
const TURN: Duration = Duration::from_secs(5);

impl OpenReadmissions {
    /// Waits until nobody else is saying anything, but not for ever.
    pub(crate) async fn turn(&self) -> Result<MutexGuard<'_, ()>, StoreError> {
        let busy =
            |_| StoreError::Unavailable { why: "others are deciding about counters".to_owned() };
        timeout(TURN, self.turn.lock()).await.map_err(busy)
    }

    /// Reads what is proposed, of each counter at most one, whether or not its time is over: to decide by what is given,
    /// and to be shown. Where the database does not answer, what was shown stays.
    pub(crate) async fn read(
        &self,
        store: &Store,
    ) -> Result<BTreeMap<CounterId, Readmission>, StoreError> {
        let open = store.readmissions().await?.into_iter();
        let open: BTreeMap<_, _> =
            open.map(|proposal| (proposal.counter.clone(), proposal)).collect();
        self.shown().clone_from(&open);
        Ok(open)
    }

    /// This is proposed now, and durable.
    pub(crate) fn put(&self, proposal: Readmission) {
        self.shown().insert(proposal.counter.clone(), proposal);
    }

    /// Nothing is proposed about a counter any more.
    pub(crate) fn end(&self, counter: &CounterId) {
        self.shown().remove(counter);
    }

    /// What is proposed about a counter and not over at `now`, in microseconds since 1970 UTC.
    pub(crate) fn of(&self, counter: &CounterId, now: i64) -> Option<Readmission> {
        self.shown().get(counter).filter(|proposal| now < proposal.until).cloned()
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, BTreeMap<CounterId, Readmission>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_not_shown() {
        let shown = OpenReadmissions::default();
        let [futures, securities] =
            ["futures", "securities"].map(|name| CounterId::new(name).expect("a counter"));
        let one = Readmission {
            id: "a".repeat(32),
            counter: futures.clone(),
            version: "b".repeat(32),
            move_serials: false,
            who: "lin".into(),
            note: "looked".into(),
            at: 7,
            until: 9,
        };
        shown.put(one.clone());
        assert_eq!(shown.of(&futures, 8), Some(one));
        assert_eq!(shown.of(&futures, 9), None);
        assert_eq!(shown.of(&securities, 8), None);
        shown.end(&futures);
        assert_eq!(shown.of(&futures, 8), None);
    }
}
