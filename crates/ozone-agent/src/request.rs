//! What is asked, parsed once and kept beside the journal so that a killed run can go on.

use std::time::Duration;

use ozone_model::Turn;
use ozone_prompt::Effort as PromptEffort;
use ozone_tools::{Shown, Tool};
use ozone_types::item::Known;
use ozone_types::{
    ConversationRef, Effort, Item, Mode, Reasoning, Response, ResponseId, ResponseStatus, Summary,
    ToolChoice, Truncation,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::pro::ProPolicy;
use crate::text::{TextFormat, TextOptions};
use crate::tools::OfferedTools;
use crate::{check, choice, context, input, mcp};

/// A request that is always valid: [`Request::new`] is the only way in, and [`Request::checked`]
/// looks at what was set since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub model: String,
    /// Those of this request alone: they are not carried over from earlier responses.
    pub instructions: Option<String>,
    /// Everything before: inputs and outputs of earlier responses, oldest first.
    #[serde(default)]
    pub earlier: Vec<Item>,
    pub input: Vec<Item>,
    #[serde(default)]
    pub tools: OfferedTools,
    #[serde(default)]
    pub tool_choice: ToolChoice,
    #[serde(default = "yes")]
    pub parallel_tool_calls: bool,
    #[serde(default)]
    pub text: TextOptions,
    pub effort: Option<Effort>,
    /// `reasoning.mode: "pro"`: several samples vote ([`crate::Pro`]).
    #[serde(default)]
    pub pro: Option<ProPolicy>,
    /// How sure the model is of its tokens is kept in the journal's records: a sample of a vote.
    #[serde(default)]
    pub measured: bool,
    /// The ids that the model sees and samples are kept in the journal's records, for a trainer.
    #[serde(default)]
    pub recorded: bool,
    /// Asked for; given only where the reasoning itself is not.
    #[serde(default)]
    pub summary: Option<Summary>,
    pub sampling: SamplingOptions,
    /// The answer's tokens carry their logprobs, with `sampling.top_logprobs` rivals.
    #[serde(default)]
    pub logprobs: bool,
    pub max_output_tokens: Option<u64>,
    /// For the tools that run here.
    pub max_tool_calls: Option<u64>,
    #[serde(default)]
    pub truncation: Truncation,
    /// What came before is summed up when the model reads more tokens than this.
    #[serde(default)]
    pub compact_threshold: Option<u64>,
    /// The client gets its reasoning sealed.
    #[serde(default)]
    pub sealed_reasoning: bool,
    /// A `file_search_call` shows what it found.
    #[serde(default)]
    pub search_results: bool,
    /// So does a `web_search_call`.
    #[serde(default)]
    pub web_results: bool,
    /// `true` streams the reasoning as it is; `false` keeps it out of the output.
    pub raw_reasoning: bool,
    pub metadata: Map<String, Value>,
    /// The span of whoever asked, as the header of W3C Trace Context spells it.
    #[serde(default)]
    pub traceparent: Option<String>,
    #[serde(default)]
    pub echo: Echo,
    /// The model may remember the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Remembered>,
}

/// What is known of the user when a request begins: recorded, so that a run that goes on later, or is
/// looked at again, reads the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// What the model is told, behind its instructions.
    pub told: Option<String>,
    /// What the user wrote with this request, without files and whatever else its input holds.
    pub said: Vec<String>,
}

/// What the response repeats and the loop does not act on: the server does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Echo {
    pub previous_response_id: Option<ResponseId>,
    pub conversation: Option<String>,
    pub background: bool,
    pub store: bool,
    /// The tier that is really used.
    pub service_tier: String,
    pub user: Option<String>,
    pub safety_identifier: Option<String>,
    /// Also tells the backend which conversations begin alike.
    pub prompt_cache_key: Option<String>,
}

