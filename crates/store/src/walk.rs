//! Finds transfers by going back through all of them, in the order of their serials.

use crate::entity::{outcome, transfer};
use crate::error::StoreError;
use crate::query::{CHUNK, ask};
use crate::record::ListFilter;
use crate::state::{FinalState, StateFilter};
use domain::message::CounterId;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use std::collections::BTreeSet;

/// Transfers looked at by the first question of a walk; each further one looks at four times as many.
const FIRST_STEP: u64 = 256;
/// The most that one question looks at.
const LONGEST_STEP: u64 = 8192;
/// The most that are looked at for one page, however few of them are wanted.
const WALKED: u64 = if cfg!(test) { 1024 } else { 65_536 };

/// The newest serials older than `before` that pass a filter without an account, by going back through
/// all transfers in the order of their key: so many at most, whoever's they are. And the last one that was looked at,
/// if there are more behind it.
///
/// App, counter and state are compared here: with them in the question a database may prefer another
/// index, and go through all of an app's transfers to put them in order.
pub(crate) async fn walked(
    connection: &DatabaseConnection,
    filter: &ListFilter,
    before: Option<i64>,
    limit: u64,
) -> Result<(BTreeSet<i64>, Option<i64>), StoreError> {
    let ended: &[FinalState] = match &filter.state {
        Some(StateFilter::Ended(state)) => std::slice::from_ref(state),
        Some(StateFilter::AnyEnded) => &FinalState::ALL,
        Some(StateFilter::Open(_)) | None => &[],
    };
    let mut page = BTreeSet::new();
    let mut before = before;
    let (mut step, mut looked_at) = (FIRST_STEP.max(limit), 0);
    loop {
        let mut query = transfer::Entity::find()
            .select_only()
            .column(transfer::Column::MasterSerial)
            .order_by_desc(transfer::Column::MasterSerial)
            .limit(step);
        if let Some(before) = before {
            query = query.filter(transfer::Column::MasterSerial.lt(before));
        }
        let (length, last, wanted) = if filter.app.is_none() && filter.counter.is_none() {
            // Nothing else of a row is looked at, which may be damaged.
            let keys: Vec<i64> = ask(query.into_tuple().all(connection)).await?;
            (keys.len(), keys.last().copied(), keys)
        } else {
            let query = query
                .column(transfer::Column::App)
                .column(transfer::Column::FromCounter)
                .column(transfer::Column::ToCounter);
            let rows: Vec<(i64, Vec<u8>, String, String)> =
                ask(query.into_tuple().all(connection)).await?;
            let (length, last) = (rows.len(), rows.last().map(|(master, ..)| *master));
            let wanted = rows.into_iter().filter(|(_, app, from, to)| {
                let counter = filter.counter.as_ref().map(CounterId::as_str);
                filter.app.as_ref().is_none_or(|wanted| wanted.as_bytes() == app)
                    && counter.is_none_or(|counter| counter == from || counter == to)
            });
            (length, last, wanted.map(|(master, ..)| master).collect())
        };
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let wanted = match ended {
            [] => wanted,
            states => ended_so(connection, &wanted, states).await?,
        };
        page.extend(wanted);
        while u64::try_from(page.len()).is_ok_and(|length| length > limit) {
            page.pop_first();
        }
        looked_at += length;
        let is_full = u64::try_from(page.len()).is_ok_and(|length| length == limit);
        if is_full || length < step {
            return Ok((page, None));
        }
        if looked_at >= WALKED {
            return Ok((page, last));
        }
        before = last;
        step = (step * 4).min(LONGEST_STEP);
    }
}

/// Those that ended in one of these states.
async fn ended_so(
    connection: &DatabaseConnection,
    masters: &[i64],
    states: &[FinalState],
) -> Result<Vec<i64>, StoreError> {
    let mut found = Vec::new();
    for chunk in masters.chunks(CHUNK) {
        let query = outcome::Entity::find()
            .select_only()
            .column(outcome::Column::MasterSerial)
            .filter(outcome::Column::MasterSerial.is_in(chunk.iter().copied()))
            .filter(outcome::Column::State.is_in(states.iter().map(|state| state.number())))
            .into_tuple::<i64>();
        found.extend(ask(query.all(connection)).await?);
    }
    Ok(found)
}
