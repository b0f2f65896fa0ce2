//! What can happen to a transfer, and what can follow from it.

use super::evidence::LegReport;
use super::{Decision, Knowledge};
use crate::message::Look;
use crate::serial::Role;

/// Something that happened to a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time to go on: it has become durable, a timer ran out, or the bridge has restarted.
    Wake,
    /// Its deadline or the cut-over has passed.
    Expire,
    /// What was asked of a leg's counter has an outcome, be it that nothing was learned; or the
    /// counter spoke unasked.
    Told(Role, LegReport),
    /// A person decided about it.
    Decide(Decision),
}

/// What the bridge is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send the leg's posting. Always the same bytes for one leg.
    Send(Role),
    /// Ask the leg's counter what became of it, with a fence or without.
    Ask(Role, Look),
    /// Nothing now; wake it after a pause.
    Pause,
    /// Nothing; what is awaited already comes by itself.
    Stay,
    /// It is final: record the ending, then tell the caller.
    Finish,
}

/// How an event related to what was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It moved the transfer on.
    Fresh,
    /// It came late or twice and changes nothing.
    Stale,
    /// It contradicts proof: a break is opened and an alarm raised (rule 5).
    Contradiction,
}

/// What follows from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What the bridge is to do next.
    pub action: Action,
    /// Whether everything so far must be durable before `action` begins.
    pub barrier: bool,
    /// How the event related to what was known.
    pub verdict: Verdict,
}

/// An event that makes no sense here; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// Only what needs an operator can be decided by one.
    #[error("only a transfer that needs an operator can be decided")]
    NotParked,
    /// The decision contradicts what is proven.
    #[error("the decision contradicts the proof: the {role} is {known}", known = .knowledge.words())]
    AgainstProof {
        /// The leg whose proof stands against it.
        role: Role,
        /// What is proven of that leg.
        knowledge: Knowledge,
    },
    /// After a contradiction there is nothing to go on from.
    #[error("the counter contradicted itself: decide the ending, it cannot be resumed")]
    NothingToResume,
}

/// It changes nothing.
pub(super) const STALE: Step =
    Step { action: Action::Stay, barrier: false, verdict: Verdict::Stale };
/// It contradicts proof, and is told; nothing else follows.
pub(super) const CONTRADICTION: Step =
    Step { action: Action::Stay, barrier: false, verdict: Verdict::Contradiction };
