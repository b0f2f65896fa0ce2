//! What an operator does about a counter without deciding anything about money: hold it, drain it, release it, have
//! it sign on anew.

use super::people::{Identity, recorded};
use super::said::{counter_of, note, parse, whole};
use super::{Ops, described};
use api::named::Named;
use api::problem::{Problem, kind};
use api::refused::database;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use coordinator::{Coordinator, HoldError, NewSessionError, Renewing, Waits};
use domain::message::CounterId;
use foreign::ForeignText;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use store::people::Act;
use store::{HoldKind, OnHold};
use utoipa::ToSchema;

/// Why an operator does something about a counter.
#[derive(Deserialize, ToSchema)]
#[schema(as = Note)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// Why, in at most 2,000 bytes of UTF-8. It is kept.
    #[schema(min_length = 1)]
    note: String,
}

/// Why an operator lets a counter go on, and which hold is meant.
#[derive(Deserialize, ToSchema)]
#[schema(as = Releasing)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseBody {
    /// Why, in at most 2,000 bytes of UTF-8. It is kept.
    #[schema(min_length = 1)]
    note: String,
    /// The hold that is meant, by its `since` as it is shown. If another is in force by then, nothing is released: a
    /// request that is sent again late does not lift what somebody has said meanwhile. Absent: whatever holds it.
    #[serde(default)]
    since: Option<i64>,
}

/// What an operator has said of a counter that gets no new transfers. `hold`: what is begun there goes on to its end.
/// `drain`: the same, and its connections are signed off while nothing needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = HoldKind)]
#[serde(rename_all = "snake_case")]
pub(super) enum KindJson {
    Hold,
    Drain,
}

/// That an operator keeps a counter from new transfers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OnHold)]
pub(super) struct OnHoldJson {
    /// How far.
    kind: KindJson,
    /// Name of the operator who said so.
    #[schema(value_type = String)]
    who: ForeignText,
    /// Why, in the operator's own words.
    #[schema(value_type = String)]
    note: ForeignText,
    /// Since when, in microseconds since 1970 UTC.
    since: i64,
    /// How many open transfers a drain waits for: those with a leg at the counter that go on by themselves. While
    /// there are some, it stays connected. Null of a hold, and before the first look.
    #[schema(required)]
    waits_for: Option<usize>,
    /// How many open transfers with a leg at the counter wait for a person: a drain does not wait for them, and the
    /// counter is not asked about them while it is signed off. Null where `waits_for` is.
    #[schema(required)]
    parked: Option<usize>,
    /// What that means and how it ends, in words for people.
    text: String,
}

impl OnHoldJson {
    fn of(hold: &OnHold, waits: Option<Waits>) -> OnHoldJson {
        let waits = waits.filter(|_| hold.kind == HoldKind::Drain);
        OnHoldJson {
            kind: match hold.kind {
                HoldKind::Hold => KindJson::Hold,
                HoldKind::Drain => KindJson::Drain,
            },
            who: hold.who.clone(),
            note: hold.note.clone(),
            since: hold.since,
            waits_for: waits.map(|waits| waits.moving),
            parked: waits.map(|waits| waits.parked),
            text: text(&hold.counter, hold.kind, waits),
        }
    }
}

/// What is said of a counter while the database has not answered whether it took the last word about it.
pub(super) const NOT_KNOWN: &str = "Whether an operator keeps it from new transfers is not certain: the database has not confirmed \
                         what was said last, and what it has recorded is in force as soon as it answers. To be sure, say it \
                         again.";

/// A counter that an operator keeps from new transfers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Kept)]
pub(super) struct KeptJson {
    /// The counter's name.
    counter: String,
    /// What is in force, whoever said it first.
    on_hold: OnHoldJson,
}

pub(super) fn text(counter: &CounterId, kind: HoldKind, waits: Option<Waits>) -> String {
    let ends = format!("`counter-bridge release {counter} --note \"…\"` lets it go on.");
    let stays = match (kind, waits) {
        (HoldKind::Hold, _) => {
            "It gets no new transfers; what is begun there goes on to its end.".to_owned()
        }
        (HoldKind::Drain, None) => {
            "It gets no new transfers; it is being looked whether something needs it.".to_owned()
        }
        (HoldKind::Drain, Some(Waits { moving: 0, parked })) => {
            let parked = match parked {
                0 => String::new(),
                count => format!(
                    " It is not asked about {count} that wait for persons; what they decide brings it back for as long as that takes."
                ),
            };
            format!(
                "It gets no new transfers, and nothing needs it: its connections are signed off.{parked}"
            )
        }
        (HoldKind::Drain, Some(Waits { moving, .. })) => format!(
            "It gets no new transfers, and is signed off as soon as {moving} open transfers have ended that may need it."
        ),
    };
    format!("{stays} {ends}")
}

