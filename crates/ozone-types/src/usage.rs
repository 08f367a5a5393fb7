//! Tokens used. Cached tokens are part of the input, reasoning tokens part of the output.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input_tokens: u64,
    pub input_tokens_details: InputDetails,
    pub output_tokens: u64,
    pub output_tokens_details: OutputDetails,
    pub total_tokens: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputDetails {
    /// Read from a prefix that was computed before.
    pub cached_tokens: u64,
    #[serde(default)]
    pub cache_write_tokens: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputDetails {
    pub reasoning_tokens: u64,
}

impl Usage {
    /// The usage of one sample. `cached` is at most `input`, `reasoning` at most `output`.
    pub fn of_sample(input: u64, cached: u64, output: u64, reasoning: u64) -> Self {
        Usage {
            input_tokens: input,
            input_tokens_details: InputDetails {
                cached_tokens: cached.min(input),
                cache_write_tokens: 0,
            },
            output_tokens: output,
            output_tokens_details: OutputDetails { reasoning_tokens: reasoning.min(output) },
            total_tokens: input + output,
        }
    }
}

/// A response that samples several times has used the sum.
impl AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.input_tokens += other.input_tokens;
        self.input_tokens_details.cached_tokens += other.input_tokens_details.cached_tokens;
        self.input_tokens_details.cache_write_tokens +=
            other.input_tokens_details.cache_write_tokens;
        self.output_tokens += other.output_tokens;
        self.output_tokens_details.reasoning_tokens += other.output_tokens_details.reasoning_tokens;
        self.total_tokens += other.total_tokens;
    }
}
