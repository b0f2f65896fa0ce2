//! Opens the database, makes the tables right, and asks what is recorded.

use crate::address::Address;
use crate::alone;
use crate::apps;
use crate::connect;
use crate::error::{NotChanged, OpenError, StoreError};
use crate::hold::Hold;
use crate::journal::Journal;
use crate::lease::UNSEEN;
use crate::list;
use crate::migration;
use crate::moved::{self, MovedOn};
use crate::options::Options;
use crate::position::compare::{Verdict, compare};
use crate::position::file::PositionFile;
use crate::position::ledger::Ledger;
use crate::position::release::look;
use crate::position::{Id, Position, RecordStanding, rows};
use crate::query;
use crate::recent::Recent;
use crate::record::{Decision, ListFilter, Listed, OpenPage, Stored};
use crate::serials;
use domain::serial::{Day, MasterSerial, Sequence};
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use supervise::task::End;
use tokio::sync::{Mutex, watch};
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
    ledger: Arc<Ledger>,
    recent: Arc<Recent>,
    /// The last transfer that was recorded when the record was last released.
    doubted_through: i64,
    /// Taken by whoever closes the store: who writes, and what keeps others from it.
    writer: Mutex<Option<(JoinHandle<End>, Hold)>>,
}

impl Store {
    /// Opens the database behind `url`: `sqlite://path/to/file` (made, with its folder, if it is
    /// not there) or `mysql://user:password@host:port/database`. Brings the tables up to date and
    /// starts the journal. Every error says what to do and none shows the password; whether waiting
    /// may mend it, [`OpenError::may_pass`] says. What may follow the `?` of a URL is on
    /// `Address::parse`: nothing else may. Nobody else can open it for writing until it is closed, or
    /// this process has ended.
    pub async fn open(url: &str) -> Result<Store, OpenError> {
        Store::open_with(url, &Options::default()).await
    }

    /// The same, with options.
    pub async fn open_with(url: &str, options: &Options) -> Result<Store, OpenError> {
        let address = Address::parse(url)?;
        let hold = Hold::of_file(&address).await?;
        connect::probe(&address).await?;
        // The tables are made on the pool of one that will write: settings made for a connection
        // hold for all of it.
        let connection = connect::writer(&address);
        Box::pin(migration::run(&address, &connection)).await?;
        let hold = hold.of_server(&address, &connection).await?;
        let ledger = Arc::new(ledger(&address, &connection, options, hold.epoch).await?);
        let doubted_through = rows::doubted_through(&connection).await;
        let doubted_through = doubted_through.map_err(|error| unreadable(&address, &error))?;
        let readers = connect::readers(&address);
        let recent = Recent::of_earlier(&connection).await;
        let recent = Arc::new(recent.map_err(|error| unreadable(&address, &error))?);
        let (journal, writer) =
            Journal::start(address.clone(), connection, ledger.clone(), recent.clone());
        let writer = Mutex::new(Some((writer, hold)));
        let shared = Shared { address, readers, journal, ledger, recent, doubted_through, writer };
        Ok(Store { shared: Arc::new(shared) })
    }

    /// Whether the record is all that was recorded, now and whenever that changes.
    pub fn standing(&self) -> watch::Receiver<RecordStanding> {
        self.shared.ledger.standing()
    }

    /// Why the record is lost to another bridge, once it is: this process writes nothing more and has
    /// to end.
    pub fn superseded(&self) -> watch::Receiver<Option<String>> {
        self.shared.ledger.lost()
    }

    /// Whether another may hold the record by now, because this holder could not say that it is there.
    pub fn may_be_superseded(&self) -> bool {
        self.shared.ledger.unseen_for().is_some_and(|unseen| unseen > UNSEEN)
    }

    /// Whether a transfer was in the record when that was released from being behind: a life of which
    /// the record knows nothing may have gone on with it.
    pub fn is_doubted(&self, master: MasterSerial) -> bool {
        master.number() <= self.shared.doubted_through
    }

    /// Whether [`Store::open`] could make sense of `url`; touches neither file nor server.
    pub fn check_url(url: &str) -> Result<(), OpenError> {
        Address::parse(url).map(drop)
    }

    /// What is allowed in `url`, but should be known; for people.
    pub fn notes_on_url(url: &str) -> Vec<String> {
        Address::parse(url).map(|address| address.notes()).unwrap_or_default()
    }

    pub(crate) fn readers(&self) -> &DatabaseConnection {
        &self.shared.readers
    }

