//! The description of the transfer API (`OpenAPI` 3.1), made from the handlers themselves.

use crate::router::described;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use utoipa::OpenApi;

const ABOUT: &str = "\
Moves money between two counters, exactly once.\n\n\
Every request is signed with HTTP Message Signatures (RFC 9421), `ed25519` or `hmac-sha256`, \
covering `@method`, `@target-uri` (or `@path` and `@query`) and, where there is a body, \
`content-digest` (RFC 9530) and `idempotency-key`; parameters `created`, `expires`, `nonce` and \
`keyid`. Amounts are integers in minor units. A retry is signed anew under the same \
`Idempotency-Key`: the same key is the same transfer. Refusals are problem documents (RFC 9457).";

#[derive(OpenApi)]
#[openapi(
    info(title = "counter-bridge transfer API", version = "1", description = ABOUT),
    tags(
        (name = "transfers", description = "Moving money"),
        (name = "accounts", description = "What counters say of accounts"),
    )
)]
struct Described;

/// The document, indented, with a line feed at its end; the same each time.
pub fn openapi_json() -> String {
    let mut document = Described::openapi();
    document.merge(described().split_for_parts().1);
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

pub(crate) async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], openapi_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_description_is_true() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let now = openapi_json();
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &now).expect("docs/ is writable");
        }
        let then = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            then == now,
            "docs/openapi.json is stale: UPDATE_OPENAPI=1 cargo test -p api openapi"
        );
        assert!(now.contains("\"openapi\": \"3.1"), "{}", &now[..60]);
    }
}
