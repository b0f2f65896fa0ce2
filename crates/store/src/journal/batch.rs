//! Writes one batch in one database transaction, and says exactly what is known afterwards. How it
//! is written to SQLite is [`super::sqlite`], how to a server [`super::server`].

use super::accounts::Accounts;
use super::attempt::{DEADLINE, Tried, limited, limited_to};
use super::checkpoint::Checkpoints;
use super::reach::Reach;
use super::sqlite::Hand;
use super::terms::{self, Step, Terms, Turn};
use super::{examine, fence, server};
use crate::address::Address;
use crate::connect;
use crate::error::{OpenError, StoreError};
use crate::fault::Fault;
use crate::idempotency::Known;
use crate::lease;
use crate::position::RecordStanding;
use crate::position::ledger::Ledger;
use crate::position::rows;
use crate::recent::Recent;
use crate::record::NewTransfer;
use crate::serials;
use crate::write::{Write, WriteError};
#[cfg(test)]
use sea_orm::ConnectionTrait;
use sea_orm::{DatabaseConnection, DbErr};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A plan that meets a taken key is made again with what is recorded. Another node can take a key
/// in between, but hardly again and again.
const ROUNDS: u32 = 5;

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Attempt {
    /// All that can be is durable; one answer for each write.
    Committed(Vec<Result<(), WriteError>>),
    /// Nothing of it is recorded.
    Failed { fault: Fault, why: String },
    /// It may be recorded or not: the connection was lost while it committed.
    Unclear { why: String },
}

/// The one that writes. Its connections are made anew after they were lost.
pub(super) struct Engine {
    address: Address,
    ledger: Arc<Ledger>,
    /// Whether the connection to the server has found the record where it was left.
    knows_place: bool,
    /// Whether the database knows that its record is behind.
    has_noted: bool,
    /// Writes batches to SQLite, if that is the database.
    hand: Option<Hand>,
    /// Writes batches to a server, and everything else to either.
    connection: Option<DatabaseConnection>,
    recent: Arc<Recent>,
    accounts: Accounts,
    reach: Reach,
    terms: Terms,
    checkpoints: Checkpoints,
}

impl Engine {
    pub(super) fn new(
        address: Address,
        connection: DatabaseConnection,
        ledger: Arc<Ledger>,
        recent: Arc<Recent>,
    ) -> Engine {
        Engine {
            address,
            ledger,
            knows_place: false,
            has_noted: false,
            hand: None,
            connection: Some(connection),
            accounts: Accounts::new(recent.clone()),
            reach: Reach::default(),
            terms: Terms::new(recent.clone()),
            recent,
            checkpoints: Checkpoints::default(),
        }
    }

    pub(super) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The connection, made if need be.
    pub(super) async fn connection(&mut self) -> Result<DatabaseConnection, OpenError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        // The pool would hide the reason behind a time-out.
        Box::pin(connect::probe(&self.address)).await?;
        let connection = connect::writer(&self.address);
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    /// Closes all that is open, for good.
    pub(super) async fn close(&mut self) {
        // A disk that hangs holds nobody up: what is not moved is moved the next time.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.checkpoints.close()).await;
        self.give_back().await;
        self.disconnect().await;
    }

    /// The hand that writes to SQLite, made if need be.
    async fn hand(&mut self, path: &Path) -> Result<&Hand, OpenError> {
        let hand = if let Some(hand) = self.hand.take() {
            hand
        } else {
            Box::pin(connect::probe(&self.address)).await?;
            let silent =
                |_| OpenError::Unavailable { database: path.display().to_string(), why: silence() };
            let starting = Hand::start(path, self.ledger.clone());
            tokio::time::timeout(DEADLINE, starting).await.map_err(silent)??
        };
        Ok(self.hand.insert(hand))
    }

    /// Closes the connections; the next use makes new ones.
    async fn disconnect(&mut self) {
        self.hand = None;
        self.knows_place = false;
        if let Some(connection) = self.connection.take() {
            // One that hangs is left to its socket's own end.
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
        }
    }

