//! What an `image_generation_call` made.

use serde::{Deserialize, Serialize};

/// How a picture was made, as its item shows it beside the pixels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// `generate`, or `edit` of earlier pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
    /// What was drawn, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revised_prompt: Option<String>,
    /// As `1024x1024`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// `svg`, or an image model and its address. OpenAI's API has no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_engine: Option<String>,
}

/// A picture that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedImage {
    pub bytes: Vec<u8>,
    pub facts: ImageFacts,
}

/// What the model said and read of a call: its item shows neither.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawnImage {
    /// JSON text.
    pub arguments: String,
    pub told: String,
}
