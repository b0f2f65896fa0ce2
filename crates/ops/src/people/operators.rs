//! Operators: who there are, made, changed, given a new password.

use super::Identity;
use super::identity::nobody;
use crate::Ops;
use crate::said::{paragraph, parse, rule, whole};
use api::json::timestamp;
use api::named::Named;
use api::problem::{Problem, kind};
use api::refused::database;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use foreign::ForeignText;
use people::{OperatorName, Password, RecoveryCode, Role, TotpSecret};
use serde::{Deserialize, Serialize};
use store::people::{Act, Change, NewFactor, NewOperator, Operator, Unchanged};
use utoipa::ToSchema;

/// What an operator may: each may what those before it may.
#[derive(ToSchema)]
#[schema(as = OperatorRole)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum RoleJson {
    /// Look.
    Viewer,
    /// Claim, hold, release, decide.
    Operator,
    /// Approve what another proposed.
    Approver,
    /// Make and change operators and tokens.
    Admin,
}

/// An operator.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operator)]
pub(crate) struct OperatorJson {
    /// The name by which the operator signs in.
    #[schema(pattern = "^[a-z][a-z0-9._-]{0,31}$")]
    name: String,
    /// What the operator may.
    #[schema(value_type = RoleJson)]
    role: Role,
    /// Whether there is a second factor.
    second_factor: bool,
    /// Whether the password has to be changed at the next sign-in.
    must_change_password: bool,
    /// When the operator was made: RFC 3339, UTC.
    #[schema(format = DateTime)]
    made_at: String,
    /// By whom.
    #[schema(value_type = String)]
    made_by: ForeignText,
    /// Since when the operator may do nothing: RFC 3339, UTC; null while that is not so.
    #[schema(format = DateTime, required)]
    disabled_at: Option<String>,
}

impl From<Operator> for OperatorJson {
    fn from(operator: Operator) -> OperatorJson {
        OperatorJson {
            name: operator.name.to_string(),
            role: operator.role,
            second_factor: operator.second_factor.is_some(),
            must_change_password: operator.must_change,
            made_at: timestamp(operator.made_at),
            made_by: operator.made_by,
            disabled_at: operator.disabled_at.map(timestamp),
        }
    }
}

/// All operators.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operators)]
pub(crate) struct OperatorsJson {
    /// By name.
    operators: Vec<OperatorJson>,
}

/// Who there are.
#[utoipa::path(
    get, path = "/ops/v1/operators", tag = "people", operation_id = "operators",
    responses((status = 200, description = "All operators, by name", body = OperatorsJson))
)]
pub(crate) async fn list(State(ops): State<Ops>) -> Result<Json<OperatorsJson>, Problem> {
    let operators = ops.door.people.operators().await.map_err(|error| database(&error))?;
    let operators = operators.into_iter().map(OperatorJson::from).collect();
    Ok(Json(OperatorsJson { operators }))
}

/// An operator to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewOperator)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    /// The name by which the operator signs in.
    #[schema(pattern = "^[a-z][a-z0-9._-]{0,31}$", example = "wang")]
    name: String,
    /// What the operator may.
    #[schema(value_type = RoleJson)]
    role: String,
    /// Why, in at most 2,000 bytes of UTF-8.
    #[schema(min_length = 1)]
    reason: String,
}

/// A second factor, shown here and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondFactor)]
pub(super) struct FactorJson {
    /// Its secret, in base32.
    secret: String,
    /// The same for an authenticator.
    #[schema(example = "otpauth://totp/counter-bridge:wang?secret=…&issuer=counter-bridge")]
    uri: String,
    /// Codes that are good once each, instead of it.
    recovery_codes: Vec<String>,
}

impl FactorJson {
    /// A new one of random bits: what is kept of it, and what is shown.
    pub(super) fn random(name: &OperatorName) -> (NewFactor, FactorJson) {
        let (secret, codes) = (TotpSecret::random(), RecoveryCode::random_set());
        let kept = NewFactor {
            secret: secret.text(),
            recovery: codes.iter().map(RecoveryCode::digest).collect(),
        };
        let shown = FactorJson {
            uri: secret.uri(ISSUER, name),
            secret: secret.text(),
            recovery_codes: codes.iter().map(RecoveryCode::text).collect(),
        };
        (kept, shown)
    }
}

