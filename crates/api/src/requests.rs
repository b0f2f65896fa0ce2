//! What the transfer API was asked, how it answered, and how long that took.

use crate::openapi::of_the_transfer_api;
use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use metrics::{counter, histogram};
use std::time::Instant;

/// The operations of the transfer API that are signed, as its description names them.
pub const OPERATIONS: &[&str] = &["balance", "create", "entries", "list", "show"];

/// Lets every status that an operation may be answered with begin with 0. The recorder is to be installed before.
pub fn begin() {
    for operation in OPERATIONS {
        let well: &[u16] = if *operation == "create" { &[201, 202] } else { &[200] };
        let refused = of_the_transfer_api(operation);
        let refused = refused.iter().map(|kind| kind.status.as_u16());
        for status in well.iter().copied().chain(refused) {
            let labels = [("operation", *operation), ("status", word(status))];
            counter!("api_requests_total", &labels).increment(0);
        }
    }
}

/// A request that is counted once it is answered.
pub(crate) struct Counted {
    operation: &'static str,
    began: Instant,
}

impl Counted {
    /// One whose head has come.
    pub(crate) fn of(request: &Request) -> Counted {
        let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let operation = operation(request.method(), path.unwrap_or_default());
        Counted { operation, began: Instant::now() }
    }

    /// It is answered so.
    pub(crate) fn answered(self, status: StatusCode) {
        let Counted { operation, began } = self;
        histogram!("api_request_seconds", "operation" => operation).record(began.elapsed());
        let status = word(status.as_u16());
        counter!("api_requests_total", "operation" => operation, "status" => status).increment(1);
    }
}

/// The operation of a route.
fn operation(method: &Method, path: &str) -> &'static str {
    match (method, path) {
        (&Method::POST, "/v1/transfers") => "create",
        (_, "/v1/transfers") => "list",
        (_, "/v1/transfers/{master_serial}") => "show",
        (_, "/v1/counters/{counter}/accounts/{account}/balance") => "balance",
        (_, "/v1/counters/{counter}/accounts/{account}/entries") => "entries",
        _ => "other",
    }
}

/// A status as a label, without an allocation.
fn word(status: u16) -> &'static str {
    match status {
        200 => "200",
        201 => "201",
        202 => "202",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        409 => "409",
        413 => "413",
        422 => "422",
        429 => "429",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Every operation and every status that the description knows has a word of its own.
    #[test]
    fn what_is_described_is_counted_by_its_name() {
        let document: Value = serde_json::from_str(crate::openapi_json()).expect("JSON");
        let mut counted = Vec::new();
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for (method, described) in operations.as_object().expect("operations") {
                if described["security"].is_array() {
                    continue;
                }
                let method: Method = method.to_ascii_uppercase().parse().expect("a method");
                let name = operation(&method, path);
                assert_eq!(described["operationId"], name, "{method} {path}");
                counted.push(name);
                for status in described["responses"].as_object().expect("responses").keys() {
                    assert_eq!(word(status.parse().expect("a number")), status, "{path}");
                }
            }
        }
        counted.sort_unstable();
        assert_eq!(counted, OPERATIONS);
        assert_eq!((operation(&Method::GET, ""), word(418)), ("other", "other"));
    }
}
