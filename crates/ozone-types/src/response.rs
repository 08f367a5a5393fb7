//! The response object: what `POST /responses`, `GET /responses/{id}` and `ozone ask --json` give.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Item, ProReport, ResponseError, ResponseId, Usage};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    Queued,
    InProgress,
    Completed,
    Incomplete,
    Failed,
    Cancelled,
}

impl ResponseStatus {
    /// `true` when nothing more will come.
    pub fn is_terminal(self) -> bool {
        !matches!(self, ResponseStatus::Queued | ResponseStatus::InProgress)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncompleteReason {
    MaxOutputTokens,
    ContentFilter,
    /// Ozone's own: the loop's limit on steps.
    MaxSteps,
    /// Ozone's own: the loop's limit on time.
    TimeLimit,
    /// Ozone's own: a budget is spent.
    CostLimit,
    /// Ozone's own: the user stopped it.
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncompleteDetails {
    pub reason: IncompleteReason,
    /// Ozone's own: what a person should know of it, as which budget it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How much thinking is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    None,
    Minimal,
    Low,
    #[default]
    Medium,
    High,
    Xhigh,
    Max,
}

impl Effort {
    /// The most tokens of thinking in one response; `None` is bounded by the context alone.
    pub fn thinking_tokens_max(self) -> Option<u64> {
        match self {
            Effort::None => Some(0),
            Effort::Minimal => Some(512),
            Effort::Low => Some(2_048),
            Effort::Medium => Some(8_192),
            Effort::High => Some(24_576),
            Effort::Xhigh => Some(49_152),
            Effort::Max => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Summary {
    Auto,
    Concise,
    Detailed,
}

/// Whether one run of the model gives the answer, or several vote on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Standard,
    Pro,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasoning {
    pub effort: Option<Effort>,
    #[serde(default)]
    pub mode: Mode,
    pub summary: Option<Summary>,
}

/// What becomes of a conversation that does not fit into the context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Truncation {
    #[default]
    Disabled,
    Auto,
}

/// Which tools the model may or must call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ToolChoice {
    Mode(ToolMode),
    /// One tool, or a list of allowed ones, as the request spelt it.
    Only(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolMode {
    Auto,
    None,
    Required,
}

impl Default for ToolChoice {
    fn default() -> Self {
        ToolChoice::Mode(ToolMode::Auto)
    }
}

/// The conversation that a response belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRef {
    pub id: String,
}

/// A response. Every field that the API echoes stands here with its effective value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    pub id: ResponseId,
    pub object: String,
    /// Seconds since 1970.
    pub created_at: i64,
    pub completed_at: Option<i64>,
    pub status: ResponseStatus,
    pub background: bool,
    #[serde(default)]
    pub conversation: Option<ConversationRef>,
    pub error: Option<ResponseError>,
    pub incomplete_details: Option<IncompleteDetails>,
    pub instructions: Option<String>,
    pub max_output_tokens: Option<u64>,
    pub max_tool_calls: Option<u64>,
    pub model: String,
    pub output: Vec<Item>,
    pub parallel_tool_calls: bool,
    pub previous_response_id: Option<ResponseId>,
    #[serde(default)]
    pub prompt_cache_key: Option<String>,
    pub reasoning: Reasoning,
    #[serde(default)]
    pub safety_identifier: Option<String>,
    pub service_tier: String,
    pub store: bool,
    pub temperature: f64,
    pub top_p: f64,
    pub presence_penalty: f64,
    pub frequency_penalty: f64,
    pub top_logprobs: u64,
    pub text: Value,
    pub tool_choice: ToolChoice,
    pub tools: Vec<Value>,
    pub truncation: Truncation,
    pub metadata: Map<String, Value>,
    pub usage: Option<Usage>,
    #[serde(default)]
    pub user: Option<String>,
    /// Ozone's own: how the samples of a `pro` answer voted.
    #[serde(default, rename = "x_pro", skip_serializing_if = "Option::is_none")]
    pub pro: Option<Box<ProReport>>,
}

impl Response {
    /// The texts of all messages of the output, joined: the SDKs' `output_text`.
    pub fn output_text(&self) -> String {
        self.output
            .iter()
            .filter_map(|item| match item {
                Item::Known(crate::item::Known::Message { content, .. }) => Some(content.joined()),
                _ => None,
            })
            .collect()
    }
}
