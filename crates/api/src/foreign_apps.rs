//! An app reads its own transfers and nobody else's, while they are open too: the routes over a real
//! coordinator, on a record that holds open transfers of two apps.

use crate::apps::Apps;
use crate::auth::{Authenticator, Keys, Policy, Verified};
use crate::json::render;
use crate::lone::Lone;
use crate::named::Named;
use crate::problem::Problem;
use crate::state::ApiState;
use crate::transfers::{ListQuery, list, show};
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use domain::message::{CounterId, Place};
use domain::money::{Amount, Currency};
use domain::order::Order;
use domain::serial::{Day, Mark, MasterSerial, Sequence};
use serde_json::Value;
use std::sync::Arc;
use store::{NewTransfer, Write, WriteId};

fn day() -> Day {
    Day::new(20_261_121).expect("a day")
}

fn master(number: u64) -> MasterSerial {
    MasterSerial { day: day(), sequence: Sequence::new(number).expect("a sequence") }
}

/// An open transfer of an app.
fn open(number: u64, app: &str) -> Write {
    let place = |counter: &str, account: &str| Place {
        counter: CounterId::new(counter).expect("a counter"),
        account: account.parse().expect("an account"),
    };
    let accept = NewTransfer {
        master: master(number),
        app: app.into(),
        idempotency_key: format!("key-{number}").into(),
        fingerprint: [7; 32],
        order: Order {
            from: place("securities", "6001"),
            to: place("futures", "7001"),
            amount: Amount::new(100_000).expect("an amount"),
            currency: Currency::CNY,
        },
        debit_day: day(),
        credit_day: day(),
        credit_barrier: false,
        created_at: 1_795_000_000_000_000,
        deadline_at: 1_795_000_060_000_000,
        mark: Some(Mark(number)),
    };
    Write { accept: Some(accept), ..Write::of(WriteId(number), master(number)) }
}

/// A caller whose signature was found good.
fn caller(app: &str) -> Extension<Verified> {
    Extension(Verified { app: app.into(), keyid: format!("{app}-key").into() })
}

async fn body(response: Response) -> Value {
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    serde_json::from_slice(&body).expect("JSON")
}

#[tokio::test]
async fn an_app_does_not_read_anothers_open_transfer() {
    let transfers = [open(1, "shop"), open(2, "bank")];
    let lone = Lone::start(render, &["securities", "futures"], &transfers).await;
    let state = State(Arc::new(ApiState {
        coordinator: lone.coordinator.clone(),
        authenticator: Authenticator::new(Keys::new(), Policy::default(), 16),
        longest_body: 1024,
        apps: Apps::new([], 16),
    }));
    let shown = async |app: &str, number: u64, headers: HeaderMap| -> Result<Response, Problem> {
        let path = Named(master(number).to_string());
        show(state.clone(), caller(app), headers, path).await
    };
    let waiting = HeaderMap::from_iter([(
        axum::http::HeaderName::from_static("prefer"),
        HeaderValue::from_static("wait=0"),
    )]);
    for (app, own, others) in [("shop", 1, 2), ("bank", 2, 1)] {
        for headers in [HeaderMap::new(), waiting.clone()] {
            let document = body(shown(app, own, headers.clone()).await.expect("its own")).await;
            assert_eq!(document["master_serial"], master(own).to_string());
            let refused = shown(app, others, headers).await.expect_err("another's");
            let absent = shown(app, 3, HeaderMap::new()).await.expect_err("there is none");
            assert_eq!(refused.status(), StatusCode::NOT_FOUND);
            assert_eq!(refused.document(), absent.document(), "not even that there is one");
        }
        let query = Ok(Query(ListQuery::default()));
        let page = body(list(state.clone(), caller(app), query).await.expect("a page")).await;
        let listed: Vec<&Value> = page["transfers"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|t| &t["master_serial"])
            .collect();
        assert_eq!(listed, [&Value::from(master(own).to_string())], "{app}");
    }
    let strangers = shown("stranger", 1, HeaderMap::new()).await.expect_err("another's");
    assert_eq!(strangers.status(), StatusCode::NOT_FOUND);
    lone.stop.cancel();
}
