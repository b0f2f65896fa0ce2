//! The routes over a real coordinator on a database in a folder of its own; no counter answers.

mod alarms;
mod decisions;
mod evidence;
mod feeds;
mod history;
mod holds;
mod people;
mod readmissions;
mod transit;
mod views;

use super::{Approval, MetricsFor, Names, OpsState, router};
use crate::lone::Lone;
use ::people::{OperatorName, PasswordHash, Role as OperatorRole, TokenSecret};
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
use store::people::{Act, NewOperator, NewToken, People};
use store::{Alarm, NewTransfer, OpenState, Write, WriteId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

const ACCEPTED_AT: i64 = 1_795_000_000_000_000;

/// The year 2096: no token of a test ends by its time.
const FAR: i64 = 4_000_000_000_000_000;

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
        under: None,
        received: None,
        leg: Some(LegEntry::of(role, &known(knowledge))),
        reason: None,
        dealing: None,
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

/// An act of the test's own.
pub(super) fn act() -> Act {
    Act {
        at: 1,
        who: "root".into(),
        by: "a test".to_owned(),
        act: "prepared".to_owned(),
        about: "a test".into(),
        before: None,
        after: None,
        reason: None,
    }
}

/// Makes an operator with a token, and no password that anybody knows.
async fn with_token(people: &People, name: &str, role: OperatorRole) -> String {
    let name: OperatorName = name.parse().expect("a name");
    let new = NewOperator {
        name: name.clone(),
        role,
        password: PasswordHash::of_nobody().as_str().to_owned(),
        must_change: false,
        factor: None,
    };
    people.add(&new, &act()).await.expect("it is made");
    let secret = TokenSecret::random();
    let digest = secret.digest();
    let token = NewToken { digest, name, label: "a test".into(), role, expires_at: FAR };
    assert_eq!(people.add_token(&token, &act()).await, Ok(true));
    secret.text()
}

/// A running coordinator and the routes over it.
struct Rig {
    routes: Router,
    stop: CancellationToken,
    coordinator: Coordinator,
    /// By which an admin's program is known.
    token: String,
    /// By which another is known, who proposes.
    proposer: tokio::sync::OnceCell<String>,
    lone: Lone,
}

impl Rig {
    /// With these counters, none of which answers, and these transfers waiting for a person.
    async fn new(counters: &[&str], transfers: &[u64]) -> Rig {
        let parked: Vec<Write> = transfers.iter().map(|number| parked(*number)).collect();
        Rig::with(counters, &parked).await
    }

    /// With these transfers.
    async fn with(counters: &[&str], transfers: &[Write]) -> Rig {
        Rig::under(Approval::default(), counters, transfers).await
    }

    /// Where only admins may approve some of it.
    async fn under(approval: Approval, counters: &[&str], transfers: &[Write]) -> Rig {
        Rig::set((approval, MetricsFor::default()), counters, transfers).await
    }

    /// Where an earlier life has raised these alarms.
    async fn with_kept(counters: &[&str], alarms: &[(Option<i64>, Alarm)]) -> Rig {
        let lone = Lone::start_with(api::json::render, counters, &[], alarms).await;
        Rig::over(lone, (Approval::default(), MetricsFor::default())).await
    }

    /// With these settings.
    async fn set(settings: (Approval, MetricsFor), counters: &[&str], transfers: &[Write]) -> Rig {
        Rig::over(Lone::start(api::json::render, counters, transfers).await, settings).await
    }

    async fn over(lone: Lone, (approval, metrics_for): (Approval, MetricsFor)) -> Rig {
        let (coordinator, stop) = (lone.coordinator.clone(), lone.stop.clone());
        let routes = router(
            OpsState {
                names: Names::default(),
                coordinator: coordinator.clone(),
                metrics: PrometheusBuilder::new().build_recorder().handle(),
                started_at: ACCEPTED_AT,
                stop: stop.clone(),
                feeds_per_address: super::feeds::MOST_FEEDS,
                people: lone.people.clone(),
                approval,
                metrics_for,
            },
            |_| axum::Router::new(),
        );
        let token = with_token(&lone.people, "wang", OperatorRole::Admin).await;
        let proposer = tokio::sync::OnceCell::new();
        Rig { routes, stop, coordinator, token, proposer, lone }
    }

    /// What is answered, which is to be as it is described.
    async fn send(
        &self,
        mut request: Request<Body>,
    ) -> (StatusCode, axum::http::HeaderMap, String) {
        let (session, token) = (header::COOKIE, header::AUTHORIZATION);
        if !request.headers().contains_key(session) && !request.headers().contains_key(&token) {
            let bearer = format!("Bearer {}", self.token).parse().expect("a header");
            request.headers_mut().insert(token, bearer);
        }
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
        self.post_as(&self.token, path, body).await
    }

    /// The same in the name of whoever has a token.
    async fn post_as(&self, token: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::from(body.to_string()))
            .expect("a request");
        let (status, _, body) = self.send(request).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// An operator's token.
    async fn token_of(&self, name: &str, role: OperatorRole) -> String {
        with_token(&self.lone.people, name, role).await
    }

    /// The live feed, for an operator.
    async fn feed(&self, last: Option<String>) -> axum::response::Response {
        let request = Request::get("/ops/v1/events")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        let request = match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        };
        let request = request.body(Body::empty()).expect("a request");
        self.routes.clone().oneshot(request).await.expect("never fails")
    }

    /// What is seen of a transfer now.
    async fn seen(&self, number: u64) -> Value {
        self.get(&format!("/ops/v1/transfers/{}", intent(number).master)).await.1
    }

    /// Zhou, who is an operator, proposes it.
    async fn propose(&self, number: u64, decision: &str) -> (StatusCode, Value) {
        let zhou = self.proposer.get_or_init(|| self.token_of("zhou", OperatorRole::Operator));
        let seen = self.seen(number).await;
        let version = seen["version"].clone();
        let unknown = json!("0123456789abcdef0123456789abcdef");
        let choices = seen["decisions"].as_array().cloned().unwrap_or_default();
        let choice = choices.into_iter().find(|choice| choice["decision"] == decision);
        let leads_to = choice.map(|choice| choice["leads_to"].clone()).filter(|it| !it.is_null());
        let body = json!({
            "decision": decision,
            "version": if version.is_string() { version } else { unknown },
            "leads_to": leads_to.unwrap_or_else(|| json!("person")),
            "note": "seen in the statement",
        });
        let path = format!("/ops/v1/transfers/{}/proposal", intent(number).master);
        self.post_as(zhou.await, &path, body).await
    }

    /// Zhou proposes it, and wang approves.
    async fn decide(&self, number: u64, decision: &str) -> (StatusCode, Value) {
        let (status, proposal) = self.propose(number, decision).await;
        if status != StatusCode::CREATED {
            return (status, proposal);
        }
        let path = format!("/ops/v1/transfers/{}/approval", intent(number).master);
        self.post(&path, json!({ "proposal": proposal["id"], "note": "seen, too" })).await
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
async fn whatever_is_answered_has_its_rules() {
    let rig = Rig::new(&[], &[]).await;
    for path in ["/healthz", "/openapi.json", "/nowhere"] {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let (_, headers, body) = rig.send(request).await;
        assert!(!body.is_empty(), "{path}");
        let rules = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(rules.starts_with("default-src 'self';"), "{rules}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
    let (status, body) = rig.get("/nowhere").await;
    assert_eq!((status, &body["type"]), (StatusCode::NOT_FOUND, &json!("/errors/no_such_path")));
    let (status, _) = rig.get("/ops/v1/session/password").await;
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
async fn links_are_told_to_try_again() {
    let rig = Rig::new(&["securities"], &[]).await;
    let (status, body) = rig.post("/ops/v1/counters/securities/reconnect", json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(body, json!({"counter": "securities", "asked": "reconnect"}));
    let (status, body) = rig.post("/ops/v1/counters/bank/reconnect", json!({})).await;
    assert_eq!((status, &body["type"]), (StatusCode::NOT_FOUND, &json!("/errors/no_such_counter")));
    assert_eq!(body["detail"], "the configured counters are: securities");
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
    let feed = rig.feed(None).await;
    feeds::until(feed, "somebody at 127.0.0.1 was not let in").await;
}
