//! The machine: one function from (transfer, event) to what follows.
//!
//! Every pair of phase and event is written out; there is no wildcard arm. What an event teaches
//! about a leg is recorded by [`learn`]; what follows from it is decided by the phase's function,
//! with the rules of DOMAIN §3 in [`super::rules`].

use super::believed::Evidence;
use super::event::{CONTRADICTION, Event, Illegal, STALE, Step};
use super::evidence::{LegReport, Weight};
use super::learn::{Against, against, doubted, learn, undone_by_a_lost_life};
use super::parked::hear_parked;
use super::rules::{Refusal, Transition, may_end};
use super::{Decision, Doubt, EndReason, Knowledge, ParkReason, Phase, StepContext, Transfer};
use crate::profile::Profile;
use crate::serial::Role;

/// Decides what follows from `event` and changes the transfer accordingly. Pure: no clock, no I/O.
/// On an error the transfer is unchanged.
pub fn step(
    transfer: &mut Transfer,
    event: &Event,
    ground: &StepContext<'_>,
) -> Result<Step, Illegal> {
    match event {
        Event::Wake => Ok(wake(transfer, ground)),
        Event::Expire => Ok(expire(transfer, ground)),
        Event::Told(role, told) => Ok(hear(transfer, *role, told, ground)),
        Event::Decide(decision) => decide(transfer, *decision, ground),
    }
}

fn wake(transfer: &mut Transfer, ground: &StepContext<'_>) -> Step {
    let mut course = Transition::new(transfer, ground);
    match course.transfer.phase {
        Phase::Accepted | Phase::DebitWaiting => course.send_debit(),
        Phase::DebitAsking => course.ask_debit(),
        Phase::DebitFencing => course.fence_debit(),
        Phase::CreditWaiting => course.send_credit(),
        Phase::CreditAsking => course.ask_credit(),
        Phase::CreditFencing => course.fence_credit(),
        Phase::ReversalWaiting => course.send_reversal(),
        Phase::ReversalProving => course.prove_reversal(),
        Phase::Parked(_) => course.wake_parked(),
        // What was sent is answered, or said to be lost, by the link; a timer has no say.
        Phase::DebitSent
        | Phase::CreditSent
        | Phase::ReversalSent
        | Phase::Completed
        | Phase::Refused
        | Phase::Reversed => STALE,
    }
}

fn expire(transfer: &mut Transfer, ground: &StepContext<'_>) -> Step {
    match transfer.phase {
        Phase::Completed | Phase::Refused | Phase::Reversed => return STALE,
        Phase::Accepted
        | Phase::DebitWaiting
        | Phase::DebitSent
        | Phase::DebitAsking
        | Phase::DebitFencing
        | Phase::CreditWaiting
        | Phase::CreditSent
        | Phase::CreditAsking
        | Phase::CreditFencing
        | Phase::ReversalWaiting
        | Phase::ReversalSent
        | Phase::ReversalProving
        | Phase::Parked(_) => {}
    }
    if transfer.expired {
        return STALE;
    }
    transfer.expired = true;
    let mut course = Transition::new(transfer, ground);
    match course.transfer.phase {
        Phase::Accepted | Phase::DebitWaiting => course.refuse(EndReason::CounterUnavailable),
        Phase::DebitAsking => course.give_up_debit(),
        Phase::CreditWaiting | Phase::CreditAsking => course.give_up_credit(),
        // An answer is awaited, or the leg is being given up already, or undone.
        Phase::DebitSent
        | Phase::DebitFencing
        | Phase::CreditSent
        | Phase::CreditFencing
        | Phase::ReversalWaiting
        | Phase::ReversalSent
        | Phase::ReversalProving
        | Phase::Parked(_) => course.stay(),
        Phase::Completed | Phase::Refused | Phase::Reversed => STALE,
    }
}

