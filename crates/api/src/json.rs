//! What the transfer API says and takes, apart from the domain's own types: these are a promise to
//! callers and change only by addition.

use bytes::Bytes;
use coordinator::{Rendered, View};
use domain::message::{Balance, Entry, Place};
use domain::serial::Role;
use domain::transfer::{Knowledge, Leg};
use foreign::ForeignText;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

/// An account at a counter.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Account)]
pub struct AccountJson {
    /// The counter's name in the bridge's configuration: 1 to 32 of `a-z`, `0-9` and `-`.
    #[schema(example = "securities", pattern = "^[a-z0-9-]{1,32}$")]
    pub counter: String,
    /// The account's number at that counter: 1 to 25 ASCII letters and digits.
    #[schema(example = "6001", pattern = "^[A-Za-z0-9]{1,25}$")]
    pub account: String,
}

impl From<&Place> for AccountJson {
    fn from(place: &Place) -> AccountJson {
        AccountJson { counter: place.counter.to_string(), account: place.account.to_string() }
    }
}

/// The body of `POST /v1/transfers`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TransferOrder)]
pub struct TransferRequest {
    /// The account that is debited.
    pub from: AccountJson,
    /// The account that is credited.
    pub to: AccountJson,
    /// Amount in minor units of the currency (fen, cents), a whole number from 1 to
    /// 999,999,999,999.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 999_999_999_999_i64, example = 100_000)]
    pub amount: i64,
    /// ISO 4217 code of the currency, three capital letters.
    #[schema(example = "CNY", pattern = "^[A-Z]{3}$")]
    pub currency: String,
}

/// A whole number. One that is out of all range is as large as can be: which amounts may be moved is a
/// rule, and said as one.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Whole;

    /// From here on a number in JSON is read as a floating-point number, whatever its digits were.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;

    impl Visitor<'_> for Whole {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
            Ok(number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
            Ok(i64::try_from(number).unwrap_or(i64::MAX))
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
            if number >= BEYOND {
                Ok(i64::MAX)
            } else if number <= -BEYOND {
                Ok(i64::MIN)
            } else {
                Err(E::invalid_type(Unexpected::Float(number), &self))
            }
        }
    }

    deserializer.deserialize_i64(Whole)
}

/// Where a transfer is. `accepted`: recorded, nothing sent. `debiting`: the debit is under way.
/// `crediting`: the debit is done, the credit is under way. `reversing`: the debit is being undone.
/// `needs_operator`: it waits for a person, or for proof of an end that sends nothing. Final, and
/// nothing changes any more: `completed` (both legs are done), `refused` (no money moved),
/// `reversed` (the debit was undone).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = State)]
pub enum StateJson {
    /// Recorded; nothing sent.
    Accepted,
    /// The debit is under way.
    Debiting,
    /// The debit is done; the credit is under way.
    Crediting,
    /// Final: both legs are done.
    Completed,
    /// Final: no money moved.
    Refused,
    /// The debit is being undone.
    Reversing,
    /// Final: the debit was undone.
    Reversed,
    /// It waits for a person, or for proof of an end that sends nothing.
    NeedsOperator,
}

/// Which of a transfer's postings a leg is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
pub enum RoleJson {
    /// Money leaves the source account.
    Debit,
    /// Money reaches the destination account.
    Credit,
    /// The debit is undone.
    Reversal,
}

impl From<Role> for RoleJson {
    fn from(role: Role) -> RoleJson {
        match role {
            Role::Debit => RoleJson::Debit,
            Role::Credit => RoleJson::Credit,
            Role::Reversal => RoleJson::Reversal,
        }
    }
}

/// What the bridge knows of a leg, by evidence. `not_sent`: not one byte of it has left. `unknown`: it may or may
/// not have been executed, and the counter is being asked. `done`: it is posted. `refused`: the counter
/// refused it. `not_executed`: it never ran and never will.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Knowledge)]
pub enum KnowledgeJson {
    /// Not one byte of it has left.
    NotSent,
    /// It may or may not have been executed; the counter is being asked.
    Unknown,
    /// It is posted.
    Done,
    /// The counter refused it.
    Refused,
    /// It never ran and never will.
    NotExecuted,
}

impl From<Knowledge> for KnowledgeJson {
    fn from(knowledge: Knowledge) -> KnowledgeJson {
        match knowledge {
            Knowledge::NotSent => KnowledgeJson::NotSent,
            Knowledge::Unknown => KnowledgeJson::Unknown,
            Knowledge::Done => KnowledgeJson::Done,
            Knowledge::Refused => KnowledgeJson::Refused,
            Knowledge::NotExecuted => KnowledgeJson::NotExecuted,
        }
    }
}

