//! What is in no index yet: all that is open, and what ended a moment ago.

use crate::entity::{open_transfer, outcome, transfer};
use crate::error::StoreError;
use crate::query::ask;
use crate::record::{AmountFilter, ListFilter};
use crate::state::StateFilter;
use domain::message::{AccountId, CounterId};
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, JoinType, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait,
};
use std::collections::BTreeSet;

/// Serials that are in no portion: of what is open, and of what has just ended.
pub(crate) async fn not_entered(
    connection: &DatabaseConnection,
    filter: &ListFilter,
    limit: u64,
) -> Result<BTreeSet<i64>, StoreError> {
    // App and amount are compared here: with them in the question a database goes through all of the
    // app's transfers, or through all that there are.
    let mut query = open_transfer::Entity::find()
        .select_only()
        .column(open_transfer::Column::MasterSerial)
        .column(transfer::Column::App)
        .column(transfer::Column::Amount)
        .column(transfer::Column::Currency)
        .join(JoinType::InnerJoin, open_transfer::Relation::Transfer.def())
        .filter(of_transfer(filter))
        .order_by_desc(open_transfer::Column::MasterSerial);
    if filter.app.is_none() && filter.amount.is_none() {
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
    let rows: Vec<(i64, Vec<u8>, i64, String)> = ask(query.into_tuple().all(connection)).await?;
    let of_app = |app: &[u8]| filter.app.as_ref().is_none_or(|wanted| wanted.as_bytes() == app);
    let of_amount = |minor, code: &str| {
        filter.amount.is_none_or(|AmountFilter { amount, currency }| {
            amount.minor() == minor && currency.is_none_or(|wanted| wanted.as_str() == code)
        })
    };
    let wanted = rows
        .into_iter()
        .filter(|(_, app, minor, code)| of_app(app) && of_amount(*minor, code))
        .map(|(master, ..)| master);
    Ok(wanted.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
}

/// What the row of a transfer tells on its own, of counter, account and age.
fn of_transfer(filter: &ListFilter) -> Condition {
    let before = filter.before.map(|before| transfer::Column::MasterSerial.lt(before.number()));
    let (counter, account) = (filter.counter.as_ref(), filter.account.as_ref());
    let side = (counter.is_some() || account.is_some()).then(|| on_either_side(counter, account));
    Condition::all().add_option(before).add_option(side)
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
