//! What the operators' API answers, as far as pages show it. Whatever may be others' words is a [`ForeignText`], which
//! shows what nobody would see.
#![expect(clippy::struct_field_names, reason = "names are those of the API")]

use foreign::ForeignText;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// `GET /ops/v1/session`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) must_change_password: bool,
}

/// `GET /ops/v1/summary`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Summary {
    pub(crate) version: String,
    pub(crate) now: i64,
    pub(crate) started_at: i64,
    pub(crate) journal: Journal,
    pub(crate) record: Record,
    pub(crate) open: usize,
    pub(crate) by_state: BTreeMap<String, usize>,
    pub(crate) in_transit: BTreeMap<String, i64>,
    pub(crate) oldest_in_transit_at: Option<i64>,
    pub(crate) alarms_unacknowledged: usize,
}

/// Whether the database records.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Journal {
    pub(crate) health: String,
    pub(crate) why: Option<ForeignText>,
}

/// Whether the record is all that was recorded.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) standing: String,
    pub(crate) why: Option<ForeignText>,
}

/// One of `GET /ops/v1/counters`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Counter {
    pub(crate) counter: String,
    pub(crate) health: String,
    pub(crate) health_text: String,
    pub(crate) settle_day: Option<u32>,
    pub(crate) open: bool,
    pub(crate) connections: Vec<Connection>,
    pub(crate) queued: usize,
    pub(crate) in_flight: usize,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) held: Option<Held>,
    pub(crate) on_hold: Option<OnHold>,
    /// That it is not certain whether one does.
    pub(crate) on_hold_uncertain: Option<ForeignText>,
    pub(crate) can_fence: bool,
    pub(crate) faults: Faults,
}

/// Why a counter gets nothing new.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Held {
    pub(crate) why: ForeignText,
    pub(crate) since: i64,
    pub(crate) to_do: ForeignText,
    pub(crate) proposal: Option<Readmission>,
}

/// That an operator keeps it from new transfers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct OnHold {
    pub(crate) kind: String,
    pub(crate) who: ForeignText,
    pub(crate) note: ForeignText,
    pub(crate) since: i64,
    pub(crate) text: ForeignText,
}

/// What it did wrong.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Faults {
    pub(crate) text: Option<ForeignText>,
}

/// One of its connections.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Connection {
    pub(crate) channel: u16,
    pub(crate) state: String,
    pub(crate) state_text: String,
    pub(crate) since: i64,
    pub(crate) address: ForeignText,
    pub(crate) next_attempt_at: Option<i64>,
    pub(crate) attempt: u32,
    pub(crate) addresses: Vec<Address>,
    pub(crate) tls: Option<Tls>,
    pub(crate) last_cause: Option<ForeignText>,
    pub(crate) heard_at: Option<i64>,
    pub(crate) round_trip_us: Option<u64>,
    pub(crate) round_trips_us: Vec<u64>,
}

/// What became of trying an address.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Address {
    pub(crate) address: ForeignText,
    pub(crate) failures: u64,
    pub(crate) last_error: Option<ForeignText>,
}

/// How a connection is secured.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tls {
    pub(crate) version: ForeignText,
    pub(crate) peer: ForeignText,
    pub(crate) own_expires_at: i64,
    pub(crate) peer_expires_at: i64,
}

/// `GET /ops/v1/strangers`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Strangers {
    pub(crate) strangers: Vec<Stranger>,
    pub(crate) refused: u64,
}

/// Who dialled in and was not let in.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Stranger {
    pub(crate) address: ForeignText,
    pub(crate) counter: Option<ForeignText>,
    pub(crate) cause: ForeignText,
    pub(crate) times: u64,
    pub(crate) last_at: i64,
}

/// An account at a counter.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) counter: String,
    pub(crate) account: String,
}

/// `GET /ops/v1/transfers` and `/proposals`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct OpenTransfers {
    pub(crate) transfers: Vec<Evidence>,
    pub(crate) total: usize,
}

/// `GET /ops/v1/transit`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Transit {
    pub(crate) totals: Vec<TotalInTransit>,
    pub(crate) pairs: Vec<PairInTransit>,
    pub(crate) others: Vec<OthersInTransit>,
    pub(crate) counters: Vec<CounterInTransit>,
    pub(crate) transfers: Vec<Evidence>,
}

/// Money in transit, as transfers say of themselves.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Moving {
    pub(crate) transfers: usize,
    pub(crate) in_transit: i64,
    pub(crate) by_age: Ages,
}

/// Amounts by age.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ages {
    pub(crate) below_minute: i64,
    pub(crate) below_hour: i64,
    pub(crate) below_day: i64,
    pub(crate) older: i64,
}

