//! What operators follow: a numbered ring, and a live feed in which a slow reader is told that it
//! has fallen behind.

use domain::serial::MasterSerial;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// How many events are kept for those who come later: a few screens.
const KEPT: usize = 512;
/// How far a reader may fall behind before it is told so.
const BEHIND: usize = 1024;

/// Something that happened to transfers.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Counts up from 1.
    pub number: u64,
    /// When, in microseconds since 1970 UTC.
    pub at: i64,
    /// What kind.
    pub kind: Kind,
    /// About which transfer, if one.
    pub transfer: Option<MasterSerial>,
    /// In words.
    pub text: String,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Transfers were taken up again after a restart.
    Recovered,
    /// A transfer needs an operator.
    NeedsOperator,
    /// An operator decided.
    Decided,
    /// A counter contradicted itself.
    Contradiction,
    /// A counter said something that a person should see.
    Notice,
    /// The database fails, or has come back.
    Database,
}

/// Where events are recorded; clones are the same.
#[derive(Clone, Debug)]
pub struct Events {
    ring: Arc<Mutex<(u64, VecDeque<Event>)>>,
    feed: broadcast::Sender<Event>,
}

impl Default for Events {
    fn default() -> Events {
        Events { ring: Arc::default(), feed: broadcast::channel(BEHIND).0 }
    }
}

impl Events {
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

    /// The latest events, oldest first, and the feed of all later ones.
    pub fn follow(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        (ring.1.iter().cloned().collect(), self.feed.subscribe())
    }
}
