//! From what a counter said to what may be believed.

use super::Transfer;
use super::believed::Evidence;
use super::marks::{self, Doubt};
use super::words::{Said, Words, compare};
use crate::message::{Answer, Finding, Posted, PostingReply, QueryReply};
use crate::profile::{Meaning, Profile};
use crate::serial::{Mark, Role};
use serde::{Deserialize, Serialize};

/// How much the evidence weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// The request's own answer.
    Answer,
    /// The answer to a later query.
    Query,
    /// The answer to a fence, or to a query so late that no copy can still be on its way: the
    /// truth from then on.
    Truth,
}

/// How a question about a serial was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Only looking, while a copy of the request may still be on its way.
    Look,
    /// With a fence: the counter also buries the serial if it has not run.
    Fence,
    /// Only looking, but after the counter's in-flight limit had passed since the last copy was
    /// sent, and over a session begun after that: no copy can still be on its way.
    Settled,
}

/// What a counter told of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegReport {
    /// What may be believed of the leg by it.
    pub evidence: Evidence,
    /// How much that weighs against what was believed before.
    pub weight: Weight,
    /// The counter's code and words; `None` if it did not answer.
    pub answer: Option<Answer>,
    /// The posting that the counter shows and that is believed; `None` if there is none.
    pub posted: Option<Posted>,
    /// The posting that the counter shows and that proves nothing: nothing follows from it, and it is
    /// kept for people.
    pub unbelieved: Option<Box<Posted>>,
    /// What the counter says it knows of the serial; `None` of what was no answer to a query.
    pub finding: Option<Finding>,
    /// The mark that came with it.
    pub mark: Option<Mark>,
    /// Why it may be about another transfer; then nothing is believed of it.
    pub doubt: Option<Doubt>,
}

impl LegReport {
    /// Nothing was learned, or nothing was sent.
    pub fn nothing(evidence: Evidence, weight: Weight) -> LegReport {
        LegReport {
            evidence,
            weight,
            answer: None,
            posted: None,
            unbelieved: None,
            finding: None,
            mark: None,
            doubt: None,
        }
    }

    /// What may be believed of what a leg's own counter said about it. The answer to a query weighs
    /// by how the question was put; to any other, `question` means nothing.
    pub fn heard(
        transfer: &Transfer,
        words: Words,
        profile: &Profile,
        question: Question,
    ) -> LegReport {
        let role = words.role();
        match words.said {
            Said::Posting(reply) => LegReport::by_posting(transfer, role, profile, reply),
            Said::Query(reply) => LegReport::by_query(transfer, role, profile, reply, question),
        }
    }

    /// From the answer to a debit, credit or reversal. A posting that is claimed but is not in
    /// every field the leg's proves nothing.
    fn by_posting(
        transfer: &Transfer,
        role: Role,
        profile: &Profile,
        reply: PostingReply,
    ) -> LegReport {
        let matches = compare(transfer, role, reply.posted.as_ref()).is_ok();
        let evidence = match profile.codes.meaning(reply.answer.code) {
            Meaning::Done | Meaning::Duplicate if matches => Evidence::Done,
            Meaning::Done | Meaning::Duplicate | Meaning::Unknown => Evidence::Silent,
            Meaning::Refused => Evidence::Refused,
            Meaning::NotExecuted => Evidence::NotExecuted,
        };
        let known = marks::says_known(&reply.answer, profile);
        let (evidence, doubt) = marks::weigh(transfer, role, profile, reply.mark, known, evidence);
        let (posted, unbelieved) = sorted(reply.posted, evidence);
        LegReport {
            evidence,
            weight: Weight::Answer,
            answer: Some(reply.answer),
            posted,
            unbelieved,
            finding: None,
            mark: reply.mark,
            doubt,
        }
    }

    /// From the answer to a query, which weighs by how the question was put.
    fn by_query(
        transfer: &Transfer,
        role: Role,
        profile: &Profile,
        reply: QueryReply,
        question: Question,
    ) -> LegReport {
        let refused = profile.codes.meaning(reply.answer.code);
        let evidence = match reply.finding {
            Finding::Done if compare(transfer, role, reply.posted.as_ref()).is_ok() => {
                Evidence::Done
            }
            Finding::Done | Finding::Processing | Finding::Unclear => Evidence::Silent,
            // A refusal by a code that is not listed as one is no proof (DOMAIN §3).
            Finding::Refused => match refused {
                Meaning::Refused => Evidence::Refused,
                Meaning::NotExecuted => Evidence::NotExecuted,
                Meaning::Done | Meaning::Duplicate | Meaning::Unknown => Evidence::Silent,
            },
            Finding::Fenced => Evidence::NotExecuted,
            Finding::NotFound => match question {
                Question::Settled => Evidence::NotExecuted,
                // "Not found" to a fence means that nothing was buried.
                Question::Look | Question::Fence => Evidence::NotFound,
            },
        };
        let (evidence, doubt) = marks::weigh(transfer, role, profile, reply.mark, false, evidence);
        let (posted, unbelieved) = sorted(reply.posted, evidence);
        LegReport {
            evidence,
            weight: match question {
                Question::Look => Weight::Query,
                Question::Fence | Question::Settled => Weight::Truth,
            },
            answer: Some(reply.answer),
            posted,
            unbelieved,
            finding: Some(reply.finding),
            mark: reply.mark,
            doubt,
        }
    }
}

/// A posting that a counter shows: believed, or not.
fn sorted(shown: Option<Posted>, evidence: Evidence) -> (Option<Posted>, Option<Box<Posted>>) {
    if evidence == Evidence::Done { (shown, None) } else { (None, shown.map(Box::new)) }
}
