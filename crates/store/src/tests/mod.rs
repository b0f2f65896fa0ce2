//! The same tests on every kind of database. SQLite always; MariaDB or MySQL where
//! `COUNTER_BRIDGE_TEST_MYSQL` holds the URL of a server on which databases may be made, such as
//! `mysql://user:password@127.0.0.1:3306`. Each test has a database of its own.

mod alarms;
mod by_app;
mod checksums;
mod duplicates;
mod endings;
mod faults;
mod holding;
mod in_doubt;
mod leases;
mod lists;
mod moved;
mod mysql_faults;
mod on_hold;
mod opening;
mod own_server;
mod pages;
mod people;
mod portions;
mod positions;
mod proxy;
mod reading;
mod servers;
mod slow_questions;
mod spoiled;
mod sqlite_faults;
mod terms;
mod views;
mod waited_out;

use crate::{
    Decision, FinalState, Journal, NewTransfer, OpenState, OpenTransfer, Outcome, Place, Store,
    StoreError, Write, WriteError, WriteId, Written,
};
use domain::message::{AccountId, CounterId};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::serial::{Day, Mark, MasterSerial, Sequence};
use sea_orm::sqlx::{ConnectOptions, Connection, Executor, MySqlConnection};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Longer than anything here takes, shorter than a person's patience.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where a server for tests is, if there is one.
const SERVER: &str = "COUNTER_BRIDGE_TEST_MYSQL";

/// Makes `sqlite` and `mysql` tests of `async fn(url: String)` functions.
macro_rules! on_each_database {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                crate::tests::on_sqlite(super::$name).await;
            })+
        }
        mod mysql {
            $(#[tokio::test]
            async fn $name() {
                crate::tests::on_mysql(super::$name).await;
            })+
        }
    };
}
pub(crate) use on_each_database;

/// Runs a test on a SQLite file in a folder of its own.
async fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/bridge.sqlite", folder.path().display());
    patiently(Box::pin(test(url))).await;
}

/// Runs a test on a new database of the server, and drops that whatever happens.
async fn on_mysql<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(String) -> F) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Ok(server) = std::env::var(SERVER) else {
        eprintln!("not run: {SERVER} is not set");
        return;
    };
    let server = server.trim_end_matches('/').to_owned();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("store_test_{}_{count}", std::process::id());
    administer(&server, format!("CREATE DATABASE {name}")).await;
    let ended = tokio::spawn(patiently(test(format!("{server}/{name}")))).await;
    administer(&server, format!("DROP DATABASE {name}")).await;
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic.into_panic());
    }
}

async fn administer(server: &str, sql: String) {
    let mut connection = mysql_connection(server).await;
    connection.execute(sea_orm::sqlx::AssertSqlSafe(sql)).await.expect("an administrator");
    connection.close().await.expect("closed");
}

async fn mysql_connection(url: &str) -> MySqlConnection {
    let options: sea_orm::sqlx::mysql::MySqlConnectOptions = url.parse().expect("a URL");
    options.connect().await.expect("a server")
}

impl Store {
    /// What is open and can be read.
    pub(crate) async fn open_transfers(
        &self,
        after: Option<MasterSerial>,
        limit: u64,
    ) -> Result<Vec<OpenTransfer>, StoreError> {
        let after = after.map(MasterSerial::number);
        Ok(self.open_page(after, limit).await?.transfers)
    }
}

async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("in time")
}

/// Submits and waits for answers.
struct Desk {
    journal: Journal,
    done: mpsc::UnboundedSender<Vec<Written>>,
    answers: mpsc::UnboundedReceiver<Vec<Written>>,
    last: u64,
    /// Answers that came before they were asked for.
    found: BTreeMap<WriteId, Answer>,
}

type Answer = Result<(), WriteError>;

impl Desk {
    fn of(store: &Store) -> Desk {
        let (done, answers) = mpsc::unbounded_channel();
        Desk { journal: store.journal(), done, answers, last: 0, found: BTreeMap::new() }
    }

