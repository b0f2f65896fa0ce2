//! The door, and conversations behind it, in XML.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::accepting_futures(bytes));
