//! The rule book.
//!
//! - Of several signatures, the first in `Signature-Input` whose `keyid` is registered is ours:
//!   it decides alone, whatever the others are. (Proxies may add theirs.)
//! - Whoever has not proven a key learns nothing of keys: what such a one is told is worked out from
//!   the request alone, so an unknown key, another algorithm and a bad signature look alike.
//! - Covered: `@method`; `@target-uri`, or `@path` and, where there is a query, `@query`; on a
//!   POST `idempotency-key`; with a body `content-digest`, which must fit it. More headers, and
//!   `@authority`, `@scheme` and `@request-target`, may be covered and must then fit as well.
//! - Parameters: `created`, `expires`, `nonce` and `keyid` are there; `alg`, if it is, is the
//!   key's. `created` is at most a clock's skew ahead, `expires` is ahead, and they are at most
//!   the longest validity apart. `tag` and parameters that are not known here are signed, and say
//!   nothing.
//! - A nonce is good once per key until its signature expires, and is only spent by a request
//!   that passed everything else.

use super::{
    base::{self, Request, Target},
    digest,
    error::{AuthError, excerpt},
    fields::{self, Input},
    keys::{Keys, Registered},
    limits,
    nonces::{Expiry, Fingerprint, NonceMemory},
    policy::Policy,
};
use http::{HeaderMap, Method};
use std::sync::Arc;

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Name of the app whose key it is.
    pub app: Arc<str>,
    /// The id of the key with which it was signed.
    pub keyid: Arc<str>,
}

/// A request whose signature holds for its method, target and headers; its body is still to come.
/// So nobody's body is read before it is known whose it is.
#[derive(Debug)]
#[must_use]
pub struct SignedHead<'a> {
    caller: Verified,
    headers: &'a HeaderMap,
    covers_digest: bool,
    nonce: Fingerprint,
    expiry: Expiry,
}

/// Verifies a whole request at `now_s`, in seconds since 1970, and spends its nonce.
pub fn verify(
    request: &Request<'_>,
    body: &[u8],
    keys: &Keys,
    policy: &Policy,
    now_s: i64,
    nonces: &NonceMemory,
) -> Result<Verified, AuthError> {
    verify_head(request, keys, policy, now_s)?.verify_body(body, now_s, nonces)
}

/// Verifies everything but the body and the nonce, at `now_s`, in seconds since 1970.
pub fn verify_head<'a>(
    request: &Request<'a>,
    keys: &Keys,
    policy: &Policy,
    now_s: i64,
) -> Result<SignedHead<'a>, AuthError> {
    let headers = request.headers;
    let inputs = fields::combined(headers, "signature-input", limits::SIGNATURE_INPUT)?
        .ok_or(AuthError::MissingSignature("Signature-Input"))?;
    let signatures = fields::combined(headers, "signature", limits::SIGNATURE)?
        .ok_or(AuthError::MissingSignature("Signature"))?;
    let inputs = fields::signature_inputs(&inputs)?;
    let target = Target::of(request, policy.public_url.as_ref(), policy.believes_host)?;
    let Some((input, registered)) = proven(&inputs, &signatures, request, &target, keys) else {
        return Err(unproven(&inputs, &signatures, request, &target, policy, now_s));
    };
    check_algorithm(input, registered)?;
    let (expiry, nonce) = check(input, request, &target, policy, now_s)?;
    Ok(SignedHead {
        caller: Verified { app: Arc::clone(&registered.app), keyid: Arc::clone(&registered.keyid) },
        headers,
        covers_digest: input.covers("content-digest"),
        nonce: Fingerprint::of(&registered.keyid, nonce),
        expiry,
    })
}

/// Whose key a request names, true or not: the `keyid` of the signature that decides, for the log.
pub(super) fn named_key(headers: &HeaderMap, keys: &Keys) -> Option<String> {
    let inputs = fields::combined(headers, "signature-input", limits::SIGNATURE_INPUT).ok()??;
    let inputs = fields::signature_inputs(&inputs).ok()?;
    let named = ours(&inputs, keys).map(|(_, registered)| &*registered.keyid);
    named.or_else(|| first(&inputs)?.keyid().ok()).map(excerpt)
}

impl SignedHead<'_> {
    /// Binds the body, which is complete, and spends the nonce.
    pub fn verify_body(
        self,
        body: &[u8],
        now_s: i64,
        nonces: &NonceMemory,
    ) -> Result<Verified, AuthError> {
        if !body.is_empty() && !self.covers_digest {
            let there = self.headers.contains_key("content-digest");
            let error = if there {
                AuthError::NotCovered("content-digest")
            } else {
                AuthError::MissingDigest
            };
            return Err(error);
        }
        // An empty body needs no digest; but if there is one, the body must not have been lost.
        digest::check(self.headers, body)?;
        nonces.remember(&self.caller.app, self.nonce, self.expiry, now_s)?;
        Ok(self.caller)
    }
}

