//! Bytes for `parlor::fuzzing::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::run(parlor::fuzzing::json, bytes));
