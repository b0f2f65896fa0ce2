//! Pages over an API that answers what a test wants, and notes what it was asked for.

mod evidence;
mod forms;
mod live;

use super::asking::Api;
use super::once::Once;
use super::over;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

const SERIAL: &str = "2026113000000000006";
/// Markup that would act, and a number that is turned around.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}001\"'&";
const HARMLESS: &str = "&#60;img src=x onerror=alert(1)&#62;\\u202e001&#34;&#39;&#38;";

type Asked = Vec<(Method, String, HeaderMap, Value)>;

/// The operators' API, as far as pages ask it.
#[derive(Clone)]
struct Rig {
    answers: Arc<Mutex<BTreeMap<String, (u16, Value)>>>,
    asked: Arc<Mutex<Asked>>,
    once: Arc<Once>,
    /// How often it had to find out who asks.
    looked_up: Arc<AtomicUsize>,
}

/// By which the API knows again whoever has just looked.
#[derive(Clone)]
struct Seen;

fn evidence() -> Value {
    let leg = |role: &str, knowledge: &str| {
        json!({
            "role": role, "counter": "securities", "account": "6001", "sub_serial": "61",
            "knowledge": knowledge, "answer": { "code": 402, "text": HOSTILE },
            "counter_serial": HOSTILE, "settle_day": "20261130", "posted_day": null, "sent": 1,
            "fruitless": 2,
        })
    };
    json!({
        "master_serial": SERIAL, "state": "needs_operator",
        "from": { "counter": "securities", "account": "6001" },
        "to": { "counter": "futures", "account": "8001" }, "amount": 30_000, "currency": "CNY",
        "legs": [leg("debit", "done"), leg("credit", "unknown")],
        "reason": "the credit's outcome could not be established",
        "next": "futures is still asked what became of the credit; proven so far: debit done; an operator may decide without it",
        "created_at": "2026-11-30T13:00:00Z", "updated_at": "2026-11-30T13:00:05Z",
        "deadline_at": "2026-11-30T13:01:00Z", "app": HOSTILE, "in_transit": 30_000,
        "claim": null, "proposal": null, "version": "0".repeat(32),
        "decisions": [
            { "decision": "reversed", "allowed": true, "why_not": null, "leads_to": { "ends": "reversed" } },
            { "decision": "refused", "allowed": false, "leads_to": null,
              "why_not": "the decision contradicts the proof: the debit is done" },
        ],
        "trail": [{
            "at": "2026-11-30T13:00:01Z", "event": HOSTILE, "state": "crediting", "reason": null,
            "leg": { "role": "credit", "knowledge": "unknown", "sent": 1 },
        }, {
            "at": "2026-11-30T13:00:02Z", "event": "credit sent", "state": "crediting", "reason": null,
            "leg": null, "messages": {
                "sent": { "counter": "futures", "dialect": "futures", "text": "<Debit>\n  6001\n" },
                "rule": { "number": 1, "heading": "CreditWaiting (crediting)", "line": "wake" },
            },
        }, {
            "at": "2026-11-30T13:00:03Z", "event": "credit: still unknown (200)", "state": "crediting",
            "reason": null, "leg": { "role": "credit", "knowledge": "unknown", "sent": 1 }, "messages": {
                "received": {
                    "counter": "futures", "dialect": "futures", "came": "awaited",
                    "differs": ["amount", "settle day"], "text": format!("<Answer>\n{HOSTILE}\n"),
                    "asked": {
                        "counter": "futures", "dialect": "futures", "text": "<Debit>\n  6001\n", "written": true,
                    },
                },
                "rule": { "number": 9, "heading": null, "line": null },
            },
        }, {
            "at": "2026-11-30T13:00:04Z", "event": "credit: refused (402)", "state": "crediting",
            "reason": null, "leg": null, "messages": { "received": {
                "counter": "futures", "dialect": null, "came": "unasked", "differs": [], "text": "late\n",
            } },
        }, {
            "at": "2026-11-30T13:00:05Z", "event": "credit: done (200)", "state": "crediting",
            "reason": null, "leg": null, "messages": { "received": {
                "counter": "futures", "dialect": "futures", "came": "awaited", "differs": [], "text": "<Found>\n",
                "asked": {
                    "counter": "futures", "dialect": "futures", "text": "<Query>\n  6001\n", "written": false,
                },
            } },
        }],
    })
}

