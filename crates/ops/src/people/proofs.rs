//! The sessions and tokens of operators.

use super::Identity;
use super::operators::{named, reason, role};
use crate::Ops;
use crate::said::{parse, rule, text, whole};
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
use people::{OperatorName, Permission, Role, TokenSecret};
use serde::{Deserialize, Serialize};
use store::people::{Act, NewToken, Session, Token};
use supervise::clock::now_micros;
use utoipa::ToSchema;

/// The longest that a token is good for, in days.
const MOST_DAYS: u32 = 366;

/// A day, in microseconds.
const DAY: i64 = 86_400_000_000;

/// Bytes in what a token is for.
const LONGEST_LABEL: usize = 64;

/// A browser in which an operator is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionJson {
    /// By what it is ended; it lets nobody in.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    id: String,
    /// Since when: RFC 3339, UTC.
    #[schema(format = DateTime)]
    began_at: String,
    /// When it was last used, to the minute: RFC 3339, UTC.
    #[schema(format = DateTime)]
    seen_at: String,
    /// When it ends, if it is not used before: RFC 3339, UTC.
    #[schema(format = DateTime)]
    ends_at: String,
    /// The address from which it was begun.
    address: String,
    /// What the browser says it is.
    #[schema(value_type = String)]
    agent: ForeignText,
}

/// Where an operator is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sessions)]
pub(crate) struct SessionsJson {
    /// The latest first.
    sessions: Vec<SessionJson>,
}

/// Where an operator is signed in.
///
/// One's own sessions, or another's for an admin.
#[utoipa::path(
    get, path = "/ops/v1/operators/{name}/sessions", tag = "people", operation_id = "sessions",
    params(("name" = String, Path, pattern = "^[a-z][a-z0-9._-]{0,31}$", description = "The operator's name")),
    responses((status = 200, description = "The sessions that go on", body = SessionsJson))
)]
pub(crate) async fn sessions(
    State(ops): State<Ops>,
    identity: Identity,
    Named(name): Named<String>,
) -> Result<Json<SessionsJson>, Problem> {
    let (name, now) = (own_or_admin(&identity, &name)?, now_micros());
    let lifetime = ops.door.lifetime;
    let sessions = ops.door.people.sessions(&name).await.map_err(|error| database(&error))?;
    let goes_on = |one: &Session| lifetime.is_over(one.began_at, one.seen_at, now).is_none();
    let shown = |one: Session| SessionJson {
        id: one.digest,
        began_at: timestamp(one.began_at),
        seen_at: timestamp(one.seen_at),
        ends_at: timestamp(lifetime.ends_at(one.began_at, one.seen_at)),
        address: one.address,
        agent: one.agent,
    };
    Ok(Json(SessionsJson { sessions: sessions.into_iter().filter(goes_on).map(shown).collect() }))
}

/// End a session.
#[utoipa::path(
    delete, path = "/ops/v1/operators/{name}/sessions/{id}", tag = "people", operation_id = "end_session",
    params(
        ("name" = String, Path, pattern = "^[a-z][a-z0-9._-]{0,31}$", description = "The operator's name"),
        ("id" = String, Path, pattern = "^[0-9a-f]{64}$", description = "The session's id"),
    ),
    responses((status = 204, description = "It has ended"))
)]
pub(crate) async fn end_session(
    State(ops): State<Ops>,
    identity: Identity,
    Named((name, id)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    let name = own_or_admin(&identity, &name)?;
    let sessions = ops.door.people.sessions(&name).await.map_err(|error| database(&error))?;
    let its = sessions.iter().any(|session| session.digest == id);
    let act = identity.act("session_ended", name.as_str());
    if !its || !ops.door.people.end_session(&id, &act).await.map_err(|error| database(&error))? {
        return Err(none_such());
    }
    ops.door.forget_all_of(&name);
    Ok(StatusCode::NO_CONTENT)
}

/// By what a program of an operator's is known.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
struct TokenJson {
    /// By what it is ended; it lets nobody in.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    id: String,
    /// What it is for.
    #[schema(value_type = String)]
    label: ForeignText,
    /// What may be done by it, if its operator may too.
    #[schema(value_type = super::operators::RoleJson)]
    role: Role,
    /// When it was made: RFC 3339, UTC.
    #[schema(format = DateTime)]
    made_at: String,
    /// When it ends: RFC 3339, UTC.
    #[schema(format = DateTime)]
    expires_at: String,
    /// When it was last used, to the minute: RFC 3339, UTC; null if it never was.
    #[schema(format = DateTime, required)]
    seen_at: Option<String>,
}

impl From<Token> for TokenJson {
    fn from(token: Token) -> TokenJson {
        TokenJson {
            id: token.digest,
            label: token.label,
            role: token.role,
            made_at: timestamp(token.made_at),
            expires_at: timestamp(token.expires_at),
            seen_at: token.seen_at.map(timestamp),
        }
    }
}

/// The tokens of an operator.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tokens)]
pub(crate) struct TokensJson {
    /// The latest first; those that have ended by their time are among them.
    tokens: Vec<TokenJson>,
}

/// The tokens of an operator.
///
/// One's own, or another's for an admin.
#[utoipa::path(
    get, path = "/ops/v1/operators/{name}/tokens", tag = "people", operation_id = "tokens",
    params(("name" = String, Path, pattern = "^[a-z][a-z0-9._-]{0,31}$", description = "The operator's name")),
    responses((status = 200, description = "The tokens", body = TokensJson))
)]
pub(crate) async fn tokens(
    State(ops): State<Ops>,
    identity: Identity,
    Named(name): Named<String>,
) -> Result<Json<TokensJson>, Problem> {
    let name = own_or_admin(&identity, &name)?;
    let tokens = ops.door.people.tokens(&name).await.map_err(|error| database(&error))?;
    Ok(Json(TokensJson { tokens: tokens.into_iter().map(TokenJson::from).collect() }))
}

