//! Counts what became of transfers, and how long they took.

use crate::connection::Answer;
use crate::mix::Ending;
use crate::sample::{self, Sample};
use anyhow::Result;
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The longest latency that is told apart, in microseconds: two minutes.
const LONGEST_US: u64 = 120_000_000;

/// What is told of a run minute by minute.
const MINUTE_S: u64 = 60;

/// When transfers are counted: those that end within.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) start: Instant,
    pub(crate) end: Instant,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    /// It ended as it was meant to.
    Ended(Ending),
    /// The bridge takes no more for now (429, 503).
    TurnedAway(Refusal),
    /// Anything else; in words.
    Wrong(String),
}

/// How a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// Whether it was said when to come again.
    pub(crate) says_when: bool,
}

/// When a request began and how long it took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    /// Since it should have been sent.
    pub(crate) since_due: Duration,
    /// Since it was sent.
    pub(crate) since_sent: Duration,
    /// Since the measured time began.
    pub(crate) into_window: Duration,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tally {
    latency: Histogram<u64>,
    /// How long it took to be turned away, from when the request was sent.
    turning_away: Histogram<u64>,
    /// Latencies minute by minute.
    minutes: Vec<Histogram<u64>>,
    pub(crate) completed: u64,
    pub(crate) refused: u64,
    pub(crate) reversed: u64,
    pub(crate) turned_away: u64,
    /// Of these, the ones that were not told when to come again.
    pub(crate) without_retry_after: u64,
    /// Slots of the clock that no caller was free to take.
    pub(crate) unsent: u64,
    /// What went wrong, and how often.
    pub(crate) wrong: BTreeMap<String, u64>,
    /// Time spent making and signing requests.
    pub(crate) signing: Duration,
    /// Some of those that were completed; [`sample::MOST`] at most.
    pub(crate) samples: VecDeque<Sample>,
}

impl Tally {
    pub(crate) fn new() -> Result<Tally> {
        Ok(Tally {
            latency: Histogram::new_with_bounds(1, LONGEST_US, 3)?,
            turning_away: Histogram::new_with_bounds(1, LONGEST_US, 3)?,
            minutes: Vec::new(),
            completed: 0,
            refused: 0,
            reversed: 0,
            turned_away: 0,
            without_retry_after: 0,
            unsent: 0,
            wrong: BTreeMap::new(),
            signing: Duration::ZERO,
            samples: VecDeque::new(),
        })
    }

    pub(crate) fn add(&mut self, became: Became, timing: Timing) {
        match became {
            Became::Ended(ending) => {
                match ending {
                    Ending::Completed => self.completed += 1,
                    Ending::Refused => self.refused += 1,
                    Ending::Reversed => self.reversed += 1,
                }
                let latency = micros(timing.since_due);
                self.latency.saturating_record(latency);
                let minute = timing.into_window.as_secs() / MINUTE_S;
                let minute = usize::try_from(minute).unwrap_or(usize::MAX);
                while self.minutes.len() <= minute {
                    let mut empty = self.latency.clone();
                    empty.reset();
                    self.minutes.push(empty);
                }
                self.minutes[minute].saturating_record(latency);
            }
            Became::TurnedAway(Refusal { status, says_when }) => {
                tracing::debug!(status, "turned away");
                self.turned_away += 1;
                self.without_retry_after += u64::from(!says_when);
                self.turning_away.saturating_record(micros(timing.since_sent));
            }
            Became::Wrong(what) => *self.wrong.entry(what).or_default() += 1,
        }
    }

