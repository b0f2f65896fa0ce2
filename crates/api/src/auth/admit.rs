//! The thin part that knows axum: reads the body of a request whose head is signed.

use super::{
    base::Request,
    error::AuthError,
    keys::Keys,
    nonces::NonceMemory,
    policy::Policy,
    refusals::Refusals,
    verify::{Verified, named_key, verify_head},
    way::Way,
};
use arc_swap::ArcSwap;
use axum::body::{Body, Bytes};
use bytes::BytesMut;
use futures::StreamExt;
use http::HeaderMap;
use http::request::Parts;
use std::sync::Arc;
use std::time::Duration;

/// What is needed to tell who sent a request. Shared by all requests of a listener.
#[derive(Debug)]
pub struct Authenticator {
    keys: ArcSwap<Keys>,
    policy: Policy,
    nonces: NonceMemory,
    refusals: Refusals,
}

/// A request of a known app, whole.
#[derive(Debug)]
pub struct Admitted {
    /// The app that sent it, and with which key.
    pub caller: Verified,
    /// Its method, target and headers, and what the server knows of its connection.
    pub parts: Parts,
    /// The body, at most as long as was allowed; its digest fits.
    pub body: Bytes,
}

impl Admitted {
    /// The request again, for the next layer, with [`Verified`] among its extensions.
    pub fn into_request(self) -> axum::extract::Request {
        let mut request = http::Request::from_parts(self.parts, Body::from(self.body));
        request.extensions_mut().insert(self.caller);
        request
    }
}

impl Authenticator {
    /// A body that is not complete by then is given up; the small ones of this API take far less.
    pub const BODY_DEADLINE: Duration = Duration::from_secs(10);

    /// With the keys of all apps, the rules, and room for `nonces` nonces at a time, which the apps share.
    pub fn new(keys: Keys, policy: Policy, nonces: usize) -> Authenticator {
        let nonces = NonceMemory::new(nonces, keys.apps());
        let refusals = Refusals::default();
        Authenticator { keys: ArcSwap::from_pointee(keys), policy, nonces, refusals }
    }

    /// Puts other keys in the place of these, from the next request on. What an app may must be known
    /// before its key is.
    pub fn replace_keys(&self, keys: Keys) {
        self.nonces.belongs_to(&keys.apps());
        self.keys.store(Arc::new(keys));
    }

    /// The memory of nonces, to watch how full it is.
    pub const fn nonces(&self) -> &NonceMemory {
        &self.nonces
    }

    /// Lets a request in at `now_s`, in seconds since 1970, if it is signed by an app and its body
    /// has at most `longest_body` bytes. Its URI must be as it arrived: call this in a layer of
    /// the outermost router, before a nested one strips a prefix. Who is turned away is logged, once
    /// in a while.
    ///
    /// The head is verified first, so that a body is only read from those who may send one.
    pub async fn admit(
        &self,
        request: axum::extract::Request,
        way: Option<Way>,
        now_s: i64,
        longest_body: usize,
    ) -> Result<Admitted, AuthError> {
        let (parts, body) = request.into_parts();
        let admitted = self.admit_parts(&parts, body, way, now_s, longest_body).await;
        let (caller, body) = admitted.inspect_err(|error| {
            self.refusals.refused(way, error, || self.named(&parts.headers));
        })?;
        Ok(Admitted { caller, parts, body })
    }

    /// The key that a request names, true or not, and whether it is known here.
    fn named(&self, headers: &HeaderMap) -> Option<(String, bool)> {
        let keys = self.keys.load();
        let named = named_key(headers, &keys)?;
        let known = keys.get(&named).is_some();
        Some((named, known))
    }

    async fn admit_parts(
        &self,
        parts: &Parts,
        body: Body,
        way: Option<Way>,
        now_s: i64,
        longest_body: usize,
    ) -> Result<(Verified, Bytes), AuthError> {
        let head = Request {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            arrived_at: way.map(|way| way.to),
        };
        let signed = verify_head(&head, &self.keys.load(), &self.policy, now_s)?;
        let stated = parts.headers.get(http::header::CONTENT_LENGTH);
        let stated = stated.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if stated.is_some_and(|length| usize::try_from(length).unwrap_or(usize::MAX) > longest_body)
        {
            return Err(AuthError::BodyTooLarge { limit: longest_body });
        }
        let body = tokio::time::timeout(Self::BODY_DEADLINE, read(body, longest_body))
            .await
            .map_err(|_| AuthError::BodyUnreadable)??;
        let caller = signed.verify_body(&body, now_s, &self.nonces)?;
        Ok((caller, body))
    }
}

async fn read(body: Body, limit: usize) -> Result<Bytes, AuthError> {
    let mut chunks = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| AuthError::BodyUnreadable)?;
        if whole.len() + chunk.len() > limit {
            return Err(AuthError::BodyTooLarge { limit });
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}
