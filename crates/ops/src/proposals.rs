//! What software may not decide, two persons do: one proposes it about a transfer as it was seen, and another, who sees
//! the same, approves it. Nothing happens before that, and with it everything does.

use super::Ops;
use super::described;
use super::people::{Identity, recorded};
use super::proposed::ProposalJson;
use super::said::{DURABLE_WITHIN, OnProposal, durable, note, on, parse, rule, serial, whole};
use super::transfers::EvidenceJson;
use api::named::Named;
use api::problem::{Problem, kind};
use api::sent;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use coordinator::{Coordinator, Found, Version};
use domain::serial::MasterSerial;
use domain::transfer::{Decision, Outlook};
use foreign::ForeignText;
use people::{Permission, Role};
use serde::{Deserialize, Serialize};
use store::people::Act;
use utoipa::{IntoParams, ToSchema};

/// Proposals listed at most.
const MOST_LISTED: usize = 200;

/// What one proposes.
#[derive(Deserialize, ToSchema)]
#[schema(as = Proposing)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposing {
    /// What is to be decided.
    #[schema(value_type = described::Decision)]
    decision: String,
    /// What was seen of the transfer: its `version`. If it stands otherwise by now, nothing is proposed.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    version: String,
    /// What the decision was seen to lead to: its `leads_to`. If it would lead to something else by now, nothing is proposed.
    #[schema(value_type = described::Outlook)]
    leads_to: Outlook,
    /// Why: what was found, and where, in at most 2,000 bytes of UTF-8.
    #[schema(min_length = 1)]
    note: String,
}

/// What two decided, and what became of the transfer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Decided)]
pub(super) struct DecidedJson {
    /// Serial of the transfer that was decided about: 19 digits.
    #[schema(pattern = "^[0-9]{19}$")]
    master_serial: String,
    /// What was decided, by whom it was proposed, and why.
    proposal: ProposalJson,
    /// Name of the operator who approved it.
    #[schema(value_type = String)]
    approved_by: ForeignText,
    /// What was looked at, in that operator's own words.
    #[schema(value_type = String)]
    note: ForeignText,
    /// State of the transfer after it.
    state: &'static str,
}

/// Propose a decision about a transfer that needs one.
///
/// It waits for another person, for a day at most, and takes the place of one's own claim: as long as it waits the
/// transfer does not end by itself. If more becomes known of the transfer meanwhile, it is void.
#[utoipa::path(
    post, path = "/ops/v1/transfers/{master_serial}/proposal", tag = "transfers", operation_id = "propose",
    request_body = Proposing,
    params(("master_serial" = String, Path, pattern = "^[0-9]{19}$", description = "Serial of the transfer: 19 digits")),
    responses((status = 201, description = "It is proposed, and durable", body = ProposalJson))
)]
pub(super) async fn propose(
    State(ops): State<Ops>,
    identity: Identity,
    Named(text): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<ProposalJson>), Problem> {
    let master = serial(&text)?;
    let Proposed { decision, version, leads_to, note } = read(&whole(body)?)?;
    let act = Act {
        after: Some(decision.as_str().into()),
        reason: Some(note.clone()),
        ..identity.act("proposed", master.to_string())
    };
    let (coordinator, who) = (ops.state.coordinator.clone(), identity.who());
    let proposing = durable(async move {
        coordinator.propose(master, (decision, version, leads_to), who, note).await
    });
    let proposal = recorded(&ops, &identity, act, proposing).await?;
    tracing::info!(%master, decision = decision.as_str(), who = %proposal.who, "an operator proposes a decision");
    Ok((StatusCode::CREATED, Json(ProposalJson::from(&proposal))))
}

/// Approve what another operator proposed.
///
/// It is decided with that, in one write: what it leads to begins once that is durable. Nobody approves a proposal of
/// one's own, in whatever role.
#[utoipa::path(
    post, path = "/ops/v1/transfers/{master_serial}/approval", tag = "transfers", operation_id = "approve",
    request_body = OnProposal,
    params(("master_serial" = String, Path, pattern = "^[0-9]{19}$", description = "Serial of the transfer: 19 digits")),
    responses((status = 201, description = "It is decided, and durable", body = DecidedJson))
)]
pub(super) async fn approve(
    State(ops): State<Ops>,
    identity: Identity,
    Named(text): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<DecidedJson>), Problem> {
    let master = serial(&text)?;
    let (id, note) = on(&whole(body)?)?;
    let act = Act {
        after: Some(id.to_string().into()),
        reason: Some(note.clone()),
        ..identity.act("approved", master.to_string())
    };
    let (coordinator, who, why) = (ops.state.coordinator.clone(), identity.who(), note.clone());
    let limits = ops.state.approval.clone();
    let role = identity.role;
    let approving = async move {
        may_approve(&coordinator, &limits, role, master).await?;
        durable(async move { coordinator.approve(master, id, who, why).await }).await
    };
    let proposal = recorded(&ops, &identity, act, approving).await?;
    let who = identity.who();
    tracing::info!(%master, decision = proposal.decision.as_str(), proposed_by = %proposal.who, %who, "two operators decided");
    let decided = DecidedJson {
        master_serial: master.to_string(),
        state: state_after(&ops.state.coordinator, master, proposal.leads_to).await,
        proposal: ProposalJson::from(&proposal),
        approved_by: who,
        note,
    };
    Ok((StatusCode::CREATED, Json(decided)))
}

