//! What an app backend uses to move money: signs requests as the bridge wants them and calls the
//! transfer API. It shares no code with the bridge, so that it would notice if the two disagreed.
//!
//! Reading order: [`transfer`] is what is said and answered; [`key`] and [`signature`] are how a
//! request is signed; [`error`] is what the caller does next; [`call`] puts it together;
//! [`retry`] repeats, where that was asked for; [`way`] is how a bridge is reached.
//!
//! It speaks plain HTTP: TLS is terminated in front of the bridge, and on the app's side by
//! whatever its network has for that. The signature protects what is said against change and
//! replay either way; it does not hide it.

pub mod call;
pub mod error;
pub mod key;
pub mod retry;
pub mod signature;
pub mod transfer;
pub mod way;

pub use call::{Client, Posted};
pub use error::{CallError, Problem};
pub use key::{Algorithm, Key, KeyError};
pub use retry::Retry;
pub use signature::{Parameters, SignError, Signer};
pub use transfer::{
    Account, Balance, CounterAnswer, Entries, Entry, EntryFilter, IdempotencyKey, Knowledge, Leg,
    NewTransfer, Role, State, Transfer, TransferFilter, TransferPage,
};
