//! A conversation as the text of one model family.
//!
//! A model's own Jinja template decides; what the template cannot say is said in a stated way
//! instead of being dropped ([`Degraded`]). gpt-oss has a renderer of its own ([`crate::harmony`]),
//! because its template leaves out what its parser needs (the order of recipient and channel, the
//! dropping of old analysis).

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, Value};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde_json::json;

use crate::caps::{Calls, Caps, probe};
use crate::marks::{Marks, tokens, unmarked};
use crate::message::{Conversation, Message, ToolCall, ToolSpec};
use crate::{Format, SpecialToken, Tokenizer, harmony, json};

/// Steps of the template engine for one rendering: a template in a downloaded file may loop.
const FUEL: u64 = 10_000_000;
/// A template is a few kilobytes; more than this is not one.
const SOURCE_BYTES_MAX: usize = 1 << 20;

/// Used for a model file without a template: ChatML, the commonest.
const CHATML: &str = include_str!("chatml.jinja");

#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("the chat template is not valid Jinja (line {line}): {cause}")]
    Syntax { line: usize, cause: String },
    #[error("the chat template failed at line {line}: {cause}")]
    Render { line: usize, cause: String },
    /// The template's own `raise_exception`.
    #[error("the chat template refuses this conversation: {0}")]
    Refused(String),
    #[error("the chat template has {0} bytes, more than {SOURCE_BYTES_MAX}")]
    TooLong(usize),
}

/// What the template could not express, and how it is said instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Degraded {
    /// Tools are described in the system message.
    ToolsInSystem,
    /// The system text stands before the first user message.
    SystemInUser,
    /// Calls are written into the assistant's text.
    CallsInText,
    /// Results are user messages.
    ResultsInUser,
    /// A system message in the middle was moved to the top.
    SystemMovedUp,
    /// Messages of one role in a row were joined.
    RolesMerged,
}

/// A rendered prompt. The text holds marks until it becomes tokens; [`Rendered::text`] is without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub(crate) marked: String,
    /// The prompt ends inside an opened `<think>`.
    pub thinking_open: bool,
    pub degraded: Vec<Degraded>,
}

impl Rendered {
    /// What the model reads, for display and for engines that take text.
    pub fn text(&self) -> String {
        unmarked(&self.marked)
    }

    /// What the model reads as tokens. No text of a user or a tool becomes a special token.
    pub fn tokens(&self, tokenizer: &dyn Tokenizer) -> Vec<u32> {
        let mut out = tokens(&self.marked, tokenizer);
        if let Some(bos) = tokenizer.bos()
            && out.first() != Some(&bos)
        {
            out.insert(0, bos);
        }
        out
    }
}

/// One model's chat template, compiled and probed.
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
    format: Format,
    caps: Caps,
    guards_clock: bool,
}

impl std::fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatTemplate")
            .field("format", &self.format)
            .field("caps", &self.caps)
            .finish_non_exhaustive()
    }
}

