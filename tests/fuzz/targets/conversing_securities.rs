//! Conversations behind the door, in protobuf.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::conversing_securities(bytes));
