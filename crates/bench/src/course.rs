//! What share of a transfer's time each part of its course takes: the caller's own clock before and
//! after, and between them the times in the trails of a sample.

use crate::figures::round;
use crate::sample::Sample;
use crate::stage::Stage;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Shares of the time from the request's first byte to the answer's last; they add up to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Course {
    /// Until it is accepted: HTTP and the signature.
    accept: f64,
    /// Until its acceptance is durable and the debit written to its link.
    first_barrier: f64,
    /// Until the securities counter has answered.
    debit: f64,
    /// Until the credit is written to its link.
    between: f64,
    /// Until the futures counter has answered.
    credit: f64,
    /// Until its end is durable and the answer has come.
    last_barrier: f64,
    /// Transfers that were looked at.
    transfers: u32,
}

/// The moments of one transfer, in order; microseconds since 1970 UTC.
type Moments = [i64; 7];

#[derive(Deserialize)]
struct Evidence {
    created_at: String,
    trail: Vec<Happened>,
}

#[derive(Deserialize)]
struct Happened {
    at: String,
    event: String,
}

/// Reads the trails of these, and says where their time went; `None` if there are none.
pub(crate) async fn look(stage: &Stage, samples: &VecDeque<Sample>) -> Result<Option<Course>> {
    let mut all = Vec::new();
    for sample in samples {
        let path = format!("/ops/v1/transfers/{}", sample.master_serial);
        all.push(moments(sample, &stage.ask_operators(&path).await?)?);
    }
    Ok(course(&all))
}

fn moments(sample: &Sample, evidence: &Evidence) -> Result<Moments> {
    let at = |begins: &str| {
        let found = evidence.trail.iter().find(|happened| happened.event.starts_with(begins));
        let found = found.with_context(|| format!("no \"{begins}\" in a trail"))?;
        micros(&found.at)
    };
    let moments = [
        sample.sent,
        micros(&evidence.created_at)?,
        at("debit sent")?,
        at("debit: done")?,
        at("credit sent")?,
        at("credit: done")?,
        sample.heard,
    ];
    ensure!(moments.is_sorted(), "a trail that is not in order: {moments:?}");
    Ok(moments)
}

fn micros(text: &str) -> Result<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).with_context(|| format!("{text:?}"))?;
    Ok(i64::try_from(time.unix_timestamp_nanos() / 1000)?)
}

fn course(all: &[Moments]) -> Option<Course> {
    let sum = |from: usize, to: usize| -> f64 {
        all.iter().map(|moments| span(moments[to] - moments[from])).sum()
    };
    let whole = sum(0, 6);
    let share = |step: usize| round(sum(step, step + 1) / whole, 3);
    (whole > 0.0).then(|| Course {
        accept: share(0),
        first_barrier: share(1),
        debit: share(2),
        between: share(3),
        credit: share(4),
        last_barrier: share(5),
        transfers: u32::try_from(all.len()).unwrap_or(u32::MAX),
    })
}

/// Microseconds as a float; exact up to an hour.
fn span(us: i64) -> f64 {
    f64::from(i32::try_from(us).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(events: &[(&str, &str)]) -> Evidence {
        let happened = |(at, event): &(&str, &str)| Happened {
            at: format!("2026-11-22T01:51:43.{at}Z"),
            event: (*event).to_owned(),
        };
        Evidence {
            created_at: "2026-11-22T01:51:43.0001Z".to_owned(),
            trail: events.iter().map(happened).collect(),
        }
    }

    const WHOLE: [(&str, &str); 5] = [
        ("0005", "debit sent"),
        ("0007", "debit: done (200 posted)"),
        ("0007", "credit sent"),
        ("00095", "credit: done (200 posted)"),
        ("00095", "final"),
    ];

    #[test]
    fn a_transfer_s_time_is_parted_without_a_rest() {
        let second = micros("2026-11-22T01:51:43Z").expect("a time");
        let answer = br#"{"master_serial":"2026112200000000001","state":"completed"}"#;
        let sample = Sample::of(answer, second, second + 1000).expect("an answer");
        let moments = moments(&sample, &evidence(&WHOLE)).expect("in order");
        assert_eq!(moments.map(|at| at - second), [0, 100, 500, 700, 700, 950, 1000]);
        let course = course(&[moments, moments]).expect("some");
        let shares = serde_json::to_string(&course).expect("JSON");
        assert_eq!(
            shares,
            r#"{"accept":0.1,"first_barrier":0.4,"debit":0.2,"between":0.0,"credit":0.25,"last_barrier":0.05,"transfers":2}"#
        );
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        assert_eq!(course(&[]), None);
        assert_eq!(Sample::of(b"{}", 0, 1), None);
        let second = micros("2026-11-22T01:51:43Z").expect("a time");
        let sample = |sent, heard| Sample { master_serial: "1".to_owned(), sent, heard };
        for (sample, trail, word) in [
            (sample(second, second + 1000), &WHOLE[1..], "debit sent"),
            (sample(second, second + 10), &WHOLE[..], "order"),
            (sample(second + 200, second + 1000), &WHOLE[..], "order"),
        ] {
            let error = moments(&sample, &evidence(trail)).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(micros("yesterday").is_err());
    }
}
