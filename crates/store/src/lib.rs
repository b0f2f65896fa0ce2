//! The only crate that knows the database: rows are added and never changed, so a final state
//! cannot be overwritten, and nothing is told before it is durable.
//!
//! Reading order: `record` and `state` are what is kept, `write` what is asked of the journal; `store` opens (by
//! `options`) and asks; `journal` is the one writer, `idempotency` decides what of a batch it writes,
//! `journal/batch` writes it, each try being a `journal/attempt`,
//! `journal/accounts` makes it be found by account and by app, `journal/reach` what had ended before, `journal/terms` by
//! amount and by counters' own serials, which `counter_serial` reads in trails;
//! `recent` is what is in no index yet, `fresh` its terms, and `run` how an index by terms is packed; `query` and `list` ask, `not_entered` what is in no index, `by_app` a page of one app's, `by_term` one by amount or counter's serial, each through `portions`, `walk`
//! all in their order, `reader` from outside; `serials` leases, `in_doubt` is what is kept of counters in doubt, `on_hold` of those that operators hold, `alarm` of alarms, [`people`] of operators,
//! `alone` how what is seldom changed is written;
//! `connect` makes connections, `durability` judges what they lead to; `hold` keeps other bridges away, with `lock` and `lease`; `position` notices a record that lost its end,
//! `checksum` a row that was altered; `fault` says what an error means; `entity`
//! and `migration` are the tables; [`memory`] is the tables without a database, for simulations.
//!
//! ```
//! # use domain::{message::Place, money::{Amount, Currency}, order::Order, serial::{Day, MasterSerial}};
//! use store::{NewTransfer, OpenState, Store, Write, WriteError, WriteId};
//! use tokio::sync::mpsc;
//!
//! # fn transfer(number: i64) -> Result<NewTransfer, Box<dyn std::error::Error>> {
//! #     let master = MasterSerial::from_number(number)?;
//! #     let place = |counter: &str| {
//! #         let account = "6001".parse().expect("an account");
//! #         Place { counter: counter.parse().expect("a counter"), account }
//! #     };
//! #     Ok(NewTransfer {
//! #         master,
//! #         app: "shop".into(),
//! #         idempotency_key: "order-7".into(),
//! #         fingerprint: [7; 32],
//! #         order: Order {
//! #             from: place("securities"),
//! #             to: place("futures"),
//! #             amount: Amount::new(100_000)?,
//! #             currency: Currency::CNY,
//! #         },
//! #         debit_day: master.day,
//! #         credit_day: master.day,
//! #         credit_barrier: false,
//! #         created_at: 1_795_219_200_000_000,
//! #         deadline_at: 1_795_219_260_000_000,
//! #         mark: None,
//! #     })
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let url = format!("sqlite://{}", folder.path().join("record.sqlite").display());
//! let store = Store::open(&url).await?;
//! // Two transfers of one app under one idempotency key: the first that is recorded has it.
//! let (first, second) = (transfer(2_026_112_100_000_000_001)?, transfer(2_026_112_100_000_000_002)?);
//! let write = |id, new: &NewTransfer| Write {
//!     accept: Some(new.clone()),
//!     ..Write::of(WriteId(id), new.master)
//! };
//! let (done, mut written) = mpsc::unbounded_channel();
//! store.journal().submit(vec![write(1, &first), write(2, &second)], &done);
//! let mut answers = Vec::new();
//! while answers.len() < 2 {
//!     answers.extend(written.recv().await.ok_or("the journal answers each write")?);
//! }
//! answers.sort_by_key(|written| written.id);
//! assert_eq!(answers[0].result, Ok(()));
//! assert_eq!(answers[1].result, Err(WriteError::DuplicateKey));
//! let found = store.find_by_key("shop", "order-7").await?.ok_or("it is durable")?;
//! assert_eq!((found.transfer, found.open_state), (first, Some(OpenState::Accepted)));
//! store.close().await;
//! # Ok(())
//! # }
//! ```

mod address;
mod alarm;
mod alone;
mod apps;
mod by_app;
mod by_term;
mod checksum;
mod connect;
mod counter_serial;
mod durability;
mod entity;
mod error;
mod fault;
mod fresh;
mod hold;
mod holder;
mod idempotency;
mod in_doubt;
mod journal;
mod lease;
mod list;
mod lock;
pub mod memory;
mod migration;
mod moved;
mod not_entered;
mod on_hold;
mod options;
pub mod people;
mod portions;
mod position;
mod process;
mod query;
mod reader;
mod readmission;
mod recent;
mod record;
mod run;
mod serials;
mod state;
mod store;
mod walk;
mod write;

pub use alarm::{
    ALARMS_A_PAGE, Acknowledged, Alarm, AlarmAbout, AlarmKind, Alarms, Closed, KeptAlarms,
    NumberedAlarm, Part,
};
pub use counter_serial::counter_serials;
pub use error::{NotChanged, OpenError, StoreError};
pub use hold::held_by;
pub use in_doubt::{Allowance, HeldCounter, MOST_LIFTED_A_DAY, Reach};
pub use journal::{Bare, Journal, JournalHealth};
pub use moved::MovedOn;
pub use on_hold::{DamagedHold, HoldKind, InForce, NotTakenOff, OnHold};
pub use options::Options;
pub use position::RecordStanding;
pub use position::release::{RecordStatus, Release, ReleaseError, release, status};
pub use reader::Reader;
pub use readmission::{NotApproved, Readmission, ReadmissionEnd};
pub use record::{
    AmountFilter, Decision, ListFilter, Listed, NewTransfer, OpenPage, OpenTransfer, Outcome,
    Place, Stored,
};
pub use state::{FinalState, OpenState, StateFilter};
pub use store::Store;
pub use write::{Write, WriteError, WriteId, Written};

#[cfg(test)]
mod tests;
