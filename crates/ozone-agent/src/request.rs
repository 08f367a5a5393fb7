//! What is asked, parsed once and kept beside the journal so that a killed run can go on.

use std::time::Duration;

use ozone_prompt::{Effort as PromptEffort, Message, ToolSpec};
use ozone_types::item::Known;
use ozone_types::response::ToolMode;
use ozone_types::{
    Effort, Item, Reasoning, Response, ResponseId, ResponseStatus, Role, ToolChoice, Truncation,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A request that is always valid: [`Request::new`] is the only way in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub model: String,
    pub instructions: Option<String>,
    pub input: Vec<Item>,
    pub effort: Option<Effort>,
    pub sampling: SamplingOptions,
    pub max_output_tokens: Option<u64>,
    pub max_tool_calls: Option<u64>,
    /// `true` streams the reasoning as it is; `false` keeps it out of the output.
    pub raw_reasoning: bool,
    pub metadata: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SamplingOptions {
    pub temperature: f32,
    pub top_p: f32,
    pub top_k: u32,
    pub min_p: f32,
    pub seed: u64,
    pub top_logprobs: u8,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        SamplingOptions {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            seed: 0,
            top_logprobs: 0,
        }
    }
}

/// What a response may use up. Each limit ends it with a stated reason.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Samples of the model.
    pub steps_max: u32,
    pub tool_calls_max: u32,
    /// The whole response.
    pub time_max: Duration,
    /// One tool call.
    pub tool_time_max: Duration,
    pub tool_output_chars_max: usize,
    /// How often the same call with the same arguments may be made before it is not run any more.
    pub repeats_max: u32,
    /// How often a sample is tried again when the model is not to be had.
    pub retries_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            steps_max: 32,
            tool_calls_max: 64,
            time_max: Duration::from_secs(600),
            tool_time_max: Duration::from_secs(30),
            tool_output_chars_max: 16_000,
            repeats_max: 2,
            retries_max: 3,
        }
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidRequest {
    #[error("the question is empty; write one, as in `ozone ask \"What is 17 * 23?\"`")]
    Empty,
    #[error(
        "the question is too long: {bytes} bytes, at most {max} are taken; shorten it or put the \
         data into a file"
    )]
    TooLong { bytes: usize, max: usize },
    #[error(
        "the model `{model}` cannot see pictures; choose one that can, or describe what is in it"
    )]
    Images { model: String },
}

/// The most bytes of text that one request may hold.
pub const INPUT_BYTES_MAX: usize = 4 << 20;

impl Request {
    /// A request with `input` for `model`; the other fields have their defaults.
    pub fn new(model: &str, input: Vec<Item>, reads_images: bool) -> Result<Self, InvalidRequest> {
        let mut bytes = 0;
        for item in &input {
            if let Item::Known(
                Known::Message { content, .. } | Known::FunctionCallOutput { output: content, .. },
            ) = item
            {
                bytes += content.joined().trim().len();
                if content.has_image() && !reads_images {
                    return Err(InvalidRequest::Images { model: model.to_owned() });
                }
            }
        }
        if bytes == 0 {
            return Err(InvalidRequest::Empty);
        }
        if bytes > INPUT_BYTES_MAX {
            return Err(InvalidRequest::TooLong { bytes, max: INPUT_BYTES_MAX });
        }
        Ok(Request {
            model: model.to_owned(),
            instructions: None,
            input,
            effort: None,
            sampling: SamplingOptions::default(),
            max_output_tokens: None,
            max_tool_calls: None,
            raw_reasoning: true,
            metadata: Map::new(),
        })
    }

    /// The response as its first event shows it.
    pub fn response(&self, id: ResponseId, created_at: i64, tools: &[Value]) -> Response {
        Response {
            id,
            object: "response".into(),
            created_at,
            completed_at: None,
            status: ResponseStatus::InProgress,
            background: false,
            error: None,
            incomplete_details: None,
            instructions: self.instructions.clone(),
            max_output_tokens: self.max_output_tokens,
            max_tool_calls: self.max_tool_calls,
            model: self.model.clone(),
            output: vec![],
            parallel_tool_calls: true,
            previous_response_id: None,
            reasoning: Reasoning { effort: self.effort, summary: None },
            service_tier: "default".into(),
            store: true,
            temperature: widen(self.sampling.temperature),
            top_p: widen(self.sampling.top_p),
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            top_logprobs: u64::from(self.sampling.top_logprobs),
            text: json!({"format": {"type": "text"}, "verbosity": "medium"}),
            tool_choice: ToolChoice::Mode(ToolMode::Auto),
            tools: tools.to_vec(),
            truncation: Truncation::Disabled,
            metadata: self.metadata.clone(),
            usage: None,
        }
    }