fn counter() -> Value {
    json!({
        "counter": "securities", "health": "down", "health_text": "not connected",
        "settle_day": 20_261_130, "open": true, "queued": 1, "in_flight": 2,
        "connections": [{
            "channel": 0, "state": "backing_off", "state_text": "waiting to try again",
            "since": 1_000_000, "address": HOSTILE, "next_attempt_at": 9_000_000, "attempt": 2,
            "addresses": [{ "address": HOSTILE, "failures": 3, "last_error": HOSTILE }],
            "tls": { "version": "TLS 1.3", "peer": HOSTILE, "own_expires_at": 1, "peer_expires_at": 2 },
            "last_cause": HOSTILE, "heard_at": 1, "round_trip_us": 1_234, "round_trips_us": [1, 2],
        }],
        "counts": { "sign_ons": 1 },
        "held": { "why": HOSTILE, "since": 1, "to_do": "ask its people", "proposal": null },
        "on_hold": { "kind": "drain", "who": "lin", "note": HOSTILE, "since": 7, "text": HOSTILE },
        "on_hold_uncertain": null, "can_fence": false, "faults": { "text": HOSTILE },
    })
}

/// One that is open and one that has closed; the API tells them apart.
fn alarms() -> Value {
    let word =
        |who: Option<&str>| json!({ "who": who, "note": HOSTILE, "at": "2026-11-30T13:00:02Z" });
    let alarm = json!({
        "number": 7, "kind": "contradiction", "counter": "securities", "transfer": null,
        "text": HOSTILE, "latest": "another", "raised_at": "2026-11-30T13:00:00Z",
        "last_at": "2026-11-30T13:00:01Z", "times": 3, "unseen": 2, "acknowledged": word(Some("lin")),
        "closed": null, "closes_by_itself": false, "is_over": false,
        "to_do": "ask the counter's people which of its answers is true",
    });
    let mut closed = alarm.clone();
    (closed["number"], closed["closed"]) = (json!(6), word(None));
    let mut new = alarm.clone();
    (new["number"], new["acknowledged"]) = (Value::Null, Value::Null);
    json!({ "alarms": [alarm, closed, new], "damaged": [HOSTILE], "left_out": 1, "next": 6 })
}

/// One pair with money in transit, a currency that does not add up, and a counter of each colour.
fn transit() -> Value {
    let moving = |minor: i64| {
        let by_age = json!({ "below_minute": 0, "below_hour": minor, "below_day": 0, "older": 0 });
        json!({ "transfers": 1, "in_transit": minor, "by_age": by_age, "oldest_at": 5 })
    };
    let legs = |currency: &str, debited: i64, unknown: i64| {
        json!({
            "currency": currency, "debited": debited, "credited": 0, "returned": 0, "awaited": 0,
            "unknown": unknown,
        })
    };
    let total = |currency: &str, difference: i64, differs: Value| {
        json!({
            "moving": moving(30_000), "paid_ahead": 0, "legs": legs(currency, 30_000, 30_000),
            "difference": difference, "differing": 1, "differs": differs, "conserved": difference == 0,
        })
    };
    let at = |counter: &str, colour: &str, why: &str, unknown: i64| {
        json!({
            "counter": counter, "colour": colour, "why": [why], "awaited_legs": 0, "unknown_legs": 1,
            "unknown_since": if unknown > 0 { json!(5) } else { Value::Null },
            "doubted_legs": 0, "contradicted": 0, "money": [legs("CNY", 0, unknown)],
        })
    };
    let known = "every leg is known, or its answer has only begun to be awaited";
    json!({
        "now": 1_000_000_000_000_000_i64,
        "totals": [total("CNY", 0, Value::Null), total("JPY", 7, json!(SERIAL))],
        "pairs": [{ "from": "securities", "to": "futures", "currency": "CNY", "moving": moving(30_000) }],
        "others": [{ "currency": "JPY", "moving": moving(9) }],
        "counters": [
            at("securities", "green", known, 0),
            at("futures", "unknown", "legs whose outcome is not known: 1", 30_000),
            at("bank", "red", "it gets no new transfers, for what it says is in doubt", 0),
        ],
        "transfers": [evidence()],
    })
}

