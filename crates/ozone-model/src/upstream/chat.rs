//! Chat Completions: what vLLM, SGLang, llama-server, Ollama and OpenAI agree on, and where they
//! do not.
//!
//! | where they differ | what is understood |
//! | --- | --- |
//! | thinking | `reasoning_content` (SGLang, llama-server, DeepSeek), `reasoning` (vLLM, Ollama, OpenRouter), a list of parts (Mistral), `<think>` in the text |
//! | several calls | by `index`; by `id` where the index is always 0 (Ollama) or missing (Gemini) |
//! | usage | in a last chunk without choices, in the one that ends, or in each |
//! | an error | `{"error": {…}}`, `{"error": "…"}`, `{"object": "error", …}` |

use base64::Engine as _;
use ozone_prompt::{Effort, Message};
use serde_json::{Map, Value, json};

use super::body::{self, Fields};
use super::config::UpstreamConfig;
use super::errors::{self, Asked};
use super::piece::{Ended, Fault, Piece, Used, count, excerpt, logprobs, text};
use super::sse::SseEvent;
use crate::{Calls, Image, SampleRequest, Turn};

/// The request's JSON.
pub fn request(config: &UpstreamConfig, request: &SampleRequest, fields: &Fields) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(config.model));
    let mut said = messages(config, request);
    if !fields.wants(body::ROLES_IN_A_ROW) {
        said = joined(said);
    }
    body.insert("messages".into(), Value::Array(said));
    body.insert("stream".into(), json!(true));
    let mut optional = |name: &str, value: Value| {
        if fields.wants(name) {
            body.insert(name.into(), value);
        }
    };
    optional("stream_options", json!({"include_usage": true}));
    body::sampling(&request.sampling, &mut optional);
    if request.sampling.temperature > 0.0 {
        // Some servers read a signed 32-bit number.
        optional("seed", json!(request.sampling.seed & 0x7fff_ffff));
    }
    if let Some(tokens) = fields.output_tokens_max {
        match fields.wants("max_tokens") {
            true => optional("max_tokens", json!(tokens)),
            false => optional("max_completion_tokens", json!(tokens)),
        }
    }
    if let Some(effort) = request.effort {
        optional("reasoning_effort", json!(body::effort(effort, &config.efforts)));
        if effort == Effort::None {
            // Qwen's and GLM's switch; effort alone does not reach their templates everywhere.
            optional("chat_template_kwargs", json!({"enable_thinking": false}));
        }
    }
    if let (Some(name), Some(tokens)) = (&config.thinking_budget_field, request.thinking_tokens_max)
    {
        optional(name, json!(tokens));
    }
    if let Some(key) = &request.cache_key {
        optional("prompt_cache_key", json!(key));
    }
    if request.sampling.top_logprobs > 0 {
        optional("logprobs", json!(true));
        optional("top_logprobs", json!(request.sampling.top_logprobs.min(20)));
    }
    if !request.tools.is_empty() {
        optional("tools", tools(request));
        match &request.constraints.calls {
            Calls::Auto => {}
            Calls::None => optional("tool_choice", json!("none")),
            Calls::Required => optional("tool_choice", json!("required")),
            Calls::Named(name) => {
                optional("tool_choice", json!({"type": "function", "function": {"name": name}}))
            }
        }
        if !request.constraints.parallel_calls {
            optional("parallel_tool_calls", json!(false));
        }
    }
    if let Some(schema) = &request.constraints.text {
        optional("response_format", response_format(schema));
    }
    body.extend(config.extra_body.clone());
    Value::Object(body)
}

fn tools(request: &SampleRequest) -> Value {
    let tool = |tool: &ozone_prompt::ToolSpec| {
        json!({"type": "function", "function": {
            "name": tool.name, "description": tool.description, "parameters": tool.parameters,
        }})
    };
    request.tools.iter().map(tool).collect()
}

fn response_format(schema: &Value) -> Value {
    if body::is_any_object(schema) {
        return json!({"type": "json_object"});
    }
    let strict = body::is_strict(schema);
    json!({"type": "json_schema", "json_schema": {
        "name": "answer", "schema": schema, "strict": strict,
    }})
}

/// The instructions and the system messages that follow them are one message, because many
/// templates allow no second one.
fn messages(config: &UpstreamConfig, request: &SampleRequest) -> Vec<Value> {
    let mut system: Vec<&str> = request.instructions.iter().map(String::as_str).collect();
    let mut turns = request.turns.iter().peekable();
    while let Some(Turn::Given(Message::System { text } | Message::Developer { text })) =
        turns.peek().copied()
    {
        system.push(text);
        turns.next();
    }
    let mut messages = vec![];
    if !system.is_empty() {
        messages.push(json!({"role": "system", "content": system.join("\n\n")}));
    }
    messages.extend(turns.map(|turn| match turn {
        Turn::Given(message) | Turn::Sampled { message, .. } => one_message(config, message),
        Turn::Shown { text, images } => json!({"role": "user", "content": seen(text, images)}),
        Turn::Returned { result, images } => returned(config, result, images),
    }));
    messages
}

