//! The body of `POST /responses`, checked once. What comes out of here is valid but for what only
//! the store (references, files) and the loop (schemas, pairing) know.

use ozone_types::response::ToolMode;
use ozone_types::{Effort, Mode, ResponseId, Summary, ToolChoice, Truncation};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::fields::Fields;
use crate::schedule::Tier;

/// Which old reasoning the model sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReasoningContext {
    #[default]
    Auto,
    CurrentTurn,
    AllTurns,
}

/// What stands before the input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Before {
    Nothing,
    Response(ResponseId),
    Conversation(String),
}

/// What came before is summed up while the response runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compaction {
    /// In tokens of a prompt. `None`: when the model's window is nearly full.
    pub threshold: Option<u64>,
}

/// `include[]`, as far as it changes anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Include {
    pub encrypted_reasoning: bool,
    pub logprobs: bool,
    pub search_results: bool,
    pub web_results: bool,
}

const INCLUDE: &[&str] = &[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
];

impl Include {
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, ApiError> {
        let mut include = Include::default();
        for word in words {
            match word {
                "reasoning.encrypted_content" => include.encrypted_reasoning = true,
                "message.output_text.logprobs" => include.logprobs = true,
                "file_search_call.results" => include.search_results = true,
                "web_search_call.results" => include.web_results = true,
                // Outputs, pictures and sources are always there.
                known if INCLUDE.contains(&known) => {}
                other => {
                    let other: String = other.chars().take(80).collect();
                    let message = format!(
                        "Invalid value: '{other}'. Supported values are: '{}'.",
                        INCLUDE.join("', '")
                    );
                    return Err(ApiError::coded("include", "invalid_value", message));
                }
            }
        }
        Ok(include)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Create {
    pub model: String,
    pub input: Vec<Value>,
    pub instructions: Option<String>,
    pub before: Before,
    pub store: bool,
    pub background: bool,
    pub stream: bool,
    pub obfuscate: bool,
    pub include: Include,
    pub effort: Option<Effort>,
    /// In pro mode: how it is to differ from the model's own policy.
    pub pro: Option<Value>,
    /// `x_record`: a trainer fetches what the model saw and sampled.
    pub recorded: bool,
    pub summary: Option<Summary>,
    pub reasoning_context: ReasoningContext,
    pub tools: Vec<Value>,
    pub tool_choice: ToolChoice,
    pub parallel_tool_calls: bool,
    pub max_tool_calls: Option<u64>,
    pub max_output_tokens: Option<u64>,
    pub text: Value,
    pub truncation: Truncation,
    pub compaction: Option<Compaction>,
    pub tier: Tier,
    pub metadata: Map<String, Value>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_logprobs: u64,
    pub seed: Option<u64>,
    pub user: Option<String>,
    pub safety_identifier: Option<String>,
    pub prompt_cache_key: Option<String>,
}

/// The most items of one request.
const ITEMS_MAX: usize = 10_000;
/// The most tools of one request.
const TOOLS_MAX: usize = 512;

impl Create {
    pub fn parse(body: &Value) -> Result<Self, ApiError> {
        let fields = Fields::of(body, "")?;
        refuse_unsupported(&fields)?;
        let before = before(&fields)?;
        let store = fields.bool("store")?.unwrap_or(true);
        let background = fields.bool("background")?.unwrap_or(false);
        if background && !store {
            let message = "A background response is fetched later, so it must be stored: \
                           'background' needs 'store' to be true.";
            return Err(ApiError::coded("background", "invalid_value", message));
        }
        let stream = fields.bool("stream")?.unwrap_or(false);
        let options = fields.object("stream_options")?;
        if options.is_some() && !stream {
            let message = "The 'stream_options' parameter is only allowed when 'stream' is true.";
            return Err(ApiError::coded("stream_options", "invalid_value", message));
        }
        let obfuscate =
            options.map(|o| o.bool("include_obfuscation")).transpose()?.flatten().unwrap_or(false);
        let reasoning = Reasoning::parse(fields.object("reasoning")?)?;
        let model = fields.required("model")?.to_owned();
        let truncation =
            fields.word("truncation", "'auto', 'disabled'")?.unwrap_or(Truncation::Disabled);
        let max = u64::MAX;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Create {
            model,
            input: input(&fields, &before)?,
            instructions: owned(fields.string("instructions")?),
            before,
            store,
            background,
            stream,
            obfuscate,
            include: include(&fields)?,
            effort: reasoning.effort,
            pro: pro(&fields, reasoning.mode)?,
            recorded: recorded(&fields, store)?,
            summary: reasoning.summary,
            reasoning_context: reasoning.context,
            tools: tools(&fields)?,
            tool_choice: tool_choice(&fields)?,
            parallel_tool_calls: fields.bool("parallel_tool_calls")?.unwrap_or(true),
            max_tool_calls: fields.integer("max_tool_calls", 1, max)?,
            max_output_tokens: fields.integer("max_output_tokens", 1, max)?,
            text: text(&fields)?,
            truncation,
            compaction: compaction(&fields)?,
            tier: tier(&fields)?,
            metadata: fields.metadata()?.unwrap_or_default(),
            temperature: fields.number("temperature", 0.0, 2.0)?,
            top_p: fields.number("top_p", 0.0, 1.0)?,
            top_logprobs: fields.integer("top_logprobs", 0, 20)?.unwrap_or(0),
            seed: fields.integer("seed", 0, max)?,
            user: owned(fields.string("user")?),
            safety_identifier: short(&fields, "safety_identifier", 64)?,
            prompt_cache_key: short(&fields, "prompt_cache_key", 512)?,
        })
    }
}

/// What no part of Ozone does is refused, never swallowed.
fn refuse_unsupported(fields: &Fields<'_>) -> Result<(), ApiError> {
    for (name, why) in [
        ("prompt", "prompts are not stored here; send their text as 'instructions' and 'input'"),
        ("moderation", "there is no moderation model"),
    ] {
        if fields.get(name).is_some() {
            let message = format!("Unsupported parameter: '{name}': {why}.");
            return Err(ApiError::unsupported(name, message));
        }
    }
    for name in ["presence_penalty", "frequency_penalty"] {
        if fields.number(name, -2.0, 2.0)?.is_some_and(|penalty| penalty != 0.0) {
            let message = format!("Unsupported parameter: '{name}': only 0 is supported.");
            return Err(ApiError::unsupported(name, message));
        }
    }
    let retention = fields.string("prompt_cache_retention")?;
    if let Some(other) = retention.filter(|r| !["in_memory", "in-memory", "24h"].contains(r)) {
        return Err(fields.bad_word("prompt_cache_retention", other, "'in_memory', '24h'"));
    }
    Ok(())
}

/// `context_management`: a list, of which one kind of entry exists.
fn compaction(fields: &Fields<'_>) -> Result<Option<Compaction>, ApiError> {
    let entries = fields.list("context_management")?.map_or(&[][..], Vec::as_slice);
    let mut compaction = None;
    for (index, entry) in entries.iter().enumerate() {
        let place = format!("context_management[{index}]");
        let entry = Fields::of(entry, &place)?;
        let kind = entry.required("type")?;
        if kind != "compaction" {
            return Err(entry.bad_word("type", kind, "'compaction'"));
        }
        if compaction.is_some() {
            let message = "Invalid 'context_management': at most one compaction is taken.";
            return Err(ApiError::coded(&place, "invalid_value", message));
        }
        let threshold = entry.integer("compact_threshold", 1, u64::MAX)?;
        compaction = Some(Compaction { threshold });
    }
    Ok(compaction)
}

fn before(fields: &Fields<'_>) -> Result<Before, ApiError> {
    let conversation = match fields.get("conversation") {
        Some(Value::String(id)) => Some(id.clone()),
        Some(value) => Some(Fields::of(value, "conversation")?.required("id").map(str::to_owned)?),
        None => None,
    };
    match (fields.string("previous_response_id")?, conversation) {
        (Some(_), Some(_)) => Err(ApiError::coded(
            "previous_response_id",
            "mutually_exclusive_parameters",
            "'previous_response_id' and 'conversation' cannot both be given: a conversation holds \
             its own history.",
        )),
        (Some(id), None) => id.parse().map(Before::Response).map_err(|_| previous_not_found(id)),
        (None, Some(id)) => Ok(Before::Conversation(id)),
        (None, None) => Ok(Before::Nothing),
    }
}

pub(crate) fn previous_not_found(id: &str) -> ApiError {
    let id: String = id.chars().take(80).collect();
    let message = format!("Previous response with id '{id}' not found.");
    ApiError::coded("previous_response_id", "previous_response_not_found", message)
}

/// Items as JSON objects with a type; a string is one message.
fn input(fields: &Fields<'_>, before: &Before) -> Result<Vec<Value>, ApiError> {
    match fields.get("input") {
        Some(Value::String(text)) => Ok(vec![json!({
            "type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]
        })]),
        Some(Value::Array(items)) if items.len() > ITEMS_MAX => {
            let message = format!("Invalid 'input': at most {ITEMS_MAX} items are taken.");
            Err(ApiError::coded("input", "invalid_value", message))
        }
        Some(Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                Fields::of(item, &format!("input[{index}]"))?;
            }
            Ok(items.clone())
        }
        Some(_) => {
            let message = "Invalid type for 'input': expected a string or an array of items.";
            Err(ApiError::coded("input", "invalid_type", message))
        }
        None if *before == Before::Nothing => Err(ApiError::missing("input")),
        None => Ok(vec![]),
    }
}

