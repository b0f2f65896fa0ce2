//! The decoder of the futures dialect.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::futures(bytes));
