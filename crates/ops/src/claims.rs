//! Who is busy with a transfer that waits for a person: as long as it is claimed, it does not end by
//! itself, and is left out where many are resumed at once.

use super::Ops;
use super::people::{Identity, recorded};
use super::said::{durable, note, parse, serial, whole};
use api::json::timestamp;
use api::named::Named;
use api::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use coordinator::Claimant;
use foreign::ForeignText;
use serde::{Deserialize, Serialize};
use store::people::Act;
use utoipa::ToSchema;

/// Why a transfer is claimed, or that it is claimed no longer.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Claiming)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// Why it is claimed, in at most 2,000 bytes of UTF-8; whoever releases it need not say.
    #[serde(default)]
    note: String,
    /// Whether it is claimed no longer; false unless said.
    #[serde(default)]
    release: bool,
}

/// Who has claimed a transfer.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Claim)]
pub(super) struct ClaimJson {
    /// Name of the operator who has claimed it.
    #[schema(value_type = String)]
    who: ForeignText,
    /// Why it was claimed, in the operator's own words.
    #[schema(value_type = String)]
    note: ForeignText,
    /// When it was claimed first: RFC 3339, UTC.
    #[schema(format = DateTime)]
    since: String,
    /// When the claim ends, if it is not said again: RFC 3339, UTC; an hour after it was said last.
    #[schema(format = DateTime)]
    until: String,
}

impl From<&Claimant> for ClaimJson {
    fn from(claimant: &Claimant) -> ClaimJson {
        ClaimJson {
            who: claimant.who.clone(),
            note: claimant.note.clone(),
            since: timestamp(claimant.since),
            until: timestamp(claimant.until),
        }
    }
}

/// The transfer, and who has claimed it now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Claimed)]
pub(super) struct ClaimedJson {
    /// Serial of the transfer: 19 digits.
    #[schema(pattern = "^[0-9]{19}$")]
    master_serial: String,
    /// Who has claimed it now; null if nobody has, for it was released.
    #[schema(required)]
    claim: Option<ClaimJson>,
}

/// Claim a transfer that needs a person, or claim it no longer.
///
/// As long as it is claimed it does not end by itself, and is left out where many are resumed at once.
#[utoipa::path(
    post, path = "/ops/v1/transfers/{master_serial}/claim", tag = "transfers", request_body = Body,
    params(("master_serial" = String, Path, pattern = "^[0-9]{19}$", description = "Serial of the transfer: 19 digits")),
    responses((status = 200, description = "Who has claimed it now", body = ClaimedJson))
)]
pub(super) async fn claim(
    State(ops): State<Ops>,
    identity: Identity,
    Named(text): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ClaimedJson>, Problem> {
    let master = serial(&text)?;
    let body: Body = parse(&whole(body)?)?;
    let who = identity.who();
    let (claimant, coordinator) = (who.clone(), ops.state.coordinator.clone());
    let claim = if body.release {
        let act = identity.act("claim_ended", master.to_string());
        let ending = durable(async move { coordinator.unclaim_transfer(master, claimant).await });
        let ended = recorded(&ops, &identity, act, ending).await?;
        tracing::info!(%master, %who, ended, "an operator claims a transfer no longer");
        None
    } else {
        let note = note(&body.note)?;
        let act = Act { reason: Some(note.clone()), ..identity.act("claimed", master.to_string()) };
        let claiming =
            durable(async move { coordinator.claim_transfer(master, claimant, note).await });
        let claimed = recorded(&ops, &identity, act, claiming).await?;
        tracing::info!(%master, %who, "an operator has claimed a transfer");
        Some(ClaimJson::from(&claimed))
    };
    Ok(Json(ClaimedJson { master_serial: master.to_string(), claim }))
}
