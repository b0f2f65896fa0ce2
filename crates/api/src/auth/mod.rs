//! Who sent a request: HTTP Message Signatures (RFC 9421) over requests whose bodies carry a
//! `Content-Digest` (RFC 9530). What a signature must cover is decided here, never by the signer.
//!
//! Reading order: [`verify`](mod@verify) is the rule book; [`keys`] whose signatures count;
//! `fields` reads the headers, `base` puts the signed text together again, `digest` binds the
//! body, [`nonces`] tells replays; [`admit`] is the thin part that knows axum; [`error`] says
//! what a caller is told, `refusals` what is logged of it, with the `way` that it came; `policy` is what may be
//! configured, [`limits`] bounds all of it.

pub mod admit;
mod base;
mod digest;
pub mod error;
mod fields;
pub mod keys;
pub mod limits;
pub mod nonces;
mod policy;
mod refusals;
pub mod verify;
mod way;

pub use admit::{Admitted, Authenticator};
pub use base::{NotAPublicUrl, PublicUrl, Request};
pub use error::AuthError;
pub use keys::{Algorithm, KeyError, Keys, VerificationKey};
pub use nonces::NonceMemory;
pub use policy::Policy;
pub use verify::{SignedHead, Verified, verify, verify_head};
pub use way::Way;

#[cfg(test)]
mod tests;
