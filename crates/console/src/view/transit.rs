//! Money that has left its source and neither arrived nor come back, as far as proven.

use crate::asking::{Caller, Refused};
use crate::filters;
use crate::frame::Frame;
use crate::json::{Evidence, OpenTransfers};
use crate::show;
use askama::Template;
use axum::response::Response;
use std::collections::BTreeMap;

/// Ages by which money is told apart: names, and the seconds below which each ends.
const BANDS: [(&str, i64); 4] = [
    ("below a minute", 60),
    ("below an hour", 3_600),
    ("below a day", 86_400),
    ("older", i64::MAX),
];

/// What is in transit between two counters, by age and currency, in minor units.
struct Pair {
    from: String,
    to: String,
    bands: [BTreeMap<String, i64>; BANDS.len()],
}

impl Pair {
    fn sums(&self) -> Vec<(&'static str, String)> {
        let text = |sums: &BTreeMap<String, i64>| {
            let sums = sums.iter().map(|(currency, minor)| show::money(*minor, currency));
            sums.collect::<Vec<_>>().join(", ")
        };
        BANDS.iter().zip(&self.bands).map(|((name, _), sums)| (*name, text(sums))).collect()
    }
}

#[derive(Template)]
#[template(path = "transit.html")]
struct Page<'a> {
    frame: &'a Frame,
    bands: Vec<&'static str>,
    pairs: Vec<Pair>,
    moving: Vec<Evidence>,
    looked: usize,
    total: usize,
}

/// `GET /transit`.
pub(crate) async fn show(caller: Caller) -> Result<Response, Refused> {
    let frame = Frame::new(&caller, ("/transit", "/transit"), "Money in transit", None).await?;
    let open: OpenTransfers = caller.ask("/ops/v1/transfers?limit=200&trail=false").await?;
    let (looked, total) = (open.transfers.len(), open.total);
    let mut moving: Vec<Evidence> = open.transfers;
    moving.retain(|one| one.in_transit != 0);
    let pairs = by_pair(&moving, |one| frame.since(&one.created_at));
    moving.truncate(50);
    let bands = BANDS.map(|(name, _)| name).to_vec();
    Ok(frame.around(&Page { frame: &frame, bands, pairs, moving, looked, total }))
}

fn by_pair(moving: &[Evidence], age: impl Fn(&Evidence) -> i64) -> Vec<Pair> {
    let mut pairs: BTreeMap<(&str, &str), [BTreeMap<String, i64>; BANDS.len()]> = BTreeMap::new();
    for one in moving {
        let bands = pairs.entry((&one.from.counter, &one.to.counter)).or_default();
        let age = age(one);
        let at = BANDS.iter().position(|(_, end)| age < *end).unwrap_or(BANDS.len() - 1);
        let sum = bands[at].entry(one.currency.clone()).or_default();
        *sum = sum.saturating_add(one.in_transit);
    }
    let pairs = pairs.into_iter();
    pairs.map(|((from, to), bands)| Pair { from: from.into(), to: to.into(), bands }).collect()
}
