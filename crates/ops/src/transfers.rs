//! Open transfers with all that is known of them, and any one transfer with its trail.

use super::claims::ClaimJson;
use super::described;
use super::exchanged::{ExchangedJson, Messages};
use super::proposed::ProposalJson;
use super::said::not_found;
use super::{Ops, now_micros, seconds_between};
use api::json::{AccountJson, LegJson, StateJson, TransferJson, timestamp};
use api::named::Named;
use api::problem::Problem;
use api::refused::database;
use api::sent;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use coordinator::trail::{Entry, LegEntry, fold};
use coordinator::{Coordinator, Dealing, Found, View};
use domain::serial::{MasterSerial, Role};
use domain::transfer::{Decision, EndReason, Outlook, Phase, State as Life, Transfer};
use serde::{Deserialize, Serialize};
use store::{FinalState, Stored};
use utoipa::{IntoParams, ToSchema};

/// Transfers listed unless asked otherwise.
const PAGE: usize = 50;
/// The longest list: more than a person reads, and one question to the database each.
const LONGEST_PAGE: usize = 200;

/// Which open transfers to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only those in this state; all that are open if absent.
    #[param(value_type = Option<described::OpenState>, inline)]
    state: Option<String>,
    /// How many transfers to list at most, the oldest first: 1 to 200, 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// Whether to read the trail of each, everything that happened to it; true unless said.
    trail: Option<bool>,
}

/// Open transfers, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenTransfers)]
pub(super) struct ListJson {
    /// The transfers, the oldest first.
    transfers: Vec<EvidenceJson>,
    /// How many there are, in that state or in any, listed or not.
    total: usize,
}

/// A transfer as in the transfer API, with what a person needs to decide.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Evidence)]
pub(super) struct EvidenceJson {
    /// Identifies the transfer for ever: 19 digits.
    #[schema(pattern = "^[0-9]{19}$")]
    master_serial: String,
    /// Where the transfer is.
    state: StateJson,
    /// The account that is debited.
    from: AccountJson,
    /// The account that is credited.
    to: AccountJson,
    /// Amount in minor units of the currency (fen, cents).
    amount: i64,
    /// ISO 4217 code of the currency.
    currency: String,
    /// Its postings: debit, credit and, once the debit is to be undone, reversal.
    legs: Vec<LegEvidenceJson>,
    /// Why it ended as it did, is being undone or needs a person, in a sentence; null where all
    /// goes well.
    #[schema(required)]
    reason: Option<String>,
    /// What is being done, in a sentence; null once it is final.
    #[schema(required)]
    next: Option<String>,
    /// When the transfer was accepted: RFC 3339, UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// When something last became known of the transfer: RFC 3339, UTC.
    #[schema(format = DateTime)]
    updated_at: String,
    /// From when on nothing new is begun for the transfer: RFC 3339, UTC.
    #[schema(format = DateTime)]
    deadline_at: String,
    /// Name of the app that ordered it.
    app: String,
    /// How long ago it was accepted, in seconds.
    age_s: i64,
    /// Money that has left the source and neither arrived nor come back, as far as proven: minor
    /// units of the currency.
    in_transit: i64,
    /// What it leads to by what is proven; null unless it needs a person.
    #[schema(required, value_type = Option<described::Outlook>)]
    outlook: Option<Outlook>,
    /// Who has claimed it; null if nobody has, or it does not need a person.
    #[schema(required)]
    claim: Option<ClaimJson>,
    /// What is proposed for it, and waits for another person; null if nothing is.
    #[schema(required)]
    proposal: Option<ProposalJson>,
    /// What a proposal names as what was seen: a digest of phase, knowledge, postings and reason.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    version: String,
    /// Each decision, whether it may be taken, and what it would lead to; empty unless it needs one.
    decisions: Vec<ChoiceJson>,
    /// Everything that happened to it, in order; absent if it was not asked for, or the database
    /// did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    trail: Option<Vec<TrailJson>>,
}

