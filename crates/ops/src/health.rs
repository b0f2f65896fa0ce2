//! Whether the bridge serves, whether it is ready, and how things stand as a whole.

use super::transit::uncounted;
use super::{Ops, counters, described, now_micros, seconds_between};
use api::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use coordinator::standing::Record;
use coordinator::{Summary, ends};
use port::status::{Health, Snapshot};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::JournalHealth;
use supervise::vitals::Ailing;
use utoipa::ToSchema;

pub(super) mod json;

use json::{JournalJson, RecordJson};

/// How things stand as a whole.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Summary)]
pub(super) struct SummaryJson {
    /// The bridge's version, as `0.1.0`.
    version: &'static str,
    /// When this was said, in microseconds since 1970 UTC.
    now: i64,
    /// When the bridge started, in microseconds since 1970 UTC.
    started_at: i64,
    /// How long ago the bridge started, in seconds.
    uptime_s: i64,
    /// Whether what is begun becomes durable in the database.
    journal: JournalJson,
    /// Whether the record is all that was recorded.
    record: RecordJson,
    /// How many transfers are open, those included that are not durable yet.
    open: usize,
    /// How many transfers are open and durable, by state; states without any are left out.
    #[schema(value_type = BTreeMap<String, usize>)]
    by_state: BTreeMap<&'static str, usize>,
    /// Money that was debited and neither credited nor given back yet: minor units, by the ISO 4217
    /// code of the currency.
    in_transit: BTreeMap<String, i64>,
    /// When the oldest transfer with money in transit was accepted, in microseconds since 1970 UTC;
    /// null if there is none.
    #[schema(required)]
    oldest_in_transit_at: Option<i64>,
    /// How long ago that transfer was accepted, in seconds; null if there is none.
    #[schema(required)]
    oldest_in_transit_age_s: Option<i64>,
    /// How many alarms are open.
    alarms_open: usize,
    /// How many of them nobody has acknowledged, or were said again since and wait for a person.
    alarms_unacknowledged: usize,
}

/// How things stand as a whole.
#[utoipa::path(
    get, path = "/ops/v1/summary", tag = "bridge",
    responses((status = 200, description = "How things stand at this moment", body = SummaryJson))
)]
pub(super) async fn summary(State(ops): State<Ops>) -> Result<Json<SummaryJson>, Problem> {
    let coordinator = &ops.state.coordinator;
    let counted = coordinator.summary().await.map_err(uncounted)?;
    let Summary { by_state, in_transit, oldest_in_transit_at } = counted;
    let alarms = coordinator.open_alarms();
    let unseen = alarms.iter().filter(|open| match &open.alarm.acknowledged {
        None => true,
        Some(seen) => !ends(open.alarm.kind).is_by_itself() && open.alarm.times > seen.times,
    });
    let now = now_micros();
    Ok(Json(SummaryJson {
        version: env!("CARGO_PKG_VERSION"),
        now,
        started_at: ops.state.started_at,
        uptime_s: seconds_between(ops.state.started_at, now),
        journal: coordinator.journal_health().into(),
        record: coordinator.standing().record().into(),
        open: coordinator.open(),
        by_state,
        in_transit,
        oldest_in_transit_at,
        oldest_in_transit_age_s: oldest_in_transit_at.map(|at| seconds_between(at, now)),
        alarms_open: alarms.len(),
        alarms_unacknowledged: unseen.count(),
    }))
}

/// Whether the process lives and gets on.
#[utoipa::path(
    get, path = "/healthz", tag = "bridge", operation_id = "healthz",
    responses(
        (status = 200, description = "Every task of the process lives and gets on", body = described::Health),
        (status = 503, description = "A task has died or stands still; the body says which", body = described::Health),
    )
)]
pub(super) async fn serves(State(ops): State<Ops>) -> (StatusCode, Json<Value>) {
    health(&ops.state.coordinator.vitals().look(Instant::now()))
}

fn health(ailing: &Ailing) -> (StatusCode, Json<Value>) {
    if ailing.is_nothing() {
        return (StatusCode::OK, Json(json!({ "status": "ok" })));
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "ailing", "ailing": words(ailing) })))
}

/// Each task that has died or stands still, in words.
fn words(ailing: &Ailing) -> Vec<String> {
    let one = |dead: &[(String, String)], still: &[(String, Duration)]| {
        Ailing { dead: dead.to_vec(), still: still.to_vec(), essential: 0 }.to_string()
    };
    let dead = ailing.dead.chunks(1).map(|dead| one(dead, &[]));
    dead.chain(ailing.still.chunks(1).map(|still| one(&[], still))).collect()
}

