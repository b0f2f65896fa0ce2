//! A counter that gets nothing new because what it says is in doubt gets it again when two persons say so: one proposes
//! it for what was seen to hold it, another approves it.

use super::Ops;
use super::people::{Identity, recorded};
use super::said::{OnProposal, counter_of, in_time, note, on, parse, rule, whole};
use api::json::timestamp;
use api::named::Named;
use api::problem::{Problem, kind};
use api::refused::database;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use coordinator::{HeldFor, ReadmitError};
use foreign::ForeignText;
use people::Permission;
use serde::{Deserialize, Serialize};
use store::people::Act;
use store::{HeldCounter, Readmission};
use utoipa::ToSchema;

/// Where one looks whether a word was taken of which that is not known.
const LOOK_AT: &str = "the counter";

/// That a counter gets new transfers again, as one proposes it.
#[derive(Deserialize, ToSchema)]
#[schema(as = ProposingReadmission)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposing {
    /// What was seen of what holds the counter: its `version`. If that has changed, nothing is proposed.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    version: String,
    /// Why: what was found, in at most 2,000 bytes of UTF-8.
    #[schema(min_length = 1)]
    note: String,
    /// Whether the bridge's serials go on behind the highest that the counter has seen, however far that is; false
    /// unless said.
    #[serde(default)]
    move_serials: bool,
}

/// That a counter gets new transfers again, as somebody has proposed it.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Readmission)]
pub(super) struct ReadmissionJson {
    /// Identifies the proposal: a digest of all that stands in it.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// What was seen of what holds the counter.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    version: String,
    /// Whether the bridge's serials go on behind the highest that the counter has seen.
    move_serials: bool,
    /// Name of the operator who proposes it.
    #[schema(value_type = String)]
    who: ForeignText,
    /// Why, in the operator's own words.
    #[schema(value_type = String)]
    note: ForeignText,
    /// When it was proposed: RFC 3339, UTC.
    #[schema(format = DateTime)]
    at: String,
    /// From when on nobody may approve it any more: RFC 3339, UTC; a day later.
    #[schema(format = DateTime)]
    until: String,
}

impl From<&Readmission> for ReadmissionJson {
    fn from(proposal: &Readmission) -> ReadmissionJson {
        ReadmissionJson {
            id: proposal.id.clone(),
            version: proposal.version.clone(),
            move_serials: proposal.move_serials,
            who: proposal.who.clone(),
            note: proposal.note.clone(),
            at: timestamp(proposal.at),
            until: timestamp(proposal.until),
        }
    }
}

/// Something that holds a counter.
#[derive(Serialize, ToSchema)]
#[schema(as = CounterHold)]
pub(super) struct HoldJson {
    /// Why, in words for operators.
    #[schema(value_type = String)]
    why: ForeignText,
    /// The highest of our sequences that the counter said it had seen, where that is the reason.
    seen: Option<u64>,
    /// Since when: RFC 3339, UTC.
    #[schema(format = DateTime)]
    since: String,
}

/// What holds a counter, and what is proposed about it.
#[derive(Serialize, ToSchema)]
#[schema(as = HeldFor)]
pub(super) struct HeldForJson {
    /// The counter's name.
    counter: String,
    /// All that holds it, the oldest first.
    holds: Vec<HoldJson>,
    /// A digest of all of that: what is proposed and approved names it.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    version: String,
    /// What is proposed, and waits for another person; null if nothing is.
    proposal: Option<ReadmissionJson>,
}

/// A counter that gets new transfers again.
#[derive(Serialize, ToSchema)]
#[schema(as = Readmitted)]
pub(super) struct ReadmittedJson {
    /// The counter's name.
    counter: String,
    /// What was proposed, by whom, and why.
    proposal: ReadmissionJson,
    /// Name of the operator who approved it.
    #[schema(value_type = String)]
    approved_by: ForeignText,
    /// What was looked at, in that operator's own words.
    #[schema(value_type = String)]
    note: ForeignText,
}

impl HeldForJson {
    fn new(counter: String, held: &HeldFor) -> HeldForJson {
        let one = |hold: &HeldCounter| HoldJson {
            why: hold.why.as_str().into(),
            seen: hold.seen.map(domain::serial::Sequence::number),
            since: timestamp(hold.since),
        };
        HeldForJson {
            counter,
            holds: held.holds.iter().map(one).collect(),
            version: held.version.to_string(),
            proposal: held.proposal.as_ref().map(ReadmissionJson::from),
        }
    }
}

/// What holds a counter, and what is proposed about it.
///
/// Of one that is held because what it says is in doubt. Whoever proposes to readmit it names the version of what is
/// seen here.
#[utoipa::path(
    get, path = "/ops/v1/counters/{counter}/readmission", tag = "counters", operation_id = "readmission",
    params(("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", description = "The counter's name")),
    responses((status = 200, description = "What holds it, by the database", body = HeldForJson))
)]
pub(super) async fn show(
    State(ops): State<Ops>,
    Named(counter): Named<String>,
) -> Result<Json<HeldForJson>, Problem> {
    let coordinator = ops.state.coordinator.clone();
    let id = counter_of(coordinator.counters(), &counter)?.id().clone();
    let held = async move { coordinator.held_for(&id).await };
    let held = in_time(held, refusal, LOOK_AT).await?;
    Ok(Json(HeldForJson::new(counter, &held)))
}

