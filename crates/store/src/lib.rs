//! The only crate that knows the database: rows are added and never changed, so a final state
//! cannot be overwritten, and nothing is told before it is durable.
//!
//! Reading order: `record` and `state` are what is kept, `write` what is asked of the journal; `store` opens (by
//! `options`) and asks; `journal` is the one writer, `idempotency` decides what of a batch it writes,
//! `journal/batch` writes it, each try being a `journal/attempt`,
//! `journal/accounts` makes it be found by account and by app, `journal/reach` what had ended before,
//! `recent` is what is in no index yet; `query` and `list` ask, `by_app` a page of one app's, `walk`
//! all in their order, `reader` from outside; `serials` leases, `in_doubt` is what is kept of counters in doubt;
//! `connect` makes connections, `durability` judges what they lead to; `hold` keeps other bridges away, with `lock` and `lease`; `position` notices a record that lost its end,
//! `checksum` a row that was altered; `fault` says what an error means; `entity`
//! and `migration` are the tables; [`memory`] is the tables without a database, for simulations.

mod address;
mod by_app;
mod checksum;
mod connect;
mod durability;
mod entity;
mod error;
mod fault;
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
mod options;
mod position;
mod process;
mod query;
mod reader;
mod recent;
mod record;
mod serials;
mod state;
mod store;
mod walk;
mod write;

pub use error::{OpenError, StoreError};
pub use hold::held_by;
pub use in_doubt::{Allowance, HeldCounter, MOST_LIFTED_A_DAY, Reach};
pub use journal::{Bare, Journal, JournalHealth};
pub use moved::MovedOn;
pub use options::Options;
pub use position::RecordStanding;
pub use position::release::{RecordStatus, Release, ReleaseError, release, status};
pub use reader::Reader;
pub use record::{
    Decision, ListFilter, Listed, NewTransfer, OpenPage, OpenTransfer, Outcome, Place, Stored,
};
pub use state::{FinalState, OpenState, StateFilter};
pub use store::Store;
pub use write::{Write, WriteError, WriteId, Written};

#[cfg(test)]
mod tests;
