//! Bytes ↔ messages; owns no socket and no randomness, and decides nothing by a clock.
//!
//! Reading order: [`payload`] is what links are for, instructions and replies; [`conversation`] is what is said
//! for a connection's own sake; a [`message`] is one or the other. [`dialect`] lists in which bytes they are
//! said, and [`codec`] says and reads them, in frames or without, and spells them for people. [`proof`] is the keyed proof of sign-on;
//! [`ornament`] is what is only for people, and never keeps proof from being read. Behind the codec: `format` is
//! what a dialect is to it, `frame` the length before a body, `terms` the rules for values in any dialect, `xml` what packets of XML are made
//! of, [`securities`] and `futures` the dialects.
//!
//! ```
//! use bytes::BytesMut;
//! use wire::codec::{Codec, Incoming, Parties};
//! use wire::conversation::{Conversation, Heartbeat};
//! use wire::dialect::{Details, Speech};
//! use wire::message::Message;
//!
//! for speech in Speech::ALL {
//!     let names = |own: &str, peer: &str| Parties { own: own.to_owned(), peer: peer.to_owned() };
//!     let bridge = Codec::new(speech.with(Details::default()), names("bridge", "counter"));
//!     let counter = Codec::new(speech.with(Details::default()), names("counter", "bridge"));
//!     let said = Message::Conversation(Conversation::Heartbeat(Heartbeat { number: 7 }));
//!     let mut bytes = BytesMut::new();
//!     bridge.encode(&said, &mut bytes)?;
//!     assert_eq!(counter.decode(&mut bytes)?, Some(Incoming::Message(said)));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
