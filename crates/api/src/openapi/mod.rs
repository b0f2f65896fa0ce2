//! The descriptions of the transfer API and of the operators' side (`OpenAPI` 3.1), made from the handlers
//! themselves: each says what it answers when all is well, `refusals` what else, and `complete` adds
//! what holds for all. Tests hold every answer that they see against them.

mod complete;
mod refusals;

use crate::ops::{Lagged, LinkEvent, TransferEvent};
use crate::problem::Problem;
use crate::{ops, router};
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use complete::Rules;
pub(crate) use refusals::{OF_SIGNED, of_the_transfer_api};
use serde_json::{Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;

const ABOUT: &str = "\
Moves money between two accounts, as a rule at two counters, exactly once.\n\n\
Every request is signed with HTTP Message Signatures (RFC 9421), `ed25519` or `hmac-sha256`, \
covering `@method`, `@target-uri` (or `@path` and `@query`) and, where there is a body, \
`content-digest` (RFC 9530) and `idempotency-key`; parameters `created`, `expires`, `nonce` and \
`keyid`. Amounts are integers in minor units. A retry is signed anew under the same \
`Idempotency-Key`: the same key is the same transfer. Refusals are problem documents (RFC 9457); \
their `type` is for programs, and names a page of the documents. A path or a method that is not \
described here is answered with 404 `/errors/no_such_path` or 405 `/errors/no_such_method` (HEAD as GET is, without its body), a head that \
is no HTTP with 400, 414 or 431 and no body.";

const ABOUT_OPERATORS: &str = "\
What operators and machines that watch look at, and what a person decides.\n\n\
It has a listener of its own, on loopback unless configured otherwise: whoever reaches it may read and \
act. A request has to name the listener's address, `localhost` or one of the configured names in `Host`. \
Times are in RFC 3339 where they are texts, and microseconds since 1970 UTC where they are integers; \
amounts are integers in minor units. Refusals are problem documents (RFC 9457).";

#[derive(OpenApi)]
#[openapi(
    info(title = "counter-bridge transfer API", version = "1", description = ABOUT),
    components(schemas(Problem)),
    tags(
        (name = "transfers", description = "Moving money"),
        (name = "accounts", description = "What counters say of accounts"),
        (name = "bridge", description = "The bridge itself; unsigned"),
    )
)]
struct Transfers;

#[derive(OpenApi)]
#[openapi(
    info(title = "counter-bridge, operators' side", version = "1", description = ABOUT_OPERATORS),
    components(schemas(Problem, LinkEvent, TransferEvent, Lagged)),
    tags(
        (name = "counters", description = "Connections to counters"),
        (name = "transfers", description = "Open transfers, and what a person decides about them"),
        (name = "bridge", description = "The bridge as a whole; for machines too"),
    )
)]
struct Operators;

/// Of the transfer API.
const TRANSFER_API: Rules = Rules {
    refusals: refusals::of_the_transfer_api,
    headers: &["Cache-Control", "X-Content-Type-Options"],
    signed: true,
};

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
    signed: false,
};

/// The description of the transfer API, indented, with a line feed at its end; the same each time.
pub fn openapi_json() -> &'static str {
    static WRITTEN: LazyLock<String> = LazyLock::new(transfer_api);
    &WRITTEN
}

fn transfer_api() -> String {
    let mut document = Transfers::openapi();
    document.merge(router::described().split_for_parts().1);
    document.merge(router::unsigned().split_for_parts().1);
    written(json!(document), &TRANSFER_API)
}

/// The description of the operators' side, in the same way.
pub fn operators_openapi_json() -> &'static str {
    static WRITTEN: LazyLock<String> = LazyLock::new(operators_side);
    &WRITTEN
}

fn operators_side() -> String {
    let mut document = Operators::openapi();
    document.merge(ops::described().split_for_parts().1);
    written(json!(document), &OPERATORS_SIDE)
}

fn written(mut document: Value, rules: &Rules) -> String {
    complete::complete(&mut document, rules);
    // Plain data; there is nothing in it that JSON cannot say.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// This description.
///
/// The bridge writes the same with `counter-bridge openapi`.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "bridge", operation_id = "description",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value))
)]
pub(crate) async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], openapi_json())
}

/// The description of this side.
///
/// The bridge writes the same with `counter-bridge openapi --operators`.
#[utoipa::path(
    get, path = "/ops/v1/openapi.json", tag = "bridge", operation_id = "description",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value))
)]
pub(crate) async fn serve_operators() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        operators_openapi_json(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::kind;
    use std::collections::BTreeSet;

    fn check(name: &str, now: &str) {
        let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(&path, now).expect("docs/ is writable");
        }
        let then = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            then == now,
            "docs/{name} is stale: UPDATE_OPENAPI=1 cargo test -p api --lib openapi"
        );
    }

    #[test]
    fn the_committed_descriptions_are_true() {
        check("openapi.json", openapi_json());
        check("openapi-operators.json", operators_openapi_json());
    }

    /// The kinds of problems of a document.
    fn kinds(document: &str) -> BTreeSet<String> {
        document
            .match_indices("\"/errors/")
            .filter_map(|(at, start)| document[at + start.len()..].split('"').next())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_kind_of_problem_is_described_somewhere() {
        let mut described = kinds(openapi_json());
        described.extend(kinds(operators_openapi_json()));
        for (_, kind) in kind::ALL {
            let is_everywhere = [kind::NO_SUCH_PATH, kind::NO_SUCH_METHOD].contains(kind);
            assert!(is_everywhere || described.contains(kind.slug), "{}", kind.slug);
        }
    }

    #[test]
    fn an_operation_has_all_that_holds_for_all() {
        let document: Value = serde_json::from_str(openapi_json()).expect("JSON");
        let begin = &document["paths"]["/v1/transfers"]["post"];
        for status in ["400", "401", "403", "409", "413", "422", "429", "500", "503"] {
            let response = &begin["responses"][status];
            assert!(response["content"]["application/problem+json"].is_object(), "{status}");
            assert!(response["headers"]["Cache-Control"].is_object(), "{status}");
        }
        let kinds = |status: &str| {
            begin["responses"][status]["content"]["application/problem+json"]["schema"]
                ["properties"]["type"]["enum"]
                .clone()
        };
        assert_eq!(kinds("409"), json!(["/errors/in_progress"]));
        assert!(begin["responses"]["401"]["headers"]["WWW-Authenticate"].is_object());
        assert!(begin["responses"]["429"]["headers"]["Retry-After"].is_object());
        assert!(begin["responses"]["400"]["headers"]["Retry-After"].is_null());
        assert_eq!(document["paths"]["/healthz"]["get"]["security"], json!([]));
        assert!(begin["security"].is_null(), "as the whole document");
        assert_eq!(document["security"], json!([{ "signature": [], "signature_input": [] }]));
    }
}
