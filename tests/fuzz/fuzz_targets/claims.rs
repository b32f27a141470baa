//! See `TARGETS` in tests/parsers.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (bridgepoint_parsers::target_of("claims").expect("it is in the table").run)(data));
