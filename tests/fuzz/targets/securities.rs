//! The decoder of the securities dialect.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::securities(bytes));
