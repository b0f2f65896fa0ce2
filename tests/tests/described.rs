//! What the descriptions of the APIs say is what a bridge answers: every answer of these tests is held
//! against them, as it is in all others, and here each status is provoked that a caller meets.

use described::Seen;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use system_tests::caller::{END_WITHIN, LOOK_EVERY, Order, Said};
use system_tests::database::Kind;
use system_tests::http::{Heard, OPERATORS_SIDE, TRANSFER_API};
use system_tests::operator::connected;
use system_tests::tester;
use system_tests::town::{Faults, NOBODY, OPEN, RICH, Town};
use tokio::time::{Instant, sleep};

fn seen(operation: &str, status: u16) -> Seen {
    Seen { operation: operation.to_owned(), status }
}

/// The last part of a problem's type.
fn kind(said: &Said) -> String {
    let problem: serde_json::Value = said.json().expect("a problem");
    let kind = problem["type"].as_str().expect("a type");
    kind.trim_start_matches("/errors/").to_owned()
}

/// Orders that are begun, repeated, and not to be begun.
async fn orders_are_answered(town: &Town) {
    let caller = &town.caller;
    let order = Order::new("order", 700);
    for _ in 0..2 {
        let said = caller.send(&order).await.expect("an answer");
        assert_eq!(said.status, StatusCode::CREATED, "{said:?}");
    }
    let other = Order::new("order", 701);
    assert_eq!(kind(&caller.send(&other).await.expect("an answer")), "key_reused");
    let long = " ".repeat(17 << 10);
    for (key, body, slug) in [
        ("a b", order.body(), "malformed_idempotency_key"),
        ("new", "{}".to_owned(), "malformed_body"),
        ("new", order.body().replace("CNY", "cny"), "rule_broken"),
        ("new", order.body().replace("securities", "elsewhere"), "rule_broken"),
        ("new", long, "body_too_large"),
    ] {
        let said = caller.post(key, &body, 5).await.expect("an answer");
        assert_eq!(kind(&said), slug, "{said:?}");
    }
    let unsigned = system_tests::http::client().post(format!("{}/v1/transfers", town.bridge.api()));
    let unsigned = system_tests::http::send(unsigned).await.expect("an answer");
    assert_eq!(unsigned.status, StatusCode::UNAUTHORIZED);
}

/// What is asked for, well and badly; no answer has words of the language that it is written in.
async fn questions_are_answered(town: &Town) {
    let at =
        |account: &str, rest: &str| format!("/v1/counters/securities/accounts/{account}/{rest}");
    for (path, status) in [
        ("/v1/transfers?limit=1".to_owned(), 200),
        ("/v1/transfers?limit=0".to_owned(), 400),
        ("/v1/transfers?limit=x".to_owned(), 400),
        ("/v1/transfers?state=elsewhere".to_owned(), 400),
        ("/v1/transfers?more=1".to_owned(), 400),
        ("/v1/transfers/1".to_owned(), 404),
        ("/v1/transfers/2026112100000000999".to_owned(), 404),
        ("/v1/transfers/%ff".to_owned(), 404),
        (at(RICH, "balance"), 200),
        (at(RICH, "balance?currency=cny"), 400),
        (at(RICH, "balance?currency=USD"), 422),
        (at(RICH, "balance?more=1"), 400),
        (at(NOBODY, "balance"), 404),
        (at("6-1", "balance"), 404),
        (at(RICH, "entries"), 200),
        (at(RICH, "entries?limit=0"), 400),
        (at(RICH, "entries?date=today"), 400),
        (at("%ff", "entries"), 404),
        ("/v1/counters/elsewhere/accounts/6001/entries".to_owned(), 404),
    ] {
        let said = town.caller.get(&path).await.expect("an answer");
        assert_eq!(said.status.as_u16(), status, "{path}: {said:?}");
        let text = String::from_utf8_lossy(&said.body).into_owned();
        for word in ["struct", "u16", "i64", "Option", "FromStr", "ParseInt"] {
            assert!(!text.contains(word), "{path}: {text}");
        }
    }
    for path in ["/v1/openapi.json", "/healthz", "/v1/nothing"] {
        system_tests::http::get(format!("{}{path}", town.bridge.api())).await.expect("an answer");
    }
}

