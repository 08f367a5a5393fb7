//! The model's seam and its backends, as their users see them.

mod conformance;
#[cfg(feature = "local")]
mod engine;
#[cfg(feature = "local")]
mod local;
mod scripted;
