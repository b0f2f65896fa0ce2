//! Connections, and what an operator may do about one that is not up; and about a counter in doubt.

use super::people::{Identity, recorded};
use super::readmissions::ReadmissionJson;
use super::said::counter_of;
use super::{Ops, described, on_hold};
use api::accounts::{EntriesParams, postings};
use api::json::{EntriesJson, timestamp};
use api::named::Named;
use api::problem::Problem;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use coordinator::Coordinator;
use coordinator::accusations::Fault;
use coordinator::standing::Hold;
use domain::message::CounterId;
use domain::serial::Day;
use port::Counters;
use port::status::{Connection, Counts, Health, Snapshot, State as LinkState};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Readmission;

/// One counter as of one moment; a [`Snapshot`] with the words a person uses.
#[derive(Debug, Serialize)]
pub(super) struct CounterJson<'a> {
    counter: &'a str,
    health: Health,
    health_text: &'static str,
    settle_day: Option<Day>,
    open: bool,
    connections: Vec<ConnectionJson<'a>>,
    queued: usize,
    in_flight: usize,
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct ConnectionJson<'a> {
    #[serde(flatten)]
    connection: &'a Connection,
    state_text: &'static str,
}

impl<'a> From<&'a Snapshot> for CounterJson<'a> {
    fn from(snapshot: &'a Snapshot) -> CounterJson<'a> {
        CounterJson {
            counter: snapshot.counter.as_str(),
            health: snapshot.health,
            health_text: health_text(snapshot.health),
            settle_day: snapshot.settle_day,
            open: snapshot.open,
            connections: snapshot
                .connections
                .iter()
                .map(|connection| ConnectionJson {
                    connection,
                    state_text: state_text(connection.state),
                })
                .collect(),
            queued: snapshot.queued,
            in_flight: snapshot.in_flight,
            counts: snapshot.counts,
        }
    }
}

/// How all counters stand, in the order of configuration.
pub(super) fn snapshots(counters: &Counters) -> Vec<Arc<Snapshot>> {
    counters.iter().map(|counter| Arc::new(counter.snapshot())).collect()
}

/// How the connections to all counters stand.
#[utoipa::path(
    get, path = "/ops/v1/counters", tag = "counters", operation_id = "counters",
    responses((status = 200, description = "The counters, in the order of configuration", body = Vec<described::Counter>))
)]
pub(super) async fn list(State(ops): State<Ops>) -> Json<Value> {
    let coordinator = &ops.state.coordinator;
    let mut counters = all(&snapshots(coordinator.counters()));
    add_doubts(coordinator, &mut counters);
    Json(counters)
}

/// Adds to each counter why it gets nothing new, if it gets none, and what it did wrong since the start,
/// with what to do; and whether it can fence.
pub(super) fn add_doubts(coordinator: &Coordinator, counters: &mut Value) {
    for (counter, shown) in
        coordinator.counters().iter().zip(counters.as_array_mut().into_iter().flatten())
    {
        let id = counter.id();
        let held = coordinator.standing().held(id);
        let proposal = || coordinator.readmission(id);
        shown["held"] = held.map_or(Value::Null, |hold| held_json(id, &hold, proposal().as_ref()));
        shown["on_hold"] = on_hold::shown(coordinator, id);
        shown["on_hold_uncertain"] = on_hold::uncertain(coordinator, id);
        shown["can_fence"] = counter.profile().can_fence.into();
        let of = |fault| coordinator.faults(id, fault);
        shown["faults"] = faults_json(id, of(Fault::Foreign), of(Fault::Contradiction));
    }
}

fn held_json(counter: &CounterId, hold: &Hold, proposal: Option<&Readmission>) -> Value {
    let next = match proposal {
        None => format!(
            "If the counter was mistaken, or all is settled, propose to readmit it: `counter-bridge readmit \
             {counter} --note \"what you found\"`; another person has to approve that."
        ),
        Some(proposal) => format!(
            "{} proposes to readmit it{} ({}). Another person, who has looked at all that holds it, which \
             `/ops/v1/counters/{counter}/readmission` lists, approves that until {}: \
             `counter-bridge readmit {counter} --approve {} --note \"what you looked at\"`.",
            proposal.who,
            if proposal.move_serials { ", and to move serials past what it has seen" } else { "" },
            proposal.note,
            timestamp(proposal.until),
            proposal.id
        ),
    };
    let to_do = format!(
        "Transfers that were begun go on being asked about; whoever orders a new one is refused. Ask the \
         counter's people what they hold under that serial, and run `counter-bridge audit`. If the \
         bridge's record lacks something, go on with docs/operating.md. {next}"
    );
    let proposal = proposal.map(ReadmissionJson::from);
    json!({ "why": hold.why, "since": hold.since, "to_do": to_do, "proposal": proposal })
}

