//! Diffs applied to texts, as their writers see it.

mod creating;
mod fuzz;
mod laws;
mod telling;
mod updating;

use ozone_patch::update;

/// The changed text; an error fails the test.
#[track_caller]
fn changed(text: &str, diff: &str) -> String {
    update(text, diff).unwrap_or_else(|e| panic!("{e}")).text
}

#[track_caller]
fn refused(text: &str, diff: &str) -> String {
    update(text, diff).unwrap_err().to_string()
}
