//! Bytes for `parlor::fuzzing::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::run(parlor::fuzzing::frame, bytes));
