//! A transfer that waits for a person: what is learned of it meanwhile, and what it does by itself.
//!
//! It never sends by itself what moves money: a person may be on the telephone about it. But if it
//! waits for nothing else than to know what became of its legs, and that is proven, and its end sends
//! nothing, it ends, unless somebody has claimed it.

use super::believed::Evidence;
use super::event::{Action, STALE, Step, Verdict};
use super::evidence::{LegReport, Weight};
use super::learn::{Against, against, doubted, learn, undone_by_a_lost_life};
use super::rules::{Refusal, Transition};
use super::{Knowledge, ParkReason, Phase, StepContext, Transfer};
use crate::message::Look;
use crate::serial::Role;

/// What follows from what is told of a leg.
pub(super) fn hear_parked(
    transfer: &mut Transfer,
    why: ParkReason,
    role: Role,
    told: &LegReport,
    ground: &StepContext<'_>,
) -> Step {
    match against(transfer, role, told, ground) {
        Against::Nothing => {}
        Against::OldNews => {
            return Step { verdict: Verdict::Stale, ..Transition::new(transfer, ground).asks_on() };
        }
        Against::Proof => return contradicted(transfer, why, ground),
    }
    // Whoever resumes must not undo what arrived, nor believe an undoing never asked for.
    let undoing = is_undoing(transfer);
    let impossible = told.evidence == Evidence::Done
        && match role {
            Role::Debit => false,
            Role::Credit => undoing,
            Role::Reversal => !undoing && transfer.reversal.sent == 0,
        };
    if role == Role::Reversal && !undoing && !impossible {
        if told.evidence == Evidence::Done {
            let step = undone_by_a_lost_life(transfer);
            return Step { action: Transition::new(transfer, ground).asks_on().action, ..step };
        }
        // Nothing is known of a reversal that was never asked for; whoever resumes would believe
        // that the debit is being undone.
        return STALE;
    }
    if let Some(step) = Transition::new(transfer, ground).dead_under_one_day(role, told) {
        return step;
    }
    let proven = transfer.leg(role).knowledge.is_proof();
    learn(transfer, role, told);
    if let Some(step) = doubted(transfer, role, told, ground) {
        return step;
    }
    let mut course = Transition::new(transfer, ground);
    if impossible {
        return course.contradicted();
    }
    if !proven && course.is_claimed_undone(role, told) {
        course.transfer.reversal.knowledge = Knowledge::Unknown;
    }
    if told.evidence == Evidence::Refused
        && matches!(course.refusal(role, told.weight), Refusal::Final)
    {
        course.transfer.leg_mut(role).knowledge = Knowledge::Refused;
    }
    course.by_itself().unwrap_or_else(|| course.asks_on())
}

/// Whether the debit is being undone; or, by a life that the record lost, may have been, and by what is
/// known of the other legs is to be.
fn is_undoing(transfer: &Transfer) -> bool {
    let may_have_been = transfer.reversal.sent > 0
        && transfer.debit.knowledge == Knowledge::Done
        && transfer.credit.knowledge.is_dead();
    may_have_been || transfer.reversal.knowledge != Knowledge::NotSent
}

/// Proof stands against proof: there is nothing to go on from any more.
fn contradicted(transfer: &mut Transfer, why: ParkReason, ground: &StepContext<'_>) -> Step {
    let mut course = Transition::new(transfer, ground);
    if why.stands() {
        Step { verdict: Verdict::Contradiction, ..course.asks_on() }
    } else {
        course.contradicted()
    }
}

impl Transition<'_, '_> {
    /// Time to go on with what waits for a person.
    pub(super) fn wake_parked(&mut self) -> Step {
        self.by_itself().unwrap_or_else(|| self.ask_slowly())
    }

    /// What it does by itself from what is proven: it ends, or says better why it waits.
    fn by_itself(&mut self) -> Option<Step> {
        let Phase::Parked(why) = self.transfer.phase else { return None };
        if !why.is_want_of_knowledge() || self.transfer.unknown().next().is_some() {
            return None;
        }
        match self.transfer.reversal.knowledge {
            // Rule 3: that is for a person; unless there is no debit to be undone.
            Knowledge::Refused | Knowledge::NotExecuted
                if !self.transfer.debit.knowledge.is_dead() =>
            {
                return Some(self.park(ParkReason::ReversalRefused));
            }
            Knowledge::NotSent
            | Knowledge::Unknown
            | Knowledge::Done
            | Knowledge::Refused
            | Knowledge::NotExecuted => {}
        }
        let (resumed, step) = self.transfer.resumed(self.ground);
        match (step.action, resumed.phase) {
            (Action::Finish, _) if !self.ground.claimed => {
                *self.transfer = resumed;
                Some(step)
            }
            // Who contradicts himself is held for it, whatever the transfer waits for.
            (Action::Pause, Phase::Parked(better)) => {
                Some(Step { verdict: step.verdict, ..self.park(better) })
            }
            // What would be sent waits until it is resumed, an end until the claim is over.
            (
                Action::Finish | Action::Pause | Action::Stay | Action::Send(_) | Action::Ask(..),
                _,
            ) => None,
        }
    }

    /// Slow querying goes on while a person is awaited (rule 4).
    fn ask_slowly(&mut self) -> Step {
        let unknown: Vec<Role> = self.transfer.unknown().collect();
        for role in unknown {
            let profile = self.ground.profile(role);
            if role == Role::Reversal && !profile.can_query_reversals {
                continue;
            }
            let given_up = self.transfer.expired && role != Role::Reversal;
            let look = if given_up && self.may_fence(role) { Look::Fence } else { Look::Only };
            return self.ask(role, look);
        }
        match self.transfer.phase {
            Phase::Parked(why) if why.is_want_of_knowledge() => self.ask_as_if_resumed(),
            _ => self.stay(),
        }
    }

    /// All that may have left is known, and the rules would ask all the same: a credit that was given
    /// up unsent is buried before its debit is undone, and whether a life that the record lost has undone
    /// the debit is asked once it may not be undone any more. That moves nothing, and is asked for
    /// meanwhile.
    fn ask_as_if_resumed(&mut self) -> Step {
        match self.transfer.resumed(self.ground).1.action {
            Action::Ask(role, look) => self.ask(role, look),
            // A claim runs out, a deadline passes, a day ends: then something else follows.
            Action::Send(_) | Action::Pause | Action::Stay | Action::Finish => self.pause(),
        }
    }

    /// Asks again after a while; not about what this software failed on, before a person has looked.
    pub(super) fn asks_on(&mut self) -> Step {
        if self.transfer.phase.parked().is_some_and(ParkReason::is_of_this_software) {
            self.stay()
        } else {
            self.pause()
        }
    }

    /// Whether a counter says that the debit is undone, and has still to prove it by a query
    /// (rule 3).
    fn is_claimed_undone(&self, role: Role, told: &LegReport) -> bool {
        role == Role::Reversal
            && told.evidence == Evidence::Done
            && told.weight == Weight::Answer
            && self.ground.debit.can_query_reversals
    }
}
