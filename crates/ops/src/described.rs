//! What the description of the operators' side says of what other crates write, which know nothing of
//! descriptions, and of what is put together here. Only the descriptions of these types are used; tests
//! hold every answer that they see against them, so that they say what is written.

#![expect(dead_code, reason = "only their descriptions are used")]
#![expect(clippy::struct_field_names, reason = "they are named as they are written")]

mod counters;

pub(super) use counters::*;

use api::json::{AnswerJson, KnowledgeJson, RoleJson, StateJson};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a person may decide about a transfer that needs one.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Decision {
    /// Both legs are done, one of them perhaps by hand: it is final.
    Completed,
    /// The debit was undone, or its money given back by hand: it is final.
    Reversed,
    /// No money moved, or what did was taken back by hand: it is final.
    Refused,
    /// The bridge goes on with it by its rules, from what is known now.
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

/// Where a transfer is, or `ended`: in any of the states that are final.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum AnyState {
    Accepted,
    Debiting,
    Crediting,
    Reversing,
    NeedsOperator,
    Completed,
    Refused,
    Reversed,
    Ended,
}

/// What a text was taken for. `master_serial`: the transfer's. `sub_serial`: that of one of its legs, as its counter has
/// it. `sequence`: the running number in both. `idempotency_key`: an app's, whichever. `account`: at whichever counter,
/// on either side.
#[derive(ToSchema)]
#[schema(as = Named, rename_all = "snake_case")]
pub(super) enum TakenFor {
    MasterSerial,
    SubSerial,
    Sequence,
    IdempotencyKey,
    Account,
    CounterSerial,
}

/// How a page of transfers is written.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum PageFormat {
    Json,
    Csv,
}

/// What a transfer leads to by what is proven.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Outlook {
    /// What became of this leg is not proven: its counter is asked first.
    Unproven(RoleJson),
    /// All is proven, and ends the transfer in this state; nothing is sent for that.
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
/// failed at it, and what was sent is in doubt. `unbalanced`: it was to end in a way in which its money does not add up.
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
    Unbalanced,
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

/// What was known of a leg after an event.
#[derive(ToSchema)]
pub(super) struct LegKnowledge {
    /// Which of the transfer's postings the leg is.
    role: RoleJson,
    /// What was known of it.
    knowledge: KnowledgeJson,
    /// How often it may have left the bridge under the day that it was bound to.
    sent: u16,
    /// What the counter last answered about it; absent if it had not answered.
    #[schema(nullable = false)]
    answer: Option<AnswerJson>,
    /// The counter's own number of the posting; absent until the counter has said one.
    #[schema(nullable = false)]
    counter_serial: Option<String>,
    /// The counter's accounting day on which it was posted, `YYYYMMDD`; absent until the counter
    /// has said one.
    #[schema(nullable = false)]
    posted_day: Option<u32>,
    /// Why what the counter holds under its serial may be another transfer's; absent unless that is
    /// so.
    #[schema(nullable = false)]
    doubt: Option<Doubt>,
    /// The settle days, `YYYYMMDD`, that it was bound to after its first, oldest first; absent if
    /// there are none.
    #[schema(nullable = false)]
    rebound: Option<Vec<u32>>,
}

/// Whether the process lives and gets on.
#[derive(ToSchema)]
pub(super) struct Health {
    /// `ok`, or `ailing` if a task has died or stands still.
    #[schema(pattern = "^(ok|ailing)$")]
    status: String,
    /// Each task that has died or stands still, in words.
    #[schema(nullable = false)]
    ailing: Option<Vec<String>>,
}

/// Whether the bridge takes transfers.
#[derive(ToSchema)]
pub(super) struct Readiness {
    /// For people; begins with `ready` where the bridge takes transfers.
    status: String,
    /// Whether what is begun becomes durable in the database.
    journal: super::health::json::JournalJson,
    /// Whether the record is all that was recorded; absent while the bridge starts.
    #[schema(nullable = false)]
    record: Option<super::health::json::RecordJson>,
    /// How the connections to each counter stand, by the counter's name; absent while the bridge
    /// starts.
    #[schema(nullable = false)]
    counters: Option<BTreeMap<String, CounterHealth>>,
    /// Why a counter gets no new transfers, by its name; absent if all get them.
    #[schema(nullable = false)]
    held: Option<BTreeMap<String, String>>,
    /// Each task that has died or stands still, in words; absent if there is none.
    #[schema(nullable = false)]
    ailing: Option<Vec<String>>,
    /// What is waited for at the start, in words; absent once it has started.
    #[schema(nullable = false)]
    waiting_for: Option<String>,
}

