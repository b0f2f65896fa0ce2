//! Transfers of any time, found and filtered; and one of them with all that is known.

use super::{address, escaped, query};
use crate::asking::{Caller, Refused};
use crate::assets::STYLE;
use crate::filters;
use crate::frame::{Frame, Said, rendered};
use crate::json::{
    Choice, Evidence, Found, Happening, HappeningAt, History, Match, Proposal, SavedView,
    SavedViews,
};
use crate::words::Words;
use askama::Template;
use axum::extract::Path;
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use data_encoding::BASE64;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The states that a list is narrowed to.
const STATES: [&str; 9] = [
    "accepted",
    "debiting",
    "crediting",
    "reversing",
    "needs_operator",
    "ended",
    "completed",
    "refused",
    "reversed",
];

/// What narrows a list, as it stands in the page's address.
const FILTERS: [&str; 10] = [
    "app",
    "counter",
    "account",
    "counter_serial",
    "amount",
    "currency",
    "state",
    "since",
    "until",
    "before",
];

#[derive(Default)]
struct Wanted {
    app: String,
    counter: String,
    account: String,
    counter_serial: String,
    amount: String,
    currency: String,
    state: String,
    since: String,
    until: String,
}

#[derive(Template)]
#[template(path = "transfers.html")]
struct List<'a> {
    frame: &'a Frame,
    wanted: Wanted,
    states: [&'static str; 9],
    found: Option<Vec<Match>>,
    page: Option<History>,
    older: Option<String>,
    /// The same page as a table for spreadsheets.
    table: String,
    /// `None` while they cannot be read: the list is shown all the same.
    views: Option<Vec<SavedView>>,
    /// The filter as it would be saved; empty where nothing is filtered.
    filter: String,
}

impl List<'_> {
    fn may_delete(&self, view: &SavedView) -> bool {
        view.own || self.frame.who.role == "admin"
    }
}

#[derive(Template)]
#[template(path = "transfer.html")]
struct One<'a> {
    frame: &'a Frame,
    transfer: Evidence,
}

/// `GET /transfers`.
pub(crate) async fn list(caller: Caller) -> Result<Response, Refused> {
    listed(&caller, &caller.uri, None).await
}

/// The address of the list with a filter, which may come from anybody.
pub(crate) fn list_of(filter: &str) -> Uri {
    // It is sent to a browser as it is: of letters, digits and percent signs.
    let uri = Some(format!("/transfers?{filter}")).filter(|uri| uri.is_ascii());
    uri.and_then(|uri| uri.parse().ok()).unwrap_or_else(|| Uri::from_static("/transfers"))
}

/// The list that an address means, with what came of what was done there.
pub(crate) async fn listed(
    caller: &Caller,
    uri: &Uri,
    said: Option<Said>,
) -> Result<Response, Refused> {
    let mut frame = Frame::new(caller, ("/transfers", "/transfers"), "Transfers", said).await?;
    let views = caller.ask("/ops/v1/saved-views").await.ok();
    let views = views.map(|SavedViews { views }| views);
    let of = |name: &str| query(uri, name).unwrap_or_default().trim().to_owned();
    frame.sought = of("q");
    let states = STATES;
    let wanted = Wanted {
        app: of("app"),
        counter: of("counter"),
        account: of("account"),
        counter_serial: of("counter_serial"),
        amount: of("amount"),
        currency: of("currency"),
        state: of("state"),
        since: of("since"),
        until: of("until"),
    };
    if !frame.sought.is_empty() {
        let path = address("/ops/v1/search", &[("q", &frame.sought)]);
        let Found { found } = caller.ask(&path).await?;
        let (found, page, older, table) = (Some(found), None, None, String::new());
        let filter = String::new();
        let list = List { frame: &frame, wanted, states, found, page, older, table, views, filter };
        return Ok(frame.around(&list));
    }
    let filters = FILTERS.map(|name| (name, of(name)));
    let with = |path, before: Option<&str>| {
        let parts = filters.iter().map(|(name, value)| match (*name, before) {
            ("before", Some(before)) => (*name, before),
            (name, _) => (name, value.as_str()),
        });
        address(path, &parts.collect::<Vec<_>>())
    };
    let table = with("/ops/v1/history", None);
    let table = format!("{table}{}format=csv", if table.contains('?') { '&' } else { '?' });
    let page: History = caller.ask(&with("/ops/v1/history", None)).await?;
    let older = page.next.as_deref().map(|next| with("/transfers", Some(next)));
    // Where the page begins is no part of a view.
    let filter = with("", Some("")).trim_start_matches('?').to_owned();
    let (found, page) = (None, Some(page));
    let list = List { frame: &frame, wanted, states, found, page, older, table, views, filter };
    Ok(frame.around(&list))
}

/// `GET /transfers/{serial}`.
pub(crate) async fn one(caller: Caller, Path(serial): Path<String>) -> Result<Response, Refused> {
    shown(&caller, &serial, None).await
}

