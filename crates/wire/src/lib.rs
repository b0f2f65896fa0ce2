//! Bytes ↔ messages; owns no socket and no randomness, and decides nothing by a clock.
//!
//! Reading order: [`message`] is what can be said on a link; [`codec`] turns it into frames of
//! either dialect and back; [`proof`] is the keyed proof of sign-on; [`ornament`] is what is only for
//! people, and never keeps proof from being read. Behind the codec: `frame` is
//! the length before a body, `terms` the rules for values in any dialect, [`securities`] and
//! `futures` the dialects.

pub mod codec;
mod frame;
mod futures;
pub mod message;
pub mod ornament;
pub mod proof;
pub mod securities;
mod terms;
