//! Holds what an API answers against its `OpenAPI` description. For tests: every answer that one sees is
//! described, with its status, its headers and all that its body says; a member that the description
//! does not know is as wrong as one that is missing.
//!
//! ```
//! use described::{Answer, Description};
//! use http::{HeaderMap, HeaderValue, Method, StatusCode};
//!
//! let description = Description::new(
//!     r#"{ "info": { "title": "Shop" }, "paths": { "/orders/{id}": { "get": {
//!         "operationId": "order",
//!         "responses": { "200": { "content": { "application/json": { "schema": {
//!             "type": "object",
//!             "required": ["id"],
//!             "properties": { "id": { "type": "string", "pattern": "^[0-9]+$" } }
//!         } } } } }
//!     } } } }"#,
//! );
//! let mut headers = HeaderMap::new();
//! headers.insert("content-type", HeaderValue::from_static("application/json"));
//! let differences = |body: &str| {
//!     let (method, target, body) = (&Method::GET, "/orders/7", body.as_bytes());
//!     let answer = Answer { method, target, status: StatusCode::OK, headers: &headers, body };
//!     description.differences(&answer)
//! };
//! assert!(differences(r#"{ "id": "7" }"#).is_empty());
//! assert_eq!(differences(r#"{ "id": "seven" }"#).len(), 1);
//! assert_eq!(differences(r#"{ "id": "7", "price": 3 }"#).len(), 1, "nobody knows that member");
//! ```

use http::{HeaderMap, Method, StatusCode, header};
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Headers of the connection, not of the answer; of every answer; or, as `Content-Type`, described by
/// the content itself.
const OF_NO_DESCRIPTION: [header::HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::DATE,
    header::TRANSFER_ENCODING,
];

/// What an answer to a path or a method that is not described says it is.
const NOTHING_THERE: [&str; 2] = ["/errors/no_such_path", "/errors/no_such_method"];

/// Media types of pages, which no description speaks of.
const PAGES: [&str; 4] = ["text/html", "text/javascript", "text/css", "image/svg+xml"];

/// One answer, and to what.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's target: its path, and perhaps a query.
    pub target: &'a str,
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's headers.
    pub headers: &'a HeaderMap,
    /// The answer's body, whole; nothing of one that never ends.
    pub body: &'a [u8],
}

/// A status of an operation: what a test may have seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The operation's id.
    pub operation: String,
    /// The status.
    pub status: u16,
}

/// A description, ready for answers to be held against it.
pub struct Description {
    document: Value,
    /// By the operation's place in the document, the status and the media type.
    bodies: BTreeMap<[String; 4], OnceLock<Validator>>,
    seen: Mutex<BTreeSet<Seen>>,
}

impl std::fmt::Debug for Description {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Description")
            .field("title", &self.document["info"]["title"])
            .finish_non_exhaustive()
    }
}

