//! Looks at a record without ever writing to it: nothing is made, migrated or locked for writing.

use crate::address::Address;
use crate::connect;
use crate::error::{OpenError, StoreError};
use crate::list;
use crate::query;
use crate::record::{Decision, ListFilter, Stored};
use domain::serial::{MasterSerial, Sequence};
use sea_orm::DatabaseConnection;
use std::time::Duration;

/// How long looking at every page of a file may take.
const WHOLE_FILE: Duration = Duration::from_hours(4);

/// A record that is only read, beside a bridge that writes to it or after one.
#[derive(Clone, Debug)]
pub struct Reader {
    connection: DatabaseConnection,
    address: Address,
}

impl Reader {
    /// Opens the record behind `url` (see [`Store::open`](crate::Store::open)) for reading. A
    /// database that is not there, or is no record of a bridge, is an error; neither is made.
    pub async fn open(url: &str) -> Result<Reader, OpenError> {
        let address = match Address::parse(url)? {
            Address::Sqlite { path, .. } if !path.is_file() => {
                return Err(OpenError::NotADatabase {
                    path: path.display().to_string(),
                    why: "there is no such file".to_owned(),
                });
            }
            Address::Sqlite { path, options, durability } => {
                let options = options.create_if_missing(false);
                Address::Sqlite { path, options, durability }
            }
            // Reading, a server that takes no writes is as good as another.
            server @ Address::Mysql { .. } => {
                drop(connect::greet(&server).await?);
                server
            }
        };
        let reader = Reader { connection: connect::readers(&address), address };
        // Damaged rows and pages are found when they are looked at: it is a record all the same.
        match (query::ping_record(&reader.connection).await, reader.address.clone()) {
            (Ok(()), _) => Ok(reader),
            (Err(error), Address::Sqlite { path, .. }) => Err(OpenError::NotADatabase {
                path: path.display().to_string(),
                why: format!("it holds no record of a bridge that can be read: {error}"),
            }),
            (Err(error), Address::Mysql { shown, .. }) => Err(OpenError::NoSuchDatabase {
                server: shown,
                why: format!("it holds no record of a bridge that can be read: {error}"),
            }),
        }
    }

    /// A page of transfers, newest first. The serial of the last one is the next page's `before`.
    pub async fn list(&self, filter: &ListFilter) -> Result<Vec<Stored>, StoreError> {
        Ok(list::list(&self.connection, filter, None).await?.transfers)
    }

    /// The same, where one row that is damaged hides no other: with the serial of each, 0 for one that
    /// cannot be.
    pub async fn each(
        &self,
        filter: &ListFilter,
    ) -> Result<Vec<(MasterSerial, Result<Stored, StoreError>)>, StoreError> {
        let rows = list::each(&self.connection, filter).await?;
        let named = rows.into_iter().map(|(key, read)| Ok((query::master(key)?, read)));
        named.collect()
    }

    /// What is wrong with the trails and decisions of these transfers: nothing, if every row is what
    /// was written.
    pub async fn damages(&self, masters: &[MasterSerial]) -> Result<Vec<StoreError>, StoreError> {
        query::damages(&self.connection, masters).await
    }

    /// What is wrong with the pages of a file, in SQLite's words, the first hundred; none if every page
    /// and every index is whole. A server looks at its own pages, whenever it reads one.
    ///
    /// All of the file is read: 1 GB in some seconds.
    pub async fn damaged_pages(&self) -> Result<Vec<String>, StoreError> {
        match &self.address {
            Address::Sqlite { .. } => {
                let connection = connect::readers_within(&self.address, WHOLE_FILE);
                let told = query::damaged_pages(&connection).await;
                let _ = connection.close_by_ref().await;
                told
            }
            Address::Mysql { .. } => Ok(Vec::new()),
        }
    }

    /// The transfer with this sequence, which is all that a sub serial shows of it.
    pub async fn find_by_sequence(&self, sequence: Sequence) -> Result<Option<Stored>, StoreError> {
        query::find_by_sequence(&self.connection, sequence).await
    }

    /// What operators decided about a transfer, oldest first.
    pub async fn decisions(&self, master: MasterSerial) -> Result<Vec<Decision>, StoreError> {
        query::decisions(&self.connection, master).await
    }

    /// Closes all connections; every clone of the reader is closed with it.
    pub async fn close(self) {
        // An error would mean that they are closed already.
        let _ = self.connection.close_by_ref().await;
    }
}
