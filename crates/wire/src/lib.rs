//! Bytes ↔ messages; owns no socket and no randomness, and decides nothing by a clock.
//!
//! Reading order: [`payload`] is what links are for, instructions and replies; [`conversation`] is what is said
//! for a connection's own sake; a [`message`] is one or the other. [`dialect`] lists in which bytes they are
//! said, and [`codec`] says and reads them, in frames or without. [`proof`] is the keyed proof of sign-on;
//! [`ornament`] is what is only for people, and never keeps proof from being read. Behind the codec: `format` is
//! what a dialect is to it, `frame` the length before a body, `terms` the rules for values in any dialect, `xml` what packets of XML are made
//! of, [`securities`] and `futures` the dialects.

pub mod codec;
pub mod conversation;
pub mod dialect;
mod error;
mod format;
mod frame;
mod futures;
pub mod message;
pub mod ornament;
pub mod payload;
pub mod proof;
pub mod securities;
mod terms;
mod xml;
