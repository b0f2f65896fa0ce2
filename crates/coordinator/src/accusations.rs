//! What counters did wrong: counted against each of them, and told to operators in so many words a
//! minute, however often it happens.

use crate::events::{Events, Kind};
use domain::message::CounterId;
use domain::serial::MasterSerial;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::{AlarmAbout, AlarmKind};
use tokio::time::Instant;

/// The time in which only so much is told of one counter.
const WINDOW: Duration = Duration::from_mins(1);

/// What a counter may do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It spoke about what is not its own: a leg at another counter, a serial never issued.
    Foreign,
    /// It contradicted what it had proven, or claimed a posting that is not the leg's.
    Contradiction,
}

impl Fault {
    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Fault::Foreign => "foreign",
            Fault::Contradiction => "contradiction",
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Fault::Foreign => Kind::Foreign,
            Fault::Contradiction => Kind::Contradiction,
        }
    }

    const fn alarm(self) -> AlarmKind {
        match self {
            Fault::Foreign => AlarmKind::Foreign,
            Fault::Contradiction => AlarmKind::Contradiction,
        }
    }

    /// How many are told of one counter in a minute. Foreign words touch nothing, so one line is
    /// enough; each contradiction is about a transfer of its own, which a person looks at.
    const fn most(self) -> u32 {
        match self {
            Fault::Foreign => 1,
            Fault::Contradiction => 60,
        }
    }
}

/// What stands against one counter, for one kind of fault.
#[derive(Clone, Copy, Debug, Default)]
struct Against {
    /// Since the bridge started.
    count: u64,
    /// When the present window began, and how many were told in it.
    window: Option<(Instant, u32)>,
    /// Counted and not told, since something was told last.
    silent: u64,
}

impl Against {
    /// One more; whether it is to be told, and then how many were not since the last that was.
    fn add(&mut self, now: Instant, most: u32) -> Option<u64> {
        self.count += 1;
        let (began, told) = match self.window {
            Some((began, told)) if now.saturating_duration_since(began) < WINDOW => (began, told),
            Some(_) | None => (now, 0),
        };
        let tell = told < most;
        self.window = Some((began, told + u32::from(tell)));
        if tell {
            Some(std::mem::take(&mut self.silent))
        } else {
            self.silent += 1;
            None
        }
    }
}

/// All that stands against counters; it grows with their number only.
#[derive(Debug, Default)]
pub(crate) struct Accusations(Mutex<HashMap<(CounterId, Fault), Against>>);

impl Accusations {
    /// A counter did something wrong: counted, and told unless much was told of it just now.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn add(
        &self,
        counter: &CounterId,
        fault: Fault,
        about: Option<MasterSerial>,
        text: &str,
        events: &Events,
        wall: i64,
        now: Instant,
    ) {
        let labels = [("counter", counter.to_string()), ("fault", fault.as_str().to_owned())];
        metrics::counter!("counter_faults_total", &labels).increment(1);
        // The alarm outlives the log and the ring of events: it says of what.
        let of = about.map(|master| format!("{master}: {text}"));
        let alarm = AlarmAbout::Counter(counter.clone());
        events.raise(fault.alarm(), alarm, of.as_deref().unwrap_or(text));
        let tell = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry((counter.clone(), fault)).or_default().add(now, fault.most())
        };
        let Some(silent) = tell else { return };
        let text = match silent {
            0 => text.to_owned(),
            1 => format!("{text} (and one more before that was only counted)"),
            many => format!("{text} (and {many} more before that were only counted)"),
        };
        tracing::error!(%counter, master = about.map(|it| it.to_string()), fault = fault.as_str(), "{text}");
        events.record(wall, fault.kind(), about, text);
    }

    /// How often a counter did this since the bridge started.
    pub(crate) fn count(&self, counter: &CounterId, fault: Fault) -> u64 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(counter.clone(), fault)).map_or(0, |against| against.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dashboards go by them (docs/limits.md).
    #[test]
    fn faults_have_their_words_in_metrics() {
        let words = [Fault::Foreign, Fault::Contradiction].map(Fault::as_str);
        assert_eq!(words, ["foreign", "contradiction"]);
    }

    #[test]
    fn foreign_words_are_told_once_a_minute_and_all_counted() {
        let (accusations, events) = (Accusations::default(), Events::default());
        let (evil, other) = (CounterId::new("evil"), CounterId::new("other"));
        let (evil, other) = (evil.expect("a counter"), other.expect("a counter"));
        let began = Instant::now();
        let add = |counter: &CounterId, seconds| {
            let now = began + Duration::from_secs(seconds);
            accusations.add(counter, Fault::Foreign, None, "it spoke", &events, 0, now);
        };
        for _ in 0..1_000 {
            add(&evil, 0);
        }
        add(&evil, 59);
        add(&other, 59);
        add(&evil, 60);
        let (told, _) = events.follow();
        let told: Vec<&str> = told.iter().map(|event| event.text.as_str()).collect();
        let again = "it spoke (and 1000 more before that were only counted)";
        assert_eq!(told, ["it spoke", "it spoke", again]);
        assert_eq!(accusations.count(&evil, Fault::Foreign), 1_002);
        assert_eq!(accusations.count(&other, Fault::Foreign), 1);
        assert_eq!(accusations.count(&evil, Fault::Contradiction), 0);
    }

    #[test]
    fn contradictions_have_a_line_each_until_there_are_very_many() {
        let (accusations, events) = (Accusations::default(), Events::default());
        let evil = CounterId::new("evil").expect("a counter");
        for _ in 0..200 {
            let now = Instant::now();
            accusations.add(&evil, Fault::Contradiction, None, "it lied", &events, 0, now);
        }
        assert_eq!(events.follow().0.len(), 60);
        assert_eq!(accusations.count(&evil, Fault::Contradiction), 200);
    }
}
