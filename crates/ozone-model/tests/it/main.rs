//! The model's seam and its backends, as their users see them.

mod conformance;
#[cfg(feature = "local")]
mod engine;
#[cfg(any(feature = "local", feature = "upstream"))]
mod fuzz;
#[cfg(feature = "local")]
mod inputs;
#[cfg(feature = "local")]
mod local;
mod scripted;
#[cfg(feature = "local")]
mod sight;
#[cfg(feature = "local")]
mod sight_local;
#[cfg(feature = "upstream")]
mod upstream;
#[cfg(feature = "upstream")]
mod upstream_dialogs;
#[cfg(feature = "upstream")]
mod upstream_fake;
#[cfg(feature = "upstream")]
mod upstream_faults;
#[cfg(feature = "upstream")]
mod upstream_laws;
#[cfg(feature = "upstream")]
mod upstream_pictures;