impl Default for Echo {
    fn default() -> Self {
        Echo {
            previous_response_id: None,
            conversation: None,
            background: false,
            store: true,
            service_tier: "default".into(),
            user: None,
            safety_identifier: None,
            prompt_cache_key: None,
        }
    }
}

fn yes() -> bool {
    true
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

/// What is wrong with a request, in words for its author.
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
    /// OpenAI's words: clients look for them.
    #[error("No tool call found for function call output with call_id {0}.")]
    UnpairedOutput(String),
    #[error("{0}")]
    Item(String),
    #[error("{0}")]
    Tools(String),
    #[error("{0}")]
    ToolChoice(String),
    #[error("{0}")]
    Schema(String),
    #[error("`{param}` is {found}: it must be {range}")]
    Range { param: &'static str, found: String, range: &'static str },
}

impl InvalidRequest {
    pub(crate) fn tools(why: impl Into<String>) -> Self {
        InvalidRequest::Tools(why.into())
    }

    /// The field of the request that is wrong.
    pub fn param(&self) -> &'static str {
        match self {
            InvalidRequest::Empty
            | InvalidRequest::TooLong { .. }
            | InvalidRequest::Images { .. }
            | InvalidRequest::UnpairedOutput(_)
            | InvalidRequest::Item(_) => "input",
            InvalidRequest::Tools(_) => "tools",
            InvalidRequest::ToolChoice(_) => "tool_choice",
            InvalidRequest::Schema(_) => "text.format.schema",
            InvalidRequest::Range { param, .. } => param,
        }
    }

    /// OpenAI's code for it, where there is one.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            InvalidRequest::Empty => Some("missing_required_parameter"),
            InvalidRequest::TooLong { .. } => Some("string_above_max_length"),
            InvalidRequest::Images { .. } => Some("unsupported_parameter"),
            InvalidRequest::UnpairedOutput(_) | InvalidRequest::Item(_) => None,
            InvalidRequest::Tools(_) | InvalidRequest::ToolChoice(_) => Some("invalid_value"),
            InvalidRequest::Schema(_) => Some("invalid_json_schema"),
            InvalidRequest::Range { .. } => Some("invalid_value"),
        }
    }
}

/// The most bytes of text that one request may hold.
pub const INPUT_BYTES_MAX: usize = 4 << 20;
/// The most bytes of text that a conversation may hold that a request goes on with.
pub const EARLIER_BYTES_MAX: usize = 64 << 20;

impl Request {
    /// A request with `input` for `model`; the other fields have their defaults.
    pub fn new(model: &str, input: Vec<Item>, reads_images: bool) -> Result<Self, InvalidRequest> {
        let images = |item: &&Item| content(item).is_some_and(ozone_types::Text::has_image);
        if !reads_images && input.iter().any(|item| images(&item)) {
            return Err(InvalidRequest::Images { model: model.to_owned() });
        }
        let says = |item: &Item| match item {
            // A tool may have nothing to say.
            Item::Known(
                Known::FunctionCallOutput { .. }
                | Known::CustomToolCallOutput { .. }
                | Known::ShellCallOutput { .. }
                | Known::ApplyPatchCallOutput { .. }
                | Known::McpApprovalResponse { .. },
            ) => true,
            item => content(item).is_some_and(|text| !text.joined().trim().is_empty()),
        };
        if !input.iter().any(|item| says(item) || images(&item)) {
            return Err(InvalidRequest::Empty);
        }
        within(&input, INPUT_BYTES_MAX)?;
        Ok(Request {
            model: model.to_owned(),
            instructions: None,
            earlier: vec![],
            input,
            tools: OfferedTools::default(),
            tool_choice: ToolChoice::default(),
            parallel_tool_calls: true,
            text: TextOptions::default(),
            effort: None,
            pro: None,
            measured: false,
            recorded: false,
            summary: None,
            sampling: SamplingOptions::default(),
            logprobs: false,
            max_output_tokens: None,
            max_tool_calls: None,
            truncation: Truncation::default(),
            compact_threshold: None,
            sealed_reasoning: false,
            search_results: false,
            web_results: false,
            raw_reasoning: true,
            metadata: Map::new(),
            traceparent: None,
            echo: Echo::default(),
            memory: None,
        })
    }

