//! The rules of DOMAIN §3 as straight-line courses of action; [`super::step()`] says which applies, and
//! [`super::undoing`] has those by which a debit is undone.

use super::believed::Evidence;
use super::days::Search;
use super::event::{Action, Step, Verdict};
use super::evidence::{LegReport, Weight};
use super::{EndReason, Knowledge, Leg, ParkReason, Phase, StepContext, Transfer};
use crate::message::Look;
use crate::profile::Profile;
use crate::serial::{Day, Role};

/// A transfer on its way, with what may be relied on.
pub(super) struct Transition<'t, 'g> {
    pub(super) transfer: &'t mut Transfer,
    pub(super) ground: &'g StepContext<'g>,
}

/// What a refusal is worth (rule 2).
pub(super) enum Refusal {
    /// It ends the leg.
    Final,
    /// An earlier copy may still be on its way: the fence's answer decides.
    FenceFirst,
    /// The same, at a counter that cannot fence: asked until no copy can be on its way any more.
    AskOn,
}

impl<'t, 'g> Transition<'t, 'g> {
    pub(super) fn new(transfer: &'t mut Transfer, ground: &'g StepContext<'g>) -> Self {
        Transition { transfer, ground }
    }

    // Sending and asking.

    /// The debit goes out; at the deadline nothing new is begun.
    pub(super) fn send_debit(&mut self) -> Step {
        if self.transfer.expired {
            return self.refuse(EndReason::CounterUnavailable);
        }
        if self.is_still(Role::Debit) {
            return self.wait(Role::Debit, Phase::DebitWaiting, Phase::DebitAsking);
        }
        if self.is_said_to_be_undone() {
            // What may have been undone had been made: it is asked about, and not made again.
            return self.go(Phase::DebitAsking, Action::Pause);
        }
        // A day that is over is no day to begin on; the new one is durable first (rule 6).
        let anew = self.bind_if_unsent(Role::Debit);
        self.send(Role::Debit, Phase::DebitSent, anew)
    }

    /// The credit goes out, never before the debit is done (rule 1).
    pub(super) fn send_credit(&mut self) -> Step {
        if self.transfer.expired {
            return self.give_up_credit();
        }
        if self.is_still(Role::Credit) {
            return self.wait(Role::Credit, Phase::CreditWaiting, Phase::CreditAsking);
        }
        if self.is_said_to_be_undone() {
            return self.give_up_credit();
        }
        // Without the counter's dedupe, only our own record tells after a crash whether it was
        // sent: that record comes first. So it does where the counter has learnt to dedupe since,
        // for recovery goes by what was so when the transfer was accepted.
        let barrier = self.transfer.intent.credit_barrier || !self.ground.credit.dedupes;
        let barrier = self.bind_if_unsent(Role::Credit) || barrier;
        self.send(Role::Credit, Phase::CreditSent, barrier)
    }

    /// Whether nothing that moves money may be sent for a leg now (rule 10).
    pub(super) fn is_still(&self, role: Role) -> bool {
        let held = match role {
            Role::Debit | Role::Reversal => self.ground.debit_held,
            Role::Credit => self.ground.credit_held,
        };
        self.ground.behind || held
    }

    /// A leg that may not be sent now: one that never left waits, any other goes on being asked
    /// about.
    pub(super) fn wait(&mut self, role: Role, unsent: Phase, asking: Phase) -> Step {
        let phase = match self.transfer.leg(role).knowledge {
            Knowledge::NotSent => unsent,
            Knowledge::Unknown | Knowledge::Done | Knowledge::Refused | Knowledge::NotExecuted => {
                asking
            }
        };
        self.go(phase, Action::Pause)
    }

    /// A leg of which not one byte ever left goes out under the counter's present day (rule 6).
    /// Whether its day has changed.
    fn bind_if_unsent(&mut self, role: Role) -> bool {
        let today = self.today(role);
        let unsent = self.transfer.leg(role).knowledge == Knowledge::NotSent;
        unsent && self.transfer.bind_anew(role, today)
    }

    /// The debit is refused for good; unless only its day is over: then it is sent under the new one,
    /// which is another posting at the counter (rule 6).
    pub(super) fn debit_refused(&mut self, told: &LegReport) -> Step {
        if self.bind_if_refused_for_its_day(Role::Debit, told) {
            if self.is_still(Role::Debit) {
                return Step { barrier: true, ..self.go(Phase::DebitWaiting, Action::Pause) };
            }
            return self.send(Role::Debit, Phase::DebitSent, true);
        }
        self.debit_dead(Knowledge::Refused)
    }