    /// Submits without waiting; says which numbers the writes got.
    fn submit(&mut self, mut writes: Vec<Write>) -> Vec<WriteId> {
        for write in &mut writes {
            self.last += 1;
            write.id = WriteId(self.last);
        }
        let ids = writes.iter().map(|write| write.id).collect();
        self.journal.submit(writes, &self.done);
        ids
    }

    /// The answers to these writes, in their order.
    async fn answers(&mut self, ids: &[WriteId]) -> Vec<Answer> {
        while !ids.iter().all(|id| self.found.contains_key(id)) {
            let list = patiently(self.answers.recv()).await.expect("a journal that answers");
            for Written { id, result } in list {
                assert!(self.found.insert(id, result).is_none(), "{id:?} is answered twice");
            }
        }
        ids.iter().map(|id| self.found.remove(id).expect("answered")).collect()
    }

    async fn write(&mut self, writes: Vec<Write>) -> Vec<Answer> {
        let ids = self.submit(writes);
        self.answers(&ids).await
    }

    /// Writes what has to succeed.
    async fn record(&mut self, writes: Vec<Write>) {
        for answer in self.write(writes).await {
            assert_eq!(answer, Ok(()));
        }
    }
}

pub(crate) fn master(sequence: u64) -> MasterSerial {
    on_day(20_261_121, sequence)
}

fn on_day(day: u32, sequence: u64) -> MasterSerial {
    MasterSerial {
        day: Day::new(day).expect("a day"),
        sequence: Sequence::new(sequence).expect("a sequence"),
    }
}

fn place(counter: &str, account: &str) -> Place {
    Place {
        counter: CounterId::new(counter).expect("a counter"),
        account: AccountId::new(account).expect("an account"),
    }
}

pub(crate) fn transfer(master: MasterSerial, app: &str, key: &str) -> NewTransfer {
    NewTransfer {
        master,
        app: app.into(),
        idempotency_key: key.into(),
        fingerprint: [u8::try_from(master.sequence.number() % 251).expect("small"); 32],
        order: Order {
            from: place("securities", "S1"),
            to: place("futures", "F1"),
            amount: Amount::new(100_000).expect("an amount"),
            currency: Currency::CNY,
        },
        debit_day: Day::new(20_261_123).expect("a day"),
        credit_day: Day::new(20_261_124).expect("a day"),
        credit_barrier: master.sequence.number().is_multiple_of(2),
        created_at: 1_795_219_200_000_001,
        deadline_at: 1_795_219_230_000_002,
        mark: Some(Mark(u64::MAX - master.sequence.number())),
    }
}

pub(crate) fn accept(transfer: &NewTransfer) -> Write {
    Write { accept: Some(transfer.clone()), ..Write::of(WriteId(0), transfer.master) }
}

/// A transfer of the app `shop` under a key made of its sequence.
pub(crate) fn simple(sequence: u64) -> Write {
    accept(&transfer(master(sequence), "shop", &format!("key-{sequence}")))
}

pub(crate) fn trail(master: MasterSerial, part: u32, body: &str) -> Write {
    Write { trail: Some((part, body.to_owned())), ..Write::of(WriteId(0), master) }
}

fn state(master: MasterSerial, state: OpenState) -> Write {
    Write { state: Some(state), ..Write::of(WriteId(0), master) }
}

fn decision(master: MasterSerial, at: i64, who: &str, word: &str) -> Write {
    let decision = Decision {
        at,
        who: who.into(),
        decision: word.to_owned(),
        note: "对方流水号 checked by telephone".into(),
    };
    Write { decision: Some(decision), ..Write::of(WriteId(0), master) }
}

fn outcome(state: FinalState) -> Outcome {
    Outcome {
        state,
        reason: match state {
            FinalState::Completed => None,
            FinalState::Refused | FinalState::Reversed => Some("余额不足".to_owned()),
        },
        finished_at: 1_795_219_201_000_003,
        answer_status: 201,
        answer_body: b"{\"state\":\"\xff\0\"}".to_vec().into(),
    }
}

pub(crate) fn end(master: MasterSerial, state: FinalState) -> Write {
    Write { outcome: Some(outcome(state)), ..Write::of(WriteId(0), master) }
}

fn is_refused(answer: &Answer) -> bool {
    matches!(answer, Err(WriteError::Refused { .. }))
}