fn hear(transfer: &mut Transfer, role: Role, told: &LegReport, ground: &StepContext<'_>) -> Step {
    // Since a restart, questions are about former days first.
    if transfer.may_be_told_of_former_day(role, told) {
        return Transition::new(transfer, ground).heard_of_former_day(role, told.evidence);
    }
    match transfer.phase {
        Phase::Completed | Phase::Refused | Phase::Reversed => {
            hear_when_final(transfer, role, told, ground)
        }
        Phase::Parked(why) => hear_parked(transfer, why, role, told, ground),
        Phase::Accepted
        | Phase::DebitWaiting
        | Phase::DebitSent
        | Phase::DebitAsking
        | Phase::DebitFencing
        | Phase::CreditWaiting
        | Phase::CreditSent
        | Phase::CreditAsking
        | Phase::CreditFencing
        | Phase::ReversalWaiting
        | Phase::ReversalSent
        | Phase::ReversalProving => {
            match against(transfer, role, told, ground) {
                Against::Nothing => {}
                Against::OldNews => return STALE,
                Against::Proof => return Transition::new(transfer, ground).contradicted(),
            }
            if let Some(step) = doubted(transfer, role, told, ground) {
                return step;
            }
            if let Some(step) = Transition::new(transfer, ground).dead_under_one_day(role, told) {
                return step;
            }
            match role {
                Role::Debit => hear_debit(transfer, told, ground),
                Role::Credit => hear_credit(transfer, told, ground),
                Role::Reversal => hear_reversal(transfer, told, ground),
            }
        }
    }
}

/// A final state is never left. What agrees is dropped, what contradicts is an alarm (rule 5).
fn hear_when_final(
    transfer: &Transfer,
    role: Role,
    told: &LegReport,
    ground: &StepContext<'_>,
) -> Step {
    if contradicts_ending(transfer, role, told, ground.profile(role)) {
        CONTRADICTION
    } else {
        STALE
    }
}

/// Whether what was told of a leg contradicts how the transfer ended; never before it has. `profile`
/// is that of the leg's counter.
pub fn contradicts_ending(
    transfer: &Transfer,
    role: Role,
    told: &LegReport,
    profile: &Profile,
) -> bool {
    let decided = transfer.reason == Some(EndReason::Decided);
    let done = match (transfer.phase, role) {
        (Phase::Completed, Role::Debit | Role::Credit) | (Phase::Reversed, Role::Debit) => true,
        (Phase::Completed, Role::Reversal)
        | (Phase::Refused, Role::Debit | Role::Credit | Role::Reversal)
        | (Phase::Reversed, Role::Credit) => false,
        // A person may have given the money back by hand: then a reversal would be once too often.
        (Phase::Reversed, Role::Reversal) => !decided,
        (
            Phase::Accepted
            | Phase::DebitWaiting
            | Phase::DebitSent
            | Phase::DebitAsking
            | Phase::DebitFencing
            | Phase::CreditWaiting
            | Phase::CreditSent
            | Phase::CreditAsking
            | Phase::CreditFencing
            | Phase::ReversalWaiting
            | Phase::ReversalSent
            | Phase::ReversalProving
            | Phase::Parked(_),
            Role::Debit | Role::Credit | Role::Reversal,
        ) => return false,
    };
    if told.doubt == Some(Doubt::OtherMark) {
        return true;
    }
    // What a person put right by hand changes nothing of what the counter itself did.
    let knowledge = transfer.leg(role).knowledge;
    let done = if decided && knowledge.is_proof() { knowledge == Knowledge::Done } else { done };
    match told.evidence {
        Evidence::Done => !done,
        Evidence::Refused => done && may_end(transfer, role, told.weight, profile),
        Evidence::NotExecuted => done,
        Evidence::NotFound | Evidence::Silent | Evidence::NotSent => false,
    }
}

