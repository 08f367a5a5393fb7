//! The trainer: tokenizer, model, supervised fine-tuning, reinforcement learning, export.
//!
//! It turns a stream of examples (any [`ExampleSource`]) into a small Qwen3-shaped model that
//! llama.cpp and transformers run unchanged. It knows nothing of tasks, tools or HTTP: what the
//! examples say is the caller's business, and so is the scoring of a trained model. A run is a
//! folder; it can be killed at any moment and goes on from its last checkpoint with the same
//! batches in the same order.

mod batch;
#[cfg(target_arch = "x86_64")]
mod bf16;
pub mod checkpoint;
mod error;
mod example;
pub mod export;
mod fused;
pub mod grpo;
mod kernels;
pub mod memory;
pub mod model;
pub mod optimizer;
pub mod sft;
pub mod tokenizer;

pub use error::TrainError;
pub use example::{Example, ExampleSource, Segment, TokenizedExample};
pub use kernels::{Credit, Precision};
