#![no_main]

#[path = "../bodies/types.rs"]
#[allow(dead_code)]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::fold(data));
