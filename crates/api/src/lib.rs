//! The HTTP side of the bridge: who may ask for what, and what is answered.
//!
//! Reading order: [`auth`] says who sent a request, [`apps`] what each may and how much; [`json`] is what is
//! said, apart from the domain's own types; [`state`] is what handlers share; [`transfers`] and [`accounts`] are
//! the transfer API, [`problem`] what it refuses and [`refused`] why; [`named`], [`sent`] and [`plain`] read what
//! is asked, and say in plain words what cannot be read; [`mod@router`] lets in, [`requests`] counts;
//! [`openapi`] is how a side is described from the code; [`server`] is what it is served by.
//!
//! The operators' side is a crate of its own, `ops`, which is built on this one. What both need stands here:
//! problem documents and why the record is not read, transfers as JSON, the reading of paths, bodies and queries,
//! a counter's postings, how a side is described, and the server. All else is the transfer API's alone.
//!
//! ```
//! use api::auth::{Keys, NonceMemory, Policy, Request, VerificationKey, verify};
//! use client::{Key, Signer};
//! use http::{HeaderMap, HeaderValue, Method, Uri};
//!
//! // An app signs with a library that shares no code with this one.
//! let secret = b"a secret of at least thirty-two bytes";
//! let signer = Signer::new("shop-1", Key::hmac(secret)?)?;
//! let (uri, body) = (Uri::from_static("/v1/transfers"), br#"{"amount":100000}"#);
//! let mut headers = HeaderMap::new();
//! headers.insert("host", HeaderValue::from_static("127.0.0.1:8080"));
//! headers.insert("idempotency-key", HeaderValue::from_static("order-7"));
//! let now_s = 1_800_000_000;
//! signer.sign(&Method::POST, "http://127.0.0.1:8080/v1/transfers", &mut headers, body, now_s)?;
//!
//! let mut keys = Keys::new();
//! keys.insert("shop-1", "shop", VerificationKey::hmac_sha256(secret)?)?;
//! let policy = Policy { believes_host: true, ..Policy::default() };
//! let nonces = NonceMemory::new(64, []);
//! let request =
//!     Request { method: &Method::POST, uri: &uri, headers: &headers, arrived_at: None };
//! // Whoever changes the order on its way, or sends it once more, is not the app.
//! let changed = verify(&request, br#"{"amount":900000}"#, &keys, &policy, now_s, &nonces);
//! assert_eq!(changed.unwrap_err().kind().slug, "bad_digest");
//! assert_eq!(&*verify(&request, body, &keys, &policy, now_s, &nonces)?.app, "shop");
//! let replayed = verify(&request, body, &keys, &policy, now_s, &nonces);
//! assert_eq!(replayed.unwrap_err().kind().slug, "replayed_nonce");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod accounts;
pub mod apps;
pub mod auth;
#[cfg(test)]
mod foreign_apps;
pub mod json;
#[cfg(test)]
mod lone;
pub mod named;
pub mod openapi;
pub mod plain;
pub mod problem;
pub mod refused;
pub mod requests;
pub mod router;
pub mod sent;
pub mod server;
mod shares;
pub mod state;
pub mod transfers;

pub use router::{openapi_json, router};
pub use state::ApiState;
