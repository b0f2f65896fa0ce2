//! Who is busy with a transfer that waits for a person: as long as it is claimed, it does not end by
//! itself, and is left out where many are resumed at once.

use super::Ops;
use super::decisions::{name, note, parse, refusal, whole};
use super::transfers::not_found;
use crate::json::timestamp;
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use coordinator::Claimant;
use domain::serial::MasterSerial;
use foreign::ForeignText;
use serde::{Deserialize, Serialize};

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    who: String,
    /// Why; whoever releases it need not say.
    #[serde(default)]
    note: String,
    /// It is claimed no longer.
    #[serde(default)]
    release: bool,
}

/// Who has claimed a transfer.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct ClaimJson {
    who: ForeignText,
    note: ForeignText,
    since: String,
    /// When it ends, if it is not said again.
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

/// What was taken.
#[derive(Debug, Serialize)]
pub(super) struct ClaimedJson {
    master_serial: String,
    /// Who has claimed it now; nobody, if it was released.
    claim: Option<ClaimJson>,
}

/// `POST /ops/v1/transfers/{master_serial}/claim`: 200 with who has claimed it now.
pub(super) async fn claim(
    State(ops): State<Ops>,
    Path(serial): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ClaimedJson>, Problem> {
    let master: MasterSerial =
        serial.parse().map_err(|error| not_found().detail(format!("a master serial {error}")))?;
    let body: Body = parse(&whole(body)?)?;
    let who = name(&body.who)?;
    let coordinator = &ops.state.coordinator;
    let claim = if body.release {
        let ended = coordinator.unclaim_transfer(master, who.clone()).await.map_err(refusal)?;
        tracing::info!(%master, %who, ended, "an operator claims a transfer no longer");
        None
    } else {
        let note = note(&body.note)?;
        let claimant =
            coordinator.claim_transfer(master, who.clone(), note).await.map_err(refusal)?;
        tracing::info!(%master, %who, "an operator has claimed a transfer");
        Some(ClaimJson::from(&claimant))
    };
    Ok(Json(ClaimedJson { master_serial: master.to_string(), claim }))
}