impl ChatTemplate {
    /// `bos` and `eos` are the texts of those tokens, empty where there is none. `specials` helps to
    /// tell the format and may be empty.
    pub fn new(
        source: &str,
        bos: &str,
        eos: &str,
        specials: &[SpecialToken],
    ) -> Result<ChatTemplate, TemplateError> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(TemplateError::TooLong(source.len()));
        }
        let mut environment = environment();
        environment.add_template_owned("chat", as_minijinja(source)).map_err(|error| {
            TemplateError::Syntax { line: error.line().unwrap_or(0), cause: cause(&error) }
        })?;
        let mut template = ChatTemplate {
            environment,
            bos: bos.to_string(),
            eos: eos.to_string(),
            format: Format::detect(source, specials),
            guards_clock: source.contains("strftime_now is "),
            caps: probe(|_, _| None),
        };
        let empty = Conversation::default();
        template.caps =
            probe(|messages, tools| template.jinja(messages, tools, &empty, false).ok());
        Ok(template)
    }

    /// For a model file without a template.
    pub fn chatml() -> ChatTemplate {
        ChatTemplate::new(CHATML, "", "<|im_end|>", &[]).expect("our own template is valid")
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// The caller knows better than [`Format::detect`].
    pub fn with_format(mut self, format: Format) -> ChatTemplate {
        self.format = format;
        self
    }

    /// Whether the model's own template describes tools; otherwise they go into the system message.
    pub fn offers_tools(&self) -> bool {
        self.format == Format::Harmony || self.caps.tools
    }

    /// The prompt: the conversation, and the head of the assistant's next turn.
    pub fn render(
        &self,
        conversation: &Conversation,
        marks: &Marks,
    ) -> Result<Rendered, TemplateError> {
        self.render_until(conversation, &conversation.messages, marks, true)
    }

    pub(crate) fn render_until(
        &self,
        conversation: &Conversation,
        messages: &[Message],
        marks: &Marks,
        generation_prompt: bool,
    ) -> Result<Rendered, TemplateError> {
        if self.format == Format::Harmony {
            let marked = harmony::render(conversation, messages, marks, generation_prompt);
            return Ok(Rendered { marked, thinking_open: false, degraded: vec![] });
        }
        let tools = match (&conversation.tools[..], self.caps.tools) {
            ([], _) | (_, false) => serde_json::Value::Null,
            (tools, true) => tools.iter().map(|tool| tool_json(tool, marks)).collect(),
        };
        let try_with = |merge: bool| {
            let mut prepared = Prepared::new(self, conversation, messages, marks);
            if merge {
                prepared.merge_roles();
            }
            let messages = serde_json::Value::Array(prepared.messages);
            self.jinja(&messages, &tools, conversation, generation_prompt)
                .map(|text| (text, prepared.degraded))
        };
        let first = try_with(!self.caps.repeated_roles);
        let (marked, degraded) = match first {
            // Some templates only refuse a certain order of roles.
            Err(error) => try_with(true).map_err(|_| error)?,
            Ok(rendered) => rendered,
        };
        let thinking_open = generation_prompt && marked.trim_end().ends_with("<think>");
        Ok(Rendered { marked, thinking_open, degraded })
    }

    fn jinja(
        &self,
        messages: &serde_json::Value,
        tools: &serde_json::Value,
        conversation: &Conversation,
        generation_prompt: bool,
    ) -> Result<String, TemplateError> {
        let mut context = vec![
            ("messages", Value::from(Serde(messages))),
            ("tools", Value::from(Serde(tools))),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(generation_prompt)),
            ("bos_token", Value::from(self.bos.as_str())),
            ("eos_token", Value::from(self.eos.as_str())),
        ];
        if let Some(effort) = conversation.effort {
            context.push(("reasoning_effort", Value::from(effort.level())));
            context.push(("enable_thinking", Value::from(effort.thinks())));
            context.push(("thinking", Value::from(effort.thinks())));
        }
        if let Some(day) = conversation.today {
            let now = move |format: &str| crate::strftime::strftime(format, day);
            context.push(("strftime_now", Value::from_function(now)));
        } else if !self.guards_clock {
            context.push(("strftime_now", Value::from_function(|_: &str| String::new())));
        }
        let template = self.environment.get_template("chat").expect("added by `new`");
        template.render(Value::from_pairs(context)).map_err(render_error)
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // As transformers sets up Jinja2.
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("tojson", json::tojson);
    environment.add_function("raise_exception", |text: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(text)))
    });
    environment
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

fn render_error(error: Error) -> TemplateError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = source {
        if let Some(Raised(text)) = inner.downcast_ref() {
            return TemplateError::Refused(text.clone());
        }
        source = inner.source();
    }
    TemplateError::Render { line: error.line().unwrap_or(0), cause: cause(&error) }
}