/// What an operator has said of this counter, if it gets no new transfers for that.
pub(super) fn shown(coordinator: &Coordinator, counter: &CounterId) -> Value {
    let hold = coordinator.standing().on_hold(counter);
    hold.map_or(Value::Null, |hold| json!(OnHoldJson::of(&hold, coordinator.drain_waits(counter))))
}

/// That what is shown of its hold, or that none is, may be otherwise than it is recorded; null if it is certain.
pub(super) fn uncertain(coordinator: &Coordinator, counter: &CounterId) -> Value {
    if coordinator.is_hold_known(counter) { Value::Null } else { NOT_KNOWN.into() }
}

/// The counters that operators keep from new transfers, for whoever is nobody.
pub(super) fn in_brief(coordinator: &Coordinator) -> BTreeMap<String, String> {
    let state = coordinator.standing().state();
    let brief = |hold: &OnHold| match hold.kind {
        HoldKind::Hold => "an operator holds it".to_owned(),
        HoldKind::Drain => "an operator drains it".to_owned(),
    };
    state.on_hold.iter().map(|(counter, hold)| (counter.to_string(), brief(hold))).collect()
}

/// Keep a counter from new transfers.
///
/// Whoever orders one is refused, and may try again later with the same key. What is begun at the counter goes on to
/// its end: it stays connected, second legs, reversals and questions are sent. It lasts until somebody releases it,
/// over restarts. Said again it is the same. A counter that was drained is connected again.
#[utoipa::path(
    post, path = "/ops/v1/counters/{counter}/hold", tag = "counters", request_body = Body,
    params(("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", description = "The counter's name")),
    responses((status = 200, description = "It gets no new transfers, and that is durable", body = KeptJson))
)]
pub(super) async fn hold(
    State(ops): State<Ops>,
    identity: Identity,
    Named(counter): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<KeptJson>, Problem> {
    keep(&ops, &identity, &counter, HoldKind::Hold, body).await
}

/// Keep a counter from new transfers, and sign off when nothing needs it.
///
/// As `hold`; and once no open transfer has a leg there that goes on by itself, the connections are signed off in
/// order, and neither dialled nor let in until somebody releases it. They come back by themselves for what two
/// persons decide meanwhile.
#[utoipa::path(
    post, path = "/ops/v1/counters/{counter}/drain", tag = "counters", request_body = Body,
    params(("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", description = "The counter's name")),
    responses((status = 200, description = "It gets no new transfers, and that is durable; what it waits for, the counters show", body = KeptJson))
)]
pub(super) async fn drain(
    State(ops): State<Ops>,
    identity: Identity,
    Named(counter): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<KeptJson>, Problem> {
    keep(&ops, &identity, &counter, HoldKind::Drain, body).await
}

async fn keep(
    ops: &Ops,
    identity: &Identity,
    counter: &str,
    kind: HoldKind,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<KeptJson>, Problem> {
    let coordinator = ops.state.coordinator.clone();
    let Body { note: why } = parse(&whole(body)?)?;
    let (who, why) = (identity.who(), note(&why)?);
    let id = id(&coordinator, counter)?;
    let act = Act {
        before: before(&coordinator, &id),
        after: Some(kind.as_str().into()),
        reason: Some(why.clone()),
        ..identity.act(
            match kind {
                HoldKind::Hold => "held",
                HoldKind::Drain => "drained",
            },
            counter,
        )
    };
    let keeping = async move {
        let hold = coordinator.hold(&id, kind, &who, &why).await.map_err(refusal)?;
        let on_hold = OnHoldJson::of(&hold, coordinator.drain_waits(&id));
        Ok(KeptJson { counter: id.to_string(), on_hold })
    };
    recorded(ops, identity, act, keeping).await.map(Json)
}

/// A counter that goes on, as far as operators are concerned.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Released)]
pub(super) struct ReleasedJson {
    /// The counter's name.
    counter: String,
    /// What was in force until now.
    released: OnHoldJson,
    /// Name of the operator who released it.
    #[schema(value_type = String)]
    who: ForeignText,
    /// Why, in the operator's own words.
    #[schema(value_type = String)]
    note: ForeignText,
    /// Why it gets no new transfers all the same: what it says is in doubt, and that is another matter. Null if it
    /// gets them.
    #[schema(required)]
    still_held: Option<String>,
}

/// Let a counter go on that an operator holds or drains.
///
/// It gets new transfers again, and its connections come back. Whether what it says is in doubt is another matter. With
/// `since`, that hold is released and no other.
#[utoipa::path(
    post, path = "/ops/v1/counters/{counter}/release", tag = "counters", request_body = ReleaseBody,
    params(("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", description = "The counter's name")),
    responses((status = 200, description = "It goes on, and that is durable", body = ReleasedJson))
)]
pub(super) async fn release(
    State(ops): State<Ops>,
    identity: Identity,
    Named(counter): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ReleasedJson>, Problem> {
    let coordinator = ops.state.coordinator.clone();
    let ReleaseBody { note: why, since } = parse(&whole(body)?)?;
    let (who, note) = (identity.who(), note(&why)?);
    let id = id(&coordinator, &counter)?;
    let act = Act {
        before: before(&coordinator, &id),
        reason: Some(note.clone()),
        ..identity.act("released", id.as_str())
    };
    let releasing = async move {
        let former = coordinator.release(&id, since, &who, &note).await.map_err(refusal)?;
        let still_held = coordinator.standing().held(&id).map(|hold| hold.why);
        let released = OnHoldJson::of(&former, None);
        Ok(ReleasedJson { counter: id.to_string(), released, who, note, still_held })
    };
    recorded(&ops, &identity, act, releasing).await.map(Json)
}

/// Have a counter that cannot fence sign on anew.
///
/// One connection after another signs off in order and on again; none whose session is younger than `renewal_ms`.
/// What was sent before, and is not found afterwards, was never executed. The bridge does it by itself where a question
/// was answered in vain; by hand it may be asked for once a minute.
#[utoipa::path(
    post, path = "/ops/v1/counters/{counter}/new-session", tag = "counters", request_body = Body,
    operation_id = "new_session",
    params(("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", description = "The counter's name")),
    responses((status = 202, description = "What begins; how it goes on, the connections show", body = described::Renewing))
)]
pub(super) async fn new_session(
    State(ops): State<Ops>,
    identity: Identity,
    Named(counter): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let coordinator = ops.state.coordinator.clone();
    let Body { note: why } = parse(&whole(body)?)?;
    let (who, why) = (identity.who(), note(&why)?);
    let id = id(&coordinator, &counter)?;
    let act = Act { reason: Some(why), ..identity.act("signed_on_anew", id.as_str()) };
    let renewing = async move {
        let renewing = coordinator.new_session(&id, &who).map_err(no_session)?;
        let text = what_begins(&id, renewing);
        let Renewing { connections, signed_on } = renewing;
        Ok(
            json!({ "counter": id.as_str(), "connections": connections, "signed_on": signed_on, "text": text }),
        )
    };
    let told = recorded(&ops, &identity, act, renewing).await?;
    Ok((StatusCode::ACCEPTED, Json(told)))
}

