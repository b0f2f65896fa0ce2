//! What a person proposes for a transfer, and another approves: bound to what was seen, and to what it would lead to.

use crate::claimant::Claimant;
use domain::serial::MasterSerial;
use domain::transfer::{Decision, Outlook, Transfer};
use foreign::ForeignText;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long a proposal waits for another person: until somebody comes to work on the next day. What was seen is seen
/// anew then.
pub const PROPOSAL_LASTS: Duration = Duration::from_hours(24);

/// Proposals in one shard at once: what an outage of a large counter leaves, proposed in one go.
pub(crate) const MOST_PROPOSALS: usize = 16_384;

/// Half of a SHA-256, written as 32 hexadecimal digits: enough that nobody finds two texts of one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Half([u8; 16]);

impl Half {
    fn of(text: &str) -> Half {
        let digest = Sha256::digest(text.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Half(half)
    }
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Half {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Half, NoDigest> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(is_hex) {
            return Err(NoDigest);
        }
        u128::from_str_radix(text, 16)
            .map(|number| Half(number.to_be_bytes()))
            .map_err(|_| NoDigest)
    }
}

/// What is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 hexadecimal digits in lower case")]
pub struct NoDigest;

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Half);

        impl $name {
            /// Of a text.
            pub(crate) fn of_text(text: &str) -> $name {
                $name(Half::of(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = NoDigest;

            fn from_str(text: &str) -> Result<$name, NoDigest> {
                text.parse().map($name)
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> String {
                digest.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NoDigest;

            fn try_from(text: String) -> Result<$name, NoDigest> {
                text.parse()
            }
        }
    };
}

digest! {
    /// Of what was seen: of a transfer phase, knowledge, postings and reason, but not rounds of asking that brought
    /// nothing; of a counter all that holds it.
    Version
}

digest! {
    /// Of a proposal: of all that whoever approves it is shown.
    ProposalId
}

impl Version {
    /// Where a transfer stands now.
    pub fn of(transfer: &Transfer) -> Version {
        Version::of_text(&transfer.standing())
    }
}

/// A decision that a person proposes, and for which another is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Identifies it, by all that stands in it.
    pub id: ProposalId,
    /// What is to be decided.
    pub decision: Decision,
    /// What was seen of the transfer.
    pub version: Version,
    /// What the decision leads to, by the step that it will be.
    pub leads_to: Outlook,
    /// Who proposes it.
    pub who: ForeignText,
    /// Why, in the operator's own words: what was found, and where.
    pub note: ForeignText,
    /// When it was proposed, in microseconds since 1970 UTC.
    pub at: i64,
    /// From when on nobody may approve it any more, in microseconds since 1970 UTC.
    pub until: i64,
    /// The proposer's claim, which holds again if nothing comes of the proposal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claimant>,
}

/// What is proposed for a transfer, before it is one's own words and has a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) decision: Decision,
    pub(crate) version: Version,
    pub(crate) leads_to: Outlook,
}

impl Proposal {
    pub(crate) fn new(
        master: MasterSerial,
        seen: Seen,
        who: ForeignText,
        note: ForeignText,
        at: i64,
    ) -> Proposal {
        let Seen { decision, version, leads_to } = seen;
        let text = format!(
            "{master}\n{version}\n{}\n{leads_to:?}\n{at}\n{}:{}\n{}",
            decision.as_str(),
            who.as_received().len(),
            who.as_received(),
            note.as_received(),
        );
        let lasts = i64::try_from(PROPOSAL_LASTS.as_micros()).unwrap_or(i64::MAX);
        let until = at.saturating_add(lasts);
        let id = ProposalId::of_text(&text);
        Proposal { id, decision, version, leads_to, who, note, at, until, claim: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::serial::Role;
    use domain::transfer::State;

    fn proposal() -> Proposal {
        let master = MasterSerial::from_number(2_026_112_100_000_000_042).expect("a serial");
        let seen = Seen {
            decision: Decision::Completed,
            version: Version::of_text("seen"),
            leads_to: Outlook::Ends(State::Completed),
        };
        Proposal::new(master, seen, "lin".into(), "by telephone".into(), 7)
    }

    #[test]
    fn a_digest_is_read_as_it_is_written_and_in_no_other_way() {
        let id = proposal().id;
        let text = id.to_string();
        assert_eq!((text.len(), text.parse()), (32, Ok(id)));
        for garbage in
            ["", "0", &text[1..], &format!("{text}0"), &text.to_uppercase(), &"+".repeat(32)]
        {
            // A digest may have no letters.
            if garbage != text {
                assert_eq!(garbage.parse::<ProposalId>(), Err(NoDigest), "{garbage}");
            }
        }
        let json = serde_json::to_string(&id).expect("plain data");
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<ProposalId>(&json).expect("it is one"), id);
        assert!(serde_json::from_str::<ProposalId>("\"x\"").is_err());
    }

    #[test]
    fn all_that_is_shown_is_in_its_digest() {
        let one = proposal();
        let seen = Seen { decision: one.decision, version: one.version, leads_to: one.leads_to };
        let master = MasterSerial::from_number(2_026_112_100_000_000_042).expect("a serial");
        let other = MasterSerial::from_number(2_026_112_100_000_000_043).expect("a serial");
        let id = |master, seen, who: &str, note: &str, at| {
            Proposal::new(master, seen, who.into(), note.into(), at).id
        };
        assert_eq!(id(master, seen, "lin", "by telephone", 7), one.id);
        let sends = Seen { leads_to: Outlook::Sends(Role::Credit), ..seen };
        for changed in [
            id(other, seen, "lin", "by telephone", 7),
            id(master, Seen { decision: Decision::Resume, ..seen }, "lin", "by telephone", 7),
            id(master, Seen { version: Version::of_text(""), ..seen }, "lin", "by telephone", 7),
            id(master, sends, "lin", "by telephone", 7),
            id(master, seen, "li", "by telephone", 7),
            id(master, seen, "lin", "by telephon", 7),
            id(master, seen, "lin", "by telephone", 8),
        ] {
            assert_ne!(changed, one.id);
        }
        assert_eq!(one.until - one.at, 86_400_000_000);
    }

    #[test]
    fn it_is_kept_whole() {
        let one = proposal();
        let text = serde_json::to_string(&one).expect("plain data");
        assert_eq!(serde_json::from_str::<Proposal>(&text).expect("it is read"), one);
    }
}
