//! The `ModelBackend` seam and its backends: a GGUF file in process, an OpenAI-compatible upstream,
//! and a script.
//!
//! Alone in knowing llama.cpp (feature `local`) and upstreams' HTTP (feature `upstream`): who only
//! needs the seam compiles neither.

mod backend;
#[cfg(feature = "local")]
pub mod bench;
#[cfg(feature = "local")]
pub mod engine;
#[cfg(feature = "local")]
mod local;
mod scripted;
#[cfg(feature = "local")]
pub mod synthetic;
#[cfg(feature = "upstream")]
pub mod upstream;

pub use backend::{
    Calls, Constraints, Delivery, Enforces, Image, ModelBackend, ModelError, ModelInfo, Sample,
    SampleEvent, SampleRequest, SampleStream, Sampling, Sees, Stop, TokenLogprob, Turn,
};
#[cfg(feature = "local")]
pub use local::LocalBackend;
pub use scripted::{Script, ScriptedBackend, Take};
#[cfg(feature = "upstream")]
pub use upstream::UpstreamBackend;