fn faults_json(counter: &CounterId, foreign: u64, contradictions: u64) -> Value {
    let mut words = Vec::new();
    if foreign > 0 {
        words.push(format!(
            "{counter} spoke {foreign} times of what is not its own. None of it was believed, and no \
             transfer was touched: tell its people."
        ));
    }
    if contradictions > 0 {
        words.push(format!(
            "{counter} contradicted what it had proven, or claimed postings that differ from the legs, \
             {contradictions} times: look at the transfers that the events name, and run \
             `counter-bridge audit`."
        ));
    }
    let text = (!words.is_empty()).then(|| words.join(" "));
    json!({ "foreign": foreign, "contradiction": contradictions, "text": text })
}

/// The counters that get nothing new, and why.
pub(super) fn held(coordinator: &Coordinator) -> BTreeMap<String, String> {
    let mut all = on_hold::in_brief(coordinator);
    let state = coordinator.standing().state();
    all.extend(state.held.iter().map(|(counter, hold)| (counter.to_string(), hold.why.clone())));
    all
}

/// What a counter has posted on a settle day, to whatever account.
///
/// As it says itself. No app is shown that; an audit of a record that may lack something needs it.
#[utoipa::path(
    get, path = "/ops/v1/counters/{counter}/entries", tag = "counters",
    params(
        ("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", description = "The counter's name"),
        EntriesParams,
    ),
    responses((status = 200, description = "The postings, oldest first", body = EntriesJson))
)]
pub(super) async fn entries(
    State(ops): State<Ops>,
    Named(counter): Named<String>,
    query: Result<Query<EntriesParams>, QueryRejection>,
) -> Result<Response, Problem> {
    let coordinator = &ops.state.coordinator;
    let id = counter_of(coordinator.counters(), &counter)?.id().clone();
    postings(coordinator, &id, None, query).await
}

/// Who dialled in lately and was not let in.
#[utoipa::path(
    get, path = "/ops/v1/strangers", tag = "counters",
    responses((status = 200, description = "Each address and reason, the last to come first", body = described::Strangers))
)]
pub(super) async fn strangers(State(ops): State<Ops>) -> Json<Value> {
    let first = ops.state.coordinator.counters().iter().next();
    let (strangers, all) = first.map(|first| first.history().strangers()).unwrap_or_default();
    Json(json!({ "strangers": strangers, "refused": all }))
}

/// All counters as JSON.
pub(super) fn all(snapshots: &[Arc<Snapshot>]) -> Value {
    snapshots.iter().map(|snapshot| json!(CounterJson::from(&**snapshot))).collect()
}

/// Try a connection again at once.
///
/// It ends the wait for the next attempt, and lets one try again that is held: where credentials or configuration were
/// refused too often.
#[utoipa::path(
    post, path = "/ops/v1/counters/{counter}/reconnect", tag = "counters", request_body = described::Nothing,
    params(("counter" = String, Path, pattern = "^[a-z0-9-]{1,32}$", description = "The counter's name")),
    responses((status = 202, description = "It is asked to; what comes of it, the connections show", body = described::Asked))
)]
pub(super) async fn reconnect(
    State(ops): State<Ops>,
    identity: Identity,
    Named(counter): Named<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let found = counter_of(ops.state.coordinator.counters(), &counter)?.clone();
    let trying = async move {
        found.release();
        found.reconnect_now();
        Ok(())
    };
    recorded(&ops, &identity, identity.act("reconnected", counter.as_str()), trying).await?;
    tracing::info!(counter, who = %identity.name, "an operator has a counter tried again");
    Ok((StatusCode::ACCEPTED, Json(json!({ "counter": counter, "asked": "reconnect" }))))
}

/// A counter's health in words.
fn health_text(health: Health) -> &'static str {
    match health {
        Health::Up => "connected",
        Health::Degraded => "partly connected",
        Health::Down => "not connected",
    }
}

