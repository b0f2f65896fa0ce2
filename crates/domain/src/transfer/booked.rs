//! What a transfer's legs say of money, one posting at a time (DOMAIN §3, rule 8). [`Transfer::in_transit`] says it of
//! the transfer as a whole: the two are worked out apart, so that one may be held against the other.

use super::{Knowledge, ParkReason, Phase, Transfer};
use crate::serial::Role;

/// What is known of the money of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Booked {
    /// It is proven posted.
    Proven,
    /// Nothing is posted: it never left, was refused, or is proven dead.
    Nothing,
    /// It was sent, and its own answer is awaited.
    Awaited,
    /// It may or may not be posted, and the counter is asked, or a person.
    Unknown,
}

impl Transfer {
    /// What is known of the money of a leg.
    pub fn booked(&self, role: Role) -> Booked {
        let awaited = match role {
            Role::Debit => Phase::DebitSent,
            Role::Credit => Phase::CreditSent,
            Role::Reversal => Phase::ReversalSent,
        };
        match self.leg(role).knowledge {
            Knowledge::Done => Booked::Proven,
            Knowledge::NotSent | Knowledge::Refused | Knowledge::NotExecuted => Booked::Nothing,
            Knowledge::Unknown if self.phase == awaited => Booked::Awaited,
            Knowledge::Unknown => Booked::Unknown,
        }
    }

    /// Money that is proven paid out, as a credit or as a return, beyond what is proven debited, in minor units: a
    /// credit that a former life of the bridge had made before its debit is proven again, or one too many of the two.
    pub fn paid_ahead(&self) -> i64 {
        let proven = |role| self.booked(role) == Booked::Proven;
        let paid = [Role::Credit, Role::Reversal].into_iter().filter(|role| proven(*role)).count();
        let covered = usize::from(proven(Role::Debit));
        let times = i64::try_from(paid.saturating_sub(covered)).unwrap_or(0);
        self.intent.order.amount.minor().saturating_mul(times)
    }

    /// Whether what is proven of it does not go together: a counter contradicted itself, or more is paid out than can
    /// have been debited.
    pub fn is_contradicted(&self) -> bool {
        let parked = match self.phase.parked() {
            Some(ParkReason::Contradicted | ParkReason::CreditWithoutDebit) => true,
            Some(
                ParkReason::DebitUnresolved
                | ParkReason::CreditUnresolved
                | ParkReason::ReversalUnresolved
                | ParkReason::ReversalRefused
                | ParkReason::CannotReverse
                | ParkReason::SettleDayPassed
                | ParkReason::OtherMark
                | ParkReason::KnownBefore
                | ParkReason::Illegal
                | ParkReason::Panicked
                | ParkReason::Unbalanced,
            )
            | None => false,
        };
        parked || (self.paid_ahead() > 0 && self.debit.knowledge != Knowledge::Unknown)
    }
}