/// A leg, with what is known of its sending.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LegEvidence)]
struct LegEvidenceJson {
    #[serde(flatten)]
    leg: LegJson,
    /// The counter's accounting day that the leg is bound to, `YYYYMMDD`.
    #[schema(pattern = "^[0-9]{8}$")]
    settle_day: String,
    /// The counter's accounting day on which it says it posted, `YYYYMMDD`; null until it has said
    /// one.
    #[schema(required, pattern = "^[0-9]{8}$")]
    posted_day: Option<String>,
    /// How often the leg may have left the bridge under the day that it is bound to now; at least 2 after a
    /// restart, when nobody remembers.
    sent: u16,
    /// How many rounds of asking or repeating have brought nothing.
    fruitless: u16,
}

/// A decision, and whether what is proven allows it.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Choice)]
struct ChoiceJson {
    /// The decision.
    #[schema(value_type = described::Decision)]
    decision: &'static str,
    /// Whether it may be taken.
    allowed: bool,
    /// Why it may not be taken, in words; null if it may.
    #[schema(required)]
    why_not: Option<String>,
    /// What it would lead to, by the step that it would be; null if it may not be taken.
    #[schema(required, value_type = Option<described::Outlook>)]
    leads_to: Option<Outlook>,
}

/// One thing that happened to a transfer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrailEntry)]
pub(super) struct TrailJson {
    /// When it happened: RFC 3339, UTC; empty where this part of the trail cannot be read.
    at: String,
    /// What happened, in words.
    event: String,
    /// State of the transfer after it.
    #[schema(value_type = StateJson)]
    state: &'static str,
    /// What exactly the bridge was at after it.
    #[schema(value_type = described::Phase)]
    phase: Phase,
    /// What was known after it of the leg that it was about; null if it was about none.
    #[schema(required, value_type = Option<described::LegKnowledge>)]
    leg: Option<LegEntry>,
    /// Why the transfer is being undone, or ended as it did; null if neither.
    #[schema(required, value_type = Option<described::Reason>)]
    reason: Option<EndReason>,
    /// The messages that it is evidence of, where one transfer is asked for; absent in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    messages: Option<ExchangedJson>,
}

/// Open transfers.
///
/// From memory, so that they are shown even while the database fails.
#[utoipa::path(
    get, path = "/ops/v1/transfers", tag = "transfers", params(Wanted),
    responses((status = 200, description = "The transfers, the oldest first", body = ListJson))
)]
pub(super) async fn list(
    State(ops): State<Ops>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<ListJson>, Problem> {
    let Query(wanted) = wanted.map_err(|error| sent::refused(&error))?;
    let limit = wanted.limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        let why = format!("must be 1 to {LONGEST_PAGE}, not {limit}");
        return Err(sent::malformed("limit", &why));
    }
    let state = wanted.state.as_deref().map(open_state).transpose()?;
    let coordinator = &ops.state.coordinator;
    let now = now_micros();
    let (views, total) = coordinator.oldest(state, limit).await;
    let mut reading = wanted.trail.unwrap_or(true);
    let mut transfers = Vec::with_capacity(views.len());
    for view in &views {
        let mut evidence = EvidenceJson::new(view, now);
        if reading {
            match coordinator.trail(view.transfer.intent.master).await {
                Ok(parts) => evidence.trail = Some(trail(&parts, None)),
                Err(error) => {
                    // One question that waits is enough: the others would wait as long.
                    tracing::warn!(%error, "trails cannot be shown");
                    reading = false;
                }
            }
        }
        transfers.push(evidence);
    }
    Ok(Json(ListJson { transfers, total }))
}

