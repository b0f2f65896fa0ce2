//! Why a request is not let in, and what its caller is told.

use super::limits;
use crate::problem::{Kind, Problem, kind};

/// Why a request was not let in. Nothing was recorded for it and no idempotency key was consumed:
/// sign the corrected request anew, under the same key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A header without which there is no signature.
    #[error("the request has no {0} header")]
    MissingSignature(&'static str),
    /// `Signature-Input` names a label that `Signature` does not have.
    #[error("the Signature header has no value for the label {0:?} of Signature-Input")]
    MissingSignatureValue(String),
    /// A signature header that cannot be read, or is beyond a limit.
    #[error("the {header} header cannot be used: {why}")]
    Malformed {
        /// The header's name.
        header: &'static str,
        /// What is wrong with it, in words.
        why: String,
    },
    /// The target URI cannot be put together.
    #[error("the request's authority cannot be told: {0}")]
    MalformedAuthority(&'static str),
    /// The signed text would be longer than is allowed.
    #[error("the covered components are longer than {} bytes in all", limits::SIGNATURE_BASE)]
    TooMuchCovered,
    /// A parameter that must be there is not.
    #[error("the signature has no {0:?} parameter")]
    MissingParameter(&'static str),
    /// A component that must be covered is not.
    #[error("the signature does not cover {0}")]
    NotCovered(&'static str),
    /// A covered component that this request does not have, or that is not known here.
    #[error("the signature covers {0:?}, which this request does not have")]
    CoveredButAbsent(String),
    /// A covered header whose value is no text: it cannot have been signed as one.
    #[error("the signature covers {0:?}, whose value has bytes that are no visible ASCII")]
    CoveredButUnreadable(String),
    /// The `alg` parameter is not the key's algorithm.
    #[error("the signature says alg={said:?}, but the key is for {registered}")]
    WrongAlgorithm {
        /// The algorithm that the signature names.
        said: String,
        /// The algorithm that the key was registered for.
        registered: &'static str,
    },
    /// `expires` is not in the future.
    #[error("the signature expired {ago_s} s ago")]
    Expired {
        /// Seconds since it expired; zero in the very second.
        ago_s: i64,
    },
    /// `created` is further in the future than clocks may differ.
    #[error("the signature was created {ahead_s} s in the future; check the clock")]
    CreatedInFuture {
        /// Seconds from now to `created`; more than the skew that is allowed.
        ahead_s: i64,
    },
    /// `expires` is not after `created`, or too long after it.
    #[error("the signature is valid for {seconds} s; it must be at least 1 s and at most {most} s")]
    BadValidity {
        /// Seconds from `created` to `expires`.
        seconds: i64,
        /// The longest validity allowed, in seconds.
        most: i64,
    },
    /// The signature is not that of this request under a key that is registered, whatever the reason:
    /// whoever has proven nothing is not told which keys there are.
    #[error(
        "the signature does not fit this request, as received at {target_uri}, under a known key"
    )]
    BadSignature {
        /// The value of `@target-uri` here, the part that differs most often behind a proxy.
        target_uri: String,
    },
    /// The nonce was used before.
    #[error("the nonce was used before; sign every attempt with a fresh one")]
    ReplayedNonce,
    /// The memory of nonces is full, so a replay could not be told.
    #[error("too many signed requests are in their validity window")]
    NonceMemoryFull {
        /// Seconds until some of it is free again, 1 to 300.
        retry_after_s: u32,
    },
    /// There is a body, and no digest of it.
    #[error("a request with a body needs a Content-Digest header")]
    MissingDigest,
    /// A `Content-Digest` that cannot be read; why, in words.
    #[error("the Content-Digest header cannot be used: {0}")]
    MalformedDigest(String),
    /// The digest is not that of the body; its algorithm.
    #[error("the Content-Digest ({0}) does not fit the body")]
    BadDigest(&'static str),
    /// A POST without the header `Idempotency-Key`.
    #[error("a POST needs an Idempotency-Key header")]
    MissingIdempotencyKey,
    /// The body is longer than is taken.
    #[error("the body is longer than {limit} bytes")]
    BodyTooLarge {
        /// The longest body taken, in bytes.
        limit: usize,
    },
    /// The body broke off, or took too long.
    #[error("the body could not be read to its end")]
    BodyUnreadable,
}

impl AuthError {
    /// What the problem document says of it. The occurrence's `detail` is its `Display`: no
    /// secret and no more than a few hundred bytes of the request are in it.
    pub const fn kind(&self) -> Kind {
        match self {
            AuthError::MissingSignature(_) | AuthError::MissingSignatureValue(_) => {
                kind::MISSING_SIGNATURE
            }
            AuthError::Malformed { .. } | AuthError::TooMuchCovered => kind::MALFORMED_SIGNATURE,
            AuthError::MalformedAuthority(_) => kind::MALFORMED_AUTHORITY,
            AuthError::MissingParameter(_) => kind::MISSING_SIGNATURE_PARAMETER,
            AuthError::NotCovered(_) => kind::INSUFFICIENT_COVERAGE,
            AuthError::WrongAlgorithm { .. } => kind::WRONG_ALGORITHM,
            AuthError::Expired { .. } | AuthError::CreatedInFuture { .. } => {
                kind::EXPIRED_SIGNATURE
            }
            AuthError::BadValidity { .. } => kind::BAD_VALIDITY,
            AuthError::BadSignature { .. }
            | AuthError::CoveredButAbsent(_)
            | AuthError::CoveredButUnreadable(_) => kind::BAD_SIGNATURE,
            AuthError::ReplayedNonce => kind::REPLAYED_NONCE,
            AuthError::NonceMemoryFull { .. } => kind::NONCE_MEMORY_FULL,
            AuthError::MissingDigest => kind::MISSING_DIGEST,
            AuthError::MalformedDigest(_) => kind::MALFORMED_DIGEST,
            AuthError::BadDigest(_) => kind::BAD_DIGEST,
            AuthError::MissingIdempotencyKey => kind::MISSING_IDEMPOTENCY_KEY,
            AuthError::BodyTooLarge { .. } => kind::BODY_TOO_LARGE,
            AuthError::BodyUnreadable => kind::BODY_UNREADABLE,
        }
    }

    /// Seconds for `Retry-After`, where waiting helps.
    pub const fn retry_after_s(&self) -> Option<u32> {
        match self {
            AuthError::NonceMemoryFull { retry_after_s } => Some(*retry_after_s),
            AuthError::MissingSignature(_)
            | AuthError::MissingSignatureValue(_)
            | AuthError::Malformed { .. }
            | AuthError::MalformedAuthority(_)
            | AuthError::TooMuchCovered
            | AuthError::MissingParameter(_)
            | AuthError::NotCovered(_)
            | AuthError::CoveredButAbsent(_)
            | AuthError::CoveredButUnreadable(_)
            | AuthError::WrongAlgorithm { .. }
            | AuthError::Expired { .. }
            | AuthError::CreatedInFuture { .. }
            | AuthError::BadValidity { .. }
            | AuthError::BadSignature { .. }
            | AuthError::ReplayedNonce
            | AuthError::MissingDigest
            | AuthError::MalformedDigest(_)
            | AuthError::BadDigest(_)
            | AuthError::MissingIdempotencyKey
            | AuthError::BodyTooLarge { .. }
            | AuthError::BodyUnreadable => None,
        }
    }

    pub(super) fn malformed(header: &'static str, why: impl std::fmt::Display) -> AuthError {
        AuthError::Malformed { header, why: excerpt(&why.to_string()) }
    }
}

/// The first 160 characters of a text that came from outside.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(160).collect()
}

impl From<&AuthError> for Problem {
    fn from(error: &AuthError) -> Problem {
        let problem = Problem::new(error.kind()).detail(error.to_string());
        match error.retry_after_s() {
            Some(seconds) => problem.retry_after(seconds),
            None => problem,
        }
    }
}
