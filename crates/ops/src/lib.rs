//! The operators' side: connections, what needs a person, decisions, health, metrics; the pages that show them to
//! people are made of it elsewhere (`console`). It has a listener of its own, on loopback unless configured otherwise. Whoever looks or acts
//! is known by name and has a role (`people`), and no web page of somebody else's acts in that name (`guard`). It
//! refuses in the transfer API's words and shows transfers in its JSON; the transfer API knows nothing of it.
//!
//! Reading order: `people` is who asks, and what each may; `counters`, `transfers` and `transit` are what is shown,
//! `exchanged` the messages that were said, `on_hold` what
//! is done about a counter, `proposals`
//! what two persons decide, `claims` who is busy with what, `alarms` what somebody has to look into, `views` which lists
//! they keep under a name, `proven` what waits for nothing but their word, `said` how
//! people's words are read; `events` how it is followed, by how many `feeds`, each a `feed`; `health` and `metrics` are for machines;
//! `openapi` describes it from the code, `described` what other crates write.
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

mod alarms;
mod claims;
mod counters;
mod described;
mod events;
mod exchanged;
mod feed;
mod feeds;
mod guard;
mod health;
mod history;
#[cfg(test)]
#[path = "../../api/src/lone.rs"]
mod lone;
mod metrics;
mod on_hold;
mod openapi;
mod people;
mod proposals;
mod proposed;
mod proven;
mod readmissions;
mod said;
#[cfg(test)]
mod tests;
mod transfers;
mod transit;
mod views;

pub use guard::Names;
pub use metrics::{MetricsFor, recorder};
pub use openapi::openapi_json;

use self::people::{Door, acts, in_person, may, operators, own, proofs, sign_in};
use ::people::Permission::{Act, Administer, Approve, Look};
use api::problem::{Problem, kind};
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::{Extension, Router};
use coordinator::Coordinator;
use feeds::Feeds;
use metrics_exporter_prometheus::PrometheusHandle;
pub use proposals::Approval;
use store::people::People;
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
    /// Who may look and act.
    pub people: People,
    /// What only admins may approve.
    pub approval: Approval,
    /// Who may read `/metrics`.
    pub metrics_for: MetricsFor,
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
    door: Door,
}

/// The routes that change nothing, with their description, and what each wants of whoever asks. Those without a line
/// of that answer anybody: a machine that watches is nobody, and the description is in every copy of the program.
fn looking(metrics_for: MetricsFor) -> OpenApiRouter<Ops> {
    let metrics = routes!(metrics::scrape);
    OpenApiRouter::new()
        .routes(may(Look, routes!(counters::list)))
        .routes(may(Look, routes!(counters::entries)))
        .routes(may(Look, routes!(counters::strangers)))
        .routes(may(Look, routes!(readmissions::show)))
        .routes(may(Look, routes!(events::follow)))
        .routes(may(Look, routes!(transfers::list)))
        .routes(may(Look, routes!(transfers::show)))
        .routes(may(Look, routes!(history::list)))
        .routes(may(Look, routes!(history::search)))
        .routes(may(Look, routes!(transit::show)))
        .routes(may(Look, routes!(views::list)))
        .routes(may(Look, routes!(proven::list)))
        .routes(may(Look, routes!(proposals::list)))
        .routes(may(Look, routes!(health::summary)))
        .routes(may(Look, routes!(alarms::list)))
        .routes(may(Look, routes!(operators::list)))
        .routes(may(Look, routes!(acts::list)))
        .routes(in_person(Look, routes!(proofs::sessions)))
        .routes(in_person(Look, routes!(proofs::tokens)))
        .routes(own(routes!(sign_in::who_am_i)))
        .routes(routes!(health::serves))
        .routes(routes!(health::ready))
        .routes(match metrics_for {
            MetricsFor::Anyone => metrics,
            MetricsFor::Viewer => may(Look, metrics),
        })
        .routes(routes!(openapi::serve))
}

