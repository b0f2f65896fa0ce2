//! How one comes in and goes out, and in which language one reads.

use crate::asking::{Answered, Caller, Refused};
use crate::filters;
use crate::frame::rendered;
use crate::json::{Changed, Factor, Who};
use crate::view::{address, query};
use crate::words::{COOKIE, Words};
use askama::Template;
use axum::extract::{Form, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;
use std::collections::HashMap;

/// For how long a language is remembered, in seconds: a year.
const REMEMBERED_S: u32 = 31_536_000;

type Fields = Form<HashMap<String, String>>;

/// The page at the door: signing in, changing a password, a new second factor.
#[derive(Template)]
#[template(path = "door.html")]
struct Door {
    words: Words,
    /// In English.
    title: &'static str,
    /// What went wrong, in the reader's language.
    wrong: Option<String>,
    name: String,
    /// Where one goes on, once one is in.
    to: String,
    is_change: bool,
    /// Whether somebody else knows the password.
    must_change: bool,
    factor: Option<Factor>,
}

impl Door {
    fn sign_in(words: Words, wrong: Option<String>, name: String, to: String) -> Door {
        let (is_change, must_change, factor) = (false, false, None);
        Door { words, title: "Sign in", wrong, name, to, is_change, must_change, factor }
    }

    fn change(words: Words, wrong: Option<String>, must_change: bool) -> Door {
        let (title, name, to) = ("Change your password", String::new(), String::new());
        Door { words, title, wrong, name, to, is_change: true, must_change, factor: None }
    }

    fn answer(&self, status: StatusCode) -> Response {
        (status, rendered(self, self.words)).into_response()
    }
}

/// Lets a form in that a page of ours has sent.
pub(crate) async fn of_our_pages(caller: Caller, request: Request, next: Next) -> Response {
    if caller.is_a_page_of_ours() {
        return next.run(request).await;
    }
    let title = "A form of another page, or of a browser that does not say of which";
    caller.refuses(StatusCode::FORBIDDEN, title).into_response()
}

/// An address of ours, or the first page. Another host's begins with two strokes, or with its scheme; and a browser leaves
/// out blanks, and takes a stroke for the other.
fn ours(address: &str) -> &str {
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_ours = is_plain && address.starts_with('/') && !address.starts_with("//");
    if is_ours { address } else { "/" }
}

/// `GET /sign-in`.
pub(crate) async fn show(caller: Caller) -> Response {
    let of = |name: &str| query(&caller.uri, name);
    let (is_back, to) = (of("kept").is_some(), of("to"));
    let here = ours(to.as_deref().unwrap_or("/")).to_owned();
    let who = caller.ask::<Who>("/ops/v1/session").await;
    let wrong = match who {
        Ok(who) if who.must_change_password => return Redirect::to("/password").into_response(),
        Ok(_) if is_back || to.is_some() => return Redirect::to(&here).into_response(),
        Err(refused) if is_back && refused.is_for_the_door() => Some(
            "You were signed in, and this browser did not keep it: open this page by https, or on the bridge's own machine.",
        ),
        Ok(_) | Err(_) => None,
    };
    let wrong = wrong.map(|wrong| caller.words.text(wrong).to_owned());
    let mut response =
        Door::sign_in(caller.words, wrong, String::new(), here.clone()).answer(StatusCode::OK);
    if caller.is_from_elsewhere() && to.is_some() {
        // A link in a message of somebody's: the browser keeps the session to itself until a page of ours asks.
        let again = format!("0; url={}", address("/sign-in", &[("to", &here)]));
        if let Ok(again) = HeaderValue::from_str(&again) {
            response.headers_mut().insert(header::REFRESH, again);
        }
    }
    response
}

/// `POST /sign-in`.
pub(crate) async fn sign_in(caller: Caller, fields: Fields) -> Response {
    let of = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let body = json!({ "name": of("name"), "password": of("password"), "code": of("code") });
    let to = ours(&of("to")).to_owned();
    match caller.send(Method::POST, "/ops/v1/session", Some(&body)).await {
        Ok(answered) => {
            let kept = address("/sign-in", &[("kept", "1"), ("to", &to)]);
            with_cookies(&answered, Redirect::to(&kept).into_response())
        }
        Err(refused) => {
            let door = Door::sign_in(caller.words, Some(refused.shown()), of("name"), to);
            door.answer(refused.status)
        }
    }
}

/// `POST /sign-out`. The browser forgets the session whatever becomes of it at the bridge.
pub(crate) async fn sign_out(caller: Caller) -> Response {
    let ended = caller.send(Method::DELETE, "/ops/v1/session", None).await;
    let mut response = match ended {
        Ok(_) => Redirect::to("/sign-in").into_response(),
        Err(refused) if refused.is_for_the_door() => Redirect::to("/sign-in").into_response(),
        Err(refused) => refused.into_response(),
    };
    let over = HeaderValue::from_static(
        "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0",
    );
    response.headers_mut().append(header::SET_COOKIE, over);
    response
}

/// `GET /password`.
pub(crate) async fn show_change(caller: Caller) -> Result<Response, Refused> {
    let who: Who = caller.ask("/ops/v1/session").await?;
    Ok(Door::change(caller.words, None, who.must_change_password).answer(StatusCode::OK))
}

/// `POST /password`.
pub(crate) async fn change_password(caller: Caller, fields: Fields) -> Result<Response, Refused> {
    let of = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let words = caller.words;
    if of("new") != of("again") {
        let wrong = words.text("The two are not the same.").to_owned();
        return Ok(Door::change(words, Some(wrong), false).answer(StatusCode::UNPROCESSABLE_ENTITY));
    }
    let body = json!({ "password": of("password"), "new": of("new") });
    match caller.send(Method::POST, "/ops/v1/session/password", Some(&body)).await {
        Ok(answered) => {
            let Changed { second_factor } = caller.read(&answered)?;
            let response = match second_factor {
                None => Redirect::to("/").into_response(),
                Some(factor) => {
                    let mut door = Door::change(words, None, false);
                    (door.title, door.factor) = ("Your second factor", Some(factor));
                    door.answer(StatusCode::OK)
                }
            };
            Ok(with_cookies(&answered, response))
        }
        Err(refused) if refused.slug == "not_signed_in" => Err(refused),
        Err(refused) => {
            Ok(Door::change(words, Some(refused.shown()), false).answer(refused.status))
        }
    }
}

/// `POST /language`.
pub(crate) async fn language(fields: Fields) -> Response {
    let of = |name: &str| fields.get(name).map_or("", String::as_str);
    let mut response = Redirect::to(ours(of("back"))).into_response();
    if let Some(words) = Words::by_code(of("to")) {
        let code = words.code();
        let cookie = format!("{COOKIE}={code}; Path=/; Max-Age={REMEMBERED_S}; SameSite=Lax");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// The cookies that the API sets.
fn with_cookies(answered: &Answered, mut response: Response) -> Response {
    for cookie in answered.headers.get_all(header::SET_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    response
}
