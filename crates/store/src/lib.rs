//! The only crate that knows the database: rows are added and never changed, so a final state
//! cannot be overwritten, and nothing is told before it is durable.
//!
//! Reading order: `record` and `state` are what is kept; `store` opens and asks; `journal` is the
//! one writer, `idempotency` decides what of a batch it writes, `journal/batch` writes it,
//! `journal/accounts` makes it be found by account; `query` and `list` ask, `reader` from outside; `serials` leases; `connect` makes
//! connections, `durability` judges what they lead to; `fault` says what an error means; `entity`
//! and `migration` are the tables; [`memory`] is the tables without a database, for simulations.

mod address;
mod connect;
mod durability;
mod entity;
mod error;
mod fault;
mod holder;
mod idempotency;
mod journal;
mod list;
pub mod memory;
mod migration;
mod query;
mod reader;
mod record;
mod serials;
mod state;
mod store;

pub use error::{OpenError, StoreError};
pub use journal::{Bare, Journal, JournalHealth, Write, WriteError, WriteId, Written};
pub use reader::Reader;
pub use record::{Decision, ListFilter, NewTransfer, OpenTransfer, Outcome, Place, Stored};
pub use state::{FinalState, OpenState, StateFilter};
pub use store::Store;

#[cfg(test)]
mod tests;