/// Any transfer, open or long final.
#[utoipa::path(
    get, path = "/ops/v1/transfers/{master_serial}", tag = "transfers",
    params(("master_serial" = String, Path, pattern = "^[0-9]{19}$", description = "Serial of the transfer: 19 digits")),
    responses((status = 200, description = "The transfer, with all that is known of it", body = EvidenceJson))
)]
pub(super) async fn show(
    State(ops): State<Ops>,
    Named(text): Named<String>,
) -> Result<Json<EvidenceJson>, Problem> {
    let master: MasterSerial =
        text.parse().map_err(|error| not_found().detail(format!("a master serial {error}")))?;
    let coordinator = &ops.state.coordinator;
    let found = coordinator.find(master).await;
    match found.map_err(|error| database(&error))?.ok_or_else(not_found)? {
        Found::Open(view) => {
            let mut evidence = EvidenceJson::new(&view, now_micros());
            match coordinator.trail(master).await {
                Ok(parts) => {
                    let messages = Messages::new(coordinator.counters(), &view.transfer.intent);
                    evidence.trail = Some(trail(&parts, Some(messages)));
                }
                Err(error) => tracing::warn!(%error, %master, "a trail cannot be shown"),
            }
            Ok(Json(evidence))
        }
        Found::Ended(stored) => ended(coordinator, *stored).await.map(Json),
    }
}

/// A transfer that has ended.
async fn ended(coordinator: &Coordinator, stored: Stored) -> Result<EvidenceJson, Problem> {
    let parts = coordinator.trail(stored.transfer.master).await;
    let parts = parts.map_err(|error| database(&error))?;
    let (view, reason) = at_its_end(stored, &parts);
    let mut evidence = EvidenceJson::new(&view, now_micros());
    evidence.reason = reason.or(evidence.reason);
    let messages = Messages::new(coordinator.counters(), &view.transfer.intent);
    evidence.trail = Some(trail(&parts, Some(messages)));
    Ok(evidence)
}

/// What the record says of a transfer that has ended, and why it ended as it did.
fn at_its_end(stored: Stored, parts: &[String]) -> (View, Option<String>) {
    let Stored { transfer: new, outcome, .. } = stored;
    let mut transfer = Transfer::accepted(coordinator::shard::intent(&new));
    let mut updated_at = new.created_at;
    match fold(parts) {
        Ok(folded) => {
            transfer.phase = folded.phase;
            transfer.reason = folded.reason;
            [transfer.debit, transfer.credit, transfer.reversal] = folded.legs;
            updated_at = folded.updated_at.unwrap_or(updated_at);
        }
        Err(error) => tracing::error!(master = %new.master, %error, "a trail cannot be read"),
    }
    let reason = outcome.and_then(|outcome| {
        transfer.phase = match outcome.state {
            FinalState::Completed => Phase::Completed,
            FinalState::Refused => Phase::Refused,
            FinalState::Reversed => Phase::Reversed,
        };
        updated_at = outcome.finished_at;
        outcome.reason
    });
    let view = View {
        transfer,
        app: new.app,
        created_at: new.created_at,
        updated_at,
        deadline_at: new.deadline_at,
        outlook: None,
        choices: None,
        dealing: Dealing::Nobody,
        is_ending: false,
    };
    (view, reason)
}

impl EvidenceJson {
    pub(super) fn new(view: &View, now: i64) -> EvidenceJson {
        let TransferJson {
            master_serial,
            state,
            from,
            to,
            amount,
            currency,
            legs,
            reason,
            next,
            created_at,
            updated_at,
        } = TransferJson::from(view);
        let transfer = &view.transfer;
        // They come in the order of roles; only the last, the reversal, may be missing.
        let legs = legs
            .into_iter()
            .zip(Role::ALL)
            .map(|(leg, role)| LegEvidenceJson::new(leg, transfer, role))
            .collect();
        EvidenceJson {
            master_serial,
            state,
            from,
            to,
            amount,
            currency,
            legs,
            reason,
            next,
            created_at,
            updated_at,
            deadline_at: timestamp(view.deadline_at),
            app: view.app.to_string(),
            age_s: seconds_between(view.created_at, now),
            in_transit: transfer.in_transit(),
            outlook: view.outlook,
            claim: view.claim().map(ClaimJson::from),
            proposal: view.proposal().map(ProposalJson::from),
            version: view.version().to_string(),
            decisions: choices(view),
            trail: None,
        }
    }
}

