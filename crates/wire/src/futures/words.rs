//! The words of the dialect: transactions, answers, and the values of enumerations.

use crate::message::RejectReason;

use domain::message::Severity;
use domain::message::{EntryKind, Finding};
use domain::profile::AmountUnit;

/// What a request element asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transaction {
    SignOn,
    SignOnProof,
    SignOff,
    Heartbeat,
    Notice,
    Debit,
    Credit,
    Reverse,
    ResultQuery,
    FundBalanceQuery,
    DayDetailQuery,
}

impl Transaction {
    const ALL: [Transaction; 11] = [
        Transaction::Debit,
        Transaction::Credit,
        Transaction::ResultQuery,
        Transaction::Heartbeat,
        Transaction::Reverse,
        Transaction::FundBalanceQuery,
        Transaction::DayDetailQuery,
        Transaction::SignOn,
        Transaction::SignOnProof,
        Transaction::SignOff,
        Transaction::Notice,
    ];

    /// The name of its element.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Transaction::SignOn => "SignOn",
            Transaction::SignOnProof => "SignOnProof",
            Transaction::SignOff => "SignOff",
            Transaction::Heartbeat => "Heartbeat",
            Transaction::Notice => "Notice",
            Transaction::Debit => "Debit",
            Transaction::Credit => "Credit",
            Transaction::Reverse => "Reverse",
            Transaction::ResultQuery => "ResultQuery",
            Transaction::FundBalanceQuery => "FundBalanceQuery",
            Transaction::DayDetailQuery => "DayDetailQuery",
        }
    }

    /// Its transaction code.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Transaction::SignOn => "1001",
            Transaction::SignOnProof => "1002",
            Transaction::SignOff => "1003",
            Transaction::Heartbeat => "1004",
            Transaction::Notice => "1005",
            Transaction::Debit => "2001",
            Transaction::Credit => "2002",
            Transaction::Reverse => "2003",
            Transaction::ResultQuery => "2004",
            Transaction::FundBalanceQuery => "2005",
            Transaction::DayDetailQuery => "2006",
        }
    }

    /// Who caused it: a shareholder's wish, or the system itself.
    pub(super) const fn initiator(self) -> &'static str {
        match self {
            Transaction::Debit
            | Transaction::Credit
            | Transaction::FundBalanceQuery
            | Transaction::DayDetailQuery => "shareholder",
            Transaction::SignOn
            | Transaction::SignOnProof
            | Transaction::SignOff
            | Transaction::Heartbeat
            | Transaction::Notice
            | Transaction::Reverse
            | Transaction::ResultQuery => "securities-system",
        }
    }

    pub(super) fn named(name: &str) -> Option<Transaction> {
        Transaction::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// Who may cause a transaction (source 001).
pub(super) const INITIATORS: [&str; 4] =
    ["shareholder", "depositor", "bank-system", "securities-system"];

/// What an answer element answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerKind {
    Challenge,
    Welcome,
    Rejected,
    SignOffAck,
    HeartbeatAck,
    Posting,
    ResultQuery,
    FundBalance,
    DayDetail,
}

/// A closed set of words, each for one value.
pub(super) trait Word: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// The value's word.
    fn word(self) -> &'static str;

    /// The value of a word.
    fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.word() == word)
    }
}

macro_rules! words {
    ($type:ty { $($value:path => $word:literal),* $(,)? }) => {
        impl Word for $type {
            const ALL: &'static [Self] = &[$($value),*];

            fn word(self) -> &'static str {
                match self { $($value => $word),* }
            }
        }
    };
}

words!(AnswerKind {
    AnswerKind::Posting => "Posting",
    AnswerKind::ResultQuery => "ResultQuery",
    AnswerKind::HeartbeatAck => "HeartbeatAck",
    AnswerKind::FundBalance => "FundBalance",
    AnswerKind::DayDetail => "DayDetail",
    AnswerKind::Challenge => "Challenge",
    AnswerKind::Welcome => "Welcome",
    AnswerKind::Rejected => "Rejected",
    AnswerKind::SignOffAck => "SignOffAck",
});

words!(Finding {
    Finding::Done => "done",
    Finding::Refused => "refused",
    Finding::NotFound => "not-found",
    Finding::Processing => "processing",
    Finding::Fenced => "fenced",
    Finding::Unclear => "unclear",
});

words!(EntryKind {
    EntryKind::Debit => "debit",
    EntryKind::Credit => "credit",
    EntryKind::Reversal => "reversal",
});

words!(RejectReason {
    RejectReason::Version => "version",
    RejectReason::UnknownParty => "unknown-party",
    RejectReason::BadProof => "bad-proof",
    RejectReason::AlreadySignedOn => "already-signed-on",
    RejectReason::NotNow => "not-now",
    RejectReason::Other => "other",
});

words!(Severity {
    Severity::Info => "info",
    Severity::Warning => "warning",
    Severity::Alarm => "alarm",
});

words!(AmountUnit {
    AmountUnit::Minor => "minor",
    AmountUnit::Major => "major",
});

impl Word for bool {
    const ALL: &'static [Self] = &[true, false];

    fn word(self) -> &'static str {
        if self { "yes" } else { "no" }
    }
}
