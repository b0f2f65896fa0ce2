//! Of counters, their connections, and those who were not let in.

use serde::Serialize;
use utoipa::ToSchema;

/// A counter as a whole.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum CounterHealth {
    /// Every connection is up.
    Up,
    /// Some are.
    Degraded,
    /// None is.
    Down,
}

/// The state of one connection; `state_text` says it in a sentence. `stopped`: not started. `connecting`: TCP.
/// `tls_handshake`: TLS. `signing_on`: proofs are exchanged. `syncing`: what the last drop left unknown is asked
/// about. `up`: requests flow. `suspect`: nothing was heard for too long, and a probe is out. `draining`: no new
/// requests, those in flight are waited for. `signing_off`: the sign-off is out. `closed`: ended in order.
/// `backing_off`: it waits until it tries again. `held`: it was rejected, and an operator must act.
/// `out_of_hours`: outside the counter's service hours.
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
}

/// How the connections to one counter stand.
#[derive(ToSchema)]
pub(crate) struct Counter {
    /// The counter's name.
    counter: String,
    /// As a whole.
    health: CounterHealth,
    /// The same in words.
    health_text: String,
    /// Its accounting day, `YYYYMMDD`, once it has ever signed on.
    #[schema(required)]
    settle_day: Option<u32>,
    /// Whether it says that it is open for postings.
    open: bool,
    /// Its connections.
    connections: Vec<Connection>,
    /// Requests that wait to be written.
    queued: usize,
    /// Requests that wait for an answer.
    in_flight: usize,
    /// Counts since the start.
    counts: Counts,
    /// Why it gets no new transfers, if it gets none.
    #[schema(required)]
    held: Option<Held>,
    /// What it did wrong since the start.
    faults: Faults,
}

/// Why a counter gets no new transfers.
#[derive(ToSchema)]
pub(crate) struct Held {
    /// In words.
    why: String,
    /// Since when.
    since: i64,
    /// What to do, in words.
    to_do: String,
}

/// What a counter did wrong since the start.
#[derive(ToSchema)]
pub(crate) struct Faults {
    /// How often it spoke of what is not its own.
    foreign: u64,
    /// How often it contradicted what it had proven.
    contradiction: u64,
    /// In words, with what to do.
    #[schema(required)]
    text: Option<String>,
}

/// One connection.
#[derive(ToSchema)]
pub(crate) struct Connection {
    /// From 0.
    channel: u16,
    /// Where it stands.
    state: ConnectionState,
    /// The same in words.
    state_text: String,
    /// Since when.
    since: i64,
    /// Counts the connections made on this channel.
    epoch: u64,
    /// The address in use or tried last.
    address: String,
    /// When the next attempt is due, while backing off.
    #[schema(required)]
    next_attempt_at: Option<i64>,
    /// Attempts since it was last stably up.
    attempt: u32,
    /// Requests that wait for an answer on it.
    in_flight: usize,
    /// What became of trying each address, in the order of preference.
    addresses: Vec<Address>,
    /// How it is secured; null for plain TCP and while there is none.
    #[schema(required)]
    tls: Option<Tls>,
    /// Why it went down last.
    #[schema(required)]
    last_cause: Option<String>,
    /// When a frame was last heard.
    #[schema(required)]
    heard_at: Option<i64>,
    /// Round trip of the last heartbeat, in microseconds.
    #[schema(required)]
    round_trip_us: Option<u64>,
}

/// One of a counter's addresses.
#[derive(ToSchema)]
pub(crate) struct Address {
    /// `host:port`.
    address: String,
    /// Failures since a session was last open there.
    failures: u64,
    /// What was wrong last.
    #[schema(required)]
    last_error: Option<String>,
    /// When that was.
    #[schema(required)]
    failed_at: Option<i64>,
}

/// How a connection is secured.
#[derive(ToSchema)]
pub(crate) struct Tls {
    /// `1.3` or `1.2`.
    version: String,
    /// Whom the other side's certificate names.
    peer: String,
    /// When the other side's certificate expires.
    peer_expires_at: i64,
    /// When ours expires.
    own_expires_at: i64,
}

/// What a link has seen since the bridge started.
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
    /// Of what the counter said unasked, how much was dropped.
    unmatched_dropped: u64,
}

/// Who dialled in lately and was not let in.
#[derive(ToSchema)]
pub(crate) struct Strangers {
    /// The last first.
    strangers: Vec<Stranger>,
    /// How many connections were not let in since the bridge started.
    refused: u64,
}

/// Those from one address that were not let in for one reason.
#[derive(ToSchema)]
pub(crate) struct Stranger {
    /// Where they come from.
    address: String,
    /// Why they were not let in, in a word.
    why: String,
    /// Why the last of them was not, in a sentence.
    cause: String,
    /// Which counter they signed on as, if it is one that dials in.
    #[schema(required)]
    counter: Option<String>,
    /// How often since the bridge started, as long as they are kept.
    times: u64,
    /// When the first of them came.
    first_at: i64,
    /// And the last.
    last_at: i64,
}

/// A counter that gets new transfers again.
#[derive(ToSchema)]
pub(crate) struct Readmitted {
    /// Which.
    counter: String,
    /// That it does.
    readmitted: bool,
    /// The operator's name.
    who: String,
    /// Why.
    note: String,
}

/// Nothing is to be said; that it is JSON shows that no page of somebody else's asks for it.
#[derive(ToSchema)]
pub(crate) struct Nothing {}

/// What a link was asked to do.
#[derive(ToSchema)]
pub(crate) struct Asked {
    /// Which counter's.
    counter: String,
    /// `reconnect` or `release`.
    asked: String,
}
