//! How much was moved on a day.

use crate::entity::{outcome, transfer};
use crate::error::StoreError;
use crate::query::{ask, text};
use crate::state::FinalState;
use domain::money::Currency;
use domain::serial::Day;
use sea_orm::{
    ColumnTrait, DatabaseConnection, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect,
    RelationTrait,
};
use std::collections::BTreeMap;

/// Transfers in one question.
const PAGE: usize = if cfg!(test) { 3 } else { 4096 };

/// What an app has moved of a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedOn {
    /// Name of the app.
    pub app: String,
    /// ISO 4217 currency that was moved.
    pub currency: Currency,
    /// How many transfers moved it.
    pub transfers: u64,
    /// What they moved together, in minor units of the currency.
    pub sum: i64,
}

pub(crate) async fn moved_on(
    connection: &DatabaseConnection,
    day: Day,
) -> Result<Vec<MovedOn>, StoreError> {
    // A serial is its day and eleven digits.
    let of_day = |day: Day| i64::from(day.number()) * 100_000_000_000;
    let (mut after, end) = (of_day(day), of_day(day) + 99_999_999_999);
    let mut moved: BTreeMap<(Vec<u8>, String), (u64, i64)> = BTreeMap::new();
    loop {
        let query = transfer::Entity::find()
            .select_only()
            .column(transfer::Column::MasterSerial)
            .column(transfer::Column::App)
            .column(transfer::Column::Currency)
            .column(transfer::Column::Amount)
            .join(JoinType::InnerJoin, outcome::Relation::Transfer.def().rev())
            .filter(transfer::Column::MasterSerial.gt(after))
            .filter(transfer::Column::MasterSerial.lte(end))
            .filter(outcome::Column::State.eq(FinalState::Completed.number()))
            .order_by_asc(transfer::Column::MasterSerial)
            .limit(u64::try_from(PAGE).unwrap_or(u64::MAX))
            .into_tuple::<(i64, Vec<u8>, String, i64)>();
        let rows = ask(query.all(connection)).await?;
        let is_last = rows.len() < PAGE;
        for (master, app, currency, amount) in rows {
            after = master;
            let (transfers, sum) = moved.entry((app, currency)).or_default();
            *transfers += 1;
            *sum = sum.saturating_add(amount);
        }
        if is_last {
            break;
        }
    }
    let moved = moved.into_iter().map(|((app, currency), (transfers, sum))| {
        let app = text(end, "the app", app)?;
        let currency =
            currency.parse().map_err(|_| StoreError::corrupt(end, "the currency is none"))?;
        Ok(MovedOn { app, currency, transfers, sum })
    });
    moved.collect()
}