fn cause(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// What Jinja2 with transformers' extensions takes and minijinja does not: `{% generation %}`, which
/// marks what a trainer's loss covers and renders nothing, and a backslash at the end of a line
/// within a string, which joins it to the next.
fn as_minijinja(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%").into_iter().chain(rest.find("{{")).min() {
        let close = if rest[at..].starts_with("{%") { "%}" } else { "}}" };
        let Some(len) = rest[at..].find(close) else { break };
        let tag = &rest[at + 2..at + len];
        let word = tag.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        out.push_str(&rest[..at + 2]);
        out.push_str(&match word {
            "generation" => tag.replace(word, "if true"),
            "endgeneration" => tag.replace(word, "endif"),
            _ => tag.replace("\\\r\n", "").replace("\\\n", ""),
        });
        rest = &rest[at + len..];
    }
    out.push_str(rest);
    out
}

fn tool_json(tool: &ToolSpec, marks: &Marks) -> serde_json::Value {
    json!({"type": "function", "function": {
        "name": marks.mark(&tool.name),
        "description": marks.mark(&tool.description),
        "parameters": mark_json(&tool.parameters, marks),
    }})
}

pub(crate) fn mark_json(value: &serde_json::Value, marks: &Marks) -> serde_json::Value {
    match value {
        serde_json::Value::String(text) => marks.mark(text).into(),
        serde_json::Value::Array(items) => {
            items.iter().map(|item| mark_json(item, marks)).collect::<Vec<_>>().into()
        }
        serde_json::Value::Object(map) => serde_json::Value::Object(
            map.iter().map(|(key, value)| (marks.mark(key), mark_json(value, marks))).collect(),
        ),
        other => other.clone(),
    }
}

/// The messages as the template can take them.
struct Prepared {
    messages: Vec<serde_json::Value>,
    degraded: Vec<Degraded>,
}

impl Prepared {
    fn new(
        template: &ChatTemplate,
        conversation: &Conversation,
        messages: &[Message],
        marks: &Marks,
    ) -> Prepared {
        let caps = template.caps;
        let mut prepared = Prepared { messages: vec![], degraded: vec![] };
        let mut top: Vec<String> = vec![];
        top.extend(conversation.instructions.as_deref().map(|text| marks.mark(text)));
        let mut body = vec![];
        for (at, message) in messages.iter().enumerate() {
            match message {
                Message::System { text } | Message::Developer { text } => {
                    let text = marks.mark(text);
                    if !body.is_empty() && caps.late_system {
                        body.push(json!({"role": "system", "content": text}));
                        continue;
                    }
                    if !body.is_empty() {
                        prepared.note(Degraded::SystemMovedUp);
                    }
                    top.push(text);
                }
                Message::User { text } => {
                    let content = conversation.shown(at, text, marks);
                    body.push(json!({"role": "user", "content": content}));
                }
                Message::Assistant { reasoning, text, tool_calls } => {
                    body.push(prepared.assistant(template, reasoning, text, tool_calls, marks));
                }
                Message::ToolResult { call_id, name, output } => {
                    body.push(prepared.result(template, call_id, name, output, marks));
                }
            }
        }
        if !conversation.tools.is_empty() && !caps.tools {
            prepared.note(Degraded::ToolsInSystem);
            top.push(described_tools(template.format, &conversation.tools, marks));
        }
        top.retain(|text| !text.is_empty());
        let top = top.join("\n\n");
        if !top.is_empty() && caps.system {
            prepared.messages.push(json!({"role": "system", "content": top}));
        } else if !top.is_empty() {
            prepared.note(Degraded::SystemInUser);
            match body.first_mut() {
                Some(first) if first["role"] == "user" => {
                    let text = first["content"].as_str().unwrap_or_default();
                    first["content"] = format!("{top}\n\n{text}").into();
                }
                _ => body.insert(0, json!({"role": "user", "content": top})),
            }
        }
        prepared.messages.extend(body);
        prepared
    }

    fn note(&mut self, degraded: Degraded) {
        if !self.degraded.contains(&degraded) {
            self.degraded.push(degraded);
        }
    }

    fn assistant(
        &mut self,
        template: &ChatTemplate,
        reasoning: &Option<String>,
        text: &str,
        calls: &[ToolCall],
        marks: &Marks,
    ) -> serde_json::Value {
        let caps = template.caps;
        let mut content = marks.mark(text);
        let mut message = json!({"role": "assistant"});
        let native = caps.calls != Calls::Unsupported && (text.is_empty() || caps.text_with_calls);
        if !calls.is_empty() && native {
            message["tool_calls"] =
                calls.iter().map(|call| call_json(call, caps, marks)).collect::<Vec<_>>().into();
        } else if !calls.is_empty() {
            self.note(Degraded::CallsInText);
            let written = written_calls(template.format, calls, marks);
            let gap = if content.is_empty() { "" } else { "\n" };
            content = format!("{content}{gap}{written}");
        }
        let null = caps.null_content && content.is_empty() && !calls.is_empty();
        message["content"] = if null { serde_json::Value::Null } else { content.into() };
        if let Some(reasoning) = reasoning.as_deref().filter(|text| !text.is_empty()) {
            let reasoning = marks.mark(reasoning);
            message["reasoning_content"] = reasoning.clone().into();
            message["reasoning"] = reasoning.into();
        }
        message
    }

    fn result(
        &mut self,
        template: &ChatTemplate,
        call_id: &str,
        name: &str,
        output: &str,
        marks: &Marks,
    ) -> serde_json::Value {
        let output = marks.mark(output);
        if !template.caps.tool_results {
            self.note(Degraded::ResultsInUser);
            let content = format!("<tool_response>\n{output}\n</tool_response>");
            return json!({"role": "user", "content": content});
        }
        json!({
            "role": "tool",
            "tool_call_id": marks.mark(&id_for(call_id, template.caps)),
            "name": marks.mark(name),
            "content": output,
        })
    }

    /// One message where several of a role stand in a row, for templates that want them to alternate.
    fn merge_roles(&mut self) {
        let mut merged: Vec<serde_json::Value> = vec![];
        for message in self.messages.drain(..) {
            match merged.last_mut() {
                Some(last)
                    if last["role"] == message["role"]
                        && message["role"] != "tool"
                        && last.get("tool_calls").is_none()
                        && message.get("tool_calls").is_none() =>
                {
                    let a = last["content"].as_str().unwrap_or_default();
                    let b = message["content"].as_str().unwrap_or_default();
                    last["content"] = format!("{a}\n\n{b}").into();
                    if !self.degraded.contains(&Degraded::RolesMerged) {
                        self.degraded.push(Degraded::RolesMerged);
                    }
                }
                _ => merged.push(message),
            }
        }
        self.messages = merged;
    }
}

fn call_json(call: &ToolCall, caps: Caps, marks: &Marks) -> serde_json::Value {
    let arguments = match caps.calls {
        Calls::Object => match serde_json::from_str::<serde_json::Value>(&call.arguments) {
            Ok(value) => mark_json(&value, marks),
            Err(_) => marks.mark(&call.arguments).into(),
        },
        Calls::Text | Calls::Unsupported => marks.mark(&call.arguments).into(),
    };
    json!({
        "id": marks.mark(&id_for(&call.id, caps)),
        "type": "function",
        "function": {"name": marks.mark(&call.name), "arguments": arguments},
    })
}

/// The same id always gives the same nine characters (FNV-1a, in base 36).
fn id_for(id: &str, caps: Caps) -> String {
    if !caps.short_ids || (id.len() == 9 && id.chars().all(|c| c.is_ascii_alphanumeric())) {
        return id.to_string();
    }
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mut out = String::new();
    for _ in 0..9 {
        out.push(char::from_digit((hash % 36) as u32, 36).unwrap_or('0'));
        hash /= 36;
    }
    out
}

/// Calls in the format's own syntax.
fn written_calls(format: Format, calls: &[ToolCall], marks: &Marks) -> String {
    let written = calls.iter().map(|call| {
        let (name, arguments) = (&call.name, marks.mark(&call.arguments));
        match format {
            Format::DeepSeekR1 => format!(
                "<｜tool▁call▁begin｜>function<｜tool▁sep｜>{}\n```json\n{arguments}\n```<｜tool▁call▁end｜>",
                marks.mark(name)
            ),
            Format::HermesQwen | Format::Harmony | Format::Plain => {
                let name = json::dumps(&marks.mark(name).into());
                format!("<tool_call>\n{{\"name\": {name}, \"arguments\": {arguments}}}\n</tool_call>")
            }
        }
    });
    let written = written.collect::<Vec<_>>().join("\n");
    match format {
        Format::DeepSeekR1 => format!("<｜tool▁calls▁begin｜>{written}<｜tool▁calls▁end｜>"),
        _ => written,
    }
}

/// Tools for the system message, with how to call them.
fn described_tools(format: Format, tools: &[ToolSpec], marks: &Marks) -> String {
    let lines: Vec<String> =
        tools.iter().map(|tool| json::dumps(&tool_json(tool, marks))).collect();
    let how = match format {
        Format::DeepSeekR1 => {
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n\
             {\"ARGUMENT\": VALUE}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        }
        _ => {
            "<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>"
        }
    };
    let within = match format {
        Format::DeepSeekR1 => "in exactly this form, then stop",
        _ => "within <tool_call></tool_call> XML tags",
    };
    format!(
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n\
         You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n\
         {}\n</tools>\n\nFor each function call, return a json object with function name and \
         arguments {within}:\n{how}",
        lines.join("\n")
    )
}
