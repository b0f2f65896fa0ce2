//! Alarms: what is open, what has closed, and one of them.

use super::{address, query};
use crate::asking::{Caller, Refused};
use crate::filters;
use crate::frame::{Frame, Said};
use crate::json::{Alarm, Alarms};
use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use foreign::ForeignText;

#[derive(Template)]
#[template(path = "alarms.html")]
struct All<'a> {
    frame: &'a Frame,
    /// None on an older page.
    open: Option<Vec<Alarm>>,
    left_out: u64,
    closed: Vec<Alarm>,
    damaged: Vec<ForeignText>,
    older: Option<String>,
    /// Why those that have closed cannot be shown.
    unseen: Option<String>,
}

#[derive(Template)]
#[template(path = "alarm.html")]
struct Single<'a> {
    frame: &'a Frame,
    one: Alarm,
    number: i64,
}

/// `GET /alarms`.
pub(crate) async fn all(caller: Caller) -> Result<Response, Refused> {
    let frame = Frame::new(&caller, ("/alarms", "/alarms"), "Alarms", None).await?;
    let before = query(&caller.uri, "before").unwrap_or_default();
    let (mut open, mut left_out) = (None, 0);
    if before.is_empty() {
        let page: Alarms = caller.ask("/ops/v1/alarms?state=open").await?;
        (open, left_out) = (Some(page.alarms), page.left_out);
    }
    let closed = address("/ops/v1/alarms", &[("state", "closed"), ("before", &before)]);
    // Those that are open are in memory, and are shown while the database is away.
    let (closed, unseen) = match caller.ask::<Alarms>(&closed).await {
        Ok(page) => (page, None),
        Err(refused) if refused.status.is_server_error() => {
            (Alarms::default(), Some(refused.shown()))
        }
        Err(refused) => return Err(refused),
    };
    let Alarms { alarms, damaged, next, .. } = closed;
    let older = next.map(|next| address("/alarms", &[("before", &next.to_string())]));
    let page = All { frame: &frame, open, left_out, closed: alarms, damaged, older, unseen };
    Ok(frame.around(&page))
}

/// The address of an alarm's page.
pub(crate) fn page_of(number: &str) -> String {
    format!("/alarms/{}", super::escaped(number))
}

/// `GET /alarms/{number}`.
pub(crate) async fn one(caller: Caller, Path(number): Path<String>) -> Result<Response, Refused> {
    shown(&caller, &number, None).await
}

/// An alarm's page, with what came of what was just said of it.
pub(crate) async fn shown(
    caller: &Caller,
    number: &str,
    said: Option<Said>,
) -> Result<Response, Refused> {
    let frame = Frame::new(caller, ("/alarms", &page_of(number)), "Alarm", said).await?;
    let missing = || caller.refuses(StatusCode::NOT_FOUND, "There is no such alarm");
    let number: i64 = number.parse().map_err(|_| missing())?;
    let is_it = |alarm: &Alarm| alarm.number == Some(number);
    let open: Alarms = caller.ask("/ops/v1/alarms?state=open").await?;
    let mut found = open.alarms.into_iter().find(is_it);
    if found.is_none() {
        let before = number.saturating_add(1).to_string();
        let path = address("/ops/v1/alarms", &[("state", "closed"), ("before", &before)]);
        let closed: Alarms = caller.ask(&path).await?;
        found = closed.alarms.into_iter().find(is_it);
    }
    let one = found.ok_or_else(missing)?;
    Ok(frame.around(&Single { frame: &frame, one, number }))
}

impl Alarm {
    /// How loud it is shown.
    fn tone(&self) -> &'static str {
        match (&self.closed, &self.acknowledged) {
            (Some(_), _) => "up",
            (None, Some(_)) => "degraded",
            (None, None) => "bad",
        }
    }

    /// What whoever says something of it has before him.
    fn seen(&self) -> String {
        let (is_seen, is_closed) = (self.acknowledged.is_some(), self.closed.is_some());
        format!("{} {is_seen} {is_closed} {}", self.times, self.lasts())
    }

    /// Whether nobody may close it now.
    fn lasts(&self) -> bool {
        self.closes_by_itself && !self.is_over
    }

    /// Whether there is something to say of it.
    fn may_be_said(&self) -> bool {
        self.closed.is_none() && (self.acknowledged.is_none() || !self.lasts())
    }

    /// Whether more was said than when it was raised.
    fn has_more(&self) -> bool {
        self.times > 1 && self.latest != self.text
    }
}
