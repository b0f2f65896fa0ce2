//! A signed request.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::signature(bytes));
