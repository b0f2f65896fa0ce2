//! The operators' side: connections, what needs a person, decisions, health, metrics, and a page
//! that shows them live. It has a listener of its own, on loopback unless configured otherwise, and
//! knows no users yet: whoever reaches the listener may read and act, except through a web page of
//! somebody else's (`guard`). It refuses in the transfer API's words and shows transfers in its JSON; the
//! transfer API knows nothing of it.
//!
//! Reading order: `counters` and `transfers` are what is shown, `decisions` what may be done, `claims`
//! who is busy with what, `proven` what waits for nothing but a word, `said` how people's words are read;
//! `events` how it is followed, by how many `feeds`, each a `feed`; `health` and `metrics` are for machines;
//! `page` is for people; `openapi` describes it from the code, `described` what other crates write.
//!
//! Transfers are written as in the transfer API, with times in RFC 3339. Times of connections,
//! events and the summary are integers, microseconds since 1970 UTC.
//!
//! ```
//! use ops::Names;
//!
//! // A page that a browser loaded by a name which somebody bent to this machine may not read here.
//! let names = Names::new(["bridge.example".to_owned()]);
//! for ours in ["127.0.0.1:8081", "[::1]:8081", "localhost", "Bridge.example:8081"] {
//!     assert!(names.know(Some(ours)), "{ours}");
//! }
//! assert!(!names.know(Some("bent.example:8081")));
//! ```

mod claims;
mod counters;
mod decisions;
mod described;
mod events;
mod feed;
mod feeds;
mod guard;
mod health;
#[cfg(test)]
#[path = "../../api/src/lone.rs"]
mod lone;
mod metrics;
mod openapi;
mod page;
mod proven;
mod said;
#[cfg(test)]
mod tests;
mod transfers;

pub use guard::Names;
pub use metrics::recorder;
pub use openapi::openapi_json;

use api::problem::{Problem, kind};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::get;
use coordinator::Coordinator;
use feeds::Feeds;
use metrics_exporter_prometheus::PrometheusHandle;
use supervise::clock::now_micros;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The longest body of a request, in bytes: a decision with its note, escaped.
const LONGEST_BODY: usize = 16 * 1024;

/// What the operators' side looks at.
#[derive(Clone)]
pub struct OpsState {
    /// Drives the transfers. Its counters are to share one [`port::history::History`]: it is the
    /// first link's that is followed.
    pub coordinator: Coordinator,
    /// Renders what was counted. Its recorder is to be installed before [`router`] is called, or
    /// the metrics have no descriptions; somebody runs its upkeep.
    pub metrics: PrometheusHandle,
    /// When the bridge started, in microseconds since 1970 UTC.
    pub started_at: i64,
    /// Ends the live feeds, which a graceful shutdown would otherwise wait for.
    pub stop: CancellationToken,
    /// How many live feeds one address may have at once.
    pub feeds_per_address: usize,
    /// The names by which the listener may be asked.
    pub names: Names,
}

impl std::fmt::Debug for OpsState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpsState").field("started_at", &self.started_at).finish_non_exhaustive()
    }
}

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Ops {
    state: OpsState,
    feeds: Feeds,
}

/// The routes that change nothing, with their description.
fn looking() -> OpenApiRouter<Ops> {
    OpenApiRouter::new()
        .routes(routes!(counters::list))
        .routes(routes!(counters::entries))
        .routes(routes!(counters::strangers))
        .routes(routes!(events::follow))
        .routes(routes!(transfers::list))
        .routes(routes!(transfers::show))
        .routes(routes!(proven::list))
        .routes(routes!(health::summary))
        .routes(routes!(health::serves))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::scrape))
        .routes(routes!(openapi::serve))
}

/// The routes by which a person acts, with their description.
fn acting() -> OpenApiRouter<Ops> {
    OpenApiRouter::new()
        .routes(routes!(decisions::decide))
        .routes(routes!(claims::claim))
        .routes(routes!(proven::resume))
        .routes(routes!(counters::reconnect))
        .routes(routes!(counters::release))
        .routes(routes!(counters::readmit))
}

/// All that is described.
pub(crate) fn described() -> OpenApiRouter<Ops> {
    looking().merge(acting())
}

/// The routes of the operators' listener.
pub fn router(state: OpsState) -> Router {
    let counters: Vec<_> =
        state.coordinator.counters().iter().map(|counter| counter.id()).collect();
    metrics::begin(&counters);
    let acting = acting()
        .split_for_parts()
        .0
        .route_layer(from_fn(guard::same_origin))
        .layer(DefaultBodyLimit::max(LONGEST_BODY));
    let (looking, _) = looking().split_for_parts();
    Router::new()
        .route("/", get(page::html))
        .route("/page.js", get(page::script))
        .route("/parked.js", get(page::parked))
        .route("/tools.js", get(page::tools))
        .route("/words.js", get(page::words))
        .route("/page.css", get(page::style))
        .route("/icon.svg", get(page::icon))
        .merge(looking)
        .merge(acting)
        .fallback(|| async { Problem::new(kind::NO_SUCH_PATH) })
        .method_not_allowed_fallback(|| async { Problem::new(kind::NO_SUCH_METHOD) })
        .layer(from_fn_with_state(state.names.clone(), guard::known_host))
        .layer(map_response(harden))
        .with_state(Ops { feeds: Feeds::new(state.feeds_per_address), state })
}

/// What a browser may do with any answer of this side: run and show what is ours, inside no other page's
/// frame, and keep no copy of how things stood. Headers and their values.
pub const RULES: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         object-src 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
];

async fn harden(mut response: Response) -> Response {
    for (name, value) in RULES {
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Whole seconds between two times in microseconds; none if they are the wrong way round.
fn seconds_between(from: i64, to: i64) -> i64 {
    to.saturating_sub(from).max(0) / 1_000_000
}