/// Propose that a counter gets new transfers again.
///
/// It waits for another person, for a day at most. If the counter is held for something else meanwhile, it is void.
#[utoipa::path(
    post, path = "/ops/v1/counters/{counter}/readmission", tag = "counters", operation_id = "propose_readmission",
    request_body = Proposing,
    params(("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", description = "The counter's name")),
    responses((status = 201, description = "It is proposed, and durable", body = ReadmissionJson))
)]
pub(super) async fn propose(
    State(ops): State<Ops>,
    identity: Identity,
    Named(counter): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<ReadmissionJson>), Problem> {
    let coordinator = ops.state.coordinator.clone();
    let body: Proposing = parse(&whole(body)?)?;
    let note = note(&body.note)?;
    let version = body.version.parse().map_err(|error| rule("version", &format!("{error}")))?;
    let move_serials = body.move_serials;
    let id = counter_of(coordinator.counters(), &counter)?.id().clone();
    let act = Act {
        after: move_serials.then(|| "serials go on behind what it has seen".into()),
        reason: Some(note.clone()),
        ..identity.act("proposed_readmission", id.as_str())
    };
    let who = identity.who();
    let proposing = in_time(
        async move { coordinator.propose_readmission(&id, (version, move_serials), who, note).await },
        refusal,
        LOOK_AT,
    );
    let proposal = recorded(&ops, &identity, act, proposing).await?;
    Ok((StatusCode::CREATED, Json(ReadmissionJson::from(&proposal))))
}

/// Approve that a counter gets new transfers again, as another operator has proposed it.
///
/// It does with that. Nobody approves a proposal of one's own, in whatever role.
#[utoipa::path(
    post, path = "/ops/v1/counters/{counter}/readmission/approval", tag = "counters",
    operation_id = "approve_readmission", request_body = OnProposal,
    params(("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", description = "The counter's name")),
    responses((status = 201, description = "It gets new transfers again, and that is durable", body = ReadmittedJson))
)]
pub(super) async fn approve(
    State(ops): State<Ops>,
    identity: Identity,
    Named(counter): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<ReadmittedJson>), Problem> {
    let coordinator = ops.state.coordinator.clone();
    let (proposal, note) = on(&whole(body)?)?;
    let id = counter_of(coordinator.counters(), &counter)?.id().clone();
    let act = Act {
        after: Some(proposal.to_string().into()),
        reason: Some(note.clone()),
        ..identity.act("readmitted", id.as_str())
    };
    let (who, why) = (identity.who(), note.clone());
    let approving = in_time(
        async move { coordinator.approve_readmission(&id, proposal, who, why).await },
        refusal,
        LOOK_AT,
    );
    let proposal = recorded(&ops, &identity, act, approving).await?;
    let readmitted = ReadmittedJson {
        counter,
        proposal: ReadmissionJson::from(&proposal),
        approved_by: identity.who(),
        note,
    };
    Ok((StatusCode::CREATED, Json(readmitted)))
}

/// Withdraw what one proposed about a counter, or reject what another has.
///
/// Another's, whoever may approve it may reject.
#[utoipa::path(
    post, path = "/ops/v1/counters/{counter}/readmission/withdrawal", tag = "counters",
    operation_id = "withdraw_readmission", request_body = OnProposal,
    params(("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", description = "The counter's name")),
    responses((status = 200, description = "It is proposed no longer, and that is durable", body = ReadmissionJson))
)]
pub(super) async fn withdraw(
    State(ops): State<Ops>,
    identity: Identity,
    Named(counter): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ReadmissionJson>, Problem> {
    let coordinator = ops.state.coordinator.clone();
    let (proposal, note) = on(&whole(body)?)?;
    let id = counter_of(coordinator.counters(), &counter)?.id().clone();
    let act = Act {
        before: Some(proposal.to_string().into()),
        reason: Some(note.clone()),
        ..identity.act("withdrew_readmission", id.as_str())
    };
    let which = (proposal, identity.role.may(Permission::Approve));
    let who = identity.who();
    let withdrawing = in_time(
        async move { coordinator.withdraw_readmission(&id, which, who, note).await },
        refusal,
        LOOK_AT,
    );
    let proposal = recorded(&ops, &identity, act, withdrawing).await?;
    Ok(Json(ReadmissionJson::from(&proposal)))
}

/// Why a counter was not readmitted, or nothing proposed.
fn refusal(error: ReadmitError) -> Problem {
    let detail = error.to_string();
    match error {
        ReadmitError::UnknownCounter(_) => Problem::new(kind::NO_SUCH_COUNTER).detail(detail),
        ReadmitError::NotHeld(_) => Problem::new(kind::COUNTER_NOT_HELD).detail(detail),
        ReadmitError::SerialsBehind { seen, .. } => {
            Problem::new(kind::SERIALS_BEHIND).detail(detail).with("seen", seen.into())
        }
        ReadmitError::RecordBehind => {
            Problem::new(kind::RECORD_BEHIND).detail(detail).retry_after(60)
        }
        ReadmitError::Moved(version) => {
            Problem::new(kind::MOVED_ON).detail(detail).with("version", version.to_string().into())
        }
        ReadmitError::Proposed(proposal) => Problem::new(kind::PROPOSED_ALREADY)
            .detail(detail)
            .with("who", proposal.who.into_received().into())
            .with("proposal", proposal.id.into()),
        ReadmitError::NoSuchProposal => Problem::new(kind::NO_SUCH_PROPOSAL).detail(detail),
        ReadmitError::Own => Problem::new(kind::OWN_PROPOSAL).detail(detail),
        ReadmitError::OfAnother(_) => Problem::new(kind::NOT_PERMITTED).detail(detail),
        ReadmitError::Store(error) => database(&error),
    }
}
