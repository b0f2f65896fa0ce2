//! Signing in and out, and changing one's own password.

use super::door::Door;
use super::identity::{By, DEVICE, Identity, Proof, SESSION, cookie, nobody};
use super::operators::{FactorJson, refusal};
use crate::Ops;
use crate::said::{parse, rule, whole};
use api::problem::{Problem, kind};
use api::refused::database;
use api::server::Visit;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use data_encoding::HEXLOWER;
use foreign::ForeignText;
use people::{
    Attempt, Attempts, DeviceOf, OperatorName, Password, PasswordHash, Role, SessionSecret,
    TotpSecret, recovery,
};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::PoisonError;
use store::StoreError;
use store::people::{Act, Change, Digest, Factor, NewSession, Operator, SignedIn};
use supervise::clock::now_micros;
use utoipa::ToSchema;

/// What is longer than this is no name, in bytes.
const LONGEST_NAME: usize = 64;

/// How long a browser is known as one in which somebody signed in, in seconds: 180 days.
const DEVICE_S: i64 = 180 * 86_400;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[schema(as = SigningIn)]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    /// The operator's name.
    #[schema(min_length = 1, max_length = 64, example = "wang")]
    name: String,
    /// The password.
    #[schema(min_length = 1, max_length = 128)]
    password: String,
    /// The six digits of the second factor, or a recovery code; may be absent where the operator has none.
    #[serde(default)]
    #[schema(max_length = 64)]
    code: String,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignedInOperator)]
pub(crate) struct WhoJson {
    /// The operator's name.
    name: String,
    /// What may be done: `viewer`, `operator`, `approver` or `admin`.
    #[schema(value_type = super::operators::RoleJson)]
    role: Role,
    /// Whether the password has to be changed before anything else may be done.
    must_change_password: bool,
}

impl From<&Identity> for WhoJson {
    fn from(identity: &Identity) -> WhoJson {
        WhoJson {
            name: identity.name.to_string(),
            role: identity.role,
            must_change_password: identity.must_change,
        }
    }
}

/// Sign in.
///
/// The session is kept in a cookie. What was wrong is not said: not whether there is such an operator, nor whether it
/// was the password or the code. After some refusals there are pauses.
#[utoipa::path(
    post, path = "/ops/v1/session", tag = "people", operation_id = "sign_in", request_body = Body,
    responses((
        status = 201, description = "Signed in; the cookies say so from now on", body = WhoJson,
        headers(("Set-Cookie", description = "The session, and that this browser is known")),
    ))
)]
pub(crate) async fn sign_in(
    State(ops): State<Ops>,
    visit: Option<Extension<Visit>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body: Body = parse(&whole(body)?)?;
    let door = &ops.door;
    if body.name.len() > LONGEST_NAME {
        return Err(refused());
    }
    let from = from(visit.as_ref());
    let device = device(door, &headers).await?;
    let attempt = begin(door, &body.name, from, device.as_ref())?;
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let shown = Shown {
        from,
        agent: agent.unwrap_or("").into(),
        is_known: device.as_ref().is_some_and(|device| device.name().as_str() == body.name),
        former: Proof::of_session(&headers),
    };
    match tries(door, &body, &shown).await {
        Ok(Some((secret, operator))) => {
            settle(door, |attempts| attempts.succeeded(attempt));
            if let Some(Extension(visit)) = visit {
                visit.settle();
            }
            tracing::info!(who = %operator.name, %from, "an operator signed in");
            signed_in(door, &secret, &operator, device).await
        }
        Ok(None) => {
            settle(door, |attempts| attempts.failed(attempt, door.passed()));
            metrics::counter!("sign_ins_refused_total").increment(1);
            // What is no name may be a password, typed into the wrong field.
            let who = body.name.parse::<OperatorName>();
            let who = who.as_ref().map_or("(not a name)", OperatorName::as_str);
            tracing::warn!(who, %from, "a sign-in was refused");
            Err(refused())
        }
        // Nothing was found out about what was shown.
        Err(problem) => {
            settle(door, |attempts| attempts.withdrawn(attempt));
            Err(problem)
        }
    }
}

