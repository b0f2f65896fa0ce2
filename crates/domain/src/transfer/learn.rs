//! What is told of a leg, held against what is known of it, and recorded: nothing is decided here but
//! that what may be about another transfer is for a person.

use super::believed::Evidence;
use super::event::{CONTRADICTION, STALE, Step, Verdict};
use super::evidence::LegReport;
use super::rules::{Transition, may_end};
use super::{Doubt, Knowledge, ParkReason, StepContext, Transfer};
use crate::serial::Role;

/// Whether something was learned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Learned,
    Nothing,
}

impl News {
    /// The step when what was learned is not about the leg that is being worked on.
    pub(super) fn aside(self) -> Step {
        match self {
            News::Learned => Step { verdict: Verdict::Fresh, ..STALE },
            News::Nothing => STALE,
        }
    }
}

/// What was told, held against what is known of the leg.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Against {
    /// It stands against nothing.
    Nothing,
    /// It may have been said before the posting, of another copy: it is no proof against it.
    OldNews,
    /// Proof stands against proof.
    Proof,
}

pub(super) fn against(
    transfer: &Transfer,
    role: Role,
    told: &LegReport,
    ground: &StepContext<'_>,
) -> Against {
    match (transfer.leg(role).knowledge, told.evidence) {
        (Knowledge::Done, Evidence::Refused) => {
            if may_end(transfer, role, told.weight, ground.profile(role)) {
                Against::Proof
            } else {
                Against::OldNews
            }
        }
        (Knowledge::Done, Evidence::NotExecuted)
        | (Knowledge::Refused | Knowledge::NotExecuted, Evidence::Done) => Against::Proof,
        (
            Knowledge::Done
            | Knowledge::Refused
            | Knowledge::NotExecuted
            | Knowledge::NotSent
            | Knowledge::Unknown,
            _,
        ) => Against::Nothing,
    }
}

/// Records what was told. A refusal is not recorded as proof here: whether it ends the leg depends
/// on how often the leg was sent, which the phase decides.
pub(super) fn learn(transfer: &mut Transfer, role: Role, told: &LegReport) -> News {
    if transfer.leg(role).knowledge.is_proof() {
        return News::Nothing;
    }
    if let (Evidence::Done, Some(posted)) = (told.evidence, &told.posted) {
        transfer.found_under(role, posted.settle_day);
    }
    let leg = transfer.leg_mut(role);
    match told.evidence {
        Evidence::Done => {
            leg.knowledge = Knowledge::Done;
            if told.answer.is_some() {
                leg.answer.clone_from(&told.answer);
            }
            if let Some(posted) = &told.posted {
                // Empty where the counter wrote a number that cannot be read.
                leg.counter_serial =
                    Some(posted.counter_serial.clone()).filter(|serial| !serial.is_empty());
                leg.posted_day = Some(posted.settle_day);
            }
        }
        Evidence::NotExecuted => {
            leg.knowledge = Knowledge::NotExecuted;
            leg.answer.clone_from(&told.answer);
        }
        Evidence::Refused | Evidence::NotFound | Evidence::Silent => {
            if leg.sent > 0 {
                leg.knowledge = Knowledge::Unknown;
            }
            if told.answer.is_some() {
                leg.answer.clone_from(&told.answer);
            }
        }
        Evidence::NotSent => return News::Nothing,
    }
    News::Learned
}

/// The debit is said to be undone, by a life that the record lost. That is kept, and proven when the
/// rules have come so far: what is known of the other legs must agree with it first.
pub(super) fn undone_by_a_lost_life(transfer: &mut Transfer) -> Step {
    transfer.reversal.knowledge = Knowledge::Unknown;
    News::Learned.aside()
}

/// What follows from words that may be about another transfer: nothing is concluded from them, and a
/// person must look. `None` if there is no doubt, or none that is new to a person.
pub(super) fn doubted(
    transfer: &mut Transfer,
    role: Role,
    told: &LegReport,
    ground: &StepContext<'_>,
) -> Option<Step> {
    let doubt = told.doubt?;
    let (why, verdict) = match doubt {
        Doubt::OtherMark => (ParkReason::OtherMark, Verdict::Contradiction),
        Doubt::KnownBefore => (ParkReason::KnownBefore, Verdict::Fresh),
    };
    let parked = transfer.phase.parked();
    let leg = transfer.leg_mut(role);
    if leg.knowledge.is_proof() {
        // The counter said before that it is ours: now it contradicts itself.
        return Some(CONTRADICTION);
    }
    let fresh = leg.doubt != Some(doubt);
    leg.doubt = Some(doubt);
    if told.answer.is_some() {
        leg.answer.clone_from(&told.answer);
    }
    let mut course = Transition::new(transfer, ground);
    match parked {
        Some(_) if !fresh => None,
        Some(before) if before.stands() => Some(Step { verdict, ..course.asks_on() }),
        Some(_) | None => Some(Step { verdict, ..course.park(why) }),
    }
}