    pub(crate) fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Does something that is done seldom, in one transaction on a connection of its own, while this process holds the
    /// record. What it finds to be wrong is taken back.
    pub(crate) async fn change<T, E>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<Result<T, E>, DbErr> + Clone,
    ) -> Result<Result<T, E>, StoreError> {
        self.change_or_not(work).await.map_err(NotChanged::into_error)
    }

    /// The same, and where it fails, whether something may have been changed.
    pub(crate) async fn change_or_not<T, E>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<Result<T, E>, DbErr> + Clone,
    ) -> Result<Result<T, E>, NotChanged> {
        alone::change(&self.shared.address, Some(&self.shared.ledger), work).await
    }

    /// A handle of the one writer.
    pub fn journal(&self) -> Journal {
        self.shared.journal.clone()
    }

    /// Takes the next `count` ordinals ([`Sequence::of_ordinal`]); nobody else will ever get them,
    /// whatever fails.
    pub async fn lease_serials(&self, count: u64) -> Result<Range<u64>, StoreError> {
        self.shared.journal.lease(count).await
    }

    /// Whether the numbers of a block that was leased may be given out, though they were before: if no
    /// transfer of the last `days` days before `today` has one of them, and none that is open.
    pub async fn are_free(
        &self,
        block: &Range<u64>,
        today: Day,
        days: u32,
    ) -> Result<bool, StoreError> {
        serials::are_free(&self.shared.readers, block, today, days).await
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

    /// The transfers that apps registered under this idempotency key, of each app at most one, in the order of the apps'
    /// names.
    pub async fn find_by_any_key(&self, key: &str) -> Result<Vec<Stored>, StoreError> {
        apps::find_by_any_key(&self.shared.readers, key).await
    }

    /// The apps of which a key is recorded that begins with a quotation mark, as earlier versions
    /// recorded keys that came in quotation marks.
    pub async fn apps_with_quoted_keys(&self) -> Result<HashSet<String>, StoreError> {
        apps::with_quoted_keys(&self.shared.readers).await
    }

    /// How much each app has moved of each currency by transfers that were begun on this day and are
    /// completed. The whole day is read, some thousand rows at a time.
    pub async fn moved_on(&self, day: Day) -> Result<Vec<MovedOn>, StoreError> {
        moved::moved_on(&self.shared.readers, day).await
    }

    /// A page of transfers, newest first.
    pub async fn list(&self, filter: &ListFilter) -> Result<Listed, StoreError> {
        list::list(&self.shared.readers, filter, Some(&self.shared.recent)).await
    }

    /// Transfers that have not ended, oldest first, at most `limit` (`1..=1000`), after the key
    /// where the page before ended.
    pub async fn open_page(&self, after: Option<i64>, limit: u64) -> Result<OpenPage, StoreError> {
        query::open_page(&self.shared.readers, after, limit).await
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
        if let Some((writer, hold)) = writer {
            let how = match writer.await {
                Ok(End::Returned) => None,
                Ok(end @ (End::Panicked(_) | End::Dropped)) => Some(end.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(how) = how {
                tracing::error!(how, database = %self.shared.address, "the journal ended badly");
            }
            drop(hold);
        }
        // One that hangs is left to its socket's own end.
        let closing = self.shared.readers.close_by_ref();
        let _ = tokio::time::timeout(Duration::from_secs(1), closing).await;
    }
}

/// Holds the record against its position file, and goes on from there.
async fn ledger(
    address: &Address,
    connection: &DatabaseConnection,
    options: &Options,
    epoch: Option<i64>,
) -> Result<Ledger, OpenError> {
    let kept = rows::kept(connection).await.map_err(|error| unreadable(address, &error))?;
    let Some(path) = options.position_of(address) else { return Ok(Ledger::unkept(epoch)) };
    let found = look(address, options)?;
    let begin = |position: &Position| {
        PositionFile::begin(&path, position).map(Some).map_err(|error| OpenError::Position {
            path: path.display().to_string(),
            why: error.to_string(),
        })
    };
    match compare(found, &kept) {
        Verdict::Current(position) => Ok(Ledger::current(position, begin(&position)?, epoch)),
        Verdict::First => {
            if !kept.is_empty {
                tracing::info!(
                    database = %address,
                    position = %path.display(),
                    "the record is of an earlier version: from now on it says where it ends, and so does its position \
                     file; whether it had lost something before is not known"
                );
            }
            let position = Position {
                record: kept.record,
                node: Id::random(),
                lineage: 1,
                number: 0,
                next_serial: kept.next_serial,
            };
            // The file first: a crash in between is a first start again.
            let file = begin(&position)?;
            let added = rows::add_node(connection, position.node, position.lineage).await;
            added.map_err(|error| unreadable(address, &error))?;
            Ok(Ledger::current(position, file, epoch))
        }
        Verdict::Behind { why, .. } => {
            tracing::error!(database = %address, why, "the record is behind");
            Ok(Ledger::behind(why, epoch))
        }
    }
}

fn unreadable(address: &Address, error: &sea_orm::DbErr) -> OpenError {
    OpenError::Migration { database: address.to_string(), why: connect::explain(address, error) }
}
