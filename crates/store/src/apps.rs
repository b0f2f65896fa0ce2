//! What is asked of each app that ever ordered anything, one after another: there are few, and the index of keys begins
//! with them.

use crate::entity::transfer;
use crate::error::StoreError;
use crate::query::{ask, find_by_key, text};
use crate::record::Stored;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use std::collections::HashSet;

/// The first app behind this one, as it is recorded: one look into the index.
async fn next(
    connection: &DatabaseConnection,
    after: &[u8],
) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let query = transfer::Entity::find()
        .select_only()
        .column(transfer::Column::MasterSerial)
        .column(transfer::Column::App)
        .filter(transfer::Column::App.gt(after))
        .order_by_asc(transfer::Column::App)
        .limit(1)
        .into_tuple();
    ask(query.one(connection)).await
}

/// The apps of which a key is recorded that begins with a quotation mark.
pub(crate) async fn with_quoted_keys(
    connection: &DatabaseConnection,
) -> Result<HashSet<String>, StoreError> {
    let mut quoting = HashSet::new();
    let mut last: Vec<u8> = Vec::new();
    while let Some((_, app)) = next(connection, &last).await? {
        let query = transfer::Entity::find()
            .select_only()
            .column(transfer::Column::MasterSerial)
            .filter(transfer::Column::App.eq(app.as_slice()))
            .filter(transfer::Column::IdempotencyKey.gte(&b"\""[..]))
            .filter(transfer::Column::IdempotencyKey.lt(&b"#"[..]))
            .limit(1)
            .into_tuple::<i64>();
        if let Some(number) = ask(query.one(connection)).await? {
            quoting.insert(text(number, "the app", app.clone())?);
        }
        last = app;
    }
    Ok(quoting)
}

/// The transfers that apps registered under this key, whichever they are: one of each app at most.
pub(crate) async fn find_by_any_key(
    connection: &DatabaseConnection,
    key: &str,
) -> Result<Vec<Stored>, StoreError> {
    let (mut found, mut last) = (Vec::new(), Vec::new());
    while let Some((number, app)) = next(connection, &last).await? {
        let name = text(number, "the app", app.clone())?;
        found.extend(find_by_key(connection, &name, key).await?);
        last = app;
    }
    Ok(found)
}
