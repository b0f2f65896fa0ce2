//! What is said to the transfer API, and what it says back.

use serde::{Deserialize, Serialize};
use std::fmt;
use time::OffsetDateTime;

/// An account at a counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The counter's name in the bridge's configuration.
    pub counter: String,
    /// The account's number there.
    pub account: String,
}

impl Account {
    /// An account at a counter.
    pub fn new(counter: impl Into<String>, account: impl Into<String>) -> Account {
        Account { counter: counter.into(), account: account.into() }
    }
}

/// The body of `POST /v1/transfers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTransfer {
    /// Where the money leaves.
    pub from: Account,
    /// Where it arrives.
    pub to: Account,
    /// How much, in minor units: `1..=999_999_999_999`.
    pub amount: i64,
    /// Its ISO 4217 code.
    pub currency: String,
}

/// What tells one order from another: the same key means the same transfer, however often it is
/// sent. 1 to 128 visible ASCII characters. Keep it until the transfer is final.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// A key of the caller's own; `None` if it is empty, too long or not visible ASCII.
    pub fn new(text: &str) -> Option<IdempotencyKey> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (visible && (1..=128).contains(&text.len())).then(|| IdempotencyKey(text.to_owned()))
    }

    /// A new key of 32 characters.
    pub fn random() -> IdempotencyKey {
        IdempotencyKey(format!("{:032x}", rand::random::<u128>()))
    }

    /// The key as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Recorded; nothing sent.
    Accepted,
    /// The debit is under way.
    Debiting,
    /// The debit is done; the credit is under way.
    Crediting,
    /// Final: the money arrived.
    Completed,
    /// Final: no money moved.
    Refused,
    /// The debit is being undone.
    Reversing,
    /// Final: the debit was undone.
    Reversed,
    /// A person at the bridge decides.
    NeedsOperator,
    /// A state that this version of the client does not know; taken as not final.
    #[serde(other)]
    Unrecognized,
}

impl State {
    /// Whether the transfer stays as it is for ever.
    pub const fn is_final(self) -> bool {
        match self {
            State::Completed | State::Refused | State::Reversed => true,
            State::Accepted
            | State::Debiting
            | State::Crediting
            | State::Reversing
            | State::NeedsOperator
            | State::Unrecognized => false,
        }
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Accepted => "accepted",
            State::Debiting => "debiting",
            State::Crediting => "crediting",
            State::Completed => "completed",
            State::Refused => "refused",
            State::Reversing => "reversing",
            State::Reversed => "reversed",
            State::NeedsOperator => "needs_operator",
            State::Unrecognized => "unrecognized",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A transfer as the bridge knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Identifies it for ever: 19 digits.
    pub master_serial: String,
    /// Where it is.
    pub state: State,
    /// Where the money leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Account>,
    /// Where it arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Account>,
    /// How much, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// Its ISO 4217 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Its postings, in the order in which they are made.
    pub legs: Vec<Leg>,
    /// Why it ended as it did, or why it needs a person.
    #[serde(default)]
    pub reason: Option<String>,
    /// What is being done, in a sentence, while it is not final.
    #[serde(default)]
    pub next: Option<String>,
    /// When it was accepted.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When something last became known of it.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// Which of a transfer's postings a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Money leaves the source account.
    Debit,
    /// Money reaches the destination account.
    Credit,
    /// The debit is undone.
    Reversal,
}

/// What the bridge knows of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Knowledge {
    /// No byte of it left.
    NotSent,
    /// It was sent; whether it was posted is being asked.
    Unknown,
    /// It is posted.
    Done,
    /// The counter refused it.
    Refused,
    /// It was not posted and never will be.
    NotExecuted,
}

/// One posting of a transfer at one counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Which of the transfer's postings it is.
    pub role: Role,
    /// The counter.
    pub counter: String,
    /// The account there.
    pub account: String,
    /// What the counter knows it by: 12 digits.
    pub sub_serial: String,
    /// What is known of it.
    pub knowledge: Knowledge,
    /// The counter's own number for the posting.
    #[serde(default)]
    pub counter_serial: Option<String>,
    /// What the counter last said.
    #[serde(default)]
    pub answer: Option<CounterAnswer>,
}

