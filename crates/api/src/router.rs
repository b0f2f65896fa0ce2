//! One route table for the transfer API. Every request is signed, but for the description and for whether
//! the bridge lives, and nothing is read of a body before it is known whose it is.

mod openapi;

pub use openapi::openapi_json;

use crate::auth::Verified;
use crate::problem::{Problem, kind};
use crate::requests::Counted;
use crate::server::Visit;
use crate::state::ApiState;
use crate::{accounts, refused, transfers};
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use coordinator::BeginError;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use supervise::clock::now_s;
use tower::util::MapResponseLayer;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long the refusal of a request takes that is one too many in its second.
const HELD_BACK: Duration = Duration::from_millis(100);

/// The signed routes, with their description.
fn described() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(transfers::create, transfers::list))
        .routes(routes!(transfers::show))
        .routes(routes!(accounts::balance))
        .routes(routes!(accounts::entries))
}

/// What is told whoever asks, with its description.
fn unsigned() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(openapi::serve)).routes(routes!(healthz))
}

/// The transfer API.
pub fn router(state: Arc<ApiState>) -> Router {
    let (signed, _) = described().split_for_parts();
    let alive = state.clone();
    signed
        .layer(from_fn_with_state(state.clone(), admit))
        .with_state(state)
        .merge(unsigned().split_for_parts().0.with_state(alive))
        .fallback(|| async { Problem::new(kind::NO_SUCH_PATH) })
        .method_not_allowed_fallback(|| async { Problem::new(kind::NO_SUCH_METHOD) })
        // Without a box of its own for each request, as the layers of axum would make.
        .layer(MapResponseLayer::new(keep_no_copy))
}

/// Whether the process lives and gets on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthJson {
    /// `ok`, or `ailing` if a task has died or stands still.
    #[schema(pattern = "^(ok|ailing)$")]
    status: &'static str,
}

/// Whether the bridge lives and gets on.
///
/// For load balancers. What ails it is for operators alone, who ask on their own listener.
#[utoipa::path(
    get, path = "/healthz", tag = "bridge",
    responses(
        (status = 200, description = "Every task of the process lives and gets on", body = HealthJson),
        (status = 503, description = "A task has died or stands still", body = HealthJson),
    )
)]
async fn healthz(State(state): State<Arc<ApiState>>) -> (StatusCode, Json<HealthJson>) {
    if state.coordinator.vitals().look(Instant::now()).is_nothing() {
        (StatusCode::OK, Json(HealthJson { status: "ok" }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(HealthJson { status: "ailing" }))
    }
}

/// What is said of money is for its caller alone and of this moment, whatever stands between; and is
/// never taken for anything but what it says that it is.
fn keep_no_copy(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Lets in who may come in, and counts how everybody was answered.
async fn admit(State(state): State<Arc<ApiState>>, request: Request, next: Next) -> Response {
    let counted = Counted::of(&request);
    let response = admitted(&state, request, next).await;
    counted.answered(response.status());
    response
}

async fn admitted(state: &ApiState, request: Request, next: Next) -> Response {
    // First of all, so that turning somebody away costs next to nothing. Nothing is said about the
    // key: a replay asks again like everybody else.
    if request.method() == Method::POST && state.coordinator.is_crowded() {
        metrics::counter!("requests_not_admitted_total", "why" => "overloaded").increment(1);
        return refused::refusal(BeginError::Overloaded).into_response();
    }
    let now_s = now_s();
    let has_body = !request.body().is_end_stream();
    let wanted = wanted_signature(request.method());
    let way = request.extensions().get::<Visit>().map(Visit::way);
    match state.authenticator.admit(request, way, now_s, state.longest_body).await {
        Ok(admitted) => {
            let request = admitted.into_request();
            if let Some(visit) = request.extensions().get::<Visit>() {
                visit.settle();
            }
            let caller = request.extensions().get::<Verified>();
            if let Some(Err(problem)) = caller.map(|caller| state.apps.take_turn(&caller.app)) {
                metrics::counter!("requests_not_admitted_total", "why" => problem.slug())
                    .increment(1);
                // Whoever does not hold back by itself is held back, and costs others nothing.
                tokio::time::sleep(HELD_BACK).await;
                return problem.into_response();
            }
            next.run(request).await
        }
        Err(error) => {
            let problem = Problem::from(&error);
            metrics::counter!("requests_not_admitted_total", "why" => problem.slug()).increment(1);
            let mut response = problem.into_response();
            if response.status() == StatusCode::UNAUTHORIZED {
                // A challenge (RFC 9110, section 15.5.2), and what is to be signed (RFC 9421,
                // section 5.1).
                let scheme = HeaderValue::from_static("Signature");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
                let wanted = HeaderValue::from_static(wanted);
                response.headers_mut().insert("accept-signature", wanted);
            }
            if has_body {
                // Its body may not have been read, and will not be: the caller must know that
                // nothing more can be said on this connection.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        }
    }
}

/// What a signature of such a request has to cover, and which parameters it needs.
fn wanted_signature(method: &Method) -> &'static str {
    if method == Method::POST {
        r#"sig=("@method" "@target-uri" "content-digest" "idempotency-key");created;expires;nonce;keyid"#
    } else {
        r#"sig=("@method" "@target-uri");created;expires;nonce;keyid"#
    }
}
