//! What stands around every page: who is signed in, whether the bridge records, the rooms of the house, and what came
//! of what was just done.

use crate::asking::{Caller, Refused};
use crate::filters::{self, WORDS};
use crate::json::{Summary, Who};
use crate::show;
use crate::words::Words;
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use std::any::Any;

/// The rooms of the house, by their addresses.
const ROOMS: [(&str, &str); 6] = [
    ("/", "Overview"),
    ("/connections", "Connections"),
    ("/transit", "Money in transit"),
    ("/transfers", "Transfers"),
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
    /// What was typed there, where nothing was done: nobody types it twice.
    pub(crate) note: String,
    pub(crate) status: StatusCode,
}

/// What stands around a page.
pub(crate) struct Frame {
    pub(crate) words: Words,
    /// In English.
    pub(crate) title: String,
    pub(crate) room: &'static str,
    /// The address of the page, for whoever changes the language.
    pub(crate) here: String,
    pub(crate) who: Who,
    pub(crate) summary: Summary,
    pub(crate) sought: String,
    pub(crate) said: Option<Said>,
}

impl Frame {
    /// Asks for what stands around every page.
    pub(crate) async fn new(
        caller: &Caller,
        room: &'static str,
        title: impl Into<String>,
        said: Option<Said>,
    ) -> Result<Frame, Refused> {
        let who: Who = caller.ask("/ops/v1/session").await?;
        let summary = caller.ask("/ops/v1/summary").await?;
        let here = caller.uri.path_and_query().map_or("/", |here| here.as_str()).to_owned();
        let (words, sought) = (caller.words, String::new());
        Ok(Frame { words, title: title.into(), room, here, who, summary, sought, said })
    }

    /// How many transfers need a person.
    pub(crate) fn needs(&self) -> usize {
        self.summary.by_state.get("needs_operator").copied().unwrap_or(0)
    }

    /// For how long the bridge has run, in seconds.
    pub(crate) fn uptime(&self) -> i64 {
        self.since_micros(&self.summary.started_at)
    }

    /// How long ago something was, in seconds; its time in microseconds.
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

    /// The languages that this page is not in.
    pub(crate) fn others(&self) -> Vec<Words> {
        self.words.others()
    }

    /// What was typed into this form, if nothing was done.
    pub(crate) fn kept(&self, form: &str) -> &str {
        self.said.as_ref().filter(|said| said.form == form).map_or("", |said| &said.note)
    }

    /// The page, as an answer.
    pub(crate) fn around(&self, page: &impl Template) -> Response {
        let status = self.said.as_ref().map_or(StatusCode::OK, |said| said.status);
        (status, rendered(page, self.words)).into_response()
    }
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

/// That a page cannot be shown.
#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    words: Words,
    title: String,
    detail: String,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        if self.is_for_the_door() {
            let door = if self.slug == "password_to_change" { "/password" } else { "/sign-in" };
            return Redirect::to(door).into_response();
        }
        let words = self.words;
        let detail = words.say(&self.detail.to_string());
        let page = RefusedPage { words, title: words.say(&self.title), detail };
        let mut response = rendered(&page, words);
        *response.status_mut() = self.status;
        response
    }
}
