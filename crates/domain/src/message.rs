//! What the bridge asks of a counter and what a counter answers, whatever the dialect (DOMAIN §6).

use crate::money::{Amount, Currency};
use crate::serial::{Day, Mark, MasterSerial, SubSerial};
use foreign::ForeignText;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $longest:literal, $allowed:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks length and characters.
            pub fn new(text: &str) -> Result<$name, IdentifierError> {
                let allowed: fn(u8) -> bool = $allowed;
                if (1..=$longest).contains(&text.len()) && text.bytes().all(allowed) {
                    Ok($name(text.into()))
                } else {
                    Err(IdentifierError { what: $what, text: text.chars().take(40).collect() })
                }
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdentifierError;
            fn from_str(text: &str) -> Result<Self, IdentifierError> {
                $name::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdentifierError;
            fn try_from(text: String) -> Result<Self, IdentifierError> {
                $name::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier! {
    /// The bridge's name for a counter, such as `securities`.
    CounterId, 32,
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-',
    "a counter id is 1 to 32 of a-z, 0-9 and '-'"
}

identifier! {
    /// A fund account (or a bank's current account) at a counter.
    AccountId, 25,
    |byte| byte.is_ascii_alphanumeric(),
    "an account is 1 to 25 ASCII letters and digits"
}

/// An account at a counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The counter's id.
    pub counter: CounterId,
    /// The account's number at that counter.
    pub account: AccountId,
}

/// A text that is not the identifier it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}, not {text:?}")]
pub struct IdentifierError {
    what: &'static str,
    text: String,
}

/// Three digits, `100..=999`, by which a counter says how a request ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct AnswerCode(u16);

impl AnswerCode {
    /// Checks the range.
    pub fn new(code: u16) -> Result<AnswerCode, NotACode> {
        if (100..=999).contains(&code) { Ok(AnswerCode(code)) } else { Err(NotACode(code)) }
    }

    pub(crate) const fn of(code: u16) -> AnswerCode {
        AnswerCode(code)
    }

    /// The three digits as a number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for AnswerCode {
    type Error = NotACode;
    fn try_from(code: u16) -> Result<Self, NotACode> {
        AnswerCode::new(code)
    }
}

impl From<AnswerCode> for u16 {
    fn from(code: AnswerCode) -> u16 {
        code.0
    }
}

impl fmt::Display for AnswerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AnswerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that is not three digits (`100..=999`), as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an answer code is 100 to 999, not {0}")]
pub struct NotACode(pub u16);

/// A counter's code and its words. The text is for people; nothing is decided by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Three digits, `100..=999`. What they prove, the code table of the counter's profile says
    /// (DOMAIN §3).
    pub code: AnswerCode,
    /// The counter's words for people; at most 200 characters are kept.
    pub text: ForeignText,
}

/// One thing asked of a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Take money out of an account.
    Debit(Posting),
    /// Put money into an account.
    Credit(Posting),
    /// Undo a debit: give its money back.
    Reverse(Reversal),
    /// Ask what became of a serial, and perhaps forbid it for ever.
    Query(Query),
    /// Ask what an account holds.
    Balance(BalanceQuery),
    /// Ask for an account's postings of one settle day.
    Entries(EntriesQuery),
}

impl Instruction {
    /// The sub serial that the instruction is about; `None` for balance and entries.
    pub fn serial(&self) -> Option<SubSerial> {
        match self {
            Instruction::Debit(posting) | Instruction::Credit(posting) => Some(posting.serial),
            Instruction::Reverse(reversal) => Some(reversal.serial),
            Instruction::Query(query) => Some(query.serial),
            Instruction::Balance(_) | Instruction::Entries(_) => None,
        }
    }

    /// Whether the counter's books may change by it. Only what moves nothing may be sent again
    /// freely, and a fence counts as moving nothing: it is idempotent.
    pub fn moves_money(&self) -> bool {
        match self {
            Instruction::Debit(_) | Instruction::Credit(_) | Instruction::Reverse(_) => true,
            Instruction::Query(_) | Instruction::Balance(_) | Instruction::Entries(_) => false,
        }
    }
}