/// Withdraw what one proposed, or reject another's proposal.
///
/// Another's, whoever may approve it may reject. The transfer is nobody's again, or the proposer's who had claimed it
/// before, while that lasts.
#[utoipa::path(
    post, path = "/ops/v1/transfers/{master_serial}/withdrawal", tag = "transfers", operation_id = "withdraw",
    request_body = OnProposal,
    params(("master_serial" = String, Path, pattern = "^[0-9]{19}$", description = "Serial of the transfer: 19 digits")),
    responses((status = 200, description = "It is proposed no longer, and that is durable", body = ProposalJson))
)]
pub(super) async fn withdraw(
    State(ops): State<Ops>,
    identity: Identity,
    Named(text): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ProposalJson>, Problem> {
    let master = serial(&text)?;
    let (id, note) = on(&whole(body)?)?;
    let act = Act {
        before: Some(id.to_string().into()),
        reason: Some(note.clone()),
        ..identity.act("withdrew", master.to_string())
    };
    let (coordinator, who) = (ops.state.coordinator.clone(), identity.who());
    let of_others = identity.role.may(Permission::Approve);
    let withdrawing =
        durable(async move { coordinator.withdraw(master, (id, of_others), who, note).await });
    let proposal = recorded(&ops, &identity, act, withdrawing).await?;
    tracing::info!(%master, decision = proposal.decision.as_str(), who = %identity.name, "a proposal is withdrawn");
    Ok(Json(ProposalJson::from(&proposal)))
}

/// How many proposals to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// How many transfers to list at most, the oldest first: 1 to 200, 200 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// What is proposed and waits for another person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Proposals)]
pub(super) struct ListJson {
    /// The transfers for which something is proposed, the oldest first, without their trails.
    transfers: Vec<EvidenceJson>,
    /// How many there are, listed or not.
    total: usize,
}

/// What is proposed, and waits for another person.
#[utoipa::path(
    get, path = "/ops/v1/proposals", tag = "transfers", operation_id = "proposals", params(Wanted),
    responses((status = 200, description = "The transfers for which something is proposed", body = ListJson))
)]
pub(super) async fn list(
    State(ops): State<Ops>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<ListJson>, Problem> {
    let Query(wanted) = wanted.map_err(|error| sent::refused(&error))?;
    let limit = wanted.limit.unwrap_or(MOST_LISTED);
    if !(1..=MOST_LISTED).contains(&limit) {
        let why = format!("must be 1 to {MOST_LISTED}, not {limit}");
        return Err(sent::malformed("limit", &why));
    }
    let (views, total) = ops.state.coordinator.proposed(limit).await;
    let now = super::now_micros();
    let transfers = views.iter().map(|view| EvidenceJson::new(view, now)).collect();
    Ok(Json(ListJson { transfers, total }))
}

/// What only admins may approve: transfers of more than so much, in minor units, by the currency's code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// The most that an approver may approve, by currency; without a line there is no bound.
    pub admin_above: std::collections::BTreeMap<String, i64>,
}

/// Whether somebody with this role may approve what is proposed for a transfer of this amount.
async fn may_approve(
    coordinator: &Coordinator,
    limits: &Approval,
    role: Role,
    master: MasterSerial,
) -> Result<(), Problem> {
    if role.may(Permission::Administer) || limits.admin_above.is_empty() {
        return Ok(());
    }
    // Of one that is not open, whoever approves hears why not.
    let Some(view) = coordinator.live(master).await else { return Ok(()) };
    let order = &view.transfer.intent.order;
    let (amount, currency) = (order.amount.minor(), order.currency.to_string());
    match limits.admin_above.get(&currency) {
        Some(most) if amount > *most => {
            let why = format!(
                "it is about {amount} minor units of {currency}: of more than {most}, an admin has to approve"
            );
            Err(Problem::new(kind::NOT_PERMITTED).detail(why))
        }
        Some(_) | None => Ok(()),
    }
}