/// What a counter last answered about a leg.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Answer)]
pub struct AnswerJson {
    /// The counter's answer code, three digits; each counter has a table of its own.
    #[schema(minimum = 100, maximum = 999, example = 200)]
    pub code: u16,
    /// What the counter says of it, in its own words; for people.
    #[schema(value_type = String)]
    pub text: ForeignText,
}

/// One posting of a transfer at one counter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Leg)]
pub struct LegJson {
    /// Which of the transfer's postings it is.
    pub role: RoleJson,
    /// Name of the counter at which it is posted.
    #[schema(pattern = "^[a-z0-9-]{1,32}$")]
    pub counter: String,
    /// Number of the account that it posts to, at that counter.
    #[schema(pattern = "^[A-Za-z0-9]{1,25}$")]
    pub account: String,
    /// The bridge's serial of the leg, 12 digits: under it the counter posts, and its people find
    /// the posting.
    #[schema(example = "000000000421", pattern = "^[0-9]{12}$")]
    pub sub_serial: String,
    /// What the bridge knows of it.
    pub knowledge: KnowledgeJson,
    /// The counter's own number of the posting, at most 32 characters; null until the counter has
    /// said one.
    #[schema(value_type = Option<String>, required)]
    pub counter_serial: Option<ForeignText>,
    /// What the counter last answered about it; null until it has answered.
    #[schema(required)]
    pub answer: Option<AnswerJson>,
}

/// A transfer as it stood at one moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transfer)]
pub struct TransferJson {
    /// Identifies the transfer for ever: 19 digits, of which the first eight are the day (UTC) on
    /// which it was accepted.
    #[schema(example = "2026112100000000042", pattern = "^[0-9]{19}$")]
    pub master_serial: String,
    /// Where the transfer is.
    pub state: StateJson,
    /// The account that is debited.
    pub from: AccountJson,
    /// The account that is credited.
    pub to: AccountJson,
    /// Amount in minor units of the currency (fen, cents).
    #[schema(minimum = 1, maximum = 999_999_999_999_i64)]
    pub amount: i64,
    /// ISO 4217 code of the currency.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// Its postings: debit, credit and, once the debit is to be undone, reversal.
    pub legs: Vec<LegJson>,
    /// Why it ended as it did, is being undone or needs a person, in a sentence for people; null
    /// where all goes well.
    #[schema(required)]
    pub reason: Option<String>,
    /// What is being done, in a sentence for people; null once it is final.
    #[schema(required)]
    pub next: Option<String>,
    /// When the transfer was accepted: RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When something last became known of the transfer: RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

impl From<&View> for TransferJson {
    fn from(view: &View) -> TransferJson {
        let transfer = &view.transfer;
        let leg = |role: Role| {
            let place = transfer.place(role);
            let leg: &Leg = transfer.leg(role);
            LegJson {
                role: role.into(),
                counter: place.counter.to_string(),
                account: place.account.to_string(),
                sub_serial: transfer.intent.master.leg(role).to_string(),
                knowledge: leg.knowledge.into(),
                counter_serial: leg.counter_serial.clone(),
                answer: leg.answer.as_ref().map(|answer| AnswerJson {
                    code: answer.code.number(),
                    text: answer.text.clone(),
                }),
            }
        };
        let undone = transfer.reversal != Leg::new();
        TransferJson {
            master_serial: transfer.intent.master.to_string(),
            state: state(transfer.state()),
            from: (&transfer.intent.order.from).into(),
            to: (&transfer.intent.order.to).into(),
            amount: transfer.intent.order.amount.minor(),
            currency: transfer.intent.order.currency.to_string(),
            legs: Role::ALL
                .into_iter()
                .filter(|role| *role != Role::Reversal || undone)
                .map(leg)
                .collect(),
            reason: view.reason(),
            next: view.next(),
            created_at: timestamp(view.created_at),
            updated_at: timestamp(view.updated_at),
        }
    }
}

fn state(state: domain::transfer::State) -> StateJson {
    use domain::transfer::State;
    match state {
        State::Accepted => StateJson::Accepted,
        State::Debiting => StateJson::Debiting,
        State::Crediting => StateJson::Crediting,
        State::Completed => StateJson::Completed,
        State::Refused => StateJson::Refused,
        State::Reversing => StateJson::Reversing,
        State::Reversed => StateJson::Reversed,
        State::NeedsOperator => StateJson::NeedsOperator,
    }
}

/// The answer to a final transfer, stored with it and replayed byte for byte.
pub fn render(view: &View) -> Rendered {
    // Plain data; there is nothing in it that JSON cannot say.
    let body = serde_json::to_vec(&TransferJson::from(view)).unwrap_or_default();
    Rendered { status: 201, body: Bytes::from(body) }
}

/// A page of transfers, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferPage {
    /// The transfers, newest first.
    #[schema(value_type = Vec<TransferJson>)]
    pub transfers: Vec<Box<serde_json::value::RawValue>>,
    /// Where the next page begins: the `cursor` to ask with; null on the last. A page may be shorter
    /// than its limit, even empty, and have one.
    #[schema(required, pattern = "^[0-9]{19}$")]
    pub next_cursor: Option<String>,
}

