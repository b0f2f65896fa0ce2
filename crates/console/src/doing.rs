//! What forms do: what the operators' API does with the same words. Done, the browser is sent to the page that shows
//! it; not done, the page says why, and keeps what was typed.

use crate::asking::{Answered, Caller, Refused};
use crate::frame::{Said, tell};
use crate::json::{First, Made};
use crate::view::{alarms, connections, escaped, people, transfers};
use axum::extract::{Form, Path};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::HashMap;

/// What a form sends.
type Fields = Form<HashMap<String, String>>;

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

/// Something that was written, with the ends of lines that are ours: a browser sends its own.
fn written(fields: &Fields, name: &str) -> String {
    field(fields, name).replace("\r\n", "\n")
}

/// The page that a form is on.
enum Page<'a> {
    Transfer(&'a str),
    Counter(&'a str),
    Alarm(&'a str),
    People,
    Person(&'a str),
    /// The list of transfers with a filter.
    Transfers(&'a str),
}

impl Page<'_> {
    fn address(&self) -> String {
        match self {
            Page::Transfer(serial) => transfers::page_of(serial),
            Page::Counter(name) => connections::address(name),
            Page::Alarm(number) => alarms::page_of(number),
            Page::People => "/people".to_owned(),
            Page::Person(name) => people::page_of(name),
            Page::Transfers(filter) => transfers::list_of(filter).to_string(),
        }
    }

    async fn shown(&self, caller: &Caller, said: Said) -> Result<Response, Refused> {
        match self {
            Page::Transfer(serial) => transfers::shown(caller, serial, Some(said)).await,
            Page::Counter(name) => connections::shown(caller, name, Some(said)).await,
            Page::Alarm(number) => alarms::shown(caller, number, Some(said)).await,
            Page::People => people::all_shown(caller, Some(said)).await,
            Page::Person(name) => people::shown(caller, name, Some(said)).await,
            Page::Transfers(filter) => {
                transfers::listed(caller, &transfers::list_of(filter), Some(said)).await
            }
        }
    }
}

/// The form's page again, with why nothing was done, and with what was typed; where not even that page can be shown,
/// another with the same words.
async fn not_done(
    caller: &Caller,
    page: &Page<'_>,
    refused: &Refused,
    form: &'static str,
    fields: &Fields,
) -> Response {
    let words = refused.words;
    let known = if refused.is_unclear() {
        "It is not known whether that is done: look at how it stands below, before you say it again."
    } else {
        "Not done. What you wrote is kept: look at how it stands now."
    };
    let mut fields = fields.0.clone();
    if let Some(note) = fields.get_mut("note") {
        *note = note.replace("\r\n", "\n");
    }
    let said = Said {
        tone: "bad",
        text: format!("{} {}", refused.shown(), words.text(known)),
        form,
        fields,
        status: refused.status,
    };
    if refused.is_for_the_door() {
        return refused.with(&said);
    }
    page.shown(caller, said.clone()).await.unwrap_or_else(|_| refused.with(&said))
}

/// Has the API make what is shown once, if the form was not sent before: who sends it again would make another, and see
/// neither why nor, perhaps, the first.
async fn make(
    caller: &Caller,
    path: &str,
    body: &Value,
    fields: &Fields,
) -> Result<Answered, Refused> {
    if !caller.once.is_first(field(fields, "ticket")) {
        return Err(caller.refuses(StatusCode::CONFLICT, SENT_BEFORE));
    }
    caller.send(Method::POST, path, Some(body)).await
}

/// What is said of a form that is sent again.
pub(crate) const SENT_BEFORE: &str = "This form was sent before, or its page is too old: what it made then was shown then, and is not made \
                           again. Look whether it was made, and kept; if not, send this one.";

/// Has the API do something. Done, the page says so.
async fn act(
    caller: &Caller,
    page: &Page<'_>,
    (method, path, body): (Method, &str, &Value),
    (form, fields): (&'static str, &Fields),
    word: &str,
) -> Response {
    match caller.send(method, path, Some(body)).await {
        Ok(_) => tell(&page.address(), word),
        Err(refused) => not_done(caller, page, &refused, form, fields).await,
    }
}

async fn about_a_transfer(
    caller: &Caller,
    serial: &str,
    (path, word): (&str, &str),
    body: &Value,
    of: (&'static str, &Fields),
) -> Response {
    let path = format!("/ops/v1/transfers/{}/{path}", escaped(serial));
    act(caller, &Page::Transfer(serial), (Method::POST, &path, body), of, word).await
}

/// `POST /transfers/{serial}/claim`.
pub(crate) async fn claim(caller: Caller, Path(serial): Path<String>, fields: Fields) -> Response {
    let release = field(&fields, "release") == "true";
    let note = written(&fields, "note");
    let body = if release { json!({ "release": true }) } else { json!({ "note": note }) };
    let word = if release { "unclaimed" } else { "claimed" };
    about_a_transfer(&caller, &serial, ("claim", word), &body, ("claiming", &fields)).await
}

/// `POST /transfers/{serial}/proposal`.
pub(crate) async fn propose(
    caller: Caller,
    Path(serial): Path<String>,
    fields: Fields,
) -> Response {
    // A choice is a decision and what it was seen to lead to, as the page had both.
    let (decision, leads_to) = field(&fields, "choice").split_once(' ').unwrap_or_default();
    let leads_to: Value = serde_json::from_str(leads_to).unwrap_or_default();
    let version = field(&fields, "version");
    let body = json!({
        "decision": decision, "leads_to": leads_to, "version": version,
        "note": written(&fields, "note"),
    });
    let form = ("proposing", &fields);
    about_a_transfer(&caller, &serial, ("proposal", "proposed"), &body, form).await
}

/// What is sent about a proposal.
fn on(fields: &Fields) -> Value {
    json!({ "proposal": field(fields, "proposal"), "note": written(fields, "note") })
}

fn nothing_here(caller: &Caller) -> Response {
    caller.refuses(StatusCode::NOT_FOUND, "There is nothing here").into_response()
}

/// `POST /transfers/{serial}/approval` and `/withdrawal`.
pub(crate) async fn on_proposal(
    caller: Caller,
    Path((serial, what)): Path<(String, String)>,
    fields: Fields,
) -> Response {
    let word = match what.as_str() {
        "approval" => "approved",
        "withdrawal" => "withdrawn",
        _ => return nothing_here(&caller),
    };
    let form = ("approving", &fields);
    about_a_transfer(&caller, &serial, (&what, word), &on(&fields), form).await
}

async fn at_a_counter(
    caller: &Caller,
    counter: &str,
    (path, word): (&str, &str),
    body: &Value,
    of: (&'static str, &Fields),
) -> Response {
    let path = format!("/ops/v1/counters/{}/{path}", escaped(counter));
    act(caller, &Page::Counter(counter), (Method::POST, &path, body), of, word).await
}

/// `POST /connections/{counter}/hold`, `/drain`, `/release`, `/new-session` and `/reconnect`.
pub(crate) async fn about_a_counter(
    caller: Caller,
    Path((counter, what)): Path<(String, String)>,
    fields: Fields,
) -> Response {
    let note = written(&fields, "note");
    let body = match what.as_str() {
        "reconnect" => json!({}),
        // Whoever releases it means the hold that the page showed, and no other that is in force by now. Where the page
        // could not know which that is, and said so, whatever holds it is meant.
        "release" => match field(&fields, "since").parse::<i64>() {
            Ok(since) => json!({ "note": note, "since": since }),
            Err(_) if field(&fields, "uncertain") == "true" => json!({ "note": note }),
            Err(_) => {
                let refused = caller.refuses(StatusCode::UNPROCESSABLE_ENTITY, "A rule is broken");
                return refused.into_response();
            }
        },
        "hold" | "drain" | "new-session" => json!({ "note": note }),
        _ => return nothing_here(&caller),
    };
    at_a_counter(&caller, &counter, (&what, &what), &body, ("acts", &fields)).await
}

/// `POST /connections/{counter}/readmission`.
pub(crate) async fn propose_readmission(
    caller: Caller,
    Path(counter): Path<String>,
    fields: Fields,
) -> Response {
    let move_serials = field(&fields, "move_serials") == "true";
    let body = json!({
        "version": field(&fields, "version"), "note": written(&fields, "note"),
        "move_serials": move_serials,
    });
    let form = ("readmitting", &fields);
    at_a_counter(&caller, &counter, ("readmission", "proposed"), &body, form).await
}

/// `POST /connections/{counter}/readmission/approval` and `/withdrawal`.
pub(crate) async fn on_readmission(
    caller: Caller,
    Path((counter, what)): Path<(String, String)>,
    fields: Fields,
) -> Response {
    let word = match what.as_str() {
        "approval" => "readmitted",
        "withdrawal" => "withdrawn",
        _ => return nothing_here(&caller),
    };
    let path = format!("readmission/{what}");
    let form = ("approving", &fields);
    at_a_counter(&caller, &counter, (&path, word), &on(&fields), form).await
}

/// `POST /alarms/{number}/acknowledgement` and `/closing`.
pub(crate) async fn about_an_alarm(
    caller: Caller,
    Path((number, what)): Path<(String, String)>,
    fields: Fields,
) -> Response {
    if !["acknowledgement", "closing"].contains(&what.as_str()) {
        return nothing_here(&caller);
    }
    let path = format!("/ops/v1/alarms/{}/{what}", escaped(&number));
    let times: Option<u64> = field(&fields, "times").parse().ok();
    let body = json!({ "note": written(&fields, "note"), "times": times });
    let page = Page::Alarm(&number);
    act(&caller, &page, (Method::POST, &path, &body), ("alarm", &fields), &what).await
}

/// `POST /people`.
pub(crate) async fn add_person(caller: Caller, fields: Fields) -> Result<Response, Refused> {
    let of = |name| field(&fields, name);
    let body =
        json!({ "name": of("name"), "role": of("role"), "reason": written(&fields, "reason") });
    let frame = people::around_once(&caller, "Somebody new").await?;
    Ok(match make(&caller, "/ops/v1/operators", &body, &fields).await {
        Ok(answered) => {
            let first: First = caller.read(&answered)?;
            let back = people::page_of(&first.name);
            people::once(&frame, (Some(first), None), back)
        }
        Err(refused) => not_done(&caller, &Page::People, &refused, "adding", &fields).await,
    })
}

async fn to_a_person(
    caller: &Caller,
    name: &str,
    (method, path, word): (Method, &str, &str),
    body: &Value,
    fields: &Fields,
) -> Response {
    let path = format!("/ops/v1/operators/{}{path}", escaped(name));
    act(caller, &Page::Person(name), (method, &path, body), ("altering", fields), word).await
}

/// `POST /people/{name}`: another role.
pub(crate) async fn change_role(
    caller: Caller,
    Path(name): Path<String>,
    fields: Fields,
) -> Response {
    let body = json!({ "role": field(&fields, "role"), "reason": written(&fields, "reason") });
    to_a_person(&caller, &name, (Method::PATCH, "", "role"), &body, &fields).await
}

/// `POST /people/{name}/disabled`.
pub(crate) async fn disable(caller: Caller, Path(name): Path<String>, fields: Fields) -> Response {
    let body = json!({ "disabled": true, "reason": written(&fields, "reason") });
    to_a_person(&caller, &name, (Method::PATCH, "", "disabled"), &body, &fields).await
}

/// `POST /people/{name}/enabled`.
pub(crate) async fn enable(caller: Caller, Path(name): Path<String>, fields: Fields) -> Response {
    let body = json!({ "disabled": false, "reason": written(&fields, "reason") });
    to_a_person(&caller, &name, (Method::PATCH, "", "enabled"), &body, &fields).await
}

/// `POST /people/{name}/reset`: a new password and second factor, shown once.
pub(crate) async fn reset(
    caller: Caller,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Response, Refused> {
    let body = json!({ "reason": written(&fields, "reason") });
    let path = format!("/ops/v1/operators/{}/reset", escaped(&name));
    let frame = people::around_once(&caller, "New password and second factor").await?;
    Ok(match make(&caller, &path, &body, &fields).await {
        Ok(answered) => {
            let first = caller.read(&answered)?;
            people::once(&frame, (Some(first), None), people::page_of(&name))
        }
        Err(refused) => {
            not_done(&caller, &Page::Person(&name), &refused, "altering", &fields).await
        }
    })
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
        "label": of("label"), "role": of("role"), "days": days,
        "reason": written(&fields, "reason"),
    });
    let path = format!("/ops/v1/operators/{}/tokens", escaped(&name));
    let frame = people::around_once(&caller, "A token for a program").await?;
    Ok(match make(&caller, &path, &body, &fields).await {
        Ok(answered) => {
            let made: Made = caller.read(&answered)?;
            people::once(&frame, (None, Some(made)), people::page_of(&name))
        }
        Err(refused) => {
            not_done(&caller, &Page::Person(&name), &refused, "new-token", &fields).await
        }
    })
}

/// `POST /saved-views`: the filter of the list of transfers, under a name.
pub(crate) async fn save_view(caller: Caller, fields: Fields) -> Response {
    let filter = field(&fields, "query");
    let shared = field(&fields, "shared") == "true";
    let body = json!({ "name": field(&fields, "name"), "query": filter, "shared": shared });
    let (page, form) = (Page::Transfers(filter), ("saving", &fields));
    act(&caller, &page, (Method::POST, "/ops/v1/saved-views", &body), form, "view-saved").await
}

/// `POST /saved-views/{id}/delete`.
pub(crate) async fn delete_view(
    caller: Caller,
    Path(id): Path<String>,
    fields: Fields,
) -> Response {
    let path = format!("/ops/v1/saved-views/{}", escaped(&id));
    let (page, form) = (Page::Transfers(field(&fields, "query")), ("deleting", &fields));
    act(&caller, &page, (Method::DELETE, &path, &json!({})), form, "view-deleted").await
}

/// `POST /people/{name}/sessions/{id}/end`.
pub(crate) async fn end_session(
    caller: Caller,
    Path((name, id)): Path<(String, String)>,
) -> Response {
    let (path, fields) = (format!("/sessions/{}", escaped(&id)), Form(HashMap::new()));
    to_a_person(&caller, &name, (Method::DELETE, &path, "session"), &json!({}), &fields).await
}

/// `POST /people/{name}/tokens/{id}/end`.
pub(crate) async fn end_token(
    caller: Caller,
    Path((name, id)): Path<(String, String)>,
) -> Response {
    let (path, fields) = (format!("/tokens/{}", escaped(&id)), Form(HashMap::new()));
    to_a_person(&caller, &name, (Method::DELETE, &path, "token"), &json!({}), &fields).await
}
