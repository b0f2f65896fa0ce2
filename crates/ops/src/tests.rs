//! The routes over a real coordinator on a database in a folder of its own; no counter answers.

use super::{Names, OpsState, router};
use crate::lone::Lone;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use coordinator::Coordinator;
use coordinator::trail::{Entry, LegEntry, part};
use described::{Answer, Description};
use domain::message::{CounterId, Place};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::serial::{Day, Mark, MasterSerial, Role, Sequence};
use domain::transfer::{Intent, Knowledge, Leg, ParkReason, Phase};
use futures::StreamExt;
use link::{Acceptor, AcceptorConfig, AcceptorLimits};
use metrics_exporter_prometheus::PrometheusBuilder;
use port::CounterIndex;
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;
use store::{NewTransfer, OpenState, Write, WriteId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

const ACCEPTED_AT: i64 = 1_795_000_000_000_000;

fn place(counter: &str, account: &str) -> Place {
    Place {
        counter: CounterId::new(counter).expect("a counter"),
        account: account.parse().expect("an account"),
    }
}

fn day() -> Day {
    Day::new(20_261_121).expect("a day")
}

/// What transfer number so-and-so wants.
pub(super) fn intent(number: u64) -> Intent {
    Intent {
        master: MasterSerial { day: day(), sequence: Sequence::new(number).expect("a sequence") },
        order: Order {
            from: place("securities", "6001"),
            to: place("futures", "7001"),
            amount: Amount::new(100_000).expect("an amount"),
            currency: Currency::CNY,
        },
        debit_day: day(),
        credit_day: day(),
        credit_barrier: false,
        mark: Some(Mark(number)),
    }
}

/// A parked transfer as the record holds it: debited, the credit unknown.
fn parked(number: u64) -> Write {
    parked_with(number, Knowledge::Unknown)
}

/// A parked transfer, debited, of whose credit so much is known.
fn parked_with(number: u64, credit: Knowledge) -> Write {
    let Intent { master, order, debit_day, credit_day, credit_barrier, mark } = intent(number);
    let known = |knowledge| Leg { knowledge, sent: 1, ..Leg::new() };
    let entry = |event: &str, phase, role, knowledge| Entry {
        at: ACCEPTED_AT,
        event: event.to_owned(),
        phase,
        leg: Some(LegEntry::of(role, &known(knowledge))),
        reason: None,
    };
    let trail = part(&[
        entry("debit answered", Phase::CreditSent, Role::Debit, Knowledge::Done),
        entry(
            "credit asked about",
            Phase::Parked(ParkReason::CreditUnresolved),
            Role::Credit,
            credit,
        ),
    ]);
    Write {
        accept: Some(NewTransfer {
            master,
            app: "demo".into(),
            idempotency_key: format!("key-{number}").into(),
            fingerprint: [7; 32],
            order,
            debit_day,
            credit_day,
            credit_barrier,
            created_at: ACCEPTED_AT,
            deadline_at: ACCEPTED_AT + 60_000_000,
            mark,
        }),
        trail: Some((0, trail)),
        state: Some(OpenState::NeedsOperator),
        ..Write::of(WriteId(number), master)
    }
}

/// What is said of this side.
static DESCRIPTION: LazyLock<Description> =
    LazyLock::new(|| Description::new(crate::openapi_json()));

/// A running coordinator and the routes over it.
struct Rig {
    routes: Router,
    stop: CancellationToken,
    coordinator: Coordinator,
    _lone: Lone,
}

impl Rig {
    /// With these counters, none of which answers, and these transfers waiting for a person.
    async fn new(counters: &[&str], transfers: &[u64]) -> Rig {
        let parked: Vec<Write> = transfers.iter().map(|number| parked(*number)).collect();
        Rig::with(counters, &parked).await
    }

    /// With these transfers.
    async fn with(counters: &[&str], transfers: &[Write]) -> Rig {
        let lone = Lone::start(api::json::render, counters, transfers).await;
        let (coordinator, stop) = (lone.coordinator.clone(), lone.stop.clone());
        let routes = router(OpsState {
            names: Names::default(),
            coordinator: coordinator.clone(),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            started_at: ACCEPTED_AT,
            stop: stop.clone(),
            feeds_per_address: super::feeds::MOST_FEEDS,
        });
        Rig { routes, stop, coordinator, _lone: lone }
    }

    /// What is answered, which is to be as it is described.
    async fn send(&self, request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, String) {
        let (method, target) = (request.method().clone(), request.uri().to_string());
        let response = self.routes.clone().oneshot(request).await.expect("never fails");
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        let (status, headers) = (head.status, &head.headers);
        let answer = Answer { method: &method, target: &target, status, headers, body: &body };
        let differences = DESCRIPTION.differences(&answer);
        assert!(differences.is_empty(), "{method} {target}: {differences:?}\n{body:?}");
        (head.status, head.headers, String::from_utf8(body.to_vec()).expect("text"))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let (status, _, body) = self.send(request).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .expect("a request");
        let (status, _, body) = self.send(request).await;
        (status, serde_json::from_str(&body).expect("JSON"))
    }

    async fn decide(&self, number: u64, decision: &str) -> (StatusCode, Value) {
        let body = json!({
            "master_serial": intent(number).master,
            "decision": decision,
            "who": "Wang Fang",
            "note": "seen in the statement",
        });
        self.post("/ops/v1/decisions", body).await
    }
}

/// A page that was loaded by a name that somebody bent to this address reads nothing.
#[tokio::test]
async fn no_route_answers_for_another_host() {
    let rig = Rig::new(&["securities"], &[]).await;
    let pages = include_str!("lib.rs").split(".route(\"").skip(1);
    let pages = pages.filter_map(|rest| Some(rest.split('"').next()?.to_owned()));
    let described: Value = serde_json::from_str(crate::openapi_json()).expect("JSON");
    let described = described["paths"].as_object().expect("paths").keys().cloned();
    let routes: Vec<String> = pages.chain(described).collect();
    assert!(routes.len() > 20 && routes.contains(&"/metrics".to_owned()), "{routes:?}");
    for route in routes.into_iter().chain(["/nowhere".to_owned()]) {
        let path = route.replace(['{', '}'], "");
        for method in ["GET", "POST", "OPTIONS"] {
            let asked = async |host: &str| {
                let request = Request::builder().method(method).uri(&path).header("host", host);
                let request = request.header(header::CONTENT_TYPE, "application/json");
                let request = request.body(Body::from("{}")).expect("a request");
                rig.routes.clone().oneshot(request).await.expect("never fails")
            };
            let bent = asked("evil.example:8081").await;
            assert_eq!(bent.status(), StatusCode::MISDIRECTED_REQUEST, "{method} {path}");
            assert_eq!(bent.headers()[header::CACHE_CONTROL], "no-store");
            let own = asked("127.0.0.1:8081").await;
            assert_ne!(own.status(), StatusCode::MISDIRECTED_REQUEST, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_page_and_its_assets_are_served_with_their_rules() {
    let rig = Rig::new(&[], &[]).await;
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/parked.js", "text/javascript; charset=utf-8"),
        ("/tools.js", "text/javascript; charset=utf-8"),
        ("/words.js", "text/javascript; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let (status, headers, body) = rig.send(request).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers[header::CONTENT_TYPE], media_type, "{path}");
        assert!(!body.is_empty(), "{path}");
        let rules = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(rules.starts_with("default-src 'self';"), "{rules}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
    let (status, body) = rig.get("/nowhere").await;
    assert_eq!((status, &body["type"]), (StatusCode::NOT_FOUND, &json!("/errors/no_such_path")));
    let (status, _) = rig.get("/ops/v1/decisions").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn an_idle_bridge_is_healthy_and_ready() {
    let rig = Rig::new(&[], &[]).await;
    assert_eq!(rig.get("/healthz").await, (StatusCode::OK, json!({"status": "ok"})));
    let (status, body) = rig.get("/readyz").await;
    assert_eq!((status, &body["journal"]["health"]), (StatusCode::OK, &json!("ok")));
    let (status, body) = rig.get("/ops/v1/summary").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&body["open"], &body["in_transit"]), (&json!(0), &json!({})));
    assert_eq!(rig.get("/ops/v1/counters").await.1, json!([]));
    let (_, body) = rig.get("/ops/v1/transfers").await;
    assert_eq!(body, json!({"transfers": [], "total": 0}));
    let (status, body) = rig.get("/metrics").await;
    let text = body.as_str().expect("text");
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("# HELP counter_bridge_journal_ok "), "{text}");
    for line in ["journal_ok 1", "transfers_open{state=\"needs_operator\"} 0"] {
        assert!(text.contains(&format!("\ncounter_bridge_{line}\n")), "{text}");
    }
}

#[tokio::test]
async fn a_transfer_that_needs_a_person_is_shown_with_its_evidence() {
    let rig = Rig::new(&["securities", "futures"], &[42, 43]).await;
    let (status, body) = rig.get("/ops/v1/transfers?state=needs_operator&limit=1").await;
    assert_eq!((status, &body["total"]), (StatusCode::OK, &json!(2)));
    assert_eq!(body["transfers"].as_array().map(Vec::len), Some(1));
    let transfer = &body["transfers"][0];
    assert_eq!(transfer["master_serial"], "2026112100000000042");
    assert_eq!(transfer["state"], "needs_operator");
    assert_eq!(transfer["in_transit"], 100_000);
    assert_eq!(transfer["reason"], "the credit's outcome could not be established");
    let legs = transfer["legs"].as_array().expect("legs");
    assert_eq!(legs.len(), 2);
    assert_eq!((&legs[0]["role"], &legs[0]["knowledge"]), (&json!("debit"), &json!("done")));
    assert_eq!(legs[1]["sub_serial"], "000000000422");
    assert_eq!((&legs[1]["knowledge"], &legs[1]["sent"]), (&json!("unknown"), &json!(1)));
    assert_eq!(transfer["trail"][0]["event"], "debit answered");
    let allowed: Vec<(&str, bool)> = transfer["decisions"]
        .as_array()
        .expect("decisions")
        .iter()
        .map(|choice| {
            (choice["decision"].as_str().expect("a word"), choice["allowed"] == json!(true))
        })
        .collect();
    assert_eq!(
        allowed,
        [("completed", true), ("reversed", true), ("refused", false), ("resume", true)]
    );
    let (_, body) = rig.get("/ops/v1/transfers?trail=false").await;
    assert_eq!(body["transfers"][1].get("trail"), None);

    let (_, counters) = rig.get("/ops/v1/counters").await;
    assert_eq!(counters[0]["counter"], "securities");
    let (_, summary) = rig.get("/ops/v1/summary").await;
    assert_eq!(summary["in_transit"], json!({"CNY": 200_000}));
    assert_eq!(summary["oldest_in_transit_at"], ACCEPTED_AT);
    let (_, text) = rig.get("/metrics").await;
    let text = text.as_str().expect("text");
    assert!(text.contains("in_transit_minor_units{currency=\"CNY\"} 200000"), "{text}");
    assert!(text.contains("link_queued_bound{counter=\"futures\"} 1024"), "{text}");
    for query in ["state=completed", "limit=0", "limit=201", "limit=x", "colour=red"] {
        let (status, body) = rig.get(&format!("/ops/v1/transfers?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(body["type"], "/errors/malformed_query", "{query}");
    }
}

#[tokio::test]
async fn a_decision_ends_a_transfer_once() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let (status, body) = rig.decide(42, "refused").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    assert_eq!(body["type"], "/errors/against_proof");
    assert_eq!(body["detail"], "the decision contradicts the proof: the debit is done");
    assert_eq!(body["leg"], "debit");

    let (status, body) = rig.decide(42, "completed").await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert_eq!((&body["state"], &body["who"]), (&json!("completed"), &json!("Wang Fang")));

    let (status, body) = rig.decide(42, "completed").await;
    assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &json!("/errors/already_final")));
    let (status, body) = rig.decide(77, "completed").await;
    assert_eq!(
        (status, &body["type"]),
        (StatusCode::NOT_FOUND, &json!("/errors/no_such_transfer"))
    );

    let (status, body) = rig.get("/ops/v1/transfers/2026112100000000042").await;
    assert_eq!((status, &body["state"]), (StatusCode::OK, &json!("completed")));
    assert_eq!(body["decisions"], json!([]));
    let trail = body["trail"].to_string();
    assert!(trail.contains("Wang Fang decided completed: seen in the statement"), "{trail}");
    assert_eq!(rig.get("/ops/v1/transfers/42").await.0, StatusCode::NOT_FOUND);
    assert_eq!(rig.get("/ops/v1/transfers/2026112100000000077").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_somebody_has_claimed_is_shown_with_the_name_until_it_is_released() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let serial = intent(42).master.to_string();
    let path = format!("/ops/v1/transfers/{serial}/claim");
    let claim = |who: &str| json!({"who": who, "note": "on the telephone"});
    let (status, body) = rig.post(&path, claim("lin")).await;
    assert_eq!((status, &body["claim"]["who"]), (StatusCode::OK, &json!("lin")), "{body}");
    let (_, body) = rig.get(&format!("/ops/v1/transfers/{serial}")).await;
    assert_eq!(body["claim"]["note"], "on the telephone");
    assert!(
        body["next"].as_str().is_some_and(|next| next.ends_with("; lin has claimed it")),
        "{body}"
    );
    assert_eq!(body["outlook"], json!({"unproven": "credit"}));
    let (_, body) = rig.get("/ops/v1/transfers").await;
    assert_eq!(body["transfers"][0]["claim"]["who"], "lin");

    let (status, body) = rig.post(&path, claim("wang")).await;
    assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &json!("/errors/claimed")));
    assert_eq!((&body["who"], body["until"].is_string()), (&json!("lin"), true));
    let (status, _) = rig.post(&path, json!({"who": "wang", "release": true})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, body) = rig.post(&path, json!({"who": "lin", "release": true})).await;
    assert_eq!((status, &body["claim"]), (StatusCode::OK, &Value::Null));
    let (_, body) = rig.get(&format!("/ops/v1/transfers/{serial}")).await;
    assert_eq!(body["claim"], Value::Null);
    let long = "n".repeat(super::said::LONGEST_NOTE + 1);
    for body in [
        json!({"who": "lin"}),
        json!({"who": "", "note": "n"}),
        json!({"who": "lin", "note": long}),
    ] {
        assert_eq!(rig.post(&path, body).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    for (path, expected) in [
        ("/ops/v1/transfers/42/claim", StatusCode::NOT_FOUND),
        ("/ops/v1/transfers/2026112100000000077/claim", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(rig.post(path, claim("lin")).await.0, expected, "{path}");
    }
    // A decision is taken from everybody; whose claim it ends is said to whoever makes it.
    assert_eq!(rig.post(&path, claim("lin")).await.0, StatusCode::OK);
    let (status, body) = rig.decide(42, "completed").await;
    assert_eq!((status, &body["claimed_by"]), (StatusCode::CREATED, &json!("lin")), "{body}");
    let (status, body) = rig.post(&path, claim("lin")).await;
    assert_eq!((status, &body["type"]), (StatusCode::CONFLICT, &json!("/errors/already_final")));
}

#[tokio::test]
async fn all_that_is_proven_is_listed_and_resumed_and_nothing_else() {
    use Knowledge::{NotExecuted, Unknown};
    let rig = Rig::with(
        &["securities", "futures"],
        &[parked_with(42, NotExecuted), parked_with(43, Unknown), parked_with(44, NotExecuted)],
    )
    .await;
    let (status, body) = rig.get("/ops/v1/proven").await;
    assert_eq!((status, &body["total"]), (StatusCode::OK, &json!(2)), "{body}");
    let first = &body["transfers"][0];
    assert_eq!(first["master_serial"], "2026112100000000042");
    assert_eq!(first["outlook"], json!({"sends": "reversal"}));
    assert_eq!(first["reason"], "proven: debit done, credit never executed");
    for query in ["limit=0", "limit=201", "limit=x", "state=crediting"] {
        let (status, body) = rig.get(&format!("/ops/v1/proven?{query}")).await;
        assert_eq!(
            (status, &body["type"]),
            (StatusCode::BAD_REQUEST, &json!("/errors/malformed_query"))
        );
    }
    let claim = json!({"who": "wang", "note": "on the telephone"});
    assert_eq!(
        rig.post("/ops/v1/transfers/2026112100000000044/claim", claim).await.0,
        StatusCode::OK
    );
    let (status, body) = rig.post("/ops/v1/proven/resume", json!({"who": "lin"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "why is asked for: {body}");
    let all = json!({"who": "lin", "note": "futures is back"});
    let (status, body) = rig.post("/ops/v1/proven/resume", all.clone()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body,
        json!({
            "resumed": [{
                "master_serial": "2026112100000000042",
                "outlook": {"sends": "reversal"},
                "state": "reversing",
            }],
            "kept": [],
            "remaining": 0,
        })
    );
    let (_, body) = rig.post("/ops/v1/proven/resume", all).await;
    assert_eq!(body["resumed"], json!([]), "once");
    for (number, state) in [(43, "needs_operator"), (44, "needs_operator")] {
        let (_, body) = rig.get(&format!("/ops/v1/transfers/{}", intent(number).master)).await;
        assert_eq!(body["state"], state, "{number}");
    }
}

#[tokio::test]
async fn a_page_elsewhere_cannot_decide() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let body = json!({
        "master_serial": intent(42).master, "decision": "completed", "who": "W", "note": "n",
    });
    let post = |name: &'static str, value: &'static str, media_type: &'static str| {
        Request::post("/ops/v1/decisions")
            .header(header::HOST, "127.0.0.1:8081")
            .header(header::CONTENT_TYPE, media_type)
            .header(name, value)
            .body(Body::from(body.to_string()))
            .expect("a request")
    };
    let foreign = post("origin", "http://evil.example", "application/json");
    assert_eq!(rig.send(foreign).await.0, StatusCode::FORBIDDEN);
    let form = post("x-nothing", "1", "text/plain");
    assert_eq!(rig.send(form).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(rig.coordinator.open(), 1);
    let own = post("origin", "http://127.0.0.1:8081", "application/json");
    assert_eq!(rig.send(own).await.0, StatusCode::CREATED);

    let long = json!({ "note": "n".repeat(super::LONGEST_BODY) });
    let (status, body) = rig.post("/ops/v1/decisions", long).await;
    assert_eq!(
        (status, &body["type"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!("/errors/body_too_large"))
    );
}

#[tokio::test]
async fn links_are_told_to_try_again() {
    let rig = Rig::new(&["securities"], &[]).await;
    for what in ["reconnect", "release"] {
        let (status, body) =
            rig.post(&format!("/ops/v1/counters/securities/{what}"), json!({})).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(body, json!({"counter": "securities", "asked": what}));
    }
    let (status, body) = rig.post("/ops/v1/counters/bank/reconnect", json!({})).await;
    assert_eq!((status, &body["type"]), (StatusCode::NOT_FOUND, &json!("/errors/no_such_counter")));
    assert_eq!(body["detail"], "the configured counters are: securities");
}

/// Reads a feed until it has said `what`, within a time that only a hanging test needs.
async fn until(response: axum::response::Response, what: &str) -> String {
    let mut stream = response.into_body().into_data_stream();
    let mut text = String::new();
    let reading = async {
        while !text.contains(what) {
            let Some(chunk) = stream.next().await else { break };
            text.push_str(&String::from_utf8_lossy(&chunk.expect("a chunk")));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it is said");
    text
}

#[tokio::test]
async fn the_feed_begins_whole_goes_on_from_an_id_and_ends_with_the_bridge() {
    let rig = Rig::new(&["securities", "futures"], &[42]).await;
    let open = |last: Option<String>| {
        let mut request = Request::get("/ops/v1/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        rig.routes.clone().oneshot(request.body(Body::empty()).expect("a request"))
    };
    let feed = open(None).await.expect("never fails");
    assert_eq!(feed.headers()[header::CONTENT_TYPE], "text/event-stream");
    let text = until(feed, "taken up again").await;
    assert!(text.starts_with("event: counters\n"), "{text}");
    assert!(text.contains("\nevent: transfer\n"), "{text}");
    assert!(text.contains(&format!("\nid: {ACCEPTED_AT}.")), "{text}");

    let (status, _) = rig.decide(42, "completed").await;
    assert_eq!(status, StatusCode::CREATED);
    let feed = open(Some(format!("{ACCEPTED_AT}.0.1"))).await.expect("never fails");
    let text = until(feed, "Wang Fang: completed").await;
    assert!(!text.contains("taken up again"), "{text}");
    let feed = open(Some("1.0.1".to_owned())).await.expect("never fails");
    let text = until(feed, "taken up again").await;
    assert!(text.starts_with("event: lagged\n"), "{text}");

    let feed = open(None).await.expect("never fails");
    rig.stop.cancel();
    let rest = axum::body::to_bytes(feed.into_body(), 1 << 20);
    tokio::time::timeout(Duration::from_secs(20), rest).await.expect("it ends").expect("in order");
}

#[tokio::test]
async fn a_graceful_shutdown_does_not_wait_for_open_feeds() {
    let rig = Rig::new(&["securities"], &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = rig.stop.clone().cancelled_owned();
    let routes = rig.routes.clone();
    let server = tokio::spawn(async move {
        axum::serve(listener, routes).with_graceful_shutdown(shutdown).await
    });
    let mut reader = TcpStream::connect(address).await.expect("a connection");
    let request = b"GET /ops/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    reader.write_all(request).await.expect("it is taken");
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("event: counters") {
        assert_ne!(reader.read_buf(&mut heard).await.expect("an answer"), 0);
    }
    rig.stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), server)
        .await
        .expect("it does not wait")
        .expect("no panic")
        .expect("in order");
}

#[tokio::test]
async fn feeds_are_bounded_and_a_closed_one_makes_room() {
    let rig = Rig::new(&[], &[]).await;
    let open = || async {
        let request = Request::get("/ops/v1/events").body(Body::empty()).expect("a request");
        rig.routes.clone().oneshot(request).await.expect("never fails")
    };
    let mut feeds = Vec::new();
    for _ in 0..super::feeds::MOST_FEEDS {
        let feed = open().await;
        assert_eq!(feed.status(), StatusCode::OK);
        feeds.push(feed);
    }
    assert_eq!(open().await.status(), StatusCode::SERVICE_UNAVAILABLE);
    feeds.pop();
    assert_eq!(open().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_was_not_let_in_is_listed_and_told_in_the_feed() {
    let rig = Rig::new(&["securities"], &[]).await;
    assert_eq!(rig.get("/ops/v1/strangers").await.1, json!({"strangers": [], "refused": 0}));
    let door = Acceptor::open(
        AcceptorConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            own_name: "bridge".to_owned(),
            tls: None,
            limits: AcceptorLimits::default(),
            own_addresses: Vec::new(),
            history: rig.coordinator.counters()[CounterIndex(0)].history().clone(),
        },
        Vec::new(),
    )
    .expect("a free port");
    let address = door.address().expect("an address");
    door.spawn(&TaskTracker::new(), rig.stop.clone());
    for _ in 0..3 {
        let mut stranger = TcpStream::connect(address).await.expect("a connection");
        stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("it is taken");
        // Closed once it has been counted.
        assert!(!matches!(stranger.read(&mut [0; 64]).await, Ok(1..)));
    }
    let (status, body) = rig.get("/ops/v1/strangers").await;
    assert_eq!((status, &body["refused"]), (StatusCode::OK, &json!(3)));
    let stranger = &body["strangers"][0];
    assert_eq!((&stranger["address"], &stranger["why"]), (&json!("127.0.0.1"), &json!("frame")));
    assert_eq!((&stranger["times"], &stranger["counter"]), (&json!(3), &Value::Null));
    assert!(stranger["last_at"].as_i64() >= stranger["first_at"].as_i64());
    assert!(stranger["cause"].as_str().is_some_and(|cause| !cause.is_empty()));
    let request = Request::get("/ops/v1/events").body(Body::empty()).expect("a request");
    let feed = rig.routes.clone().oneshot(request).await.expect("never fails");
    until(feed, "somebody at 127.0.0.1 was not let in").await;
}