fn what_begins(counter: &CounterId, Renewing { connections, signed_on }: Renewing) -> String {
    if connections == 1 {
        return format!("{counter} signs off and on again as soon as its session is old enough");
    }
    let away = connections - signed_on;
    let waits = match away {
        0 => String::new(),
        away => format!(
            "; {away} of them are not signed on now: a session of theirs that begins is new already, and the last that \
             is signed on stays until another is"
        ),
    };
    format!(
        "{counter} signs off and on again on each of {connections} connections, one after another, as soon as its \
         session is old enough{waits}"
    )
}

/// How a counter stands before something is done about it, for the record of acts.
fn before(coordinator: &Coordinator, counter: &CounterId) -> Option<ForeignText> {
    let hold = coordinator.standing().on_hold(counter)?;
    Some(format!("{} by {}", hold.kind.as_str(), hold.who.as_received()).into())
}

fn id(coordinator: &Coordinator, name: &str) -> Result<CounterId, Problem> {
    Ok(counter_of(coordinator.counters(), name)?.id().clone())
}

fn refusal(error: HoldError) -> Problem {
    let detail = error.to_string();
    match error {
        HoldError::UnknownCounter(_) => Problem::new(kind::NO_SUCH_COUNTER).detail(detail),
        HoldError::NotOnHold(_) => Problem::new(kind::COUNTER_NOT_HELD).detail(detail),
        HoldError::Another(_) => Problem::new(kind::MOVED_ON).detail(detail),
        HoldError::TooSoon { wait, .. } => too_soon(wait).detail(detail),
        HoldError::Unclear(error) => {
            tracing::error!(%error, "the database does not say whether it took what an operator said");
            Problem::new(kind::NOT_CONFIRMED).detail(detail).retry_after(2)
        }
        HoldError::Store(error) => database(&error),
    }
}

