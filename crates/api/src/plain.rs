//! What is wrong with a body or a query, in words of the documents. The libraries that read them speak of
//! types of this program, which means nothing to a caller.

/// Words of libraries, and what they mean to a caller.
const MEANINGS: [(&str, &str); 10] = [
    ("invalid digit found in string", "it is not a whole number"),
    ("number too large to fit in target type", "it is too large"),
    ("cannot parse integer from empty string", "it is not a whole number"),
    ("floating point", "the number"),
    ("invalid type: null", "null"),
    ("invalid type: ", ""),
    ("unknown field", "there is no member"),
    ("duplicate field", "there is twice"),
    ("EOF while parsing", "it ends in the middle of"),
    ("provided string was not", "it is not"),
];

/// The words of an error, without those of this program's language. What a caller wrote stays as it is: the
/// libraries quote it.
pub fn words(error: &str) -> String {
    let mut said = String::new();
    let mut rest = error;
    while !rest.is_empty() {
        let (ours, quoted, behind) = up_to_a_quotation(rest);
        said.push_str(&in_words(ours));
        said.push_str(quoted);
        rest = behind;
    }
    said.trim_end().to_owned()
}

/// A text up to its first quotation, that quotation, in backticks or in double quotes, and what is behind it.
fn up_to_a_quotation(text: &str) -> (&str, &str, &str) {
    let Some(begin) = text.find(['`', '"']) else { return (text, "", "") };
    let (ours, quoted) = text.split_at(begin);
    let mark = quoted.as_bytes()[0];
    let mut is_escaped = false;
    let end = quoted.bytes().skip(1).position(|byte| {
        let ends = byte == mark && !is_escaped;
        is_escaped = byte == b'\\' && mark == b'"' && !is_escaped;
        ends
    });
    let (quoted, behind) = quoted.split_at(end.map_or(quoted.len(), |end| end + 2));
    (ours, quoted, behind)
}

/// Words of a library in ours.
fn in_words(error: &str) -> String {
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
    MEANINGS.iter().fold(said, |said, (from, to)| said.replace(from, to))
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
            (r#"{"from":7}"#, "integer `7`, expected an object at line 1"),
            (r#"{"amount":"1"}"#, "string \"1\", expected a whole number at line 1"),
            (r#"{"amount":1.5}"#, "the number `1.5`, expected a whole number at"),
            (r#"{"amount":[]}"#, "list, expected a whole number at"),
            (r#"{"amount":{}}"#, "object, expected a whole number at"),
            (r#"{"currency":1}"#, "integer `1`, expected a string at"),
            (r#"{"more":1}"#, "there is no member `more`, expected one of"),
            ("null", "null, expected an object"),
            (r#"{"amount":1,"amount":1}"#, "there is twice `amount`"),
            (r#"{"unknown field":1}"#, "there is no member `unknown field`, expected one of"),
            ("{", "it ends in the middle of an object at"),
        ] {
            let told = told(body);
            assert!(told.contains(words), "{body}: {told}");
            for rust in ["struct", "Json", "i64", "u64", "map", "sequence"] {
                assert!(!told.contains(rust), "{body}: {told}");
            }
        }
        for (error, in_ours) in [
            ("limit: invalid digit found in string", "limit: it is not a whole number"),
            ("provided string was not `true` or `false`", "it is not `true` or `false`"),
        ] {
            assert_eq!(words(error), in_ours);
        }
    }

    #[test]
    fn what_a_caller_wrote_stays_as_it_is() {
        for (body, words) in [
            (
                r#"{"amount":"unknown field i64"}"#,
                r#"string "unknown field i64", expected a whole"#,
            ),
            (r#"{"amount":"a \" map"}"#, r#"string "a \" map", expected a whole number"#),
            (r#"{"a map of struct":1}"#, "there is no member `a map of struct`, expected one of"),
        ] {
            let told = told(body);
            assert!(told.contains(words), "{body}: {told}");
        }
        for text in ["`", "\"", "\"\\", "a `b", "\"\\\"", "``", "`桥"] {
            assert_eq!(words(text), text, "a quotation that does not end");
        }
    }
}
