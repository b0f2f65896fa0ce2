//! Counts what became of transfers, and how long they took.

use super::connection::Answer;
use super::mix::Ending;
use anyhow::Result;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest latency that is told apart, in microseconds: two minutes.
const LONGEST_US: u64 = 120_000_000;

/// When transfers are counted: those that end within.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) start: Instant,
    pub(super) end: Instant,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// It ended as it was meant to.
    Ended(Ending),
    /// The bridge takes no more for now (429, 503).
    TurnedAway(u16),
    /// Anything else; in words.
    Wrong(String),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Tally {
    latency: Histogram<u64>,
    pub(super) completed: u64,
    pub(super) refused: u64,
    pub(super) reversed: u64,
    pub(super) turned_away: u64,
    /// What went wrong, and how often.
    pub(super) wrong: BTreeMap<String, u64>,
    /// Time spent making and signing requests.
    pub(super) signing: Duration,
}

impl Tally {
    pub(super) fn new() -> Result<Tally> {
        Ok(Tally {
            latency: Histogram::new_with_bounds(1, LONGEST_US, 3)?,
            completed: 0,
            refused: 0,
            reversed: 0,
            turned_away: 0,
            wrong: BTreeMap::new(),
            signing: Duration::ZERO,
        })
    }

    pub(super) fn add(&mut self, became: Became, latency: Duration) {
        match became {
            Became::Ended(ending) => {
                match ending {
                    Ending::Completed => self.completed += 1,
                    Ending::Refused => self.refused += 1,
                    Ending::Reversed => self.reversed += 1,
                }
                self.latency
                    .saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US));
            }
            Became::TurnedAway(status) => {
                tracing::debug!(status, "turned away");
                self.turned_away += 1;
            }
            Became::Wrong(what) => *self.wrong.entry(what).or_default() += 1,
        }
    }

    /// Adds what another thread counted.
    pub(super) fn merge(&mut self, other: Tally) -> Result<()> {
        self.latency.add(&other.latency)?;
        self.completed += other.completed;
        self.refused += other.refused;
        self.reversed += other.reversed;
        self.turned_away += other.turned_away;
        self.signing += other.signing;
        for (what, count) in other.wrong {
            *self.wrong.entry(what).or_default() += count;
        }
        Ok(())
    }

    /// Transfers that ended as they were meant to.
    pub(super) fn ended(&self) -> u64 {
        self.completed + self.refused + self.reversed
    }

    pub(super) fn errors(&self) -> u64 {
        self.wrong.values().sum()
    }

    /// The latency below which this share of transfers lies, in milliseconds.
    pub(super) fn latency_ms(&self, share: f64) -> f64 {
        let micros = u32::try_from(self.latency.value_at_quantile(share)).unwrap_or(u32::MAX);
        f64::from(micros) / 1000.0
    }
}

impl Became {
    /// What an answer means.
    pub(super) fn of(answer: Answer<'_>, meant: Ending) -> Became {
        let said = |state: &str| {
            let wanted = format!("\"state\":\"{state}\"");
            answer.body.windows(wanted.len()).any(|part| part == wanted.as_bytes())
        };
        match answer.status {
            201 if said(meant.state()) => Became::Ended(meant),
            429 | 503 => Became::TurnedAway(answer.status),
            status => {
                let text = String::from_utf8_lossy(answer.body);
                // What differs from one transfer to the next would make each a kind of its own.
                let kind: String = text
                    .chars()
                    .take(160)
                    .map(|c| if c.is_ascii_digit() { '#' } else { c })
                    .collect();
                Became::Wrong(format!("{status}, not {}: {kind}", meant.state()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_meant_ending_is_right() {
        let became =
            |status, body: &str, meant| Became::of(Answer { status, body: body.as_bytes() }, meant);
        let done = r#"{"state":"completed"}"#;
        assert_eq!(became(201, done, Ending::Completed), Became::Ended(Ending::Completed));
        assert!(matches!(became(201, done, Ending::Refused), Became::Wrong(_)));
        assert!(matches!(became(202, done, Ending::Completed), Became::Wrong(_)));
        assert_eq!(became(503, "", Ending::Completed), Became::TurnedAway(503));
        let one = became(422, "transfer 2026112100000000001", Ending::Completed);
        assert_eq!(one, became(422, "transfer 2026112100000000002", Ending::Completed));
    }

    #[test]
    fn percentiles_are_those_of_what_ended() {
        let mut tally = Tally::new().expect("a tally");
        for millis in 1..=100 {
            tally.add(Became::Ended(Ending::Completed), Duration::from_millis(millis));
        }
        tally.add(Became::Wrong("x".to_owned()), Duration::from_secs(100));
        assert!((tally.latency_ms(0.5) - 50.0).abs() < 0.1);
        assert!((tally.latency_ms(0.99) - 99.0).abs() < 0.1);
        assert_eq!((tally.ended(), tally.errors()), (100, 1));
    }
}
