//! What of an order its caller is told before anything of it is begun: the route over a real
//! coordinator, whose counters do not answer.

use super::*;
use crate::apps::{Apps, Rights};
use crate::auth::{Authenticator, Keys, Policy};
use crate::lone::Lone;
use domain::order::Order;
use domain::serial::{Day, Sequence};
use store::{NewTransfer, Outcome, Write, WriteId};

const ORDER: &str = r#"{"from":{"counter":"securities","account":"6001"},
    "to":{"counter":"futures","account":"7001"},"amount":100000,"currency":"CNY"}"#;
const ANSWER: &str = r#"{ "state":"completed", "was":"answered before" }"#;

/// What `shop` ordered with the key `known`.
pub(super) fn known() -> NewTransfer {
    let place = |counter: &str, account: &str| Place {
        counter: CounterId::new(counter).expect("a counter"),
        account: AccountId::new(account).expect("an account"),
    };
    let (from, to) = (place("securities", "6001"), place("futures", "7001"));
    let (amount, currency) = (Amount::new(100_000).expect("an amount"), Currency::CNY);
    let day = Day::new(20_261_121).expect("a day");
    let order = Order { from, to, amount, currency };
    NewTransfer {
        master: MasterSerial { day, sequence: Sequence::new(1).expect("a sequence") },
        app: "shop".into(),
        idempotency_key: "known".into(),
        fingerprint: fingerprint(&order),
        order,
        debit_day: day,
        credit_day: day,
        credit_barrier: false,
        created_at: 1_795_000_000_000_000,
        deadline_at: 1_795_000_060_000_000,
        mark: None,
    }
}

/// An end with this answer.
pub(super) fn answered(answer: &'static str) -> Outcome {
    Outcome {
        state: FinalState::Completed,
        reason: None,
        finished_at: 1_795_000_001_000_000,
        answer_status: 201,
        answer_body: Bytes::from_static(answer.as_bytes()),
    }
}

/// Over a record with that one, which has ended. `bank` may use futures and a bank, and no securities.
async fn state() -> (State<Arc<ApiState>>, Lone) {
    let master = known().master;
    let transfers = [
        Write { accept: Some(known()), ..Write::of(WriteId(1), master) },
        Write { outcome: Some(answered(ANSWER)), ..Write::of(WriteId(2), master) },
    ];
    let lone = Lone::start(crate::json::render, &["securities", "futures"], &transfers).await;
    let banks = ["futures", "bank"].map(|counter| CounterId::new(counter).expect("a counter"));
    let rights = Rights { counters: Some(banks.into_iter().collect()), ..Rights::default() };
    let state = ApiState {
        coordinator: lone.coordinator.clone(),
        authenticator: Authenticator::new(Keys::new(), Policy::default(), 16),
        longest_body: 1024,
        apps: Apps::new([("bank".into(), rights)], 16),
    };
    (State(Arc::new(state)), lone)
}

async fn order(
    state: &State<Arc<ApiState>>,
    app: &str,
    key: &str,
    body: &str,
) -> Result<Response, Problem> {
    let caller = Verified { app: app.into(), keyid: format!("{app}-key").into() };
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", HeaderValue::from_str(key).expect("a header value"));
    let body = Bytes::copy_from_slice(body.as_bytes());
    create(state.clone(), Extension(caller), headers, body).await
}

#[tokio::test]
async fn what_is_no_order_or_not_the_apps_to_give_is_refused_by_name() {
    let (state, lone) = state().await;
    let other = |from: &str, to: &str| ORDER.replace(from, to);
    for (app, key, body, status, slug) in [
        ("shop", "a b", ORDER.to_owned(), 400, "malformed_idempotency_key"),
        ("shop", "new", other("{", "["), 400, "malformed_body"),
        ("shop", "new", other("amount", "sum"), 400, "malformed_body"),
        ("shop", "new", other("100000", "0"), 422, "rule_broken"),
        ("shop", "new", other("100000", "1000000000000"), 422, "rule_broken"),
        ("shop", "new", other("100000", "9223372036854775808"), 422, "rule_broken"),
        ("shop", "new", other("100000", &"9".repeat(40)), 422, "rule_broken"),
        ("shop", "new", other("100000", &format!("-{}", "9".repeat(40))), 422, "rule_broken"),
        ("shop", "new", other("100000", "100000.0"), 400, "malformed_body"),
        ("shop", "new", other("100000", "\"100000\""), 400, "malformed_body"),
        ("shop", "new", format!("[{ORDER}]"), 400, "malformed_body"),
        ("shop", "new", other("CNY", "cny"), 422, "rule_broken"),
        ("shop", "new", other("futures", "elsewhere"), 422, "rule_broken"),
        ("shop", "known", other("100000", "1"), 422, "key_reused"),
        ("bank", "new", ORDER.to_owned(), 403, "foreign_account"),
        ("bank", "new", other("securities", "bank"), 422, "rule_broken"),
        (
            "bank",
            "new",
            ORDER.replace("futures", "x").replace("securities", "futures"),
            403,
            "foreign_account",
        ),
        ("shop", "new", ORDER.to_owned(), 503, "counter_unavailable"),
    ] {
        let refused = order(&state, app, key, &body).await.expect_err(slug);
        assert_eq!((refused.status().as_u16(), refused.slug()), (status, slug), "{app}: {body}");
    }
    lone.stop.cancel();
}

#[tokio::test]
async fn what_was_answered_once_is_answered_again_byte_for_byte_though_no_counter_answers() {
    let (state, lone) = state().await;
    let laid_out_otherwise = ORDER.replace(',', " , ");
    for body in [ORDER, &laid_out_otherwise] {
        let replayed = order(&state, "shop", "known", body).await.expect("its answer");
        assert_eq!(replayed.status(), StatusCode::CREATED);
        let header = |name: &str| replayed.headers().get(name).expect("a header").clone();
        assert_eq!(header("idempotency-replayed"), "true");
        assert_eq!(header("location"), "/v1/transfers/2026112100000000001");
        assert_eq!(header("content-type"), "application/json");
        let body = axum::body::to_bytes(replayed.into_body(), 1024).await.expect("a body");
        assert_eq!(body, ANSWER);
    }
    // Another app's key of the same name is another key.
    let refused = order(&state, "other", "known", ORDER).await.expect_err("no counter answers");
    assert_eq!(refused.slug(), "counter_unavailable");
    lone.stop.cancel();
}
