//! Where a counter stands: one snapshot that is always whole.

use domain::message::CounterId;
use domain::serial::Day;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The state of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not started.
    Stopped,
    /// A TCP connection is being made.
    Connecting,
    /// TLS is being negotiated on it.
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
    /// Signed off, and left alone until an operator says otherwise or something needs it.
    Drained,
}

impl State {
    /// Whether a session is open.
    pub fn is_signed_on(self) -> bool {
        match self {
            State::Syncing | State::Up | State::Suspect | State::Draining | State::SigningOff => {
                true
            }
            State::Stopped
            | State::Connecting
            | State::TlsHandshake
            | State::SigningOn
            | State::Closed
            | State::BackingOff
            | State::Held
            | State::OutOfHours
            | State::Drained => false,
        }
    }
}

/// How the connections to one counter stand, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Every connection is up.
    Up,
    /// Some connections are up, but not all; or one is signed on and not yet, or no longer surely, up.
    Degraded,
    /// No connection is signed on.
    Down,
}

/// Everything about one counter, as of one moment. Times are microseconds since 1970 UTC.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// The counter's id.
    pub counter: CounterId,
    /// How its connections stand, taken together.
    pub health: Health,
    /// Its accounting day; `None` until it has signed on for the first time.
    pub settle_day: Option<Day>,
    /// Whether it says that it is open for postings.
    pub open: bool,
    /// How each of its connections stands.
    pub connections: Vec<Connection>,
    /// How many requests wait to be written.
    pub queued: usize,
    /// How many requests wait for an answer, on all connections.
    pub in_flight: usize,
    /// What was seen of it since the bridge started.
    pub counts: Counts,
}

impl Snapshot {
    /// Whether it stands as another snapshot says, whatever either counted and measured since.
    pub fn stands_as(&self, other: &Snapshot) -> bool {
        self.counter == other.counter
            && self.health == other.health
            && self.settle_day == other.settle_day
            && self.open == other.open
            && self.connections.len() == other.connections.len()
            && self.connections.iter().zip(&other.connections).all(|(one, two)| one.stands_as(two))
    }
}

/// How one connection to a counter stands.
#[derive(Clone, Debug, Serialize)]
pub struct Connection {
    /// Number of the connection among the counter's, from 0.
    pub channel: u16,
    /// Where the connection stands.
    pub state: State,
    /// Since when it stands there, in microseconds since 1970 UTC.
    pub since: i64,
    /// Counts the attempts on this channel, each at one address; nothing of an old one reaches a new one.
    pub epoch: u64,
    /// The address (`host:port`) in use, or tried last; in words where the counter dials in and is waited for;
    /// empty before the first attempt.
    pub address: String,
    /// When the next attempt is due, in microseconds since 1970 UTC; `None` unless it is backing
    /// off or out of hours.
    pub next_attempt_at: Option<i64>,
    /// How many attempts were made in a row since it was last stably up; a new row sets it anew.
    pub attempt: u32,
    /// How many requests wait for an answer on it.
    pub in_flight: usize,
    /// What became of trying each address, in the order of preference.
    pub addresses: Arc<[Address]>,
    /// How it is secured, or was last; `None` for plain TCP and from a new attempt until it is secured.
    pub tls: Option<Box<Tls>>,
    /// Why it went down, or could not be made, last, in words.
    pub last_cause: Option<String>,
    /// When a frame was last heard on the present connection, in microseconds since 1970 UTC.
    pub heard_at: Option<i64>,
    /// Round trip of the last heartbeat on the present connection, in microseconds.
    pub round_trip_us: Option<u64>,
    /// Round trips of the last heartbeats, on whatever connection of this channel.
    pub round_trips_us: RoundTrips,
}

/// Round trips of the last [`RoundTrips::KEPT`] heartbeats, the oldest first, in microseconds; what takes more than an
/// hour counts as that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RoundTrips(Arc<[u32]>);

impl RoundTrips {
    /// Ten minutes of them, at a heartbeat each ten seconds; 240 bytes for each connection.
    pub const KEPT: usize = 60;

    /// With one more; the oldest goes if there are too many.
    pub fn push(&mut self, round_trip: Duration) {
        let micros = u32::try_from(round_trip.as_micros()).unwrap_or(u32::MAX);
        let from = (self.0.len() + 1).saturating_sub(RoundTrips::KEPT);
        self.0 = self.0[from..].iter().copied().chain([micros]).collect();
    }

    /// All that are kept, the oldest first.
    pub fn micros(&self) -> &[u32] {
        &self.0
    }
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
            round_trips_us: RoundTrips::default(),
        }
    }

    fn stands_as(&self, other: &Connection) -> bool {
        let Connection { channel, state, since, epoch, address, next_attempt_at, .. } = self;
        let Connection { attempt, addresses, tls, last_cause, .. } = self;
        // What is left is counted or measured, and is another with every message.
        *channel == other.channel
            && *state == other.state
            && *since == other.since
            && *epoch == other.epoch
            && *address == other.address
            && *next_attempt_at == other.next_attempt_at
            && *attempt == other.attempt
            && *addresses == other.addresses
            && *tls == other.tls
            && *last_cause == other.last_cause
    }
}

/// One of a counter's addresses, and what became of trying it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Address {
    /// `host:port`.
    pub address: String,
    /// How many attempts failed since a session was last open there.
    pub failures: u64,
    /// What was wrong with the attempt that failed last, in words.
    pub last_error: Option<String>,
    /// When that attempt failed, in microseconds since 1970 UTC.
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
    /// Version of TLS: `1.3` or `1.2`.
    pub version: String,
    /// The name that the other side's certificate is for.
    pub peer: String,
    /// When the other side's certificate expires, in microseconds since 1970 UTC.
    pub peer_expires_at: i64,
    /// When our own certificate expires, in microseconds since 1970 UTC.
    pub own_expires_at: i64,
}

/// What was seen of a counter since the bridge started: how many of each.
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
    fn of_round_trips_the_last_sixty_are_kept() {
        let mut round_trips = RoundTrips::default();
        for micros in 0..=60 {
            round_trips.push(Duration::from_micros(micros));
        }
        assert_eq!(round_trips.micros(), (1..=60).collect::<Vec<u32>>());
        round_trips.push(Duration::from_hours(2));
        assert_eq!(round_trips.micros().len(), RoundTrips::KEPT);
        assert_eq!(round_trips.micros().last(), Some(&u32::MAX));
    }

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
