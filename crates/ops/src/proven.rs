//! What waits for nothing but the word of two persons: everything is proven, and nobody deals with it. It is listed, so
//! that each may be proposed to be resumed.

use super::Ops;
use super::described;
use api::json::{AccountJson, TransferJson};
use api::problem::Problem;
use api::sent;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use coordinator::View;
use domain::transfer::Outlook;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Transfers listed by one request: a list that a person reads.
const MOST_AT_ONCE: usize = 200;

/// How many transfers to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// How many transfers to list at most, the oldest first: 1 to 200, 200 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// The transfers that would be resumed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Proven)]
pub(super) struct ProvenJson {
    /// The transfers, the oldest first.
    transfers: Vec<OneJson>,
    /// How many there are, listed or not.
    total: usize,
}

/// A transfer of which everything is proven.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProvenTransfer)]
struct OneJson {
    /// Serial of the transfer: 19 digits.
    #[schema(pattern = "^[0-9]{19}$")]
    master_serial: String,
    /// The account that is debited.
    from: AccountJson,
    /// The account that is credited.
    to: AccountJson,
    /// Amount in minor units of the currency.
    amount: i64,
    /// ISO 4217 code of the currency.
    currency: String,
    /// Why it needs a person, and what is proven since, in a sentence for people.
    #[schema(required)]
    reason: Option<String>,
    /// What resuming it leads to.
    #[schema(required, value_type = Option<described::Outlook>)]
    outlook: Option<Outlook>,
    /// What a proposal names as what was seen.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    version: String,
}

impl From<&View> for OneJson {
    fn from(view: &View) -> OneJson {
        let outlook = view.outlook;
        let TransferJson { master_serial, from, to, amount, currency, reason, .. } = view.into();
        let version = view.version().to_string();
        OneJson { master_serial, from, to, amount, currency, reason, outlook, version }
    }
}

/// What waits for nothing but the word of two persons.
///
/// Everything is proven of it, and nobody deals with it: it may be proposed to be resumed. Nothing is done.
#[utoipa::path(
    get, path = "/ops/v1/proven", tag = "transfers", operation_id = "proven", params(Wanted),
    responses((status = 200, description = "The transfers that would be resumed, the oldest first", body = ProvenJson))
)]
pub(super) async fn list(
    State(ops): State<Ops>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<ProvenJson>, Problem> {
    let Query(wanted) = wanted.map_err(|error| sent::refused(&error))?;
    let limit = limit(wanted.limit).map_err(|why| sent::malformed("limit", &why))?;
    let (views, total) = ops.state.coordinator.proven(limit).await;
    Ok(Json(ProvenJson { transfers: views.iter().map(OneJson::from).collect(), total }))
}

/// How many at most, or why not so many.
fn limit(wanted: Option<usize>) -> Result<usize, String> {
    let limit = wanted.unwrap_or(MOST_AT_ONCE);
    if (1..=MOST_AT_ONCE).contains(&limit) {
        Ok(limit)
    } else {
        Err(format!("must be 1 to {MOST_AT_ONCE}, not {limit}"))
    }
}
