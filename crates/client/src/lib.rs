//! What an app backend uses to move money: signs requests as the bridge wants them and calls the
//! transfer API. It shares no code with the bridge, so that it would notice if the two disagreed.
//!
//! Reading order: [`transfer`] is what is said and answered; [`key`] and [`signature`] are how a
//! request is signed; [`error`] is what the caller does next; [`call`] puts it together;
//! [`retry`] repeats, where that was asked for; [`way`] is how a bridge is reached.
//!
//! A bridge is reached over `https` where something in front of it terminates TLS, or over `http`. The
//! signature protects what is said against change and replay either way; it does not hide it.
//!
//! ```
//! use client::{Account, Client, IdempotencyKey, Key, NewTransfer, Retry, Signer};
//! use std::time::Duration;
//!
//! # async fn moved() -> Result<(), Box<dyn std::error::Error>> {
//! let signer = Signer::new("shop-hmac", Key::hmac(b"a secret of at least thirty-two bytes!")?)?;
//! let client = Client::new("http://127.0.0.1:8080", signer)?.with_retry(Retry::default());
//! let order = NewTransfer {
//!     from: Account::new("securities", "6001"),
//!     to: Account::new("futures", "8001"),
//!     amount: 100_000,
//!     currency: "CNY".to_owned(),
//! };
//! // Kept beside the order until it is final: the same key is the same transfer, however often it is sent.
//! let key = IdempotencyKey::new("order-2026-11-21-000042").ok_or("visible ASCII")?;
//! let posted = client.transfer(&order, &key, Duration::from_secs(5)).await?;
//! # let _ = posted;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/transfer.rs` is the whole of it: it waits for the end and says what became of the money.

pub mod call;
pub mod error;
pub mod key;
pub mod retry;
pub mod signature;
pub mod transfer;
pub mod way;

pub use call::{Client, Posted};
pub use error::{CallError, Cause, Problem};
pub use key::{Algorithm, Key, KeyError};
pub use retry::Retry;
pub use signature::{Parameters, SignError, Signer};
pub use transfer::{
    Account, Balance, CounterAnswer, Entries, Entry, EntryFilter, IdempotencyKey, Knowledge, Leg,
    NewTransfer, Role, State, Transfer, TransferFilter, TransferPage,
};
