//! Bytes ↔ messages; owns no socket, no clock and no randomness.
//!
//! Reading order: [`message`] is what can be said on a link; [`codec`] turns it into frames of
//! either dialect and back; [`proof`] is the keyed proof of sign-on.

pub mod codec;
pub mod message;
pub mod proof;