/// How the transfer stands now that it is decided.
async fn state_after(
    coordinator: &Coordinator,
    master: MasterSerial,
    leads_to: Outlook,
) -> &'static str {
    if let Outlook::Ends(state) = leads_to {
        return state.as_str();
    }
    match tokio::time::timeout(DURABLE_WITHIN, coordinator.find(master)).await {
        Ok(Ok(Some(Found::Open(view)))) => view.transfer.state().as_str(),
        Ok(Ok(Some(Found::Ended(stored)))) => {
            stored.outcome.map_or("final", |outcome| outcome.state.as_str())
        }
        // It is decided and durable: how far it has come since, a look at it says.
        Ok(Ok(None) | Err(_)) | Err(_) => "final",
    }
}

/// A proposal that is complete, whether or not it is legal.
#[derive(Debug, PartialEq, Eq)]
struct Proposed {
    decision: Decision,
    version: Version,
    leads_to: Outlook,
    note: ForeignText,
}

/// Reads what is proposed, or says which field is wrong.
fn read(body: &[u8]) -> Result<Proposed, Problem> {
    let body: Proposing = parse(body)?;
    let decision = Decision::ALL
        .into_iter()
        .find(|decision| decision.as_str() == body.decision)
        .ok_or_else(|| {
            let words = Decision::ALL.map(Decision::as_str).join(", ");
            rule("decision", &format!("must be one of {words}"))
        })?;
    let version = body.version.parse().map_err(|error| rule("version", &format!("{error}")))?;
    Ok(Proposed { decision, version, leads_to: body.leads_to, note: note(&body.note)? })
}

#[cfg(test)]
mod tests {
    use super::super::said::LONGEST_NOTE;
    use super::*;
    use serde_json::{Value, json};

    const DIGEST: &str = "0123456789abcdef0123456789abcdef";

    /// How it is refused: the status, and the field that is wrong.
    fn refused<T>(read: Result<T, Problem>) -> Result<(), (u16, Option<String>)> {
        read.map(|_| ()).map_err(|problem| {
            let document = problem.document();
            (problem.status().as_u16(), document["field"].as_str().map(str::to_owned))
        })
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Value), expected: Result<(), (u16, Option<&str>)>) {
        let mut body = json!({
            "decision": "completed",
            "version": DIGEST,
            "leads_to": {"ends": "completed"},
            "note": " credit 77 seen in the statement\nconfirmed by telephone",
        });
        change(&mut body);
        let got = refused(read(body.to_string().as_bytes()));
        let expected = expected.map_err(|(status, field)| (status, field.map(str::to_owned)));
        assert_eq!(got, expected, "{body}");
    }

    #[test]
    fn every_field_of_a_proposal_is_mandatory_and_bounded() {
        check(|_| {}, Ok(()));
        for decision in Decision::ALL {
            check(|body| body["decision"] = decision.as_str().into(), Ok(()));
        }
        check(|body| body["decision"] = "Completed".into(), Err((422, Some("decision"))));
        check(|body| body["version"] = "42".into(), Err((422, Some("version"))));
        check(|body| body["version"] = DIGEST.to_uppercase().into(), Err((422, Some("version"))));
        check(|body| body["leads_to"] = json!("person"), Ok(()));
        check(|body| body["leads_to"] = json!({"ends": "well"}), Err((422, None)));
        // Who proposes, the operator's session or token says, and nothing else.
        check(|body| body["who"] = "Wang Fang".into(), Err((422, None)));
        check(|body| body["note"] = "".into(), Err((422, Some("note"))));
        check(|body| body["note"] = "n".repeat(LONGEST_NOTE).into(), Ok(()));
        check(|body| body["note"] = "n".repeat(LONGEST_NOTE + 1).into(), Err((422, Some("note"))));
        check(|body| body["note"] = "a\u{1b}[2J".into(), Err((422, Some("note"))));
        check(|body| body["amount"] = 1.into(), Err((422, None)));
        check(|body| *body = json!({"note": "n"}), Err((422, None)));
        assert_eq!(read(b"{").expect_err("broken").status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_proposal_is_named_in_full() {
        let body = |value: Value| refused(on(value.to_string().as_bytes()));
        assert_eq!(body(json!({"proposal": DIGEST, "note": "seen"})), Ok(()));
        let field = |name: &str| Err((422, Some(name.to_owned())));
        assert_eq!(body(json!({"proposal": "1", "note": "seen"})), field("proposal"));
        assert_eq!(body(json!({"proposal": DIGEST, "note": " "})), field("note"));
        assert_eq!(body(json!({"proposal": DIGEST})), Err((422, None)));
    }
}
