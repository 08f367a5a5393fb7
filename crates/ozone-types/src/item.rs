//! Items: what a response is made of, in the order in which it came about.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CallId, ItemId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    System,
    Developer,
    Assistant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    InProgress,
    /// A `code_interpreter_call` while its code runs.
    Interpreting,
    Completed,
    Incomplete,
    Failed,
}

/// One item, in or out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Item {
    Known(Known),
    /// An item of a kind that Ozone does not run itself, kept as it came.
    Other(Value),
}

/// The items that Ozone reads and writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Known {
    Message {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ItemId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
        role: Role,
        content: Text,
    },
    Reasoning {
        id: ItemId,
        #[serde(default)]
        summary: Vec<Content>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        content: Vec<Content>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
    },
    FunctionCall {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ItemId>,
        call_id: CallId,
        name: String,
        /// JSON text.
        arguments: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
    },
    FunctionCallOutput {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ItemId>,
        call_id: CallId,
        output: Text,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
    },
    CodeInterpreterCall {
        id: ItemId,
        status: ItemStatus,
        code: String,
        container_id: String,
        /// `None` until the call has ended.
        outputs: Option<Vec<CodeOutput>>,
    },
}

/// Text as a plain string or as parts, as the API allows in both places where it occurs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    Plain(String),
    Parts(Vec<Content>),
}

impl Text {
    /// All text parts joined; parts of other kinds are left out.
    pub fn joined(&self) -> String {
        match self {
            Text::Plain(text) => text.clone(),
            Text::Parts(parts) => parts.iter().filter_map(Content::text).collect(),
        }
    }

    /// `true` when a picture is among the parts.
    pub fn has_image(&self) -> bool {
        matches!(self, Text::Parts(parts) if parts.iter().any(|p| matches!(p, Content::InputImage { .. })))
    }
}

/// A part of a message, a reasoning item or an output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    InputText {
        text: String,
    },
    InputImage {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image_url: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    InputFile {
        #[serde(flatten)]
        source: serde_json::Map<String, Value>,
    },
    OutputText {
        text: String,
        #[serde(default)]
        annotations: Vec<Annotation>,
        #[serde(default)]
        logprobs: Vec<Value>,
    },
    Refusal {
        refusal: String,
    },
    SummaryText {
        text: String,
    },
    ReasoningText {
        text: String,
    },
}

/// The part that an event of a message body speaks of.
pub type OutputPart = Content;

impl Content {
    pub fn output_text(text: impl Into<String>) -> Self {
        Content::OutputText { text: text.into(), annotations: vec![], logprobs: vec![] }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Content::InputText { text }
            | Content::OutputText { text, .. }
            | Content::SummaryText { text }
            | Content::ReasoningText { text } => Some(text),
            Content::Refusal { refusal } => Some(refusal),
            Content::InputImage { .. } | Content::InputFile { .. } => None,
        }
    }
}

/// Where a stretch of an answer comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Annotation {
    ContainerFileCitation {
        container_id: String,
        file_id: String,
        filename: String,
        start_index: u64,
        end_index: u64,
    },
    FilePath {
        file_id: String,
        index: u64,
    },
    FileCitation {
        file_id: String,
        filename: String,
        index: u64,
    },
    UrlCitation {
        url: String,
        title: String,
        start_index: u64,
        end_index: u64,
    },
}

/// What a `code_interpreter_call` gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CodeOutput {
    Logs {
        logs: String,
    },
    Image {
        /// A `data:` URL, or the address of a stored file.
        url: String,
    },
}

impl Item {
    pub fn user(text: impl Into<String>) -> Self {
        Item::Known(Known::Message {
            id: None,
            status: None,
            role: Role::User,
            content: Text::Plain(text.into()),
        })
    }

    /// The item's own id, where it has one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Item::Known(
                Known::Message { id, .. }
                | Known::FunctionCall { id, .. }
                | Known::FunctionCallOutput { id, .. },
            ) => id.as_ref().map(ItemId::as_str),
            Item::Known(Known::Reasoning { id, .. } | Known::CodeInterpreterCall { id, .. }) => {
                Some(id.as_str())
            }
            Item::Other(value) => value.get("id").and_then(Value::as_str),
        }
    }
}

impl From<Known> for Item {
    fn from(known: Known) -> Self {
        Item::Known(known)
    }
}
