//! Why a connection ended or never came to be.

use domain::message::CounterId;
use domain::profile::Unconfirmed;
use foreign::ForeignText;
use std::time::Duration;
use wire::codec::FrameError;
use wire::conversation::RejectReason;

/// Why a connection ended or never came to be; the text is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// No address answered.
    #[error("{address}: {error}")]
    Unreachable {
        /// The address tried last.
        address: String,
        /// What the system said.
        error: String,
    },
    /// The configuration names no address.
    #[error("no address is configured")]
    NoAddress,
    /// The sign-on took too long.
    #[error("no answer to the sign-on in time")]
    SignOnTimedOut,
    /// The counter refused the session.
    #[error("the counter rejected the sign-on ({}): {text}", .reason.words())]
    Rejected {
        /// Why, for the machine.
        reason: RejectReason,
        /// Why, for people; at most 200 characters.
        text: ForeignText,
    },
    /// The counter did not prove that it holds the key.
    #[error("the counter's proof is wrong: it does not hold this link's key")]
    BadProof,
    /// Somebody else answered, or nobody said who.
    #[error("counter {configured} is configured, but {declared} signed on")]
    WrongCounter {
        /// Whom the link is for.
        configured: CounterId,
        /// What the other side called itself.
        declared: ForeignText,
    },
    /// The counter cannot do what the configuration relies on.
    #[error("{0}")]
    Profile(#[from] Unconfirmed),
    /// Our own names cannot be said in the dialect.
    #[error("the sign-on cannot be said in the counter's dialect: {0}")]
    Unsayable(String),
    /// A message that has no place where it came.
    #[error("the counter sent {message} while {state}")]
    Protocol {
        /// What it sent.
        message: &'static str,
        /// Where the conversation stood.
        state: &'static str,
    },
    /// The framing is broken.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// Too many unreadable bodies.
    #[error("{count} unreadable messages within a minute; the last: {error}")]
    Malformed {
        /// How many there were.
        count: usize,
        /// What was wrong with the last.
        error: String,
    },
    /// The counter says too much that nobody asked for.
    #[error(
        "{count} answers to nothing and notices without a pause; it is tried again in a minute"
    )]
    Flooding {
        /// How many there were.
        count: u32,
    },
    /// The counter is silent.
    #[error("nothing heard for {:.1} s", .0.as_secs_f64())]
    Unheard(Duration),
    /// The transport takes no bytes.
    #[error("the transport accepted no byte for {:.1} s", .0.as_secs_f64())]
    WriteStalled(Duration),
    /// The counter closed the connection without a sign-off.
    #[error("the counter closed the connection")]
    ClosedByPeer,
    /// The transport failed.
    #[error("{0}")]
    Io(String),
    /// The counter signed off.
    #[error("the counter signed off: {0}")]
    PeerSignedOff(ForeignText),
    /// We signed off, in order.
    #[error("signed off")]
    SignedOff,
    /// We signed off, because a preferred address answers again.
    #[error("signed off, to go back to {0}")]
    FailedBack(String),
    /// We signed off, because the counter's service hours are over.
    #[error("outside the counter's service hours")]
    OutOfHours,
    /// We signed off, because nothing needs the counter that an operator has drained.
    #[error("signed off, for an operator drains it")]
    Drained,
    /// We signed off, because only a new session can prove what became of a request.
    #[error("signed off, to prove by a new session what became of requests")]
    Renewed,
    /// We signed off, because what the counter proved itself by is not believed any more.
    #[error("signed off: {0}")]
    Withdrawn(String),
    /// Whether the record is still this bridge's was not certain: no session is begun before it is.
    #[error("it was not certain that the record is still held: no session was begun")]
    NoLeave,
    /// The counter dialled in anew, and nothing was heard on the old connection when it was asked.
    #[error("replaced by a connection from {0}; the old one was dead")]
    Replaced(String),
    /// A defect of ours.
    #[error("the link's task failed: {0}")]
    Panicked(String),
}

/// What a cause says about the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Now: nothing went wrong.
    AtOnce,
    /// Soon, ever less often.
    Retry,
    /// Slowly; trying often cannot help.
    Slowly,
    /// Slowly and not for ever: credentials or configuration are wrong.
    Rejected,
}

impl Cause {
    /// What it says about the next attempt.
    pub fn verdict(&self) -> Verdict {
        match self {
            Cause::Rejected { reason, .. } => match reason {
                RejectReason::Version | RejectReason::UnknownParty | RejectReason::BadProof => {
                    Verdict::Rejected
                }
                // The counter has not seen our last connection end, or is busy: that passes.
                RejectReason::AlreadySignedOn | RejectReason::NotNow => Verdict::Retry,
                // Nobody knows whether an operator could mend it, so it is never given up.
                RejectReason::Other => Verdict::Slowly,
            },
            Cause::BadProof
            | Cause::WrongCounter { .. }
            | Cause::Profile(_)
            | Cause::Unsayable(_)
            | Cause::NoAddress => Verdict::Rejected,
            Cause::Flooding { .. } => Verdict::Slowly,
            Cause::Unreachable { .. }
            | Cause::SignOnTimedOut
            | Cause::Protocol { .. }
            | Cause::Frame(_)
            | Cause::Malformed { .. }
            | Cause::Unheard(_)
            | Cause::WriteStalled(_)
            | Cause::ClosedByPeer
            | Cause::Io(_)
            | Cause::PeerSignedOff(_)
            | Cause::SignedOff
            | Cause::Panicked(_) => Verdict::Retry,
            // What it waits for is waited for where the next attempt begins.
            Cause::NoLeave
            | Cause::FailedBack(_)
            | Cause::Replaced(_)
            | Cause::OutOfHours
            | Cause::Drained
            | Cause::Withdrawn(_)
            | Cause::Renewed => Verdict::AtOnce,
        }
    }

    /// Whether the session ended because we wanted it to.
    pub(crate) fn is_orderly(&self) -> bool {
        matches!(
            self,
            Cause::SignedOff
                | Cause::FailedBack(_)
                | Cause::OutOfHours
                | Cause::Drained
                | Cause::Withdrawn(_)
                | Cause::Renewed
        )
    }
}
