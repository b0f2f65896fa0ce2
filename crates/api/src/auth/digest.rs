//! Whether `Content-Digest` (RFC 9530) is that of the body.

use super::{error::AuthError, fields, limits};
use http::HeaderMap;
use ring::digest::{Algorithm, SHA256, SHA512, digest};
use sfv::{
    BareItemFromInput, KeyRef, Parser,
    visitor::{
        DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, Never,
        ParameterVisitor,
    },
};
use subtle::ConstantTimeEq;

/// Checks every sha-256 and sha-512 digest in the header against the body; at least one must be
/// there. Digests of other algorithms are passed over, as RFC 9530 says. Returns whether there is
/// a header at all.
pub(super) fn check(headers: &HeaderMap, body: &[u8]) -> Result<bool, AuthError> {
    let Some(value) = fields::combined(headers, "content-digest", limits::CONTENT_DIGEST)
        .map_err(|error| AuthError::MalformedDigest(error.to_string()))?
    else {
        return Ok(false);
    };
    let mut digests = Digests::default();
    Parser::new(value.as_ref())
        .parse_dictionary_with_visitor(&mut digests)
        .map_err(|error| AuthError::MalformedDigest(error.to_string()))?;
    if digests.sha_256.is_none() && digests.sha_512.is_none() {
        return Err(AuthError::MalformedDigest("it has neither sha-256 nor sha-512".into()));
    }
    let is = |algorithm: &'static Algorithm, said: Vec<u8>| -> bool {
        digest(algorithm, body).as_ref().ct_eq(&said).into()
    };
    if digests.sha_256.is_some_and(|said| !is(&SHA256, said)) {
        return Err(AuthError::BadDigest("sha-256"));
    }
    if digests.sha_512.is_some_and(|said| !is(&SHA512, said)) {
        return Err(AuthError::BadDigest("sha-512"));
    }
    Ok(true)
}

#[derive(Default)]
struct Digests {
    sha_256: Option<Vec<u8>>,
    sha_512: Option<Vec<u8>>,
    members: usize,
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("more than {} digests", limits::DIGESTS)]
    TooMany,
    #[error("an algorithm occurs twice")]
    SameAlgorithm,
    #[error("a digest is not a byte sequence between colons")]
    NotBytes,
}

impl<'a> DictionaryVisitor<'a> for Digests {
    type Error = Refused;
    fn entry(&mut self, key: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Refused> {
        self.members += 1;
        if self.members > limits::DIGESTS {
            return Err(Refused::TooMany);
        }
        let place = match key.as_str() {
            "sha-256" => &mut self.sha_256,
            "sha-512" => &mut self.sha_512,
            _ => return Ok(None),
        };
        if place.is_some() {
            return Err(Refused::SameAlgorithm);
        }
        Ok(Some(DigestValue(place)))
    }
}

struct DigestValue<'v>(&'v mut Option<Vec<u8>>);

impl<'a> ItemVisitor<'a> for DigestValue<'_> {
    type Error = Refused;
    fn bare_item(self, item: BareItemFromInput<'a>) -> Result<impl ParameterVisitor<'a>, Refused> {
        let BareItemFromInput::ByteSequence(bytes) = item else { return Err(Refused::NotBytes) };
        *self.0 = Some(bytes);
        Ok(Ignored)
    }
}

impl<'a> EntryVisitor<'a> for DigestValue<'_> {
    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Refused> {
        Err::<Never, _>(Refused::NotBytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body and digests of RFC 9530 appendix B.1, and of RFC 9421 appendix B.2.
    const HELLO: &[u8] = b"{\"hello\": \"world\"}";
    const SHA_256: &str = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    const SHA_512: &str = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

    fn digest(value: &str) -> Result<bool, AuthError> {
        let mut headers = HeaderMap::new();
        headers.insert("content-digest", value.parse().expect("a value"));
        check(&headers, HELLO)
    }

    #[test]
    fn either_algorithm_will_do_and_both_must_fit() {
        assert_eq!(check(&HeaderMap::new(), HELLO), Ok(false));
        assert_eq!(digest(SHA_256), Ok(true));
        assert_eq!(digest(SHA_512), Ok(true));
        assert_eq!(digest(&format!("{SHA_512}, {SHA_256}")), Ok(true));
        assert_eq!(digest(&format!("md5=:AAAA:, {SHA_256}")), Ok(true));
        let wrong = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
        assert_eq!(digest(wrong), Err(AuthError::BadDigest("sha-256")));
        assert_eq!(digest(&format!("{SHA_512}, {wrong}")), Err(AuthError::BadDigest("sha-256")));
        assert_eq!(digest("sha-256=:AAAA:"), Err(AuthError::BadDigest("sha-256")), "short");
    }

    #[test]
    fn what_is_no_digest_is_malformed() {
        let twice = format!("{SHA_256}, {SHA_256}");
        for bad in ["", "sha-256", "sha-256=1", "sha-256=(:AAAA:)", "md5=:AAAA:", "=", &twice] {
            assert!(matches!(digest(bad), Err(AuthError::MalformedDigest(_))), "{bad}");
        }
    }

    #[test]
    fn counts_and_lengths_have_edges() {
        let with = |count: usize| {
            let others = (0..count).map(|n| format!("x{n}=1, ")).collect::<Vec<_>>();
            digest(&format!("{}{SHA_256}", others.concat()))
        };
        assert_eq!(with(limits::DIGESTS - 1), Ok(true));
        assert!(with(limits::DIGESTS).is_err());
        let padded = |length: usize| digest(&format!("{SHA_256}{}", " ".repeat(length)));
        assert_eq!(padded(limits::CONTENT_DIGEST - SHA_256.len()), Ok(true));
        assert!(padded(limits::CONTENT_DIGEST - SHA_256.len() + 1).is_err());
    }
}
