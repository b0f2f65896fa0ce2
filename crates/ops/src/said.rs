//! What people say to the bridge, as it is read, and why it was not taken.

use api::json::timestamp;
use api::plain;
use api::problem::{Problem, kind};
use api::refused::database;
use api::sent;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use coordinator::{PersonError, ProposalId};
use domain::message::CounterId;
use domain::serial::MasterSerial;
use domain::transfer::Illegal;
use foreign::{ForeignText, is_unseen};
use port::{Counter, Counters};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// Bytes in a note: a paragraph. It is kept twice, in the trail and in the record of decisions.
pub(super) const LONGEST_NOTE: usize = 2000;

/// How long what a person said is waited for until it is durable.
pub(super) const DURABLE_WITHIN: Duration = Duration::from_secs(5);

/// A body that came whole.
pub(super) fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(kind::BODY_TOO_LARGE),
        _ => Problem::new(kind::BODY_UNREADABLE).detail(plain::words(&error.body_text())),
    })
}

/// Reads what an operator says, or says what is wrong with it.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    sent::body(body).map_err(|error| {
        let kind = match error.classify() {
            serde_json::error::Category::Data => kind::RULE_BROKEN,
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof
            | serde_json::error::Category::Io => kind::MALFORMED_BODY,
        };
        Problem::new(kind).detail(plain::words(&error.to_string()))
    })
}

/// What one says to a proposal.
#[derive(Deserialize, ToSchema)]
#[schema(as = OnProposal)]
#[serde(deny_unknown_fields)]
pub(super) struct OnProposal {
    /// The proposal, by its `id`.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    proposal: String,
    /// What was looked at, or why not, in at most 2,000 bytes of UTF-8.
    #[schema(min_length = 1)]
    note: String,
}

/// Reads what is said, and to which proposal.
pub(super) fn on(body: &[u8]) -> Result<(ProposalId, ForeignText), Problem> {
    let body: OnProposal = parse(body)?;
    let id = body.proposal.parse().map_err(|error| rule("proposal", &format!("{error}")))?;
    Ok((id, note(&body.note)?))
}

/// Why: a note.
pub(super) fn note(note: &str) -> Result<ForeignText, Problem> {
    paragraph("note", note)
}

/// What somebody says in words, of at most [`LONGEST_NOTE`] bytes and as many lines as it takes.
pub(super) fn paragraph(field: &'static str, words: &str) -> Result<ForeignText, Problem> {
    text(field, words, LONGEST_NOTE, |c| matches!(c, '\n' | '\t'))
}

/// A text that says something, of at most `longest` bytes, without characters that nobody sees (control
/// characters, marks of direction) but those that `allowed` lets through.
pub(super) fn text(
    field: &'static str,
    text: &str,
    longest: usize,
    allowed: fn(char) -> bool,
) -> Result<ForeignText, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(rule(field, "must not be empty"));
    }
    if text.len() > longest {
        return Err(rule(field, &format!("must be at most {longest} bytes, not {}", text.len())));
    }
    if text.chars().any(|c| is_unseen(c) && !allowed(c)) {
        return Err(rule(field, "must not have control characters, or others that nobody sees"));
    }
    Ok(text.into())
}

pub(super) fn rule(field: &'static str, why: &str) -> Problem {
    Problem::new(kind::RULE_BROKEN).detail(format!("{field}: {why}")).with("field", field.into())
}

/// The counter that a path names.
pub(super) fn counter_of<'a>(
    counters: &'a Counters,
    name: &str,
) -> Result<&'a Arc<dyn Counter>, Problem> {
    let found = CounterId::new(name).ok().and_then(|id| counters.get(&id));
    found.ok_or_else(|| {
        let known: Vec<&str> = counters.iter().map(|counter| counter.id().as_str()).collect();
        Problem::new(kind::NO_SUCH_COUNTER)
            .detail(format!("the configured counters are: {}", known.join(", ")))
    })
}

/// The transfer that a path names.
pub(super) fn serial(text: &str) -> Result<MasterSerial, Problem> {
    text.parse().map_err(|error| not_found().detail(format!("a master serial {error}")))
}

/// What a person said about a transfer, once it is durable.
pub(super) async fn durable<T: Send + 'static>(
    saying: impl Future<Output = Result<T, PersonError>> + Send + 'static,
) -> Result<T, Problem> {
    in_time(saying, refusal, "the transfer").await
}

