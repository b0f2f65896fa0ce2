//! What a person decided about a transfer that needs one.

use super::Ops;
use super::described;
use super::transfers::not_found;
use crate::json::timestamp;
use crate::plain;
use crate::problem::{Problem, kind};
use crate::sent;
use crate::transfers::database;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use coordinator::{DecideError, Found};
use domain::serial::MasterSerial;
use domain::transfer::{Decision, Illegal};
use foreign::{ForeignText, is_unseen};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// Bytes in a note: a paragraph. It is kept twice, in the trail and in the record of decisions.
pub(super) const LONGEST_NOTE: usize = 2000;

/// How long a decided ending is waited for until it is durable.
pub(super) const DURABLE_WITHIN: Duration = Duration::from_secs(5);

/// What a person decides.
#[derive(Deserialize, ToSchema)]
#[schema(as = Deciding)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// About which transfer.
    #[schema(pattern = "^[0-9]{19}$", example = "2026112100000000042")]
    master_serial: String,
    /// What.
    #[schema(value_type = described::Decision)]
    decision: String,
    /// The operator's name, at most 64 bytes of UTF-8.
    #[schema(min_length = 1, example = "Wang Fang")]
    who: String,
    /// Why: what was found, and where; at most 2,000 bytes of UTF-8.
    #[schema(min_length = 1)]
    note: String,
}

/// A decision that is complete, whether or not it is legal.
#[derive(Debug, PartialEq, Eq)]
struct Decided {
    master: MasterSerial,
    decision: Decision,
    who: ForeignText,
    note: ForeignText,
}

/// What was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Decided)]
pub(super) struct DecisionJson {
    /// About which transfer.
    #[schema(pattern = "^[0-9]{19}$")]
    master_serial: String,
    /// What.
    #[schema(value_type = described::Decision)]
    decision: &'static str,
    /// The operator's name.
    #[schema(value_type = String)]
    who: ForeignText,
    /// Why.
    #[schema(value_type = String)]
    note: ForeignText,
    /// The transfer's state after it, as far as it is durable; `final` where it has ended since.
    state: &'static str,
    /// Who else had claimed it; the claim has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    claimed_by: Option<ForeignText>,
}

/// Decide about a transfer that needs a person.
#[utoipa::path(
    post, path = "/ops/v1/decisions", tag = "transfers", request_body = Body,
    responses(
        (status = 201, description = "It is taken and, where it ends the transfer, durable", body = DecisionJson),
        (status = 202, description = "It is taken; the database has not confirmed the ending yet", body = DecisionJson),
    )
)]
pub(super) async fn decide(
    State(ops): State<Ops>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<DecisionJson>), Problem> {
    let body = whole(body)?;
    let Decided { master, decision, who, note } = read(&body)?;
    let coordinator = &ops.state.coordinator;
    let claimed =
        coordinator.decide(master, decision, who.clone(), note.clone()).await.map_err(refusal)?;
    tracing::info!(%master, decision = decision.as_str(), %who, "an operator decided");
    let ends = match decision {
        Decision::Completed | Decision::Reversed | Decision::Refused => true,
        Decision::Resume => false,
    };
    if ends {
        coordinator.wait(master.sequence, DURABLE_WITHIN).await;
    }
    // It is taken: whatever is not known now is known later.
    let found = coordinator.find(master).await.ok().flatten();
    let (status, state) = match found {
        Some(Found::Open(view)) => {
            let status = if ends { StatusCode::ACCEPTED } else { StatusCode::CREATED };
            (status, view.transfer.state().as_str())
        }
        // Ended as it was decided; or, after a resumption, as the rules have it.
        Some(Found::Ended(stored)) => {
            let ended = stored.outcome.map_or(decision.as_str(), |outcome| outcome.state.as_str());
            (StatusCode::CREATED, ended)
        }
        None if ends => (StatusCode::CREATED, decision.as_str()),
        None => (StatusCode::CREATED, "final"),
    };
    let taken = DecisionJson {
        master_serial: master.to_string(),
        decision: decision.as_str(),
        claimed_by: claimed.map(|claim| claim.who).filter(|other| *other != who),
        who,
        note,
        state,
    };
    Ok((status, Json(taken)))
}

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

/// Who says so: a name.
pub(super) fn name(who: &str) -> Result<ForeignText, Problem> {
    text("who", who, store::Decision::LONGEST_WHO, |_| false)
}

/// Why: a note.
pub(super) fn note(note: &str) -> Result<ForeignText, Problem> {
    text("note", note, LONGEST_NOTE, |c| matches!(c, '\n' | '\t'))
}

