//! A decision that one person proposed, as it is written.

use super::claims::ClaimJson;
use super::described;
use api::json::timestamp;
use coordinator::Proposal;
use domain::transfer::Outlook;
use foreign::ForeignText;
use serde::Serialize;
use utoipa::ToSchema;

/// A decision that is proposed, and waits for another person.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Proposal)]
pub(super) struct ProposalJson {
    /// Identifies the proposal: a digest of all that stands in it.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// What is to be decided.
    #[schema(value_type = described::Decision)]
    decision: &'static str,
    /// What was seen of the transfer.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    version: String,
    /// What the decision leads to.
    #[schema(value_type = described::Outlook)]
    leads_to: Outlook,
    /// Since when that operator had claimed it, and that claim holds again if nothing comes of the proposal; absent if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    claim: Option<ClaimJson>,
    /// Name of the operator who proposes it.
    #[schema(value_type = String)]
    who: ForeignText,
    /// Why, in the operator's own words.
    #[schema(value_type = String)]
    note: ForeignText,
    /// When it was proposed: RFC 3339, UTC.
    #[schema(format = DateTime)]
    at: String,
    /// From when on nobody may approve it any more: RFC 3339, UTC; a day later.
    #[schema(format = DateTime)]
    until: String,
}

impl From<&Proposal> for ProposalJson {
    fn from(proposal: &Proposal) -> ProposalJson {
        ProposalJson {
            id: proposal.id.to_string(),
            decision: proposal.decision.as_str(),
            version: proposal.version.to_string(),
            leads_to: proposal.leads_to,
            claim: proposal.claim.as_ref().map(ClaimJson::from),
            who: proposal.who.clone(),
            note: proposal.note.clone(),
            at: timestamp(proposal.at),
            until: timestamp(proposal.until),
        }
    }
}
