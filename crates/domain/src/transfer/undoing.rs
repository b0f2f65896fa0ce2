//! The rules of DOMAIN §3 by which a debit is undone (rules 2, 3 and 6).

use super::event::{Action, Step};
use super::evidence::Weight;
use super::rules::{Transition, death_of_debit, may_end};
use super::{EndReason, Knowledge, ParkReason, Phase};
use crate::message::Look;
use crate::serial::{Day, Role};

impl Transition<'_, '_> {
    /// The credit is proven dead, or was never sent: the debit is undone, unless it is dead, too.
    pub(super) fn undo_debit(&mut self) -> Step {
        let debit = self.transfer.debit.knowledge;
        if debit.is_dead() {
            return self.refuse(death_of_debit(debit));
        }
        if self.transfer.reason.is_none() {
            self.transfer.reason = Some(match self.transfer.credit.knowledge {
                Knowledge::Refused => EndReason::CreditRefused,
                Knowledge::NotSent
                | Knowledge::Unknown
                | Knowledge::Done
                | Knowledge::NotExecuted => EndReason::CreditNotExecuted,
            });
        }
        if self.transfer.reversal.knowledge == Knowledge::Done {
            return self.reversed();
        }
        self.send_reversal()
    }

    /// Whether the rules lead to undoing the debit: it is proven done, and no credit was or will be made of it (rule 2).
    pub(super) fn is_to_be_undone(&self) -> bool {
        let credit = match self.transfer.credit.knowledge {
            Knowledge::NotSent | Knowledge::Refused | Knowledge::NotExecuted => true,
            Knowledge::Unknown | Knowledge::Done => false,
        };
        credit && self.transfer.debit.knowledge == Knowledge::Done
    }

    /// The debit is proven undone. That ends the transfer if there was a debit to be undone and no credit was made of it;
    /// what is not known of these is found out first, and where it was otherwise a counter contradicts itself.
    pub(super) fn undone(&mut self) -> Step {
        let (debit, credit) = (self.transfer.debit.knowledge, self.transfer.credit.knowledge);
        if self.is_to_be_undone() {
            self.end(Phase::Reversed)
        } else if credit == Knowledge::Done || debit.is_dead() {
            self.contradicted()
        } else {
            self.ask_debit()
        }
    }

    /// The reversal goes out, again or for the first time; never across the settle day (rule 6).
    /// The intent is durable first, so that after a crash nobody credits what is being undone.
    pub(super) fn send_reversal(&mut self) -> Step {
        if !self.ground.debit.can_reverse {
            return self.park(ParkReason::CannotReverse);
        }
        if self.is_still(Role::Reversal) {
            return self.reversal_waits();
        }
        let posted = self.debit_posted_day();
        match self.ground.debit_day {
            Some(today) if today == posted => self.send(Role::Reversal, Phase::ReversalSent, true),
            Some(_) if self.transfer.reversal.sent == 0 => self.park(ParkReason::SettleDayPassed),
            // It may have been undone in time.
            Some(_) if self.ground.debit.can_query_reversals => {
                self.go(Phase::ReversalProving, Action::Ask(Role::Reversal, Look::Only))
            }
            Some(_) => self.park(ParkReason::SettleDayPassed),
            // The counter has not been heard of since the start.
            None => Step { barrier: true, ..self.go(Phase::ReversalWaiting, Action::Pause) },
        }
    }

    /// The debit is to be undone and may not be yet. That it is to be is durable first, as ever; in
    /// the meantime the counter is asked whether it is undone already, by a life that the record
    /// does not know.
    fn reversal_waits(&mut self) -> Step {
        match self.transfer.phase {
            Phase::ReversalWaiting if self.ground.debit.can_query_reversals => {
                self.go(Phase::ReversalProving, Action::Ask(Role::Reversal, Look::Only))
            }
            Phase::ReversalWaiting => self.go(Phase::ReversalWaiting, Action::Pause),
            _ => Step { barrier: true, ..self.go(Phase::ReversalWaiting, Action::Pause) },
        }
    }

    fn debit_posted_day(&self) -> Day {
        self.transfer.debit.posted_day.unwrap_or_else(|| self.transfer.bound_day(Role::Debit))
    }

    /// Asks whether the debit is undone, where the counter can say; otherwise undoes it again with
    /// the same serial, which is as safe.
    pub(super) fn prove_reversal(&mut self) -> Step {
        if self.ground.debit.can_query_reversals {
            self.ask(Role::Reversal, Look::Only)
        } else {
            self.send_reversal()
        }
    }

    /// The counter says that the debit is undone; where it can answer a query, that is the proof
    /// (rule 3).
    pub(super) fn reversal_answered(&mut self, weight: Weight) -> Step {
        if weight == Weight::Answer && self.ground.debit.can_query_reversals {
            self.transfer.reversal.knowledge = Knowledge::Unknown;
            self.go(Phase::ReversalProving, Action::Ask(Role::Reversal, Look::Only))
        } else {
            self.reversed()
        }
    }

    /// A reversal that is refused needs a person (rule 3). Where an earlier copy of it may still be
    /// done, nothing is proven by that, and asking goes on meanwhile.
    pub(super) fn reversal_refused(&mut self, weight: Weight) -> Step {
        if may_end(self.transfer, Role::Reversal, weight, self.ground.debit) {
            self.transfer.reversal.knowledge = Knowledge::Refused;
        }
        self.park(ParkReason::ReversalRefused)
    }

    /// The counter says, when it is asked, that it refused the reversal. Where that is not for ever,
    /// it is asked for once more, and the answer to that counts.
    pub(super) fn reversal_found_refused(&mut self, weight: Weight) -> Step {
        if may_end(self.transfer, Role::Reversal, weight, self.ground.debit) || !self.is_debit_day()
        {
            return self.reversal_refused(weight);
        }
        self.go(Phase::ReversalWaiting, Action::Pause)
    }

    /// It is repeated, with the same serial, until it is answered (rule 3).
    pub(super) fn reversal_unanswered(&mut self) -> Step {
        self.rest(Role::Reversal, Phase::ReversalWaiting)
    }

    pub(super) fn reversal_not_found(&mut self) -> Step {
        if let Some(parked) = self.lost_patience(Role::Reversal, ParkReason::ReversalUnresolved) {
            return parked;
        }
        if !self.is_debit_day() {
            return self.park(ParkReason::SettleDayPassed);
        }
        self.go(Phase::ReversalWaiting, Action::Pause)
    }

    /// Whether the debit's settle day is not known to be over.
    fn is_debit_day(&self) -> bool {
        let posted = self.debit_posted_day();
        self.ground.debit_day.is_none_or(|today| today == posted)
    }

    pub(super) fn reversal_unproven(&mut self) -> Step {
        self.rest(Role::Reversal, Phase::ReversalProving)
    }
}
