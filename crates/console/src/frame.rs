//! What stands around every page: who is signed in, whether the bridge records, the rooms of the house, and what came
//! of what was just done.

use crate::asking::{Caller, Refused};
use crate::filters::{self, WORDS};
use crate::json::{Summary, Who};
use crate::show;
use crate::view::{DONE, address};
use crate::words::Words;
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use std::any::Any;
use std::collections::HashMap;

/// The rooms of the house, by their addresses.
const ROOMS: [(&str, &str); 7] = [
    ("/", "Overview"),
    ("/connections", "Connections"),
    ("/transit", "Money in transit"),
    ("/transfers", "Transfers"),
    ("/alarms", "Alarms"),
    ("/people", "People"),
    ("/acts", "Audit trail"),
];

/// What came of what somebody did.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// `good` or `bad`.
    pub(crate) tone: &'static str,
    /// In the reader's language.
    pub(crate) text: String,
    /// Of which form.
    pub(crate) form: &'static str,
    /// What was typed and chosen there, where nothing was done: nobody types it twice.
    pub(crate) fields: HashMap<String, String>,
    pub(crate) status: StatusCode,
}

impl Said {
    /// What was written, in its writer's own words.
    pub(crate) fn written(&self) -> Option<&str> {
        let of = |name: &str| self.fields.get(name).map(String::as_str);
        of("note").or_else(|| of("reason")).filter(|text| !text.is_empty())
    }
}

/// What stands around a page.
pub(crate) struct Frame {
    pub(crate) words: Words,
    /// In English.
    pub(crate) title: String,
    pub(crate) room: &'static str,
    /// The address of the page, by which it is looked at again; empty of one that is shown once.
    pub(crate) here: String,
    pub(crate) who: Who,
    pub(crate) summary: Summary,
    pub(crate) sought: String,
    pub(crate) said: Option<Said>,
    /// What is said is said once.
    has_told: bool,
}

