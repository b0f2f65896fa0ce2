//! Conversations behind the door, in XML.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::conversing_futures(bytes));
