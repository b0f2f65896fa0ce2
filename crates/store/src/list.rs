//! Pages of transfers, newest first. Those of an account are found in two places: what is open, or
//! ended a moment ago, by looking through it; all others by the index of accounts. What has ended of an
//! app's has an index of its own ([`crate::by_app`]), counters' serials and amounts another
//! ([`crate::by_term`]). Any other page is found by going back through all
//! transfers, so far and no farther.

use crate::by_app;
use crate::by_term::{self, Term};
use crate::entity::{account_entry, account_portion, open_transfer, outcome, transfer};
use crate::error::StoreError;
use crate::query::{CHUNK, ask, each_joined, master, stored};
use crate::recent::Recent;
use crate::record::{AmountFilter, ListFilter, Listed, Stored};
use crate::state::StateFilter;
use crate::walk::walked;
use domain::message::{AccountId, CounterId};
use domain::serial::MasterSerial;
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, JoinType, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait,
};
use std::collections::{BTreeSet, VecDeque};

/// Portions looked into by the first question; each further one looks into eight times as many.
const FIRST_PORTIONS: usize = if cfg!(test) { 1 } else { 8 };

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
            by_term::page(connection, filter, Term::Serial(serial), limit).await?
        }
        // Few are open: start from them.
        (_, Some(StateFilter::Open(_))) => (not_entered(connection, filter, limit).await?, None),
        (Some(account), _) => (page_of_account(connection, filter, account, limit).await?, None),
        (None, _) if let Some(amount) = &filter.amount => {
            by_term::page(connection, filter, Term::Amount(amount), limit).await?
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

/// Portions, each with the newest that it holds, the newest first, and how many of them are looked into next.
pub(crate) struct Portions {
    rest: VecDeque<(i64, i64)>,
    now: usize,
}

impl Portions {
    pub(crate) fn new(newest_first: Vec<(i64, i64)>) -> Portions {
        Portions { rest: newest_first.into(), now: FIRST_PORTIONS }
    }

    /// Those that are looked into next; `None` once nothing that is left in any can be on the page.
    pub(crate) fn next_for(&mut self, page: &BTreeSet<i64>, length: usize) -> Option<Vec<i64>> {
        let (_, newest) = self.rest.front()?;
        if is_done(page, length, *newest) {
            return None;
        }
        let these = self.rest.drain(..self.now.min(self.rest.len()));
        let these = these.map(|(portion, _)| portion).collect();
        self.now = (self.now * 8).min(CHUNK);
        Some(these)
    }
}

/// Keeps the newest.
pub(crate) fn shorten(page: &mut BTreeSet<i64>, length: usize) {
    while page.len() > length {
        page.pop_first();
    }
}

/// Whether nothing that is as old as `newest` or older can be on the page: it is full, and ends with
/// something newer.
fn is_done(page: &BTreeSet<i64>, length: usize, newest: i64) -> bool {
    page.len() >= length && page.first().is_some_and(|last| *last > newest)
}

/// Serials that are in no portion: of what is open, and of what has just ended.
pub(crate) async fn not_entered(
    connection: &DatabaseConnection,
    filter: &ListFilter,
    limit: u64,
) -> Result<BTreeSet<i64>, StoreError> {
    // The app is compared here: with it in the question a database goes through all of the app's
    // transfers.
    let anyones = ListFilter { app: None, ..filter.clone() };
    let mut query = open_transfer::Entity::find()
        .select_only()
        .column(open_transfer::Column::MasterSerial)
        .column(transfer::Column::App)
        .join(JoinType::InnerJoin, open_transfer::Relation::Transfer.def())
        .filter(of_transfer(&anyones))
        .order_by_desc(open_transfer::Column::MasterSerial);
    if filter.app.is_none() {
        query = query.limit(limit);
    }
    match filter.state {
        None => {}
        Some(StateFilter::Open(state)) => {
            query = query.filter(open_transfer::Column::State.eq(state.number()));
        }
        Some(StateFilter::Ended(state)) => {
            query = query
                .join(JoinType::InnerJoin, open_transfer::Relation::Outcome.def())
                .filter(outcome::Column::State.eq(state.number()));
        }
        Some(StateFilter::AnyEnded) => {
            query = query.filter(open_transfer::Column::State.eq(open_transfer::ENDED));
        }
    }
    let rows: Vec<(i64, Vec<u8>)> = ask(query.into_tuple().all(connection)).await?;
    let wanted = |app: &[u8]| filter.app.as_ref().is_none_or(|wanted| wanted.as_bytes() == app);
    let masters = rows.into_iter().filter(|(_, app)| wanted(app)).map(|(master, _)| master);
    Ok(masters.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
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

/// What the row of a transfer tells on its own: all of the filter but the state.
fn of_transfer(filter: &ListFilter) -> Condition {
    let before = filter.before.map(|before| transfer::Column::MasterSerial.lt(before.number()));
    let app = filter.app.as_ref().map(|app| transfer::Column::App.eq(app.as_bytes()));
    let (counter, account) = (filter.counter.as_ref(), filter.account.as_ref());
    let side = (counter.is_some() || account.is_some()).then(|| on_either_side(counter, account));
    let amount = of_amount(filter);
    Condition::all().add_option(before).add_option(app).add_option(side).add_option(amount)
}

fn of_amount(filter: &ListFilter) -> Option<Condition> {
    let AmountFilter { amount, currency } = filter.amount?;
    let currency = currency.map(|currency| transfer::Column::Currency.eq(currency.as_str()));
    let amount = transfer::Column::Amount.eq(amount.minor());
    Some(Condition::all().add(amount).add_option(currency))
}

/// Counter and account, where both are given, on the same side.
fn on_either_side(counter: Option<&CounterId>, account: Option<&AccountId>) -> Condition {
    let sides = [
        (transfer::Column::FromCounter, transfer::Column::FromAccount),
        (transfer::Column::ToCounter, transfer::Column::ToAccount),
    ];
    sides.into_iter().fold(Condition::any(), |any, (counter_column, account_column)| {
        let counter = counter.map(|counter| counter_column.eq(counter.as_str()));
        let account = account.map(|account| account_column.eq(account.as_str()));
        any.add(Condition::all().add_option(counter).add_option(account))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page is done when it is full of what is newer than all that is left.
    #[test]
    fn a_page_is_done_once_nothing_older_belongs_on_it() {
        let full = BTreeSet::from([5, 6]);
        for (length, newest, expected) in
            [(2, 4, true), (1, 4, true), (2, 5, false), (2, 7, false), (3, 4, false)]
        {
            assert_eq!(is_done(&full, length, newest), expected, "{length} {newest}");
        }
        assert!(!is_done(&BTreeSet::new(), 0, 4));
    }
}
