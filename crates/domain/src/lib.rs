//! The rules of moving money between two counters, and nothing else: no async, no I/O, no clock,
//! no randomness. Everything here is data in, decisions out.
//!
//! Reading order: [`money`] and [`serial`] are the words; [`message`] is what is said to a counter
//! and what it says back; [`order`] is what a transfer is to do; [`profile`] is what a counter can do; [`transfer`] is the machine that
//! decides what happens next. [`shown`] is how people write money.

pub mod message;
pub mod money;
pub mod order;
pub mod profile;
pub mod serial;
pub mod shown;
pub mod transfer;