fn refused() -> Problem {
    let why = "name, password or code is wrong, or this operator may not sign in any more; a code is \
               good once";
    Problem::new(kind::SIGN_IN_REFUSED).detail(why.to_owned())
}

/// From where somebody asks. Without a connection there is nobody but ourselves.
fn from(visit: Option<&Extension<Visit>>) -> IpAddr {
    visit.map_or(Ipv4Addr::LOCALHOST.into(), |visit| visit.peer().ip())
}

/// The browser that this is, if somebody has signed in there before.
async fn device(door: &Door, headers: &HeaderMap) -> Result<Option<DeviceOf>, Problem> {
    match cookie(headers, DEVICE) {
        Some(text) => Ok(door.devices().await?.verify(text, now_micros())),
        None => Ok(None),
    }
}

/// Lets somebody try, or says how long to wait.
fn begin(
    door: &Door,
    name: &str,
    from: IpAddr,
    device: Option<&DeviceOf>,
) -> Result<Attempt, Problem> {
    let mut attempts = door.attempts.lock().unwrap_or_else(PoisonError::into_inner);
    attempts.begin(name, from, device, door.passed()).map_err(|wait| {
        let seconds = u32::try_from(wait.seconds()).unwrap_or(u32::MAX);
        Problem::new(kind::SIGN_IN_PAUSED).detail(wait.to_string()).retry_after(seconds)
    })
}

/// Says what became of an attempt.
fn settle(door: &Door, how: impl FnOnce(&mut Attempts)) {
    how(&mut door.attempts.lock().unwrap_or_else(PoisonError::into_inner));
}

async fn signed_in(
    door: &Door,
    secret: &SessionSecret,
    operator: &Operator,
    device: Option<DeviceOf>,
) -> Result<Response, Problem> {
    let who = WhoJson {
        name: operator.name.to_string(),
        role: operator.role,
        must_change_password: operator.must_change,
    };
    let mut response = (StatusCode::CREATED, Json(who)).into_response();
    let device = device
        .filter(|device| *device.name() == operator.name)
        .unwrap_or_else(|| DeviceOf::random(operator.name.clone()));
    let until = now_micros().saturating_add(DEVICE_S.saturating_mul(1_000_000));
    set(&mut response, SESSION, &secret.text(), None);
    let device = door.devices().await?.issue(&device, until);
    set(&mut response, DEVICE, &device, Some(DEVICE_S));
    Ok(response)
}

