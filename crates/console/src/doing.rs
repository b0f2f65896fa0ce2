//! What forms do: what the operators' API does with the same words. Done, the browser is sent to the page that shows
//! it; not done, the page says why, and keeps what was typed.

use crate::asking::{Caller, Refused};
use crate::frame::Said;
use crate::json::{First, Made};
use crate::view::{connections, escaped, people, transfers};
use axum::extract::{Form, Path};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};
use std::collections::HashMap;

/// What a form sends.
type Fields = Form<HashMap<String, String>>;

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

/// What a refusal says above the form that it is about.
fn not_done(refused: &Refused, form: &'static str, note: &str) -> Said {
    let words = refused.words;
    let known = if refused.is_unclear() {
        "It is not known whether that is done: look at how it stands below, before you say it again."
    } else {
        "Not done. What you wrote is kept: look at how it stands now."
    };
    Said {
        tone: "bad",
        text: format!("{} {}", refused.shown(), words.text(known)),
        form,
        note: note.to_owned(),
        status: refused.status,
    }
}

/// The page that shows what was done.
fn done(page: &str, word: &str) -> Response {
    Redirect::to(&format!("{page}?done={word}")).into_response()
}

/// Does something about a transfer.
async fn about_a_transfer(
    caller: &Caller,
    serial: &str,
    (path, word): (&str, &str),
    body: &Value,
    note: &str,
) -> Result<Response, Refused> {
    let at = format!("/ops/v1/transfers/{}/{path}", escaped(serial));
    match caller.send(Method::POST, &at, Some(body)).await {
        Ok(_) => Ok(done(&format!("/transfers/{}", escaped(serial)), word)),
        Err(refused) if refused.is_for_the_door() => Err(refused),
        Err(refused) => {
            transfers::shown(caller, serial, Some(not_done(&refused, "decide", note))).await
        }
    }
}

/// `POST /transfers/{serial}/claim`.
pub(crate) async fn claim(
    caller: Caller,
    Path(serial): Path<String>,
    fields: Fields,
) -> Result<Response, Refused> {
    let (note, release) = (field(&fields, "note"), field(&fields, "release") == "true");
    let body = if release { json!({ "release": true }) } else { json!({ "note": note }) };
    let word = if release { "unclaimed" } else { "claimed" };
    about_a_transfer(&caller, &serial, ("claim", word), &body, note).await
}

/// `POST /transfers/{serial}/proposal`.
pub(crate) async fn propose(
    caller: Caller,
    Path(serial): Path<String>,
    fields: Fields,
) -> Result<Response, Refused> {
    // A choice is a decision and what it was seen to lead to, as the page had both.
    let (decision, leads_to) = field(&fields, "choice").split_once(' ').unwrap_or_default();
    let leads_to: Value = serde_json::from_str(leads_to).unwrap_or_default();
    let note = field(&fields, "note");
    let version = field(&fields, "version");
    let body = json!({
        "decision": decision, "leads_to": leads_to, "version": version, "note": note,
    });
    about_a_transfer(&caller, &serial, ("proposal", "proposed"), &body, note).await
}