/// For templates that want the roles to alternate: what is said in a row becomes one message.
fn joined(messages: Vec<Value>) -> Vec<Value> {
    let mut out: Vec<Value> = vec![];
    for (at, mut message) in messages.into_iter().enumerate() {
        if at > 0 && message["role"] == "system" {
            message["role"] = json!("user");
        }
        match out.last_mut() {
            Some(last) if last["role"] == "user" && message["role"] == "user" => {
                let content = join(last["content"].take(), message["content"].take());
                last["content"] = content;
            }
            _ => out.push(message),
        }
    }
    out
}

fn join(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::String(first), Value::String(second)) => json!(format!("{first}\n\n{second}")),
        (first, second) => {
            let parts = |content: Value| match content {
                Value::Array(parts) => parts,
                text => vec![json!({"type": "text", "text": text})],
            };
            json!([parts(first), parts(second)].concat())
        }
    }
}

fn one_message(config: &UpstreamConfig, message: &Message) -> Value {
    match message {
        Message::System { text } | Message::Developer { text } => {
            json!({"role": "system", "content": text})
        }
        Message::User { text } => json!({"role": "user", "content": text}),
        Message::Assistant { reasoning, text, tool_calls } => {
            let mut message = json!({"role": "assistant", "content": text});
            if let (Some(field), Some(reasoning)) = (config.reasoning_field.name(), reasoning) {
                message[field] = json!(reasoning);
            }
            let calls: Vec<Value> = tool_calls
                .iter()
                .map(|call| {
                    json!({"id": call.id, "type": "function", "function": {
                        "name": call.name, "arguments": body::arguments(&call.arguments),
                    }})
                })
                .collect();
            if !calls.is_empty() {
                message["tool_calls"] = json!(calls);
            }
            message
        }
        Message::ToolResult { call_id, output, .. } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": output})
        }
    }
}

fn returned(config: &UpstreamConfig, result: &Message, images: &[Image]) -> Value {
    let mut message = one_message(config, result);
    if let Message::ToolResult { output, .. } = result {
        message["content"] = seen(output, images);
    }
    message
}

fn seen(text: &str, images: &[Image]) -> Value {
    let mut parts = vec![];
    if !text.is_empty() {
        parts.push(json!({"type": "text", "text": text}));
    }
    parts.extend(
        images.iter().map(|i| json!({"type": "image_url", "image_url": {"url": data_url(i)}})),
    );
    Value::Array(parts)
}

pub fn data_url(image: &Image) -> String {
    let data = base64::engine::general_purpose::STANDARD.encode(&image.bytes);
    format!("data:{};base64,{data}", image.media_type)
}

/// Reads one answer's stream.
#[derive(Debug)]
pub struct ChatReader {
    asked: Asked,
    calls: Vec<Call>,
}

/// A call that has begun.
#[derive(Debug)]
struct Call {
    index: Option<u64>,
    id: String,
    named: bool,
}

impl ChatReader {
    pub fn new(asked: Asked) -> ChatReader {
        ChatReader { asked, calls: vec![] }
    }

    pub fn read(&mut self, event: &SseEvent) -> Result<Vec<Piece>, Fault> {
        let data = event.data.trim();
        if data == "[DONE]" {
            return Ok(vec![Piece::Done]);
        }
        if data.is_empty() {
            return Ok(vec![]);
        }
        let chunk: Value = serde_json::from_str(data).map_err(|_| {
            Fault::Passing(format!("it sent what is not JSON: `{}`", excerpt(data)))
        })?;
        if event.name == "error" || errors::is_error(&chunk) {
            return Err(errors::in_stream(&chunk, self.asked));
        }
        self.read_value(&chunk)
    }