    /// The same of the credit.
    pub(super) fn credit_refused(&mut self, told: &LegReport) -> Step {
        if self.bind_if_refused_for_its_day(Role::Credit, told) {
            if self.is_still(Role::Credit) {
                return Step { barrier: true, ..self.go(Phase::CreditWaiting, Action::Pause) };
            }
            return self.send(Role::Credit, Phase::CreditSent, true);
        }
        self.credit_dead(Knowledge::Refused, EndReason::CreditRefused)
    }

    fn bind_if_refused_for_its_day(&mut self, role: Role, told: &LegReport) -> bool {
        let today = self.today(role);
        !self.transfer.expired
            && self.transfer.was_refused_for_its_day(role, told)
            && self.transfer.bind_anew(role, today)
    }

    /// What was told of a leg under a day that it was bound to before: that it is as dead there as it
    /// was when it was bound anew, or that the counter contradicts itself.
    pub(super) fn heard_of_former_day(&mut self, role: Role, evidence: Evidence) -> Step {
        match evidence {
            Evidence::Done => return self.contradicted(),
            Evidence::Silent | Evidence::NotSent => {
                return match self.transfer.phase {
                    Phase::Parked(_) => self.asks_on(),
                    phase => self.rest(role, phase),
                };
            }
            // Nothing of it ran before it was bound anew, and nothing was sent under that day since.
            Evidence::Refused | Evidence::NotExecuted | Evidence::NotFound => {}
        }
        let leg = self.transfer.leg_mut(role);
        leg.days_unasked = leg.days_unasked.saturating_sub(1);
        self.ask_under_next_day(role)
    }

    /// Where what was told proves a leg dead under the day that it was asked about, and a life that
    /// the record lost may have bound it to a later one: what follows instead of its death.
    pub(super) fn dead_under_one_day(&mut self, role: Role, told: &LegReport) -> Option<Step> {
        let dead = match told.evidence {
            Evidence::NotExecuted => true,
            Evidence::Refused => matches!(self.refusal(role, told.weight), Refusal::Final),
            Evidence::Done | Evidence::NotFound | Evidence::Silent | Evidence::NotSent => false,
        };
        if !dead || self.transfer.leg(role).knowledge.is_proof() {
            return None;
        }
        match (self.transfer.seek_on(role, self.today(role)), self.transfer.phase) {
            (Search::Over, _) => None,
            (Search::On, _) => Some(self.ask_under_next_day(role)),
            (Search::TooFar | Search::DayUnknown, Phase::Parked(_)) => Some(self.asks_on()),
            (Search::DayUnknown, _) => Some(self.pause()),
            (Search::TooFar, _) => Some(self.park(unresolved(role))),
        }
    }

