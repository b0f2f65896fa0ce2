//! A pretended bridge: real verification of signatures over a real socket, in front of a table of
//! transfers in memory that are completed as soon as they are ordered.

use api::auth::{Admitted, AuthError, Authenticator, Verified};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::net::TcpListener;

/// The longest body it takes, in bytes.
pub(crate) const LONGEST_BODY: usize = 4096;

struct Bridge {
    auth: Authenticator,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    by_key: HashMap<(Arc<str>, String), (Bytes, String)>,
    by_serial: HashMap<String, (Arc<str>, String)>,
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, auth: Authenticator) -> std::io::Result<()> {
    let bridge = Arc::new(Bridge { auth, table: Mutex::default() });
    let app = Router::new()
        .route("/v1/transfers", post(order).get(list))
        .route("/v1/transfers/{serial}", get(show))
        .layer(middleware::from_fn_with_state(Arc::clone(&bridge), admit))
        .with_state(bridge);
    axum::serve(listener, app).await
}

async fn admit(State(bridge): State<Arc<Bridge>>, request: Request, next: Next) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now_s = i64::try_from(now).unwrap_or(i64::MAX);
    match bridge.auth.admit(request, None, now_s, LONGEST_BODY).await {
        Ok(admitted) => next.run(Admitted::into_request(admitted)).await,
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &AuthError) -> Response {
    let kind = error.kind();
    problem(kind.status, kind.slug, &error.to_string())
}

fn problem(status: StatusCode, slug: &str, detail: &str) -> Response {
    let body = serde_json::json!({
        "type": format!("/errors/{slug}"), "title": slug, "status": status.as_u16(),
        "detail": detail,
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

async fn order(
    State(bridge): State<Arc<Bridge>>,
    Extension(caller): Extension<Verified>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = headers["idempotency-key"].to_str().unwrap_or_default().to_owned();
    let mut table = bridge.table.lock().expect("no panic in here");
    let number = table.by_key.len() + 1;
    let (first_body, stored) =
        table.by_key.entry((Arc::clone(&caller.app), key)).or_insert_with(|| {
            let serial = format!("20261121{number:011}");
            let stored = serde_json::json!({
                "master_serial": serial, "state": "completed", "legs": [],
                "created_at": "2026-11-21T10:00:00Z", "updated_at": "2026-11-21T10:00:00Z",
            });
            (body.clone(), stored.to_string())
        });
    if *first_body != body {
        let detail = "this key was used for another order";
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail);
    }
    let stored = stored.clone();
    let parsed: serde_json::Value = serde_json::from_str(&stored).expect("what was just written");
    let serial = parsed["master_serial"].as_str().unwrap_or_default().to_owned();
    let location = format!("/v1/transfers/{serial}");
    table.by_serial.insert(serial, (caller.app, stored.clone()));
    let headers =
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::LOCATION, location)];
    (StatusCode::CREATED, headers, stored).into_response()
}

async fn list(
    State(bridge): State<Arc<Bridge>>,
    Extension(caller): Extension<Verified>,
) -> Response {
    let table = bridge.table.lock().expect("no panic in here");
    let own = table.by_serial.values().filter(|(app, _)| *app == caller.app);
    let own: Vec<&str> = own.map(|(_, stored)| stored.as_str()).collect();
    let page = format!("{{\"transfers\":[{}]}}", own.join(","));
    ([(header::CONTENT_TYPE, "application/json")], page).into_response()
}

async fn show(
    State(bridge): State<Arc<Bridge>>,
    Extension(caller): Extension<Verified>,
    Path(serial): Path<String>,
) -> Response {
    let table = bridge.table.lock().expect("no panic in here");
    match table.by_serial.get(&serial) {
        None => problem(StatusCode::NOT_FOUND, "not_found", "no such transfer"),
        Some((app, _)) if *app != caller.app => {
            problem(StatusCode::FORBIDDEN, "not_your_transfer", "it is another app's")
        }
        Some((_, stored)) => {
            ([(header::CONTENT_TYPE, "application/json")], stored.clone()).into_response()
        }
    }
}