/// Whether the bridge takes transfers.
///
/// A counter that is down does not make it unready: transfers between the others go on, and those that
/// need it are refused with a reason.
#[utoipa::path(
    get, path = "/readyz", tag = "bridge", operation_id = "readyz",
    responses(
        (
            status = 200, body = described::Readiness,
            description = "The database records, the record is not behind, and every task of the process lives and gets on",
        ),
        (status = 503, description = "It does not take transfers, or not yet; the body says why", body = described::Readiness),
    )
)]
pub(super) async fn ready(State(ops): State<Ops>) -> (StatusCode, Json<Value>) {
    let coordinator = &ops.state.coordinator;
    let ailing = coordinator.vitals().look(Instant::now());
    let held = counters::held(coordinator);
    let (status, Json(mut body)) = readiness(
        coordinator.journal_health(),
        coordinator.standing().record(),
        &counters::snapshots(coordinator.counters()),
        &ailing,
    );
    if !held.is_empty() {
        if status == StatusCode::OK {
            body["status"] = "ready, but some counters get no new transfers".into();
        }
        body["held"] = json!(held);
    }
    (status, Json(body))
}

/// Whether the bridge takes transfers.
pub(crate) fn is_ready(journal: &JournalHealth, record: &Record, ailing: &Ailing) -> bool {
    match (journal, record) {
        (JournalHealth::Ok, Record::Current) => ailing.is_nothing(),
        (JournalHealth::Failing { .. }, Record::Current) | (_, Record::Behind { .. }) => false,
    }
}

fn readiness(
    journal: JournalHealth,
    record: Record,
    counters: &[Arc<Snapshot>],
    ailing: &Ailing,
) -> (StatusCode, Json<Value>) {
    let (status, word) = if is_ready(&journal, &record, ailing) {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let counters: BTreeMap<&str, Health> =
        counters.iter().map(|counter| (counter.counter.as_str(), counter.health)).collect();
    let mut body = json!({
        "status": word,
        "journal": JournalJson::from(journal),
        "record": RecordJson::from(record),
        "counters": counters,
    });
    if !ailing.is_nothing() {
        body["ailing"] = json!(words(ailing));
    }
    (status, Json(body))
}

#[cfg(test)]
mod tests {
    use super::super::counters::tests::waiting;
    use super::*;

    #[test]
    fn ready_is_what_the_database_says_and_counters_are_listed() {
        let counters = [Arc::new(waiting("futures")), Arc::new(waiting("securities"))];
        let (status, Json(body)) =
            readiness(JournalHealth::Ok, Record::Current, &counters, &Ailing::default());
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            body,
            json!({
                "status": "ready",
                "journal": {"health": "ok"},
                "record": {"standing": "current"},
                "counters": {"futures": "down", "securities": "down"},
            })
        );
        let failing = JournalHealth::Failing { since: 5, why: "disk full".to_owned() };
        let (status, Json(body)) = readiness(failing, Record::Current, &[], &Ailing::default());
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body["journal"], json!({"health": "failing", "since": 5, "why": "disk full"}));
        let behind = Record::Behind { since: 7, why: "3 batches are missing".to_owned() };
        let (status, Json(body)) = readiness(JournalHealth::Ok, behind, &[], &Ailing::default());
        assert_eq!(
            (status, &body["status"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("not ready"))
        );
        let told = json!({"standing": "behind", "since": 7, "why": "3 batches are missing"});
        assert_eq!(body["record"], told);
    }

    #[test]
    fn a_task_that_has_died_or_stands_still_is_named_and_the_bridge_is_not_ready() {
        let ailing = Ailing {
            dead: vec![("link futures".to_owned(), "it panicked: no".to_owned())],
            still: vec![("shard 0".to_owned(), Duration::from_secs(12))],
            essential: 1,
        };
        let named =
            json!(["link futures has died: it panicked: no", "shard 0 has stood still for 12 s"]);
        let (status, Json(body)) = readiness(JournalHealth::Ok, Record::Current, &[], &ailing);
        assert_eq!(
            (status, &body["status"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("not ready"))
        );
        assert_eq!(body["ailing"], named);
        let (status, Json(body)) = health(&ailing);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body, json!({"status": "ailing", "ailing": named}));
        assert_eq!(health(&Ailing::default()).0, StatusCode::OK);
    }
}
