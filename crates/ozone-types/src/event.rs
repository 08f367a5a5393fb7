//! Stream events, in the order of rules S1 to S12 of the design.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Annotation, Content, ErrorBody, Item, ItemId, Response, ShellDelta, ShellOutput};

/// One event of a response's journal and of its stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    #[serde(flatten)]
    pub kind: EventKind,
    /// 0, 1, 2… without gaps, in each response.
    pub sequence_number: u64,
}

macro_rules! events {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal { $($(#[$attr:meta])* $field:ident : $ty:ty),* $(,)? } )*) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type")]
        pub enum EventKind {
            $( $(#[$doc])* #[serde(rename = $name)] $variant { $($(#[$attr])* $field: $ty),* }, )*
        }

        impl EventKind {
            /// The event's `type`, which is also the `event:` line of its SSE frame.
            pub fn name(&self) -> &'static str {
                match self { $( EventKind::$variant { .. } => $name, )* }
            }
        }

        /// Every event type that Ozone writes.
        pub const EVENT_TYPES: &[&str] = &[$($name),*];
    };
}

events! {
    Created = "response.created" { response: Box<Response> }
    Queued = "response.queued" { response: Box<Response> }
    /// Also the keep-alive while a prefill or a tool runs.
    InProgress = "response.in_progress" { response: Box<Response> }
    OutputItemAdded = "response.output_item.added" { output_index: u64, item: Item }
    OutputItemDone = "response.output_item.done" { output_index: u64, item: Item }
    ContentPartAdded = "response.content_part.added" { item_id: ItemId, output_index: u64, content_index: u64, part: Content }
    ContentPartDone = "response.content_part.done" { item_id: ItemId, output_index: u64, content_index: u64, part: Content }
    OutputTextDelta = "response.output_text.delta" { item_id: ItemId, output_index: u64, content_index: u64, delta: String, logprobs: Vec<Value> }
    OutputTextDone = "response.output_text.done" { item_id: ItemId, output_index: u64, content_index: u64, text: String, logprobs: Vec<Value> }
    OutputTextAnnotationAdded = "response.output_text.annotation.added" { item_id: ItemId, output_index: u64, content_index: u64, annotation_index: u64, annotation: Annotation }
    RefusalDelta = "response.refusal.delta" { item_id: ItemId, output_index: u64, content_index: u64, delta: String }
    RefusalDone = "response.refusal.done" { item_id: ItemId, output_index: u64, content_index: u64, refusal: String }
    ReasoningTextDelta = "response.reasoning_text.delta" { item_id: ItemId, output_index: u64, content_index: u64, delta: String }
    ReasoningTextDone = "response.reasoning_text.done" { item_id: ItemId, output_index: u64, content_index: u64, text: String }
    ReasoningSummaryPartAdded = "response.reasoning_summary_part.added" { item_id: ItemId, output_index: u64, summary_index: u64, part: Content }
    ReasoningSummaryPartDone = "response.reasoning_summary_part.done" { item_id: ItemId, output_index: u64, summary_index: u64, part: Content }
    ReasoningSummaryTextDelta = "response.reasoning_summary_text.delta" { item_id: ItemId, output_index: u64, summary_index: u64, delta: String }
    ReasoningSummaryTextDone = "response.reasoning_summary_text.done" { item_id: ItemId, output_index: u64, summary_index: u64, text: String }
    FunctionCallArgumentsDelta = "response.function_call_arguments.delta" { item_id: ItemId, output_index: u64, delta: String }
    FunctionCallArgumentsDone = "response.function_call_arguments.done" { item_id: ItemId, output_index: u64, name: String, arguments: String }
    CustomToolCallInputDelta = "response.custom_tool_call_input.delta" { item_id: ItemId, output_index: u64, delta: String }
    CustomToolCallInputDone = "response.custom_tool_call_input.done" { item_id: ItemId, output_index: u64, input: String }
    McpListToolsInProgress = "response.mcp_list_tools.in_progress" { item_id: ItemId, output_index: u64 }
    McpListToolsCompleted = "response.mcp_list_tools.completed" { item_id: ItemId, output_index: u64 }
    McpListToolsFailed = "response.mcp_list_tools.failed" { item_id: ItemId, output_index: u64 }
    FileSearchCallInProgress = "response.file_search_call.in_progress" { item_id: ItemId, output_index: u64 }
    FileSearchCallSearching = "response.file_search_call.searching" { item_id: ItemId, output_index: u64 }
    FileSearchCallCompleted = "response.file_search_call.completed" { item_id: ItemId, output_index: u64 }
    WebSearchCallInProgress = "response.web_search_call.in_progress" { item_id: ItemId, output_index: u64 }
    WebSearchCallSearching = "response.web_search_call.searching" { item_id: ItemId, output_index: u64 }
    WebSearchCallCompleted = "response.web_search_call.completed" { item_id: ItemId, output_index: u64 }
    ImageGenerationCallInProgress = "response.image_generation_call.in_progress" { item_id: ItemId, output_index: u64 }
    ImageGenerationCallGenerating = "response.image_generation_call.generating" { item_id: ItemId, output_index: u64 }
    ImageGenerationCallPartialImage = "response.image_generation_call.partial_image" { item_id: ItemId, output_index: u64, partial_image_index: u64, partial_image_b64: String }
    ImageGenerationCallCompleted = "response.image_generation_call.completed" { item_id: ItemId, output_index: u64 }
    ShellCallCommandAdded = "response.shell_call_command.added" { output_index: u64, command_index: u64, command: String }
    ShellCallCommandDelta = "response.shell_call_command.delta" { output_index: u64, command_index: u64, delta: String }
    ShellCallCommandDone = "response.shell_call_command.done" { output_index: u64, command_index: u64, command: String }
    ShellCallOutputContentDelta = "response.shell_call_output_content.delta" { item_id: ItemId, output_index: u64, command_index: u64, delta: ShellDelta }
    ShellCallOutputContentDone = "response.shell_call_output_content.done" { item_id: ItemId, output_index: u64, command_index: u64, output: Vec<ShellOutput> }
    ApplyPatchCallOperationDiffDelta = "response.apply_patch_call_operation_diff.delta" { item_id: ItemId, output_index: u64, delta: String }
    ApplyPatchCallOperationDiffDone = "response.apply_patch_call_operation_diff.done" { item_id: ItemId, output_index: u64, diff: String }
    McpCallInProgress = "response.mcp_call.in_progress" { item_id: ItemId, output_index: u64 }
    McpCallArgumentsDelta = "response.mcp_call_arguments.delta" { item_id: ItemId, output_index: u64, delta: String }
    McpCallArgumentsDone = "response.mcp_call_arguments.done" { item_id: ItemId, output_index: u64, arguments: String }
    McpCallCompleted = "response.mcp_call.completed" { item_id: ItemId, output_index: u64 }
    McpCallFailed = "response.mcp_call.failed" { item_id: ItemId, output_index: u64 }
    CodeInterpreterCallInProgress = "response.code_interpreter_call.in_progress" { item_id: ItemId, output_index: u64 }
    CodeInterpreterCallCodeDelta = "response.code_interpreter_call_code.delta" { item_id: ItemId, output_index: u64, delta: String }
    CodeInterpreterCallCodeDone = "response.code_interpreter_call_code.done" { item_id: ItemId, output_index: u64, code: String }
    CodeInterpreterCallInterpreting = "response.code_interpreter_call.interpreting" { item_id: ItemId, output_index: u64 }
    CodeInterpreterCallCompleted = "response.code_interpreter_call.completed" { item_id: ItemId, output_index: u64 }
    /// Comes before `response.failed`. Flat fields, as OpenAI's description has them, and the nested
    /// object that clients throw on.
    Error = "error" { code: Option<String>, message: String, param: Option<String>, #[serde(default, skip_serializing_if = "Option::is_none")] error: Option<ErrorBody> }
    Completed = "response.completed" { response: Box<Response> }
    Incomplete = "response.incomplete" { response: Box<Response> }
    Failed = "response.failed" { response: Box<Response> }
}

impl EventKind {
    /// The finished response, when this is the last event of its stream.
    pub fn terminal(&self) -> Option<&Response> {
        match self {
            EventKind::Completed { response }
            | EventKind::Incomplete { response }
            | EventKind::Failed { response } => Some(response),
            _ => None,
        }
    }
}