/// Sets a cookie that this host alone gets back, over a secured connection or on this very machine, and no script sees.
fn set(response: &mut Response, name: &str, value: &str, seconds: Option<i64>) {
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let cookie = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{age}");
    // A secret of ours is plain ASCII.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// What a sign-in comes with, beside what is typed.
struct Shown {
    from: IpAddr,
    /// What the browser says it is.
    agent: ForeignText,
    /// Whether this operator has signed in from this browser before.
    is_known: bool,
    /// The session that the browser has, whoever's.
    former: Option<Digest>,
}

/// Whether what was shown is right, and then a session that has begun. Whatever is wrong, the same is asked of the
/// database, and as much computed.
async fn tries(
    door: &Door,
    body: &Body,
    shown: &Shown,
) -> Result<Option<(SessionSecret, Operator)>, Problem> {
    let unavailable = |error: StoreError| database(&error);
    let named = body.name.parse::<OperatorName>();
    // Of a name that nobody can have, nobody's is asked for.
    let name = named.clone().or_else(|_| NOBODY.parse()).map_err(|_| refused())?;
    let found = door.people.operator(&name).await.map_err(unavailable)?;
    let code = recovery::digest(&body.code).unwrap_or_default();
    let recovers = door.people.recovers(&name, &code).await.map_err(unavailable)?;
    let operator = found.filter(|operator| named.is_ok() && operator.disabled_at.is_none());
    let hash = operator.as_ref().and_then(readable);
    let is_right = verifies(door, shown.is_known, hash, body.password.clone()).await?;
    let (Some(operator), true) = (operator, is_right) else { return Ok(None) };
    let (now, by_code) = (now_micros(), recovers.then_some(code));
    let Some(factor) = factor(&operator, &body.code, by_code, now) else { return Ok(None) };
    let secret = SessionSecret::random();
    let new = NewSession {
        digest: secret.digest(),
        name: operator.name.clone(),
        address: shown.from.to_string(),
        agent: shown.agent.clone(),
        password: operator.password.clone(),
        second_factor: operator.second_factor.clone(),
        factor,
        over_before: now.saturating_sub(door.lifetime.whole),
        instead_of: shown.former,
    };
    let by = By::Session(HEXLOWER.encode(&new.digest));
    let act = Act {
        reason: Some(format!("from {}, {}", shown.from, words_of(factor)).into()),
        ..Identity::of(&operator, by).act("signed_in", operator.name.as_str())
    };
    match door.people.sign_in(&new, &act).await.map_err(unavailable)? {
        SignedIn::Begun => Ok(Some((secret, operator))),
        SignedIn::Refused => Ok(None),
    }
}

/// A name as others, for whoever types what is none.
const NOBODY: &str = "nobody";

/// What is kept of a password. One that cannot be read any more lets nobody in, and is told of.
fn readable(operator: &Operator) -> Option<PasswordHash> {
    let hash = PasswordHash::parse(&operator.password);
    if hash.is_err() {
        tracing::error!(who = %operator.name, "what is kept of an operator's password cannot be read");
    }
    hash.ok()
}

/// Whether a password is right; whose operator there is not, as slowly.
async fn verifies(
    door: &Door,
    is_known: bool,
    hash: Option<PasswordHash>,
    password: String,
) -> Result<bool, Problem> {
    let verify = move || {
        let found = hash.is_some();
        let is_right = hash.unwrap_or_else(PasswordHash::of_nobody).verify(&password);
        is_right && found
    };
    door.hashed(is_known, verify).await
}

/// What is used up by this sign-in; none if the code is wrong.
fn factor(operator: &Operator, code: &str, recovery: Option<Digest>, now: i64) -> Option<Factor> {
    let Some(secret) = &operator.second_factor else { return Some(Factor::None) };
    let secret = secret.parse::<TotpSecret>();
    if secret.is_err() {
        tracing::error!(who = %operator.name, "an operator's second factor cannot be read");
    }
    let step = secret.ok().and_then(|secret| secret.verify(code, now, operator.last_step));
    step.map(Factor::Step).or(recovery.map(Factor::Recovery))
}

fn words_of(factor: Factor) -> &'static str {
    match factor {
        Factor::None => "by password alone",
        Factor::Step(_) => "by password and second factor",
        Factor::Recovery(_) => "by password and a recovery code",
    }
}

/// Who is signed in.
#[utoipa::path(
    get, path = "/ops/v1/session", tag = "people", operation_id = "who_am_i",
    responses((status = 200, description = "The operator behind the session or the token", body = WhoJson))
)]
pub(crate) async fn who_am_i(identity: Identity) -> Json<WhoJson> {
    Json(WhoJson::from(&identity))
}

/// Sign out.
///
/// The session has ended; a token stays what it is.
#[utoipa::path(
    delete, path = "/ops/v1/session", tag = "people", operation_id = "sign_out",
    responses((
        status = 204, description = "Nobody is signed in here any more",
        headers(("Set-Cookie", description = "The session's cookie is gone")),
    ))
)]
pub(crate) async fn sign_out(State(ops): State<Ops>, identity: Identity) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let By::Session(digest) = &identity.by {
        let act = identity.act("signed_out", identity.name.as_str());
        ops.door.forget_all_of(&identity.name);
        match ops.door.people.end_session(digest, &act).await {
            Ok(_) => tracing::info!(who = %identity.name, "an operator signed out"),
            // The browser forgets it all the same.
            Err(error) => response = database(&error).into_response(),
        }
    }
    set(&mut response, SESSION, "", Some(0));
    response
}

