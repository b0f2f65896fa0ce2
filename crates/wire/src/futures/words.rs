//! The words of the dialect: transactions and answers, of its payload and of the conversation.

use crate::conversation::RejectReason;
use crate::xml::word::{Word, words};

/// What a request element asks for.
pub(super) trait Transaction: Copy + 'static {
    /// Every transaction of its kind, the most frequent first.
    const ALL: &'static [Self];

    /// The name of its element.
    fn name(self) -> &'static str;

    /// Its transaction code.
    fn code(self) -> &'static str;

    /// Who caused it: a shareholder's wish, or the system itself.
    fn initiator(self) -> &'static str;

    /// The transaction of an element.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}

macro_rules! transactions {
    ($(#[$doc:meta])* $type:ident { $($transaction:ident $code:literal $initiator:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $type {
            $($transaction),*
        }

        impl Transaction for $type {
            const ALL: &'static [$type] = &[$($type::$transaction),*];

            fn name(self) -> &'static str {
                match self { $($type::$transaction => stringify!($transaction)),* }
            }

            fn code(self) -> &'static str {
                match self { $($type::$transaction => $code),* }
            }

            fn initiator(self) -> &'static str {
                match self { $($type::$transaction => $initiator),* }
            }
        }
    };
}

transactions! {
    /// An instruction to a counter.
    Instructed {
        Debit "2001" "shareholder",
        Credit "2002" "shareholder",
        ResultQuery "2004" "securities-system",
        Reverse "2003" "securities-system",
        FundBalanceQuery "2005" "shareholder",
        DayDetailQuery "2006" "shareholder",
    }
}

transactions! {
    /// Said for the connection's own sake.
    Said {
        Heartbeat "1004" "securities-system",
        SignOn "1001" "securities-system",
        SignOnProof "1002" "securities-system",
        SignOff "1003" "securities-system",
        Notice "1005" "securities-system",
    }
}

/// Who may cause a transaction (source 001).
pub(super) const INITIATORS: [&str; 4] =
    ["shareholder", "depositor", "bank-system", "securities-system"];

/// What an answer element replies to an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replied {
    Posting,
    ResultQuery,
    FundBalance,
    DayDetail,
}

/// What an answer element answers for the connection's own sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    HeartbeatAck,
    Challenge,
    Welcome,
    Rejected,
    SignOffAck,
}

/// What an answer element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Replied(Replied),
    Answered(Answered),
}

impl Answer {
    /// The answer of a kind's name.
    pub(super) fn of(kind: &str) -> Option<Answer> {
        let replied = Replied::of(kind).map(Answer::Replied);
        replied.or_else(|| Answered::of(kind).map(Answer::Answered))
    }
}

words!(Replied {
    Replied::Posting => "Posting",
    Replied::ResultQuery => "ResultQuery",
    Replied::FundBalance => "FundBalance",
    Replied::DayDetail => "DayDetail",
});

words!(Answered {
    Answered::HeartbeatAck => "HeartbeatAck",
    Answered::Challenge => "Challenge",
    Answered::Welcome => "Welcome",
    Answered::Rejected => "Rejected",
    Answered::SignOffAck => "SignOffAck",
});

words!(RejectReason {
    RejectReason::Version => "version",
    RejectReason::UnknownParty => "unknown-party",
    RejectReason::BadProof => "bad-proof",
    RejectReason::AlreadySignedOn => "already-signed-on",
    RejectReason::NotNow => "not-now",
    RejectReason::Other => "other",
});
