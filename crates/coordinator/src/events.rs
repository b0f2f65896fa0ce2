//! What operators follow: a numbered ring, and a live feed in which a slow reader is told that it
//! has fallen behind.

use crate::alarm_desk::Desk;
use domain::serial::MasterSerial;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{AlarmAbout, AlarmKind};
use supervise::limit::{Limiter, Pace, Verdict};
use tokio::sync::broadcast;
use tokio::time::Instant;

/// How many events are kept for those who come later: a few screens.
const KEPT: usize = 512;
/// How far a reader may fall behind before it is told so.
const BEHIND: usize = 1024;

/// Something that happened to transfers.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Number of the event, counting up from 1 since the start.
    pub number: u64,
    /// When it happened, in microseconds since 1970 UTC.
    pub at: i64,
    /// What kind of event it is.
    pub kind: Kind,
    /// Master serial of the transfer that it is about, if it is about one.
    pub transfer: Option<MasterSerial>,
    /// What happened, in words for operators.
    pub text: String,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Transfers were taken up again after a restart.
    Recovered,
    /// A transfer needs an operator.
    NeedsOperator,
    /// An operator decided about a transfer.
    Decided,
    /// An operator has claimed a transfer, or claims it no longer.
    Claimed,
    /// An operator has proposed a decision, which waits for another; or it waits no longer.
    Proposed,
    /// A transfer that needed an operator has ended by what was proven since.
    Resolved,
    /// A counter contradicted itself, or the record.
    Contradiction,
    /// A counter spoke of what is not its own.
    Foreign,
    /// What counters said came faster than it could be compared with the record.
    NotCompared,
    /// A counter said something that a person should see.
    Notice,
    /// The database fails, or has come back.
    Database,
    /// This software failed at something, and went on with the rest.
    Defect,
    /// An operator keeps a counter from new transfers, or lets it go on, or has it sign on anew.
    Held,
    /// An alarm was raised, or somebody has acknowledged one, or one has closed.
    Alarm,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 14] = [
        Kind::Recovered,
        Kind::NeedsOperator,
        Kind::Decided,
        Kind::Claimed,
        Kind::Proposed,
        Kind::Resolved,
        Kind::Contradiction,
        Kind::Foreign,
        Kind::NotCompared,
        Kind::Notice,
        Kind::Database,
        Kind::Defect,
        Kind::Held,
        Kind::Alarm,
    ];

    /// Whether somebody has to look into it: it is counted and logged as an error. The others only say
    /// what was done, or is over: what has resolved itself is told, for a person may be busy with it.
    pub const fn is_alarm(self) -> bool {
        match self {
            Kind::NeedsOperator
            | Kind::Contradiction
            | Kind::Foreign
            | Kind::NotCompared
            | Kind::Notice
            | Kind::Database
            | Kind::Defect => true,
            Kind::Recovered
            | Kind::Decided
            | Kind::Claimed
            | Kind::Proposed
            | Kind::Resolved
            | Kind::Held
            | Kind::Alarm => false,
        }
    }

    /// What is told of something for which an alarm is raised.
    const fn of_alarm(kind: AlarmKind) -> Kind {
        match kind {
            AlarmKind::NeedsOperator => Kind::NeedsOperator,
            AlarmKind::CounterHeld | AlarmKind::Contradiction => Kind::Contradiction,
            AlarmKind::Foreign => Kind::Foreign,
            AlarmKind::NotCompared => Kind::NotCompared,
            AlarmKind::Notice => Kind::Notice,
            AlarmKind::Database | AlarmKind::RecordBehind => Kind::Database,
            AlarmKind::Defect | AlarmKind::TooMany => Kind::Defect,
        }
    }

    /// The word in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Recovered => "recovered",
            Kind::NeedsOperator => "needs_operator",
            Kind::Decided => "decided",
            Kind::Claimed => "claimed",
            Kind::Proposed => "proposed",
            Kind::Resolved => "resolved",
            Kind::Contradiction => "contradiction",
            Kind::Foreign => "foreign",
            Kind::NotCompared => "not_compared",
            Kind::Notice => "notice",
            Kind::Database => "database",
            Kind::Defect => "defect",
            Kind::Held => "held",
            Kind::Alarm => "alarm",
        }
    }
}

