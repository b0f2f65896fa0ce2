//! What would become of a parked transfer, by the rules and from what is proven. It is not judged a
//! second time: a copy is resumed, and what follows is looked at.

use super::event::{Action, Step};
use super::rules::Transition;
use super::{Knowledge, ParkReason, Phase, State, StepContext, Transfer};
use crate::serial::Role;
use serde::{Deserialize, Serialize};

/// What a parked transfer waits for, and what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outlook {
    /// What became of this leg is not proven: its counter is asked first.
    Unproven(Role),
    /// All is proven, and ends it so; nothing is sent for that.
    Ends(State),
    /// All is proven, and this leg is to be sent, at once or as soon as it may be.
    Sends(Role),
    /// The rules lead no further: a person must decide how it ends.
    Person,
}

impl Outlook {
    /// Whether nothing is left to be learned, and the rules go on from there.
    pub const fn is_proven(self) -> bool {
        match self {
            Outlook::Ends(_) | Outlook::Sends(_) => true,
            Outlook::Unproven(_) | Outlook::Person => false,
        }
    }

    /// What a decision has led to.
    pub(super) fn of(resumed: &Transfer, step: Step) -> Outlook {
        match step.action {
            Action::Finish => return Outlook::Ends(resumed.state()),
            Action::Send(role) => return Outlook::Sends(role),
            Action::Ask(role, _) => return Outlook::Unproven(role),
            Action::Pause | Action::Stay => {}
        }
        match resumed.phase {
            Phase::Accepted | Phase::DebitWaiting => Outlook::Sends(Role::Debit),
            Phase::CreditWaiting => Outlook::Sends(Role::Credit),
            Phase::ReversalWaiting => Outlook::Sends(Role::Reversal),
            Phase::DebitSent | Phase::DebitAsking | Phase::DebitFencing => {
                Outlook::Unproven(Role::Debit)
            }
            Phase::CreditSent | Phase::CreditAsking | Phase::CreditFencing => {
                Outlook::Unproven(Role::Credit)
            }
            Phase::ReversalSent | Phase::ReversalProving => Outlook::Unproven(Role::Reversal),
            Phase::Parked(_) => Outlook::Person,
            Phase::Completed | Phase::Refused | Phase::Reversed => Outlook::Ends(resumed.state()),
        }
    }
}

impl ParkReason {
    /// Whether a person is called for nothing but that a counter did not say what became of a leg:
    /// once it does, there is nothing left to be decided.
    pub const fn is_want_of_knowledge(self) -> bool {
        match self {
            ParkReason::DebitUnresolved
            | ParkReason::CreditUnresolved
            | ParkReason::ReversalUnresolved => true,
            ParkReason::ReversalRefused
            | ParkReason::CannotReverse
            | ParkReason::SettleDayPassed
            | ParkReason::Contradicted
            | ParkReason::OtherMark
            | ParkReason::KnownBefore
            | ParkReason::CreditWithoutDebit
            | ParkReason::Illegal
            | ParkReason::Panicked
            | ParkReason::Unbalanced => false,
        }
    }

    /// Whether no other reason takes its place: the rules lead no further, or what may have been sent
    /// is not worked on before a person has looked.
    pub(super) fn stands(self) -> bool {
        self.is_of_this_software() || !self.may_be_resumed()
    }

    /// Whether this software failed at it: it is not worked on, nor asked about, before a person has looked.
    pub const fn is_of_this_software(self) -> bool {
        match self {
            ParkReason::Panicked | ParkReason::Unbalanced => true,
            ParkReason::DebitUnresolved
            | ParkReason::CreditUnresolved
            | ParkReason::ReversalUnresolved
            | ParkReason::ReversalRefused
            | ParkReason::CannotReverse
            | ParkReason::SettleDayPassed
            | ParkReason::Contradicted
            | ParkReason::OtherMark
            | ParkReason::KnownBefore
            | ParkReason::CreditWithoutDebit
            | ParkReason::Illegal => false,
        }
    }

    /// Whether the rules have anything to go on from.
    pub const fn may_be_resumed(self) -> bool {
        match self {
            ParkReason::Contradicted | ParkReason::CreditWithoutDebit | ParkReason::Illegal => {
                false
            }
            ParkReason::DebitUnresolved
            | ParkReason::CreditUnresolved
            | ParkReason::ReversalUnresolved
            | ParkReason::ReversalRefused
            | ParkReason::CannotReverse
            | ParkReason::SettleDayPassed
            | ParkReason::OtherMark
            | ParkReason::KnownBefore
            | ParkReason::Panicked
            | ParkReason::Unbalanced => true,
        }
    }
}

impl Transfer {
    /// What it waits for and leads to; `None` unless it is parked.
    pub fn outlook(&self, ground: &StepContext<'_>) -> Option<Outlook> {
        let Phase::Parked(why) = self.phase else { return None };
        if !why.may_be_resumed() {
            return Some(Outlook::Person);
        }
        if let Some(role) = self.unknown().next() {
            return Some(Outlook::Unproven(role));
        }
        let (resumed, step) = self.resumed(ground);
        Some(Outlook::of(&resumed, step))
    }

    /// The legs of which it is not known what became of them. One that never left is known.
    pub fn unknown(&self) -> impl Iterator<Item = Role> + '_ {
        Role::ALL.into_iter().filter(|role| {
            let leg = self.leg(*role);
            match leg.knowledge {
                Knowledge::Unknown => true,
                // It has still to be asked about under a day that it was, or may be, bound to.
                Knowledge::NotSent => leg.days_unasked > 0 || leg.sought.is_some(),
                Knowledge::Done | Knowledge::Refused | Knowledge::NotExecuted => false,
            }
        })
    }

    /// A copy that was handed back to the rules, and what follows from that.
    pub(super) fn resumed(&self, ground: &StepContext<'_>) -> (Transfer, Step) {
        let mut resumed = self.clone();
        let step = Transition::new(&mut resumed, ground).resume();
        (resumed, step)
    }
}
