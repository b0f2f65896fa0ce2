//! The description of the operators' side (`OpenAPI` 3.1), made from its handlers in the same way as that of
//! the transfer API ([`api::openapi`]).

mod refusals;

use crate::described::{Lagged, LinkEvent, TransferEvent};
use api::openapi::{Answers, Known, Rules, written};
use api::problem::Problem;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use serde_json::json;
use std::sync::LazyLock;
use utoipa::OpenApi;

const ABOUT: &str = "\
What operators and machines that watch look at, and what a person decides.\n\n\
It has a listener of its own, on loopback unless configured otherwise. Whoever looks or acts is known: a person \
by the cookie of a session, a program by an operator's token (`Authorization: Bearer`). Each has a role, and each may \
what those before it may: `viewer` looks, `operator` acts, `approver` approves, `admin` makes operators. A request has to name the listener's address, `localhost` or one of the configured names in `Host`. \
Times are in RFC 3339 where they are texts, and microseconds since 1970 UTC where they are integers; \
amounts are integers in minor units. Refusals are problem documents (RFC 9457).";

#[derive(OpenApi)]
#[openapi(
    info(title = "counter-bridge, operators' side", version = "1", description = ABOUT),
    components(schemas(Problem, LinkEvent, TransferEvent, Lagged)),
    tags(
        (name = "counters", description = "Connections to counters"),
        (name = "transfers", description = "Open transfers, and what a person decides about them"),
        (name = "alarms", description = "What somebody has to look into"),
        (name = "people", description = "Operators, their sessions and tokens, and what they did"),
        (name = "bridge", description = "The bridge as a whole; for machines too"),
    )
)]
struct Operators;

/// Whom an operation answers.
fn answers(id: &str) -> Answers {
    match id {
        "healthz" | "readyz" | "description" | "sign_in" => Answers::Anybody,
        "metrics" => Answers::AsConfigured,
        _ => Answers::Known,
    }
}

/// Of the operators' side.
const OPERATORS_SIDE: Rules = Rules {
    refusals: refusals::of_the_operators_side,
    headers: &[
        "Cache-Control",
        "Content-Security-Policy",
        "Referrer-Policy",
        "X-Content-Type-Options",
        "X-Frame-Options",
    ],
    known: Known::BySessionOrToken,
    answers: |id, _| answers(id),
};

/// The description of the operators' side, indented, with a line feed at its end; the same each time.
pub fn openapi_json() -> &'static str {
    static WRITTEN: LazyLock<String> = LazyLock::new(operators_side);
    &WRITTEN
}

fn operators_side() -> String {
    let mut document = Operators::openapi();
    document.merge(crate::described().split_for_parts().1);
    written(json!(document), &OPERATORS_SIDE)
}

/// The description of this side.
///
/// The bridge writes the same with `counter-bridge openapi --operators`.
#[utoipa::path(
    get, path = "/ops/v1/openapi.json", tag = "bridge", operation_id = "description",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value))
)]
pub(crate) async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], openapi_json())
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::problem::kind;
    use std::collections::BTreeSet;

    #[test]
    fn the_committed_description_is_true() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi-operators.json");
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, openapi_json()).expect("docs/ is writable");
        }
        let then = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            then == openapi_json(),
            "docs/openapi-operators.json is stale: UPDATE_OPENAPI=1 cargo test -p ops --lib openapi"
        );
    }

    /// The kinds of problems of a document.
    fn kinds(document: &str) -> BTreeSet<String> {
        document
            .match_indices("\"/errors/")
            .filter_map(|(at, start)| document[at + start.len()..].split('"').next())
            .map(str::to_owned)
            .collect()
    }

    /// By one of the two sides, or by both.
    #[test]
    fn every_kind_of_problem_is_described_somewhere() {
        let mut described = kinds(api::openapi_json());
        described.extend(kinds(openapi_json()));
        for (_, kind) in kind::ALL {
            let is_everywhere = [kind::NO_SUCH_PATH, kind::NO_SUCH_METHOD].contains(kind);
            assert!(is_everywhere || described.contains(kind.slug), "{}", kind.slug);
        }
    }
}