fn no_session(error: NewSessionError) -> Problem {
    let detail = error.to_string();
    match error {
        NewSessionError::UnknownCounter(_) => Problem::new(kind::NO_SUCH_COUNTER).detail(detail),
        NewSessionError::CanFence(_) | NewSessionError::NoConnection(_) => {
            Problem::new(kind::NO_SESSION_NEEDED).detail(detail)
        }
        NewSessionError::NotConnected(counter) => Problem::new(kind::COUNTER_UNAVAILABLE)
            .detail(detail)
            .with("counter", counter.to_string().into()),
        NewSessionError::TooSoon { wait, .. } => too_soon(wait).detail(detail),
    }
}

/// That something was done often enough for now, and how long it takes until it may be done again.
fn too_soon(wait: Duration) -> Problem {
    let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX);
    Problem::new(kind::TOO_MANY_REQUESTS).retry_after(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::StoreError;

    fn counter() -> CounterId {
        CounterId::new("futures").expect("an id")
    }

    #[test]
    fn what_a_hold_means_and_how_it_ends_is_said_in_words() {
        let waits = |moving, parked| Some(Waits { moving, parked });
        for (kind, waits, words) in [
            (HoldKind::Hold, None, "what is begun there goes on"),
            (HoldKind::Drain, None, "being looked"),
            (HoldKind::Drain, waits(3, 1), "as soon as 3 open transfers have ended"),
            (HoldKind::Drain, waits(0, 0), "signed off. `counter-bridge release"),
            (HoldKind::Drain, waits(0, 2), "not asked about 2 that wait for persons"),
        ] {
            let text = text(&counter(), kind, waits);
            assert!(text.contains(words), "{words}: {text}");
            assert!(text.ends_with("`counter-bridge release futures --note \"…\"` lets it go on."));
        }
    }

    #[test]
    fn whoever_waits_for_a_new_session_is_told_for_what() {
        let of =
            |connections, signed_on| what_begins(&counter(), Renewing { connections, signed_on });
        assert!(of(1, 1).ends_with("old enough"), "{}", of(1, 1));
        assert!(of(3, 3).contains("each of 3 connections") && of(3, 3).ends_with("old enough"));
        assert!(of(3, 1).contains("2 of them are not signed on now"), "{}", of(3, 1));
    }

    #[test]
    fn what_refuses_a_new_session_is_told_apart() {
        let wait = Duration::from_millis(30_500);
        for (error, slug, words) in [
            (NewSessionError::UnknownCounter(counter()), "no_such_counter", "no counter"),
            (NewSessionError::CanFence(counter()), "no_session_needed", "can fence"),
            (NewSessionError::NoConnection(counter()), "no_session_needed", "no connection"),
            (NewSessionError::NotConnected(counter()), "counter_unavailable", "not connected"),
            (NewSessionError::TooSoon { counter: counter(), wait }, "too_many_requests", "in 31 s"),
        ] {
            let told = error.to_string();
            assert_eq!(no_session(error).slug(), slug);
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn what_refuses_a_hold_or_a_release_is_told_apart() {
        let hold = OnHold {
            counter: counter(),
            kind: HoldKind::Drain,
            who: "lin".into(),
            note: "the line is moved".into(),
            since: 7,
        };
        let down = || StoreError::Unavailable { why: "it is full".to_owned() };
        let damaged = StoreError::Damaged { what: "a page".to_owned() };
        let wait = Duration::from_millis(14_500);
        for (error, slug, words) in [
            (HoldError::UnknownCounter(counter()), "no_such_counter", "no counter"),
            (HoldError::NotOnHold(counter()), "counter_not_held", "not on hold"),
            (HoldError::Another(Box::new(hold)), "moved_on", "lin drains futures"),
            (HoldError::TooSoon { counter: counter(), wait }, "too_many_requests", "in 15 s"),
            (HoldError::Unclear(down()), "not_confirmed", "in force as soon as it answers"),
            (HoldError::Store(damaged), "unreadable_record", "a page"),
            (HoldError::Store(down()), "database_unavailable", "full"),
        ] {
            let told = error.to_string();
            assert_eq!(refusal(error).slug(), slug);
            assert!(told.contains(words), "{told}");
        }
    }
}
