//! Pages of transfers, newest first. Those of an account are found in two places: what is open, or
//! ended a moment ago, by looking through it; all others by the index of accounts. What has ended of an
//! app's has an index of its own ([`crate::by_app`]), counters' serials and amounts another
//! ([`crate::by_term`]). Any other page is found by going back through all
//! transfers, so far and no farther.

use crate::by_app;
use crate::by_term::{self, Term};
use crate::entity::{account_entry, account_portion, outcome, transfer};
use crate::error::StoreError;
use crate::not_entered::not_entered;
use crate::portions::{Portions, shorten};
use crate::query::{ask, each_joined, master, stored};
use crate::recent::Recent;
use crate::record::{AmountFilter, ListFilter, Listed, Stored};
use crate::state::StateFilter;
use crate::walk::walked;
use domain::message::AccountId;
use domain::serial::MasterSerial;
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, JoinType, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait,
};
use std::collections::BTreeSet;

pub(crate) async fn list(
    connection: &DatabaseConnection,
    filter: &ListFilter,
    recent: Option<&Recent>,
) -> Result<Listed, StoreError> {
    let (rows, next) = page(connection, filter, recent).await?;
    let transfers = rows.into_iter().map(|(_, read)| read).collect::<Result<_, StoreError>>()?;
    Ok(Listed { transfers, next: next.map(master).transpose()? })
}

/// The same, and one row that is damaged hides no other; with the key of each.
pub(crate) async fn each(
    connection: &DatabaseConnection,
    filter: &ListFilter,
) -> Result<Vec<Row>, StoreError> {
    Ok(page(connection, filter, None).await?.0)
}

/// The key of a row, and what it says.
type Row = (i64, Result<Stored, StoreError>);

/// The rows of a page, and where the next one begins.
async fn page(
    connection: &DatabaseConnection,
    filter: &ListFilter,
    recent: Option<&Recent>,
) -> Result<(Vec<Row>, Option<i64>), StoreError> {
    let limit = u64::from(filter.limit.clamp(1, ListFilter::LONGEST_PAGE));
    let before = filter.before.map(MasterSerial::number);
    let (page, walked_to) = match (&filter.account, filter.state) {
        // What is open and answered is known to whoever has it in hand.
        _ if filter.counter_serial.is_some()
            && matches!(filter.state, Some(StateFilter::Open(_))) =>
        {
            (BTreeSet::new(), None)
        }
        _ if let Some(serial) = &filter.counter_serial => {
            by_term::page(connection, filter, Term::Serial(serial), recent, limit).await?
        }
        // Few are open: start from them.
        (_, Some(StateFilter::Open(_))) => (not_entered(connection, filter, limit).await?, None),
        (Some(account), _) => (page_of_account(connection, filter, account, limit).await?, None),
        (None, _) if let Some(amount) = &filter.amount => {
            by_term::page(connection, filter, Term::Amount(amount), recent, limit).await?
        }
        (None, Some(StateFilter::Ended(_) | StateFilter::AnyEnded)) => {
            match (recent, &filter.app, &filter.counter) {
                (Some(recent), Some(app), None) => {
                    by_app::page(connection, filter, app, recent, limit).await?
                }
                _ => walked(connection, filter, before, limit).await?,
            }
        }
        (None, None) => walked(connection, filter, before, limit).await?,
    };
    let full = u64::try_from(page.len()).is_ok_and(|length| length >= limit);
    let keys: Vec<i64> = page.into_iter().rev().collect();
    let mut found = each_joined(connection, &keys).await?;
    let read = |key: i64| Some((key, found.remove(&key)?.and_then(stored)));
    let rows: Vec<Row> = keys.into_iter().filter_map(read).collect();
    let next = if full { rows.last().map(|(key, _)| *key) } else { walked_to };
    Ok((rows, next))
}

/// The newest serials of an account that pass the filter.
///
/// What has ended moves from the first place to the second, so they are looked into in this order.
async fn page_of_account(
    connection: &DatabaseConnection,
    filter: &ListFilter,
    account: &AccountId,
    limit: u64,
) -> Result<BTreeSet<i64>, StoreError> {
    let length = usize::try_from(limit).unwrap_or(1);
    let mut page = not_entered(connection, filter, limit).await?;
    let mut query = account_portion::Entity::find()
        .select_only()
        .column(account_portion::Column::PortionNumber)
        .column(account_portion::Column::Newest)
        .order_by_desc(account_portion::Column::Newest);
    if let Some(before) = filter.before {
        query = query.filter(account_portion::Column::Oldest.lt(before.number()));
    }
    let portions: Vec<(i64, i64)> = ask(query.into_tuple().all(connection)).await?;
    let mut portions = Portions::new(portions);
    while let Some(these) = portions.next_for(&page, length) {
        page.extend(entered(connection, filter, account, limit, these).await?);
        shorten(&mut page, length);
    }
    Ok(page)
}

/// Serials in these portions.
async fn entered(
    connection: &DatabaseConnection,
    filter: &ListFilter,
    account: &AccountId,
    limit: u64,
    portions: Vec<i64>,
) -> Result<Vec<i64>, StoreError> {
    let mut query = account_entry::Entity::find()
        .select_only()
        .column(account_entry::Column::MasterSerial)
        .distinct()
        .filter(account_entry::Column::PortionNumber.is_in(portions))
        .filter(account_entry::Column::Account.eq(account.as_str()))
        .order_by_desc(account_entry::Column::MasterSerial)
        .limit(limit);
    if let Some(counter) = &filter.counter {
        query = query.filter(account_entry::Column::Counter.eq(counter.as_str()));
    }
    if let Some(before) = filter.before {
        query = query.filter(account_entry::Column::MasterSerial.lt(before.number()));
    }
    if filter.app.is_some() || filter.amount.is_some() {
        let app = filter.app.as_ref().map(|app| transfer::Column::App.eq(app.as_bytes()));
        query = query
            .join(JoinType::InnerJoin, account_entry::Relation::Transfer.def())
            .filter(Condition::all().add_option(app).add_option(of_amount(filter)));
    }
    // Whatever is entered has ended.
    if let Some(StateFilter::Ended(state)) = filter.state {
        query = query
            .join(JoinType::InnerJoin, account_entry::Relation::Outcome.def())
            .filter(outcome::Column::State.eq(state.number()));
    }
    ask(query.into_tuple().all(connection)).await
}

fn of_amount(filter: &ListFilter) -> Option<Condition> {
    let AmountFilter { amount, currency } = filter.amount?;
    let currency = currency.map(|currency| transfer::Column::Currency.eq(currency.as_str()));
    let amount = transfer::Column::Amount.eq(amount.minor());
    Some(Condition::all().add(amount).add_option(currency))
}
