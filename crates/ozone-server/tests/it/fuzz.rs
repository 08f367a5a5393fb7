//! The fuzz targets on their saved corpus and on seeded mutations of it.

#[path = "../../../../fuzz/bodies/request.rs"]
mod bodies;
#[path = "../../../../fuzz/harness.rs"]
mod harness;

#[test]
fn any_body_of_a_response_is_read_or_refused() {
    harness::run("request", bodies::responses);
}

#[test]
fn any_body_of_a_chat_completion_is_read_or_refused() {
    harness::run("chat_request", bodies::chat);
}