/// The first signature whose key is registered.
fn ours<'i, 'h, 'k>(
    inputs: &'i [Input<'h>],
    keys: &'k Keys,
) -> Option<(&'i Input<'h>, &'k Registered)> {
    inputs.iter().find_map(|input| Some((input, keys.get(input.keyid().ok()?)?)))
}

/// The same, if it is a signature of this request under that key.
fn proven<'i, 'h, 'k>(
    inputs: &'i [Input<'h>],
    signatures: &str,
    request: &Request<'_>,
    target: &Target<'_>,
    keys: &'k Keys,
) -> Option<(&'i Input<'h>, &'k Registered)> {
    let (input, registered) = ours(inputs, keys)?;
    let signature = fields::signature(signatures, input.label).ok()?;
    let base = base::signature_base(request, target, input).ok()?;
    registered.key.verifies(base.as_bytes(), &signature).then_some((input, registered))
}

/// The first signature that can be used, or else the first.
fn first<'i, 'h>(inputs: &'i [Input<'h>]) -> Option<&'i Input<'h>> {
    inputs.iter().find(|input| input.keyid().is_ok()).or(inputs.first())
}

/// What somebody is told who has proven nothing. It knows no keys: whatever is registered here, the
/// same request is told the same.
fn unproven(
    inputs: &[Input<'_>],
    signatures: &str,
    request: &Request<'_>,
    target: &Target<'_>,
    policy: &Policy,
    now_s: i64,
) -> AuthError {
    let said = || {
        let input = first(inputs).ok_or(AuthError::MissingSignature("Signature-Input"))?;
        input.keyid()?;
        fields::signature(signatures, input.label)?;
        check(input, request, target, policy, now_s)?;
        base::signature_base(request, target, input)
    };
    let bad = |_| AuthError::BadSignature { target_uri: excerpt(&target.uri()) };
    said().map_or_else(|error| error, bad)
}

/// Whether the signature says all that it must: the window, the nonce, what is covered.
fn check<'i>(
    input: &'i Input<'_>,
    request: &Request<'_>,
    target: &Target<'_>,
    policy: &Policy,
    now_s: i64,
) -> Result<(Expiry, &'i str), AuthError> {
    let expiry = check_window(input, policy, now_s)?;
    let nonce = input.string("nonce")?.ok_or(AuthError::MissingParameter("nonce"))?;
    if nonce.is_empty() || nonce.len() > limits::NONCE {
        let why = format_args!("nonce must have 1 to {} characters", limits::NONCE);
        return Err(AuthError::malformed("Signature-Input", why));
    }
    check_coverage(input, request, target)?;
    Ok((expiry, nonce))
}

fn check_algorithm(input: &Input<'_>, registered: &Registered) -> Result<(), AuthError> {
    let registered = registered.key.algorithm().as_str();
    match input.string("alg")? {
        Some(said) if said != registered => {
            Err(AuthError::WrongAlgorithm { said: excerpt(said), registered })
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether now is in the window.
fn check_window(input: &Input<'_>, policy: &Policy, now_s: i64) -> Result<Expiry, AuthError> {
    // Structured-field integers have at most 15 digits, so nothing here overflows.
    let created = input.integer("created")?.ok_or(AuthError::MissingParameter("created"))?;
    let expires = input.integer("expires")?.ok_or(AuthError::MissingParameter("expires"))?;
    let (seconds, most) = (expires - created, policy.longest_validity_s);
    if seconds < 1 || seconds > most {
        return Err(AuthError::BadValidity { seconds, most });
    }
    if expires <= now_s {
        return Err(AuthError::Expired { ago_s: now_s.saturating_sub(expires) });
    }
    let latest_created = now_s.saturating_add(policy.clock_skew_s);
    if created > latest_created {
        return Err(AuthError::CreatedInFuture { ahead_s: created.saturating_sub(now_s) });
    }
    Ok(Expiry { at_s: expires, latest_s: latest_created.saturating_add(most) })
}

fn check_coverage(
    input: &Input<'_>,
    request: &Request<'_>,
    target: &Target<'_>,
) -> Result<(), AuthError> {
    if !input.covers("@method") {
        return Err(AuthError::NotCovered("@method"));
    }
    if !input.covers("@target-uri") {
        if !input.covers("@path") {
            return Err(AuthError::NotCovered("@target-uri (or @path and @query)"));
        }
        if target.has_query() && !input.covers("@query") {
            return Err(AuthError::NotCovered("@query"));
        }
    }
    if request.method == Method::POST {
        if !request.headers.contains_key("idempotency-key") {
            return Err(AuthError::MissingIdempotencyKey);
        }
        if !input.covers("idempotency-key") {
            return Err(AuthError::NotCovered("idempotency-key"));
        }
    }
    Ok(())
}