/// The address of a transfer's page.
pub(crate) fn page_of(serial: &str) -> String {
    format!("/transfers/{}", escaped(serial))
}

/// A transfer's page, with what came of what was done there.
pub(crate) async fn shown(
    caller: &Caller,
    serial: &str,
    said: Option<Said>,
) -> Result<Response, Refused> {
    let frame = Frame::new(caller, ("/transfers", &page_of(serial)), serial, said).await?;
    let path = format!("/ops/v1/transfers/{}", escaped(serial));
    let transfer = caller.ask(&path).await?;
    Ok(frame.around(&One { frame: &frame, transfer }))
}

/// One transfer's evidence as a file: nothing of it is asked for again, so that it opens wherever it is carried to.
#[derive(Template)]
#[template(path = "evidence.html")]
struct Carried<'a> {
    frame: &'a Frame,
    transfer: Evidence,
    style: &'static str,
    rules: &'static str,
}

/// `GET /transfers/{serial}/evidence.html`.
pub(crate) async fn evidence(
    caller: Caller,
    Path(serial): Path<String>,
) -> Result<Response, Refused> {
    let frame = Frame::new(&caller, ("/transfers", &page_of(&serial)), &serial, None).await?;
    let transfer: Evidence = caller.ask(&format!("/ops/v1/transfers/{}", escaped(&serial))).await?;
    let name =
        format!("attachment; filename=\"transfer-{}-evidence.html\"", transfer.master_serial);
    let rules: &str = &CARRIED_RULES;
    let mut response =
        rendered(&Carried { frame: &frame, transfer, style: STYLE, rules }, frame.words);
    let headers = response.headers_mut();
    for (header, value) in
        [(header::CONTENT_DISPOSITION, name.as_str()), (header::CONTENT_SECURITY_POLICY, rules)]
    {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(header, value);
        }
    }
    Ok(response)
}

/// What a browser may do with the file, on this side and wherever it lies: show it in its own style, and nothing else.
static CARRIED_RULES: LazyLock<String> = LazyLock::new(|| {
    let digest = BASE64.encode(&Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'")
});

/// What a decision leads to, in words.
fn outlook(leads_to: &Value, words: Words) -> String {
    let of = |name: &str| leads_to.get(name).and_then(Value::as_str).unwrap_or_default();
    words.say(&match leads_to {
        Value::Object(fields) if fields.contains_key("ends") => {
            format!("it ends as {}", of("ends"))
        }
        Value::Object(fields) if fields.contains_key("sends") => {
            format!("the {} is sent", of("sends"))
        }
        Value::Object(fields) if fields.contains_key("unproven") => {
            let role = of("unproven");
            format!("the counter is asked about the {role}, and it goes on by the answer")
        }
        _ => "it needs persons again".to_owned(),
    })
}

impl Evidence {
    /// What whoever decides about it has before him.
    fn seen(&self) -> String {
        let proposal = self.proposal.as_ref().map_or("", |proposal| proposal.id.as_str());
        let claim = self.claim.as_ref().map_or("", |claim| claim.who.as_received());
        format!("{} {} {proposal} {claim}", self.state, self.version)
    }
}

impl Proposal {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates hand over references")]
    fn outlook(&self, words: &Words) -> String {
        outlook(&self.leads_to, *words)
    }
}

impl Choice {
    /// What is sent for it: the decision, and what it was seen to lead to.
    fn value(&self) -> String {
        let leads_to = self.leads_to.as_ref().unwrap_or(&Value::Null);
        format!("{} {leads_to}", self.decision)
    }

    fn meaning(&self) -> &'static str {
        match self.decision.as_str() {
            "completed" => "both legs are done",
            "reversed" => "the debit was undone, or its money was given back",
            "refused" => "no money moved",
            "resume" => "go on by the rules, with fresh patience",
            _ => "",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates hand over references")]
    fn outlook(&self, words: &Words) -> String {
        self.leads_to.as_ref().map(|leads_to| outlook(leads_to, *words)).unwrap_or_default()
    }
}

impl Happening {
    /// Whether there is more to see of it than its line.
    fn says(&self) -> bool {
        let messages = self.messages.as_ref();
        messages.is_some_and(|it| it.sent.is_some() || it.received.is_some() || it.rule.is_some())
    }

    /// What there is to see.
    fn said(&self) -> &'static str {
        match &self.messages {
            Some(messages) if messages.received.is_some() => "The message as it was received",
            Some(messages) if messages.sent.is_some() => "The message as it was sent",
            Some(_) | None => "The rule",
        }
    }

    /// The lanes of the three legs: what became known of whichever it was about.
    fn lanes(&self) -> [(&'static str, Option<&HappeningAt>); 3] {
        ["debit", "credit", "reversal"]
            .map(|role| (role, self.leg.as_ref().filter(|leg| leg.role == role)))
    }
}
