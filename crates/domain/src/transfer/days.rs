//! Which settle day a leg is bound to. With the sub serial the day is the leg's identity at its
//! counter: bound to another day it is another posting. So a leg is bound anew only if it was never
//! sent, or was sent once and its own answer was that its day is over (DOMAIN §3 rule 6); the new
//! day is durable before its first byte leaves, and after a restart the counter is asked about the
//! leg under every day that it was ever bound to.

use super::evidence::{Evidence, Told, Weight};
use super::{Knowledge, Phase, Transfer};
use crate::message::AnswerCode;
use crate::serial::{Day, Role};

/// How often one leg is bound to another day. A transfer lives for a minute; whoever changes the day
/// more often than this is not followed.
pub const MOST_REBOUND: usize = 2;

impl Transfer {
    /// The settle day that a leg is bound to now. A reversal names the day of the debit that it
    /// undoes.
    pub fn bound_day(&self, role: Role) -> Day {
        let (first, leg) = match role {
            Role::Debit | Role::Reversal => (self.intent.debit_day, &self.debit),
            Role::Credit => (self.intent.credit_day, &self.credit),
        };
        leg.rebound.last().copied().unwrap_or(first)
    }

    /// Every settle day that a leg was ever bound to, oldest first.
    pub fn bound_days(&self, role: Role) -> impl Iterator<Item = Day> + '_ {
        let (first, leg) = match role {
            Role::Debit | Role::Reversal => (self.intent.debit_day, &self.debit),
            Role::Credit => (self.intent.credit_day, &self.credit),
        };
        std::iter::once(first).chain(leg.rebound.iter().copied())
    }

    /// The settle day under which the leg is asked about next: after a restart each former one
    /// before the present one.
    pub fn asked_day(&self, role: Role) -> Day {
        let unasked = usize::from(self.leg(role).days_unasked);
        let days: Vec<Day> = self.bound_days(role).collect();
        let next = days.len().saturating_sub(1 + unasked);
        days.get(next).copied().unwrap_or_else(|| self.bound_day(role))
    }

    /// Whether an answer that nobody awaits may be about the leg as it was bound to another day: such
    /// an answer names the serial alone, so a refusal proves nothing of the leg as it is bound now.
    pub fn may_be_of_another_day(&self, role: Role, evidence: Evidence) -> bool {
        let dead = matches!(evidence, Evidence::Refused | Evidence::NotExecuted);
        dead && role != Role::Reversal && !self.leg(role).rebound.is_empty()
    }

    /// Whether the counter's cut-over leaves nothing to do for a leg but to give it up: it may have
    /// been sent under a day that is over, and its answer was lost. One whose answer is awaited, or
    /// that never left, may still be bound to the new day.
    pub fn is_overtaken(&self, role: Role, today: Option<Day>) -> bool {
        let leg = self.leg(role);
        let awaited = matches!(
            (role, self.phase),
            (Role::Debit, Phase::DebitSent) | (Role::Credit, Phase::CreditSent)
        );
        let lost = leg.sent > 0 && leg.knowledge == Knowledge::Unknown && !awaited;
        lost && today.is_some_and(|today| today > self.bound_day(role))
    }

    /// Whether a leg may be bound to `today` although it was refused: this is its own answer, it was
    /// sent once, and it was refused because its day is over.
    pub(super) fn was_refused_for_its_day(&self, role: Role, told: &Told) -> bool {
        let awaited = matches!(
            (role, self.phase),
            (Role::Debit, Phase::DebitSent) | (Role::Credit, Phase::CreditSent)
        );
        let closed = told.answer.as_ref().is_some_and(|answer| answer.code == AnswerCode::CLOSED);
        awaited
            && closed
            && told.evidence == Evidence::Refused
            && told.weight == Weight::Answer
            && self.leg(role).sent == 1
    }

    /// Whether what a question brought is about one of the leg's former days: since a restart these
    /// are asked about first. A posting on the present day is about that.
    pub(super) fn may_be_told_of_former_day(&self, role: Role, told: &Told) -> bool {
        let present = self.bound_day(role);
        let of_present = told.posted.as_ref().is_some_and(|posted| posted.settle_day == present);
        self.leg(role).days_unasked > 0
            && told.weight != Weight::Answer
            && !of_present
            && !self.state().is_final()
    }

    /// Binds a leg of which nothing counts to `today`, if that is a later day and it was not bound
    /// anew too often. Whether it was.
    pub(super) fn bind_anew(&mut self, role: Role, today: Option<Day>) -> bool {
        let bound = self.bound_day(role);
        let Some(today) = today.filter(|today| *today > bound) else { return false };
        let leg = self.leg_mut(role);
        if role == Role::Reversal || leg.rebound.len() >= MOST_REBOUND {
            return false;
        }
        leg.rebound.push(today);
        leg.sent = 0;
        leg.knowledge = Knowledge::NotSent;
        true
    }
}
