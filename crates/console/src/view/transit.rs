//! Money that has left its source and neither arrived nor come back, as far as proven; whether all of it is there, and
//! what each counter lets be known of it.

use crate::asking::{Caller, Refused};
use crate::filters;
use crate::frame::Frame;
use crate::json::{Ages, CounterInTransit, LegsMoney, Transit};
use crate::show;
use askama::Template;
use axum::response::Response;

/// Ages by which money is told apart.
const BANDS: [&str; 4] = ["below a minute", "below an hour", "below a day", "older"];

#[derive(Template)]
#[template(path = "transit.html")]
struct Page<'a> {
    frame: &'a Frame,
    bands: [&'static str; BANDS.len()],
    transit: Transit,
}

/// `GET /transit`.
pub(crate) async fn show(caller: Caller) -> Result<Response, Refused> {
    let frame = Frame::new(&caller, ("/transit", "/transit"), "Money in transit", None).await?;
    let transit = caller.ask("/ops/v1/transit").await?;
    Ok(frame.around(&Page { frame: &frame, bands: BANDS, transit }))
}

impl Ages {
    /// Each band with what is in it, as it is written; with nothing if that is nothing.
    fn bands(&self, currency: &str) -> [(&'static str, String); BANDS.len()] {
        let each = [self.below_minute, self.below_hour, self.below_day, self.older];
        let written = |minor| if minor == 0 { String::new() } else { show::money(minor, currency) };
        let mut each = each.into_iter().map(written);
        BANDS.map(|band| (band, each.next().unwrap_or_default()))
    }
}

impl CounterInTransit {
    /// How its badge looks; the word stands in it.
    fn tone(&self) -> &'static str {
        match self.colour.as_str() {
            "green" => "up",
            "red" => "down",
            _ => "degraded",
        }
    }

    /// What is in all currencies, as it is written.
    fn sums(&self, of: impl Fn(&LegsMoney) -> i64) -> String {
        let there = self.money.iter().filter(|legs| of(legs) != 0);
        there.map(|legs| show::money(of(legs), &legs.currency)).collect::<Vec<_>>().join(", ")
    }

    fn debited(&self) -> String {
        self.sums(|legs| legs.debited)
    }

    fn credited(&self) -> String {
        self.sums(|legs| legs.credited)
    }

    fn returned(&self) -> String {
        self.sums(|legs| legs.returned)
    }

    fn unknown(&self) -> String {
        self.sums(|legs| legs.unknown)
    }
}
