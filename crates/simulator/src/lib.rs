//! A counter to test against: accounts, books, its own dedupe and fence, and faults by plan and by
//! seed. It shares bytes with the bridge, never logic: of the bridge it knows the messages alone,
//! so a mistake in the bridge's rules cannot hide in its counterpart.
//!
//! Reading order: [`options`] is how a counter is to be; [`books`] is what it does with an order; [`books_file`] is how it
//! remembers; [`faults`] is what goes wrong on purpose, and how a plan says so; [`counter`] puts the
//! three together; [`session`] is the conversation on one connection; `desk` is the task that owns
//! the counter, `connection` the task that owns a socket, `way` how that comes to be, [`server`] the
//! process around them.

pub mod books;
pub mod books_file;
mod connection;
pub mod counter;
mod desk;
pub mod faults;
pub mod options;
pub mod server;
pub mod session;
mod tls;
mod way;

pub use books_file::Durability;
pub use faults::FaultPlan;
pub use options::{Error, Options, parse_account};
pub use server::{run, run_as_process};
pub use tls::{TlsError, TlsFiles};