    /// Keeps a sample in the place of the oldest one.
    pub(crate) fn keep(&mut self, sample: Sample) {
        if self.samples.len() == sample::MOST {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// Adds what another thread counted.
    pub(crate) fn merge(&mut self, other: Tally) -> Result<()> {
        self.latency.add(&other.latency)?;
        self.turning_away.add(&other.turning_away)?;
        for (minute, theirs) in other.minutes.into_iter().enumerate() {
            match self.minutes.get_mut(minute) {
                Some(ours) => ours.add(&theirs)?,
                None => self.minutes.push(theirs),
            }
        }
        self.completed += other.completed;
        self.refused += other.refused;
        self.reversed += other.reversed;
        self.turned_away += other.turned_away;
        self.without_retry_after += other.without_retry_after;
        self.unsent += other.unsent;
        self.signing += other.signing;
        for sample in other.samples {
            self.keep(sample);
        }
        for (what, count) in other.wrong {
            *self.wrong.entry(what).or_default() += count;
        }
        Ok(())
    }

    /// Transfers that ended as they were meant to.
    pub(crate) fn ended(&self) -> u64 {
        self.completed + self.refused + self.reversed
    }

    pub(crate) fn errors(&self) -> u64 {
        self.wrong.values().sum()
    }

    /// The latency below which this share of transfers lies, in milliseconds.
    pub(crate) fn latency_ms(&self, share: f64) -> f64 {
        quantile_ms(&self.latency, share)
    }

    /// The time below which this share of refusals came, in milliseconds.
    pub(crate) fn turning_away_ms(&self, share: f64) -> f64 {
        quantile_ms(&self.turning_away, share)
    }

    /// How many ended in each minute, and the latency below which this share of them lies, in
    /// milliseconds.
    pub(crate) fn minutes(&self, share: f64) -> Vec<(u64, f64)> {
        self.minutes.iter().map(|minute| (minute.len(), quantile_ms(minute, share))).collect()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(LONGEST_US)
}

fn quantile_ms(histogram: &Histogram<u64>, share: f64) -> f64 {
    f64::from(u32::try_from(histogram.value_at_quantile(share)).unwrap_or(u32::MAX)) / 1000.0
}

impl Became {
    /// What an answer means.
    pub(crate) fn of(answer: Answer<'_>, meant: Ending) -> Became {
        let said = |state: &str| {
            let wanted = format!("\"state\":\"{state}\"");
            answer.body.windows(wanted.len()).any(|part| part == wanted.as_bytes())
        };
        match answer.status {
            201 if said(meant.state()) => Became::Ended(meant),
            429 | 503 => {
                Became::TurnedAway(Refusal { status: answer.status, says_when: answer.retry_after })
            }
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
        let became = |status, body: &str, meant| {
            let answer = Answer { status, retry_after: true, body: body.as_bytes() };
            Became::of(answer, meant)
        };
        let done = r#"{"state":"completed"}"#;
        assert_eq!(became(201, done, Ending::Completed), Became::Ended(Ending::Completed));
        assert!(matches!(became(201, done, Ending::Refused), Became::Wrong(_)));
        assert!(matches!(became(202, done, Ending::Completed), Became::Wrong(_)));
        let refusal = Refusal { status: 503, says_when: true };
        assert_eq!(became(503, "", Ending::Completed), Became::TurnedAway(refusal));
        let one = became(422, "transfer 2026112100000000001", Ending::Completed);
        assert_eq!(one, became(422, "transfer 2026112100000000002", Ending::Completed));
    }

    #[test]
    fn of_many_samples_the_last_are_kept() {
        let most = i64::try_from(sample::MOST).expect("few");
        let (mut tally, mut other) = (Tally::new().expect("one"), Tally::new().expect("another"));
        let sample = |sent| Sample { master_serial: String::new(), sent, heard: sent };
        for sent in 0..most {
            tally.keep(sample(sent));
        }
        assert_eq!(tally.samples.front(), Some(&sample(0)));
        tally.keep(sample(most));
        other.keep(sample(-1));
        tally.merge(other).expect("merged");
        assert_eq!(tally.samples.len(), sample::MOST);
        assert_eq!(tally.samples.front(), Some(&sample(2)));
        assert_eq!(tally.samples.back(), Some(&sample(-1)));
    }

    fn after(millis: u64, minute: u64) -> Timing {
        let since_sent = Duration::from_millis(millis);
        let into_window = Duration::from_secs(minute * MINUTE_S);
        Timing { since_due: since_sent, since_sent, into_window }
    }

    #[test]
    fn percentiles_are_those_of_what_ended() {
        let mut tally = Tally::new().expect("a tally");
        for millis in 1..=100 {
            tally.add(Became::Ended(Ending::Completed), after(millis, millis / 51));
        }
        tally.add(Became::Wrong("x".to_owned()), after(100_000, 0));
        tally.add(Became::TurnedAway(Refusal { status: 429, says_when: false }), after(7, 0));
        assert!((tally.latency_ms(0.5) - 50.0).abs() < 0.1);
        assert!((tally.latency_ms(0.99) - 99.0).abs() < 0.1);
        assert_eq!((tally.ended(), tally.errors()), (100, 1));
        assert_eq!((tally.turned_away, tally.without_retry_after), (1, 1));
        assert!((tally.turning_away_ms(0.5) - 7.0).abs() < 0.1);
        let minutes = tally.minutes(1.0);
        assert_eq!(minutes.iter().map(|(ended, _)| *ended).collect::<Vec<_>>(), [50, 50]);
        assert!((minutes[0].1 - 50.0).abs() < 0.1 && (minutes[1].1 - 100.0).abs() < 0.1);
    }
}
