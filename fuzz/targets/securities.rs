//! The decoder of the securities dialect: protobuf behind a length.
#![no_main]

mod decoding;

use libfuzzer_sys::fuzz_target;
use wire::codec::Dialect;

fuzz_target!(|bytes: &[u8]| decoding::all(Dialect::Securities, bytes));