/// What the operator signs in with for the first time: shown here and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = FirstSignIn)]
pub(crate) struct FirstJson {
    /// The operator's name.
    name: String,
    /// The password for the first sign-in, at which it has to be changed; the second factor is then another one too.
    password: String,
    /// The second factor for the first sign-in.
    second_factor: FactorJson,
}

/// What an operator is given by another, and what is kept of it.
struct Given {
    shown: FirstJson,
    password: String,
    factor: NewFactor,
}

impl Given {
    /// Of random bits alone: a password that nobody has to think of, for one sign-in.
    async fn new(ops: &Ops, name: &OperatorName) -> Result<Given, Problem> {
        let text = format!("{}-{}", RecoveryCode::random().text(), RecoveryCode::random().text());
        let (chosen, whose) = (text.clone(), name.clone());
        let hashing = move || Password::chosen(&chosen, &whose, &[]).map(|chosen| chosen.hash());
        let hash = ops.door.hashed(true, hashing).await?;
        let hash =
            hash.map_err(|weak| rule("name", &format!("no password goes with it: {weak}")))?;
        let (factor, second_factor) = FactorJson::random(name);
        let shown = FirstJson { name: name.to_string(), password: text, second_factor };
        Ok(Given { shown, password: hash.as_str().to_owned(), factor })
    }
}

/// What an authenticator calls us.
const ISSUER: &str = "counter-bridge";

/// Make an operator.
///
/// With a password that has to be changed at the first sign-in, and a second factor. Both are shown in this answer and
/// never again.
#[utoipa::path(
    post, path = "/ops/v1/operators", tag = "people", operation_id = "add_operator", request_body = New,
    responses((status = 201, description = "The operator is made", body = FirstJson))
)]
pub(crate) async fn add(
    State(ops): State<Ops>,
    identity: Identity,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<FirstJson>), Problem> {
    let body: New = parse(&whole(body)?)?;
    let name: OperatorName =
        body.name.parse().map_err(|error| rule("name", &format!("{error}")))?;
    let role = role(&body.role)?;
    let reason = reason(&body.reason)?;
    let given = Given::new(&ops, &name).await?;
    let new = NewOperator {
        name: name.clone(),
        role,
        password: given.password,
        must_change: true,
        factor: Some(given.factor),
    };
    let act = Act {
        after: Some(role.as_str().into()),
        reason: Some(reason),
        ..identity.act("operator_added", name.as_str())
    };
    ops.door.people.add(&new, &act).await.map_err(refusal)?;
    tracing::info!(who = %identity.name, operator = %name, role = role.as_str(), "an operator was made");
    Ok((StatusCode::CREATED, Json(given.shown)))
}

/// What is changed of an operator.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChangedOperator)]
#[serde(deny_unknown_fields)]
pub(crate) struct Altered {
    /// What the operator may from now on.
    #[serde(default)]
    #[schema(value_type = Option<RoleJson>, nullable = false)]
    role: Option<String>,
    /// Whether the operator may do nothing. All sessions and tokens end at once.
    #[serde(default)]
    #[schema(nullable = false)]
    disabled: Option<bool>,
    /// Why, in at most 2,000 bytes of UTF-8.
    #[schema(min_length = 1)]
    reason: String,
}