impl Description {
    /// Reads a document.
    ///
    /// # Panics
    ///
    /// If it is no JSON, or nothing is described in it.
    pub fn new(document: &str) -> Description {
        let mut document: Value = serde_json::from_str(document).expect("a description is JSON");
        let mut bodies = BTreeMap::new();
        for (path, operations) in document["paths"].as_object().expect("paths are described") {
            for (method, operation) in operations.as_object().into_iter().flatten() {
                for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                    for media in response["content"].as_object().into_iter().flat_map(Map::keys) {
                        let place = [path, method, status, media].map(String::clone);
                        bodies.insert(place, OnceLock::new());
                    }
                }
            }
        }
        assert!(!bodies.is_empty(), "nothing is described");
        for schema in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
            close_below(schema.1);
        }
        Description { document, bodies, seen: Mutex::default() }
    }

    /// Every status of every operation that is described.
    pub fn statuses(&self) -> BTreeSet<Seen> {
        let operations = self.document["paths"].as_object().into_iter().flatten();
        let operations = operations.flat_map(|(_, path)| path.as_object().into_iter().flatten());
        let statuses = operations.flat_map(|(_, operation)| {
            let responses = operation["responses"].as_object().into_iter().flatten();
            responses.map(|(status, _)| Seen {
                operation: id(operation),
                status: status.parse().expect("a status is a number"),
            })
        });
        statuses.collect()
    }

    /// What was seen, and is described.
    pub fn seen(&self) -> BTreeSet<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What of an answer is not as it is described, in words; nothing if all is.
    pub fn differences(&self, answer: &Answer<'_>) -> Vec<String> {
        let path = answer.target.split(['?', '#']).next().unwrap_or_default();
        let method = answer.method.as_str().to_ascii_lowercase();
        let described =
            self.document["paths"].as_object().into_iter().flatten().find(
                |(template, operations)| fits(template, path) && operations[&method].is_object(),
            );
        let Some((template, operations)) = described else {
            return undescribed(answer).into_iter().collect();
        };
        let operation = &operations[&method];
        let status = answer.status.as_u16().to_string();
        let response = &operation["responses"][&status];
        if !response.is_object() {
            return vec![format!("{}: the status {status} is not described", id(operation))];
        }
        let headers = undescribed_headers(response, answer.headers);
        let headers = headers.map(|name| format!("the header {name} is not described"));
        let missing = self.missing_headers(response, answer.headers);
        let missing = missing.map(|name| format!("the header {name} is missing"));
        let body = self.body(template, &method, &status, answer);
        let differences: Vec<String> = headers
            .chain(missing)
            .chain(body)
            .map(|what| format!("{} {status}: {what}", id(operation)))
            .collect();
        if differences.is_empty() {
            let seen = Seen { operation: id(operation), status: answer.status.as_u16() };
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(seen);
        }
        differences
    }

    /// The headers that are always there, and are not.
    fn missing_headers<'a>(
        &'a self,
        response: &'a Value,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = &'a str> {
        let described = response["headers"].as_object().into_iter().flatten();
        described
            .filter(|(name, described)| {
                let pointer = described["$ref"].as_str().map(|at| at.trim_start_matches('#'));
                let whole = pointer.and_then(|at| self.document.pointer(at)).unwrap_or(described);
                whole["required"] == true && !headers.contains_key(name.as_str())
            })
            .map(|(name, _)| name.as_str())
    }

    /// Whether the path is one of those that are described.
    pub fn has(&self, path: &str) -> bool {
        let mut paths = self.document["paths"].as_object().into_iter().flat_map(Map::keys);
        paths.any(|template| fits(template, path))
    }

    /// Whether an answer of this status is described with a body.
    fn has_body(&self, template: &str, method: &str, status: &str) -> bool {
        let described = &self.document["paths"][template][method]["responses"][status]["content"];
        described.as_object().is_some_and(|content| !content.is_empty())
    }

    fn body(&self, template: &str, method: &str, status: &str, answer: &Answer<'_>) -> Vec<String> {
        let media = media_type(answer.headers);
        // An answer that is to have no body has none, and says nothing of it.
        let has_none = answer.body.is_empty() && media.is_empty();
        if has_none && !self.has_body(template, method, status) {
            return Vec::new();
        }
        let place = [template, method, status, &media].map(str::to_owned);
        let Some(validator) = self.bodies.get(&place) else {
            return vec![format!("the media type {media:?} is not described")];
        };
        if !media.ends_with("json") {
            return Vec::new();
        }
        let Ok(body) = serde_json::from_slice::<Value>(answer.body) else {
            return vec!["the body is no JSON".to_owned()];
        };
        let validator = validator.get_or_init(|| self.validator(&place));
        validator
            .iter_errors(&body)
            .map(|error| format!("the body, at {}: {error}", error.instance_path()))
            .collect()
    }

    fn validator(&self, [path, method, status, media]: &[String; 4]) -> Validator {
        let content = &self.document["paths"][path][method]["responses"][status]["content"][media];
        let mut schema = content["schema"].clone();
        close(&mut schema);
        schema["components"] = self.document["components"].clone();
        jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap_or_else(|error| panic!("{method} {path} {status}: no schema: {error}"))
    }
}

/// An operation's id.
fn id(operation: &Value) -> String {
    operation["operationId"].as_str().unwrap_or("an operation without an id").to_owned()
}

/// Whether a path is one of those that a template stands for.
fn fits(template: &str, path: &str) -> bool {
    let (mut ours, mut theirs) = (template.split('/'), path.split('/'));
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return true,
            (Some(ours), Some(theirs)) if ours == theirs => {}
            (Some(ours), Some(theirs)) if ours.starts_with('{') && !theirs.is_empty() => {}
            _ => return false,
        }
    }
}