/// What is in transit from one counter to another.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PairInTransit {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) currency: String,
    pub(crate) moving: Moving,
}

/// What is in transit and not told apart.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct OthersInTransit {
    pub(crate) currency: String,
    pub(crate) moving: Moving,
}

/// What is known of the money of legs.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LegsMoney {
    pub(crate) currency: String,
    pub(crate) debited: i64,
    pub(crate) credited: i64,
    pub(crate) returned: i64,
    pub(crate) unknown: i64,
}

/// All of one currency.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TotalInTransit {
    pub(crate) moving: Moving,
    pub(crate) paid_ahead: i64,
    pub(crate) legs: LegsMoney,
    pub(crate) difference: i64,
    pub(crate) differing: usize,
    pub(crate) differs: Option<String>,
    pub(crate) conserved: bool,
}

/// How a counter stands, as far as open transfers go.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CounterInTransit {
    pub(crate) counter: String,
    pub(crate) colour: String,
    pub(crate) why: Vec<String>,
    pub(crate) unknown_since: Option<i64>,
    pub(crate) money: Vec<LegsMoney>,
}

/// `GET /ops/v1/saved-views`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SavedViews {
    pub(crate) views: Vec<SavedView>,
}

/// A filter of the list of transfers, under a name.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SavedView {
    pub(crate) id: String,
    pub(crate) name: ForeignText,
    pub(crate) query: String,
    pub(crate) shared: bool,
    pub(crate) owner: String,
    pub(crate) own: bool,
}

/// A transfer with all that is known of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) master_serial: String,
    pub(crate) state: String,
    pub(crate) from: Account,
    pub(crate) to: Account,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) legs: Vec<Leg>,
    pub(crate) reason: Option<ForeignText>,
    pub(crate) next: Option<ForeignText>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) deadline_at: String,
    pub(crate) app: ForeignText,
    pub(crate) in_transit: i64,
    pub(crate) claim: Option<Claim>,
    pub(crate) proposal: Option<Proposal>,
    pub(crate) version: String,
    pub(crate) decisions: Vec<Choice>,
    pub(crate) trail: Option<Vec<Happening>>,
}

/// A leg of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Leg {
    pub(crate) role: String,
    pub(crate) counter: String,
    pub(crate) account: String,
    pub(crate) sub_serial: String,
    pub(crate) knowledge: String,
    pub(crate) answer: Option<Answer>,
    pub(crate) counter_serial: Option<ForeignText>,
    pub(crate) settle_day: String,
    pub(crate) posted_day: Option<String>,
    pub(crate) sent: u16,
    pub(crate) fruitless: u16,
}

/// A counter's answer.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) code: Value,
    pub(crate) text: ForeignText,
}

/// Who deals with it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Claim {
    pub(crate) who: ForeignText,
    pub(crate) note: ForeignText,
    pub(crate) until: String,
}

/// What is proposed for it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Proposal {
    pub(crate) id: String,
    pub(crate) decision: String,
    pub(crate) leads_to: Value,
    pub(crate) who: ForeignText,
    pub(crate) note: ForeignText,
    pub(crate) until: String,
}

/// What may be decided.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Choice {
    pub(crate) decision: String,
    pub(crate) allowed: bool,
    pub(crate) why_not: Option<ForeignText>,
    pub(crate) leads_to: Option<Value>,
}

/// Something that happened to it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Happening {
    pub(crate) at: String,
    pub(crate) event: ForeignText,
    pub(crate) state: String,
    pub(crate) leg: Option<HappeningAt>,
    #[serde(default)]
    pub(crate) messages: Option<Exchanged>,
}

/// The messages that it is evidence of.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Exchanged {
    pub(crate) sent: Option<Message>,
    pub(crate) received: Option<Received>,
    pub(crate) rule: Option<Rule>,
}

/// What was handed over to be sent.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) counter: String,
    pub(crate) dialect: Option<String>,
    pub(crate) text: String,
}

/// What a counter said.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Received {
    pub(crate) counter: String,
    pub(crate) dialect: Option<String>,
    pub(crate) text: String,
    pub(crate) came: String,
    #[serde(default)]
    pub(crate) asked: Option<Asked>,
    pub(crate) differs: Vec<String>,
}

/// What a counter's answer answers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Asked {
    pub(crate) counter: String,
    pub(crate) dialect: Option<String>,
    pub(crate) text: String,
    /// Whether an entry before says that it was sent.
    pub(crate) written: bool,
}

/// By what it went on.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Rule {
    pub(crate) number: u8,
    pub(crate) heading: Option<String>,
    pub(crate) line: Option<String>,
}

