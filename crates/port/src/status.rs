//! Where a counter stands: one snapshot that is always whole.

use domain::message::CounterId;
use domain::serial::Day;
use serde::Serialize;
use std::sync::Arc;

/// The state of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not started.
    Stopped,
    /// A TCP connection is being made.
    Connecting,
    /// TLS is being negotiated.
    TlsHandshake,
    /// Proofs are being exchanged.
    SigningOn,
    /// What the last drop left unknown is being asked about.
    Syncing,
    /// Requests flow.
    Up,
    /// Nothing has been heard for too long; a probe is out.
    Suspect,
    /// No new requests; those in flight are waited for.
    Draining,
    /// The sign-off is out.
    SigningOff,
    /// Ended in order.
    Closed,
    /// Waiting to try again.
    BackingOff,
    /// Credentials or configuration were rejected: an operator acts.
    Held,
    /// Outside the counter's service hours.
    OutOfHours,
}

/// A counter as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Every connection is up.
    Up,
    /// Some are.
    Degraded,
    /// None is.
    Down,
}

/// Everything about one counter, as of one moment. Times are microseconds since 1970 UTC.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Which counter.
    pub counter: CounterId,
    /// As a whole.
    pub health: Health,
    /// Its accounting day, once it has ever signed on.
    pub settle_day: Option<Day>,
    /// Whether it says that it is open for postings.
    pub open: bool,
    /// Its connections.
    pub connections: Vec<Connection>,
    /// Requests that wait to be written.
    pub queued: usize,
    /// Requests that wait for an answer.
    pub in_flight: usize,
    /// Counts since the start.
    pub counts: Counts,
}

/// One connection.
#[derive(Clone, Debug, Serialize)]
pub struct Connection {
    /// From 0.
    pub channel: u16,
    /// Where it stands.
    pub state: State,
    /// Since when, in microseconds since 1970 UTC.
    pub since: i64,
    /// Counts the connections made on this channel; nothing of an old one reaches a new one.
    pub epoch: u64,
    /// The address in use or tried last.
    pub address: String,
    /// When the next attempt is due, while backing off.
    pub next_attempt_at: Option<i64>,
    /// Attempts since it was last stably up.
    pub attempt: u32,
    /// Requests that wait for an answer on it.
    pub in_flight: usize,
    /// What became of trying each address, in the order of preference.
    pub addresses: Arc<[Address]>,
    /// How it is secured; `None` for plain TCP and while there is none.
    pub tls: Option<Box<Tls>>,
    /// Why it went down last.
    pub last_cause: Option<String>,
    /// When a frame was last heard.
    pub heard_at: Option<i64>,
    /// Round trip of the last heartbeat, in microseconds.
    pub round_trip_us: Option<u64>,
}

impl Connection {
    /// One that was not started.
    pub fn new(channel: u16) -> Connection {
        Connection {
            channel,
            state: State::Stopped,
            since: 0,
            epoch: 0,
            address: String::new(),
            next_attempt_at: None,
            attempt: 0,
            in_flight: 0,
            addresses: Arc::new([]),
            tls: None,
            last_cause: None,
            heard_at: None,
            round_trip_us: None,
        }
    }
}

/// One of a counter's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Address {
    /// `host:port`.
    pub address: String,
    /// Failures since a session was last open there.
    pub failures: u64,
    /// What was wrong last.
    pub last_error: Option<String>,
    /// When that was, in microseconds since 1970 UTC.
    pub failed_at: Option<i64>,
}

impl Address {
    /// One that was not tried.
    pub fn new(address: String) -> Address {
        Address { address, failures: 0, last_error: None, failed_at: None }
    }
}

/// How a connection is secured. Times are microseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// `1.3` or `1.2`.
    pub version: String,
    /// Whom the other side's certificate names.
    pub peer: String,
    /// When the other side's certificate expires.
    pub peer_expires_at: i64,
    /// When ours expires.
    pub own_expires_at: i64,
}

/// What was seen of a counter since the bridge started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Sessions opened.
    pub sign_ons: u64,
    /// Sessions lost, for whatever cause.
    pub drops: u64,
    /// Requests written.
    pub sent: u64,
    /// Answers matched to a request.
    pub answered: u64,
    /// Answers that came after their deadline.
    pub late: u64,
    /// Answers that match nothing.
    pub unmatched: u64,
    /// Requests without an answer in time.
    pub timed_out: u64,
    /// Bodies that could not be read.
    pub malformed: u64,
    /// Messages whose labels could not be read: time labels, roles and the like. The rest was.
    pub unreadable_labels: u64,
    /// Messages whose words for people could not be read whole. The rest was.
    pub unreadable_words: u64,
    /// Messages with a posting whose number at the counter could not be read. The rest was.
    pub unreadable_serials: u64,
    /// Messages with an entry whose time could not be read. The rest was.
    pub unreadable_times: u64,
    /// Requests refused because the queue was full.
    pub busy: u64,
    /// Of what the counter said unasked, how much was dropped: beyond what is taken a second, or
    /// because its reader's queue was full.
    pub unmatched_dropped: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        let Counts {
            sign_ons,
            drops,
            sent,
            answered,
            late,
            unmatched,
            timed_out,
            malformed,
            unreadable_labels,
            unreadable_words,
            unreadable_serials,
            unreadable_times,
            busy,
            unmatched_dropped,
        } = other;
        self.sign_ons += sign_ons;
        self.drops += drops;
        self.sent += sent;
        self.answered += answered;
        self.late += late;
        self.unmatched += unmatched;
        self.timed_out += timed_out;
        self.malformed += malformed;
        self.unreadable_labels += unreadable_labels;
        self.unreadable_words += unreadable_words;
        self.unreadable_serials += unreadable_serials;
        self.unreadable_times += unreadable_times;
        self.busy += busy;
        self.unmatched_dropped += unmatched_dropped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_connections_every_count_is_the_sum() {
        let counts = |times: u64| Counts {
            sign_ons: times,
            drops: 2 * times,
            sent: 3 * times,
            answered: 4 * times,
            late: 5 * times,
            unmatched: 6 * times,
            timed_out: 7 * times,
            malformed: 8 * times,
            unreadable_labels: 9 * times,
            unreadable_words: 10 * times,
            unreadable_serials: 11 * times,
            unreadable_times: 12 * times,
            busy: 13 * times,
            unmatched_dropped: 14 * times,
        };
        let mut sum = Counts::default();
        for connection in 1..4 {
            sum += counts(1);
            assert_eq!(sum, counts(connection));
        }
    }
}