/// What is wrong with an answer to what is not described: it says that there is nothing, or is a page, or leads to one.
fn undescribed(answer: &Answer<'_>) -> Option<String> {
    let body: Value = serde_json::from_slice(answer.body).unwrap_or_default();
    let says_so = body["type"].as_str().is_some_and(|kind| NOTHING_THERE.contains(&kind));
    let is_page = PAGES.contains(&media_type(answer.headers).as_str());
    let Answer { method, target, status, headers, .. } = answer;
    let there = headers.get(header::LOCATION).and_then(|there| there.to_str().ok());
    let leads_on = *status == StatusCode::SEE_OTHER && there.is_some_and(|to| to.starts_with('/'));
    (!says_so && !is_page && !leads_on)
        .then(|| format!("{method} {target} is not described ({status})"))
}

/// The media type, without its parameters.
fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = text.and_then(|text| text.split(';').next()).unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn undescribed_headers<'a>(
    response: &'a Value,
    headers: &'a HeaderMap,
) -> impl Iterator<Item = &'a str> {
    let described = |name: &header::HeaderName| {
        let names = response["headers"].as_object().into_iter().flat_map(Map::keys);
        names.into_iter().any(|described| described.eq_ignore_ascii_case(name.as_str()))
    };
    headers
        .keys()
        .filter(move |name| !OF_NO_DESCRIPTION.contains(name) && !described(name))
        .map(header::HeaderName::as_str)
}

/// Lets a schema take no member that it does not name. What is put together from several parts names
/// those of all of them, so its parts stay open.
fn close(schema: &mut Value) {
    let is_of_objects =
        ["$ref", "allOf", "properties"].iter().any(|word| schema.get(word).is_some());
    if is_of_objects && schema.get("additionalProperties").is_none() {
        schema["unevaluatedProperties"] = json!(false);
    }
    close_below(schema);
}

/// The same for the schemas in a schema, which itself stays open.
fn close_below(schema: &mut Value) {
    for part in list(schema, "allOf") {
        close_below(part);
    }
    for choice in ["oneOf", "anyOf"] {
        for part in list(schema, choice) {
            close(part);
        }
    }
    for part in ["items", "additionalProperties"] {
        if let Some(part) = schema.get_mut(part).filter(|part| part.is_object()) {
            close(part);
        }
    }
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (_, property) in properties.into_iter().flatten() {
        close(property);
    }
}