fn hear_debit(transfer: &mut Transfer, told: &LegReport, ground: &StepContext<'_>) -> Step {
    let news = learn(transfer, Role::Debit, told);
    let mut course = Transition::new(transfer, ground);
    match course.transfer.phase {
        Phase::Accepted
        | Phase::DebitWaiting
        | Phase::DebitSent
        | Phase::DebitAsking
        | Phase::DebitFencing => match told.evidence {
            Evidence::Done => course.debit_done(),
            Evidence::Refused => match course.refusal(Role::Debit, told.weight) {
                Refusal::Final => course.debit_refused(told),
                Refusal::FenceFirst => course.fence_debit(),
                Refusal::AskOn => course.debit_asks_on(),
            },
            Evidence::NotExecuted => course.debit_dead(Knowledge::NotExecuted),
            Evidence::NotFound => course.debit_not_found(),
            Evidence::Silent => course.debit_asks_on(),
            Evidence::NotSent => course.debit_not_sent(),
        },
        // The debit is done; what agrees is dropped, what contradicts was caught before.
        Phase::CreditWaiting
        | Phase::CreditSent
        | Phase::CreditAsking
        | Phase::CreditFencing
        | Phase::ReversalWaiting
        | Phase::ReversalSent
        | Phase::ReversalProving => match told.evidence {
            Evidence::Done
            | Evidence::Refused
            | Evidence::NotExecuted
            | Evidence::NotFound
            | Evidence::Silent
            | Evidence::NotSent => news.aside(),
        },
        Phase::Parked(_) | Phase::Completed | Phase::Refused | Phase::Reversed => STALE,
    }
}

fn hear_credit(transfer: &mut Transfer, told: &LegReport, ground: &StepContext<'_>) -> Step {
    match transfer.phase {
        // Before the debit is known to be done the credit was not asked for in this life of the
        // bridge. Proof of it is kept, for the moment when the debit is known.
        Phase::Accepted
        | Phase::DebitWaiting
        | Phase::DebitSent
        | Phase::DebitAsking
        | Phase::DebitFencing => match told.evidence {
            Evidence::Done | Evidence::NotExecuted => learn(transfer, Role::Credit, told).aside(),
            // It may be followed by another copy's success; the credit will be asked about.
            Evidence::Refused | Evidence::NotFound | Evidence::Silent | Evidence::NotSent => STALE,
        },
        Phase::CreditWaiting | Phase::CreditSent | Phase::CreditAsking | Phase::CreditFencing => {
            learn(transfer, Role::Credit, told);
            let mut course = Transition::new(transfer, ground);
            match told.evidence {
                Evidence::Done => course.complete(),
                Evidence::Refused => match course.refusal(Role::Credit, told.weight) {
                    Refusal::Final => course.credit_refused(told),
                    Refusal::FenceFirst => course.fence_credit(),
                    Refusal::AskOn => course.credit_asks_on(),
                },
                Evidence::NotExecuted => {
                    course.credit_dead(Knowledge::NotExecuted, EndReason::CreditNotExecuted)
                }
                Evidence::NotFound => course.credit_not_found(),
                Evidence::Silent => course.credit_asks_on(),
                Evidence::NotSent => course.credit_not_sent(),
            }
        }
        // The credit is proven dead, or was never sent; proof to the contrary was caught before.
        Phase::ReversalWaiting | Phase::ReversalSent | Phase::ReversalProving => {
            match told.evidence {
                Evidence::Done => {
                    // It was never sent, and yet it is done.
                    learn(transfer, Role::Credit, told);
                    Transition::new(transfer, ground).contradicted()
                }
                Evidence::Refused
                | Evidence::NotExecuted
                | Evidence::NotFound
                | Evidence::Silent
                | Evidence::NotSent => STALE,
            }
        }
        Phase::Parked(_) | Phase::Completed | Phase::Refused | Phase::Reversed => STALE,
    }
}

