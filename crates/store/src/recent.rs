//! What has ended and is in no index yet, known to whoever lists as to whoever writes: at most what
//! ended since the last step of the journal, however many transfers are open beside it.

use crate::entity::open_transfer;
use crate::fresh::Fresh;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The master serials.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    waiting: Mutex<BTreeSet<i64>>,
    /// What is in no run of the index by terms.
    pub(crate) terms: Fresh,
}

impl Recent {
    /// What an earlier life left.
    pub(crate) async fn of_earlier(connection: &DatabaseConnection) -> Result<Recent, DbErr> {
        let left: Vec<i64> = open_transfer::Entity::find()
            .select_only()
            .column(open_transfer::Column::MasterSerial)
            .filter(open_transfer::Column::State.eq(open_transfer::ENDED))
            .into_tuple()
            .all(connection)
            .await?;
        let terms = Fresh::default();
        terms.begin(left.iter().copied());
        Ok(Recent { waiting: Mutex::new(left.into_iter().collect()), terms })
    }

    /// These have ended, durably.
    pub(crate) fn add(&self, ended: impl IntoIterator<Item = i64>) {
        self.lock().extend(ended);
    }

    /// These are in the index, durably: whoever looks there now finds them.
    pub(crate) fn remove(&self, entered: &[i64]) {
        let mut waiting = self.lock();
        for master in entered {
            waiting.remove(master);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// All of them, the oldest first.
    pub(crate) fn all(&self) -> Vec<i64> {
        self.lock().iter().copied().collect()
    }

    /// Those older than `before`, the newest first.
    pub(crate) fn before(&self, before: i64) -> Vec<i64> {
        self.lock().range(..before).rev().copied().collect()
    }

    /// A set is whole between any two of its changes.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_entered_is_recent_no_more() {
        let recent = Recent::default();
        recent.add([3, 1, 2]);
        assert_eq!((recent.len(), recent.all()), (3, vec![1, 2, 3]));
        assert_eq!(recent.before(3), [2, 1]);
        recent.remove(&[1, 3, 4]);
        assert_eq!((recent.len(), recent.all()), (1, vec![2]));
    }
}
