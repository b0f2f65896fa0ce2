//! That a counter gets new transfers again, as one person proposed it and as it is written.

use api::json::timestamp;
use foreign::ForeignText;
use serde::Serialize;
use store::Readmission;
use utoipa::ToSchema;

/// That a counter gets new transfers again, as somebody has proposed it.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Readmission)]
pub(super) struct ReadmissionJson {
    /// Identifies the proposal: a digest of all that stands in it.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// What was seen of what holds the counter.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    version: String,
    /// Whether the bridge's serials go on behind the highest that the counter has seen.
    move_serials: bool,
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

impl From<&Readmission> for ReadmissionJson {
    fn from(proposal: &Readmission) -> ReadmissionJson {
        ReadmissionJson {
            id: proposal.id.clone(),
            version: proposal.version.clone(),
            move_serials: proposal.move_serials,
            who: proposal.who.clone(),
            note: proposal.note.clone(),
            at: timestamp(proposal.at),
            until: timestamp(proposal.until),
        }
    }
}
