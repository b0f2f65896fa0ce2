//! What is still known of a transfer after a crash.
//!
//! The results of legs ride along with later writes and may be lost with the process; the intents
//! of debit and credit are durable before the first byte, the intent to reverse before its own. So
//! after a crash every leg that may have been sent and is not proven is unknown, and is asked about
//! before anything is sent (rule 7).

use super::{Intent, Knowledge, Leg, Phase, Reason, State, Transfer};
use crate::serial::Role;

/// What the record still holds of an open transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What it wants.
    pub intent: Intent,
    /// The phase recorded last.
    pub phase: Phase,
    /// The legs as recorded last, in the order of [`Role::ALL`].
    pub legs: [Leg; 3],
    /// Whether the credit's own sending was made durable first, because the counter does not
    /// dedupe: then a transfer that was not recorded as crediting has not sent it.
    pub credit_barrier: bool,
    /// Why it is being undone, if it was.
    pub reason: Option<Reason>,
}

impl Transfer {
    /// The transfer as it may be believed after a crash. Its next event is
    /// [`Wake`](super::Event::Wake).
    pub fn recovered(remembered: Remembered) -> Transfer {
        let Remembered { intent, phase, legs: [debit, credit, reversal], credit_barrier, reason } =
            remembered;
        let mut transfer =
            Transfer { intent, phase, debit, credit, reversal, expired: false, reason };
        match phase.state() {
            // Nothing is sent any more, or nothing but questions: the legs are as recorded.
            State::Completed | State::Refused | State::Reversed | State::NeedsOperator => {}
            State::Accepted | State::Debiting => {
                doubt(&mut transfer.debit);
                if !credit_barrier {
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

/// Without proof, it may have been sent, and more than once.
fn doubt(leg: &mut Leg) {
    leg.tries = 0;
    if !leg.knowledge.is_proof() {
        leg.knowledge = Knowledge::Unknown;
        leg.sent = leg.sent.max(2);
    }
}