fn include(fields: &Fields<'_>) -> Result<Include, ApiError> {
    let Some(list) = fields.list("include")? else { return Ok(Include::default()) };
    let words: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    let message = "Invalid type for 'include': expected an array of strings.";
    let words = words.ok_or_else(|| ApiError::coded("include", "invalid_type", message))?;
    Include::parse(words)
}

/// `x_pro`, which means nothing without pro mode.
fn pro(fields: &Fields<'_>, mode: Mode) -> Result<Option<Value>, ApiError> {
    match (mode, fields.get("x_pro")) {
        (Mode::Pro, given) => Ok(Some(given.cloned().unwrap_or_else(|| json!({})))),
        (Mode::Standard, None) => Ok(None),
        (Mode::Standard, Some(_)) => {
            let message = "The 'x_pro' parameter is only allowed when 'reasoning.mode' is 'pro'.";
            Err(ApiError::coded("x_pro", "invalid_value", message))
        }
    }
}

/// `x_record`, which needs a place where the record stays.
fn recorded(fields: &Fields<'_>, store: bool) -> Result<bool, ApiError> {
    let recorded = fields.bool("x_record")?.unwrap_or(false);
    if recorded && !store {
        let message = "A record is fetched later, so the response must be stored: 'x_record' \
                       needs 'store' to be true.";
        return Err(ApiError::coded("x_record", "invalid_value", message));
    }
    Ok(recorded)
}

