//! The Responses API of OpenAI, and of servers that follow it.
//!
//! Items are the truth and deltas only their preview: an item that was not streamed, or not to its
//! end, is completed from `output_item.done` or from the last event. Reasoning comes back to OpenAI
//! as the encrypted item that it gave, so the items of a conversation's samples are kept until the
//! conversation is released.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use ozone_prompt::Message;
use serde_json::{Map, Value, json};

use super::body::{self, Fields};
use super::chat::data_url;
use super::config::{ReasoningField, UpstreamConfig};
use super::errors::{self, Asked};
use super::piece::{Ended, Fault, Piece, Used, count, excerpt, logprobs, text};
use super::sse::SseEvent;
use crate::{Calls, Image, SampleRequest, Turn};

/// The request's JSON.
pub fn request(
    config: &UpstreamConfig,
    request: &SampleRequest,
    fields: &Fields,
    kept: &KeptItems,
) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(config.model));
    if let Some(instructions) = &request.instructions {
        body.insert("instructions".into(), json!(instructions));
    }
    body.insert("input".into(), Value::Array(input(config, request, kept)));
    body.insert("stream".into(), json!(true));
    let mut optional = |name: &str, value: Value| {
        if fields.wants(name) {
            body.insert(name.into(), value);
        }
    };
    optional("store", json!(false));
    let mut include = vec!["reasoning.encrypted_content"];
    if request.sampling.top_logprobs > 0 {
        include.push("message.output_text.logprobs");
        optional("top_logprobs", json!(request.sampling.top_logprobs.min(20)));
    }
    optional("include", json!(include));
    body::sampling(&request.sampling, &mut optional);
    if let Some(tokens) = fields.output_tokens_max {
        optional("max_output_tokens", json!(tokens));
    }
    if let Some(effort) = request.effort {
        let word = body::effort(effort, &config.efforts);
        optional("reasoning", json!({"effort": word, "summary": "auto"}));
    }
    if let Some(key) = &request.cache_key {
        optional("prompt_cache_key", json!(key));
    }
    if !request.tools.is_empty() {
        optional("tools", tools(request));
        match &request.constraints.calls {
            Calls::Auto => {}
            Calls::None => optional("tool_choice", json!("none")),
            Calls::Required => optional("tool_choice", json!("required")),
            Calls::Named(name) => {
                optional("tool_choice", json!({"type": "function", "name": name}));
            }
        }
        if !request.constraints.parallel_calls {
            optional("parallel_tool_calls", json!(false));
        }
    }
    if let Some(schema) = &request.constraints.text {
        let format = match body::is_any_object(schema) {
            true => json!({"type": "json_object"}),
            false => json!({
                "type": "json_schema", "name": "answer", "schema": schema,
                "strict": body::is_strict(schema),
            }),
        };
        optional("text", json!({"format": format}));
    }
    body.extend(config.extra_body.clone());
    Value::Object(body)
}

fn tools(request: &SampleRequest) -> Value {
    let tool = |tool: &ozone_prompt::ToolSpec| {
        json!({
            "type": "function", "name": tool.name, "description": tool.description,
            "parameters": tool.parameters, "strict": false,
        })
    };
    request.tools.iter().map(tool).collect()
}

fn input(config: &UpstreamConfig, request: &SampleRequest, kept: &KeptItems) -> Vec<Value> {
    let mut items = vec![];
    for turn in &request.turns {
        match turn {
            Turn::Shown { text, images } => items
                .push(json!({"type": "message", "role": "user", "content": seen(text, images)})),
            Turn::Returned { result, images } => {
                own_items(config, result, &mut items);
                if let (Message::ToolResult { output, .. }, Some(item)) = (result, items.last_mut())
                {
                    item["output"] = seen(output, images);
                }
            }
            Turn::Given(message) => own_items(config, message, &mut items),
            Turn::Sampled { message, .. } => match kept.of(&request.key, message) {
                Some(kept) => items.extend(kept),
                None => own_items(config, message, &mut items),
            },
        }
    }
    items
}