impl Rig {
    fn new() -> Rig {
        let operator = json!({
            "name": "lin", "role": "admin", "second_factor": true, "must_change_password": false,
            "made_at": "2026-11-30T13:00:00Z", "made_by": HOSTILE, "disabled_at": null,
        });
        let line = json!({
            "master_serial": SERIAL, "state": "refused", "amount": 5, "currency": "JPY",
            "from": { "counter": "securities", "account": "6001" },
            "to": { "counter": "futures", "account": "8001" }, "app": HOSTILE,
            "reason": "securities refused the debit", "created_at": "2026-11-30T13:00:00Z",
        });
        let act = json!({
            "at": "2026-11-30T13:00:00Z", "who": "lin", "by": "session 1", "act": "proposed",
            "about": SERIAL, "before": null, "after": HOSTILE, "reason": HOSTILE, "outcome": "done",
        });
        let answers = [
            ("GET /ops/v1/session", json!({ "name": "lin", "role": "admin" })),
            (
                "GET /ops/v1/summary",
                json!({
                    "version": "1", "now": 1_000_000_000_000_000_i64, "started_at": 0, "open": 1,
                    "journal": { "health": "failing", "why": HOSTILE },
                    "record": { "standing": "behind", "why": HOSTILE },
                    "by_state": { "needs_operator": 1 }, "in_transit": { "CNY": 30_000 },
                    "oldest_in_transit_at": 5, "alarms_unacknowledged": 2,
                }),
            ),
            ("GET /ops/v1/counters", json!([counter()])),
            (
                "GET /ops/v1/counters/securities/readmission",
                json!({
                    "version": "1".repeat(32), "proposal": null,
                    "holds": [{ "why": HOSTILE, "since": "2026-11-30T13:00:00Z" }],
                }),
            ),
            (
                "GET /ops/v1/strangers",
                json!({ "refused": 1, "strangers": [{
                    "address": HOSTILE, "counter": null, "cause": HOSTILE, "times": 2, "last_at": 5,
                }] }),
            ),
            ("GET /ops/v1/transfers", json!({ "transfers": [evidence()], "total": 1 })),
            ("GET /ops/v1/transit", transit()),
            (
                "GET /ops/v1/saved-views",
                json!({ "views": [
                    {
                        "id": "5".repeat(32), "name": HOSTILE, "query": "counter=futures&state=ended",
                        "shared": true, "owner": "wang", "own": false, "made_at": "",
                    },
                ] }),
            ),
            ("GET /ops/v1/transfers/2026113000000000006", evidence()),
            ("GET /ops/v1/proposals", json!({ "transfers": [], "total": 0 })),
            ("GET /ops/v1/history", json!({ "transfers": [line], "next": SERIAL })),
            (
                "GET /ops/v1/search",
                json!({ "found": [{ "by": "account", "transfers": [line], "next": SERIAL }] }),
            ),
            ("GET /ops/v1/alarms", alarms()),
            ("GET /ops/v1/operators", json!({ "operators": [operator] })),
            (
                "GET /ops/v1/operators/lin/sessions",
                json!({ "sessions": [{
                    "id": "5", "began_at": "", "seen_at": "", "ends_at": "", "address": "127.0.0.1",
                    "agent": HOSTILE,
                }] }),
            ),
            ("GET /ops/v1/operators/lin/tokens", json!({ "tokens": [] })),
            ("GET /ops/v1/acts", json!({ "acts": [act], "next": 41 })),
        ];
        let answers = answers.map(|(asked, answer)| (asked.to_owned(), (200, answer)));
        let answers = Arc::new(Mutex::new(answers.into()));
        Rig { answers, asked: Arc::default(), once: Arc::default(), looked_up: Arc::default() }
    }

    fn answers(&self, asked: &str, status: u16, answer: Value) {
        self.answers.lock().expect("a lock").insert(asked.to_owned(), (status, answer));
    }

    fn asked(&self) -> Asked {
        std::mem::take(&mut self.asked.lock().expect("a lock"))
    }

    async fn answer(self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        let key = format!("{} {}", parts.method, parts.uri.path());
        let exact = format!("{} {}", parts.method, parts.uri);
        let uri = parts.uri.to_string();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        self.asked.lock().expect("a lock").push((parts.method, uri, parts.headers, body));
        let found = {
            let answers = self.answers.lock().expect("a lock");
            answers.get(&exact).or_else(|| answers.get(&key)).cloned()
        };
        let missing = json!({ "type": "/errors/no_such_path", "title": "There is nothing here" });
        let (status, answer) = found.unwrap_or((404, missing));
        let looked_up = parts.extensions.get::<Seen>().is_none();
        self.looked_up.fetch_add(usize::from(looked_up), Ordering::Relaxed);
        let status = StatusCode::from_u16(status).expect("a status");
        (status, Extension(Seen), answer.to_string()).into_response()
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
        let rig = self.clone();
        let api = Router::new().fallback(move |request| rig.clone().answer(request));
        let api = Api { routes: api, once: self.once.clone() };
        let response = over(api).oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        (parts.status, parts.headers, String::from_utf8(body.into()).expect("text"))
    }

