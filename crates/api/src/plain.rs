//! What callers and operators send is read here, and what is wrong with it is said in words of the
//! documents. The libraries that read it speak of types of this program, which means nothing to a caller.

use crate::problem::{Problem, kind};
use axum::extract::rejection::QueryRejection;
use serde::de::{DeserializeOwned, Error};

/// Reads a body. Nothing that is sent here has a list in it: the library would take one for an object whose
/// members are told apart by their places alone.
pub(crate) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let read = serde_json::from_slice(bytes)?;
    if has_list(bytes) {
        return Err(serde_json::Error::custom("a list stands where an object has to"));
    }
    Ok(read)
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
pub(crate) fn query(error: &str) -> (Option<String>, String) {
    let said = words(error);
    let said = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(&said);
    match said.split_once(": ") {
        Some((field, why))
            if field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') =>
        {
            (Some(field.to_owned()), why.to_owned())
        }
        Some(_) | None => {
            let unknown =
                said.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
            let said = said.replace("unknown field", "there is no parameter");
            (unknown.map(str::to_owned), said)
        }
    }
}

/// A query that cannot be used.
pub(crate) fn refused(rejection: &QueryRejection) -> Problem {
    let (field, why) = query(&rejection.body_text());
    malformed(field.as_deref().unwrap_or("query"), &why)
}

/// A parameter that cannot be used, and why.
pub(crate) fn malformed(field: &str, why: &str) -> Problem {
    Problem::new(kind::MALFORMED_QUERY)
        .detail(format!("{field}: {why}"))
        .with("field", field.into())
}

/// Words of libraries, and what they mean to a caller.
const MEANINGS: [(&str, &str); 6] = [
    ("invalid digit found in string", "it is not a whole number"),
    ("number too large to fit in target type", "it is too large"),
    ("cannot parse integer from empty string", "it is not a whole number"),
    ("floating point", "the number"),
    ("EOF while parsing", "it ends in the middle of"),
    ("provided string was not `true` or `false`", "it is neither true nor false"),
];

/// The words of an error, without those of this program's language.
pub(crate) fn words(error: &str) -> String {
    let mut said: Vec<&str> = Vec::new();
    let mut words = error.split(' ').peekable();
    while let Some(word) = words.next() {
        let (bare, rest) = word.split_at(word.trim_end_matches([',', ';', ':', ')']).len());
        match bare {
            // `struct AccountJson`, `unit variant State::Open`: the name is ours alone.
            "struct" | "enum" | "variant" | "newtype" | "tuple" => {
                let name = words.next_if(|next| next.starts_with(|c: char| c.is_ascii_uppercase()));
                said.push("an object");
                said.push(
                    name.map_or("", |name| {
                        &name[name.trim_end_matches([',', ';', ':', ')']).len()..]
                    }),
                );
            }
            "i8" | "i16" | "i32" | "i64" => said.extend(["a whole number", rest]),
            "u8" | "u16" | "u32" | "u64" | "usize" => {
                said.extend(["a whole number from 0 on", rest]);
            }
            "f32" | "f64" => said.extend(["a number", rest]),
            "map" => said.extend(["object", rest]),
            "sequence" => said.extend(["list", rest]),
            "borrowed" => {}
            _ => said.push(word),
        }
    }
    let said =
        said.join(" ").replace(" ,", ",").replace("a an ", "an ").replace("a object", "an object");
    let said = said.replace("  ", " ");
    let said = MEANINGS.iter().fold(said, |said, (from, to)| said.replace(from, to));
    said.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::TransferRequest;

    fn told(body: &str) -> String {
        words(&serde_json::from_str::<TransferRequest>(body).expect_err("no order").to_string())
    }

    #[test]
    fn no_word_of_the_language_reaches_a_caller() {
        for (body, words) in [
            ("[]", "invalid length 0, expected an object with"),
            ("{}", "missing field `from`"),
            (r#"{"from":7}"#, "invalid type: integer `7`, expected an object at line 1"),
            (r#"{"amount":"1"}"#, "invalid type: string \"1\", expected a whole number at line 1"),
            (r#"{"amount":1.5}"#, "invalid type: the number `1.5`, expected a whole number at"),
            (r#"{"amount":[]}"#, "invalid type: list, expected a whole number at"),
            (r#"{"amount":{}}"#, "invalid type: object, expected a whole number at"),
            (r#"{"currency":1}"#, "invalid type: integer `1`, expected a string at"),
            (r#"{"more":1}"#, "unknown field `more`, expected one of"),
            ("{", "it ends in the middle of an object at"),
        ] {
            let told = told(body);
            assert!(told.contains(words), "{body}: {told}");
            for rust in ["struct", "Json", "i64", "u64", "map", "sequence"] {
                assert!(!told.contains(rust), "{body}: {told}");
            }
        }
        assert_eq!(
            words("limit: invalid digit found in string"),
            "limit: it is not a whole number"
        );
    }

    #[test]
    fn a_list_is_no_object_although_its_places_would_fit() {
        let account = r#"{"counter":"a","account":"1"}"#;
        let order =
            |from: &str| format!(r#"{{"from":{from},"to":{account},"amount":1,"currency":"CNY"}}"#);
        assert!(body::<TransferRequest>(order(account).as_bytes()).is_ok());
        for list in [order(r#"["a","1"]"#), r#"[["a","1"],["b","2"],1,"CNY"]"#.to_owned()] {
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
            ("Failed to deserialize query string: nonsense", None, "nonsense"),
        ] {
            assert_eq!(query(error), (field.map(str::to_owned), why.to_owned()));
        }
    }
}
