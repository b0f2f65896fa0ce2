//! The description of the transfer API (`OpenAPI` 3.1), made from its handlers, of which one serves it.

use crate::openapi::{Answers, Known, Rules, of_the_transfer_api, written};
use crate::problem::Problem;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use serde_json::json;
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

/// Of the transfer API.
const TRANSFER_API: Rules = Rules {
    refusals: of_the_transfer_api,
    headers: &["Cache-Control", "X-Content-Type-Options"],
    known: Known::BySignature,
    answers: |_, tag| if tag == "bridge" { Answers::Anybody } else { Answers::Known },
};

/// The description of the transfer API, indented, with a line feed at its end; the same each time.
pub fn openapi_json() -> &'static str {
    static WRITTEN: LazyLock<String> = LazyLock::new(transfer_api);
    &WRITTEN
}

fn transfer_api() -> String {
    let mut document = Transfers::openapi();
    document.merge(super::described().split_for_parts().1);
    document.merge(super::unsigned().split_for_parts().1);
    written(json!(document), &TRANSFER_API)
}

/// This description.
///
/// The bridge writes the same with `counter-bridge openapi`.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "bridge", operation_id = "description",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value))
)]
pub(super) async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], openapi_json())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_committed_description_is_true() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, openapi_json()).expect("docs/ is writable");
        }
        let then = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            then == openapi_json(),
            "docs/openapi.json is stale: UPDATE_OPENAPI=1 cargo test -p api --lib openapi"
        );
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