    /// The input as the model is to read it.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = vec![];
        let mut thought: Option<String> = None;
        for item in &self.input {
            let Item::Known(known) = item else { continue };
            match known {
                Known::Message { role, content, .. } => {
                    let text = content.joined();
                    messages.push(match role {
                        Role::User => Message::User { text },
                        Role::System => Message::System { text },
                        Role::Developer => Message::Developer { text },
                        Role::Assistant => Message::Assistant {
                            reasoning: thought.take(),
                            text,
                            tool_calls: vec![],
                        },
                    });
                }
                Known::Reasoning { content, .. } => {
                    thought = Some(content.iter().filter_map(|c| c.text()).collect());
                }
                Known::FunctionCall { call_id, name, arguments, .. } => {
                    let call = ozone_prompt::ToolCall {
                        id: call_id.to_string(),
                        name: name.clone(),
                        arguments: arguments.clone(),
                    };
                    add_call(&mut messages, thought.take(), call);
                }
                Known::FunctionCallOutput { call_id, output, .. } => {
                    messages.push(Message::ToolResult {
                        call_id: call_id.to_string(),
                        name: name_of(&messages, call_id.as_str()),
                        output: output.joined(),
                    });
                }
                Known::CodeInterpreterCall { id, code, outputs, .. } => {
                    let call = ozone_prompt::ToolCall {
                        id: id.to_string(),
                        name: "python".into(),
                        arguments: json!({ "code": code }).to_string(),
                    };
                    add_call(&mut messages, thought.take(), call);
                    let output = outputs.iter().flatten().filter_map(|o| match o {
                        ozone_types::CodeOutput::Logs { logs } => Some(logs.as_str()),
                        ozone_types::CodeOutput::Image { .. } => None,
                    });
                    messages.push(Message::ToolResult {
                        call_id: id.to_string(),
                        name: "python".into(),
                        output: output.collect(),
                    });
                }
            }
        }
        messages
    }
}

/// A call joins the assistant message before it, when that is what stands last.
fn add_call(messages: &mut Vec<Message>, thought: Option<String>, call: ozone_prompt::ToolCall) {
    if let Some(Message::Assistant { tool_calls, .. }) = messages.last_mut() {
        return tool_calls.push(call);
    }
    let (reasoning, text) = (thought, String::new());
    messages.push(Message::Assistant { reasoning, text, tool_calls: vec![call] });
}

fn name_of(messages: &[Message], id: &str) -> String {
    messages
        .iter()
        .rev()
        .find_map(|message| match message {
            Message::Assistant { tool_calls, .. } => {
                tool_calls.iter().find(|c| c.id == id).map(|c| c.name.clone())
            }
            _ => None,
        })
        .unwrap_or_default()
}

/// The shortest decimal of an `f32`, so that 0.7 is echoed as 0.7.
fn widen(x: f32) -> f64 {
    x.to_string().parse().unwrap_or_else(|_| f64::from(x))
}

pub(crate) fn effort(effort: Effort) -> PromptEffort {
    match effort {
        Effort::None => PromptEffort::None,
        Effort::Minimal => PromptEffort::Minimal,
        Effort::Low => PromptEffort::Low,
        Effort::Medium => PromptEffort::Medium,
        Effort::High | Effort::Xhigh | Effort::Max => PromptEffort::High,
    }
}

/// A tool as the response echoes it.
pub(crate) fn echo(spec: &ToolSpec) -> Value {
    match spec.name.as_str() {
        "python" => json!({"type": "code_interpreter", "container": {"type": "auto"}}),
        name => json!({
            "type": "function",
            "name": name,
            "description": spec.description,
            "parameters": spec.parameters,
            "strict": false
        }),
    }
}