    async fn get(&self, path: &str, language: &str) -> (StatusCode, HeaderMap, String) {
        let request = Request::get(path).header(header::ACCEPT_LANGUAGE, language);
        let request = request.header(header::COOKIE, "__Host-session=secret");
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// Sends a form as a page of ours does.
    async fn post(&self, path: &str, form: &str) -> (StatusCode, HeaderMap, String) {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, "__Host-session=secret")
            .header("sec-fetch-site", "same-origin");
        self.send(request.body(Body::from(form.to_owned())).expect("a request")).await
    }
}

#[tokio::test]
async fn a_view_is_an_address_and_its_next_page_another() {
    let rig = Rig::new();
    let path = "/transfers?counter=futures&amount=500&currency=JPY&counter_serial=a%20%26b";
    let (_, _, page) = rig.get(path, "en").await;
    let asked = rig.asked();
    let (_, uri, _, _) = asked.last().expect("a question");
    let filters = "counter=futures&counter_serial=a%20%26b&amount=500&currency=JPY";
    assert_eq!(*uri, format!("/ops/v1/history?{filters}"));
    let shown = filters.replace('&', "&#38;");
    assert!(page.contains(&format!("href=\"/transfers?{shown}&#38;before={SERIAL}\"")), "{page}");
    assert!(page.contains(&format!("href=\"/ops/v1/history?{shown}&#38;format=csv\"")), "{page}");
}

const ROOMS: [&str; 15] = [
    "/",
    "/connections",
    "/connections/securities",
    "/transit",
    "/transfers",
    "/transfers?counter=futures&state=ended",
    "/transfers?q=6001",
    "/transfers/2026113000000000006",
    "/alarms",
    "/alarms?before=9",
    "/alarms/7",
    "/people",
    "/people/lin",
    "/acts",
    "/acts?who=lin",
];

#[tokio::test]
async fn every_room_is_shown_in_every_language_and_nobodys_words_act_there() {
    let rig = Rig::new();
    for room in ROOMS {
        for (asked, language) in [("en", "en"), ("zh-CN,zh;q=0.9", "zh-CN")] {
            let (status, headers, page) = rig.get(room, asked).await;
            assert_eq!(status, StatusCode::OK, "{room}: {page}");
            assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
            assert!(page.contains(&format!("<html lang=\"{language}\">")), "{room}");
            assert!(!page.contains("<img") && !page.contains('\u{202e}'), "{room}: {page}");
            // At least the banner has it.
            assert!(page.contains(HARMLESS), "{room}: {page}");
            assert!(!page.contains("style=") && !page.contains("onclick"), "{room}");
        }
        for (method, _, headers, _) in rig.asked() {
            assert_eq!(method, Method::GET, "{room}: who looks changes nothing");
            assert_eq!(headers[header::COOKIE], "__Host-session=secret");
        }
    }
}

/// Nothing is shown that holds it, and something may: that is said, and it may be released.
#[tokio::test]
async fn a_counter_that_may_be_on_hold_is_not_shown_as_free() {
    let rig = Rig::new();
    let mut free = counter();
    (free["held"], free["on_hold"]) = (Value::Null, Value::Null);
    rig.answers("GET /ops/v1/counters", 200, json!([free]));
    let (_, _, page) = rig.get("/connections/securities", "en").await;
    assert!(!page.contains("/connections/securities/release"), "{page}");
    free["on_hold_uncertain"] = "it is not confirmed".into();
    rig.answers("GET /ops/v1/counters", 200, json!([free]));
    for (room, words) in [
        ("/", "<td data-label=\"New transfers\">not certain</td>"),
        ("/connections", "it is not confirmed"),
        ("/connections/securities", "it is not confirmed"),
        ("/connections/securities", "formaction=\"/connections/securities/release\""),
        ("/connections/securities", "name=\"uncertain\" value=\"true\""),
    ] {
        let (_, _, page) = rig.get(room, "en").await;
        assert!(page.contains(words), "{room}: {words}: {page}");
    }
}

