//! Of counters, their connections, and those who were not let in.

use crate::on_hold::OnHoldJson;
use crate::readmissions::ReadmissionJson;
use serde::Serialize;
use utoipa::ToSchema;

/// How the connections to one counter stand, taken together. `up`: every one is up. `degraded`: some
/// are, or one is signed on and not yet, or no longer surely, up. `down`: none is either.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum CounterHealth {
    /// Every connection is up.
    Up,
    /// Some connections are up, but not all; or one is signed on at least.
    Degraded,
    /// No connection is signed on.
    Down,
}

/// The state of one connection; `state_text` says it in a sentence. `stopped`: not started. `connecting`: TCP.
/// `tls_handshake`: TLS. `signing_on`: proofs are exchanged. `syncing`: what the last drop left unknown is asked
/// about. `up`: requests flow. `suspect`: nothing was heard for too long, and a probe is out. `draining`: no new
/// requests, those in flight are waited for. `signing_off`: the sign-off is out. `closed`: ended in order.
/// `backing_off`: it waits until it tries again. `held`: it was rejected, and an operator must act.
/// `out_of_hours`: outside the counter's service hours. `drained`: signed off, for an operator drains it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConnectionState {
    Stopped,
    Connecting,
    TlsHandshake,
    SigningOn,
    Syncing,
    Up,
    Suspect,
    Draining,
    SigningOff,
    Closed,
    BackingOff,
    Held,
    OutOfHours,
    Drained,
}

/// How the connections to one counter stand.
#[derive(ToSchema)]
pub(crate) struct Counter {
    /// The counter's name in the bridge's configuration.
    counter: String,
    /// How its connections stand, taken together.
    health: CounterHealth,
    /// `health` in words for people.
    health_text: String,
    /// Its accounting day, `YYYYMMDD`; null until it has signed on for the first time.
    #[schema(required)]
    settle_day: Option<u32>,
    /// Whether it says that it is open for postings.
    open: bool,
    /// How each of its connections stands.
    connections: Vec<Connection>,
    /// How many requests wait to be written.
    queued: usize,
    /// How many requests wait for an answer, on all connections.
    in_flight: usize,
    /// What was seen of it since the bridge started.
    counts: Counts,
    /// Why it gets no new transfers, where what it says is in doubt; null if it is not.
    #[schema(required)]
    held: Option<Held>,
    /// That an operator keeps it from new transfers; null if none does.
    #[schema(required)]
    on_hold: Option<OnHoldJson>,
    /// In words for people, that it is not certain whether an operator keeps it from new transfers, whatever `on_hold`
    /// shows: the database has not confirmed what was said last. `release` may be asked for all the same. Null if it is
    /// certain.
    #[schema(required)]
    on_hold_uncertain: Option<String>,
    /// Whether it can fence; one that cannot may be asked for a new session.
    can_fence: bool,
    /// What it did wrong since the bridge started.
    faults: Faults,
}

/// Why a counter gets no new transfers, where what it says is in doubt.
#[derive(ToSchema)]
pub(crate) struct Held {
    /// Why it is held, in words for people.
    why: String,
    /// Since when it is held, in microseconds since 1970 UTC.
    since: i64,
    /// What to do about it, in words for people.
    to_do: String,
    /// What is proposed about it, and waits for another person; null if nothing is.
    proposal: Option<ReadmissionJson>,
}

/// What a counter did wrong since the bridge started.
#[derive(ToSchema)]
pub(crate) struct Faults {
    /// How often it spoke of what is not its own: a leg at another counter, or a serial never given
    /// out.
    foreign: u64,
    /// How often it contradicted what it had proven, or claimed a posting that is not the leg's.
    contradiction: u64,
    /// The same in words for people, with what to do; null if there is nothing.
    #[schema(required)]
    text: Option<String>,
}