    /// Goes on asking about a leg, of which nothing is known yet under the day that comes next.
    fn ask_under_next_day(&mut self, role: Role) -> Step {
        match (self.transfer.phase, role) {
            (Phase::Parked(_), _) => self.asks_on(),
            (Phase::DebitAsking, Role::Debit) => self.ask_debit(),
            (Phase::CreditAsking, Role::Credit) => self.ask_credit(),
            (Phase::DebitFencing, Role::Debit) => self.fence_debit(),
            (Phase::CreditFencing, Role::Credit) => self.fence_credit(),
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
                | Phase::Completed
                | Phase::Refused
                | Phase::Reversed,
                Role::Debit | Role::Credit | Role::Reversal,
            ) => self.stay(),
        }
    }

    pub(super) fn today(&self, role: Role) -> Option<Day> {
        match role {
            Role::Debit | Role::Reversal => self.ground.debit_day,
            Role::Credit => self.ground.credit_day,
        }
    }

    pub(super) fn send(&mut self, role: Role, phase: Phase, barrier: bool) -> Step {
        let leg = self.transfer.leg_mut(role);
        leg.sent = leg.sent.saturating_add(1);
        leg.knowledge = Knowledge::Unknown;
        Step { barrier, ..self.go(phase, Action::Send(role)) }
    }

    /// Asks about a leg in the present phase.
    pub(super) fn ask(&mut self, role: Role, look: Look) -> Step {
        self.go(self.transfer.phase, Action::Ask(role, look))
    }

    /// Asks about the debit, with a fence once it is given up; what is proven is acted on.
    pub(super) fn ask_debit(&mut self) -> Step {
        match self.transfer.debit.knowledge {
            Knowledge::Done => return self.debit_done(),
            dead @ (Knowledge::Refused | Knowledge::NotExecuted) => return self.debit_dead(dead),
            Knowledge::NotSent | Knowledge::Unknown => {}
        }
        if self.transfer.expired && self.may_fence(Role::Debit) {
            return self.fence_debit();
        }
        self.go(Phase::DebitAsking, Action::Ask(Role::Debit, Look::Only))
    }

    /// Asks about the credit, with a fence once it is given up; what is proven is acted on.
    pub(super) fn ask_credit(&mut self) -> Step {
        match self.transfer.credit.knowledge {
            Knowledge::Done => return self.complete(),
            Knowledge::Refused | Knowledge::NotExecuted => return self.undo_debit(),
            Knowledge::NotSent | Knowledge::Unknown => {}
        }
        if self.transfer.expired && self.may_fence(Role::Credit) {
            return self.fence_credit();
        }
        self.go(Phase::CreditAsking, Action::Ask(Role::Credit, Look::Only))
    }

    /// Whether a leg's counter may be asked to bury its serial. A fence changes the counter's books,
    /// so a record that is behind only looks (rule 10).
    pub(super) fn may_fence(&self, role: Role) -> bool {
        self.profile(role).can_fence && !self.ground.behind
    }

    pub(super) fn fence_debit(&mut self) -> Step {
        if self.ground.behind {
            return self.go(Phase::DebitAsking, Action::Ask(Role::Debit, Look::Only));
        }
        self.go(Phase::DebitFencing, Action::Ask(Role::Debit, Look::Fence))
    }

    pub(super) fn fence_credit(&mut self) -> Step {
        if self.ground.behind {
            return self.go(Phase::CreditAsking, Action::Ask(Role::Credit, Look::Only));
        }
        self.go(Phase::CreditFencing, Action::Ask(Role::Credit, Look::Fence))
    }

    // The debit.

    pub(super) fn debit_done(&mut self) -> Step {
        self.transfer.debit.knowledge = Knowledge::Done;
        match self.transfer.credit.knowledge {
            Knowledge::NotSent => self.send_credit(),
            Knowledge::Unknown | Knowledge::Done | Knowledge::Refused | Knowledge::NotExecuted => {
                self.ask_credit()
            }
        }
    }

    /// The debit is proven dead. After a crash it may have been said to be done before, by a counter
    /// that lied then or lies now, and the credit may have followed: that is asked about before
    /// anybody is told that no money moved. It is never sent again.
    pub(super) fn debit_dead(&mut self, knowledge: Knowledge) -> Step {
        self.transfer.debit.knowledge = knowledge;
        if self.transfer.credit.knowledge == Knowledge::Unknown {
            self.transfer.expired = true;
            return self.ask_credit();
        }
        self.refuse(death_of_debit(knowledge))
    }

    pub(super) fn debit_not_found(&mut self) -> Step {
        if self.transfer.debit.knowledge.is_proof() {
            // Proof that came before the question was answered outweighs what it found.
            return self.ask_debit();
        }
        if let Some(parked) = self.lost_patience(Role::Debit, ParkReason::DebitUnresolved) {
            return parked;
        }
        let Profile { dedupes, .. } = *self.ground.debit;
        let can_fence = self.may_fence(Role::Debit);
        if self.transfer.phase == Phase::DebitFencing {
            self.pause()
        } else if can_fence && (self.transfer.expired || !dedupes) {
            self.fence_debit()
        } else if dedupes && !self.transfer.expired {
            self.send_debit()
        } else {
            self.go(Phase::DebitAsking, Action::Pause)
        }
    }

    /// Nothing was learned of the debit.
    pub(super) fn debit_asks_on(&mut self) -> Step {
        match self.transfer.phase {
            // The first question follows at once.
            Phase::DebitSent => self.ask_debit(),
            Phase::DebitFencing => self.rest(Role::Debit, Phase::DebitFencing),
            _ => self.rest(Role::Debit, Phase::DebitAsking),
        }
    }

    pub(super) fn debit_not_sent(&mut self) -> Step {
        match self.transfer.phase {
            Phase::DebitSent => {
                if self.unsend(Role::Debit) == Knowledge::Unknown {
                    return self.ask_debit_later();
                }
                if self.transfer.expired {
                    return self.refuse(EndReason::CounterUnavailable);
                }
                self.go(Phase::DebitWaiting, Action::Pause)
            }
            _ => self.debit_asks_on(),
        }
    }

    fn ask_debit_later(&mut self) -> Step {
        self.rest(Role::Debit, Phase::DebitAsking)
    }

    /// The deadline has passed and the debit is not known: it is fenced, or asked about until no
    /// copy can be on its way any more.
    pub(super) fn give_up_debit(&mut self) -> Step {
        if self.ground.debit.can_fence { self.fence_debit() } else { self.stay() }
    }

    // The credit.

    /// The credit is proven dead, so the debit may be undone (rule 2).
    pub(super) fn credit_dead(&mut self, knowledge: Knowledge, reason: EndReason) -> Step {
        self.transfer.credit.knowledge = knowledge;
        self.transfer.reason = Some(reason);
        self.undo_debit()
    }

    pub(super) fn credit_not_found(&mut self) -> Step {
        if self.transfer.credit.knowledge.is_proof() {
            // Proof that came before the question was answered outweighs what it found.
            return self.ask_credit();
        }
        if let Some(parked) = self.lost_patience(Role::Credit, ParkReason::CreditUnresolved) {
            return parked;
        }
        let Profile { dedupes, .. } = *self.ground.credit;
        let can_fence = self.may_fence(Role::Credit);
        if self.transfer.phase == Phase::CreditFencing {
            self.pause()
        } else if can_fence && (self.transfer.expired || !dedupes) {
            self.fence_credit()
        } else if dedupes && !self.transfer.expired {
            self.send_credit()
        } else {
            self.go(Phase::CreditAsking, Action::Pause)
        }
    }

    /// Nothing was learned of the credit.
    pub(super) fn credit_asks_on(&mut self) -> Step {
        match self.transfer.phase {
            Phase::CreditSent => self.ask_credit(),
            Phase::CreditFencing => self.rest(Role::Credit, Phase::CreditFencing),
            _ => self.rest(Role::Credit, Phase::CreditAsking),
        }
    }

    pub(super) fn credit_not_sent(&mut self) -> Step {
        match self.transfer.phase {
            Phase::CreditSent => {
                if self.unsend(Role::Credit) == Knowledge::Unknown {
                    return self.rest(Role::Credit, Phase::CreditAsking);
                }
                if self.transfer.expired {
                    return self.give_up_credit();
                }
                self.go(Phase::CreditWaiting, Action::Pause)
            }
            _ => self.credit_asks_on(),
        }
    }

    /// The deadline has passed: the credit is fenced and the fence's answer decides (rules 2, 7).
    /// Where the counter cannot fence, a credit that never left may be given up; any other is asked
    /// about until no copy can be on its way any more.
    pub(super) fn give_up_credit(&mut self) -> Step {
        if self.ground.credit.can_fence {
            self.fence_credit()
        } else if self.transfer.credit.knowledge == Knowledge::NotSent {
            self.undo_debit()
        } else {
            self.go(Phase::CreditAsking, Action::Pause)
        }
    }

    // Endings and rests.

    /// The credit is done: if the debit is, that is all.
    pub(super) fn complete(&mut self) -> Step {
        if self.transfer.debit.knowledge.is_dead() {
            return self.park(ParkReason::CreditWithoutDebit);
        }
        if self.is_said_to_be_undone() {
            return self.contradicted();
        }
        self.transfer.reason = None;
        self.end(Phase::Completed)
    }

    /// No money moved: unless the credit, against all rules, has.
    pub(super) fn refuse(&mut self, reason: EndReason) -> Step {
        if self.transfer.credit.knowledge == Knowledge::Done {
            return self.park(ParkReason::CreditWithoutDebit);
        }
        if self.is_said_to_be_undone() {
            return self.contradicted();
        }
        self.transfer.reason = Some(reason);
        self.end(Phase::Refused)
    }

    /// Whether the debit's counter says that it undid it, in a life that the record lost, and did not take
    /// that back when it was asked. What is found out of the other legs has to agree.
    fn is_said_to_be_undone(&self) -> bool {
        match self.transfer.reversal.knowledge {
            Knowledge::Unknown | Knowledge::Done => true,
            Knowledge::NotSent | Knowledge::Refused | Knowledge::NotExecuted => false,
        }
    }

    /// A counter contradicts itself, or what is known of the other legs.
    pub(super) fn contradicted(&mut self) -> Step {
        Step { verdict: Verdict::Contradiction, ..self.park(ParkReason::Contradicted) }
    }

    pub(super) fn reversed(&mut self) -> Step {
        self.transfer.reversal.knowledge = Knowledge::Done;
        self.undone()
    }

    /// A final state, durable before anybody hears of it.
    pub(super) fn end(&mut self, phase: Phase) -> Step {
        Step { barrier: true, ..self.go(phase, Action::Finish) }
    }

    pub(super) fn park(&mut self, why: ParkReason) -> Step {
        self.go(Phase::Parked(why), Action::Pause)
    }

    /// Goes on by the rules from what is known now. The record must say so before anything is
    /// sent: what is recorded as waiting for a person is believed after a crash.
    pub(super) fn resume(&mut self) -> Step {
        for role in Role::ALL {
            self.transfer.leg_mut(role).tries = 0;
        }
        let step = match self.transfer.reversal.knowledge {
            Knowledge::Done => self.undone(),
            // By a life that the record lost, while another leg is in doubt: that comes first.
            Knowledge::Unknown
                if [self.transfer.debit.knowledge, self.transfer.credit.knowledge]
                    .contains(&Knowledge::Unknown) =>
            {
                self.ask_debit()
            }
            Knowledge::Unknown => {
                self.transfer.phase = Phase::ReversalProving;
                self.prove_reversal()
            }
            Knowledge::Refused | Knowledge::NotExecuted if self.is_to_be_undone() => {
                self.send_reversal()
            }
            Knowledge::NotSent if self.transfer.debit.knowledge == Knowledge::NotSent => {
                self.send_debit()
            }
            // Where it never was, there is nothing to be undone, or nobody knows whether there is.
            Knowledge::NotSent | Knowledge::Refused | Knowledge::NotExecuted => self.ask_debit(),
        };
        Step { barrier: true, ..step }
    }

    /// What a refusal of `weight` is worth.
    pub(super) fn refusal(&self, role: Role, weight: Weight) -> Refusal {
        if may_end(self.transfer, role, weight, self.ground.profile(role)) {
            Refusal::Final
        } else if self.may_fence(role) {
            Refusal::FenceFirst
        } else {
            Refusal::AskOn
        }
    }

    pub(super) fn pause(&mut self) -> Step {
        self.go(self.transfer.phase, Action::Pause)
    }

    pub(super) fn stay(&mut self) -> Step {
        self.go(self.transfer.phase, Action::Stay)
    }

    /// One more round that brought nothing; then a pause, or a person.
    pub(super) fn rest(&mut self, role: Role, phase: Phase) -> Step {
        if let Some(parked) = self.lost_patience(role, unresolved(role)) {
            return parked;
        }
        self.go(phase, Action::Pause)
    }

    pub(super) fn lost_patience(&mut self, role: Role, why: ParkReason) -> Option<Step> {
        if self.ground.behind {
            // Asking is all that may be done; a person is called already, for the whole record.
            return None;
        }
        let leg = self.transfer.leg_mut(role);
        leg.tries = leg.tries.saturating_add(1);
        (leg.tries > self.ground.patience).then(|| self.park(why))
    }

    /// The last copy did not leave after all; says what is known now.
    fn unsend(&mut self, role: Role) -> Knowledge {
        let leg = self.transfer.leg_mut(role);
        leg.sent = leg.sent.saturating_sub(1);
        leg.knowledge = if leg.sent == 0 { Knowledge::NotSent } else { Knowledge::Unknown };
        leg.knowledge
    }

    fn profile(&self, role: Role) -> &'g Profile {
        self.ground.profile(role)
    }

    pub(super) fn go(&mut self, phase: Phase, action: Action) -> Step {
        self.transfer.phase = phase;
        Step { action, barrier: false, verdict: Verdict::Fresh }
    }
}

/// Why a transfer whose debit is proven dead ends as refused.
pub(super) fn death_of_debit(knowledge: Knowledge) -> EndReason {
    match knowledge {
        Knowledge::Refused => EndReason::DebitRefused,
        Knowledge::NotSent | Knowledge::Unknown | Knowledge::Done | Knowledge::NotExecuted => {
            EndReason::DebitNotExecuted
        }
    }
}

/// The reason to call a person when nothing can be established about a leg.
fn unresolved(role: Role) -> ParkReason {
    match role {
        Role::Debit => ParkReason::DebitUnresolved,
        Role::Credit => ParkReason::CreditUnresolved,
        Role::Reversal => ParkReason::ReversalUnresolved,
    }
}

/// Whether a refusal of `weight` may end the leg (rule 2), and so whether it would stand against proof
/// that the leg is done: only where no other copy than the refused one can have been posted, or the
/// counter can no longer change its mind.
pub(super) fn may_end(transfer: &Transfer, role: Role, weight: Weight, profile: &Profile) -> bool {
    let leg: &Leg = transfer.leg(role);
    weight == Weight::Truth || leg.sent <= 1 || profile.refusals_stick
}
