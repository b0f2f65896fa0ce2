//! What operators did.

use super::Identity;
use super::identity::nobody;
use crate::Ops;
use api::json::timestamp;
use api::problem::{Problem, kind};
use api::refused::database;
use api::sent;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use foreign::ForeignText;
use serde::{Deserialize, Serialize};
use store::people::{Act, ActFilter, Acted, People};
use utoipa::{IntoParams, ToSchema};

/// An act that is recorded before it is done. One without an outcome was under way when the bridge ended, or the database
/// did not take what became of it: that, the thing itself says.
#[must_use = "what becomes of an act is recorded too"]
pub(crate) struct Begun {
    people: People,
    number: i64,
}

/// Records that something is about to be done in an operator's name. If that cannot be recorded, or the operator is not
/// known any more since the request came, it is not done.
pub(crate) async fn begin(ops: &Ops, identity: &Identity, act: &Act) -> Result<Begun, Problem> {
    let people = ops.door.people.clone();
    let number = people.act(act, &identity.known()).await.map_err(|error| database(&error))?;
    let number = number.ok_or_else(nobody)?;
    Ok(Begun { people, number })
}

impl Begun {
    /// Records what became of it: `done`, or why it was not.
    pub(crate) async fn ended(self, outcome: &str) {
        let Begun { people, number } = self;
        if let Err(error) = people.done(number, outcome).await {
            tracing::warn!(number, outcome, %error, "what became of an operator's act is not recorded");
        }
    }
}

/// Does something in an operator's name, and records it before and afterwards, also if whoever asked for it has hung up
/// meanwhile.
pub(crate) fn recorded<T: Send + 'static>(
    ops: &Ops,
    identity: &Identity,
    act: Act,
    doing: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> impl Future<Output = Result<T, Problem>> + Send {
    // Boxed before it is carried on: what is done is large.
    let doing = Box::pin(doing);
    async move {
        let begun = begin(ops, identity, &act).await?;
        let done = tokio::spawn(async move {
            let done = doing.await;
            begun.ended(done.as_ref().map_or_else(Problem::slug, |_| "done")).await;
            done
        });
        // It is a bug if it panics; whether it was done, the thing itself says.
        done.await.unwrap_or_else(|_| Err(Problem::new(kind::STOPPING).retry_after(5)))
    }
}

/// Which acts are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Of this operator alone.
    #[param(max_length = 64)]
    who: Option<String>,
    /// On this alone: a serial, a counter, an operator.
    #[param(max_length = 128)]
    about: Option<String>,
    /// Before the act with this number: `next` of the page before.
    before: Option<i64>,
}

/// Something that an operator did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Act)]
struct ActJson {
    /// Its number: a later one is higher.
    number: i64,
    /// When: RFC 3339, UTC.
    #[schema(format = DateTime)]
    at: String,
    /// Who; of what was done on the bridge's machine itself, the name of its user.
    #[schema(value_type = String)]
    who: ForeignText,
    /// Whereby: which session, which token, or the machine.
    #[schema(value_type = String)]
    by: ForeignText,
    /// What was done, as a word.
    #[schema(example = "signed_in")]
    act: String,
    /// On what: a serial, a counter, an operator.
    #[schema(value_type = String)]
    about: ForeignText,
    /// How it was before; null where nothing was changed.
    #[schema(value_type = Option<String>, required)]
    before: Option<ForeignText>,
    /// How it is to be.
    #[schema(value_type = Option<String>, required)]
    after: Option<ForeignText>,
    /// Why, in the operator's words.
    #[schema(value_type = Option<String>, required)]
    reason: Option<ForeignText>,
    /// What became of it: `done`, or the last part of the `type` of the problem for which it was refused; null where
    /// that is not recorded, for the bridge ended meanwhile.
    #[schema(value_type = Option<String>, required)]
    outcome: Option<ForeignText>,
}

impl From<Acted> for ActJson {
    fn from(Acted { number, act, outcome }: Acted) -> ActJson {
        ActJson {
            number,
            at: timestamp(act.at),
            who: act.who,
            by: act.by.into(),
            act: act.act,
            about: act.about,
            before: act.before,
            after: act.after,
            reason: act.reason,
            outcome,
        }
    }
}

/// A page of acts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Acts)]
pub(crate) struct ActsJson {
    /// The latest first, at most a hundred.
    acts: Vec<ActJson>,
    /// `before` of the next page; null at the end.
    #[schema(required)]
    next: Option<i64>,
}

/// What was done, by whom.
///
/// Every act of every operator, the latest first.
#[utoipa::path(
    get, path = "/ops/v1/acts", tag = "people", operation_id = "acts", params(Wanted),
    responses((status = 200, description = "A page of acts", body = ActsJson))
)]
pub(crate) async fn list(
    State(ops): State<Ops>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<ActsJson>, Problem> {
    let Query(Wanted { who, about, before }) = wanted.map_err(|error| sent::refused(&error))?;
    let filter = ActFilter { who, about, before };
    let acts = ops.door.people.acts(&filter).await.map_err(|error| database(&error))?;
    let is_full = u64::try_from(acts.len()).is_ok_and(|count| count >= ActFilter::PAGE);
    let next = acts.last().map(|last| last.number).filter(|_| is_full);
    Ok(Json(ActsJson { acts: acts.into_iter().map(ActJson::from).collect(), next }))
}