    /// A chunk, or a whole completion of an upstream that does not stream.
    pub fn read_value(&mut self, chunk: &Value) -> Result<Vec<Piece>, Fault> {
        let mut pieces = vec![];
        let choices = chunk.get("choices").and_then(Value::as_array);
        let first = |choice: &&Value| count(choice, &["index"]).unwrap_or(0) == 0;
        for choice in choices.into_iter().flatten().filter(first) {
            if let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) {
                self.read_delta(delta, &mut pieces);
            }
            pieces.extend(logprobs(choice.pointer("/logprobs/content")));
            if let Some(reason) = text(choice, "finish_reason") {
                pieces.push(Piece::Ended(ended(reason)?));
            }
        }
        pieces.extend(used(chunk));
        Ok(pieces)
    }

    fn read_delta(&mut self, delta: &Value, pieces: &mut Vec<Piece>) {
        // vLLM sends the same thought under both names for a while: the first one counts.
        let thought = ["reasoning_content", "reasoning", "thinking"].iter().find_map(|name| {
            text(delta, name).map(str::to_owned).or_else(|| {
                Some(parts(delta.get(name)?, &["text", "reasoning"])).filter(|t| !t.is_empty())
            })
        });
        pieces.extend(thought.map(Piece::Reasoning));
        match delta.get("content") {
            Some(Value::String(content)) if !content.is_empty() => {
                pieces.push(Piece::Text(content.clone()));
            }
            Some(Value::Array(content)) => {
                for part in content {
                    let kind = text(part, "type").unwrap_or_default();
                    match part.get("thinking").filter(|_| kind == "thinking") {
                        Some(thought) => pieces.push(Piece::Reasoning(parts(thought, &["text"]))),
                        None => pieces.extend(text(part, "text").map(|t| Piece::Text(t.into()))),
                    }
                }
            }
            _ => {}
        }
        pieces.extend(text(delta, "refusal").map(|refusal| Piece::Text(refusal.to_owned())));
        let calls = delta.get("tool_calls").and_then(Value::as_array);
        for (place, call) in calls.into_iter().flatten().enumerate() {
            self.read_call(place, call, pieces);
        }
    }

    fn read_call(&mut self, place: usize, delta: &Value, pieces: &mut Vec<Piece>) {
        let index = count(delta, &["index"]);
        let id = text(delta, "id").unwrap_or_default();
        let function = delta.get("function").unwrap_or(&Value::Null);
        let name = text(function, "name").unwrap_or_default();
        let call = self.call_of(index, id, name, place).unwrap_or_else(|| {
            self.calls.push(Call { index, id: id.to_owned(), named: false });
            self.calls.len() - 1
        });
        if !name.is_empty() && !std::mem::replace(&mut self.calls[call].named, true) {
            let id = self.calls[call].id.clone();
            pieces.push(Piece::CallStart { call, id, name: name.to_owned() });
        }
        let text = match function.get("arguments") {
            Some(Value::String(text)) => text.clone(),
            Some(object @ Value::Object(_)) => object.to_string(),
            _ => return,
        };
        if !text.is_empty() {
            pieces.push(Piece::CallArguments { call, text });
        }
    }

    /// The call that a delta goes on with.
    fn call_of(&self, index: Option<u64>, id: &str, name: &str, place: usize) -> Option<usize> {
        let begins = !id.is_empty() && !name.is_empty();
        let known = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index),
            None if !id.is_empty() => return self.calls.iter().rposition(|call| call.id == id),
            // Neither index nor id: a name begins a call, and the rest belongs to the last one.
            None if !name.is_empty() || place > 0 => None,
            None => self.calls.len().checked_sub(1),
        };
        known.filter(|known| {
            let call = &self.calls[*known];
            !(begins && call.named && call.id != id)
        })
    }
}

fn ended(reason: &str) -> Result<Ended, Fault> {
    match reason {
        "length" | "max_tokens" => Ok(Ended::Length),
        "content_filter" => Ok(Ended::Filtered),
        "error" | "abort" | "cancelled" => {
            Err(Fault::Passing(format!("it ended the answer with `{reason}`")))
        }
        _ => Ok(Ended::EndOfTurn),
    }
}

fn used(chunk: &Value) -> Option<Piece> {
    let usage = chunk.get("usage").filter(|usage| usage.is_object())?;
    let cached = count(usage, &["prompt_tokens_details", "cached_tokens"])
        .or_else(|| count(usage, &["prompt_cache_hit_tokens"]))
        .or_else(|| count(chunk, &["timings", "cache_n"]));
    Some(Piece::Used(Used {
        input: count(usage, &["prompt_tokens"])?,
        cached: cached.unwrap_or(0),
        output: count(usage, &["completion_tokens"]).unwrap_or(0),
        reasoning: count(usage, &["completion_tokens_details", "reasoning_tokens"]),
    }))
}

/// The text of a list of parts.
fn parts(value: &Value, keys: &[&str]) -> String {
    let parts = value.as_array().into_iter().flatten();
    parts.filter_map(|part| keys.iter().find_map(|key| text(part, key))).collect()
}
