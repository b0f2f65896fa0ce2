//! A page of what has ended of one app's, in one state or in any: from the index by app and state, and
//! from what has ended and is not in it yet. However many transfers there are, whosesoever, it reads no
//! more of them than a page, and of what ended a moment ago.

use crate::entity::{outcome, transfer};
use crate::error::StoreError;
use crate::fault::describe;
use crate::journal::OLDEST;
use crate::portions::shorten;
use crate::query::{CHUNK, ask};
use crate::recent::Recent;
use crate::record::ListFilter;
use crate::state::{FinalState, StateFilter};
use crate::walk::walked;
use domain::serial::MasterSerial;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, JoinType,
    QueryFilter, QuerySelect, RelationTrait, Statement,
};
use std::collections::BTreeSet;

/// The newest serials, and where to go on if not all could be looked at.
///
/// What has ended moves from the first place to the second, and the index reaches back farther and
/// farther, so what has just ended and the reach are looked at before the index.
pub(crate) async fn page(
    connection: &DatabaseConnection,
    filter: &ListFilter,
    app: &str,
    recent: &Recent,
    limit: u64,
) -> Result<(BTreeSet<i64>, Option<i64>), StoreError> {
    let states: &[FinalState] = match &filter.state {
        Some(StateFilter::Ended(state)) => std::slice::from_ref(state),
        Some(StateFilter::AnyEnded) | None => &FinalState::ALL,
        Some(StateFilter::Open(_)) => &[],
    };
    let length = usize::try_from(limit).unwrap_or(1);
    let before = filter.before.map_or(i64::MAX, MasterSerial::number);
    let mut page = ended_now(connection, app, states, &recent.before(before), length).await?;
    let backend = connection.get_database_backend();
    let asked = ask(connection.query_one_raw(Statement::from_string(backend, OLDEST))).await?;
    let oldest: i64 =
        asked.map_or(Ok(0), |row| row.try_get_by_index(0)).map_err(|error| unread(&error))?;
    for state in states {
        let statement = entries(backend, app, *state, before, limit);
        for row in ask(connection.query_all_raw(statement)).await? {
            page.insert(row.try_get_by_index(0).map_err(|error| unread(&error))?);
        }
    }
    shorten(&mut page, length);
    let is_full = page.len() == length;
    if oldest == 0 || is_full && page.first().is_some_and(|last| *last >= oldest) {
        return Ok((page, None));
    }
    // What is older is not all entered yet.
    page.retain(|master| *master >= oldest);
    let rest = limit.saturating_sub(u64::try_from(page.len()).unwrap_or(u64::MAX));
    let (older, next) = walked(connection, filter, Some(oldest.min(before)), rest).await?;
    page.extend(older);
    Ok((page, next))
}

/// A page of the index.
pub(crate) fn entries(
    backend: DbBackend,
    app: &str,
    state: FinalState,
    before: i64,
    limit: u64,
) -> Statement {
    let sql = "SELECT master_serial FROM ended_entry \
               WHERE app = ? AND state = ? AND master_serial < ? \
               ORDER BY master_serial DESC LIMIT ?";
    let values =
        [app.as_bytes().to_vec().into(), state.number().into(), before.into(), limit.into()];
    Statement::from_sql_and_values(backend, sql, values)
}

/// The newest of those that have just ended which are the app's, in one of these states. They are few,
/// whoever's they are; the app is compared here, for the same reason as in a walk.
async fn ended_now(
    connection: &DatabaseConnection,
    app: &str,
    states: &[FinalState],
    newest_first: &[i64],
    length: usize,
) -> Result<BTreeSet<i64>, StoreError> {
    let mut found = BTreeSet::new();
    for chunk in newest_first.chunks(CHUNK) {
        let query = transfer::Entity::find()
            .select_only()
            .column(transfer::Column::MasterSerial)
            .column(transfer::Column::App)
            .join(JoinType::InnerJoin, transfer::Relation::Outcome.def())
            .filter(transfer::Column::MasterSerial.is_in(chunk.iter().copied()))
            .filter(outcome::Column::State.is_in(states.iter().map(|state| state.number())))
            .into_tuple::<(i64, Vec<u8>)>();
        let rows = ask(query.all(connection)).await?;
        let own = rows.into_iter().filter(|(_, whose)| whose == app.as_bytes());
        found.extend(own.map(|(master, _)| master));
        if found.len() >= length {
            break;
        }
    }
    shorten(&mut found, length);
    Ok(found)
}

fn unread(error: &sea_orm::DbErr) -> StoreError {
    StoreError::Unavailable { why: describe(error) }
}
