//! What happened lately: a numbered ring that can be read and followed without a gap that goes
//! unnoticed.

use crate::status::State;
use crate::strangers::{Stranger, Strangers, Told};
use domain::message::CounterId;
use domain::serial::{Day, SubSerial};
use foreign::ForeignText;
use serde::Serialize;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use supervise::clock::now_micros;
use tokio::sync::broadcast;
use tokio::time::Instant;

/// How many events are kept, and how far a follower may fall behind. A link that flaps as fast as
/// it may makes about 60 a minute: this is a few minutes of the worst, days of the normal.
pub const KEPT: usize = 256;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Number of the event, counting up from 1 without gaps since the bridge started.
    pub number: u64,
    /// When it happened, in microseconds since 1970 UTC.
    pub at: i64,
    /// The counter whose link it happened to; `None` for what happened at the acceptor to nobody
    /// known.
    pub counter: Option<CounterId>,
    /// What happened, with all that is known of it.
    pub what: What,
}

/// What happened to a link, or at the acceptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// A connection changed its state.
    State {
        /// Number of the connection among the counter's, from 0.
        channel: u16,
        /// The state that it is in now.
        state: State,
        /// The cause in words, where something went wrong.
        cause: Option<String>,
    },
    /// The counter's accounting day or its opening changed.
    Standing {
        /// The counter's accounting day from now on.
        settle_day: Day,
        /// Whether it is open for postings from now on.
        open: bool,
    },
    /// The counter gave an answer that nobody waited for.
    Unmatched {
        /// Sub serial of the leg that the answer is about, if it is about one.
        serial: Option<SubSerial>,
        /// Whether its request is known and had ended unknown.
        late: bool,
    },
    /// The counter sent a body that could not be read.
    Malformed {
        /// What is wrong with the body, in words.
        error: String,
    },
    /// Something that is only for people could not be read; the messages' other parts were.
    Unreadable {
        /// `label`, `words`, `counter_serial` or `entry_time`.
        what: &'static str,
        /// In how many messages on this connection since the start.
        count: u64,
    },
    /// Somebody dialled in and was not let in. Of many, only some are told.
    Stranger {
        /// The IP address that they came from.
        address: IpAddr,
        /// Why they were not let in, in a word: as in `link_refused_connections_total`.
        why: &'static str,
        /// Why they were not let in, in a sentence.
        cause: String,
        /// How many more were not let in since the one that was told before, for whatever reason.
        others: u64,
    },
    /// The counter said something that a person should see.
    Notice {
        /// How urgent it is: `info`, `warning` or `alarm`.
        severity: &'static str,
        /// What it says to people, at most 500 characters.
        text: ForeignText,
    },
}

/// The ring. Cheap to clone; all clones are the same ring, and several links may share it.
#[derive(Clone, Debug)]
pub struct History {
    // A lock, because several links write and several operators read; it is held for one push or
    // one copy and never across an await.
    ring: Arc<Mutex<Ring>>,
}

#[derive(Debug)]
struct Ring {
    next: u64,
    kept: VecDeque<Event>,
    followers: broadcast::Sender<Event>,
    strangers: Strangers,
}

impl Default for History {
    fn default() -> History {
        let ring = Ring {
            next: 1,
            kept: VecDeque::with_capacity(KEPT),
            followers: broadcast::Sender::new(KEPT),
            strangers: Strangers::default(),
        };
        History { ring: Arc::new(Mutex::new(ring)) }
    }
}

impl History {
    /// Those kept with a number greater than `after`, oldest first. If the first one's number is
    /// not `after + 1`, the ones between are forgotten.
    pub fn since(&self, after: u64) -> Vec<Event> {
        self.with(|ring| ring.after(after))
    }

    /// Those kept after `after` and, without a gap, all that come.
    pub fn follow(&self, after: u64) -> Follower {
        self.with(|ring| {
            let kept: VecDeque<Event> = ring.after(after).into();
            let missed = kept.front().map_or(ring.next, |event| event.number) - 1;
            Follower {
                missed: missed.saturating_sub(after),
                kept,
                coming: ring.followers.subscribe(),
            }
        })
    }

    /// Something happened to a counter.
    pub fn record(&self, counter: &CounterId, what: What) {
        self.with(|ring| ring.push(Some(counter.clone()), what));
    }

    /// Those who were not let in lately, the last first, and how many there were since the start.
    pub fn strangers(&self) -> (Vec<Stranger>, u64) {
        self.with(|ring| ring.strangers.list())
    }

    /// Somebody was not let in. Whether that was told: of many, only some are.
    pub fn stranger(
        &self,
        address: IpAddr,
        why: &'static str,
        cause: &str,
        counter: Option<CounterId>,
    ) -> bool {
        let (at, cause) = (now_micros(), cause.chars().take(300).collect());
        let stranger =
            Stranger { address, why, cause, counter, times: 1, first_at: at, last_at: at };
        self.with(|ring| {
            let told = ring.strangers.came(Instant::now(), stranger);
            told.map(|told| ring.tell(told)).is_some()
        })
    }

