//! What the description of the operators' side says of what other crates write, which know nothing of
//! descriptions, and of what is put together here. Only the descriptions of these types are used; tests
//! hold every answer that they see against them, so that they say what is written.

#![expect(dead_code, reason = "only their descriptions are used")]
#![expect(clippy::struct_field_names, reason = "they are named as they are written")]

use crate::json::{AnswerJson, KnowledgeJson, RoleJson, StateJson};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a person may decide about a transfer that needs one.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Decision {
    /// Both legs are done: it is final.
    Completed,
    /// The debit was undone: it is final.
    Reversed,
    /// No money moved: it is final.
    Refused,
    /// The rules go on with it.
    Resume,
}

/// Where a transfer is that is not final. `accepted`: recorded, nothing sent. `debiting`: the debit is under
/// way. `crediting`: the debit is done, the credit is under way. `reversing`: the debit is being undone.
/// `needs_operator`: only a person may decide.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum OpenState {
    Accepted,
    Debiting,
    Crediting,
    Reversing,
    NeedsOperator,
}

/// What a transfer leads to by what is proven.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Outlook {
    /// What became of this leg is not proven: its counter is asked first.
    Unproven(RoleJson),
    /// All is proven, and ends it so; nothing is sent for that.
    Ends(StateJson),
    /// All is proven, and this leg is to be sent.
    Sends(RoleJson),
    /// The rules lead no further: a person must decide how it ends.
    Person,
}

/// What exactly the bridge is at. `accepted`: recorded; the debit is to be sent. Of the debit, the credit or the
/// reversal: `…_waiting`: it could not be sent, or is to be sent, and will be tried; `…_sent`: its answer is
/// awaited; `…_asking`: its outcome is unknown, and the counter is asked; `…_fencing`: it is given up, and the
/// counter is asked never to carry it out; `reversal_proving`: it was answered or may have been sent, and the
/// counter is asked for proof. `parked`: a person must decide. Final: `completed`, `refused`, `reversed`.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Phase {
    Accepted,
    DebitWaiting,
    DebitSent,
    DebitAsking,
    DebitFencing,
    CreditWaiting,
    CreditSent,
    CreditAsking,
    CreditFencing,
    ReversalWaiting,
    ReversalSent,
    ReversalProving,
    /// A person must decide, and why.
    Parked(Why),
    Completed,
    Refused,
    Reversed,
}

/// Why a person must decide; `reason` of the transfer says it in a sentence. `debit_unresolved`,
/// `credit_unresolved`, `reversal_unresolved`: what became of that leg could not be found out in time.
/// `reversal_refused`: the counter refused to undo the debit. `cannot_reverse`: the counter undoes nothing.
/// `settle_day_passed`: the counter's day ended before the debit could be undone. `contradicted`: a counter
/// contradicted what it had proven. `other_mark`: the counter holds a leg's serial under another mark.
/// `known_before`: the counter knew a leg's serial when it was sent for the first time.
/// `credit_without_debit`: the credit is proven and the debit is not. `illegal`, `panicked`: this software
/// failed at it, and what was sent is in doubt.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Why {
    DebitUnresolved,
    CreditUnresolved,
    ReversalUnresolved,
    ReversalRefused,
    CannotReverse,
    SettleDayPassed,
    Contradicted,
    OtherMark,
    KnownBefore,
    CreditWithoutDebit,
    Illegal,
    Panicked,
}

/// Why a transfer ended as it did. `debit_refused`, `credit_refused`: that leg's counter refused it.
/// `debit_not_executed`, `credit_not_executed`: that leg is proven never to have been carried out.
/// `counter_unavailable`: the counter of the debit was out of reach until the deadline, and nothing was sent.
/// `decided`: a person decided so.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Reason {
    DebitRefused,
    DebitNotExecuted,
    CounterUnavailable,
    CreditRefused,
    CreditNotExecuted,
    Decided,
}

/// Why it is doubtful whether what a counter holds under a leg's serial is the leg's.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Doubt {
    /// The counter holds the serial under another mark.
    OtherMark,
    /// The counter knew the serial when it was sent for the first time.
    KnownBefore,
}

/// What is known of a leg.
#[derive(ToSchema)]
pub(super) struct LegKnowledge {
    /// Which leg.
    role: RoleJson,
    /// What is known.
    knowledge: KnowledgeJson,
    /// How often it may have left.
    sent: u16,
    /// The counter's last answer.
    #[schema(nullable = false)]
    answer: Option<AnswerJson>,
    /// The counter's number of the posting.
    #[schema(nullable = false)]
    counter_serial: Option<String>,
    /// The counter's day of the posting, `YYYYMMDD`.
    #[schema(nullable = false)]
    posted_day: Option<u32>,
    /// Why what the counter holds under its serial may be another transfer's.
    #[schema(nullable = false)]
    doubt: Option<Doubt>,
    /// The settle days that it was bound to after its first.
    #[schema(nullable = false)]
    rebound: Option<Vec<u32>>,
}