/// How one connection to a counter stands.
#[derive(ToSchema)]
pub(crate) struct Connection {
    /// Number of the connection among the counter's, from 0.
    channel: u16,
    /// Where the connection stands.
    state: ConnectionState,
    /// `state` in a sentence for people.
    state_text: String,
    /// Since when it stands there, in microseconds since 1970 UTC.
    since: i64,
    /// Counts what was tried on this channel since the bridge started: each attempt at an address, whether or
    /// not it came to a connection.
    epoch: u64,
    /// The address (`host:port`) in use, or tried last; in words where the counter dials in and is waited for;
    /// empty before the first attempt.
    address: String,
    /// When the next attempt is due, in microseconds since 1970 UTC; null unless it is
    /// backing off or out of hours.
    #[schema(required)]
    next_attempt_at: Option<i64>,
    /// How many attempts were made in a row since it was last stably up; a new row sets it anew.
    attempt: u32,
    /// How many requests wait for an answer on it.
    in_flight: usize,
    /// What became of trying each address, in the order of preference.
    addresses: Vec<Address>,
    /// How it is secured, or was last; null for plain TCP, and from a new attempt until it is secured.
    #[schema(required)]
    tls: Option<Tls>,
    /// Why it went down, or could not be made, last, in words; null if neither has happened.
    #[schema(required)]
    last_cause: Option<String>,
    /// When a frame was last heard, in microseconds since 1970 UTC; null if none was
    /// on the present connection.
    #[schema(required)]
    heard_at: Option<i64>,
    /// Round trip of the last heartbeat, in microseconds; null if there was none on the
    /// present connection.
    #[schema(required)]
    round_trip_us: Option<u64>,
    /// Round trips of the last heartbeats, the oldest first, at most 60, in microseconds; also on earlier
    /// connections of this channel.
    round_trips_us: Vec<u64>,
}

/// One of a counter's addresses, and what became of trying it.
#[derive(ToSchema)]
pub(crate) struct Address {
    /// `host:port`.
    address: String,
    /// How many attempts failed since a session was last open there.
    failures: u64,
    /// What was wrong with the attempt that failed last, in words; null if none did.
    #[schema(required)]
    last_error: Option<String>,
    /// When that attempt failed, in microseconds since 1970 UTC; null if none did.
    #[schema(required)]
    failed_at: Option<i64>,
}

/// How a connection is secured by TLS.
#[derive(ToSchema)]
pub(crate) struct Tls {
    /// Version of TLS: `1.3` or `1.2`.
    version: String,
    /// The names that the other side's certificate is for, with commas between them.
    peer: String,
    /// When the other side's certificate expires, in microseconds since 1970 UTC.
    peer_expires_at: i64,
    /// When the bridge's own certificate expires, in microseconds since 1970 UTC.
    own_expires_at: i64,
}

/// What was seen of a counter since the bridge started: how many of each.
#[derive(ToSchema)]
pub(crate) struct Counts {
    /// Sessions opened.
    sign_ons: u64,
    /// Sessions lost, for whatever cause.
    drops: u64,
    /// Requests written.
    sent: u64,
    /// Answers matched to a request.
    answered: u64,
    /// Answers that came after their deadline.
    late: u64,
    /// Answers that match nothing.
    unmatched: u64,
    /// Requests without an answer in time.
    timed_out: u64,
    /// Bodies that could not be read.
    malformed: u64,
    /// Messages whose labels could not be read. The rest was.
    unreadable_labels: u64,
    /// Messages whose words for people could not be read whole. The rest was.
    unreadable_words: u64,
    /// Messages with a posting whose number at the counter could not be read. The rest was.
    unreadable_serials: u64,
    /// Messages with an entry whose time could not be read. The rest was.
    unreadable_times: u64,
    /// Requests refused because the queue was full.
    busy: u64,
    /// Of what the counter said unasked, how much was dropped: beyond what is taken in a second, or
    /// because what was waiting to be looked at was too much.
    unmatched_dropped: u64,
}

/// Who dialled in lately and was not let in.
#[derive(ToSchema)]
pub(crate) struct Strangers {
    /// Each address and reason, the last to come first.
    strangers: Vec<Stranger>,
    /// How many connections were not let in since the bridge started.
    refused: u64,
}

/// Those from one address that were not let in for one reason.
#[derive(ToSchema)]
pub(crate) struct Stranger {
    /// The IP address that they come from.
    address: String,
    /// Why they were not let in, in a word for programs.
    why: String,
    /// Why the last of them was not let in, in a sentence for people.
    cause: String,
    /// Name of the counter that they signed on as, if it is one that dials in; null otherwise.
    #[schema(required)]
    counter: Option<String>,
    /// How many came since the bridge started, as long as they are kept.
    times: u64,
    /// When the first of them came, in microseconds since 1970 UTC.
    first_at: i64,
    /// When the last of them came, in microseconds since 1970 UTC.
    last_at: i64,
}

/// An empty object. That it is JSON shows that no other site's page sends it.
#[derive(ToSchema)]
pub(crate) struct Nothing {}

/// What a link was asked to do.
#[derive(ToSchema)]
pub(crate) struct Asked {
    /// Name of the counter whose link was asked.
    counter: String,
    /// What it was asked to do: always `reconnect`.
    asked: String,
}

/// A counter that signs on anew.
#[derive(ToSchema)]
pub(crate) struct Renewing {
    /// The counter's name.
    counter: String,
    /// How many connections it has.
    connections: usize,
    /// How many of them are signed on now.
    signed_on: usize,
    /// What begins and what it waits for, in words for people.
    text: String,
}
