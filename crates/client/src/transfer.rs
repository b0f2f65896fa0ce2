//! What is said to the transfer API, and what it says back.

use serde::{Deserialize, Serialize};
use std::fmt;
use time::OffsetDateTime;

/// An account at a counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The counter's name in the bridge's configuration: 1 to 32 of `a-z`, `0-9` and `-`.
    pub counter: String,
    /// The account's number at that counter: 1 to 25 ASCII letters and digits.
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
    /// The account that is debited.
    pub from: Account,
    /// The account that is credited.
    pub to: Account,
    /// Amount in minor units of the currency (fen, cents): `1..=999_999_999_999`.
    pub amount: i64,
    /// ISO 4217 code of the currency, three capital letters.
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
    /// Recorded; nothing was sent yet.
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
    /// Identifies the transfer for ever: 19 digits.
    pub master_serial: String,
    /// Where the transfer is.
    pub state: State,
    /// The account that is debited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Account>,
    /// The account that is credited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Account>,
    /// Amount in minor units of the currency: `1..=999_999_999_999`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// ISO 4217 code of the currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Its postings, in the order in which they are made.
    pub legs: Vec<Leg>,
    /// Why it ended as it did, or why it needs a person, in a sentence; `None` where all goes well.
    #[serde(default)]
    pub reason: Option<String>,
    /// What is being done, in a sentence, while it is not final.
    #[serde(default)]
    pub next: Option<String>,
    /// When the transfer was accepted.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When something last became known of the transfer.
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
    /// Not one byte of it has left the bridge.
    NotSent,
    /// It may or may not have been posted; the counter is being asked.
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
    /// Name of the counter at which it is posted.
    pub counter: String,
    /// Number of the account at that counter.
    pub account: String,
    /// The serial under which it is posted: 12 digits. The counter's people know it by that.
    pub sub_serial: String,
    /// What is known of the leg.
    pub knowledge: Knowledge,
    /// The counter's own number of the posting, at most 32 characters; `None` until it has said
    /// one.
    #[serde(default)]
    pub counter_serial: Option<String>,
    /// What the counter last said of the leg; `None` until it has said something.
    #[serde(default)]
    pub answer: Option<CounterAnswer>,
}

/// A counter's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterAnswer {
    /// The counter's answer code, three digits; each counter has a table of its own.
    pub code: u16,
    /// What the counter says of it, in its own words.
    #[serde(default)]
    pub text: String,
}

/// A page of `GET /v1/transfers`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferPage {
    /// The transfers, newest first.
    pub transfers: Vec<Transfer>,
    /// What to ask for the next page with, as [`TransferFilter::cursor`]; `None` on the last.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// Which transfers to list; all of the app's if nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferFilter {
    /// Only transfers in this state.
    pub state: Option<State>,
    /// Only those with this counter on either side.
    pub counter: Option<String>,
    /// Only those with this account on either side.
    pub account: Option<String>,
    /// Where the page begins: [`TransferPage::next_cursor`] of the page before.
    pub cursor: Option<String>,
    /// How many to list at most: 1 to 200, 50 unless said.
    pub limit: Option<u16>,
}

/// What an account holds, as its counter says, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Name of the counter that was asked.
    pub counter: String,
    /// Number of the account at that counter.
    pub account: String,
    /// ISO 4217 code of the currency in which the account is kept.
    pub currency: String,
    /// What may be traded with, in minor units of the currency.
    pub available: i64,
    /// What may be moved out, in minor units of the currency; at most `available`.
    pub withdrawable: i64,
}

/// One posting in a counter's books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it did to the account.
    pub kind: Role,
    /// The bridge's serial of the leg that it is: 12 digits.
    pub sub_serial: String,
    /// For a reversal, the sub serial of the debit that it undid: 12 digits.
    #[serde(default)]
    pub original: Option<String>,
    /// The counter's own number of the posting, at most 32 characters.
    pub counter_serial: String,
    /// The counter's accounting day, `YYYYMMDD`.
    pub settle_day: String,
    /// Number of the account that was posted to.
    pub account: String,
    /// Amount in minor units of the currency: `1..=999_999_999_999`.
    pub amount: i64,
    /// ISO 4217 code of the currency.
    pub currency: String,
    /// When the counter posted it; 1970 if that could not be read.
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
    /// How many to skip, the oldest first: pages through a long day. None unless said.
    pub offset: Option<u32>,
    /// How many to list at most: 1 to 500, 100 unless said.
    pub limit: Option<u16>,
}

/// The postings of an account on one day, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// The postings, oldest first.
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