/// The routes by which a person acts. Signing in is for those who are nobody yet.
fn acting() -> OpenApiRouter<Ops> {
    OpenApiRouter::new()
        .routes(routes!(sign_in::sign_in))
        .routes(own(routes!(sign_in::sign_out)))
        .routes(own(routes!(sign_in::change_password)))
        .routes(in_person(Look, routes!(proofs::end_session)))
        .routes(in_person(Look, routes!(proofs::end_token)))
        .routes(may(Look, routes!(views::save)))
        .routes(may(Look, routes!(views::delete)))
        .routes(may(Act, routes!(claims::claim)))
        .routes(may(Act, routes!(proposals::propose)))
        .routes(may(Act, routes!(proposals::withdraw)))
        .routes(may(Approve, routes!(proposals::approve)))
        .routes(may(Act, routes!(counters::reconnect)))
        .routes(may(Act, routes!(on_hold::hold)))
        .routes(may(Act, routes!(on_hold::drain)))
        .routes(may(Act, routes!(on_hold::release)))
        .routes(may(Act, routes!(on_hold::new_session)))
        .routes(may(Act, routes!(alarms::acknowledge)))
        .routes(may(Act, routes!(alarms::close)))
        .routes(may(Act, routes!(readmissions::propose)))
        .routes(may(Act, routes!(readmissions::withdraw)))
        .routes(may(Approve, routes!(readmissions::approve)))
        .routes(in_person(Administer, routes!(operators::add)))
        .routes(in_person(Administer, routes!(operators::alter)))
        .routes(in_person(Administer, routes!(operators::reset)))
        .routes(in_person(Look, routes!(proofs::add_token)))
}

/// All that is described.
pub(crate) fn described() -> OpenApiRouter<Ops> {
    looking(MetricsFor::default()).merge(acting())
}

/// The routes of the operators' listener: the API, and the pages that are made of it.
pub fn router(state: OpsState, pages: impl FnOnce(Router) -> Router) -> Router {
    let counters: Vec<_> =
        state.coordinator.counters().iter().map(|counter| counter.id()).collect();
    metrics::begin(&counters);
    let acting = acting()
        .split_for_parts()
        .0
        .route_layer(from_fn(guard::same_origin))
        .layer(DefaultBodyLimit::max(LONGEST_BODY));
    let (looking, _) = looking(state.metrics_for).split_for_parts();
    let door = Door::new(state.people.clone());
    let names = state.names.clone();
    let api = Router::new()
        .merge(looking)
        .merge(acting)
        .layer(Extension(door.clone()))
        .with_state(Ops { feeds: Feeds::new(state.feeds_per_address), door, state });
    Router::new()
        .merge(pages(api.clone()))
        .merge(api)
        .fallback(|| async { Problem::new(kind::NO_SUCH_PATH) })
        .method_not_allowed_fallback(|| async { Problem::new(kind::NO_SUCH_METHOD) })
        .layer(from_fn_with_state(names, guard::known_host))
        .layer(map_response(harden))
}

/// What a browser may do with any answer of this side: run and show what is ours, inside no other page's
/// frame, and keep no copy of how things stood. Headers and their values.
pub const RULES: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
         object-src 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // With none at all, a browser would not say that a form is ours.
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// The scheme by which somebody would be known: a 401 has to name one (RFC 9110, 11.6.1).
const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"counter-bridge operators\"");

async fn harden(mut response: Response) -> Response {
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
    }
    let headers = response.headers_mut();
    // A page that is carried away has a rule of its own, and may do less.
    let own = headers.remove(header::CONTENT_SECURITY_POLICY);
    for (name, value) in RULES {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Some(own) = own {
        headers.insert(header::CONTENT_SECURITY_POLICY, own);
    }
    response
}

/// Whole seconds between two times in microseconds; none if they are the wrong way round.
fn seconds_between(from: i64, to: i64) -> i64 {
    to.saturating_sub(from).max(0) / 1_000_000
}