/// A debit or a credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Sub serial of the leg: twelve digits, by which the counter dedupes (DOMAIN §2).
    pub serial: SubSerial,
    /// Master serial of the transfer that it belongs to, for the counter's books.
    pub master: MasterSerial,
    /// The settle day that the leg was bound to; with the serial, the leg's identity at the counter.
    pub settle_day: Day,
    /// The account at this counter that is debited or credited.
    pub account: AccountId,
    /// Amount in minor units, 1 to 999,999,999,999.
    pub amount: Amount,
    /// ISO 4217 currency of the amount.
    pub currency: Currency,
    /// The transfer's mark, for the counter to keep; `None` only for transfers recorded by earlier
    /// versions.
    pub mark: Option<Mark>,
}

/// Undoes one posting: exact amount, own serial, names the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    /// Sub serial of the reversal itself; its last digit is 3.
    pub serial: SubSerial,
    /// Sub serial of the debit that is undone.
    pub original: SubSerial,
    /// Master serial of the transfer that both belong to.
    pub master: MasterSerial,
    /// The settle day that the original was bound to: it is not undone on another (DOMAIN §3, rule
    /// 6).
    pub settle_day: Day,
    /// The account that the original was posted to.
    pub account: AccountId,
    /// Amount of the original in minor units, 1 to 999,999,999,999: it is undone whole.
    pub amount: Amount,
    /// ISO 4217 currency of the amount.
    pub currency: Currency,
    /// The transfer's mark, for the counter to keep; `None` only for transfers recorded by earlier
    /// versions.
    pub mark: Option<Mark>,
}

/// Whether a query only looks, or also forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// Say what is known of the serial.
    Only,
    /// If the serial has not run, bury it: it never will (空回滚, 防悬挂).
    Fence,
}

/// A result query, perhaps with a fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Sub serial of the leg that is asked about.
    pub serial: SubSerial,
    /// The settle day that the leg was bound to.
    pub settle_day: Day,
    /// Whether the counter only looks, or also buries the serial if it has not run.
    pub look: Look,
    /// The transfer's mark, which a fence keeps; `None` only for transfers recorded by earlier
    /// versions.
    pub mark: Option<Mark>,
}

/// Asks for a balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceQuery {
    /// The account whose balance is asked for.
    pub account: AccountId,
    /// ISO 4217 currency of the account.
    pub currency: Currency,
}

/// Asks for postings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntriesQuery {
    /// The account whose postings are asked for; `None` for those of all accounts, where the
    /// counter can say that.
    pub account: Option<AccountId>,
    /// The counter's settle day whose postings are asked for.
    pub day: Day,
    /// How many postings of that day to skip, the oldest first: pages through a long day.
    pub offset: u32,
    /// How many postings to answer with at most, `1..=500`.
    pub limit: u16,
}

impl EntriesQuery {
    /// The longest page a counter is asked for.
    pub const LONGEST_PAGE: u16 = 500;
}

/// What a counter says back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To a debit, a credit or a reversal.
    Posting(PostingReply),
    /// To a query or a fence.
    Query(QueryReply),
    /// To a balance query.
    Balance(BalanceReply),
    /// To an entries query.
    Entries(EntriesReply),
}

impl Reply {
    /// The sub serial that the reply is about, if any.
    pub fn serial(&self) -> Option<SubSerial> {
        match self {
            Reply::Posting(reply) => Some(reply.serial),
            Reply::Query(reply) => Some(reply.serial),
            Reply::Balance(_) | Reply::Entries(_) => None,
        }
    }
}

/// What a counter says of a posting that it made or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostingReply {
    /// Sub serial of the request that is answered.
    pub serial: SubSerial,
    /// The counter's code and words for how the request ended.
    pub answer: Answer,
    /// The posting as the counter holds it; `None` if it shows none.
    pub posted: Option<Posted>,
    /// The mark that the counter holds with the serial, whoever's it is; where it holds nothing
    /// about the serial, the request's. `None` from a counter that keeps no marks.
    pub mark: Option<Mark>,
}

/// A posting as the counter holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The counter's own number, at most 32 characters; empty if there was one and it could not be
    /// read. Nothing is decided by it.
    pub counter_serial: ForeignText,
    /// The counter's accounting day on which it posted.
    pub settle_day: Day,
    /// The account that was posted to.
    pub account: AccountId,
    /// The amount that was posted, in minor units, 1 to 999,999,999,999.
    pub amount: Amount,
    /// ISO 4217 currency of the amount.
    pub currency: Currency,
    /// For a reversal, the serial of the posting that it undid; `None` where the counter does not
    /// say it.
    pub original: Option<SubSerial>,
}

