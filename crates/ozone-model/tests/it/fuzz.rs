//! The fuzz targets on their saved corpus and on seeded mutations of it.

#[cfg(feature = "local")]
#[path = "../../../../fuzz/bodies/gguf.rs"]
mod gguf;
#[path = "../../../../fuzz/harness.rs"]
mod harness;
#[cfg(feature = "upstream")]
#[path = "../../../../fuzz/bodies/upstream.rs"]
pub mod upstream;

#[cfg(feature = "local")]
#[test]
fn any_gguf_header_is_read_or_refused() {
    harness::run("gguf", gguf::gguf);
}

#[cfg(feature = "upstream")]
#[test]
fn any_server_sent_events_are_read() {
    harness::run("sse", upstream::sse);
}

#[cfg(feature = "upstream")]
#[test]
fn any_chat_completion_is_read_or_refused() {
    harness::run("upstream_chat", upstream::chat);
}

#[cfg(feature = "upstream")]
#[test]
fn any_response_of_an_upstream_is_read_or_refused() {
    harness::run("upstream_responses", upstream::responses);
}