#[derive(Default)]
struct Reasoning {
    effort: Option<Effort>,
    mode: Mode,
    summary: Option<Summary>,
    context: ReasoningContext,
}

impl Reasoning {
    fn parse(fields: Option<Fields<'_>>) -> Result<Self, ApiError> {
        let Some(fields) = fields else { return Ok(Reasoning::default()) };
        const SUMMARIES: &str = "'auto', 'concise', 'detailed'";
        let efforts = "'none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'";
        let summary = match fields.word("summary", SUMMARIES)? {
            Some(summary) => Some(summary),
            None => fields.word("generate_summary", SUMMARIES)?,
        };
        Ok(Reasoning {
            effort: fields.word("effort", efforts)?,
            mode: fields.word("mode", "'standard', 'pro'")?.unwrap_or_default(),
            summary,
            context: fields
                .word("context", "'auto', 'current_turn', 'all_turns'")?
                .unwrap_or_default(),
        })
    }
}

fn tools(fields: &Fields<'_>) -> Result<Vec<Value>, ApiError> {
    let tools = fields.list("tools")?.cloned().unwrap_or_default();
    if tools.len() > TOOLS_MAX {
        let message = format!("Invalid 'tools': at most {TOOLS_MAX} are taken.");
        return Err(ApiError::coded("tools", "invalid_value", message));
    }
    for (index, tool) in tools.iter().enumerate() {
        Fields::of(tool, &format!("tools[{index}]"))?.required("type")?;
    }
    Ok(tools)
}

fn tool_choice(fields: &Fields<'_>) -> Result<ToolChoice, ApiError> {
    match fields.get("tool_choice") {
        None => Ok(ToolChoice::Mode(ToolMode::Auto)),
        Some(Value::String(word)) => serde_json::from_value(json!(word))
            .map(ToolChoice::Mode)
            .map_err(|_| fields.bad_word("tool_choice", word, "'none', 'auto', 'required'")),
        Some(value) => {
            Fields::of(value, "tool_choice")?.required("type")?;
            Ok(ToolChoice::Only(value.clone()))
        }
    }
}

/// `text` with its defaults filled in; the loop checks the schema.
fn text(fields: &Fields<'_>) -> Result<Value, ApiError> {
    let mut text = json!({"format": {"type": "text"}, "verbosity": "medium"});
    let Some(given) = fields.object("text")? else { return Ok(text) };
    if let Some(format) = given.get("format") {
        let format_fields = Fields::of(format, "text.format")?;
        let kind = format_fields.required("type")?;
        if !["text", "json_object", "json_schema"].contains(&kind) {
            let allowed = "'text', 'json_object', 'json_schema'";
            return Err(format_fields.bad_word("type", kind, allowed));
        }
        if kind == "json_schema" {
            format_fields.required("name")?;
            if format_fields.object("schema")?.is_none() {
                return Err(ApiError::missing("text.format.schema"));
            }
        }
        text["format"] = format.clone();
    }
    if let Some(verbosity) = given.string("verbosity")? {
        if !["low", "medium", "high"].contains(&verbosity) {
            return Err(given.bad_word("verbosity", verbosity, "'low', 'medium', 'high'"));
        }
        text["verbosity"] = json!(verbosity);
    }
    Ok(text)
}

fn tier(fields: &Fields<'_>) -> Result<Tier, ApiError> {
    let Some(word) = fields.string("service_tier")? else { return Ok(Tier::Default) };
    // Batch work comes by `/batches` alone.
    Tier::parse(word).filter(|tier| *tier != Tier::Batch).ok_or_else(|| {
        let allowed = "'auto', 'default', 'flex', 'scale', 'priority', 'fast', 'ultrafast'";
        fields.bad_word("service_tier", word, allowed)
    })
}

fn short(fields: &Fields<'_>, name: &str, chars_max: usize) -> Result<Option<String>, ApiError> {
    let Some(text) = fields.string(name)? else { return Ok(None) };
    if text.chars().count() > chars_max {
        let message = format!("Invalid '{name}': at most {chars_max} characters are taken.");
        return Err(ApiError::coded(name, "invalid_value", message));
    }
    Ok(Some(text.to_owned()))
}