/// A token to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewToken)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    /// What it is for, in at most 64 bytes of UTF-8.
    #[schema(min_length = 1, example = "nightly report")]
    label: String,
    /// What may be done by it: no more than its operator may.
    #[schema(value_type = super::operators::RoleJson)]
    role: String,
    /// For how many days it is good.
    #[schema(minimum = 1, maximum = 366)]
    days: u32,
    /// Why, in at most 2,000 bytes of UTF-8.
    #[schema(min_length = 1)]
    reason: String,
}

/// A token, shown here and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeToken)]
pub(crate) struct MadeJson {
    /// The token itself.
    #[schema(pattern = "^cbt_[A-Za-z0-9_-]{43}$")]
    token: String,
    /// When it ends: RFC 3339, UTC.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Make a token for a program of one's own.
///
/// It may no more than its operator, and never what an admin may: that takes a person who is signed in.
#[utoipa::path(
    post, path = "/ops/v1/operators/{name}/tokens", tag = "people", operation_id = "add_token", request_body = New,
    params(("name" = String, Path, pattern = "^[a-z][a-z0-9._-]{0,31}$", description = "The operator's name")),
    responses((status = 201, description = "It is made", body = MadeJson))
)]
pub(crate) async fn add_token(
    State(ops): State<Ops>,
    identity: Identity,
    Named(name): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<MadeJson>), Problem> {
    let body: New = parse(&whole(body)?)?;
    let name = named(&name)?;
    if name != identity.name {
        let why = "a token acts in its operator's name: nobody makes one in another's";
        return Err(Problem::new(kind::NOT_PERMITTED).detail(why.to_owned()));
    }
    if !(1..=MOST_DAYS).contains(&body.days) {
        return Err(rule("days", &format!("must be 1 to {MOST_DAYS}, not {}", body.days)));
    }
    let label = text("label", &body.label, LONGEST_LABEL, |_| false)?;
    let role = role(&body.role)?;
    let people = &ops.door.people;
    if role > identity.role.min(Role::Approver) {
        let why = "must be no more than its operator is, and no admin: that takes a person";
        return Err(rule("role", why));
    }
    let secret = TokenSecret::random();
    let expires_at = now_micros().saturating_add(i64::from(body.days).saturating_mul(DAY));
    let new = NewToken {
        digest: secret.digest(),
        name: name.clone(),
        label: label.clone(),
        role,
        expires_at,
    };
    let act = Act {
        after: Some(format!("{label}, as {}, for {} days", role.as_str(), body.days).into()),
        reason: Some(reason(&body.reason)?),
        ..identity.act("token_added", name.as_str())
    };
    if !people.add_token(&new, &act).await.map_err(|error| database(&error))? {
        let why = "the operator may not act, or has as many tokens as one may have: end some first";
        return Err(Problem::new(kind::NO_MORE_TOKENS).detail(why.to_owned()));
    }
    let made = MadeJson { token: secret.text(), expires_at: timestamp(expires_at) };
    Ok((StatusCode::CREATED, Json(made)))
}

/// End a token.
#[utoipa::path(
    delete, path = "/ops/v1/operators/{name}/tokens/{id}", tag = "people", operation_id = "end_token",
    params(
        ("name" = String, Path, pattern = "^[a-z][a-z0-9._-]{0,31}$", description = "The operator's name"),
        ("id" = String, Path, pattern = "^[0-9a-f]{64}$", description = "The token's id"),
    ),
    responses((status = 204, description = "It has ended"))
)]
pub(crate) async fn end_token(
    State(ops): State<Ops>,
    identity: Identity,
    Named((name, id)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    let name = own_or_admin(&identity, &name)?;
    let tokens = ops.door.people.tokens(&name).await.map_err(|error| database(&error))?;
    let Some(token) = tokens.into_iter().find(|token| token.digest == id) else {
        return Err(none_such());
    };
    let act = Act { before: Some(token.label), ..identity.act("token_ended", name.as_str()) };
    if !ops.door.people.end_token(&id, &act).await.map_err(|error| database(&error))? {
        return Err(none_such());
    }
    ops.door.forget_all_of(&name);
    Ok(StatusCode::NO_CONTENT)
}

fn none_such() -> Problem {
    Problem::new(kind::NO_SUCH_SESSION)
}

/// Whose sessions or tokens somebody may look after: one's own, and everybody's as an admin.
fn own_or_admin(identity: &Identity, name: &str) -> Result<OperatorName, Problem> {
    let name = named(name)?;
    if name == identity.name || identity.role.may(Permission::Administer) {
        return Ok(name);
    }
    let why = format!("these are {name}'s: an admin may, and {name}");
    Err(Problem::new(kind::NOT_PERMITTED).detail(why))
}