/// Reads a decision, or says which field is wrong.
fn read(body: &[u8]) -> Result<Decided, Problem> {
    let body: Body = parse(body)?;
    let master =
        body.master_serial.parse().map_err(|error| rule("master_serial", &format!("{error}")))?;
    let decision = Decision::ALL
        .into_iter()
        .find(|decision| decision.as_str() == body.decision)
        .ok_or_else(|| {
            let words = Decision::ALL.map(Decision::as_str).join(", ");
            rule("decision", &format!("must be one of {words}"))
        })?;
    let (who, note) = (name(&body.who)?, note(&body.note)?);
    Ok(Decided { master, decision, who, note })
}

/// A text that says something, of at most `longest` bytes, without characters that nobody sees (control
/// characters, marks of direction) but those that `allowed` lets through.
fn text(
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

/// Why what a person said was not taken, in the machine's words.
pub(super) fn refusal(error: DecideError) -> Problem {
    let detail = error.to_string();
    match error {
        DecideError::NotFound(_) => not_found().detail(detail),
        DecideError::AlreadyFinal(_) => Problem::new(kind::ALREADY_FINAL).detail(detail),
        DecideError::Illegal(Illegal::NotParked) => {
            Problem::new(kind::NO_DECISION_NEEDED).detail(detail)
        }
        DecideError::Illegal(Illegal::AgainstProof { role, knowledge: _ }) => {
            Problem::new(kind::AGAINST_PROOF).detail(detail).with("leg", role.as_str().into())
        }
        DecideError::Illegal(Illegal::NothingToResume) | DecideError::NotProven => {
            Problem::new(kind::NOTHING_TO_RESUME).detail(detail)
        }
        DecideError::Busy => Problem::new(kind::BEING_RECORDED).detail(detail).retry_after(1),
        DecideError::Claimed(claimant) => Problem::new(kind::CLAIMED)
            .detail(detail)
            .with("who", claimant.who.into_received().into())
            .with("until", timestamp(claimant.until).into()),
        DecideError::TooManyClaims => {
            Problem::new(kind::TOO_MANY_CLAIMS).detail(detail).retry_after(60)
        }
        DecideError::Store(error) => database(&error),
        DecideError::Stopping => Problem::new(kind::STOPPING).detail(detail).retry_after(5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn body() -> Value {
        json!({
            "master_serial": "2026112100000000042",
            "decision": "completed",
            "who": " Wang Fang ",
            "note": "credit 77 seen in the statement\nconfirmed by telephone",
        })
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Value), expected: Result<(), (u16, Option<&str>)>) {
        let mut body = body();
        change(&mut body);
        let read = read(body.to_string().as_bytes());
        let got = read.as_ref().map(|_| ()).map_err(|problem| {
            let document = problem.document();
            (problem.status().as_u16(), document["field"].as_str().map(str::to_owned))
        });
        let expected = expected.map_err(|(status, field)| (status, field.map(str::to_owned)));
        assert_eq!(got, expected, "{body}");
    }

    #[test]
    fn a_decision_is_read_and_trimmed() {
        let decided = read(body().to_string().as_bytes()).expect("a decision");
        assert_eq!(decided.master.to_string(), "2026112100000000042");
        assert_eq!(decided.decision, Decision::Completed);
        assert_eq!(decided.who, "Wang Fang");
        assert!(decided.note.as_received().contains('\n'));
    }

    #[test]
    fn every_field_is_mandatory_and_bounded() {
        check(|_| {}, Ok(()));
        for decision in Decision::ALL {
            check(|body| body["decision"] = decision.as_str().into(), Ok(()));
        }
        check(|body| body["decision"] = "Completed".into(), Err((422, Some("decision"))));
        check(|body| body["master_serial"] = "42".into(), Err((422, Some("master_serial"))));
        check(|body| body["who"] = "  ".into(), Err((422, Some("who"))));
        check(|body| body["who"] = "w".repeat(64).into(), Ok(()));
        check(|body| body["who"] = "w".repeat(65).into(), Err((422, Some("who"))));
        check(|body| body["who"] = "W\nF".into(), Err((422, Some("who"))));
        check(|body| body["note"] = "".into(), Err((422, Some("note"))));
        check(|body| body["note"] = "n".repeat(LONGEST_NOTE).into(), Ok(()));
        check(|body| body["note"] = "n".repeat(LONGEST_NOTE + 1).into(), Err((422, Some("note"))));
        check(|body| body["note"] = "a\u{1b}[2J".into(), Err((422, Some("note"))));
        check(|body| body["amount"] = 1.into(), Err((422, None)));
        check(|body| *body = json!({"who": "W"}), Err((422, None)));
        assert_eq!(read(b"{").expect_err("broken").status(), StatusCode::BAD_REQUEST);
    }
}
