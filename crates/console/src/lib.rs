//! The operators' house for people: pages, rendered here, of what the operators' API says. Whoever asks for one asks
//! the API through it, in this process and with the same cookie: what one may see and do, and what an act leads to, is
//! decided there (`asking`). A form does what the API does with the same words, and shows what came of it (`doing`).
//!
//! Every view has an address that can be sent to a colleague, and works without a script; the one script there is
//! (`live.js`) asks for the same page again when the bridge says that something has happened.
//!
//! Reading order: `asking` is whose page it is, `json` what the API answers; `frame` is what stands around every page,
//! `view` the pages; `doing` what forms do, `once` which of them are sent once; `door` how one comes in; `words` are the languages, `show` and `filters` how
//! numbers and times are written.

mod asking;
mod assets;
mod doing;
mod door;
mod filters;
mod frame;
mod json;
mod live;
mod once;
mod show;
mod view;
mod words;

use asking::Api;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use std::sync::Arc;

/// The longest form, in bytes: a decision with its note, escaped.
const LONGEST_FORM: usize = 32 * 1024;

/// The pages over these routes of the operators' API.
///
/// ```
/// use axum::body::Body;
/// use axum::http::{Request, StatusCode};
/// use axum::routing::get;
/// use axum::{Json, Router};
/// use serde_json::json;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // Whoever is nobody there is sent to the door, and led back from it.
/// let nobody = || async {
///     (StatusCode::UNAUTHORIZED, Json(json!({ "type": "/errors/not_signed_in" })))
/// };
/// let api = Router::new().route("/ops/v1/session", get(nobody));
/// let asked = Request::get("/transit").body(Body::empty()).expect("a request");
/// let answered = console::pages(api).oneshot(asked).await.expect("an answer");
/// assert_eq!(answered.headers()["location"], "/sign-in?to=%2Ftransit");
/// # }
/// ```
pub fn pages(api: Router) -> Router {
    over(Api { routes: api, once: Arc::default() })
}

fn over(api: Api) -> Router {
    let forms = Router::new()
        .route("/sign-in", post(door::sign_in))
        .route("/sign-out", post(door::sign_out))
        .route("/password", post(door::change_password))
        .route("/language", post(door::language))
        .route("/transfers/{serial}/claim", post(doing::claim))
        .route("/transfers/{serial}/proposal", post(doing::propose))
        .route("/transfers/{serial}/{word}", post(doing::on_proposal))
        .route("/connections/{counter}/readmission", post(doing::propose_readmission))
        .route("/connections/{counter}/readmission/{word}", post(doing::on_readmission))
        .route("/connections/{counter}/{act}", post(doing::about_a_counter))
        .route("/alarms/{number}/{act}", post(doing::about_an_alarm))
        .route("/saved-views", post(doing::save_view))
        .route("/saved-views/{id}/delete", post(doing::delete_view))
        .route("/people", post(doing::add_person))
        .route("/people/{name}", post(doing::change_role))
        .route("/people/{name}/reset", post(doing::reset))
        .route("/people/{name}/disabled", post(doing::disable))
        .route("/people/{name}/enabled", post(doing::enable))
        .route("/people/{name}/tokens", post(doing::add_token))
        .route("/people/{name}/sessions/{id}/end", post(doing::end_session))
        .route("/people/{name}/tokens/{id}/end", post(doing::end_token))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .route_layer(from_fn_with_state(api.clone(), door::of_our_pages));
    Router::new()
        .route("/", get(view::overview::show))
        .route("/connections", get(view::connections::all))
        .route("/connections/{counter}", get(view::connections::one))
        .route("/transit", get(view::transit::show))
        .route("/transfers", get(view::transfers::list))
        .route("/transfers/{serial}", get(view::transfers::one))
        .route("/transfers/{serial}/evidence.html", get(view::transfers::evidence))
        .route("/alarms", get(view::alarms::all))
        .route("/alarms/{number}", get(view::alarms::one))
        .route("/people", get(view::people::all))
        .route("/people/{name}", get(view::people::one))
        .route("/acts", get(view::people::acts))
        .route("/sign-in", get(door::show))
        .route("/password", get(door::show_change))
        .route("/events", get(live::follow))
        .route("/live.js", get(assets::live))
        .route("/page.css", get(assets::style))
        .route("/icon.svg", get(assets::icon))
        .merge(forms)
        .with_state(api)
}

#[cfg(test)]
mod tests;
