//! The fuzz targets on their saved corpus and on seeded mutations of it.

#[path = "../../../../fuzz/bodies/file.rs"]
mod bodies;
#[path = "../../../../fuzz/harness.rs"]
mod harness;

#[test]
fn any_file_has_its_text_or_is_refused() {
    harness::run("file_text", bodies::text);
}