/// A counter's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterAnswer {
    /// The three-digit code.
    pub code: u16,
    /// What the counter says of it.
    #[serde(default)]
    pub text: String,
}

/// A page of `GET /v1/transfers`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferPage {
    /// The transfers.
    pub transfers: Vec<Transfer>,
    /// Where the next page begins; `None` on the last.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// Which transfers to list; all of the app's if nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferFilter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those that touch this counter.
    pub counter: Option<String>,
    /// Only those that touch this account.
    pub account: Option<String>,
    /// From [`TransferPage::next_cursor`].
    pub cursor: Option<String>,
    /// At most this many.
    pub limit: Option<u16>,
}

/// What an account holds, as its counter says, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// The counter.
    pub counter: String,
    /// The account there.
    pub account: String,
    /// In what: an ISO 4217 code.
    pub currency: String,
    /// May be traded with.
    pub available: i64,
    /// May be moved out.
    pub withdrawable: i64,
}

/// One posting in a counter's books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it did to the account.
    pub kind: Role,
    /// The bridge's sub serial: 12 digits.
    pub sub_serial: String,
    /// For a reversal, the sub serial of the posting it undid.
    #[serde(default)]
    pub original: Option<String>,
    /// The counter's own number.
    pub counter_serial: String,
    /// The counter's accounting day, `YYYYMMDD`.
    pub settle_day: String,
    /// The account posted to.
    pub account: String,
    /// How much, in minor units.
    pub amount: i64,
    /// Its ISO 4217 code.
    pub currency: String,
    /// When the counter posted it.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The mark of its transfer, sixteen hexadecimal digits, where the counter keeps it.
    #[serde(default)]
    pub mark: Option<String>,
}

/// Which postings of an account to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Those of this settle day, `YYYYMMDD` or `YYYY-MM-DD`; the counter's current one if not said.
    pub date: Option<String>,
    /// Skip this many: pages through a long day.
    pub offset: Option<u32>,
    /// At most this many.
    pub limit: Option<u16>,
}

/// The postings of an account on one day, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// The postings.
    pub entries: Vec<Entry>,
    /// Whether the counter has more of that day: ask again with a larger offset.
    #[serde(default)]
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_is_read_as_the_contract_writes_it() {
        let transfer: Transfer = serde_json::from_str(
            r#"{"master_serial":"2026112100000000042","state":"needs_operator","legs":[
                {"role":"debit","counter":"securities","account":"6001","sub_serial":"000000000421",
                 "knowledge":"done","counter_serial":"S9","answer":{"code":200,"text":"done"}},
                {"role":"credit","counter":"futures","account":"88","sub_serial":"000000000422",
                 "knowledge":"not_sent","counter_serial":null,"answer":null}],
                "reason":null,"next":"a person decides","created_at":"2026-11-21T10:00:00Z",
                "updated_at":"2026-11-21T10:00:01.25Z","later_addition":{"is":"ignored"}}"#,
        )
        .expect("a transfer");
        assert!(!transfer.state.is_final());
        assert_eq!(transfer.legs[0].knowledge, Knowledge::Done);
        assert_eq!(transfer.legs[1].role, Role::Credit);
        assert_eq!(transfer.updated_at.millisecond(), 250);
    }

    #[test]
    fn a_state_of_a_later_version_is_not_final() {
        let state: State = serde_json::from_str(r#""parked""#).expect("a state");
        assert_eq!(state, State::Unrecognized);
        assert!(!state.is_final());
        for state in [State::Completed, State::Refused, State::Reversed] {
            assert!(state.is_final());
            let word = serde_json::to_string(&state).expect("a word");
            assert_eq!(word, format!("\"{state}\""));
        }
    }

    #[test]
    fn idempotency_keys_fit_a_header() {
        assert!(IdempotencyKey::new(&"k".repeat(128)).is_some());
        for bad in ["", "a b", "é", "a\n", &"k".repeat(129)] {
            assert!(IdempotencyKey::new(bad).is_none(), "{bad:?}");
        }
        assert_ne!(IdempotencyKey::random(), IdempotencyKey::random());
    }
}