/// What a person said, once it is durable. Where that takes too long it goes on all the same, and it is not known yet
/// whether it was taken: what it is about says so later.
pub(super) async fn in_time<T: Send + 'static, E: Send + 'static>(
    saying: impl Future<Output = Result<T, E>> + Send + 'static,
    refusal: impl FnOnce(E) -> Problem,
    about: &str,
) -> Result<T, Problem> {
    let saying = tokio::spawn(saying);
    let unclear = |why: &str| {
        let look = format!("{why}: look at {about}, it says what was taken");
        Problem::new(kind::NOT_CONFIRMED).detail(look)
    };
    let taken = tokio::time::timeout(DURABLE_WITHIN, saying)
        .await
        .map_err(|_| unclear("the database has not confirmed it yet").retry_after(1))?;
    taken.map_err(|_| unclear("this software failed at it"))?.map_err(refusal)
}

/// Why what a person said was not taken, in the machine's words.
pub(super) fn refusal(error: PersonError) -> Problem {
    let detail = error.to_string();
    match error {
        PersonError::NotFound(_) => not_found().detail(detail),
        PersonError::AlreadyFinal(_) => Problem::new(kind::ALREADY_FINAL).detail(detail),
        PersonError::Illegal(Illegal::NotParked) => {
            Problem::new(kind::NO_DECISION_NEEDED).detail(detail)
        }
        PersonError::Illegal(Illegal::AgainstProof { role, knowledge: _ }) => {
            Problem::new(kind::AGAINST_PROOF).detail(detail).with("leg", role.as_str().into())
        }
        PersonError::Illegal(Illegal::NothingToResume) => {
            Problem::new(kind::NOTHING_TO_RESUME).detail(detail)
        }
        PersonError::LeftAlone => Problem::new(kind::UNREADABLE_RECORD).detail(detail),
        PersonError::Failed => Problem::new(kind::NOT_CONFIRMED).detail(detail),
        PersonError::Busy => Problem::new(kind::BEING_RECORDED).detail(detail).retry_after(1),
        PersonError::Claimed(claimant) => Problem::new(kind::CLAIMED)
            .detail(detail)
            .with("who", claimant.who.into_received().into())
            .with("until", timestamp(claimant.until).into()),
        PersonError::Proposed(proposal) => Problem::new(kind::PROPOSED_ALREADY)
            .detail(detail)
            .with("who", proposal.who.into_received().into())
            .with("proposal", proposal.id.to_string().into()),
        PersonError::Moved(version) => {
            Problem::new(kind::MOVED_ON).detail(detail).with("version", version.to_string().into())
        }
        PersonError::LeadsElsewhere(_) => Problem::new(kind::MOVED_ON).detail(detail),
        PersonError::NoSuchProposal => Problem::new(kind::NO_SUCH_PROPOSAL).detail(detail),
        PersonError::Own => Problem::new(kind::OWN_PROPOSAL).detail(detail),
        PersonError::OfAnother(_) => Problem::new(kind::NOT_PERMITTED).detail(detail),
        PersonError::TooManyClaims => {
            Problem::new(kind::TOO_MANY_CLAIMS).detail(detail).retry_after(60)
        }
        PersonError::TooManyProposals | PersonError::TooManyWords => {
            Problem::new(kind::TOO_MANY_REQUESTS).detail(detail).retry_after(60)
        }
        PersonError::Store(error) => database(&error),
        PersonError::Stopping => Problem::new(kind::STOPPING).detail(detail).retry_after(5),
    }
}

/// No transfer has this serial.
pub(super) fn not_found() -> Problem {
    Problem::new(kind::NO_SUCH_TRANSFER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    /// What is not durable is not told, and what is not known is not called refused.
    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_or_fails_is_told_as_not_known() {
        let began = tokio::time::Instant::now();
        let late = durable(pending::<Result<(), PersonError>>()).await.expect_err("not known");
        assert_eq!((late.slug(), began.elapsed()), ("not_confirmed", DURABLE_WITHIN));
        let edge = DURABLE_WITHIN.saturating_sub(Duration::from_millis(1));
        let in_time = async move {
            tokio::time::sleep(edge).await;
            Ok(7)
        };
        assert_eq!(durable(in_time).await.ok(), Some(7));
        let failed = durable(async { panic!("it fails") }).await;
        let failed: Problem = failed.map(|(): ()| ()).expect_err("not known");
        assert_eq!(failed.slug(), "not_confirmed");
        let refused = durable(async { Err::<(), _>(PersonError::Own) }).await;
        assert_eq!(refused.expect_err("refused").slug(), "own_proposal");
    }
}
