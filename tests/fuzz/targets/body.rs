//! Bytes for `parlor::fuzzing::body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::run(parlor::fuzzing::body, bytes));