/// A password, and what it is to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChangingPassword)]
#[serde(deny_unknown_fields)]
pub(crate) struct Passwords {
    /// The password as it is.
    #[schema(min_length = 1, max_length = 128)]
    password: String,
    /// As it is to be: at least 12 characters that are not easily guessed.
    #[schema(min_length = 12, max_length = 128)]
    new: String,
}

/// What came of changing one's password.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangedPassword)]
pub(crate) struct ChangedJson {
    /// A new second factor, shown here and never again: of an operator whose former one another has seen. Null where
    /// it stays what it was.
    #[schema(required)]
    second_factor: Option<FactorJson>,
}

/// Change one's own password.
///
/// All other sessions of the operator end. Whoever had to change it, for another had made it, gets a new second factor
/// too, which nobody else has seen.
#[utoipa::path(
    post, path = "/ops/v1/session/password", tag = "people", operation_id = "change_password",
    request_body = Passwords,
    responses((status = 200, description = "It is changed", body = ChangedJson))
)]
pub(crate) async fn change_password(
    State(ops): State<Ops>,
    visit: Option<Extension<Visit>>,
    headers: HeaderMap,
    identity: Identity,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ChangedJson>, Problem> {
    let body: Passwords = parse(&whole(body)?)?;
    let (By::Session(_), Some(session)) = (&identity.by, Proof::of_session(&headers)) else {
        let why = "a program does not change its operator's password".to_owned();
        return Err(Problem::new(kind::NOT_PERMITTED).detail(why));
    };
    let (door, name) = (&ops.door, &identity.name);
    let device = device(door, &headers).await?;
    let attempt = begin(door, name.as_str(), from(visit.as_ref()), device.as_ref())?;
    let former = match shows(door, name, device.is_some(), &body.password).await {
        Ok(Some(former)) => {
            settle(door, |attempts| attempts.succeeded(attempt));
            former
        }
        Ok(None) => {
            settle(door, |attempts| attempts.failed(attempt, door.passed()));
            return Err(rule("password", "is not the operator's"));
        }
        Err(problem) => {
            settle(door, |attempts| attempts.withdrawn(attempt));
            return Err(problem);
        }
    };
    if body.new == body.password {
        return Err(rule("new", "must be another one"));
    }
    let (new, whose) = (body.new, name.clone());
    let hashing = move || Password::chosen(&new, &whose, &[]).map(|chosen| chosen.hash());
    let hash = door.hashed(device.is_some(), hashing).await?;
    let hash = hash.map_err(|weak| rule("new", &weak.to_string()))?;
    let another_has_seen_it = former.must_change && former.second_factor.is_some();
    let (factor, shown) = another_has_seen_it.then(|| FactorJson::random(name)).unzip();
    let change = Change::Own {
        former: former.password,
        password: hash.as_str().to_owned(),
        factor,
        but: session,
    };
    let act = identity.act("password_changed", name.as_str());
    door.people.alter(name, &change, &act).await.map_err(refusal)?;
    door.forget_all_of(name);
    Ok(Json(ChangedJson { second_factor: shown }))
}

/// The operator, if this is the password.
async fn shows(
    door: &Door,
    name: &OperatorName,
    is_known: bool,
    password: &str,
) -> Result<Option<Operator>, Problem> {
    let found = door.people.operator(name).await.map_err(|error| database(&error))?;
    let operator = found.ok_or_else(nobody)?;
    let is_right = verifies(door, is_known, readable(&operator), password.to_owned()).await?;
    Ok(is_right.then_some(operator))
}
