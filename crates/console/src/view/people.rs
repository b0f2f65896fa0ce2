//! Who may sign in, where they are signed in, and what they did.

use super::{address, escaped, query};
use crate::asking::{Caller, Refused};
use crate::filters;
use crate::frame::{Frame, Said};
use crate::json::{Act, Acts, First, Made, Operator, Operators, Session, Sessions, Token, Tokens};
use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

/// What somebody may be.
const ROLES: [&str; 4] = ["viewer", "operator", "approver", "admin"];

#[derive(Template)]
#[template(path = "people.html")]
struct All<'a> {
    frame: &'a Frame,
    operators: Vec<Operator>,
    roles: [&'static str; 4],
    /// By which a form that makes a secret is sent once.
    ticket: String,
}

#[derive(Template)]
#[template(path = "person.html")]
struct One<'a> {
    frame: &'a Frame,
    operator: Operator,
    roles: [&'static str; 4],
    sessions: Option<Vec<Session>>,
    tokens: Option<Vec<Token>>,
    /// By which the form that gives a new password is sent once.
    reset_ticket: String,
    /// By which the form that makes a token is sent once.
    token_ticket: String,
}

#[derive(Template)]
#[template(path = "once.html")]
struct Once<'a> {
    frame: &'a Frame,
    first: Option<First>,
    made: Option<Made>,
    back: String,
}

#[derive(Template)]
#[template(path = "acts.html")]
struct Trail<'a> {
    frame: &'a Frame,
    wanted: Wanted,
    acts: Vec<Act>,
    older: Option<String>,
}

struct Wanted {
    who: String,
    about: String,
}

/// `GET /people`.
pub(crate) async fn all(caller: Caller) -> Result<Response, Refused> {
    all_shown(&caller, None).await
}

/// The page of all people, with what came of what was done there.
pub(crate) async fn all_shown(caller: &Caller, said: Option<Said>) -> Result<Response, Refused> {
    let frame = Frame::new(caller, ("/people", "/people"), "People", said).await?;
    let Operators { operators } = caller.ask("/ops/v1/operators").await?;
    let ticket = caller.once.ticket();
    Ok(frame.around(&All { frame: &frame, operators, roles: ROLES, ticket }))
}

/// `GET /people/{name}`.
pub(crate) async fn one(caller: Caller, Path(name): Path<String>) -> Result<Response, Refused> {
    shown(&caller, &name, None).await
}

/// The address of a person's page.
pub(crate) fn page_of(name: &str) -> String {
    format!("/people/{}", escaped(name))
}

/// A person's page, with what came of what was done there.
pub(crate) async fn shown(
    caller: &Caller,
    name: &str,
    said: Option<Said>,
) -> Result<Response, Refused> {
    let frame = Frame::new(caller, ("/people", &page_of(name)), name, said).await?;
    let Operators { operators } = caller.ask("/ops/v1/operators").await?;
    let found = operators.into_iter().find(|operator| operator.name == name);
    let Some(operator) = found else {
        return Err(caller.refuses(StatusCode::NOT_FOUND, "There is no such operator"));
    };
    // Others' sessions and tokens are shown to admins alone.
    let is_shown = frame.who.name == name || frame.who.role == "admin";
    let (mut sessions, mut tokens) = (None, None);
    if is_shown {
        let path = |what| format!("/ops/v1/operators/{}/{what}", escaped(name));
        let all: Sessions = caller.ask(&path("sessions")).await?;
        sessions = Some(all.sessions);
        let all: Tokens = caller.ask(&path("tokens")).await?;
        tokens = Some(all.tokens);
    }
    let [reset_ticket, token_ticket] = [caller.once.ticket(), caller.once.ticket()];
    let page =
        One { frame: &frame, operator, roles: ROLES, sessions, tokens, reset_ticket, token_ticket };
    Ok(frame.around(&page))
}

/// What stands around a secret that is shown once. Asked for before there is one: then whoever gets it sees it.
pub(crate) async fn around_once(caller: &Caller, title: &'static str) -> Result<Frame, Refused> {
    Frame::new(caller, ("/people", ""), title, None).await
}

/// A secret that is shown once.
pub(crate) fn once(
    frame: &Frame,
    (first, made): (Option<First>, Option<Made>),
    back: String,
) -> Response {
    frame.around(&Once { frame, first, made, back })
}

/// `GET /acts`.
pub(crate) async fn acts(caller: Caller) -> Result<Response, Refused> {
    let frame = Frame::new(&caller, ("/acts", "/acts"), "Audit trail", None).await?;
    let of = |name: &str| query(&caller.uri, name).unwrap_or_default().trim().to_owned();
    let wanted = Wanted { who: of("who"), about: of("about") };
    let with = |path, before: &str| {
        address(path, &[("who", &wanted.who), ("about", &wanted.about), ("before", before)])
    };
    let Acts { acts, next } = caller.ask(&with("/ops/v1/acts", &of("before"))).await?;
    let older = next.map(|next| with("/acts", &next.to_string()));
    Ok(frame.around(&Trail { frame: &frame, wanted, acts, older }))
}

impl Act {
    /// Whether it was done: of a leg the same word is another in Chinese.
    fn is_done(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.as_received() == "done")
    }

    fn is_about_a_transfer(&self) -> bool {
        let about = self.about.as_received();
        about.len() == 19 && about.bytes().all(|byte| byte.is_ascii_digit())
    }
}
