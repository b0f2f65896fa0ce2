//! What a refused caller is told: problem details (RFC 9457).

pub mod kind;
#[cfg(test)]
mod pages;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
pub use kind::Kind;
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Members that the standard defines; extensions cannot take their names.
const STANDARD: [&str; 5] = ["type", "title", "status", "detail", "instance"];

/// One problem document. Its `type` is `/errors/{slug}`, relative to the listener, and its page is
/// `docs/errors/{slug}.md`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    kind: Kind,
    detail: Option<String>,
    members: Map<String, Value>,
    retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem of a kind.
    pub fn new(kind: Kind) -> Problem {
        Problem { kind, detail: None, members: Map::new(), retry_after_s: None }
    }

    /// The bridge is not up yet; `waits_for` is told to operators only.
    pub fn starting(waits_for: Option<&str>) -> Problem {
        let detail = match waits_for {
            Some(what) => format!("the bridge waits for its database: {what}"),
            None => "the bridge waits for its database; nothing was begun".to_owned(),
        };
        Problem::new(kind::STARTING).detail(detail).retry_after(5)
    }

    /// A request for another host reached the operators' side.
    pub fn foreign_host() -> Problem {
        let detail = "use the listener's IP address or localhost; another name has to be among the \
                      names of [operators] in the configuration";
        Problem::new(kind::FOREIGN_HOST).detail(detail.to_owned())
    }

    /// What is special about this occurrence, and what to do. No secret may be in it.
    #[must_use]
    pub fn detail(mut self, detail: String) -> Problem {
        self.detail = Some(detail);
        self
    }

    /// An extension member, for programs. The standard's own members keep their values.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Problem {
        if !STANDARD.contains(&name) {
            self.members.insert(name.to_owned(), value);
        }
        self
    }

    /// When it is worth asking again, in seconds from now: the `Retry-After` header.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.kind.status
    }

    /// The last part of its `type`.
    pub fn slug(&self) -> &'static str {
        self.kind.slug
    }

    /// The document.
    pub fn document(&self) -> Value {
        let mut document = Map::new();
        document.insert("type".to_owned(), format!("/errors/{}", self.kind.slug).into());
        document.insert("title".to_owned(), self.kind.title.into());
        document.insert("status".to_owned(), self.kind.status.as_u16().into());
        if let Some(detail) = &self.detail {
            document.insert("detail".to_owned(), detail.as_str().into());
        }
        document.extend(self.members.clone());
        Value::Object(document)
    }
}

/// Why something was not done (RFC 9457). Which of the members after `detail` a kind has, its page in
/// `docs/errors/` says.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is used")]
struct Document {
    /// What kind of problem it is: `/errors/` and a word that never changes.
    #[schema(example = "/errors/counter_unavailable")]
    r#type: String,
    /// What kind of problem it is, for people: the same for every problem of the kind.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 503)]
    status: u16,
    /// What is special about this occurrence; for people.
    #[schema(nullable = false)]
    detail: Option<String>,
    /// Serial of the transfer that it is about: 19 digits.
    #[schema(pattern = "^[0-9]{19}$", nullable = false)]
    master_serial: Option<String>,
    /// Name of the counter that it is about.
    #[schema(nullable = false)]
    counter: Option<String>,
    /// What of the request cannot be used: the name of a member, as `from.counter`, or of a
    /// parameter.
    #[schema(nullable = false)]
    field: Option<String>,
    /// The counter's answer code, three digits.
    #[schema(minimum = 100, maximum = 999, nullable = false)]
    code: Option<u16>,
    /// The leg whose proof stands against the decision: `debit`, `credit` or `reversal`.
    #[schema(nullable = false)]
    leg: Option<String>,
    /// The highest of the bridge's sequences that the counter has seen, 1 to 99,999,999,999.
    #[schema(nullable = false)]
    seen: Option<u64>,
    /// Name of the operator who has claimed the transfer, or has proposed something for it.
    #[schema(nullable = false)]
    who: Option<String>,
    /// What is proposed already, by its id.
    #[schema(pattern = "^[0-9a-f]{32}$", nullable = false)]
    proposal: Option<String>,
    /// What a proposal is to name as what was seen, now.
    #[schema(pattern = "^[0-9a-f]{32}$", nullable = false)]
    version: Option<String>,
    /// When that claim ends, if it is not said again: RFC 3339, UTC.
    #[schema(nullable = false)]
    until: Option<String>,
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Document::schema()
    }
}

impl ToSchema for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.document().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::AuthError;
    use serde_json::json;

    #[tokio::test]
    async fn a_problem_is_a_document_with_its_own_media_type() {
        let problem = Problem::new(kind::IN_PROGRESS)
            .detail("transfer 2026112100000000042 is still in progress".to_owned())
            .with("master_serial", "2026112100000000042".into())
            .with("status", 200.into())
            .retry_after(2);
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.expect("a body");
        let document: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(
            document,
            json!({
                "type": "/errors/in_progress",
                "title": "The transfer with this key is in progress",
                "status": 409,
                "detail": "transfer 2026112100000000042 is still in progress",
                "master_serial": "2026112100000000042",
            })
        );
    }

    #[test]
    fn a_request_that_is_not_let_in_is_a_problem() {
        let problem = Problem::from(&AuthError::NonceMemoryFull { retry_after_s: 7 });
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(problem.slug(), "nonce_memory_full");
        assert_eq!(problem.into_response().headers()[header::RETRY_AFTER], "7");
    }
}