/// `POST /transfers/{serial}/approval` and `/withdrawal`.
pub(crate) async fn on_proposal(
    caller: Caller,
    Path((serial, what)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Refused> {
    let word = match what.as_str() {
        "approval" => "approved",
        "withdrawal" => "withdrawn",
        _ => return Err(caller.refuses(StatusCode::NOT_FOUND, "There is nothing here")),
    };
    let note = field(&fields, "note");
    let body = json!({ "proposal": field(&fields, "proposal"), "note": note });
    about_a_transfer(&caller, &serial, (&what, word), &body, note).await
}

/// Does something about a counter.
async fn at_a_counter(
    caller: &Caller,
    counter: &str,
    (path, word): (&str, &str),
    body: &Value,
    (form, note): (&'static str, &str),
) -> Result<Response, Refused> {
    let at = format!("/ops/v1/counters/{}/{path}", escaped(counter));
    match caller.send(Method::POST, &at, Some(body)).await {
        Ok(_) => Ok(done(&format!("/connections/{}", escaped(counter)), word)),
        Err(refused) if refused.is_for_the_door() => Err(refused),
        Err(refused) => {
            connections::shown(caller, counter, Some(not_done(&refused, form, note))).await
        }
    }
}

/// `POST /connections/{counter}/hold`, `/drain`, `/release`, `/new-session` and `/reconnect`.
pub(crate) async fn about_a_counter(
    caller: Caller,
    Path((counter, act)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Refused> {
    let note = field(&fields, "note");
    let body = match act.as_str() {
        "reconnect" => json!({}),
        // Whoever releases it means the hold that the page showed, and no other that is in force by now.
        "release" => match field(&fields, "since").parse::<i64>() {
            Ok(since) => json!({ "note": note, "since": since }),
            Err(_) => {
                return Err(caller.refuses(StatusCode::UNPROCESSABLE_ENTITY, "A rule is broken"));
            }
        },
        "hold" | "drain" | "new-session" => json!({ "note": note }),
        _ => return Err(caller.refuses(StatusCode::NOT_FOUND, "There is nothing here")),
    };
    at_a_counter(&caller, &counter, (&act, &act), &body, ("acts", note)).await
}

/// `POST /connections/{counter}/readmission`.
pub(crate) async fn propose_readmission(
    caller: Caller,
    Path(counter): Path<String>,
    fields: Fields,
) -> Result<Response, Refused> {
    let (note, move_serials) = (field(&fields, "note"), field(&fields, "move_serials") == "true");
    let version = field(&fields, "version");
    let body = json!({ "version": version, "note": note, "move_serials": move_serials });
    let form = ("readmission", note);
    at_a_counter(&caller, &counter, ("readmission", "proposed"), &body, form).await
}

/// `POST /connections/{counter}/readmission/approval` and `/withdrawal`.
pub(crate) async fn on_readmission(
    caller: Caller,
    Path((counter, what)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Refused> {
    let word = match what.as_str() {
        "approval" => "readmitted",
        "withdrawal" => "withdrawn",
        _ => return Err(caller.refuses(StatusCode::NOT_FOUND, "There is nothing here")),
    };
    let note = field(&fields, "note");
    let body = json!({ "proposal": field(&fields, "proposal"), "note": note });
    let path = format!("readmission/{what}");
    at_a_counter(&caller, &counter, (&path, word), &body, ("readmission", note)).await
}

/// `POST /people`.
pub(crate) async fn add_person(caller: Caller, fields: Fields) -> Result<Response, Refused> {
    let of = |name| field(&fields, name);
    let body = json!({ "name": of("name"), "role": of("role"), "reason": of("reason") });
    match caller.send(Method::POST, "/ops/v1/operators", Some(&body)).await {
        Ok(answered) => {
            let first: First = caller.read(&answered)?;
            let back = format!("/people/{}", escaped(&first.name));
            people::once(&caller, "Somebody new", (Some(first), None), back).await
        }
        Err(refused) if refused.is_for_the_door() => Err(refused),
        Err(refused) => people::all_shown(&caller, Some(not_done(&refused, "", ""))).await,
    }
}

/// Does something about a person.
async fn to_a_person(
    caller: &Caller,
    name: &str,
    (method, path, word): (Method, &str, &str),
    body: &Value,
) -> Result<Response, Refused> {
    let at = format!("/ops/v1/operators/{}{path}", escaped(name));
    match caller.send(method, &at, Some(body)).await {
        Ok(_) => Ok(done(&format!("/people/{}", escaped(name)), word)),
        Err(refused) if refused.is_for_the_door() => Err(refused),
        Err(refused) => people::shown(caller, name, Some(not_done(&refused, "", ""))).await,
    }
}

/// `POST /people/{name}`: another role.
pub(crate) async fn change_role(
    caller: Caller,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Response, Refused> {
    let body = json!({ "role": field(&fields, "role"), "reason": field(&fields, "reason") });
    to_a_person(&caller, &name, (Method::PATCH, "", "role"), &body).await
}

/// `POST /people/{name}/disabled`.
pub(crate) async fn disable(
    caller: Caller,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Response, Refused> {
    let body = json!({ "disabled": true, "reason": field(&fields, "reason") });
    to_a_person(&caller, &name, (Method::PATCH, "", "disabled"), &body).await
}

/// `POST /people/{name}/enabled`.
pub(crate) async fn enable(
    caller: Caller,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Response, Refused> {
    let body = json!({ "disabled": false, "reason": field(&fields, "reason") });
    to_a_person(&caller, &name, (Method::PATCH, "", "enabled"), &body).await
}

/// `POST /people/{name}/reset`: a new password and second factor, shown once.
pub(crate) async fn reset(
    caller: Caller,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Response, Refused> {
    let body = json!({ "reason": field(&fields, "reason") });
    let at = format!("/ops/v1/operators/{}/reset", escaped(&name));
    match caller.send(Method::POST, &at, Some(&body)).await {
        Ok(answered) => {
            let first = caller.read(&answered)?;
            let back = format!("/people/{}", escaped(&name));
            people::once(&caller, "New password and second factor", (Some(first), None), back).await
        }
        Err(refused) if refused.is_for_the_door() => Err(refused),
        Err(refused) => people::shown(&caller, &name, Some(not_done(&refused, "", ""))).await,
    }
}

/// `POST /people/{name}/tokens`: a token for a program, shown once.
pub(crate) async fn add_token(
    caller: Caller,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Response, Refused> {
    let of = |name| field(&fields, name);
    let days = of("days").parse::<u32>().unwrap_or_default();
    let body = json!({
        "label": of("label"), "role": of("role"), "days": days, "reason": of("reason"),
    });
    let at = format!("/ops/v1/operators/{}/tokens", escaped(&name));
    match caller.send(Method::POST, &at, Some(&body)).await {
        Ok(answered) => {
            let made: Made = caller.read(&answered)?;
            let back = format!("/people/{}", escaped(&name));
            people::once(&caller, "A token for a program", (None, Some(made)), back).await
        }
        Err(refused) if refused.is_for_the_door() => Err(refused),
        Err(refused) => people::shown(&caller, &name, Some(not_done(&refused, "", ""))).await,
    }
}

/// `POST /people/{name}/sessions/{id}/end`.
pub(crate) async fn end_session(
    caller: Caller,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let path = format!("/sessions/{}", escaped(&id));
    to_a_person(&caller, &name, (Method::DELETE, &path, "session"), &json!({})).await
}

/// `POST /people/{name}/tokens/{id}/end`.
pub(crate) async fn end_token(
    caller: Caller,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let path = format!("/tokens/{}", escaped(&id));
    to_a_person(&caller, &name, (Method::DELETE, &path, "token"), &json!({})).await
}