    /// What an error means, and says. A connection that is lost by it is left at once: on one that
    /// hangs, whatever comes next would wait as long again.
    async fn understood<T>(&mut self, result: Result<T, DbErr>) -> Result<T, (Fault, String)> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let (fault, why) = (Fault::of(&error), connect::explain(&self.address, &error));
        if fault == Fault::Lost {
            self.disconnect().await;
        }
        Err((fault, why))
    }

    /// Writes a batch; a lost connection is replaced once.
    pub(super) async fn write(&mut self, batch: &[Arc<Write>]) -> Attempt {
        let attempt = self.write_once(batch).await;
        match attempt {
            Attempt::Failed { fault: Fault::Lost, .. } => {
                self.disconnect().await;
                let attempt = self.write_once(batch).await;
                if matches!(attempt, Attempt::Failed { fault: Fault::Lost, .. }) {
                    self.disconnect().await;
                }
                attempt
            }
            Attempt::Unclear { .. } => {
                self.disconnect().await;
                attempt
            }
            Attempt::Committed(_) | Attempt::Failed { .. } => attempt,
        }
    }

    /// Leases serials; a lost connection is replaced once. The outer error says that the database
    /// fails.
    pub(super) async fn lease(
        &mut self,
        count: u64,
    ) -> Result<Result<Range<u64>, StoreError>, String> {
        let leased = match self.lease_once(count).await {
            Err((Fault::Lost, _)) => self.lease_once(count).await,
            leased => leased,
        };
        match leased {
            Ok(leased) => Ok(leased),
            // Others lease too: nothing is wrong with the database.
            Err((Fault::Contention, why)) => Ok(Err(StoreError::Unavailable { why })),
            Err((_, why)) => Err(why),
        }
    }

    async fn lease_once(
        &mut self,
        count: u64,
    ) -> Result<Result<Range<u64>, StoreError>, (Fault, String)> {
        let connection = self.connection().await.map_err(|error| down(&error))?;
        let leased = limited(serials::lease(&connection, &self.ledger, count)).await;
        self.understood(leased).await
    }

    async fn write_once(&mut self, batch: &[Arc<Write>]) -> Attempt {
        let mut known = None;
        // Unless others were in the way, something in the record is at odds with itself; whoever is
        // alone with it is refused.
        let (mut fault, mut why) =
            (Fault::Row, "the record says both that it is there and that it is not".to_owned());
        for _ in 0..ROUNDS {
            match self.transact(batch, known.as_ref()).await {
                Tried::Committed { answers, ended } => {
                    let written = batch.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
                    self.recent.terms.add(written.map(|(write, _)| write.as_ref()));
                    self.accounts.add(ended);
                    return Attempt::Committed(answers);
                }
                Tried::Conflict => match self.look_up(batch).await {
                    Ok(found) => known = Some(found),
                    Err(failed) => return failed,
                },
                Tried::Failed { fault: Fault::Contention, why: again } => {
                    (fault, why) = (Fault::Contention, again);
                }
                Tried::Failed { fault, why } => return Attempt::Failed { fault, why },
                Tried::Unclear { why } => return Attempt::Unclear { why },
            }
        }
        Attempt::Failed { fault, why }
    }

    async fn transact(&mut self, batch: &[Arc<Write>], known: Option<&Known>) -> Tried {
        let failed = |error| {
            let (fault, why) = down(&error);
            Tried::Failed { fault, why }
        };
        match self.address.clone() {
            Address::Sqlite { path, .. } => {
                let hand = match self.hand(&path).await {
                    Ok(hand) => hand,
                    Err(error) => return failed(error),
                };
                match tokio::time::timeout(DEADLINE, hand.write(batch, known)).await {
                    Ok(Some(tried)) => tried,
                    Ok(None) => Tried::Unclear { why: "the journal's thread ended".to_owned() },
                    Err(_) => Tried::Unclear { why: silence() },
                }
            }
            address @ Address::Mysql { .. } => match self.connection().await {
                Ok(connection) => {
                    let (ledger, knows_place) = (self.ledger.clone(), self.knows_place);
                    let tried =
                        server::write(&connection, &address, batch, known, &ledger, knows_place);
                    // The largest of what a batch awaits: kept out of all that wait for it.
                    let tried = Box::pin(tried).await;
                    self.knows_place |= matches!(tried, Tried::Committed { .. });
                    tried
                }
                Err(error) => failed(error),
            },
        }
    }

    async fn look_up(&mut self, batch: &[Arc<Write>]) -> Result<Known, Attempt> {
        let connection = self
            .connection()
            .await
            .map_err(|error| Attempt::Failed { fault: Fault::Down, why: error.to_string() })?;
        let found = limited(examine::look_up(&connection, batch)).await;
        self.understood(found).await.map_err(|(fault, why)| Attempt::Failed { fault, why })
    }

    /// What nobody waits for, after a batch of so many writes was answered: the index of accounts
    /// and the log. A failure is no concern of those whose writes wait: what fails the database
    /// fails their next batch too.
    pub(super) async fn look_after(&mut self, written: usize) {
        // Made anew by the next batch, if it is gone.
        let Some(connection) = self.connection.clone() else { return };
        self.checkpoints.look_after(&self.address, &connection, written).await;
        self.note_behind(&connection).await;
        if !self.accounts.is_due() {
            return;
        }
        let open = self.accounts.open_portion();
        let entered = limited(self.accounts.enter(&connection, self.ledger.epoch())).await;
        if let Err((_, why)) = self.understood(entered).await {
            // It may be entered, and nobody has heard so.
            self.recent.terms.doubt(open);
            metrics::counter!("store_account_entries_failures_total").increment(1);
            tracing::warn!(why, "accounts not entered");
        }
        // As many as have ended: however busy the bridge is, it gets done.
        self.enter_earlier().await;
    }

    /// After a batch, what makes runs of the index by terms, at its pace: it takes little of those who wait.
    pub(super) async fn enter_terms_of_late(&mut self) {
        if self.terms.is_due_among_others(self.accounts.open_portion()) {
            self.enter_terms(Turn::AmongOthers).await;
        }
    }

    /// In how long something may be entered that has ended and that an index waits for which nobody else waits for;
    /// `None` if there is nothing.
    pub(super) fn earlier_in(&self) -> Option<Duration> {
        let both = [self.reach.due_in(), self.terms.due_in(self.accounts.open_portion())];
        both.into_iter().flatten().min()
    }

    /// Whether there may be something, and it is time to.
    pub(super) fn has_earlier(&self) -> bool {
        self.earlier_in() == Some(Duration::ZERO)
    }

    /// Enters some of it, while nothing else is to be written.
    pub(super) async fn while_idle(&mut self) {
        // A step that took too long has lost the connection, and at a file nothing else makes it anew while nobody writes.
        if self.has_earlier()
            && let Err(error) = self.connection().await
        {
            self.reach.rest();
            self.terms.rest();
            tracing::warn!(%error, "nothing is entered that an index lacks");
            return;
        }
        self.enter_earlier().await;
        if self.terms.is_due(self.accounts.open_portion()) {
            self.enter_terms(Turn::Alone).await;
        }
    }

    /// A step of the index by counters' serials and amounts.
    async fn enter_terms(&mut self, turn: Turn) {
        let open = self.accounts.open_portion();
        let Some(connection) = self.connection.clone() else { return };
        let (epoch, asked) = (self.ledger.epoch(), Instant::now());
        let going = self.terms.go_on(&connection, epoch, open, turn);
        let entered = limited_to(terms::TIME, going).await;
        match self.understood(entered).await {
            // Its transaction began with a beat.
            Ok(Step::Written) => self.ledger.held(asked),
            Ok(Step::Read | Step::Nothing) => {}
            Err((_, why)) => {
                self.terms.rest();
                tracing::warn!(why, "counters' serials and amounts not entered");
            }
        }
    }

    /// Enters some of what had ended before there was an index by app. A failure is no concern of those whose writes wait.
    async fn enter_earlier(&mut self) {
        let Some(connection) = self.connection.clone().filter(|_| self.reach.is_due()) else {
            return;
        };
        let entered = limited(self.reach.go_on(&connection, self.ledger.epoch())).await;
        if let Err((_, why)) = self.understood(entered).await {
            self.reach.rest();
            tracing::warn!(why, "lists not completed");
        }
    }

    /// Has the database remember that its record is behind, for the next start.
    async fn note_behind(&mut self, connection: &DatabaseConnection) {
        if self.has_noted {
            return;
        }
        let standing = self.ledger.standing().borrow().clone();
        if let (RecordStanding::Behind { why }, Some(node)) = (standing, self.ledger.node()) {
            let noted = limited(rows::note_behind(connection, node, &why)).await;
            match self.understood(noted).await {
                Ok(()) => self.has_noted = true,
                Err((_, why)) => {
                    tracing::warn!(why, "the record does not say yet that it is behind");
                }
            }
        }
    }

    /// The same, with a connection made if need be.
    pub(super) async fn note(&mut self) {
        if let Ok(connection) = self.connection().await {
            self.note_behind(&connection).await;
        }
    }

    /// Says that the holder is there while nothing is written; a lost connection is replaced once.
    pub(super) async fn beat(&mut self) -> Result<(), (Fault, String)> {
        match self.beat_once().await {
            Err((Fault::Lost, _)) => self.beat_once().await,
            beaten => beaten,
        }
    }

    async fn beat_once(&mut self) -> Result<(), (Fault, String)> {
        let connection = self.connection().await.map_err(|error| down(&error))?;
        let asked = Instant::now();
        let superseded = limited(fence::superseded(&connection, &self.ledger)).await;
        if let Some(why) = self.understood(superseded).await? {
            return Err((Fault::Superseded, why));
        }
        self.ledger.held(asked);
        Ok(())
    }

    /// Gives the lease back, so that the next start need not wait for it to run out.
    async fn give_back(&mut self) {
        if let (Some(epoch), Some(connection)) = (self.ledger.epoch(), &self.connection)
            && let Err(error) = limited(lease::give_back(connection, epoch)).await
        {
            tracing::debug!(%error, "the lease of the record runs out by itself");
        }
    }

    /// Which of these acceptances, once sent to be committed, are recorded. Waits for a commit
    /// that a server is still working on.
    pub(super) async fn recorded(
        &mut self,
        transfers: &[&NewTransfer],
    ) -> Result<Vec<bool>, String> {
        let connection = self.connection().await.map_err(|error| error.to_string())?;
        let recorded = limited(examine::recorded(&connection, transfers)).await;
        self.understood(recorded).await.map_err(|(_, why)| why)
    }

    /// Runs a statement where batches are written.
    #[cfg(test)]
    pub(super) async fn execute(&mut self, sql: &'static str) -> Result<(), String> {
        if let Address::Sqlite { path, .. } = self.address.clone() {
            let hand = self.hand(&path).await.map_err(|error| error.to_string())?;
            return hand.execute(sql).await.expect("a thread");
        }
        let connection = self.connection().await.map_err(|error| error.to_string())?;
        connection.execute_unprepared(sql).await.map(drop).map_err(|error| error.to_string())
    }

    /// Writes something, takes it away again and commits: whether writing works.
    pub(super) async fn try_out(&mut self) -> Result<(), (Fault, String)> {
        if let Address::Sqlite { path, .. } = self.address.clone() {
            let hand = self.hand(&path).await.map_err(|error| down(&error))?;
            if let Ok(Some(result)) = tokio::time::timeout(DEADLINE, hand.try_out()).await {
                return result.map_err(|why| (Fault::Down, why));
            }
            self.hand = None;
            return Err((Fault::Down, silence()));
        }
        let connection = self.connection().await.map_err(|error| down(&error))?;
        let superseded = limited(server::try_out(&connection, &self.ledger)).await;
        match self.understood(superseded).await? {
            None => Ok(()),
            Some(why) => Err((Fault::Superseded, why)),
        }
    }
}