/// Counters that do not answer, and counters that are gone.
async fn absence_is_answered(town: &mut Town) {
    let caller = &town.caller;
    town.futures.freeze().expect("frozen");
    let slow = Order::new("slow", 10);
    let said = caller.post(&slow.key, &slow.body(), 0).await.expect("an answer");
    assert_eq!(said.status, StatusCode::ACCEPTED, "{said:?}");
    let path = format!("/v1/counters/futures/accounts/{OPEN}/balance");
    assert_eq!(kind(&caller.get(&path).await.expect("an answer")), "counter_unavailable");
    town.futures.thaw().expect("thawed");
    caller.settle(&slow).await.expect("it ends");
    town.futures.kill().await.expect("it ends");
    town.securities.kill().await.expect("it ends");
    // As soon as it is known that they are gone.
    let until = Instant::now() + END_WITHIN;
    for attempt in 0.. {
        let late = Order::new(format!("late-{attempt}"), 10);
        let said = town.caller.post(&late.key, &late.body(), 0).await.expect("an answer");
        if said.status.is_server_error() {
            assert_eq!(kind(&said), "counter_unavailable");
            break;
        }
        assert!(Instant::now() < until, "{said:?}");
        sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn each_status_that_a_caller_meets_is_described() {
    let mut town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    orders_are_answered(&town).await;
    questions_are_answered(&town).await;
    absence_is_answered(&mut town).await;

    let provoked = [
        ("create", &[201, 202, 400, 401, 413, 422, 503][..]),
        ("list", &[200, 400]),
        ("show", &[404]),
        ("balance", &[200, 400, 404, 422, 503]),
        ("entries", &[200, 400, 404]),
        ("description", &[200]),
        ("healthz", &[200]),
    ];
    let provoked: BTreeSet<Seen> = provoked
        .into_iter()
        .flat_map(|(operation, all)| all.iter().map(move |status| seen(operation, *status)))
        .collect();
    let met = TRANSFER_API.seen();
    let missing: Vec<&Seen> = provoked.difference(&met).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What has happened is counted, what has not stands there as 0, and each says what it is.
async fn metrics_are_there_from_the_start(town: &Town) {
    let url = format!("{}/metrics", town.bridge.operators());
    let text = system_tests::http::get(url).await.expect("an answer").text();
    for line in [
        r#"transfers_total{state="completed"} 1"#,
        r#"transfers_total{state="reversed"} 0"#,
        r#"transfer_seconds_count{state="completed"} 1"#,
        r#"transfer_seconds_bucket{state="completed",le="60"} 1"#,
        r#"api_requests_total{operation="balance",status="200"} 0"#,
        r#"alarms_total{kind="needs_operator"} 0"#,
        r#"alarms_open{kind="needs_operator",acknowledged="false"} 0"#,
        r#"api_requests_total{operation="create",status="500"} 0"#,
        r#"requests_not_admitted_total{why="missing_idempotency_key"} 0"#,
        r#"events_left_out_total{of="futures"} 0"#,
        r#"requests_not_admitted_total{why="replayed_nonce"} 0"#,
        r#"http_closed_connections_total{listener="api",why="slow_head"} 0"#,
        r#"counter_faults_total{counter="futures",fault="foreign"} 0"#,
        r#"link_drops_total{counter="futures"} 0"#,
        "tasks_failed_total 0",
        "store_position_failures_total 0",
    ] {
        assert!(text.contains(&format!("\ncounter_bridge_{line}\n")), "{line}: {text}");
    }
    // It may have been asked more than once.
    for line in [
        r#"api_requests_total{operation="create",status="201"} "#,
        r#"api_request_seconds_count{operation="create"} "#,
    ] {
        let line = format!("counter_bridge_{line}");
        let count = text.lines().find_map(|it| it.strip_prefix(&line)?.parse::<u64>().ok());
        assert!(count.is_some_and(|count| count > 0), "{line}: {text}");
    }
    assert!(text.contains("counter_bridge_build_info{version=\"") && text.contains("\"} 1\n"));
    let mut labels_of = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a value"));
        let labels: Vec<&str> = rest.split('"').step_by(2).collect();
        let labels = labels[..labels.len() - 1].join("");
        let first = labels_of.entry(name).or_insert_with(|| labels.clone());
        assert_eq!(*first, labels, "{line}: a family has one set of labels");
    }
    for line in text.lines().filter(|line| !line.is_empty()) {
        let bare = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        assert!(bare.starts_with("counter_bridge_"), "{line}");
        let name = bare.split(['{', ' ']).next().expect("a name");
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let is_told = |name: &str| text.contains(&format!("# HELP {name} "));
        assert!(is_told(name) || family.is_some_and(is_told), "{line}");
    }
    metrics_are_those_of_the_document(&text);
    prometheus_takes(&text);
}

/// What the bridge shows is what `docs/metrics.md` says, each of its type. A histogram shows once there is something
/// in it.
fn metrics_are_those_of_the_document(text: &str) {
    let rows = include_str!("../../docs/metrics.md").lines();
    let rows = rows.filter_map(|line| line.strip_prefix("| `counter_bridge_"));
    let documented: BTreeMap<&str, &str> = rows.filter_map(|row| row.split_once("` | ")).collect();
    let told = text.lines().filter_map(|line| line.strip_prefix("# TYPE counter_bridge_"));
    let told: BTreeMap<&str, &str> =
        told.map(|line| line.split_once(' ').expect("a name and a type")).collect();
    assert!(told.len() > 60, "{}", told.len());
    for (name, kind) in &told {
        let row = documented.get(name).unwrap_or_else(|| panic!("{name} is in no document"));
        assert!(row.starts_with(&format!("{kind} |")), "{name} is a {kind}: {row}");
    }
    for (name, row) in documented {
        assert!(told.contains_key(name) || row.starts_with("histogram"), "{name} is not shown");
    }
}

/// Prometheus's own tool finds nothing wrong with them, but that a name should not say of which type it is: a counter
/// is another thing here.
fn prometheus_takes(text: &str) {
    let Some(promtool) = std::env::var_os("COUNTER_BRIDGE_TEST_PROMTOOL") else {
        println!("LEFT OUT: promtool is not there; `cargo xtask with` brings it");
        return;
    };
    let mut checking = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    let mut input = checking.stdin.take().expect("its input");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let checked = checking.wait_with_output().expect("it ends");
    let said = [checked.stdout, checked.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let ours = "metric name should not include type 'counter'";
    let said: Vec<&str> =
        said.lines().filter(|line| !line.is_empty() && !line.ends_with(ours)).collect();
    // It ends with 3 where it has found something, with 1 where it cannot read it.
    assert!(said.is_empty() && checked.status.code() != Some(1), "{}: {said:?}", checked.status);
}

/// What is said to a proposal that there is none of.
const PROPOSAL: &str = r#"{"proposal":"0123456789abcdef0123456789abcdef","note":"seen"}"#;

/// Why something is done about a counter.
const NOTE: &str = r#"{"note":"looked at"}"#;

/// Somebody who is signed in, as a browser sends it.
struct Browser {
    base: String,
    cookies: String,
}

impl Browser {
    async fn signed_in(town: &Town) -> Browser {
        let mut browser = Browser { base: town.bridge.operators(), cookies: String::new() };
        let proof = json!({ "name": tester::NAME, "password": tester::PASSWORD });
        let heard = browser.asks(Method::POST, "/ops/v1/session", &proof, 201).await;
        let cookies = heard.headers.get_all("set-cookie").iter().map(|cookie| {
            let cookie = cookie.to_str().expect("text");
            cookie.split(';').next().expect("a pair").to_owned()
        });
        browser.cookies = cookies.collect::<Vec<_>>().join("; ");
        browser
    }

    async fn asks(&self, method: Method, path: &str, body: &Value, status: u16) -> Heard {
        let request = system_tests::http::client()
            .request(method.clone(), format!("{}{path}", self.base))
            .header("cookie", &self.cookies)
            .header("sec-fetch-site", "same-origin")
            .json(body);
        let heard = system_tests::http::send(request).await.expect("an answer");
        let said = String::from_utf8_lossy(&heard.body);
        assert_eq!(heard.status.as_u16(), status, "{method} {path}: {said}");
        heard
    }

    async fn json(&self, method: Method, path: &str, body: &Value, status: u16) -> Value {
        self.asks(method, path, body, status).await.json().expect("JSON")
    }
}

/// An admin makes an operator, a token and another session, and ends them all.
async fn people_are_looked_after(town: &Town) {
    let browser = Browser::signed_in(town).await;
    let (none, why) = (Value::Null, json!({ "reason": "a test" }));
    let who = browser.json(Method::GET, "/ops/v1/session", &none, 200).await;
    assert_eq!((&who["name"], &who["role"]), (&tester::NAME.into(), &"admin".into()));
    let new = json!({ "name": "wang", "role": "operator", "reason": "joined" });
    let made = browser.json(Method::POST, "/ops/v1/operators", &new, 201).await;
    assert!(made["second_factor"]["uri"].as_str().is_some_and(|uri| uri.contains("wang")));
    browser.asks(Method::POST, "/ops/v1/operators", &new, 409).await;
    let change = json!({ "role": "viewer", "reason": "moved" });
    browser.asks(Method::PATCH, "/ops/v1/operators/wang", &change, 200).await;
    browser.asks(Method::PATCH, "/ops/v1/operators/zhao", &change, 404).await;
    browser.asks(Method::POST, "/ops/v1/operators/wang/reset", &why, 200).await;
    browser.asks(Method::POST, "/ops/v1/operators/wang/reset", &json!({}), 422).await;
    let all = browser.json(Method::GET, "/ops/v1/operators", &none, 200).await;
    assert_eq!(all["operators"].as_array().map(Vec::len), Some(2), "{all}");

    let own = format!("/ops/v1/operators/{}", tester::NAME);
    let token = json!({ "label": "more", "role": "viewer", "days": 1, "reason": "a report" });
    browser.asks(Method::POST, &format!("{own}/tokens"), &token, 201).await;
    browser.asks(Method::POST, "/ops/v1/operators/wang/tokens", &token, 403).await;
    let tokens = browser.json(Method::GET, &format!("{own}/tokens"), &none, 200).await;
    let more = tokens["tokens"].as_array().expect("tokens").iter();
    let id = more.filter(|one| one["label"] == "more").find_map(|one| one["id"].as_str());
    let path = format!("{own}/tokens/{}", id.expect("it is listed"));
    browser.asks(Method::DELETE, &path, &none, 204).await;
    browser.asks(Method::DELETE, &path, &none, 404).await;

    let other = Browser::signed_in(town).await;
    let sessions = browser.json(Method::GET, &format!("{own}/sessions"), &none, 200).await;
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(2), "{sessions}");
    let passwords = json!({ "password": tester::PASSWORD, "new": "kettle orbit, sandal" });
    other.asks(Method::POST, "/ops/v1/session/password", &passwords, 200).await;
    browser.asks(Method::GET, "/ops/v1/session", &none, 401).await;
    let sessions = other.json(Method::GET, &format!("{own}/sessions"), &none, 200).await;
    let id = sessions["sessions"][0]["id"].as_str().expect("its own");
    let acts = other.json(Method::GET, "/ops/v1/acts?who=tester", &none, 200).await;
    assert_eq!(acts["acts"][0]["act"], "password_changed", "{acts}");
    other.asks(Method::DELETE, &format!("{own}/sessions/{id}"), &none, 204).await;
    other.asks(Method::DELETE, "/ops/v1/session", &none, 401).await;
    let again = json!({ "name": tester::NAME, "password": "kettle orbit, sandal" });
    let heard = other.asks(Method::POST, "/ops/v1/session", &again, 201).await;
    let cookie = heard.headers["set-cookie"].to_str().expect("text");
    let cookies = cookie.split(';').next().expect("a pair").to_owned();
    let last = Browser { base: other.base, cookies };
    last.asks(Method::DELETE, "/ops/v1/session", &none, 204).await;
}

/// A filter is saved, once, seen and deleted.
async fn views_are_kept(town: &Town) {
    let browser = Browser::signed_in(town).await;
    let (views, none) = ("/ops/v1/saved-views", Value::Null);
    let view = json!({ "name": "每天", "query": "counter=futures&state=ended", "shared": true });
    let saved = browser.json(Method::POST, views, &view, 201).await;
    browser.asks(Method::POST, views, &view, 409).await;
    let bad = json!({ "name": "bad", "query": "colour=red" });
    browser.asks(Method::POST, views, &bad, 422).await;
    let listed = browser.json(Method::GET, views, &none, 200).await;
    assert_eq!(listed["views"], json!([saved]));
    let page = browser.asks(Method::GET, "/transfers", &none, 200).await.text();
    let link = "href=\"/transfers?counter=futures&#38;state=ended\">每天</a>";
    assert!(page.contains(link), "{page}");
    let path = format!("{views}/{}", saved["id"].as_str().expect("an id"));
    browser.asks(Method::DELETE, &path, &none, 204).await;
    browser.asks(Method::DELETE, &path, &none, 404).await;
    browser.asks(Method::DELETE, "/ops/v1/session", &none, 204).await;
}

/// What an operator looks at, and with what it is answered.
const LOOKS: [(&str, u16); 31] = [
    ("/ops/v1/counters", 200),
    ("/ops/v1/counters/futures/entries", 200),
    ("/ops/v1/counters/elsewhere/entries", 404),
    ("/ops/v1/counters/%ff/entries", 404),
    ("/ops/v1/counters/futures/readmission", 409),
    ("/ops/v1/counters/elsewhere/readmission", 404),
    ("/ops/v1/strangers", 200),
    ("/ops/v1/transfers", 200),
    ("/ops/v1/transfers?limit=0", 400),
    ("/ops/v1/transfers/1", 404),
    ("/ops/v1/history?state=ended&account=6001&since=20260101", 200),
    ("/ops/v1/history?limit=0", 400),
    ("/ops/v1/search?q=6001", 200),
    ("/ops/v1/search", 400),
    ("/ops/v1/transit", 200),
    ("/ops/v1/saved-views", 200),
    ("/ops/v1/proven", 200),
    ("/ops/v1/proven?limit=x", 400),
    ("/ops/v1/proposals", 200),
    ("/ops/v1/proposals?limit=x", 400),
    ("/ops/v1/summary", 200),
    ("/ops/v1/alarms", 200),
    ("/ops/v1/alarms?state=closed&before=9", 200),
    ("/ops/v1/alarms?state=both", 400),
    ("/ops/v1/openapi.json", 200),
    ("/healthz", 200),
    ("/readyz", 200),
    ("/metrics", 200),
    ("/", 303),
    ("/sign-in", 200),
    ("/page.css", 200),
];

#[tokio::test]
async fn what_operators_see_is_described() {
    let town = Town::start(Kind::Sqlite, Faults::default()).await.expect("the town starts");
    connected(&town).await.expect("they connect");
    town.caller.settle(&Order::new("order", 700)).await.expect("it ends");
    let told = town.caller.told().await.expect("a list");
    let one = format!("/ops/v1/transfers/{}", told[0].master_serial);
    let http = system_tests::http::as_operator(&town.bridge.token_file());
    for (path, status) in LOOKS.into_iter().chain([(one.as_str(), 200)]) {
        let url = format!("{}{path}", town.bridge.operators());
        let heard = system_tests::http::send(http.get(url)).await.expect("an answer");
        assert_eq!(heard.status.as_u16(), status, "{path}: {}", heard.text());
    }
    metrics_are_there_from_the_start(&town).await;
    let readmission = "/ops/v1/counters/futures/readmission";
    let [proposal, approval, withdrawal] =
        ["proposal", "approval", "withdrawal"].map(|what| format!("{one}/{what}"));
    for (path, body, status) in [
        (proposal.as_str(), "{}", 422),
        (&proposal, "{", 400),
        (&approval, PROPOSAL, 409),
        (&withdrawal, PROPOSAL, 409),
        ("/ops/v1/counters/futures/reconnect", "", 202),
        ("/ops/v1/counters/elsewhere/hold", NOTE, 404),
        ("/ops/v1/counters/futures/hold", "{}", 422),
        ("/ops/v1/counters/futures/hold", "", 400),
        ("/ops/v1/counters/futures/release", NOTE, 409),
        ("/ops/v1/counters/futures/hold", NOTE, 200),
        ("/ops/v1/counters/futures/drain", NOTE, 200),
        ("/ops/v1/counters/futures/release", NOTE, 200),
        ("/ops/v1/counters/futures/new-session", NOTE, 409),
        ("/ops/v1/alarms/999/acknowledgement", NOTE, 404),
        ("/ops/v1/alarms/999/closing", "{}", 422),
        (readmission, r#"{"version":"00000000000000000000000000000000","note":"looked at"}"#, 409),
        (readmission, "{}", 422),
        (&format!("{readmission}/approval"), PROPOSAL, 409),
        (&format!("{readmission}/withdrawal"), PROPOSAL, 409),
        // Who it is, the token says, and nobody else.
        (readmission, r#"{"who":"lin","note":"looked at"}"#, 422),
    ] {
        let request = http.post(format!("{}{path}", town.bridge.operators()));
        let request = request.header("content-type", "application/json").body(body);
        let heard = system_tests::http::send(request).await.expect("an answer");
        assert_eq!(heard.status.as_u16(), status, "{path}: {}", heard.text());
    }
    views_are_kept(&town).await;
    people_are_looked_after(&town).await;
    let looked_at: BTreeSet<String> =
        OPERATORS_SIDE.seen().into_iter().map(|seen| seen.operation).collect();
    let all: BTreeSet<String> =
        OPERATORS_SIDE.statuses().into_iter().map(|seen| seen.operation).collect();
    let not: Vec<&String> = all.difference(&looked_at).collect();
    // A feed never ends, and a transfer that nobody needs to look at cannot be claimed.
    assert_eq!(not, ["claim", "events"]);
}
