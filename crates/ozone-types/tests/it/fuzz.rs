//! The fuzz targets on their saved corpus and on seeded mutations of it.

#[path = "../../../../fuzz/bodies/types.rs"]
mod bodies;
#[path = "../../../../fuzz/harness.rs"]
mod harness;

#[test]
fn any_events_are_folded_or_refused() {
    harness::run("fold", bodies::fold);
}

#[test]
fn any_item_that_is_read_survives_being_written() {
    harness::run("item", bodies::item);
}
