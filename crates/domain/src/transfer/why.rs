//! Why a transfer waits for a person, and why one ended as it did.

use super::Doubt;
use serde::{Deserialize, Serialize};

/// Why a person must decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkReason {
    /// The debit's outcome stayed unknown through all configured tries.
    DebitUnresolved,
    /// The credit's outcome stayed unknown through all configured tries.
    CreditUnresolved,
    /// The reversal's outcome stayed unknown through all configured tries.
    ReversalUnresolved,
    /// The counter refused to undo the debit.
    ReversalRefused,
    /// The counter cannot undo a debit at all.
    CannotReverse,
    /// The debit belongs to a settle day that is over: a dated adjustment is needed (rule 6).
    SettleDayPassed,
    /// The counter contradicted itself.
    Contradicted,
    /// The counter holds a leg's serial under another mark.
    OtherMark,
    /// The counter knew a leg's serial when it was sent for the first time, and does not say its
    /// mark.
    KnownBefore,
    /// The credit is done although the debit is not: the institution is at a loss.
    CreditWithoutDebit,
    /// An event that the machine does not allow: an error of this software.
    Illegal,
    /// This software failed while it worked on the transfer. What had been sent is in doubt.
    Panicked,
    /// It was to end in a way in which its money does not add up: an error of this software.
    Unbalanced,
}

impl ParkReason {
    /// All of them.
    pub const ALL: [ParkReason; 13] = [
        ParkReason::DebitUnresolved,
        ParkReason::CreditUnresolved,
        ParkReason::ReversalUnresolved,
        ParkReason::ReversalRefused,
        ParkReason::CannotReverse,
        ParkReason::SettleDayPassed,
        ParkReason::Contradicted,
        ParkReason::OtherMark,
        ParkReason::KnownBefore,
        ParkReason::CreditWithoutDebit,
        ParkReason::Illegal,
        ParkReason::Panicked,
        ParkReason::Unbalanced,
    ];

    /// The reason in words, for operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            ParkReason::DebitUnresolved => "the debit's outcome could not be established",
            ParkReason::CreditUnresolved => "the credit's outcome could not be established",
            ParkReason::ReversalUnresolved => "the reversal's outcome could not be established",
            ParkReason::ReversalRefused => "the counter refused to reverse the debit",
            ParkReason::CannotReverse => "the counter cannot reverse a debit",
            ParkReason::SettleDayPassed => {
                "the debit's settle day is over: it needs a dated adjustment, not a reversal"
            }
            ParkReason::Contradicted => "the counter contradicted an earlier answer",
            ParkReason::OtherMark => Doubt::OtherMark.as_str(),
            ParkReason::KnownBefore => Doubt::KnownBefore.as_str(),
            ParkReason::CreditWithoutDebit => {
                "the credit is done although the debit is not: debit by hand and decide completed, or \
                 take the credit back by hand and decide refused"
            }
            ParkReason::Illegal => "an event arrived that the transfer's state does not allow",
            ParkReason::Panicked => "this software failed while it worked on the transfer",
            ParkReason::Unbalanced => {
                "it was to end in a way in which its money does not add up, which is an error of this software: ask \
                 both counters what they have posted, and decide"
            }
        }
    }
}

/// Why a final transfer ended as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The source counter refused the debit.
    DebitRefused,
    /// The debit was given up and proven never executed.
    DebitNotExecuted,
    /// The source counter could not be reached before the deadline.
    CounterUnavailable,
    /// The destination counter refused the credit.
    CreditRefused,
    /// The credit was given up and proven never executed.
    CreditNotExecuted,
    /// A person decided that it ends so.
    Decided,
}

impl EndReason {
    /// The word for it, as it is recorded.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndReason::DebitRefused => "debit_refused",
            EndReason::DebitNotExecuted => "debit_not_executed",
            EndReason::CounterUnavailable => "counter_unavailable",
            EndReason::CreditRefused => "credit_refused",
            EndReason::CreditNotExecuted => "credit_not_executed",
            EndReason::Decided => "decided",
        }
    }
}
