//! What callers and operators send, read; what cannot be used of it is said in words of the documents.

use crate::plain::words;
use crate::problem::{Problem, kind};
use axum::extract::rejection::QueryRejection;
use serde::de::{DeserializeOwned, Error};

/// Reads a body. Nothing that is sent here has a list in it: the library would take one for an object whose
/// members are told apart by their places alone.
pub fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let read = serde_json::from_slice(bytes);
    // Of what is no JSON at all, where it breaks off is said first.
    let is_json = read.is_ok() || read.as_ref().is_err_and(serde_json::Error::is_data);
    if is_json && has_list(bytes) {
        return Err(serde_json::Error::custom("a list stands where an object has to"));
    }
    read
}

/// Whether JSON has a list in it.
fn has_list(json: &[u8]) -> bool {
    let (mut in_string, mut escaped) = (false, false);
    json.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' if !in_string => return true,
            _ => {}
        }
        false
    })
}

/// What is wrong with a query, and with which of its parameters; `taken` says what there is.
fn query(error: &str) -> (Option<String>, String) {
    let said = words(error);
    let said = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(&said);
    match said.split_once(": ") {
        Some((field, why))
            if field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') =>
        {
            (Some(field.to_owned()), why.to_owned())
        }
        Some(_) | None => {
            let rest = ["there is no member `", "there is twice `"]
                .into_iter()
                .find_map(|beginning| said.strip_prefix(beginning));
            let named = rest.and_then(|rest| rest.split('`').next());
            (named.map(str::to_owned), said.replace("there is no member", "there is no parameter"))
        }
    }
}

/// A query that cannot be used.
pub fn refused(rejection: &QueryRejection) -> Problem {
    let (field, why) = query(&rejection.body_text());
    malformed(field.as_deref().unwrap_or("query"), &why)
}

/// A parameter that cannot be used, and why.
pub fn malformed(field: &str, why: &str) -> Problem {
    Problem::new(kind::MALFORMED_QUERY)
        .detail(format!("{field}: {why}"))
        .with("field", field.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::TransferRequest;

    #[test]
    fn a_list_is_no_object_although_its_places_would_fit() {
        let account = r#"{"counter":"a","account":"1"}"#;
        let order =
            |from: &str| format!(r#"{{"from":{from},"to":{account},"amount":1,"currency":"CNY"}}"#);
        assert!(body::<TransferRequest>(order(account).as_bytes()).is_ok());
        for list in [
            "[]".to_owned(),
            order("[]"),
            order(r#"["a","1"]"#),
            r#"[["a","1"],["b","2"],1,"CNY"]"#.to_owned(),
        ] {
            let refused = body::<TransferRequest>(list.as_bytes()).expect_err("a list");
            assert_eq!(refused.to_string(), "a list stands where an object has to", "{list}");
        }
        let named = order(r#"{"counter":"[\\\"[","account":"1"}"#);
        assert!(body::<TransferRequest>(named.as_bytes()).is_ok(), "in a string it is none");
    }

    #[test]
    fn what_is_wrong_with_a_query_is_said_of_its_parameter() {
        for (error, field, why) in [
            (
                "Failed to deserialize query string: limit: invalid digit found in string",
                Some("limit"),
                "it is not a whole number",
            ),
            (
                "Failed to deserialize query string: unknown field `foo`, expected `limit` or `state`",
                Some("foo"),
                "there is no parameter `foo`, expected `limit` or `state`",
            ),
            (
                "Failed to deserialize query string: duplicate field `limit`",
                Some("limit"),
                "there is twice `limit`",
            ),
            ("Failed to deserialize query string: nonsense", None, "nonsense"),
        ] {
            assert_eq!(query(error), (field.map(str::to_owned), why.to_owned()));
        }
    }
}
