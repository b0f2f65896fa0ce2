//! What is still known of a transfer after a crash.
//!
//! The results of legs ride along with later writes and may be lost with the process; the intents
//! of debit and credit are durable before the first byte, the intent to reverse before its own. So
//! after a crash every leg that may have been sent and is not proven is unknown, and is asked about
//! before anything is sent (rule 7).

use super::{EndReason, Intent, Knowledge, Leg, Phase, State, Transfer};
use crate::serial::Role;

/// What the record still holds of an open transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What was asked for, from the transfer's row.
    pub intent: Intent,
    /// What the bridge was at, as recorded last.
    pub phase: Phase,
    /// The legs as recorded last, in the order of [`Role::ALL`].
    pub legs: [Leg; 3],
    /// Why it is being undone, if it was.
    pub reason: Option<EndReason>,
    /// Whether the record was behind: a life of which it knows nothing may have sent any of its
    /// legs, the reversal too.
    pub doubted: bool,
}

impl Transfer {
    /// The transfer as it may be believed after a crash. Its next event is
    /// [`Wake`](super::Event::Wake).
    ///
    /// A transfer that is doubted counts as expired: it may have been undone, so its credit is never
    /// sent again (rule 10). What is not known to be done is given up, and a debit that is done
    /// without its credit is undone, with the serial that the reversal had from the beginning.
    pub fn recovered(remembered: Remembered) -> Transfer {
        let Remembered { intent, phase, legs, reason, doubted } = remembered;
        let [debit, credit, reversal] = legs;
        let mut transfer =
            Transfer { intent, phase, debit, credit, reversal, expired: doubted, reason };
        if doubted {
            doubt_undoing(&mut transfer.reversal);
            // Once the debit was being undone, no life has bound a leg to another day, or sent one.
            if phase.state() != State::Reversing {
                seek(&mut transfer, Role::Debit);
                seek(&mut transfer, Role::Credit);
            }
        }
        match phase.state() {
            // Nothing is sent any more, or nothing but questions: the legs are as recorded.
            State::Completed | State::Refused | State::Reversed => {}
            State::NeedsOperator => {
                if doubted {
                    doubt(&mut transfer.debit);
                    doubt(&mut transfer.credit);
                } else {
                    ask_under_former_days(&mut transfer.debit);
                    ask_under_former_days(&mut transfer.credit);
                }
            }
            State::Accepted | State::Debiting => {
                doubt(&mut transfer.debit);
                // Where its own sending is made durable first, a transfer that is not recorded as
                // crediting has not sent it, in this life or the one before.
                if doubted || !transfer.intent.credit_barrier || is_doubtful(&transfer.credit) {
                    doubt(&mut transfer.credit);
                }
                transfer.phase = Phase::DebitAsking;
            }
            State::Crediting => {
                doubt(&mut transfer.debit);
                doubt(&mut transfer.credit);
                transfer.phase = Phase::DebitAsking;
            }
            State::Reversing => {
                doubt(&mut transfer.reversal);
                transfer.phase = Phase::ReversalProving;
            }
        }
        transfer
    }

    /// All legs with their roles.
    pub fn legs(&self) -> [(Role, &Leg); 3] {
        Role::ALL.map(|role| (role, self.leg(role)))
    }
}

/// Whether an earlier life doubted it already.
fn is_doubtful(leg: &Leg) -> bool {
    leg.knowledge == Knowledge::Unknown
}

/// Without proof, it may have been sent.
fn doubt(leg: &mut Leg) {
    leg.tries = 0;
    if !leg.knowledge.is_proof() {
        leg.knowledge = Knowledge::Unknown;
        may_have_been_sent(leg);
    }
    ask_under_former_days(leg);
}

/// Nor is it known whether the debit's undoing was sent: a counter that knows it says so of ours. That it
/// was refused is no proof any more, for a person may have had it tried again in a life that is lost.
fn doubt_undoing(leg: &mut Leg) {
    match leg.knowledge {
        Knowledge::Done => return,
        Knowledge::Refused | Knowledge::NotExecuted => leg.knowledge = Knowledge::Unknown,
        Knowledge::NotSent | Knowledge::Unknown => {}
    }
    may_have_been_sent(leg);
}

/// More than once, too, for all that is known.
fn may_have_been_sent(leg: &mut Leg) {
    leg.sent = leg.sent.max(2);
}

/// Without proof, a life that the record lost may have bound it to later days.
fn seek(transfer: &mut Transfer, role: Role) {
    let bound = transfer.bound_day(role);
    let leg = transfer.leg_mut(role);
    leg.sought = (!leg.knowledge.is_proof()).then_some(bound);
}

/// Without proof, it is asked about under every day that it was ever bound to (rule 6).
fn ask_under_former_days(leg: &mut Leg) {
    if !leg.knowledge.is_proof() {
        leg.days_unasked = u8::try_from(leg.rebound.len()).unwrap_or(u8::MAX);
    }
}
