//! What waits for nothing but a person's word: everything is proven, and nobody has claimed it. It is
//! listed, and resumed all at once.

use super::Ops;
use super::described;
use super::people::{Identity, begin};
use super::said::{DURABLE_WITHIN, note, parse, refusal, rule, whole};
use api::json::{AccountJson, TransferJson};
use api::problem::Problem;
use api::sent;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use coordinator::View;
use domain::serial::MasterSerial;
use domain::transfer::Outlook;
use serde::{Deserialize, Serialize};
use store::people::Act;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

/// Transfers listed, and resumed by one request: a list that a person reads, and far less than the
/// journal takes at once. Whoever has more asks again.
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

/// Why what is proven is resumed.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Resuming)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// Why they are resumed, in at most 2,000 bytes of UTF-8.
    #[schema(min_length = 1)]
    note: String,
    /// How many transfers to resume at most, the oldest first: 1 to 200, 200 unless said.
    #[schema(minimum = 1, maximum = 200)]
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
}

impl From<&View> for OneJson {
    fn from(view: &View) -> OneJson {
        let outlook = view.outlook;
        let TransferJson { master_serial, from, to, amount, currency, reason, .. } = view.into();
        OneJson { master_serial, from, to, amount, currency, reason, outlook }
    }
}

/// What was resumed, and what was not.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Resumed)]
pub(super) struct ResumedJson {
    /// The transfers that were resumed.
    resumed: Vec<ResumedOneJson>,
    /// The transfers that were listed and not resumed after all.
    kept: Vec<KeptJson>,
    /// How many are left that could be resumed.
    remaining: usize,
}

/// A transfer that was resumed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResumedTransfer)]
struct ResumedOneJson {
    /// Serial of the transfer: 19 digits.
    #[schema(pattern = "^[0-9]{19}$")]
    master_serial: String,
    /// What resuming it led to.
    #[schema(value_type = described::Outlook)]
    outlook: Outlook,
    /// State of the transfer after it, as far as it is durable; `final` where it has ended since.
    state: &'static str,
}

/// A transfer that was listed, and was not resumed after all.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NotResumed)]
struct KeptJson {
    /// Serial of the transfer: 19 digits.
    #[schema(pattern = "^[0-9]{19}$")]
    master_serial: String,
    /// Why it was not resumed, in words for people.
    why: String,
}

/// What waits for nothing but a person's word.
///
/// Everything is proven of it, and nobody has claimed it: it would be resumed. Nothing is done.
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

/// Resume all that is proven.
///
/// Each by a decision of its own. What ends is durable once it is answered, or the database was slow.
#[utoipa::path(
    post, path = "/ops/v1/proven/resume", tag = "transfers", request_body = Body,
    responses((status = 200, description = "What became of each transfer", body = ResumedJson))
)]
pub(super) async fn resume(
    State(ops): State<Ops>,
    identity: Identity,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ResumedJson>, Problem> {
    let body: Body = parse(&whole(body)?)?;
    let (who, note) = (identity.who(), note(&body.note)?);
    let coordinator = &ops.state.coordinator;
    let limit = limit(body.limit).map_err(|why| rule("limit", &why))?;
    let (views, _) = coordinator.proven(limit).await;
    let (mut taken, mut kept): (Vec<(MasterSerial, Outlook)>, _) = (Vec::new(), Vec::new());
    for view in &views {
        let master = view.transfer.intent.master;
        let act = Act { reason: Some(note.clone()), ..identity.act("resumed", master.to_string()) };
        let begun = match begin(&ops, &identity, &act).await {
            Ok(begun) => begun,
            Err(problem) if taken.is_empty() && kept.is_empty() => return Err(problem),
            // What was done is told; nothing more is begun.
            Err(problem) => {
                let why = problem.document()["title"].as_str().unwrap_or_default().to_owned();
                kept.push(KeptJson { master_serial: master.to_string(), why });
                break;
            }
        };
        let resumed = coordinator.resume_proven(master, who.clone(), note.clone()).await;
        match &resumed {
            Ok(_) => begun.ended("done").await,
            Err(error) => begun.ended(&error.to_string()).await,
        }
        match resumed {
            Ok(outlook) => taken.push((master, outlook)),
            // The bridge is stopping, or its record does not answer: nothing more is begun.
            Err(error) if refusal_ends(&error) && taken.is_empty() => return Err(refusal(error)),
            Err(error) => {
                kept.push(KeptJson { master_serial: master.to_string(), why: error.to_string() });
            }
        }
    }
    tracing::info!(
        %who,
        resumed = taken.len(),
        kept = kept.len(),
        "an operator resumed what is proven"
    );
    let deadline = Instant::now() + DURABLE_WITHIN;
    let mut resumed = Vec::with_capacity(taken.len());
    for (master, outlook) in taken {
        let ended = match outlook {
            Outlook::Ends(state) => {
                let wait = deadline.saturating_duration_since(Instant::now());
                coordinator.wait(master.sequence, wait).await;
                Some(state)
            }
            Outlook::Unproven(_) | Outlook::Sends(_) | Outlook::Person => None,
        };
        let open = coordinator.live(master).await.map(|view| view.transfer.state());
        let state = open.or(ended).map_or("final", |state| state.as_str());
        resumed.push(ResumedOneJson { master_serial: master.to_string(), outlook, state });
    }
    let (_, remaining) = coordinator.proven(0).await;
    Ok(Json(ResumedJson { resumed, kept, remaining }))
}

/// Whether every other transfer would be refused for the same reason.
fn refusal_ends(error: &coordinator::DecideError) -> bool {
    use coordinator::DecideError;
    match error {
        DecideError::Store(_) | DecideError::Stopping => true,
        DecideError::NotFound(_)
        | DecideError::AlreadyFinal(_)
        | DecideError::Illegal(_)
        | DecideError::Busy
        | DecideError::Claimed(_)
        | DecideError::TooManyClaims
        | DecideError::NotProven => false,
    }
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
