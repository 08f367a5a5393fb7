//! The fuzz target on its saved corpus and on seeded mutations of it.

#[path = "../../../../fuzz/bodies/patch.rs"]
mod bodies;
#[path = "../../../../fuzz/harness.rs"]
mod harness;

#[test]
fn any_diff_is_applied_or_refused() {
    harness::run("patch", bodies::patch);
}
