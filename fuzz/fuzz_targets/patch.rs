#![no_main]

#[path = "../bodies/patch.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::patch(data));
