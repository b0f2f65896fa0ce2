//! The first page: what needs a person stands first.

use crate::asking::{Caller, Refused};
use crate::filters;
use crate::frame::Frame;
use crate::json::{Counter, Evidence, OpenTransfers};
use askama::Template;
use axum::response::Response;
use std::collections::BTreeSet;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page<'a> {
    frame: &'a Frame,
    counters: Vec<Counter>,
    doubted: Vec<Counter>,
    rejected: Vec<Counter>,
    waiting: Vec<Evidence>,
    total: usize,
}

/// `GET /`.
pub(crate) async fn show(caller: Caller) -> Result<Response, Refused> {
    let frame = Frame::new(&caller, ("/", "/"), "Overview", None).await?;
    let counters: Vec<Counter> = caller.ask("/ops/v1/counters").await?;
    let proposed: OpenTransfers = caller.ask("/ops/v1/proposals?limit=50").await?;
    let parked = "/ops/v1/transfers?state=needs_operator&limit=50&trail=false";
    let parked: OpenTransfers = caller.ask(parked).await?;
    let total = parked.total;
    // What waits for a second person's word stands before what waits for a first one's.
    let waits: BTreeSet<String> =
        proposed.transfers.iter().map(|one| one.master_serial.clone()).collect();
    let mut waiting = proposed.transfers;
    waiting.extend(parked.transfers.into_iter().filter(|one| !waits.contains(&one.master_serial)));
    let has_rejected = |one: &Counter| one.connections.iter().any(|link| link.state == "held");
    let rejected = counters.iter().filter(|counter| has_rejected(counter)).cloned().collect();
    let doubted = counters.iter().filter(|counter| counter.held.is_some()).cloned().collect();
    Ok(frame.around(&Page { frame: &frame, counters, doubted, rejected, waiting, total }))
}