impl Frame {
    /// Asks for what stands around the page at an address, with what came of what was just done there.
    pub(crate) async fn new(
        caller: &Caller,
        (room, page): (&'static str, &str),
        title: impl Into<String>,
        said: Option<Said>,
    ) -> Result<Frame, Refused> {
        let who: Who = caller.ask("/ops/v1/session").await?;
        let summary = caller.ask("/ops/v1/summary").await?;
        let here = if caller.is_look { caller.address() } else { page.to_owned() };
        let told = if caller.is_look { told(caller) } else { None };
        let has_told = told.is_some();
        Ok(Frame {
            words: caller.words,
            title: title.into(),
            room,
            here,
            who,
            summary,
            sought: String::new(),
            said: said.or(told),
            has_told,
        })
    }

    /// How many transfers need a person.
    pub(crate) fn needs(&self) -> usize {
        self.summary.by_state.get("needs_operator").copied().unwrap_or(0)
    }

    /// How many of these wait for a person, by the name of the room in which they stand.
    pub(crate) fn count_of(&self, room: &str) -> usize {
        match room {
            "Overview" => self.needs(),
            "Alarms" => self.summary.alarms_unacknowledged,
            _ => 0,
        }
    }

    /// For how long the bridge has run, in seconds.
    pub(crate) fn uptime(&self) -> i64 {
        self.since_micros(&self.summary.started_at)
    }

    /// How long ago something was, in seconds; its time in microseconds.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates hand over references")]
    pub(crate) fn since_micros(&self, at: &i64) -> i64 {
        self.summary.now.saturating_sub(*at) / 1_000_000
    }

    /// How long ago something was, in seconds; its time as RFC 3339.
    pub(crate) fn since(&self, at: &str) -> i64 {
        show::micros(at).map_or(0, |at| self.since_micros(&at))
    }

    /// The rooms of the house: address, name, whether it is this one.
    pub(crate) fn rooms(&self) -> [(&'static str, &'static str, bool); ROOMS.len()] {
        ROOMS.map(|(path, name)| (path, name, path == self.room))
    }

    /// Whether it is in the language in which the API tells what happens.
    pub(crate) fn is_english(&self) -> bool {
        self.words == Words::En
    }

    /// The languages that this page is not in.
    pub(crate) fn others(&self) -> Vec<Words> {
        self.words.others()
    }

    /// What was typed into this form or chosen there, if nothing was done.
    pub(crate) fn kept(&self, form: &str, name: &str) -> &str {
        let said = self.said.as_ref().filter(|said| said.form == form);
        said.and_then(|said| said.fields.get(name)).map_or("", String::as_str)
    }

    /// The same, if it was about this: words about one proposal are not words about another.
    pub(crate) fn kept_about(&self, form: &str, id: &str, name: &str) -> &str {
        if self.kept(form, "proposal") == id { self.kept(form, name) } else { "" }
    }

    /// The page, as an answer.
    pub(crate) fn around(&self, page: &impl Template) -> Response {
        let status = self.said.as_ref().map_or(StatusCode::OK, |said| said.status);
        let mut response = rendered(page, self.words);
        *response.status_mut() = status;
        if self.has_told {
            let path = self.here.split('?').next().unwrap_or("/");
            if let Ok(over) = HeaderValue::from_str(&format!("{TOLD}=; Path={path}; Max-Age=0")) {
                response.headers_mut().append(header::SET_COOKIE, over);
            }
        }
        response
    }
}

/// The cookie by which a page says once what was done: an address would say it again to whoever opens it.
const TOLD: &str = "done";

/// For how long it may take a browser to ask for the page, in seconds.
const TOLD_WITHIN_S: u32 = 20;

/// Sends a browser to a page that says what was done.
pub(crate) fn tell(page: &str, word: &str) -> Response {
    let mut response = Redirect::to(page).into_response();
    let path = page.split('?').next().unwrap_or("/");
    let cookie =
        format!("{TOLD}={word}; Path={path}; Max-Age={TOLD_WITHIN_S}; HttpOnly; SameSite=Strict");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// What was just done, as the cookie has it.
fn told(caller: &Caller) -> Option<Said> {
    let word = caller.cookie(TOLD)?;
    let (_, text) = DONE.iter().find(|(known, _)| *known == word)?;
    let text = caller.words.text(text).to_owned();
    let (form, fields, status) = ("", HashMap::new(), StatusCode::OK);
    Some(Said { tone: "good", text, form, fields, status })
}

/// A page in a language.
pub(crate) fn rendered(page: &impl Template, words: Words) -> Response {
    match page.render_with_values(&(WORDS, &words as &dyn Any)) {
        Ok(text) => {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            ([(header::CONTENT_TYPE, html)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// That a page cannot be shown, or that something is not done where its page cannot be shown either.
#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    words: Words,
    title: String,
    detail: String,
    /// What was typed: nobody types it twice.
    written: Option<String>,
    /// Where one goes on.
    on: &'static str,
}

impl Refused {
    /// What came of a form, where its page cannot be shown.
    pub(crate) fn with(&self, said: &Said) -> Response {
        let (title, detail) = (self.words.say(&self.title), said.text.clone());
        let on = if self.is_for_the_door() { "/sign-in" } else { "/" };
        let written = said.written().map(str::to_owned);
        let page = RefusedPage { words: self.words, title, detail, written, on };
        let mut response = rendered(&page, self.words);
        *response.status_mut() = self.status;
        response
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let words = self.words;
        if let (true, Some(back)) = (self.is_for_the_door(), &self.back) {
            let must_change = self.slug == "password_to_change";
            let door =
                if must_change { "/password".into() } else { address("/sign-in", &[("to", back)]) };
            return Redirect::to(&door).into_response();
        }
        let detail = words.say(&self.detail.to_string());
        let on = if self.is_for_the_door() { "/sign-in" } else { "/" };
        let page = RefusedPage { words, title: words.say(&self.title), detail, written: None, on };
        let mut response = rendered(&page, words);
        *response.status_mut() = self.status;
        response
    }
}