fn hear_reversal(transfer: &mut Transfer, told: &LegReport, ground: &StepContext<'_>) -> Step {
    match transfer.phase {
        // No reversal was asked for: its success would undo a debit that still counts.
        Phase::Accepted
        | Phase::DebitWaiting
        | Phase::DebitSent
        | Phase::DebitAsking
        | Phase::DebitFencing
        | Phase::CreditWaiting
        | Phase::CreditSent
        | Phase::CreditAsking
        | Phase::CreditFencing => match told.evidence {
            Evidence::Done if transfer.reversal.sent > 0 => undone_by_a_lost_life(transfer),
            Evidence::Done => {
                learn(transfer, Role::Reversal, told);
                Transition::new(transfer, ground).contradicted()
            }
            Evidence::Refused
            | Evidence::NotExecuted
            | Evidence::NotFound
            | Evidence::Silent
            | Evidence::NotSent => STALE,
        },
        Phase::ReversalWaiting | Phase::ReversalSent => {
            learn(transfer, Role::Reversal, told);
            let mut course = Transition::new(transfer, ground);
            match told.evidence {
                Evidence::Done => course.reversal_answered(told.weight),
                Evidence::Refused => course.reversal_refused(told.weight),
                Evidence::NotExecuted => course.park(ParkReason::ReversalRefused),
                Evidence::NotFound | Evidence::Silent | Evidence::NotSent => {
                    course.reversal_unanswered()
                }
            }
        }
        Phase::ReversalProving => match (told.evidence, told.weight) {
            (Evidence::Done, Weight::Query | Weight::Truth) => {
                learn(transfer, Role::Reversal, told);
                Transition::new(transfer, ground).reversed()
            }
            // The answer again; the proof is still out.
            (Evidence::Done, Weight::Answer) => STALE,
            // Of an earlier copy, where another may still be done: the question is still out.
            (Evidence::Refused, Weight::Answer)
                if !may_end(transfer, Role::Reversal, told.weight, ground.debit) =>
            {
                STALE
            }
            (Evidence::Refused, _) => {
                learn(transfer, Role::Reversal, told);
                Transition::new(transfer, ground).reversal_found_refused(told.weight)
            }
            (Evidence::NotExecuted, _) => {
                learn(transfer, Role::Reversal, told);
                Transition::new(transfer, ground).park(ParkReason::ReversalRefused)
            }
            (Evidence::NotFound, _) => Transition::new(transfer, ground).reversal_not_found(),
            (Evidence::Silent | Evidence::NotSent, _) => {
                Transition::new(transfer, ground).reversal_unproven()
            }
        },
        Phase::Parked(_) | Phase::Completed | Phase::Refused | Phase::Reversed => STALE,
    }
}

fn decide(
    transfer: &mut Transfer,
    decision: Decision,
    ground: &StepContext<'_>,
) -> Result<Step, Illegal> {
    let why = transfer.phase.parked().ok_or(Illegal::NotParked)?;
    let ending = match decision {
        Decision::Completed => Phase::Completed,
        Decision::Reversed => Phase::Reversed,
        Decision::Refused => Phase::Refused,
        Decision::Resume if why.may_be_resumed() => {
            return Ok(Transition::new(transfer, ground).resume());
        }
        Decision::Resume => return Err(Illegal::NothingToResume),
    };
    // Where no ending agrees with all that is proven, the books are put right by hand; then those are
    // open that the least stands against.
    let against = |ending| against_proof(transfer, ending).count();
    let least = Decision::ENDINGS.into_iter().map(against).min();
    if Some(against(decision)) > least
        && let Some(illegal) = against_proof(transfer, decision).next()
    {
        return Err(illegal);
    }
    transfer.reason = Some(EndReason::Decided);
    Ok(Transition::new(transfer, ground).end(ending))
}

/// What is proven of the legs and stands against a decision.
fn against_proof(transfer: &Transfer, decision: Decision) -> impl Iterator<Item = Illegal> + '_ {
    // Whether each leg happened; that a reversal did not, a person may have made good by hand.
    let happened: &[(Role, bool)] = match decision {
        Decision::Completed => {
            &[(Role::Debit, true), (Role::Credit, true), (Role::Reversal, false)]
        }
        Decision::Reversed => &[(Role::Debit, true), (Role::Credit, false)],
        Decision::Refused => {
            &[(Role::Debit, false), (Role::Credit, false), (Role::Reversal, false)]
        }
        Decision::Resume => &[],
    };
    happened.iter().filter_map(|&(role, happened)| {
        let knowledge = transfer.leg(role).knowledge;
        let against = match knowledge {
            Knowledge::Done => !happened,
            Knowledge::NotSent | Knowledge::Refused | Knowledge::NotExecuted => happened,
            Knowledge::Unknown => false,
        };
        against.then_some(Illegal::AgainstProof { role, knowledge })
    })
}
