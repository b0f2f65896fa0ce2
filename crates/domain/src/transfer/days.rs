//! Which settle day a leg is bound to. With the sub serial the day is the leg's identity at its
//! counter: bound to another day it is another posting. So a leg is bound anew only if it was never
//! sent, or was sent once and its own answer was that its day is over (DOMAIN §3 rule 6); the new
//! day is durable before its first byte leaves, and after a restart the counter is asked about the
//! leg under every day that it was ever bound to.
//!
//! A record that lost its tail does not know all of these: the life that is lost may have bound the
//! leg anew, and a day later the posting stands under a day of which nothing is recorded. Such a leg
//! is sought under each day from the last known one to its counter's present day, and is dead only
//! when it is proven dead under all of them.

use super::evidence::{LegReport, Weight};

use super::believed::Evidence;
use super::{Knowledge, Phase, Transfer};
use crate::message::AnswerCode;
use crate::serial::{Day, Role};

/// How often one leg is bound to another day. A transfer lives for a minute; whoever changes the day
/// more often than this is not followed.
pub const MOST_REBOUND: usize = 2;

/// How many days after the last known one a leg is sought under, where the record lost its tail. A
/// record that is older than this is for a person, with the counter's statements.
pub const MOST_SOUGHT: u32 = 31;

/// What follows where a leg is proven dead under the day that it was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// It is dead: there is no other day that it may be bound to.
    Over,
    /// It may be bound to a later day, and is asked about under that one next.
    On,
    /// Its counter's present day is not known yet, so neither is whether there is a later one.
    DayUnknown,
    /// The last known day is too long ago.
    TooFar,
}

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
    /// before the present one; where the record lost its tail, later ones after it.
    pub fn asked_day(&self, role: Role) -> Day {
        let unasked = usize::from(self.leg(role).days_unasked);
        let days: Vec<Day> = self.bound_days(role).collect();
        let next = days.len().saturating_sub(1 + unasked);
        let present = self.leg(role).sought.unwrap_or_else(|| self.bound_day(role));
        if unasked == 0 { present } else { days.get(next).copied().unwrap_or(present) }
    }

    /// Whether a posting on `day` may be the leg's: it was bound to it, or is sought under it.
    pub(super) fn may_be_bound_to(&self, role: Role, day: Day) -> bool {
        self.bound_days(role).any(|bound| bound == day) || self.leg(role).sought == Some(day)
    }

    /// Takes in that a leg is proven dead under the day that it was asked about, where its counter's
    /// present day is `today`.
    pub(super) fn seek_on(&mut self, role: Role, today: Option<Day>) -> Search {
        let bound = self.bound_day(role);
        let leg = self.leg_mut(role);
        let Some(sought) = leg.sought else { return Search::Over };
        match today {
            None => Search::DayUnknown,
            Some(today) if today <= sought => Search::Over,
            Some(today) if today.unix_days() - bound.unix_days() > MOST_SOUGHT => Search::TooFar,
            Some(_) => {
                leg.sought = Some(Day::from_unix_days(sought.unix_days() + 1));
                Search::On
            }
        }
    }

    /// Takes in that a leg is found posted on `day`: if the record did not know that it was bound to
    /// it, it does now, for its reversal names that day.
    pub(super) fn found_under(&mut self, role: Role, day: Day) {
        let later = day > self.bound_day(role);
        let leg = self.leg_mut(role);
        if leg.sought.take().is_some() && later {
            leg.rebound.push(day);
        }
    }

    /// Whether an answer that nobody awaits may be about the leg as it was bound to another day: such
    /// an answer names the serial alone, so a refusal proves nothing of the leg as it is bound now.
    pub fn may_be_of_another_day(&self, role: Role, evidence: Evidence) -> bool {
        let dead = matches!(evidence, Evidence::Refused | Evidence::NotExecuted);
        let leg = self.leg(role);
        dead && role != Role::Reversal && (!leg.rebound.is_empty() || leg.sought.is_some())
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
        let lost = leg.knowledge == Knowledge::Unknown && !awaited;
        lost && today.is_some_and(|today| today > self.bound_day(role))
    }

    /// Whether a leg may be bound to `today` although it was refused: this is its own answer, it was
    /// sent once, and it was refused because its day is over.
    pub(super) fn was_refused_for_its_day(&self, role: Role, told: &LegReport) -> bool {
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
    /// are asked about first. A posting on the present day, or a later one, is about that.
    pub(super) fn may_be_told_of_former_day(&self, role: Role, told: &LegReport) -> bool {
        let present = self.bound_day(role);
        let of_present = told.posted.as_ref().is_some_and(|posted| posted.settle_day >= present);
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