/// Change an operator.
///
/// One thing at a time: the role, or whether the operator may do anything.
#[utoipa::path(
    patch, path = "/ops/v1/operators/{name}", tag = "people", operation_id = "change_operator",
    request_body = Altered,
    params(("name" = String, Path, pattern = "^[a-z][a-z0-9._-]{0,31}$", description = "The operator's name")),
    responses((status = 200, description = "The operator as it is now", body = OperatorJson))
)]
pub(crate) async fn alter(
    State(ops): State<Ops>,
    identity: Identity,
    Named(name): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<OperatorJson>, Problem> {
    let body: Altered = parse(&whole(body)?)?;
    let name = named(&name)?;
    let (change, act, after) = match (&body.role, body.disabled) {
        (Some(wanted), None) => {
            let role = role(wanted)?;
            (Change::Role(role), "role_changed", role.as_str())
        }
        (None, Some(true)) => (Change::Disabled(true), "operator_disabled", "disabled"),
        (None, Some(false)) => (Change::Disabled(false), "operator_enabled", "enabled"),
        (None, None) | (Some(_), Some(_)) => {
            return Err(rule("role", "or disabled: one of them, and not both"));
        }
    };
    let people = &ops.door.people;
    let act = Act {
        after: Some(after.into()),
        reason: Some(reason(&body.reason)?),
        ..identity.act(act, name.as_str())
    };
    people.alter(&name, &change, &act).await.map_err(refusal)?;
    ops.door.forget_all_of(&name);
    tracing::info!(who = %identity.name, operator = %name, after, "an operator was changed");
    let now = people.operator(&name).await.map_err(|error| database(&error))?;
    now.map(|operator| Json(OperatorJson::from(operator))).ok_or_else(unknown)
}

/// Why something is done to somebody.
#[derive(Deserialize, ToSchema)]
#[schema(as = WithReason)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// Why, in at most 2,000 bytes of UTF-8.
    #[schema(min_length = 1)]
    reason: String,
}

/// Give an operator a new password and a new second factor.
///
/// For one who has lost either. All sessions and tokens end. Both are shown in this answer and never again.
#[utoipa::path(
    post, path = "/ops/v1/operators/{name}/reset", tag = "people", operation_id = "reset_operator",
    request_body = Reason,
    params(("name" = String, Path, pattern = "^[a-z][a-z0-9._-]{0,31}$", description = "The operator's name")),
    responses((status = 200, description = "What the operator signs in with from now on", body = FirstJson))
)]
pub(crate) async fn reset(
    State(ops): State<Ops>,
    identity: Identity,
    Named(name): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<FirstJson>, Problem> {
    let body: Reason = parse(&whole(body)?)?;
    let name = named(&name)?;
    if name == identity.name {
        // Whoever holds a session of an admin's would need nothing else.
        let why = "another admin gives you a new password; your own you change at /sign-in";
        return Err(Problem::new(kind::NOT_PERMITTED).detail(why.to_owned()));
    }
    let reason = reason(&body.reason)?;
    let given = Given::new(&ops, &name).await?;
    let act = Act { reason: Some(reason), ..identity.act("operator_reset", name.as_str()) };
    let change =
        Change::Given { password: given.password, must_change: true, factor: Some(given.factor) };
    ops.door.people.alter(&name, &change, &act).await.map_err(refusal)?;
    ops.door.forget_all_of(&name);
    tracing::info!(who = %identity.name, operator = %name, "an operator was given a new password and second factor");
    Ok(Json(given.shown))
}

/// Why an operator was not made or changed.
pub(super) fn refusal(error: Unchanged) -> Problem {
    let detail = error.to_string();
    match error {
        Unchanged::Exists => Problem::new(kind::OPERATOR_EXISTS).detail(detail),
        Unchanged::Unknown => Problem::new(kind::NO_SUCH_OPERATOR).detail(detail),
        Unchanged::LastAdmin => Problem::new(kind::LAST_ADMIN).detail(detail),
        Unchanged::Overtaken => nobody().detail(detail),
        Unchanged::Store(error) => database(&error),
    }
}

/// An operator that a path names.
pub(super) fn named(name: &str) -> Result<OperatorName, Problem> {
    name.parse().map_err(|_| unknown())
}

fn unknown() -> Problem {
    Problem::new(kind::NO_SUCH_OPERATOR)
}

pub(super) fn role(text: &str) -> Result<Role, Problem> {
    text.parse().map_err(|error| rule("role", &format!("{error}")))
}

/// Why an operator does something, in its own words.
pub(super) fn reason(words: &str) -> Result<ForeignText, Problem> {
    paragraph("reason", words)
}