/// What an account holds, as its counter says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Balance)]
pub struct BalanceJson {
    /// Name of the counter that was asked.
    #[schema(pattern = "^[a-z0-9-]{1,32}$")]
    pub counter: String,
    /// Number of the account at that counter.
    #[schema(pattern = "^[A-Za-z0-9]{1,25}$")]
    pub account: String,
    /// ISO 4217 code of the currency in which the account is kept.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// What may be traded with, in minor units of the currency.
    pub available: i64,
    /// What may be moved out by a transfer, in minor units of the currency; at most `available`.
    pub withdrawable: i64,
}

impl BalanceJson {
    /// As a counter said it.
    pub fn new(counter: &str, balance: &Balance) -> BalanceJson {
        BalanceJson {
            counter: counter.to_owned(),
            account: balance.account.to_string(),
            currency: balance.currency.to_string(),
            available: balance.available,
            withdrawable: balance.withdrawable,
        }
    }
}

/// One posting in a counter's books.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Entry)]
pub struct EntryJson {
    /// What the posting did to the account.
    pub kind: RoleJson,
    /// The bridge's serial of the leg that was posted: 12 digits.
    #[schema(pattern = "^[0-9]{12}$")]
    pub sub_serial: String,
    /// For a reversal, the sub serial of the debit that it undid: 12 digits; null for others, and
    /// where the counter does not say it.
    #[schema(required, pattern = "^[0-9]{12}$")]
    pub original: Option<String>,
    /// The counter's own number of the posting, at most 32 characters; empty if it could not be
    /// read.
    #[schema(value_type = String)]
    pub counter_serial: ForeignText,
    /// The counter's accounting day on which it was posted, `YYYYMMDD`.
    #[schema(pattern = "^[0-9]{8}$")]
    pub settle_day: String,
    /// Number of the account that was posted to.
    #[schema(pattern = "^[A-Za-z0-9]{1,25}$")]
    pub account: String,
    /// Amount in minor units of the currency (fen, cents).
    #[schema(minimum = 1, maximum = 999_999_999_999_i64)]
    pub amount: i64,
    /// ISO 4217 code of the currency.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// When the counter posted it: RFC 3339, UTC; `1970-01-01T00:00:00Z` if that could not be read.
    #[schema(format = DateTime)]
    pub at: String,
    /// The mark of the transfer that it belongs to, which tells two under one serial apart: sixteen
    /// hexadecimal digits; null where the counter keeps none.
    #[schema(required, pattern = "^[0-9a-f]{16}$")]
    pub mark: Option<String>,
}

impl From<&Entry> for EntryJson {
    fn from(entry: &Entry) -> EntryJson {
        use domain::message::EntryKind;
        EntryJson {
            kind: match entry.kind {
                EntryKind::Debit => RoleJson::Debit,
                EntryKind::Credit => RoleJson::Credit,
                EntryKind::Reversal => RoleJson::Reversal,
            },
            sub_serial: entry.serial.to_string(),
            original: entry.posted.original.map(|serial| serial.to_string()),
            counter_serial: entry.posted.counter_serial.clone(),
            settle_day: entry.posted.settle_day.to_string(),
            account: entry.posted.account.to_string(),
            amount: entry.posted.amount.minor(),
            currency: entry.posted.currency.to_string(),
            at: timestamp(entry.at_micros),
            mark: entry.mark.map(|mark| mark.to_string()),
        }
    }
}

/// The postings of an account on one settle day, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Entries)]
pub struct EntriesJson {
    /// The postings, oldest first.
    pub entries: Vec<EntryJson>,
    /// Whether the counter has more of that day: ask again with a larger `offset`.
    pub more: bool,
}

/// A time in RFC 3339, UTC.
pub fn timestamp(micros: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| micros.to_string())
}