/// A database that cannot be connected to.
fn down(error: &OpenError) -> (Fault, String) {
    (Fault::Down, error.to_string())
}

fn silence() -> String {
    format!("no answer of the disk within {} s", DEADLINE.as_secs())
}

#[cfg(test)]
mod tests {
    use super::super::attempt::large_body;
    use super::*;

    #[test]
    fn what_is_tried_out_is_large_and_silence_says_how_long() {
        assert_eq!(large_body(), "-".repeat(16_384));
        assert_eq!(silence(), format!("no answer of the disk within {} s", DEADLINE.as_secs()));
    }

    /// In a record that has nothing from before there was an index, that is found out once.
    #[tokio::test]
    async fn what_ended_earlier_is_entered_until_there_is_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("bridge.sqlite").display());
        crate::Store::open(&url).await.expect("its tables are made").close().await;
        let address = Address::parse(&url).expect("an address");
        let connection = connect::writer(&address);
        let ledger = Arc::new(Ledger::unkept(None));
        let mut engine = Engine::new(address, connection, ledger, Arc::default());
        assert!(engine.has_earlier(), "it has not looked yet");
        // A connection that was lost is made anew for it.
        engine.disconnect().await;
        let mut steps = 0;
        while engine.has_earlier() {
            engine.while_idle().await;
            steps += 1;
            assert!(steps < 10, "it comes to an end");
        }
        assert_eq!(engine.earlier_in(), None);
        // What fails is tried again after a while, though nothing is written meanwhile.
        engine.terms.rest();
        assert!(!engine.has_earlier());
        assert!(engine.earlier_in().is_some_and(|wait| !wait.is_zero()));
        engine.close().await;
    }

    /// Where there is no connection to be had it rests, and does not look again and again.
    #[tokio::test]
    async fn what_cannot_be_entered_is_not_tried_at_once_again() {
        let address = Address::parse("sqlite:///proc/nowhere/bridge.sqlite").expect("an address");
        let connection = connect::writer(&address);
        let ledger = Arc::new(Ledger::unkept(None));
        let mut engine = Engine::new(address, connection, ledger, Arc::default());
        engine.disconnect().await;
        assert!(engine.has_earlier());
        engine.while_idle().await;
        assert!(!engine.has_earlier());
        assert!(engine.earlier_in().is_some_and(|wait| !wait.is_zero()));
    }

    /// Only a connection that is lost is left, and its reason is told.
    #[tokio::test(start_paused = true)]
    async fn a_connection_is_left_when_it_is_lost() {
        let address = Address::parse("sqlite:///nowhere/bridge.sqlite").expect("an address");
        let connection = connect::writer(&address);
        let ledger = Arc::new(Ledger::unkept(None));
        let mut engine = Engine::new(address, connection, ledger, Arc::default());
        assert_eq!(engine.understood(Ok(7)).await, Ok(7));
        let spoiled = engine.understood::<()>(Err(DbErr::Custom("no such row".to_owned()))).await;
        assert_eq!(spoiled, Err((Fault::Down, "Custom Error: no such row".to_owned())));
        assert!(engine.connection.is_some());
        let silent = limited(std::future::pending::<Result<(), DbErr>>());
        let (fault, why) = engine.understood(silent.await).await.expect_err("it is lost");
        assert_eq!(fault, Fault::Lost);
        assert!(why.contains("no answer within"), "{why}");
        assert!(engine.connection.is_none());
    }
}