fn list<'a>(schema: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    schema.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn description() -> Description {
        let document = json!({
            "info": { "title": "Shop" },
            "paths": {
                "/orders/{id}": { "get": {
                    "operationId": "order",
                    "responses": {
                        "200": {
                            "headers": {
                                "Cache-Control": {},
                                "ETag": { "$ref": "#/components/headers/ETag" },
                            },
                            "content": { "application/json": {
                                "schema": { "$ref": "#/components/schemas/Order" },
                            }},
                        },
                        "404": { "content": { "application/problem+json": { "schema": {
                            "allOf": [{ "$ref": "#/components/schemas/Problem" }],
                            "properties": { "type": { "enum": ["/errors/no_such_order"] } },
                        }}}},
                    },
                }},
                "/metrics": { "get": {
                    "operationId": "metrics",
                    "responses": { "200": { "content": { "text/plain": {} } } },
                }},
                "/nothing": { "get": {
                    "operationId": "nothing",
                    "responses": { "204": { "description": "It is gone" } },
                }},
            },
            "components": { "headers": { "ETag": { "required": true } }, "schemas": {
                "Order": {
                    "type": "object",
                    "required": ["id", "lines"],
                    "properties": {
                        "id": { "type": "string", "pattern": "^[0-9]+$" },
                        "lines": { "type": "array", "items": { "allOf": [
                            { "$ref": "#/components/schemas/Line" },
                            { "type": "object", "properties": { "note": { "type": "string" } } },
                        ]}},
                        "at": { "type": "string", "format": "date-time" },
                    },
                },
                "Line": {
                    "type": "object",
                    "required": ["what"],
                    "properties": { "what": { "type": "string" } },
                },
                "Problem": {
                    "type": "object",
                    "required": ["type"],
                    "properties": { "type": { "type": "string" }, "detail": { "type": "string" } },
                },
            }},
        });
        Description::new(&document.to_string())
    }

    #[track_caller]
    fn check(target: &str, status: u16, headers: &[(&str, &str)], body: &str, expected: &[&str]) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: header::HeaderName = name.parse().expect("a name");
            map.insert(name, value.parse().expect("a value"));
        }
        let answer = Answer {
            method: &Method::GET,
            target,
            status: StatusCode::from_u16(status).expect("a status"),
            headers: &map,
            body: body.as_bytes(),
        };
        let description = description();
        let differences = description.differences(&answer);
        assert_eq!(differences.len(), expected.len(), "{differences:?}");
        for (difference, expected) in differences.iter().zip(expected) {
            assert!(difference.contains(expected), "{difference}");
        }
        let seen = description.seen();
        let is_described =
            differences.is_empty() && NOTHING_THERE.iter().all(|no| !body.contains(no));
        assert_eq!(seen.len(), usize::from(is_described), "{seen:?}");
        assert!(seen.is_subset(&description.statuses()));
    }

    const JSON: (&str, &str) = ("content-type", "application/json");
    const TAG: (&str, &str) = ("etag", "1");
    const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");

    #[test]
    fn what_is_described_is_no_difference() {
        let order = r#"{"id":"7","lines":[{"what":"tea","note":"green"},{"what":"pot"}]}"#;
        check("/orders/7?x=1", 200, &[TAG, JSON, ("cache-control", "no-store")], order, &[]);
        check(
            "/orders/7",
            200,
            &[TAG, ("content-type", "application/JSON; charset=x")],
            order,
            &[],
        );
        let none = r#"{"type":"/errors/no_such_order","detail":"7"}"#;
        check("/orders/7", 404, &[PROBLEM, ("date", "now")], none, &[]);
        check("/metrics", 200, &[("content-type", "text/plain; version=0.0.4")], "up 1", &[]);
        check("/nowhere", 404, &[PROBLEM], r#"{"type":"/errors/no_such_path"}"#, &[]);
        check("/nothing", 204, &[], "", &[]);
    }

    #[test]
    fn what_is_not_described_is_named() {
        let order = r#"{"id":"7","lines":[]}"#;
        check("/orders/7", 500, &[JSON], order, &["order: the status 500 is not described"]);
        check("/orders/7", 200, &[TAG, JSON, ("x-more", "1")], order, &["the header x-more"]);
        check("/orders/7", 200, &[TAG, ("content-type", "text/plain")], order, &["media type"]);
        check("/orders/7", 200, &[TAG], order, &["the media type \"\""]);
        check("/orders/7", 200, &[TAG], "", &["the media type \"\""]);
        check("/nothing", 204, &[JSON], "", &["media type"]);
        check("/nothing", 204, &[], "more", &["the media type \"\""]);
        check("/orders/7", 200, &[JSON], order, &["the header ETag is missing"]);
        check("/orders/7", 200, &[TAG, JSON], "{", &["no JSON"]);
        check("/orders/7", 200, &[TAG, JSON], r#"{"id":"x","lines":[]}"#, &["at /id"]);
        check("/orders/7", 200, &[TAG, JSON], r#"{"id":"7"}"#, &["lines"]);
        check("/orders/7", 200, &[TAG, JSON], r#"{"id":"7","lines":[],"more":1}"#, &["more"]);
        let at = r#"{"id":"7","lines":[],"at":"today"}"#;
        check("/orders/7", 200, &[TAG, JSON], at, &["at /at"]);
        let line = r#"{"id":"7","lines":[{"what":"tea","more":1}]}"#;
        check("/orders/7", 200, &[TAG, JSON], line, &["at /lines/0"]);
        let other = r#"{"type":"/errors/other"}"#;
        check("/orders/7", 404, &[PROBLEM], other, &["at /type"]);
        check(
            "/orders/7/lines",
            200,
            &[TAG, JSON],
            "[]",
            &["GET /orders/7/lines is not described"],
        );
        check("/orders/", 200, &[TAG, JSON], "[]", &["is not described"]);
    }

    #[test]
    fn a_page_leads_to_another_of_the_same_side() {
        for (status, location, is_fine) in [
            (StatusCode::SEE_OTHER, "/sign-in", true),
            (StatusCode::SEE_OTHER, "https://elsewhere/", false),
            (StatusCode::OK, "/sign-in", false),
        ] {
            let location = HeaderValue::from_static(location);
            let headers = HeaderMap::from_iter([(header::LOCATION, location)]);
            let (method, target, body) = (&Method::GET, "/", &[][..]);
            let answer = Answer { method, target, status, headers: &headers, body };
            assert_eq!(undescribed(&answer).is_none(), is_fine, "{answer:?}");
        }
    }
}