/// Something that happened to a link, or at the acceptor.
#[derive(ToSchema)]
pub(crate) struct LinkEvent {
    /// Number of the event, counting up from 1 without gaps since the bridge started.
    number: u64,
    /// When it happened, in microseconds since 1970 UTC.
    at: i64,
    /// Name of the counter whose link it happened to; null for what happened at the acceptor to
    /// nobody known.
    #[schema(required)]
    counter: Option<String>,
    /// What happened, for programs.
    what: Happening,
    /// What happened, in words for people.
    text: String,
}

/// What happened to a link, or at the acceptor.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Happening {
    /// A connection changed its state.
    State {
        /// Number of the connection among the counter's, from 0.
        channel: u16,
        /// The new state.
        state: ConnectionState,
        /// The cause in words, where something went wrong; null where nothing did.
        #[schema(required)]
        cause: Option<String>,
    },
    /// The counter's accounting day or its opening changed.
    Standing {
        /// The counter's accounting day from now on, `YYYYMMDD`.
        settle_day: u32,
        /// Whether it is open for postings from now on.
        open: bool,
    },
    /// An answer that nobody waited for.
    Unmatched {
        /// Sub serial of the leg that the answer is about: 12 digits; null if it is about none.
        #[schema(required)]
        serial: Option<String>,
        /// Whether its request is known, and had ended without an answer. Otherwise it answers
        /// nothing that is known.
        late: bool,
    },
    /// A body that could not be read.
    Malformed {
        /// What is wrong with the body, in words.
        error: String,
    },
    /// Something that is only for people could not be read; the messages' other parts were.
    Unreadable {
        /// What could not be read: `label`, `words`, `counter_serial` or `entry_time`.
        what: String,
        /// In how many messages on this connection it could not be read since the bridge started.
        count: u64,
    },
    /// Somebody dialled in and was not let in. Of many, only some are told.
    Stranger {
        /// The IP address that they came from.
        address: String,
        /// Why they were not let in, in a word for programs.
        why: String,
        /// Why they were not let in, in a sentence for people.
        cause: String,
        /// How many more were not let in since the one that was told before, for whatever reason.
        others: u64,
    },
    /// The counter's own words.
    Notice {
        /// How urgent it is: `info`, `warning` or `alarm`.
        severity: String,
        /// What the counter says to people, at most 500 characters.
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

/// Something that happened to transfers.
#[derive(ToSchema)]
pub(crate) struct TransferEvent {
    /// Number of the event, counting up from 1 since the bridge started.
    number: u64,
    /// When it happened, in microseconds since 1970 UTC.
    at: i64,
    /// What kind of event it is.
    kind: TransferEventKind,
    /// Serial of the transfer that it is about: 19 digits; null if it is about none, or about
    /// several.
    #[schema(required, pattern = "^[0-9]{19}$")]
    transfer: Option<String>,
    /// What happened, in words for people.
    text: String,
}

/// Some events were missed: look at everything anew.
#[derive(ToSchema)]
pub(crate) struct Lagged {
    /// Which events were missed: `links`, `transfers`, or `bridge` for all of them, because the
    /// bridge has started anew.
    source: String,
    /// How many were missed; null where that is not known.
    #[schema(required)]
    missed: Option<u64>,
    /// What was missed, in words for people.
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
        assert_eq!(described::<Why>(), written(machine::ParkReason::ALL.map(|why| json!(why))));
        assert_eq!(described::<TransferEventKind>(), written(Kind::ALL.map(|kind| json!(kind))));
        assert_eq!(described::<Decision>(), written(decisions));
        assert_eq!(described::<OpenState>(), written(open.map(|state| json!(state.as_str()))));
        assert_eq!(
            described::<ConnectionState>(),
            written(super::super::metrics::STATES.map(|(state, _)| json!(state)))
        );
    }
}
