//! The people of the operators' side in the database: who they are, where they are signed in, which tokens their
//! programs have, what they did, and which views they keep. What proves a person is decided elsewhere (crate `people`); here is kept what it
//! is decided by, and each change is one transaction with the act that it is.
//!
//! Written seldom, on connections of their own that are closed again, one at a time: the journal waits for none of it,
//! and finds no crowd before it where a database has one lock. Who reads has connections apart from those of transfers,
//! for whoever is not known reads here too.
//!
//! Whatever changes an operator begins by locking its row, and whoever signs in or makes a token does so too, so that
//! none of them goes by what the other is about to change. SQLite has one lock for all of it.

mod acts;
mod operators;
mod proofs;
mod views;

pub use acts::{Act, ActFilter, Acted, Known};
pub use operators::{Change, NewFactor, NewOperator, Operator, Unchanged};
pub use proofs::{Factor, NewSession, NewToken, Session, SignedIn, Token};
pub use views::{SavedView, ViewRefused};

use crate::address::Address;
use crate::alone;
use crate::connect;
use crate::entity::operator_secret;
use crate::error::{OpenError, StoreError};
use crate::query;
use crate::store::Store;
use data_encoding::HEXLOWER;
use sea_orm::{ActiveValue::Set, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// SHA-256 of a secret: what is kept of it.
pub type Digest = [u8; 32];

/// The people; cheap to clone.
#[derive(Clone, Debug)]
pub struct People {
    address: Address,
    readers: DatabaseConnection,
    /// Of whoever changes something.
    turn: Arc<Semaphore>,
}

impl Store {
    /// The people of this database.
    pub fn people(&self) -> People {
        People::at(self.address().clone())
    }
}

impl People {
    fn at(address: Address) -> People {
        let readers = connect::few_readers(&address, READERS);
        People { address, readers, turn: Arc::new(Semaphore::new(1)) }
    }

    /// The people of the database behind `url`, beside a bridge that holds it or without one. A database without the
    /// tables is brought up to date, if nobody holds it.
    pub async fn open(url: &str) -> Result<People, OpenError> {
        let people = People::at(Address::parse(url)?);
        if query::ping_people(&people.readers).await.is_ok() {
            return Ok(people);
        }
        Box::pin(Store::open(url)).await?.close().await;
        match query::ping_people(&people.readers).await {
            Ok(()) => Ok(people),
            Err(error) => Err(OpenError::Unavailable {
                database: people.address.to_string(),
                why: format!("it cannot be asked for its operators: {error}"),
            }),
        }
    }

    /// The key under which browsers are known again: that of an earlier start, or this one from now on.
    pub async fn device_key(&self, fresh: Digest) -> Result<Digest, StoreError> {
        let kept = self
            .change(async |transaction| {
                let found =
                    operator_secret::Entity::find_by_id(DEVICE_KEY).one(transaction).await?;
                if let Some(found) = found {
                    return Ok(Ok(found.secret));
                }
                let row = operator_secret::ActiveModel {
                    name: Set(DEVICE_KEY.to_owned()),
                    secret: Set(hex(&fresh)),
                };
                operator_secret::Entity::insert(row).exec_without_returning(transaction).await?;
                Ok::<_, DbErr>(Ok::<_, StoreError>(hex(&fresh)))
            })
            .await?;
        let bytes = HEXLOWER.decode(kept.as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| StoreError::Damaged { what: "the key of browsers is no key".to_owned() })
    }

    /// Closes the connections of one that was opened by its URL.
    pub async fn close(self) {
        let _ = self.readers.close_by_ref().await;
    }

    /// Does something in one transaction, on a connection of its own, once it is its turn. What it finds to be wrong is
    /// taken back. Where two were in each other's way, the one that lost is done once more.
    async fn change<T, E: From<StoreError>>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<Result<T, E>, DbErr> + Clone,
    ) -> Result<T, E> {
        let busy =
            |_| E::from(StoreError::Unavailable { why: "others are being changed".to_owned() });
        let turn = tokio::time::timeout(TURN, self.turn.acquire()).await.map_err(busy)?;
        // Nobody closes it.
        let _turn = turn.map_err(|_| E::from(StoreError::Closed))?;
        // Also beside a bridge that holds the record.
        let done = alone::change(&self.address, None, work).await;
        done.map_err(|not| E::from(not.into_error()))?
    }
}

/// The row of that key.
const DEVICE_KEY: &str = "device_key";

/// Connections that read of people.
const READERS: u32 = 2;

/// How long whoever changes something waits for those before it.
const TURN: Duration = Duration::from_secs(3);

/// A digest as it stands in the database.
fn hex(digest: &Digest) -> String {
    HEXLOWER.encode(digest)
}