/// A page is of many answers, and who asks is found out for the first of them; whoever acts is looked up for that.
#[tokio::test]
async fn who_asks_is_found_out_once_for_a_page() {
    let rig = Rig::new();
    let looked_up = || rig.looked_up.swap(0, Ordering::Relaxed);
    for room in ROOMS {
        rig.get(room, "en").await;
        assert_eq!(looked_up(), 1, "{room}");
        assert!(rig.asked().len() > 2, "{room}");
    }
    let refused = json!({ "type": "/errors/rule", "title": "A rule is broken" });
    rig.answers("POST /ops/v1/counters/securities/hold", 422, refused);
    rig.post("/connections/securities/hold", "note=n").await;
    assert_eq!(looked_up(), 2, "for the act, and for the page that says why not");
}

/// What somebody did was carried out; a leg that is done has moved money.
#[tokio::test]
async fn what_was_carried_out_is_not_called_a_success_of_a_leg() {
    let (_, _, page) = Rig::new().get("/acts", "zh").await;
    assert!(page.contains(">已执行</td>") && !page.contains("已成功"), "{page}");
    let (_, _, page) = Rig::new().get("/acts", "en").await;
    assert!(page.contains(">carried out</td>"), "{page}");
}

#[tokio::test]
async fn what_needs_a_person_stands_first() {
    let (_, _, page) = Rig::new().get("/", "en").await;
    let first = page.split("<section").nth(1).expect("a section");
    assert!(first.contains("Needs a person") && first.contains(SERIAL), "{first}");
}

#[tokio::test]
async fn whoever_is_nobody_is_sent_to_the_door() {
    let rig = Rig::new();
    for (slug, door) in [("not_signed_in", "/sign-in?to="), ("password_to_change", "/password")] {
        let problem = json!({ "type": format!("/errors/{slug}"), "title": "no" });
        rig.answers("GET /ops/v1/session", 401, problem);
        for room in ROOMS {
            let (status, headers, _) = rig.get(room, "en").await;
            let location = headers[header::LOCATION].to_str().expect("text");
            // The address survives the door.
            let room =
                if slug == "not_signed_in" { super::view::escaped(room) } else { String::new() };
            assert_eq!(
                (status, location),
                (StatusCode::SEE_OTHER, format!("{door}{room}").as_str())
            );
        }
    }
}