/// How often one counter is quoted with one kind of event: twenty things at once, then one a second.
/// A hostile one fills no disk with it, and a counter in trouble has said what its trouble is.
const PACE: Pace = Pace { burst: 20, every: Duration::from_secs(1) };

/// Alarms of one kind that are told one by one: as many as an outage of everything raises while
/// somebody can still read them. Which transfers need a person stands in the record.
const ALARMS: Pace = Pace { burst: 1000, every: Duration::from_millis(20) };

/// Where events are recorded; clones are the same.
#[derive(Clone, Debug)]
pub struct Events {
    ring: Arc<Mutex<(u64, VecDeque<Event>)>>,
    feed: broadcast::Sender<Event>,
    limits: Arc<Mutex<Limits>>,
    desk: Desk,
    began: Instant,
}

/// Who has said how much lately.
#[derive(Debug)]
struct Limits {
    said: Limiter<(Kind, String)>,
    alarms: Limiter<Kind>,
}

impl Default for Events {
    fn default() -> Events {
        let limits = Limits { said: Limiter::new(PACE), alarms: Limiter::new(ALARMS) };
        Events {
            ring: Arc::default(),
            feed: broadcast::channel(BEHIND).0,
            limits: Arc::new(Mutex::new(limits)),
            desk: Desk::default(),
            began: Instant::now(),
        }
    }
}

impl Events {
    /// Something is said for which there is an alarm: counted each time (`alarms_total`), and raised once for as long as
    /// it is open. Whether it is an event, too, is for whoever says it to know.
    pub(crate) fn raise(&self, kind: AlarmKind, about: AlarmAbout, text: &str) {
        metrics::counter!("alarms_total", "kind" => Kind::of_alarm(kind).as_str()).increment(1);
        self.desk.say(kind, about, text);
    }

    /// Where alarms are said.
    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Records an event.
    pub fn record(&self, at: i64, kind: Kind, transfer: Option<MasterSerial>, text: String) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.0 += 1;
        let event = Event { number: ring.0, at, kind, transfer, text };
        if ring.1.len() == KEPT {
            ring.1.pop_front();
        }
        ring.1.push_back(event.clone());
        // Nobody listening is no error.
        let _ = self.feed.send(event);
    }

    /// Records something that was said by, or about, one counter, if it has not been quoted too often.
    /// Whether it was: then it may be logged as well. What is left out is counted
    /// (`events_left_out_total`) and told later.
    pub fn record_of(&self, at: i64, kind: Kind, counter: &str, text: &str) -> bool {
        let key = (kind, counter.to_owned());
        let verdict = self.limits().said.take(&key, self.began.elapsed());
        let Verdict::Say { left_out } = verdict else {
            metrics::counter!("events_left_out_total", "of" => counter.to_owned()).increment(1);
            return false;
        };
        if left_out > 0 {
            let words = words_left_out(left_out, counter);
            tracing::warn!("{words}");
            self.record(at, kind, None, words);
        }
        self.record(at, kind, None, text.to_owned());
        true
    }

    /// Whether one more alarm of a kind is told, for there are not too many. What is left out is
    /// counted and told later.
    pub fn admits_alarm(&self, at: i64, kind: Kind) -> bool {
        let verdict = self.limits().alarms.take(&kind, self.began.elapsed());
        let Verdict::Say { left_out } = verdict else {
            metrics::counter!("events_left_out_total", "of" => "alarms").increment(1);
            return false;
        };
        if left_out > 0 {
            let words = words_left_out(left_out, "alarms of this kind");
            tracing::error!(kind = kind.as_str(), "{words}");
            self.record(at, kind, None, words);
        }
        true
    }

    /// Records how much was left out of those that have fallen silent; the words, for the log.
    pub fn tell_left_out(&self, at: i64) -> Vec<String> {
        let now = self.began.elapsed();
        let (said, alarms) = {
            let mut limits = self.limits();
            (limits.said.silent(now), limits.alarms.silent(now))
        };
        let said = said.into_iter().map(|((kind, of), count)| (kind, words_left_out(count, &of)));
        let alarms = alarms
            .into_iter()
            .map(|(kind, count)| (kind, words_left_out(count, "alarms of this kind")));
        let told: Vec<(Kind, String)> = said.chain(alarms).collect();
        for (kind, text) in &told {
            self.record(at, *kind, None, text.clone());
        }
        told.into_iter().map(|(_, text)| text).collect()
    }

    // A lock, because many record; it is held while a number is looked at.
    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest events, oldest first, and the feed of all later ones.
    pub fn follow(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        (ring.1.iter().cloned().collect(), self.feed.subscribe())
    }
}

