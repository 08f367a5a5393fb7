//! Items: what a response is made of, in the order in which it came about.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{
    CallId, DrawnImage, ImageFacts, ItemId, PatchOperation, PatchStatus, ShellAction,
    ShellEnvironment, ShellOutput,
};

/// What an assistant's message is to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Said on the way, between calls.
    Commentary,
    FinalAnswer,
}

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
    /// A `file_search_call` or a `web_search_call` while it looks.
    Searching,
    /// An `image_generation_call` while its picture is made.
    Generating,
    Completed,
    Incomplete,
    Failed,
}

/// One item, in or out.
///
/// Reading is lenient where clients are: a message may lack its `type`, an unknown field is ignored,
/// `null` stands for an empty list. A known kind that is malformed beyond that is kept as `Other`,
/// and [`Item::problem`] says what is wrong with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<Phase>,
    },
    Reasoning {
        #[serde(default = "ItemId::reasoning", deserialize_with = "id_or_new")]
        id: ItemId,
        #[serde(default, deserialize_with = "null_is_default")]
        summary: Vec<Content>,
        #[serde(
            default,
            deserialize_with = "null_is_default",
            skip_serializing_if = "Vec::is_empty"
        )]
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
        /// The group that the client's tool stands in; the call must name it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
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
    /// A call whose argument is free text.
    CustomToolCall {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ItemId>,
        call_id: CallId,
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        input: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
    },
    CustomToolCallOutput {
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
        #[serde(default, deserialize_with = "null_is_default")]
        code: String,
        container_id: String,
        /// `None` until the call has ended.
        #[serde(default)]
        outputs: Option<Vec<CodeOutput>>,
    },
    FileSearchCall {
        id: ItemId,
        status: ItemStatus,
        #[serde(default, deserialize_with = "null_is_default")]
        queries: Vec<String>,
        /// `None` where nobody asked for them.
        #[serde(default)]
        results: Option<Vec<FoundPassage>>,
    },
    WebSearchCall {
        #[serde(default = "ItemId::web_search", deserialize_with = "web_id_or_new")]
        id: ItemId,
        #[serde(default = "completed")]
        status: ItemStatus,
        #[serde(default, deserialize_with = "null_is_default")]
        action: WebAction,
        /// What a search found, where the request wants to see it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        results: Option<Vec<WebResult>>,
        /// What the model read of it: never on its way to a client.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Box<SeenWeb>>,
    },
    ImageGenerationCall {
        #[serde(default = "ItemId::image_generation", deserialize_with = "image_id_or_new")]
        id: ItemId,
        #[serde(default = "completed")]
        status: ItemStatus,
        /// The picture in base64; `None` until there is one.
        #[serde(default)]
        result: Option<String>,
        #[serde(flatten)]
        facts: Box<ImageFacts>,
        /// What the model said and read of it: never on its way to a client.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drawn: Option<Box<DrawnImage>>,
    },
    /// Commands for a shell, which runs here or at the client.
    ShellCall {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ItemId>,
        call_id: CallId,
        action: ShellAction,
        #[serde(default)]
        environment: Option<ShellEnvironment>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
    },
    ShellCallOutput {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ItemId>,
        call_id: CallId,
        /// One for each command.
        output: Vec<ShellOutput>,
        #[serde(default)]
        max_output_length: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
    },
    /// A change of a file, which is made here or by the client.
    ApplyPatchCall {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ItemId>,
        call_id: CallId,
        operation: PatchOperation,
        /// `None` at the client, as the API has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<ShellEnvironment>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
    },
    ApplyPatchCallOutput {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ItemId>,
        call_id: CallId,
        status: PatchStatus,
        #[serde(default)]
        output: Option<String>,
    },
    /// Stands for everything before it, in fewer words.
    Compaction {
        #[serde(default = "ItemId::compaction", deserialize_with = "compaction_id_or_new")]
        id: ItemId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
        /// Its words, where they are open: never on their way to a client.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// What a server offers, as it was when it was asked.
    McpListTools {
        id: ItemId,
        server_label: String,
        #[serde(default, deserialize_with = "null_is_default")]
        tools: Vec<McpTool>,
        /// Why there is no list.
        #[serde(default)]
        error: Option<Value>,
    },
    /// A call that waits for somebody's consent.
    McpApprovalRequest {
        id: ItemId,
        server_label: String,
        name: String,
        /// JSON text.
        arguments: String,
    },
    McpApprovalResponse {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ItemId>,
        approval_request_id: String,
        approve: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A call of a tool that runs here, under the label of the server that it belongs to.
    McpCall {
        id: ItemId,
        server_label: String,
        name: String,
        /// JSON text.
        arguments: String,
        /// The consent by which it was made, where one was needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval_request_id: Option<String>,
        /// `None` until the call has ended, and where it failed.
        #[serde(default)]
        output: Option<String>,
        #[serde(default)]
        error: Option<Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<ItemStatus>,
    },
}

impl Known {
    const TYPES: [&str; 19] = [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "code_interpreter_call",
        "file_search_call",
        "web_search_call",
        "image_generation_call",
        "shell_call",
        "shell_call_output",
        "apply_patch_call",
        "apply_patch_call_output",
        "compaction",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
    ];
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        if let Value::Object(map) = &mut value
            && !map.contains_key("type")
            && map.contains_key("role")
        {
            map.insert("type".into(), "message".into());
        }
        Ok(match Known::deserialize(&value) {
            Ok(known) => Item::Known(known),
            Err(_) => Item::Other(value),
        })
    }
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn completed() -> ItemStatus {
    ItemStatus::Completed
}

fn web_id_or_new<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ItemId, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(ItemId::web_search))
}

