//! See `TARGETS` in tests/parsers.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (bridgepoint_parsers::target_of("logbook").expect("it is in the table").run)(data));