    /// Tells what of them was not told when it happened, as far as it is time for it.
    pub fn tell_strangers(&self) {
        self.with(|ring| {
            let rest = ring.strangers.rest(Instant::now());
            if let Some(told) = rest {
                ring.tell(told);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Ring) -> T) -> T {
        act(&mut self.ring.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn push(&mut self, counter: Option<CounterId>, what: What) {
        let event = Event { number: self.next, at: now_micros(), counter, what };
        self.next += 1;
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(event.clone());
        // Nobody following is no error.
        let _ = self.followers.send(event);
    }

    fn tell(&mut self, (stranger, others): Told) {
        let Stranger { address, why, cause, counter, .. } = stranger;
        self.push(counter, What::Stranger { address, why, cause, others });
    }

    fn after(&self, after: u64) -> Vec<Event> {
        self.kept.iter().filter(|event| event.number > after).cloned().collect()
    }
}

/// Reads a [`History`] as it is written.
#[derive(Debug)]
pub struct Follower {
    missed: u64,
    kept: VecDeque<Event>,
    coming: broadcast::Receiver<Event>,
}

/// What a [`Follower`] reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// The next event.
    Event(Event),
    /// So many events were forgotten before they could be read: look at the snapshots instead.
    Lagged(u64),
}

impl Follower {
    /// The next event, or that some were missed; `None` once the history is gone.
    pub async fn next(&mut self) -> Option<Followed> {
        if self.missed > 0 {
            return Some(Followed::Lagged(std::mem::take(&mut self.missed)));
        }
        if let Some(event) = self.kept.pop_front() {
            return Some(Followed::Event(event));
        }
        match self.coming.recv().await {
            Ok(event) => Some(Followed::Event(event)),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Followed::Lagged(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strangers::TOLD_EVERY;

    fn history_of(events: u64) -> (History, CounterId) {
        let counter = CounterId::new("securities").expect("an id");
        let history = History::default();
        for _ in 0..events {
            history.record(&counter, What::Unmatched { serial: None, late: false });
        }
        (history, counter)
    }

    #[test]
    fn the_ring_keeps_the_last_and_numbers_all() {
        let (history, _) = history_of(300);
        let numbers: Vec<u64> = history.since(0).iter().map(|event| event.number).collect();
        assert_eq!(numbers, (45..=300).collect::<Vec<u64>>());
        assert_eq!(history.since(299).len(), 1);
        assert!(history.since(300).is_empty());
    }

    #[tokio::test]
    async fn a_follower_sees_every_event_or_is_told_how_many_it_missed() {
        let (history, counter) = history_of(300);
        let mut follower = history.follow(10);
        assert_eq!(follower.next().await, Some(Followed::Lagged(34)));
        let mut last = 44;
        for _ in 0..256 {
            let Some(Followed::Event(event)) = follower.next().await else { panic!("an event") };
            assert_eq!(event.number, last + 1);
            last = event.number;
        }
        for _ in 0..KEPT + 5 {
            history.record(&counter, What::Unmatched { serial: None, late: true });
        }
        assert_eq!(follower.next().await, Some(Followed::Lagged(5)));
        let Some(Followed::Event(event)) = follower.next().await else { panic!("an event") };
        assert_eq!(event.number, 306);
    }

    #[tokio::test]
    async fn a_follower_from_now_on_has_missed_nothing() {
        let (history, counter) = history_of(300);
        let mut follower = history.follow(300);
        history.record(&counter, What::Unmatched { serial: None, late: true });
        let Some(Followed::Event(event)) = follower.next().await else { panic!("an event") };
        assert_eq!(event.number, 301);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_not_told_of_at_once_is_told_of_when_it_is_time() {
        let history = History::default();
        let came = || history.stranger(IpAddr::from([10, 0, 0, 1]), "frame", "no frame", None);
        while came() {}
        assert!(!came(), "two of a flood");
        let told = history.since(0).len();
        history.tell_strangers();
        assert_eq!(history.since(0).len(), told, "it is too soon");
        tokio::time::advance(TOLD_EVERY).await;
        history.tell_strangers();
        history.tell_strangers();
        let rest: Vec<What> = history.since(0).drain(told..).map(|event| event.what).collect();
        assert!(matches!(rest.as_slice(), [What::Stranger { others: 1, .. }]), "{rest:?}");
    }

    #[test]
    fn an_event_says_when_it_was_in_microseconds_since_1970() {
        let (history, _) = history_of(1);
        let at = history.since(0)[0].at;
        // From 2020 to 2300: tells microseconds from other units, whatever the clock's error.
        assert!((1_577_836_800_000_000..10_413_792_000_000_000).contains(&at), "{at}");
    }
}