#[tokio::test]
async fn one_comes_in_by_the_cookie_that_the_api_sets() {
    let rig = Rig::new();
    rig.answers("POST /ops/v1/session", 201, json!({ "name": "lin", "role": "admin" }));
    let (status, headers, _) = rig.post("/sign-in", "name=lin&password=p&code=1").await;
    assert_eq!(
        (status, &headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/sign-in?kept=1&to=%2F".parse().expect("a value"))
    );
    assert_eq!(rig.asked()[0].3, json!({ "name": "lin", "password": "p", "code": "1" }));
    let (_, headers, _) =
        rig.post("/sign-in", "name=lin&password=p&code=1&to=%2Facts%3Fwho%3Dlin").await;
    assert_eq!(headers[header::LOCATION], "/sign-in?kept=1&to=%2Facts%3Fwho%3Dlin");
    let (_, headers, _) = rig.get("/sign-in?kept=1&to=%2Facts%3Fwho%3Dlin", "en").await;
    assert_eq!(headers[header::LOCATION], "/acts?who=lin");
    let (_, headers, _) = rig.get("/sign-in?kept=1&to=%2F%2Fevil.example", "en").await;
    assert_eq!(headers[header::LOCATION], "/");
    // The browser has kept it, or has not.
    let (status, headers, _) = rig.get("/sign-in?kept", "en").await;
    assert_eq!(
        (status, &headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/".parse().expect("a value"))
    );
    let nobody = json!({ "type": "/errors/not_signed_in", "title": "Nobody is signed in" });
    rig.answers("GET /ops/v1/session", 401, nobody);
    // A link in somebody's message: the page asks again by itself, and the browser shows the session then.
    let request = Request::get("/sign-in?to=%2Facts").header("sec-fetch-site", "cross-site");
    let (_, headers, _) = rig.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(headers[header::REFRESH], "0; url=/sign-in?to=%2Facts");
    let (status, _, page) = rig.get("/sign-in?kept", "en").await;
    assert!(status.is_success() && page.contains("this browser did not keep it"), "{page}");
    let refused = json!({ "type": "/errors/sign_in_refused", "title": "The sign-in is refused" });
    rig.answers("POST /ops/v1/session", 403, refused);
    let (status, _, page) = rig.post("/sign-in", "name=lin&password=hunter2&code=").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(page.contains("The sign-in is refused") && !page.contains("hunter2"), "{page}");
    let (status, _, page) = rig.post("/password", "password=a&new=b&again=c").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("The two are not the same."), "{page}");
}

#[tokio::test]
async fn a_language_is_chosen_and_leads_to_no_other_host() {
    let rig = Rig::new();
    for (back, leads_to) in [
        ("/transfers?q=1", "/transfers?q=1"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/\t/evil.example/", "/"),
        ("", "/"),
    ] {
        let form = format!("to=zh-CN&back={}", super::view::escaped(back));
        let (status, headers, _) = rig.post("/language", &form).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        assert_eq!(headers[header::LOCATION], leads_to, "{back}");
        let cookie = headers[header::SET_COOKIE].to_str().expect("text");
        assert!(cookie.starts_with("language=zh-CN; Path=/;"), "{cookie}");
    }
    let (_, headers, _) = rig.post("/language", "to=fr%0d%0aX: y&back=/").await;
    assert!(!headers.contains_key(header::SET_COOKIE));
}

#[test]
fn pages_need_nothing_from_elsewhere_and_no_script_reads_words_as_markup() {
    let icon = include_str!("../assets/icon.svg").replace("http://www.w3.org/2000/svg", "");
    for text in [super::assets::LIVE, super::assets::STYLE, &icon] {
        for forbidden in [
            "https://",
            "http://",
            "@import",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ] {
            assert!(!text.contains(forbidden), "{forbidden:?}");
        }
    }
}

/// The page escapes what the terminal and the log escape: its table is the same.
#[test]
fn what_nobody_sees_is_shown_on_the_page_as_everywhere() {
    let table = super::assets::LIVE.split_once("/[").and_then(|(_, rest)| rest.split_once("]/gu"));
    let (table, _) = table.expect("a table");
    let code = |text: &str| {
        let digits = text.strip_prefix("\\u{")?.strip_suffix('}')?;
        char::from_u32(u32::from_str_radix(digits, 16).ok()?)
    };
    let ranges: Vec<_> = table
        .replace("}\\u", "} \\u")
        .split(' ')
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            code(first).expect("a letter")..=code(last).expect("a letter")
        })
        .collect();
    assert_eq!(ranges.len(), 11);
    for letter in '\0'..=char::MAX {
        let escaped = ranges.iter().any(|range| range.contains(&letter));
        assert_eq!(escaped, foreign::is_unseen(letter), "{letter:?}");
    }
}

/// Each counter's colour is a word as well, and what does not add up is said before anything else.
#[tokio::test]
async fn money_in_transit_is_shown_with_what_each_counter_lets_be_known() {
    let rig = Rig::new();
    let (_, _, page) = rig.get("/transit", "en").await;
    let asked: Vec<String> = rig.asked().into_iter().map(|(_, uri, _, _)| uri).collect();
    assert!(asked.contains(&"/ops/v1/transit".to_owned()), "{asked:?}");
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
    assert!(at("Money in transit does not add up") < at("By pair of counters and age"));
    for text in [
        "<td data-label=\"To\">futures</td><td data-label=\"Transfers\">1</td><td class=\"money\" data-label=\"below a minute\"></td><td class=\"money\" data-label=\"below an hour\">300.00 CNY</td>",
        "<span class=\"badge up\">green</span>",
        "<span class=\"badge degraded\">unknown</span>",
        "<span class=\"badge down\">red</span>",
        "legs whose outcome is not known: 1<br>",
        "a pair&#39;s line may be a part of what is there",
        &format!("href=\"/transfers/{SERIAL}\""),
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let (_, _, page) = rig.get("/transit", "zh-CN").await;
    for text in [
        "在途资金不平",
        ">绿</span>",
        ">未知</span>",
        ">红</span>",
        "结果未知的单边：1",
        "因其所言存疑，不接收新转账",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let nothing = json!({ "now": 5, "totals": [], "pairs": [], "others": [], "counters": [], "transfers": [] });
    rig.answers("GET /ops/v1/transit", 200, nothing);
    let (_, _, page) = rig.get("/transit", "en").await;
    assert!(
        page.contains("No money is in transit.") && !page.contains("does not add up"),
        "{page}"
    );
}
