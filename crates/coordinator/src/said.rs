//! What persons say about a transfer, and what comes of it.

use crate::claimant::Claimant;
use crate::proposal::{Proposal, ProposalId, Version};
use domain::transfer::{Decision, Illegal, Outlook};
use foreign::ForeignText;

/// What a person says about a transfer that waits for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Claims it, or says so again.
    Claim {
        /// Why, in the operator's own words.
        note: ForeignText,
    },
    /// Claims it no longer.
    Unclaim,
    /// Proposes a decision.
    Propose {
        /// What is to be decided.
        decision: Decision,
        /// What was seen of the transfer.
        version: Version,
        /// What the decision was seen to lead to.
        leads_to: Outlook,
        /// Why, in the operator's own words.
        note: ForeignText,
    },
    /// Takes a proposal back.
    Withdraw {
        /// The proposal.
        id: ProposalId,
        /// Why, in the operator's own words.
        note: ForeignText,
        /// Whether it may be another's.
        of_others: bool,
    },
    /// Approves what another proposed.
    Approve {
        /// The proposal.
        id: ProposalId,
        /// What was looked at, in the operator's own words.
        note: ForeignText,
    },
}

/// What came of what a person said. It is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is claimed.
    Claimed(Claimant),
    /// It is claimed no longer; whether it was.
    Unclaimed(bool),
    /// It is proposed.
    Proposed(Box<Proposal>),
    /// It is proposed no longer.
    Withdrawn(Box<Proposal>),
    /// It is decided as it was proposed, and followed.
    Decided(Box<Proposal>),
}

/// Why what a person said was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonRefused {
    /// It is not open.
    NotOpen,
    /// The machine does not allow it.
    Illegal(Illegal),
    /// Something is being written; ask again.
    Busy,
    /// Another has claimed it.
    Claimed(Claimant),
    /// Something is proposed for it already.
    Proposed(Box<Proposal>),
    /// It stands otherwise than it was seen: where it stands now.
    Moved(Version),
    /// The decision would lead to something else by now.
    LeadsElsewhere(Outlook),
    /// No such proposal is open.
    NoSuchProposal,
    /// Nobody approves what is one's own.
    Own,
    /// Another proposed it.
    OfAnother(Box<Proposal>),
    /// Too many are claimed.
    TooManyClaims,
    /// Too many are proposed.
    TooManyProposals,
    /// Too much was said about it.
    TooManyWords,
    /// This software fails on the transfer, and leaves it as it is.
    LeftAlone,
    /// This software failed at it: the transfer says what came of it.
    Failed,
    /// The record refused it.
    NotRecorded(String),
}