/// A counter as a whole.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum CounterHealth {
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
pub(super) enum ConnectionState {
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
pub(super) struct Counter {
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
pub(super) struct Held {
    /// In words.
    why: String,
    /// Since when.
    since: i64,
    /// What to do, in words.
    to_do: String,
}

/// What a counter did wrong since the start.
#[derive(ToSchema)]
pub(super) struct Faults {
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
pub(super) struct Connection {
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
pub(super) struct Address {
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
pub(super) struct Tls {
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
pub(super) struct Counts {
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
pub(super) struct Strangers {
    /// The last first.
    strangers: Vec<Stranger>,
    /// How many connections were not let in since the bridge started.
    refused: u64,
}

/// Those from one address that were not let in for one reason.
#[derive(ToSchema)]
pub(super) struct Stranger {
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
pub(super) struct Readmitted {
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
pub(super) struct Nothing {}

/// What a link was asked to do.
#[derive(ToSchema)]
pub(super) struct Asked {
    /// Which counter's.
    counter: String,
    /// `reconnect` or `release`.
    asked: String,
}

/// Whether the process lives and gets on.
#[derive(ToSchema)]
pub(super) struct Health {
    /// `ok`, or `ailing`.
    #[schema(pattern = "^(ok|ailing)$")]
    status: String,
    /// Each task that has died or stands still, in words.
    #[schema(nullable = false)]
    ailing: Option<Vec<String>>,
}

/// Whether the bridge takes transfers.
#[derive(ToSchema)]
pub(super) struct Readiness {
    /// In words: begins with `ready` where it does.
    status: String,
    /// How the database is doing.
    journal: super::health::JournalJson,
    /// Whether the record is all that was recorded.
    #[schema(nullable = false)]
    record: Option<super::health::RecordJson>,
    /// Each counter's health.
    #[schema(nullable = false)]
    counters: Option<BTreeMap<String, CounterHealth>>,
    /// The counters that get no new transfers, and why.
    #[schema(nullable = false)]
    held: Option<BTreeMap<String, String>>,
    /// Each task that has died or stands still, in words.
    #[schema(nullable = false)]
    ailing: Option<Vec<String>>,
    /// What is waited for at the start.
    #[schema(nullable = false)]
    waiting_for: Option<String>,
}

/// Something that happened to a link, or at the door.
#[derive(ToSchema)]
pub(crate) struct LinkEvent {
    /// Counts up from 1 without gaps.
    number: u64,
    /// When.
    at: i64,
    /// To whose link; null for what happened at the door to nobody known.
    #[schema(required)]
    counter: Option<String>,
    /// What.
    what: Happening,
    /// In words.
    text: String,
}

/// What happened to a link, or at the door.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Happening {
    /// A connection changed its state.
    State {
        /// Which connection, from 0.
        channel: u16,
        /// The new state.
        state: ConnectionState,
        /// Why, where something went wrong.
        #[schema(required)]
        cause: Option<String>,
    },
    /// The counter's accounting day or its opening changed.
    Standing {
        /// Its accounting day, `YYYYMMDD`.
        settle_day: u32,
        /// Whether it is open for postings.
        open: bool,
    },
    /// An answer that nobody waited for.
    Unmatched {
        /// What it is about: 12 digits.
        #[schema(required)]
        serial: Option<String>,
        /// Whether its request is known and had ended unknown.
        late: bool,
    },
    /// A body that could not be read.
    Malformed {
        /// What is wrong with it.
        error: String,
    },
    /// Something that is only for people could not be read; the messages' other parts were.
    Unreadable {
        /// `label`, `words`, `counter_serial` or `entry_time`.
        what: String,
        /// In how many messages on this connection since the start.
        count: u64,
    },
    /// Somebody dialled in and was not let in. Of many, only some are told.
    Stranger {
        /// Where they came from.
        address: String,
        /// Why not, in a word.
        why: String,
        /// Why not, in a sentence.
        cause: String,
        /// How many more came since the one that was told before, for whatever reason.
        others: u64,
    },
    /// The counter's own words.
    Notice {
        /// `info`, `warning` or `alarm`.
        severity: String,
        /// At most 500 characters.
        text: String,
    },
}

/// The kinds of events of transfers.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum TransferEventKind {
    /// Transfers were taken up again after a restart.
    Recovered,
    /// A transfer needs an operator.
    NeedsOperator,
    /// An operator decided.
    Decided,
    /// An operator has claimed a transfer, or claims it no longer.
    Claimed,
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
}

/// Something that happened to transfers.
#[derive(ToSchema)]
pub(crate) struct TransferEvent {
    /// Counts up from 1.
    number: u64,
    /// When.
    at: i64,
    /// What kind.
    kind: TransferEventKind,
    /// About which transfer, if one.
    #[schema(required, pattern = "^[0-9]{19}$")]
    transfer: Option<String>,
    /// In words.
    text: String,
}

/// Some events were missed: look at everything anew.
#[derive(ToSchema)]
pub(crate) struct Lagged {
    /// Of what: `links`, `transfers`, or `bridge` where it has started anew.
    source: String,
    /// How many, where that is known.
    #[schema(required)]
    missed: Option<u64>,
    /// In words.
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use coordinator::events::Kind;
    use domain::transfer as machine;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;
    use utoipa::PartialSchema;

    /// The words of a schema of nothing but words.
    fn described<T: PartialSchema>() -> BTreeSet<String> {
        let schema = json!(T::schema());
        let words = schema["enum"].as_array().expect("words");
        words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
    }

    /// The words that are written.
    fn written(words: impl IntoIterator<Item = Value>) -> BTreeSet<String> {
        words.into_iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
    }

    /// Also those that no test ever sees written.
    #[test]
    fn every_word_that_may_be_written_is_described() {
        let open = machine::State::ALL.into_iter().filter(|state| !state.is_final());
        let decisions = machine::Decision::ALL.map(|it| json!(it.as_str()));
        assert_eq!(described::<Why>(), written(machine::Why::ALL.map(|why| json!(why))));
        assert_eq!(described::<TransferEventKind>(), written(Kind::ALL.map(|kind| json!(kind))));
        assert_eq!(described::<Decision>(), written(decisions));
        assert_eq!(described::<OpenState>(), written(open.map(|state| json!(state.as_str()))));
        assert_eq!(
            described::<ConnectionState>(),
            written(super::super::metrics::STATES.map(|(state, _)| json!(state)))
        );
    }
}