impl LegEvidenceJson {
    fn new(leg: LegJson, transfer: &Transfer, role: Role) -> LegEvidenceJson {
        let known = transfer.leg(role);
        LegEvidenceJson {
            leg,
            settle_day: transfer.bound_day(role).to_string(),
            posted_day: known.posted_day.map(|day| day.to_string()),
            sent: known.sent,
            fruitless: known.tries,
        }
    }
}

/// What persons may decide about a transfer, by the machine's own judgement.
fn choices(view: &View) -> Vec<ChoiceJson> {
    let Some(choices) = &view.choices else { return Vec::new() };
    let each = Decision::ALL.into_iter().zip(choices).map(|(decision, choice)| ChoiceJson {
        decision: decision.as_str(),
        allowed: choice.is_ok(),
        why_not: choice.as_ref().err().map(ToString::to_string),
        leads_to: choice.as_ref().ok().copied(),
    });
    each.collect()
}

/// A trail for people, with its messages if they are wanted. A part that cannot be read says so in its place; what was
/// said after it depends on it, and is not shown.
pub(super) fn trail(parts: &[String], mut messages: Option<Messages>) -> Vec<TrailJson> {
    let mut entries = Vec::new();
    for part in parts {
        match serde_json::from_str::<Vec<Entry>>(part) {
            Ok(read) => entries.extend(read.into_iter().map(|entry| {
                let messages = messages.as_mut().map(|messages| messages.next(&entry));
                TrailJson::new(entry, messages)
            })),
            Err(error) => {
                messages = None;
                entries.push(TrailJson {
                    at: String::new(),
                    event: format!("this part of the trail cannot be read: {error}"),
                    state: Life::NeedsOperator.as_str(),
                    phase: Phase::Parked(domain::transfer::ParkReason::Illegal),
                    leg: None,
                    reason: None,
                    messages: None,
                });
            }
        }
    }
    entries
}

impl TrailJson {
    fn new(entry: Entry, messages: Option<ExchangedJson>) -> TrailJson {
        TrailJson {
            at: timestamp(entry.at),
            event: entry.event,
            state: entry.phase.state().as_str(),
            phase: entry.phase,
            leg: entry.leg,
            reason: entry.reason,
            messages,
        }
    }
}

/// The state that a list is narrowed to.
fn open_state(word: &str) -> Result<Life, Problem> {
    let open = || Life::ALL.into_iter().filter(|state| !state.is_final());
    open().find(|state| state.as_str() == word).ok_or_else(|| {
        let words: Vec<&str> = open().map(Life::as_str).collect();
        let why = format!(
            "must be one of {}, not {word:?}; a transfer that has ended is found by its serial",
            words.join(", ")
        );
        sent::malformed("state", &why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_trail_is_read_and_a_damaged_part_says_so() {
        let good = json!([{"at": 1_000_000, "event": "credit asked about",
            "phase": {"parked": "credit_unresolved"},
            "leg": {"role": "credit", "knowledge": "unknown", "sent": 2}}])
        .to_string();
        let entries = json!(trail(&[good, "{".to_owned()], None));
        assert_eq!(entries[0]["at"], "1970-01-01T00:00:01Z");
        assert_eq!(entries[0]["state"], "needs_operator");
        assert_eq!(entries[0]["leg"]["knowledge"], "unknown");
        let damaged = entries[1]["event"].as_str().expect("words");
        assert!(damaged.starts_with("this part of the trail cannot be read"), "{damaged}");
    }

    #[test]
    fn a_list_is_narrowed_by_open_states_only() {
        assert_eq!(open_state("needs_operator").ok(), Some(Life::NeedsOperator));
        for word in ["completed", "", "Needs_Operator"] {
            let problem = open_state(word).expect_err(word);
            assert_eq!(problem.slug(), "malformed_query");
        }
    }
}
