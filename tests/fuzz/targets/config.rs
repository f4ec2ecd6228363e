//! Bytes for `parlor::fuzzing::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::run(parlor::fuzzing::config, bytes));
