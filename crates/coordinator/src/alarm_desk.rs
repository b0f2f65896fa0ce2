//! Where alarms are said, from whichever task: a lock for as long as it is noted, and no queue that could be full. However
//! often one is said there is one place for it.

use crate::alarm_book::Book;
use crate::clock::Now;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{AlarmAbout, AlarmKind, StoreError};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// How long whoever acknowledges or closes an alarm waits for those before.
const TURN: Duration = Duration::from_secs(5);

/// The alarms of this process; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    book: Mutex<Book>,
    news: Notify,
    /// Of whoever writes: what is in force here is what the record has.
    turn: Semaphore,
}

impl Default for Desk {
    fn default() -> Desk {
        let shared =
            Shared { book: Mutex::default(), news: Notify::new(), turn: Semaphore::new(1) };
        Desk { shared: Arc::new(shared) }
    }
}

impl Desk {
    /// Something is said for which there is an alarm.
    pub(crate) fn say(&self, kind: AlarmKind, about: AlarmAbout, text: &str) {
        if self.book(|book| book.say(Now::read(), kind, about, text)) {
            self.wake();
        }
    }

    /// Looks at the alarms, or changes them.
    pub(crate) fn book<T>(&self, work: impl FnOnce(&mut Book) -> T) -> T {
        work(&mut self.shared.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// There is something to record.
    pub(crate) fn wake(&self) {
        self.shared.news.notify_one();
    }

    /// Waits until there is something to record.
    pub(crate) async fn woken(&self) {
        self.shared.news.notified().await;
    }

    /// Waits until nobody else writes, but not for ever.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let busy = |_| StoreError::Unavailable {
            why: format!("others have been busy with alarms for {} s", TURN.as_secs()),
        };
        // Nobody closes it.
        let turn = timeout(TURN, self.shared.turn.acquire()).await.map_err(busy)?;
        turn.map_err(|_| StoreError::Closed)
    }
}