/// A connection's state in words.
pub(super) fn state_text(state: LinkState) -> &'static str {
    match state {
        LinkState::Stopped => "not started",
        LinkState::Connecting => "connecting",
        LinkState::TlsHandshake => "securing the connection",
        LinkState::SigningOn => "signing on",
        LinkState::Syncing => "asking about what the last session left unknown",
        LinkState::Up => "signed on",
        LinkState::Suspect => "silent, being probed",
        LinkState::Draining => "finishing what is in flight",
        LinkState::SigningOff => "signing off",
        LinkState::Closed => "signed off",
        LinkState::BackingOff => "waiting to try again",
        LinkState::Held => "held: rejected, a person must act",
        LinkState::OutOfHours => "outside service hours",
        LinkState::Drained => "signed off: an operator drains it",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use coordinator::Waits;
    use store::HoldKind;

    /// A link that waits to try again.
    pub(crate) fn waiting(counter: &str) -> Snapshot {
        Snapshot {
            counter: CounterId::new(counter).expect("an id"),
            health: Health::Down,
            settle_day: Day::new(20_261_121).ok(),
            open: false,
            connections: vec![Connection {
                channel: 0,
                state: LinkState::BackingOff,
                since: 1_000_000,
                epoch: 3,
                address: "127.0.0.1:7001".to_owned(),
                next_attempt_at: Some(4_000_000),
                attempt: 2,
                last_cause: Some("connection refused".to_owned()),
                heard_at: None,
                round_trip_us: Some(420),
                ..Connection::new(0)
            }],
            queued: 1,
            in_flight: 2,
            counts: Counts { sign_ons: 1, drops: 1, ..Counts::default() },
        }
    }

    /// Whoever shows them in another language holds its catalogue against the same list.
    #[test]
    fn all_that_is_said_of_a_counter_is_written_down() {
        let counter = CounterId::new("futures").expect("an id");
        let waits = |moving, parked| Some(Waits { moving, parked });
        let shown = [
            (HoldKind::Hold, None),
            (HoldKind::Drain, None),
            (HoldKind::Drain, waits(3, 1)),
            (HoldKind::Drain, waits(0, 0)),
            (HoldKind::Drain, waits(0, 2)),
        ];
        let mut said: Vec<String> =
            shown.iter().map(|(kind, waits)| on_hold::text(&counter, *kind, *waits)).collect();
        said.push(on_hold::NOT_KNOWN.to_owned());
        for (foreign, contradictions) in [(7, 0), (0, 2), (7, 2)] {
            let text = &faults_json(&counter, foreign, contradictions)["text"];
            said.push(text.as_str().expect("words").to_owned());
        }
        let hold = Hold { why: "a foreign mark".to_owned(), since: 5 };
        let proposal = |move_serials| Readmission {
            counter: counter.clone(),
            id: "0".repeat(32),
            version: "1".repeat(32),
            move_serials,
            who: "lin".into(),
            note: "looked".into(),
            at: 1_795_255_200_000_000,
            until: 1_795_341_600_000_000,
        };
        for proposal in [None, Some(proposal(false)), Some(proposal(true))] {
            let told = held_json(&counter, &hold, proposal.as_ref());
            said.push(told["to_do"].as_str().expect("words").to_owned());
        }
        expect_test::expect_file!["said_of_counters.txt"].assert_eq(&(said.join("\n") + "\n"));
    }

    #[test]
    fn what_a_counter_did_wrong_is_said_with_what_to_do() {
        let counter = CounterId::new("futures").expect("an id");
        assert_eq!(faults_json(&counter, 0, 0)["text"], Value::Null);
        let both = faults_json(&counter, 7, 2);
        assert_eq!((&both["foreign"], &both["contradiction"]), (&json!(7), &json!(2)));
        let text = both["text"].as_str().expect("words");
        for words in ["spoke 7 times of what is not its own", "2 times", "tell its people", "audit"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
        let hold = Hold { why: "a foreign mark".to_owned(), since: 5 };
        let told = held_json(&counter, &hold, None);
        assert_eq!((&told["why"], &told["since"]), (&json!("a foreign mark"), &json!(5)));
        assert!(
            told["to_do"].as_str().is_some_and(|to_do| to_do.contains("readmit futures --note"))
        );
        assert_eq!(told["proposal"], Value::Null);
        let proposal = Readmission {
            id: "a".repeat(32),
            counter: counter.clone(),
            version: "b".repeat(32),
            move_serials: false,
            who: "lin".into(),
            note: "they removed it".into(),
            at: 0,
            until: 86_400_000_000,
        };
        let told = held_json(&counter, &hold, Some(&proposal));
        let to_do = told["to_do"].as_str().expect("words");
        let approve = format!("readmit futures --approve {} --note", proposal.id);
        for words in ["lin proposes", "they removed it", "until 1970-01-02", &approve] {
            assert!(to_do.contains(words), "{words}: {to_do}");
        }
        assert_eq!(told["proposal"]["who"], "lin");
    }

    #[test]
    fn a_counter_is_its_snapshot_with_words() {
        let value = all(&[Arc::new(waiting("securities"))]);
        let counter = &value[0];
        assert_eq!(counter["counter"], "securities");
        assert_eq!(counter["health"], "down");
        assert_eq!(counter["health_text"], "not connected");
        assert_eq!(counter["settle_day"], 20_261_121);
        let connection = &counter["connections"][0];
        assert_eq!(connection["state"], "backing_off");
        assert_eq!(connection["state_text"], "waiting to try again");
        assert_eq!(connection["last_cause"], "connection refused");
        assert_eq!(connection["next_attempt_at"], 4_000_000);
        assert_eq!(connection["round_trip_us"], 420);
        assert_eq!(counter["counts"]["drops"], 1);
        // Whatever a snapshot says is said here too.
        let snapshot = json!(waiting("securities"));
        for (name, said) in snapshot.as_object().expect("an object") {
            if name != "connections" {
                assert_eq!(&counter[name], said, "{name}");
            }
        }
    }
}