/// What is said of what was not said.
fn words_left_out(count: u64, of: &str) -> String {
    format!("{of}: {count} more were left out, for there were too many")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_resolved_itself_wakes_nobody() {
        assert!(!Kind::Resolved.is_alarm());
        for kind in [Kind::NeedsOperator, Kind::Contradiction, Kind::Defect, Kind::Notice] {
            assert!(kind.is_alarm(), "{kind:?}");
        }
        for kind in AlarmKind::ALL {
            assert!(Kind::of_alarm(kind).is_alarm(), "{kind:?}");
        }
    }

    #[test]
    fn a_kind_has_one_word_in_events_and_metrics() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::json!(kind), kind.as_str());
        }
    }

    #[test]
    fn one_who_floods_is_quoted_a_little_and_nothing_is_left_out_uncounted() {
        let events = Events::default();
        let (flood, mut said) = (100_000_u64, 0);
        for _ in 0..flood {
            said += u64::from(events.record_of(1, Kind::Notice, "evil", &"x".repeat(500)));
        }
        assert!((20..100).contains(&said), "{said}");
        assert!(events.record_of(1, Kind::Notice, "futures", "careful"), "another is heard");
        let (ring, _) = events.follow();
        assert!(ring.len() <= KEPT);
        let number = |event: &Event| {
            event.text.strip_prefix("evil: ")?.split(' ').next()?.parse::<u64>().ok()
        };
        let told: u64 = ring.iter().filter_map(number).sum();
        let silent = events.limits().said.silent(Duration::MAX);
        let left_out: u64 = silent.iter().map(|(_, count)| count).sum();
        assert_eq!(said + told + left_out, flood);
    }

    /// How often something was left out is said before the next thing that is told, and only if it was.
    #[tokio::test(start_paused = true)]
    async fn what_was_left_out_is_said_before_what_is_told_next() {
        let events = Events::default();
        let texts = || events.follow().0.into_iter().map(|event| event.text).collect::<Vec<_>>();
        let say = |of: &str| events.record_of(1, Kind::Notice, of, of);
        assert!(say("calm"));
        tokio::time::advance(Duration::from_mins(5)).await;
        assert!(say("calm") && events.admits_alarm(1, Kind::Defect));
        assert_eq!(texts(), ["calm", "calm"]);
        let said = (0..1_000).filter(|_| say("flood")).count();
        let alarms = (0..5_000).filter(|_| events.admits_alarm(1, Kind::Defect)).count();
        tokio::time::advance(Duration::from_mins(5)).await;
        assert!(say("flood") && events.admits_alarm(1, Kind::Defect));
        let told = texts();
        let [.., left_out, flood, alarms_left_out] = &told[..] else { panic!("{told:?}") };
        assert_eq!(*left_out, words_left_out(1_000 - u64::try_from(said).expect("few"), "flood"));
        assert_eq!(flood, "flood");
        let missing = 5_000 - u64::try_from(alarms).expect("few");
        assert_eq!(*alarms_left_out, words_left_out(missing, "alarms of this kind"));
        assert_eq!(told.len(), 2 + said + 3);
        let numbers: Vec<u64> = events.follow().0.iter().map(|event| event.number).collect();
        assert!(numbers.iter().copied().eq(1..=u64::try_from(told.len()).expect("few")));
        // Those who have fallen silent are spoken of all the same.
        assert!((0..30).filter(|_| !say("flood")).count() > 0);
        assert_eq!(events.tell_left_out(2), [""; 0], "not yet");
        tokio::time::advance(Duration::from_mins(5)).await;
        let words = events.tell_left_out(2);
        assert!(words.len() == 1 && words[0].starts_with("flood: "), "{words:?}");
        assert_eq!(texts().last(), words.last());
        assert_eq!(events.tell_left_out(2), [""; 0], "once");
    }
}