    /// The logprobs of all tokens are asked for and kept.
    pub(crate) fn is_measured(&self) -> bool {
        self.measured || self.recorded
    }

    /// The request, once its fields fit together.
    pub fn checked(self) -> Result<Self, InvalidRequest> {
        within(&self.input, INPUT_BYTES_MAX)?;
        within(&self.earlier, EARLIER_BYTES_MAX)?;
        if let Some(why) = self.input.iter().find_map(Item::problem) {
            return Err(InvalidRequest::Item(why));
        }
        if let Some(call_id) = input::unpaired(self.items()) {
            return Err(InvalidRequest::UnpairedOutput(call_id));
        }
        if let Some(id) = mcp::unasked(self.items()) {
            return Err(InvalidRequest::Item(format!(
                "No approval request found for the approval response to {id}."
            )));
        }
        choice::check(&self.tool_choice, &self.tools)?;
        if let TextFormat::JsonSchema { schema, .. } = &self.text.format {
            check::compiles(schema).map_err(InvalidRequest::Schema)?;
        }
        self.check_ranges()?;
        Ok(self)
    }

    fn check_ranges(&self) -> Result<(), InvalidRequest> {
        let range = |ok: bool, param, found: String, range| {
            if ok { Ok(()) } else { Err(InvalidRequest::Range { param, found, range }) }
        };
        let SamplingOptions { temperature, top_p, top_logprobs, .. } = self.sampling;
        let found = temperature.to_string();
        range((0.0..=2.0).contains(&temperature), "temperature", found, "0 to 2")?;
        range((0.0..=1.0).contains(&top_p), "top_p", top_p.to_string(), "0 to 1")?;
        range(top_logprobs <= 20, "top_logprobs", top_logprobs.to_string(), "0 to 20")?;
        if let Some(policy) = &self.pro {
            policy.check()?;
            let range = "above 0 in pro mode, where equal samples would prove nothing";
            let ok = temperature > 0.0;
            if !ok {
                let found = temperature.to_string();
                return Err(InvalidRequest::Range { param: "temperature", found, range });
            }
        }
        let tokens = self.max_output_tokens.unwrap_or(1);
        range(tokens > 0, "max_output_tokens", tokens.to_string(), "at least 1")?;
        range(
            self.metadata.len() <= 16,
            "metadata",
            format!("{} pairs", self.metadata.len()),
            "at most 16 pairs",
        )
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.earlier.iter().chain(&self.input)
    }

    /// The response as its first event shows it.
    pub fn response(&self, id: ResponseId, created_at: i64, tools: &[Value]) -> Response {
        Response {
            id,
            object: "response".into(),
            created_at,
            completed_at: None,
            status: ResponseStatus::InProgress,
            background: self.echo.background,
            conversation: self.echo.conversation.clone().map(|id| ConversationRef { id }),
            error: None,
            incomplete_details: None,
            instructions: self.instructions.clone(),
            max_output_tokens: self.max_output_tokens,
            max_tool_calls: self.max_tool_calls,
            model: self.model.clone(),
            output: vec![],
            parallel_tool_calls: self.parallel_tool_calls,
            previous_response_id: self.echo.previous_response_id.clone(),
            prompt_cache_key: self.echo.prompt_cache_key.clone(),
            reasoning: Reasoning {
                effort: self.effort,
                mode: if self.pro.is_some() { Mode::Pro } else { Mode::Standard },
                summary: self.summary,
            },
            safety_identifier: self.echo.safety_identifier.clone(),
            service_tier: self.echo.service_tier.clone(),
            store: self.echo.store,
            temperature: widen(self.sampling.temperature),
            top_p: widen(self.sampling.top_p),
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            top_logprobs: u64::from(self.sampling.top_logprobs),
            text: serde_json::to_value(&self.text).unwrap_or_default(),
            tool_choice: self.tool_choice.clone(),
            tools: if self.tools.spelt().is_empty() {
                tools.to_vec()
            } else {
                self.tools.spelt().to_vec()
            },
            truncation: self.truncation,
            metadata: self.metadata.clone(),
            usage: None,
            user: self.echo.user.clone(),
            pro: None,
        }
    }