/// What a counter knows of a serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It is posted.
    Done,
    /// It was refused; nothing was posted.
    Refused,
    /// No trace of it: it may still be on its way.
    NotFound,
    /// The counter is still working on it.
    Processing,
    /// Buried: it never ran and never will.
    Fenced,
    /// The counter could not say, or said something that is not in the protocol.
    Unclear,
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryReply {
    /// The sub serial that was asked about.
    pub serial: SubSerial,
    /// What the counter knows of that serial.
    pub finding: Finding,
    /// The answer that the original request got, or the counter's words on the query.
    pub answer: Answer,
    /// The posting, where `finding` is [`Finding::Done`].
    pub posted: Option<Posted>,
    /// The mark that the counter holds with the serial, whoever's it is; where it holds nothing
    /// about the serial, the query's. `None` from a counter that keeps no marks.
    pub mark: Option<Mark>,
}

/// The answer to a [`BalanceQuery`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceReply {
    /// The counter's code and words for how the query ended.
    pub answer: Answer,
    /// What the account holds; `None` where the query was refused.
    pub balance: Option<Balance>,
}

/// What an account holds, in minor units; never negative at a counter that we move money for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The account that was asked about.
    pub account: AccountId,
    /// ISO 4217 currency of the account.
    pub currency: Currency,
    /// What may be traded with, in minor units.
    pub available: i64,
    /// What may be moved out, in minor units; at most `available`.
    pub withdrawable: i64,
}

/// The answer to an [`EntriesQuery`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntriesReply {
    /// The counter's code and words for how the query ended.
    pub answer: Answer,
    /// The postings, oldest first.
    pub entries: Vec<Entry>,
    /// Whether the counter has more postings of that day after these.
    pub more: bool,
}

/// What an entry did to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Money left the account.
    Debit,
    /// Money reached the account.
    Credit,
    /// A debit was undone: money came back to the account.
    Reversal,
}

/// One posting in a counter's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it did to the account.
    pub kind: EntryKind,
    /// The bridge's sub serial, under which it was posted.
    pub serial: SubSerial,
    /// The posting as the counter holds it.
    pub posted: Posted,
    /// When the counter posted it, in microseconds since 1970 UTC; 0 if that could not be read.
    pub at_micros: i64,
    /// The mark that came with it; `None` if the counter kept none.
    pub mark: Option<Mark>,
}

/// Something that a person should see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How urgent it is that a person sees it.
    pub severity: Severity,
    /// The words for people; at most 500 characters are kept.
    pub text: ForeignText,
}

/// How grave a [`Notice`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// To be known.
    Info,
    /// To be looked at.
    Warning,
    /// Somebody must act.
    Alarm,
}

impl Severity {
    /// Whether somebody has to look into it at once.
    pub const fn is_alarm(self) -> bool {
        match self {
            Severity::Alarm => true,
            Severity::Info | Severity::Warning => false,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Alarm => "alarm",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_edges() {
        assert!(AccountId::new(&"9".repeat(25)).is_ok());
        assert!(AccountId::new(&"9".repeat(26)).is_err());
        for bad in ["", "a b", "a-b", "é", "a\0"] {
            assert!(AccountId::new(bad).is_err(), "{bad:?}");
        }
        assert!(CounterId::new(&"a".repeat(32)).is_ok());
        assert!(CounterId::new(&"a".repeat(33)).is_err());
        for bad in ["", "Securities", "a_b", "a/b"] {
            assert!(CounterId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_an_alarm_is_one_and_each_has_its_word() {
        let all = [Severity::Info, Severity::Warning, Severity::Alarm];
        let told = all.map(|severity| (severity.as_str(), severity.is_alarm()));
        assert_eq!(told, [("info", false), ("warning", false), ("alarm", true)]);
    }

    #[test]
    fn answer_codes_have_three_digits() {
        assert!(AnswerCode::new(99).is_err());
        assert!(AnswerCode::new(100).is_ok());
        assert!(AnswerCode::new(999).is_ok());
        assert!(AnswerCode::new(1000).is_err());
    }
}