/// What was known of the leg after that.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct HappeningAt {
    pub(crate) role: String,
    pub(crate) knowledge: String,
    pub(crate) answer: Option<Answer>,
}

/// `GET /ops/v1/history`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct History {
    pub(crate) transfers: Vec<Line>,
    pub(crate) next: Option<String>,
}

/// `GET /ops/v1/search`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Found {
    pub(crate) found: Vec<Match>,
}

/// What a text was taken for.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Match {
    pub(crate) by: String,
    pub(crate) transfers: Vec<Line>,
    pub(crate) next: Option<String>,
}

/// A transfer in a line.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) master_serial: String,
    pub(crate) state: String,
    pub(crate) from: Account,
    pub(crate) to: Account,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) app: ForeignText,
    pub(crate) reason: Option<ForeignText>,
    pub(crate) created_at: String,
}

/// `GET /ops/v1/counters/{counter}/readmission`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct HeldFor {
    pub(crate) holds: Vec<Hold>,
    pub(crate) version: String,
    pub(crate) proposal: Option<Readmission>,
}

/// Something that holds it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Hold {
    pub(crate) why: ForeignText,
    pub(crate) since: String,
}

/// That it gets new transfers again, as one proposed it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Readmission {
    pub(crate) id: String,
    pub(crate) move_serials: bool,
    pub(crate) who: ForeignText,
    pub(crate) note: ForeignText,
    pub(crate) until: String,
}

/// `GET /ops/v1/operators`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Operators {
    pub(crate) operators: Vec<Operator>,
}

/// Somebody who may sign in.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Operator {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) second_factor: bool,
    pub(crate) must_change_password: bool,
    pub(crate) made_at: String,
    pub(crate) made_by: ForeignText,
    pub(crate) disabled_at: Option<String>,
}

/// A first password and second factor, shown once.
#[derive(Clone, Deserialize)]
pub(crate) struct First {
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) second_factor: Factor,
}

/// A second factor, shown once.
#[derive(Clone, Deserialize)]
pub(crate) struct Factor {
    pub(crate) secret: String,
    pub(crate) uri: String,
    pub(crate) recovery_codes: Vec<String>,
}

/// What changing a password answers.
#[derive(Deserialize)]
pub(crate) struct Changed {
    pub(crate) second_factor: Option<Factor>,
}

/// `GET /ops/v1/operators/{name}/sessions`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sessions {
    pub(crate) sessions: Vec<Session>,
}

/// Where somebody is signed in.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) began_at: String,
    pub(crate) seen_at: String,
    pub(crate) ends_at: String,
    pub(crate) address: ForeignText,
    pub(crate) agent: ForeignText,
}

/// `GET /ops/v1/operators/{name}/tokens`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Token>,
}

/// What lets a program in.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) label: ForeignText,
    pub(crate) role: String,
    pub(crate) expires_at: String,
    pub(crate) seen_at: Option<String>,
}

/// A new token, shown once.
#[derive(Clone, Deserialize)]
pub(crate) struct Made {
    pub(crate) token: String,
    pub(crate) expires_at: String,
}

/// `GET /ops/v1/acts`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Acts {
    pub(crate) acts: Vec<Act>,
    pub(crate) next: Option<i64>,
}

/// What somebody did.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Act {
    pub(crate) at: String,
    pub(crate) who: ForeignText,
    pub(crate) by: ForeignText,
    pub(crate) act: String,
    pub(crate) about: ForeignText,
    pub(crate) before: Option<ForeignText>,
    pub(crate) after: Option<ForeignText>,
    pub(crate) reason: Option<ForeignText>,
    pub(crate) outcome: Option<ForeignText>,
}

/// `GET /ops/v1/alarms`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Alarms {
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) damaged: Vec<ForeignText>,
    pub(crate) left_out: u64,
    pub(crate) next: Option<i64>,
}

/// What somebody has to look into.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Alarm {
    pub(crate) number: Option<i64>,
    pub(crate) kind: String,
    pub(crate) counter: Option<String>,
    pub(crate) transfer: Option<String>,
    pub(crate) text: ForeignText,
    pub(crate) latest: ForeignText,
    pub(crate) raised_at: String,
    pub(crate) last_at: String,
    pub(crate) times: u64,
    pub(crate) unseen: u64,
    pub(crate) acknowledged: Option<AlarmWord>,
    pub(crate) closed: Option<AlarmWord>,
    pub(crate) closes_by_itself: bool,
    pub(crate) is_over: bool,
    pub(crate) to_do: String,
}

/// What somebody has said of an alarm.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AlarmWord {
    pub(crate) who: Option<ForeignText>,
    pub(crate) note: ForeignText,
    pub(crate) at: String,
}