fn image_id_or_new<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ItemId, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(ItemId::image_generation))
}

fn compaction_id_or_new<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ItemId, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(ItemId::compaction))
}

fn id_or_new<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ItemId, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(ItemId::reasoning))
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
        /// From 1, where the file has pages. OpenAI's API has no such field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        page: Option<u32>,
    },
    UrlCitation {
        url: String,
        title: String,
        start_index: u64,
        end_index: u64,
    },
}

/// A tool of an MCP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct McpTool {
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    /// A JSON schema.
    pub input_schema: Value,
    /// What the server says of the tool's effects. Nobody vouches for it.
    #[serde(default)]
    pub annotations: Option<Value>,
}

/// A passage that a `file_search_call` found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundPassage {
    pub file_id: String,
    pub filename: String,
    /// 0 to 1.
    #[serde(default)]
    pub score: f64,
    #[serde(default, deserialize_with = "null_is_default")]
    pub attributes: serde_json::Map<String, Value>,
    #[serde(default)]
    pub text: String,
    /// From 1, where the file has pages. OpenAI's API has no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
}

/// What a `web_search_call` does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WebAction {
    Search {
        #[serde(default, deserialize_with = "null_is_default")]
        queries: Vec<String>,
        /// The first of them: clients from before there were several read it.
        #[serde(default, deserialize_with = "null_is_default")]
        query: String,
        #[serde(default, deserialize_with = "null_is_default")]
        sources: Vec<WebSource>,
    },
    OpenPage {
        #[serde(default)]
        url: Option<String>,
    },
    #[serde(alias = "find")]
    FindInPage {
        #[serde(default, deserialize_with = "null_is_default")]
        url: String,
        #[serde(default, deserialize_with = "null_is_default")]
        pattern: String,
    },
}

impl Default for WebAction {
    fn default() -> Self {
        WebAction::Search { queries: vec![], query: String::new(), sources: vec![] }
    }
}

/// An address that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WebSource {
    Url { url: String },
}

/// A page that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebResult {
    pub url: String,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub snippet: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// What a model read of a `web_search_call`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SeenWeb {
    pub text: String,
    /// What an answer may cite.
    pub lines: Vec<SeenLines>,
}

/// Lines of a page that a model was shown: the first and the last, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenLines {
    /// By which the page is told from others in the text of a model.
    pub mark: String,
    pub url: String,
    pub title: String,
    pub first: u64,
    pub last: u64,
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
            phase: None,
        })
    }

    /// What is wrong with an item of a kind that Ozone knows but could not read.
    pub fn problem(&self) -> Option<String> {
        let Item::Other(value) = self else { return None };
        let Some(kind) = value.get("type").and_then(Value::as_str) else {
            return Some("an item needs a `type`".into());
        };
        if !Known::TYPES.contains(&kind) {
            return None;
        }
        Known::deserialize(value).err().map(|e| format!("the `{kind}` item cannot be read: {e}"))
    }

    /// The item's own id, where it has one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Item::Known(
                Known::Message { id, .. }
                | Known::FunctionCall { id, .. }
                | Known::FunctionCallOutput { id, .. }
                | Known::CustomToolCall { id, .. }
                | Known::CustomToolCallOutput { id, .. }
                | Known::ShellCall { id, .. }
                | Known::ShellCallOutput { id, .. }
                | Known::ApplyPatchCall { id, .. }
                | Known::ApplyPatchCallOutput { id, .. }
                | Known::McpApprovalResponse { id, .. },
            ) => id.as_ref().map(ItemId::as_str),
            Item::Known(
                Known::Reasoning { id, .. }
                | Known::CodeInterpreterCall { id, .. }
                | Known::FileSearchCall { id, .. }
                | Known::WebSearchCall { id, .. }
                | Known::ImageGenerationCall { id, .. }
                | Known::Compaction { id, .. }
                | Known::McpListTools { id, .. }
                | Known::McpApprovalRequest { id, .. }
                | Known::McpCall { id, .. },
            ) => Some(id.as_str()),
            Item::Other(value) => value.get("id").and_then(Value::as_str),
        }
    }

    pub fn status(&self) -> Option<ItemStatus> {
        let Item::Known(known) = self else { return None };
        match known {
            Known::Message { status, .. }
            | Known::Reasoning { status, .. }
            | Known::FunctionCall { status, .. }
            | Known::FunctionCallOutput { status, .. }
            | Known::CustomToolCall { status, .. }
            | Known::CustomToolCallOutput { status, .. }
            | Known::ShellCall { status, .. }
            | Known::ShellCallOutput { status, .. }
            | Known::ApplyPatchCall { status, .. }
            | Known::McpCall { status, .. } => *status,
            Known::CodeInterpreterCall { status, .. }
            | Known::FileSearchCall { status, .. }
            | Known::WebSearchCall { status, .. }
            | Known::ImageGenerationCall { status, .. } => Some(*status),
            Known::Compaction { .. }
            | Known::McpListTools { .. }
            | Known::McpApprovalRequest { .. }
            | Known::McpApprovalResponse { .. }
            | Known::ApplyPatchCallOutput { .. } => None,
        }
    }
}

impl From<Known> for Item {
    fn from(known: Known) -> Self {
        Item::Known(known)
    }
}
