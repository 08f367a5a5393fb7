//! The shape of the answer: free text, or JSON that fits a schema.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::check;

/// `text` of a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextOptions {
    #[serde(default, deserialize_with = "null_is_default")]
    pub format: TextFormat,
    #[serde(default, deserialize_with = "null_is_default")]
    pub verbosity: Verbosity,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TextFormat {
    #[default]
    Text,
    JsonObject,
    JsonSchema {
        name: String,
        #[serde(default)]
        description: Option<String>,
        schema: Value,
        /// Otherwise an answer that does not fit is given as it is, once the model was asked again.
        #[serde(default)]
        strict: Option<bool>,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    Low,
    #[default]
    Medium,
    High,
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl TextOptions {
    /// What the model is told beside its instructions.
    pub(crate) fn told(&self) -> Option<String> {
        let format = match &self.format {
            TextFormat::Text => None,
            TextFormat::JsonObject => {
                Some("Answer with one JSON object and nothing else.".to_owned())
            }
            TextFormat::JsonSchema { description, schema, .. } => {
                let what = description.as_ref().map_or_else(String::new, |d| format!(" ({d})"));
                Some(format!(
                    "Answer with one JSON value{what} and nothing else. It must fit this JSON \
                     schema:\n{schema}"
                ))
            }
        };
        let verbosity = match self.verbosity {
            Verbosity::Low => Some("Keep the answer short.".to_owned()),
            Verbosity::Medium => None,
            Verbosity::High => Some("Answer at length and in detail.".to_owned()),
        };
        let told: Vec<String> = verbosity.into_iter().chain(format).collect();
        (!told.is_empty()).then(|| told.join("\n\n"))
    }
}

impl TextFormat {
    pub fn is_json(&self) -> bool {
        !matches!(self, TextFormat::Text)
    }

    /// Whether an answer that does not fit must not be given.
    pub(crate) fn is_strict(&self) -> bool {
        match self {
            TextFormat::Text => false,
            TextFormat::JsonObject => true,
            TextFormat::JsonSchema { strict, .. } => strict.unwrap_or(false),
        }
    }

    pub fn schema(&self) -> Option<Value> {
        match self {
            TextFormat::Text => None,
            TextFormat::JsonObject => Some(json!({"type": "object"})),
            TextFormat::JsonSchema { schema, .. } => Some(schema.clone()),
        }
    }

    /// The answer as it is given, or why it does not fit. A code fence around JSON is taken off.
    pub(crate) fn read(&self, text: &str) -> Result<String, String> {
        let Some(schema) = self.schema() else { return Ok(text.to_owned()) };
        let text = unfenced(text.trim());
        let value: Value = serde_json::from_str(text).map_err(|e| format!("it is no JSON: {e}"))?;
        check::fits_schema(&schema, &value)?;
        Ok(text.to_owned())
    }
}

fn unfenced(text: &str) -> &str {
    let Some(inner) = text.strip_prefix("```").and_then(|t| t.strip_suffix("```")) else {
        return text;
    };
    inner.strip_prefix("json").unwrap_or(inner).trim()
}
