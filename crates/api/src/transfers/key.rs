//! The key under which an order is given once, as its caller wrote it.

use crate::problem::{Problem, kind};
use axum::http::HeaderMap;
use std::borrow::Cow;
use std::sync::Arc;

/// The longest idempotency key, in bytes.
const LONGEST_KEY: usize = 128;

/// A caller's key, whichever of the two ways it was written: `abc`, or `"abc"` as the draft of the
/// header's standard has it (a string of RFC 9651, section 3.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IdempotencyKey {
    pub(super) key: Arc<str>,
    /// As earlier versions recorded it, if it came in quotation marks.
    pub(super) former: Option<Arc<str>>,
}

/// Reads the header, which has to be there once.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let malformed =
        |why: &str| Problem::new(kind::MALFORMED_IDEMPOTENCY_KEY).detail(why.to_owned());
    let mut values = headers.get_all("idempotency-key").iter();
    let value = values.next().ok_or_else(|| malformed("the header is missing"))?;
    if values.next().is_some() {
        return Err(malformed("there is more than one"));
    }
    let raw = value.as_bytes();
    let (key, former) = if raw.first() == Some(&b'"') {
        let key = unquoted(raw).ok_or_else(|| {
            malformed("it begins with a quotation mark and is not a string of RFC 9651")
        })?;
        if key.first() == Some(&b'"') {
            return Err(malformed("a key does not begin with a quotation mark"));
        }
        (Cow::Owned(key), (raw.len() <= LONGEST_KEY).then(|| in_text(raw)))
    } else {
        (Cow::Borrowed(raw), None)
    };
    if !(1..=LONGEST_KEY).contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
        return Err(malformed("it must be 1 to 128 visible ASCII characters"));
    }
    Ok(IdempotencyKey { key: in_text(&key), former })
}

/// What a quoted string says; `None` if it is none. Within it a backslash stands before a quotation
/// mark or a backslash, and before nothing else.
fn unquoted(quoted: &[u8]) -> Option<Vec<u8>> {
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut said = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => said.push(*bytes.next().filter(|byte| matches!(byte, b'"' | b'\\'))?),
            b'"' => return None,
            b' '..=b'~' => said.push(*byte),
            _ => return None,
        }
    }
    Some(said)
}

/// Header values that were looked at are ASCII.
fn in_text(bytes: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::headers;
    use super::*;

    #[test]
    fn idempotency_keys_have_edges() {
        let key = |values: &[&str]| idempotency_key(&headers("idempotency-key", values));
        assert!(key(&[&"k".repeat(128)]).is_ok());
        for bad in [&["k".repeat(129).as_str()][..], &[""], &["a b"], &["a", "a"], &[]] {
            assert!(key(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_quoted_key_is_the_same_as_a_plain_one() {
        let key = |value: &str| {
            let read = idempotency_key(&headers("idempotency-key", &[value]));
            read.map(|read| (read.key.to_string(), read.former.map(|former| former.to_string())))
        };
        let plain = |key: &str| Ok((key.to_owned(), None));
        let quoted = |key: &str, former: &str| Ok((key.to_owned(), Some(former.to_owned())));
        assert_eq!(key("abc"), plain("abc"));
        assert_eq!(key(r#""abc""#), quoted("abc", r#""abc""#));
        assert_eq!(key(r#""a\"b\\c""#), quoted(r#"a"b\c"#, r#""a\"b\\c""#));
        assert_eq!(key(r#"a"b\c"#), plain(r#"a"b\c"#));
        // As long as a plain one; longer than that, no earlier version took it.
        let longest = "k".repeat(LONGEST_KEY);
        assert_eq!(key(&format!("\"{longest}\"")), plain(&longest));
        assert!(key(&format!("\"{longest}k\"")).is_err());
        for bad in [
            r#"""#,
            r#""""#,
            r#""abc"#,
            r#""abc\""#,
            r#""a"b""#,
            r#""abc";x"#,
            r#""abc";x="y""#,
            r#""a\bc""#,
            r#""a b""#,
            r#""\"abc""#,
            "\"a\tb\"",
        ] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }
}