fn own_items(config: &UpstreamConfig, message: &Message, items: &mut Vec<Value>) {
    let said = |role: &str, text: &str| json!({"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]});
    match message {
        Message::System { text } => items.push(said("system", text)),
        Message::Developer { text } => items.push(said("developer", text)),
        Message::User { text } => items.push(said("user", text)),
        Message::Assistant { reasoning, text, tool_calls } => {
            let reasoning =
                reasoning.as_ref().filter(|_| config.reasoning_field != ReasoningField::None);
            // OpenAI takes no thinking in the clear.
            if let Some(reasoning) = reasoning.filter(|_| !is_openai(config)) {
                items.push(json!({
                    "type": "reasoning", "id": format!("rs_{}", items.len()), "summary": [],
                    "content": [{"type": "reasoning_text", "text": reasoning}],
                }));
            }
            if !text.is_empty() {
                items.push(json!({
                    "type": "message", "role": "assistant",
                    "content": [{"type": "output_text", "text": text, "annotations": []}],
                }));
            }
            items.extend(tool_calls.iter().map(|call| {
                json!({
                    "type": "function_call", "call_id": call.id, "name": call.name,
                    "arguments": body::arguments(&call.arguments),
                })
            }));
        }
        Message::ToolResult { call_id, output, .. } => items
            .push(json!({"type": "function_call_output", "call_id": call_id, "output": output})),
    }
}

fn is_openai(config: &UpstreamConfig) -> bool {
    config.base_url.as_slice().iter().any(|url| url.contains("//api.openai.com"))
}

fn seen(text: &str, images: &[Image]) -> Value {
    let mut parts = vec![];
    if !text.is_empty() {
        parts.push(json!({"type": "input_text", "text": text}));
    }
    let picture = |i| json!({"type": "input_image", "image_url": data_url(i), "detail": "auto"});
    parts.extend(images.iter().map(picture));
    Value::Array(parts)
}

/// The output items of samples, as the upstream gave them, by conversation.
#[derive(Debug, Default)]
pub struct KeptItems(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<String, Vec<(Message, Vec<Value>)>>,
    /// The oldest conversation first.
    keys: VecDeque<String>,
}

impl KeptItems {
    const CONVERSATIONS_MAX: usize = 1024;
    const SAMPLES_MAX: usize = 64;

    pub fn keep(&self, key: &str, message: &Message, items: Vec<Value>) {
        let encrypted = |item: &Value| text(item, "encrypted_content").is_some();
        if !items.iter().any(encrypted) {
            return;
        }
        let mut kept = self.lock();
        if !kept.by_key.contains_key(key) {
            kept.keys.push_back(key.to_owned());
            if kept.keys.len() > Self::CONVERSATIONS_MAX
                && let Some(oldest) = kept.keys.pop_front()
            {
                kept.by_key.remove(&oldest);
            }
        }
        let samples = kept.by_key.entry(key.to_owned()).or_default();
        if samples.len() == Self::SAMPLES_MAX {
            samples.remove(0);
        }
        samples.push((message.clone(), items));
    }

    pub fn release(&self, key: &str) {
        let mut kept = self.lock();
        if kept.by_key.remove(key).is_some() {
            kept.keys.retain(|known| known != key);
        }
    }

    fn of(&self, key: &str, message: &Message) -> Option<Vec<Value>> {
        let kept = self.lock();
        let samples = kept.by_key.get(key)?;
        samples.iter().rfind(|(known, _)| known == message).map(|(_, items)| items.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Reads one answer's stream.
#[derive(Debug, Default)]
pub struct ResponsesReader {
    asked: Asked,
    /// By `output_index`.
    items: Vec<Item>,
    calls: usize,
    /// Complete items, for the next turn.
    pub done: Vec<Value>,
}

/// What is known of an output item.
#[derive(Debug, Default)]
struct Item {
    kind: String,
    call: Option<usize>,
    /// What was passed on of it.
    said: String,
    /// The part that the last piece belonged to.
    part: Option<u64>,
    done: bool,
}

/// More than any answer has; an index beyond it is garbage.
const ITEMS_MAX: usize = 4096;

impl ResponsesReader {
    pub fn new(asked: Asked) -> ResponsesReader {
        ResponsesReader { asked, ..ResponsesReader::default() }
    }

    pub fn read(&mut self, event: &SseEvent) -> Result<Vec<Piece>, Fault> {
        let data = event.data.trim();
        if data == "[DONE]" {
            return Ok(vec![Piece::Done]);
        }
        if data.is_empty() {
            return Ok(vec![]);
        }
        let value: Value = serde_json::from_str(data).map_err(|_| {
            Fault::Passing(format!("it sent what is not JSON: `{}`", excerpt(data)))
        })?;
        let kind = text(&value, "type").unwrap_or(&event.name);
        let mut pieces = vec![];
        match kind {
            "response.output_item.added" => {
                let item = value.get("item").unwrap_or(&Value::Null);
                let index = self.open(&value, item)?;
                self.begin(index, item, &mut pieces);
            }
            "response.output_item.done" => {
                let item = value.get("item").unwrap_or(&Value::Null);
                let index = self.open(&value, item)?;
                self.end(index, item, &mut pieces);
            }
            "response.output_text.delta" | "response.refusal.delta" => {
                let part = count(&value, &["content_index"]);
                self.say(&value, "message", part, &mut pieces)?;
                pieces.extend(logprobs(value.get("logprobs")));
            }
            // The second name is that of the Open Responses dialect.
            "response.reasoning_text.delta" | "response.reasoning.delta" => {
                let part = count(&value, &["content_index"]);
                self.say(&value, "reasoning", part, &mut pieces)?;
            }
            "response.reasoning_summary_text.delta" => {
                let part = count(&value, &["summary_index"]);
                self.say(&value, "reasoning", part, &mut pieces)?;
            }
            "response.function_call_arguments.delta" => {
                self.say(&value, "function_call", None, &mut pieces)?;
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.finish(value.get("response").unwrap_or(&Value::Null), &mut pieces)?;
            }
            "error" => return Err(errors::in_stream(&value, self.asked)),
            _ if kind.is_empty() && errors::is_error(&value) => {
                return Err(errors::in_stream(&value, self.asked));
            }
            _ => {}
        }
        Ok(pieces)
    }

    /// A whole response of an upstream that does not stream.
    pub fn read_value(&mut self, response: &Value) -> Result<Vec<Piece>, Fault> {
        let mut pieces = vec![];
        self.finish(response, &mut pieces)?;
        Ok(pieces)
    }

    /// The place of the event's item. Without a number it is the last one, or a new one behind it.
    fn open(&mut self, event: &Value, item: &Value) -> Result<usize, Fault> {
        let last = self.items.len().saturating_sub(1);
        let index = match count(event, &["output_index"]) {
            Some(index) => usize::try_from(index).unwrap_or(usize::MAX),
            None if self.items.get(last).is_some_and(|item| item.done) => last + 1,
            None => last,
        };
        if index >= ITEMS_MAX {
            return Err(Fault::Passing(format!("it sent an item with the index {index}")));
        }
        if self.items.len() <= index {
            self.items.resize_with(index + 1, Item::default);
        }
        if let Some(kind) = text(item, "type") {
            self.items[index].kind = kind.to_owned();
        }
        Ok(index)
    }

    fn begin(&mut self, index: usize, item: &Value, pieces: &mut Vec<Piece>) {
        let known = &mut self.items[index];
        if known.call.is_some() || known.kind != "function_call" {
            return;
        }
        let Some(name) = text(item, "name") else { return };
        let call = self.calls;
        self.calls += 1;
        known.call = Some(call);
        let id = text(item, "call_id").or_else(|| text(item, "id")).unwrap_or_default();
        pieces.push(Piece::CallStart { call, id: id.to_owned(), name: name.to_owned() });
    }

    fn say(
        &mut self,
        event: &Value,
        kind: &str,
        part: Option<u64>,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), Fault> {
        let Some(delta) = text(event, "delta") else { return Ok(()) };
        let index = self.open(event, &Value::Null)?;
        let item = &mut self.items[index];
        if item.kind.is_empty() {
            item.kind = kind.to_owned();
        }
        if item.done || item.kind != kind {
            return Ok(());
        }
        self.pass_on(index, part, delta, pieces);
        Ok(())
    }

    fn pass_on(&mut self, index: usize, part: Option<u64>, delta: &str, pieces: &mut Vec<Piece>) {
        let item = &mut self.items[index];
        let first = item.said.is_empty();
        if item.kind == "message" || item.kind == "reasoning" {
            let other_part = item.part.is_some() && part.is_some() && item.part != part;
            if (first && index > 0) || other_part {
                pieces.push(Piece::Break);
            }
            item.part = part;
        }
        item.said.push_str(delta);
        match item.kind.as_str() {
            "message" => pieces.push(Piece::Text(delta.to_owned())),
            "reasoning" => pieces.push(Piece::Reasoning(delta.to_owned())),
            "function_call" => {
                if let Some(call) = item.call {
                    pieces.push(Piece::CallArguments { call, text: delta.to_owned() });
                }
            }
            _ => {}
        }
    }

    /// The item is complete: what its deltas did not say is said now.
    fn end(&mut self, index: usize, item: &Value, pieces: &mut Vec<Piece>) {
        if std::mem::replace(&mut self.items[index].done, true) {
            return;
        }
        let before = self.items[index].call;
        self.begin(index, item, pieces);
        if before.is_none() && self.items[index].call.is_some() {
            // Deltas that came before the call's name went nowhere.
            self.items[index].said.clear();
        }
        for (part, whole) in texts(item).into_iter().enumerate() {
            let said = &self.items[index].said;
            match said.strip_prefix(whole.as_str()) {
                // `said` holds the parts so far: go on behind this one.
                Some(rest) => self.items[index].said = rest.to_owned(),
                None => {
                    let rest = whole.strip_prefix(said.as_str()).map(str::to_owned);
                    if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
                        self.pass_on(index, Some(part as u64), &rest, pieces);
                    }
                    self.items[index].said.clear();
                }
            }
        }
        if matches!(self.items[index].kind.as_str(), "message" | "reasoning" | "function_call") {
            self.done.push(item.clone());
        }
    }

    fn finish(&mut self, response: &Value, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        let output = response.get("output").and_then(Value::as_array);
        for (index, item) in output.into_iter().flatten().enumerate().take(ITEMS_MAX) {
            let place = self.open(&json!({"output_index": index}), item)?;
            self.end(place, item, pieces);
        }
        if let Some(usage) = response.get("usage").filter(|usage| usage.is_object()) {
            pieces.push(Piece::Used(Used {
                input: count(usage, &["input_tokens"]).unwrap_or(0),
                cached: count(usage, &["input_tokens_details", "cached_tokens"]).unwrap_or(0),
                output: count(usage, &["output_tokens"]).unwrap_or(0),
                reasoning: count(usage, &["output_tokens_details", "reasoning_tokens"]),
            }));
        }
        let reason = response.pointer("/incomplete_details/reason").and_then(Value::as_str);
        let ended = match text(response, "status").unwrap_or("completed") {
            "failed" | "cancelled" => return Err(errors::in_stream(response, self.asked)),
            "incomplete" if reason == Some("content_filter") => Ended::Filtered,
            "incomplete" => Ended::Length,
            _ => Ended::EndOfTurn,
        };
        pieces.extend([Piece::Ended(ended), Piece::Done]);
        Ok(())
    }
}

/// The texts of an item's parts, or a call's arguments.
fn texts(item: &Value) -> Vec<String> {
    let parts = |key: &str| -> Vec<String> {
        let parts = item.get(key).and_then(Value::as_array).into_iter().flatten();
        parts
            .filter_map(|part| text(part, "text").or_else(|| text(part, "refusal")))
            .map(str::to_owned)
            .collect()
    };
    match text(item, "type") {
        Some("message") => parts("content"),
        Some("reasoning") => Some(parts("content"))
            .filter(|content| !content.is_empty())
            .unwrap_or_else(|| parts("summary")),
        Some("function_call") => text(item, "arguments").map(str::to_owned).into_iter().collect(),
        _ => vec![],
    }
}
