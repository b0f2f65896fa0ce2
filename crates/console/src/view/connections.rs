//! Every counter and its connections, and what is done about one.

use super::escaped;
use crate::asking::{Caller, Refused};
use crate::filters;
use crate::frame::{Frame, Said};
use crate::json::{Connection, Counter, HeldFor, Strangers, Tls};
use crate::show;
use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

#[derive(Template)]
#[template(path = "connections.html")]
struct All<'a> {
    frame: &'a Frame,
    counters: Vec<Counter>,
    strangers: Strangers,
}

#[derive(Template)]
#[template(path = "counter.html")]
struct One<'a> {
    frame: &'a Frame,
    counter: Counter,
    held: Option<HeldFor>,
    /// Why it cannot be shown what holds it.
    unseen: Option<String>,
}

/// `GET /connections`.
pub(crate) async fn all(caller: Caller) -> Result<Response, Refused> {
    let frame = Frame::new(&caller, ("/connections", "/connections"), "Connections", None).await?;
    let counters = caller.ask("/ops/v1/counters").await?;
    let strangers = caller.ask("/ops/v1/strangers").await?;
    Ok(frame.around(&All { frame: &frame, counters, strangers }))
}

/// `GET /connections/{counter}`.
pub(crate) async fn one(caller: Caller, Path(name): Path<String>) -> Result<Response, Refused> {
    shown(&caller, &name, None).await
}

/// The address of a counter's page.
pub(crate) fn address(name: &str) -> String {
    format!("/connections/{}", escaped(name))
}

/// A counter's page, with what came of what was done there.
pub(crate) async fn shown(
    caller: &Caller,
    name: &str,
    said: Option<Said>,
) -> Result<Response, Refused> {
    let frame = Frame::new(caller, ("/connections", &address(name)), name, said).await?;
    let counters: Vec<Counter> = caller.ask("/ops/v1/counters").await?;
    let found = counters.into_iter().find(|counter| counter.counter == name);
    let Some(counter) = found else {
        return Err(caller.refuses(StatusCode::NOT_FOUND, "There is no such counter"));
    };
    let (mut held, mut unseen) = (None, None);
    if counter.held.is_some() {
        let path = format!("/ops/v1/counters/{}/readmission", escaped(name));
        match caller.ask(&path).await {
            Ok(found) => held = Some(found),
            // Whoever readmitted it meanwhile has left nothing to look at.
            Err(refused) if refused.slug == "counter_not_held" => {}
            // All else is in memory, and is shown while the database fails.
            Err(refused) => unseen = Some(refused.shown()),
        }
    }
    Ok(frame.around(&One { frame: &frame, counter, held, unseen }))
}

impl Counter {
    /// Whether an operator keeps it from new transfers in this way.
    fn is(&self, kind: &str) -> bool {
        self.on_hold.as_ref().is_some_and(|hold| hold.kind == kind)
    }

    /// Whether there is something to release, or may be.
    fn may_be_released(&self) -> bool {
        self.on_hold.is_some() || self.on_hold_uncertain.is_some()
    }

    /// Whether a connection waits, or was rejected.
    fn may_be_tried(&self) -> bool {
        self.connections.iter().any(|link| ["held", "backing_off"].contains(&link.state.as_str()))
    }
}

impl HeldFor {
    /// What whoever decides about it has before him.
    fn seen(&self) -> String {
        let proposal = self.proposal.as_ref().map_or("", |proposal| proposal.id.as_str());
        format!("{} {proposal}", self.version)
    }
}

impl Connection {
    fn round_trip(&self) -> String {
        self.round_trip_us.map_or_else(|| "–".to_owned(), show::round_trip)
    }

    fn line(&self) -> String {
        show::line(&self.round_trips_us)
    }
}

impl Tls {
    /// Whichever certificate expires first: when that is.
    fn first_expiry(&self) -> i64 {
        self.own_expires_at.min(self.peer_expires_at)
    }

    fn ours_is_first(&self) -> bool {
        self.own_expires_at <= self.peer_expires_at
    }
}
