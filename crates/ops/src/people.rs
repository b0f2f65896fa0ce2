//! Who looks and acts: people by the session of a browser, their programs by a token. What each route wants is a line
//! at the route ([`may`]); who it is, the handlers are told ([`Identity`]) and never read from what was sent.
//!
//! Reading order: `identity` is who asks, `door` how that is found out, `guarded` what a route wants, `pace` how fast one
//! acts; `sign_in` is how a session begins and ends, `operators` who there are, `proofs` their sessions and tokens,
//! `acts` what they did.

pub(crate) mod acts;
mod door;
mod guarded;
mod identity;
pub(crate) mod operators;
mod pace;
pub(crate) mod proofs;
pub(crate) mod sign_in;

pub(crate) use acts::recorded;
pub(crate) use door::{Door, Use};
pub(crate) use guarded::{in_person, may, own};
pub(crate) use identity::{Identity, Proof};