    /// What the model reads before it begins.
    ///
    /// `done` is what the response holds already of calls that were agreed to in its input.
    pub(crate) fn turns(
        &self,
        done: &[Item],
        names: &[(Shown, String)],
        reads_images: bool,
    ) -> Vec<Turn> {
        let done = done.iter().filter(|item| mcp::is_prelude(item));
        let users_bytes_max = context::users_bytes_max(self.compact_threshold);
        input::turns(self.items().chain(done), names, reads_images, users_bytes_max)
    }

    /// The calls that the input agrees to and nobody has made yet.
    pub(crate) fn approved(&self, done: &[Item]) -> Vec<mcp::Approved> {
        mcp::approved(&self.input, self.items().chain(done))
    }

    /// What the model is told before everything else.
    pub(crate) fn told(&self) -> Option<String> {
        let known = self.memory.as_ref().and_then(|memory| memory.told.clone());
        let told: Vec<String> =
            self.instructions.clone().into_iter().chain(known).chain(self.text.told()).collect();
        (!told.is_empty()).then(|| told.join("\n\n"))
    }
}

/// The text and the pictures of an item.
fn content(item: &Item) -> Option<&ozone_types::Text> {
    match item {
        Item::Known(
            Known::Message { content, .. }
            | Known::FunctionCallOutput { output: content, .. }
            | Known::CustomToolCallOutput { output: content, .. },
        ) => Some(content),
        _ => None,
    }
}

fn within(items: &[Item], max: usize) -> Result<(), InvalidRequest> {
    let bytes = |item: &Item| match item {
        Item::Known(Known::ShellCallOutput { output, .. }) => {
            output.iter().map(|o| o.stdout.len() + o.stderr.len()).sum()
        }
        Item::Known(Known::ApplyPatchCallOutput { output, .. }) => {
            output.as_deref().map_or(0, str::len)
        }
        item => content(item).map_or(0, |text| text.joined().len()),
    };
    let bytes = items.iter().map(bytes).sum();
    if bytes > max { Err(InvalidRequest::TooLong { bytes, max }) } else { Ok(()) }
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
        Effort::High => PromptEffort::High,
        Effort::Xhigh => PromptEffort::Xhigh,
        Effort::Max => PromptEffort::Max,
    }
}

/// A tool that runs here as the response echoes it, where the request did not spell it.
pub fn echo(tool: &dyn Tool) -> Value {
    let spec = tool.spec();
    match tool.shown() {
        Shown::CodeInterpreter { .. } => {
            json!({"type": "code_interpreter", "container": {"type": "auto"}})
        }
        Shown::FileSearch => json!({"type": "file_search", "vector_store_ids": []}),
        Shown::Web(_) => json!({"type": "web_search"}),
        Shown::ImageGeneration => json!({"type": "image_generation"}),
        Shown::Shell { .. } => json!({"type": "shell", "environment": {"type": "container_auto"}}),
        Shown::Patch { .. } => {
            json!({"type": "apply_patch", "environment": {"type": "container_auto"}})
        }
        Shown::McpCall { server_label, name } => {
            json!({"type": "mcp", "server_label": server_label, "allowed_tools": [name]})
        }
        Shown::FunctionCall => json!({
            "type": "function",
            "name": spec.name,
            "description": spec.description,
            "parameters": spec.parameters,
            "strict": false
        }),
    }
}
