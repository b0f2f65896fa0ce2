//! Opens the database, makes the tables right, and asks what is recorded.

use crate::address::Address;
use crate::connect;
use crate::error::{OpenError, StoreError};
use crate::journal::Journal;
use crate::list;
use crate::migration;
use crate::query;
use crate::record::{Decision, ListFilter, OpenTransfer, Stored};
use domain::serial::{MasterSerial, Sequence};
use sea_orm::DatabaseConnection;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use supervise::task::End;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// The database; cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    address: Address,
    readers: DatabaseConnection,
    journal: Journal,
    /// Taken by whoever closes the store.
    writer: Mutex<Option<JoinHandle<End>>>,
}

impl Store {
    /// Opens the database behind `url`: `sqlite://path/to/file` (made, with its folder, if it is
    /// not there) or `mysql://user:password@host:port/database`. Brings the tables up to date and
    /// starts the journal. Every error says what to do and none shows the password; whether waiting
    /// may mend it, [`OpenError::may_pass`] says. What may follow the `?` of a URL is on
    /// `Address::parse`: nothing else may.
    pub async fn open(url: &str) -> Result<Store, OpenError> {
        let address = Address::parse(url)?;
        connect::probe(&address).await?;
        // The tables are made on the pool of one that will write: settings made for a connection
        // hold for all of it.
        let connection = connect::writer(&address);
        migration::run(&address, &connection).await?;
        let readers = connect::readers(&address);
        let (journal, writer) = Journal::start(address.clone(), connection);
        let writer = Mutex::new(Some(writer));
        Ok(Store { shared: Arc::new(Shared { address, readers, journal, writer }) })
    }

    /// Whether [`Store::open`] could make sense of `url`; touches neither file nor server.
    pub fn check_url(url: &str) -> Result<(), OpenError> {
        Address::parse(url).map(drop)
    }

    /// What is allowed in `url`, but should be known; for people.
    pub fn notes_on_url(url: &str) -> Vec<String> {
        Address::parse(url).map(|address| address.notes()).unwrap_or_default()
    }

    /// A handle of the one writer.
    pub fn journal(&self) -> Journal {
        self.shared.journal.clone()
    }

    /// Takes the next `count` sequences; nobody else will ever get them, whatever fails.
    pub async fn lease_serials(&self, count: u64) -> Result<Range<u64>, StoreError> {
        self.shared.journal.lease(count).await
    }

    /// The transfer with this serial.
    pub async fn find(&self, master: MasterSerial) -> Result<Option<Stored>, StoreError> {
        query::find(&self.shared.readers, master).await
    }

    /// The transfer with this sequence, which is all that a sub serial shows of it.
    pub async fn find_by_sequence(&self, sequence: Sequence) -> Result<Option<Stored>, StoreError> {
        query::find_by_sequence(&self.shared.readers, sequence).await
    }

    /// The transfer that an app registered under an idempotency key.
    pub async fn find_by_key(&self, app: &str, key: &str) -> Result<Option<Stored>, StoreError> {
        query::find_by_key(&self.shared.readers, app, key).await
    }

    /// The apps of which a key is recorded that begins with a quotation mark, as earlier versions
    /// recorded keys that came in quotation marks.
    pub async fn apps_with_quoted_keys(&self) -> Result<HashSet<String>, StoreError> {
        query::apps_with_quoted_keys(&self.shared.readers).await
    }

    /// A page of transfers, newest first. The serial of the last one is the next page's `before`.
    pub async fn list(&self, filter: &ListFilter) -> Result<Vec<Stored>, StoreError> {
        list::list(&self.shared.readers, filter).await
    }

    /// Transfers that have not ended, oldest first, at most `limit` (`1..=1000`). The serial of the
    /// last one is the next page's `after`.
    pub async fn open_transfers(
        &self,
        after: Option<MasterSerial>,
        limit: u64,
    ) -> Result<Vec<OpenTransfer>, StoreError> {
        query::open_transfers(&self.shared.readers, after, limit).await
    }

    /// The bodies of a transfer's trail, in the order of their parts; none if there is no such
    /// transfer.
    pub async fn trail(&self, master: MasterSerial) -> Result<Vec<String>, StoreError> {
        query::trail(&self.shared.readers, master).await
    }

    /// What operators decided about a transfer, oldest first.
    pub async fn decisions(&self, master: MasterSerial) -> Result<Vec<Decision>, StoreError> {
        query::decisions(&self.shared.readers, master).await
    }

    /// Whether the database answers. That it can be written to is [`Journal::health`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        query::ping(&self.shared.readers).await
    }

    /// Writes what was submitted before, if the database lets it, stops the journal and closes all
    /// connections. Every clone of the store is closed with it.
    pub async fn close(self) {
        self.shared.journal.stop();
        let writer = self.shared.writer.lock().await.take();
        if let Some(writer) = writer {
            let how = match writer.await {
                Ok(End::Returned) => None,
                Ok(end @ (End::Panicked(_) | End::Dropped)) => Some(end.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(how) = how {
                tracing::error!(how, database = %self.shared.address, "the journal ended badly");
            }
        }
        // One that hangs is left to its socket's own end.
        let closing = self.shared.readers.close_by_ref();
        let _ = tokio::time::timeout(Duration::from_secs(1), closing).await;
    }
}
