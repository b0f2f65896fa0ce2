//! Whether an ending balances: what was debited is credited or given back, once, and nothing else is. It is looked at
//! where a transfer ends, from what is known of the legs alone and by a table of its own, so that a rule which ends a
//! transfer wrongly does not stand in its own judgement.

use super::{EndReason, Knowledge, State, Transfer};
use crate::serial::Role;
use std::fmt;

/// On whose word a transfer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// By what is proven of its legs.
    Proof,
    /// By a person's decision, and its record says so: of what nobody knows, the person's word counts, and money may have
    /// been moved by hand.
    Person,
}

/// An ending that does not balance: an error of this software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// As which it was to end.
    pub ending: State,
    /// What is known of its legs, in the order of [`Role::ALL`].
    pub legs: [Knowledge; 3],
    /// On whose word it was to end.
    pub by: EndedBy,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Imbalance { ending, legs: [debit, credit, reversal], by } = self;
        let by = match by {
            EndedBy::Proof => "by itself",
            EndedBy::Person => "by a person's decision",
        };
        write!(
            f,
            "it was to end {by} as {ending}, and its money does not add up so: the debit is {}, the credit is {}, the \
             reversal is {}",
            debit.words(),
            credit.words(),
            reversal.words()
        )
    }
}

/// Whether a transfer that ends so conserves money, by what is known of its legs, in the order of [`Role::ALL`]. Only a
/// final state does.
pub fn balances(ending: State, legs: [Knowledge; 3], by: EndedBy) -> bool {
    let Some(moves) = moves(ending) else { return false };
    let posted = legs.map(posted);
    match by {
        EndedBy::Proof => posted == moves.map(Some),
        // Where no ending agrees with all that is proven, the books were put right by hand: then the one counts that
        // the least stands against (decision 0023).
        EndedBy::Person => {
            let least = State::ALL.into_iter().filter_map(|other| against(other, posted)).min();
            against(ending, posted) == least
        }
    }
}

impl Transfer {
    /// What is wrong with its ending, if it is at one and that does not balance.
    pub fn imbalance(&self) -> Option<Imbalance> {
        let ending = self.state();
        let legs = Role::ALL.map(|role| self.leg(role).knowledge);
        let by = match self.reason {
            Some(EndReason::Decided) => EndedBy::Person,
            Some(
                EndReason::DebitRefused
                | EndReason::DebitNotExecuted
                | EndReason::CounterUnavailable
                | EndReason::CreditRefused
                | EndReason::CreditNotExecuted,
            )
            | None => EndedBy::Proof,
        };
        let is_wrong = ending.is_final() && !balances(ending, legs, by);
        is_wrong.then_some(Imbalance { ending, legs, by })
    }
}

/// Which legs move money in an ending, in the order of [`Role::ALL`]; `None` of what is no ending.
const fn moves(ending: State) -> Option<[bool; 3]> {
    match ending {
        State::Completed => Some([true, true, false]),
        State::Refused => Some([false, false, false]),
        State::Reversed => Some([true, false, true]),
        State::Accepted
        | State::Debiting
        | State::Crediting
        | State::Reversing
        | State::NeedsOperator => None,
    }
}

/// Whether a leg has moved money; `None` where nobody knows.
const fn posted(knowledge: Knowledge) -> Option<bool> {
    match knowledge {
        Knowledge::Done => Some(true),
        Knowledge::NotSent | Knowledge::Refused | Knowledge::NotExecuted => Some(false),
        Knowledge::Unknown => None,
    }
}

/// Of how many legs what is known stands against an ending that a person decides; `None` of what is no ending. That the
/// counter has not reversed the debit stands against nothing: the money may have been given back by hand.
fn against(ending: State, posted: [Option<bool>; 3]) -> Option<usize> {
    let [debit, credit, reversal] = moves(ending)?;
    let wanted = [Some(debit), Some(credit), (!reversal).then_some(false)];
    let differs = |(wanted, posted): (&Option<bool>, &Option<bool>)| {
        wanted.is_some() && posted.is_some() && wanted != posted
    };
    Some(wanted.iter().zip(&posted).filter(|pair| differs(*pair)).count())
}
