//! Who deals with a transfer that waits for a person: whoever has claimed it, or the proposal that waits for another
//! person. As long as somebody does it does not end by itself, and nobody else begins to. All of it stands in the
//! transfer's trail, so that a restart knows of it.

use crate::claimant::{CLAIM_LASTS, Claimant};
use crate::proposal::{PROPOSAL_LASTS, Proposal};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often one transfer is claimed, or something proposed for it, in one life of the bridge before that goes slower:
/// each word is a part of a trail that has to stay readable, and short enough to be taken up.
pub(crate) const MOST_WORDS: u16 = 32;

/// How much later the next one is taken then.
pub(crate) const WORDS_EVERY: Duration = Duration::from_mins(1);

/// Who deals with a transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dealing {
    /// Nobody.
    #[default]
    Nobody,
    /// Somebody who has claimed it.
    Claim(Claimant),
    /// Somebody who has proposed a decision, and waits for another.
    Proposal(Proposal),
}

impl Dealing {
    /// When it ends by itself, in microseconds since 1970 UTC; `None` where nobody deals with it.
    pub(crate) fn until(&self) -> Option<i64> {
        match self {
            Dealing::Nobody => None,
            Dealing::Claim(claimant) => Some(claimant.until),
            Dealing::Proposal(proposal) => Some(proposal.until),
        }
    }

    /// How long it lasts at most.
    pub(crate) fn lasts(&self) -> Duration {
        match self {
            Dealing::Nobody => Duration::ZERO,
            Dealing::Claim(_) => CLAIM_LASTS,
            Dealing::Proposal(_) => PROPOSAL_LASTS,
        }
    }

    /// Whether somebody does.
    pub(crate) fn is_somebody(&self) -> bool {
        self.until().is_some()
    }

    /// Who has claimed it.
    pub(crate) fn claim(&self) -> Option<&Claimant> {
        match self {
            Dealing::Claim(claimant) => Some(claimant),
            Dealing::Nobody | Dealing::Proposal(_) => None,
        }
    }

    /// What is proposed.
    pub(crate) fn proposal(&self) -> Option<&Proposal> {
        match self {
            Dealing::Proposal(proposal) => Some(proposal),
            Dealing::Nobody | Dealing::Claim(_) => None,
        }
    }
}
