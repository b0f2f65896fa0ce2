//! What a person decided about a transfer that needs one.

use super::Ops;
use super::described;
use super::people::{Identity, recorded};
use super::said::{DURABLE_WITHIN, note, parse, refusal, rule, whole};
use api::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use coordinator::Found;
use domain::serial::MasterSerial;
use domain::transfer::Decision;
use foreign::ForeignText;
use serde::{Deserialize, Serialize};
use store::people::Act;
use utoipa::ToSchema;

/// What a person decides.
#[derive(Deserialize, ToSchema)]
#[schema(as = Deciding)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// Serial of the transfer that is decided about: 19 digits.
    #[schema(pattern = "^[0-9]{19}$", example = "2026112100000000042")]
    master_serial: String,
    /// What is decided.
    #[schema(value_type = described::Decision)]
    decision: String,
    /// Why: what was found, and where, in at most 2,000 bytes of UTF-8.
    #[schema(min_length = 1)]
    note: String,
}

/// A decision that is complete, whether or not it is legal.
#[derive(Debug, PartialEq, Eq)]
struct Decided {
    master: MasterSerial,
    decision: Decision,
    note: ForeignText,
}

/// The decision as it was taken, and what became of the transfer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Decided)]
pub(super) struct DecisionJson {
    /// Serial of the transfer that was decided about: 19 digits.
    #[schema(pattern = "^[0-9]{19}$")]
    master_serial: String,
    /// What was decided.
    #[schema(value_type = described::Decision)]
    decision: &'static str,
    /// Name of the operator who decided.
    #[schema(value_type = String)]
    who: ForeignText,
    /// Why, in the operator's own words.
    #[schema(value_type = String)]
    note: ForeignText,
    /// State of the transfer after it, as far as it is durable; `final` where it has ended since.
    state: &'static str,
    /// Name of another operator who had claimed the transfer; the claim has ended. Absent if nobody
    /// else had.
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
    identity: Identity,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<DecisionJson>), Problem> {
    let body = whole(body)?;
    let Decided { master, decision, note } = read(&body)?;
    let coordinator = ops.state.coordinator.clone();
    let who = identity.who();
    let act = Act {
        after: Some(decision.as_str().into()),
        reason: Some(note.clone()),
        ..identity.act("decided", master.to_string())
    };
    let (decider, why, deciding) = (who.clone(), note.clone(), coordinator.clone());
    let deciding =
        async move { deciding.decide(master, decision, decider, why).await.map_err(refusal) };
    let claimed = recorded(&ops, &identity, act, deciding).await?;
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
    Ok(Decided { master, decision, note: note(&body.note)? })
}

#[cfg(test)]
mod tests {
    use super::super::said::LONGEST_NOTE;
    use super::*;
    use serde_json::{Value, json};

    fn body() -> Value {
        json!({
            "master_serial": "2026112100000000042",
            "decision": "completed",
            "note": " credit 77 seen in the statement\nconfirmed by telephone",
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
        assert!(decided.note.as_received().starts_with("credit 77"), "{}", decided.note);
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
        // Who decides, the operator's session or token says, and nothing else.
        check(|body| body["who"] = "Wang Fang".into(), Err((422, None)));
        check(|body| body["note"] = "".into(), Err((422, Some("note"))));
        check(|body| body["note"] = "n".repeat(LONGEST_NOTE).into(), Ok(()));
        check(|body| body["note"] = "n".repeat(LONGEST_NOTE + 1).into(), Err((422, Some("note"))));
        check(|body| body["note"] = "a\u{1b}[2J".into(), Err((422, Some("note"))));
        check(|body| body["amount"] = 1.into(), Err((422, None)));
        check(|body| *body = json!({"note": "n"}), Err((422, None)));
        assert_eq!(read(b"{").expect_err("broken").status(), StatusCode::BAD_REQUEST);
    }
}
