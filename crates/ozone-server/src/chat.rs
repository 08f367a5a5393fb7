//! `/chat/completions`: the compatibility door. A request becomes one of `/responses` that is not
//! stored, and its events become chunks; there is no second way to the model.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::{Extension, Json};
use futures::Stream;
use ozone_types::response::IncompleteReason;
use ozone_types::{Event, EventKind, Response, ResponseStatus, Usage};
use serde_json::{Map, Value, json};

use crate::app::{App, mint};
use crate::error::ApiError;
use crate::fields::Fields;
use crate::prepare::Who;
use crate::request::Create;
use crate::responses::{refuse, traceparent};
use crate::serve::Body;
use crate::sse::{self, Follow};

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<HttpResponse, ApiError> {
    let limits = tenant.admit()?;
    let fields = Fields::of(&body, "")?;
    let stream = fields.bool("stream")?.unwrap_or(false);
    let options = fields.object("stream_options")?;
    let usage = options.map(|o| o.bool("include_usage")).transpose()?.flatten().unwrap_or(false);
    let create = Create::parse(&to_responses(&fields)?)?;
    let mut job = app.prepare(&tenant, create).await?;
    job.request.traceparent = traceparent(&headers);
    let live = app.start(job).await?;
    let chunks =
        Chunks { id: mint("chatcmpl-"), created: app.now(), calls: 0, usage, role_sent: false };
    let mut response = if stream {
        let follow = Follow::new(live.reader.lines(0), Some(&live)).stopping(&live);
        sse::response(frames(follow, chunks))
    } else {
        let stop = live.cancel.clone().drop_guard();
        let response = live.finished().await?;
        stop.disarm();
        refuse(&response)?;
        if let (ResponseStatus::Failed, Some(error)) = (response.status, &response.error) {
            return Err(ApiError::Failed(error.message.clone()));
        }
        Json(completion(&chunks, &response)).into_response()
    };
    for (name, value) in limits {
        response.headers_mut().insert(name, HeaderValue::from(value));
    }
    Ok(response)
}

/// The same request as `/responses` has it.
pub(crate) fn to_responses(fields: &Fields<'_>) -> Result<Value, ApiError> {
    refuse_unsupported(fields)?;
    let mut body = Map::new();
    for same in [
        "model",
        "temperature",
        "top_p",
        "seed",
        "metadata",
        "parallel_tool_calls",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "service_tier",
        "presence_penalty",
        "frequency_penalty",
        "stream",
        "x_pro",
    ] {
        if let Some(value) = fields.get(same) {
            body.insert(same.into(), value.clone());
        }
    }
    let messages = fields.list("messages")?.ok_or_else(|| ApiError::missing("messages"))?;
    let mut input = vec![];
    for (index, message) in messages.iter().enumerate() {
        items(&Fields::of(message, &format!("messages[{index}]"))?, &mut input)?;
    }
    if input.is_empty() {
        let message = "Invalid 'messages': at least one is needed.";
        return Err(ApiError::coded("messages", "invalid_value", message));
    }
    body.insert("input".into(), input.into());
    body.insert("store".into(), json!(false));
    let max = u64::MAX;
    let tokens = match fields.integer("max_completion_tokens", 1, max)? {
        Some(tokens) => Some(tokens),
        None => fields.integer("max_tokens", 1, max)?,
    };
    if let Some(tokens) = tokens {
        body.insert("max_output_tokens".into(), json!(tokens));
    }
    let mut reasoning = json!({ "summary": "auto" });
    // As the Responses API and some gateways spell it.
    if let Some(given) = fields.object("reasoning")? {
        for name in ["effort", "mode"] {
            if let Some(value) = given.get(name) {
                reasoning[name] = value.clone();
            }
        }
    }
    if let Some(effort) = fields.string("reasoning_effort")? {
        reasoning["effort"] = json!(effort);
    }
    body.insert("reasoning".into(), reasoning);
    if fields.bool("logprobs")?.unwrap_or(false) {
        body.insert("include".into(), json!(["message.output_text.logprobs"]));
        if let Some(n) = fields.get("top_logprobs") {
            body.insert("top_logprobs".into(), n.clone());
        }
    }
    let mut text = Map::new();
    if let Some(format) = fields.object("response_format")? {
        text.insert("format".into(), response_format(&format)?);
    }
    if let Some(verbosity) = fields.get("verbosity") {
        text.insert("verbosity".into(), verbosity.clone());
    }
    body.insert("text".into(), text.into());
    if let Some(tools) = fields.list("tools")? {
        let tools: Result<Vec<Value>, ApiError> = tools
            .iter()
            .enumerate()
            .map(|(index, tool)| self::tool(&Fields::of(tool, &format!("tools[{index}]"))?))
            .collect();
        body.insert("tools".into(), tools?.into());
    }
    if let Some(choice) = fields.get("tool_choice") {
        body.insert("tool_choice".into(), tool_choice(choice)?);
    }
    Ok(body.into())
}

fn refuse_unsupported(fields: &Fields<'_>) -> Result<(), ApiError> {
    let unsupported = |name: &str, why: &str| {
        Err(ApiError::unsupported(name, format!("Unsupported parameter: '{name}': {why}.")))
    };
    if fields.integer("n", 1, 128)?.is_some_and(|n| n > 1) {
        return unsupported("n", "one choice is made per request");
    }
    if fields.bool("store")?.unwrap_or(false) {
        return unsupported("store", "chat completions are not stored; use /v1/responses");
    }
    let given = |name: &str| match fields.get(name) {
        None => false,
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        Some(_) => true,
    };
    for (name, why) in [
        ("stop", "stop sequences are not watched for"),
        ("logit_bias", "tokens cannot be biased"),
        ("functions", "use 'tools'"),
        ("function_call", "use 'tool_choice'"),
        ("audio", "only text is spoken here"),
        ("web_search_options", "there is no web search"),
    ] {
        if given(name) {
            return unsupported(name, why);
        }
    }
    let modalities = fields.list("modalities")?.map_or(&[][..], Vec::as_slice);
    if modalities.iter().any(|m| m != "text") {
        return unsupported("modalities", "only text is written here");
    }
    Ok(())
}

/// The items of one message.
fn items(message: &Fields<'_>, input: &mut Vec<Value>) -> Result<(), ApiError> {
    let role = message.required("role")?;
    match role {
        "system" | "developer" | "user" => {
            let content = content(message, "input_text")?;
            input.push(json!({ "type": "message", "role": role, "content": content }));
        }
        "assistant" => assistant(message, input)?,
        "tool" => input.push(json!({
            "type": "function_call_output",
            "call_id": message.required("tool_call_id")?,
            "output": content(message, "input_text")?,
        })),
        other => {
            let allowed = "'system', 'developer', 'user', 'assistant', 'tool'";
            return Err(message.bad_word("role", other, allowed));
        }
    }
    Ok(())
}

fn assistant(message: &Fields<'_>, input: &mut Vec<Value>) -> Result<(), ApiError> {
    let thought = match message.string("reasoning_content")? {
        Some(thought) => Some(thought),
        None => message.string("reasoning")?,
    };
    if let Some(thought) = thought.filter(|t| !t.trim().is_empty()) {
        let content = json!([{ "type": "reasoning_text", "text": thought }]);
        input.push(json!({ "type": "reasoning", "summary": [], "content": content }));
    }
    let calls = message.list("tool_calls")?.map_or(&[][..], Vec::as_slice);
    if message.get("content").is_some() {
        let content = content(message, "output_text")?;
        input.push(json!({ "type": "message", "role": "assistant", "content": content }));
    } else if calls.is_empty() {
        return Err(ApiError::missing(&message.param("content")));
    }
    for (index, call) in calls.iter().enumerate() {
        let call = Fields::of(call, &message.param(&format!("tool_calls[{index}]")))?;
        let id = call.required("id")?;
        if let Some(custom) = call.object("custom")? {
            input.push(json!({
                "type": "custom_tool_call",
                "call_id": id,
                "name": custom.required("name")?,
                "input": custom.string("input")?.unwrap_or_default(),
            }));
            continue;
        }
        let missing = || ApiError::missing(&call.param("function"));
        let function = call.object("function")?.ok_or_else(missing)?;
        input.push(json!({
            "type": "function_call",
            "call_id": id,
            "name": function.required("name")?,
            "arguments": function.string("arguments")?.unwrap_or("{}"),
        }));
    }
    Ok(())
}

/// Text stays text; parts get their names of `/responses`.
fn content(message: &Fields<'_>, text: &str) -> Result<Value, ApiError> {
    match message.get("content") {
        None => Err(ApiError::missing(&message.param("content"))),
        Some(Value::Array(parts)) => {
            let parts = parts.iter().enumerate().map(|(index, part)| {
                let part = Fields::of(part, &message.param(&format!("content[{index}]")))?;
                match part.required("type")? {
                    "text" => {
                        let said = part.string("text")?.unwrap_or_default();
                        Ok(json!({ "type": text, "text": said }))
                    }
                    "refusal" => {
                        let said = part.string("refusal")?.unwrap_or_default();
                        Ok(json!({ "type": "refusal", "refusal": said }))
                    }
                    "image_url" => {
                        let missing = || ApiError::missing(&part.param("image_url"));
                        let image = part.object("image_url")?.ok_or_else(missing)?;
                        let detail = image.string("detail")?.unwrap_or("auto");
                        Ok(json!({
                            "type": "input_image",
                            "image_url": image.required("url")?,
                            "detail": detail,
                        }))
                    }
                    "file" => {
                        let missing = || ApiError::missing(&part.param("file"));
                        let mut file = part.get("file").cloned().ok_or_else(missing)?;
                        Fields::of(&file, &part.param("file"))?;
                        file["type"] = json!("input_file");
                        Ok(file)
                    }
                    other => {
                        let allowed = "'text', 'refusal', 'image_url', 'file'";
                        Err(part.bad_word("type", other, allowed))
                    }
                }
            });
            Ok(Value::Array(parts.collect::<Result<_, _>>()?))
        }
        Some(_) => Ok(json!(message.string("content")?)),
    }
}

fn response_format(format: &Fields<'_>) -> Result<Value, ApiError> {
    match format.required("type")? {
        "json_schema" => {
            let missing = || ApiError::missing("response_format.json_schema");
            let mut schema = format.get("json_schema").cloned().ok_or_else(missing)?;
            Fields::of(&schema, "response_format.json_schema")?.required("name")?;
            schema["type"] = json!("json_schema");
            Ok(schema)
        }
        kind @ ("text" | "json_object") => Ok(json!({ "type": kind })),
        other => Err(format.bad_word("type", other, "'text', 'json_object', 'json_schema'")),
    }
}

/// A tool: chat nests what `/responses` has flat.
fn tool(tool: &Fields<'_>) -> Result<Value, ApiError> {
    let kind = tool.required("type")?;
    if kind != "function" && kind != "custom" {
        return Err(tool.bad_word("type", kind, "'function', 'custom'"));
    }
    let mut flat = tool.get(kind).cloned().ok_or_else(|| ApiError::missing(&tool.param(kind)))?;
    Fields::of(&flat, &tool.param(kind))?.required("name")?;
    if let Some(grammar) = flat.pointer("/format/grammar").cloned() {
        flat["format"] = grammar;
        flat["format"]["type"] = json!("grammar");
    }
    flat["type"] = json!(kind);
    Ok(flat)
}

fn tool_choice(choice: &Value) -> Result<Value, ApiError> {
    if choice.is_string() {
        return Ok(choice.clone());
    }
    let fields = Fields::of(choice, "tool_choice")?;
    match fields.required("type")? {
        kind @ ("function" | "custom") => {
            let missing = || ApiError::missing(&fields.param(kind));
            let named = fields.object(kind)?.ok_or_else(missing)?;
            Ok(json!({ "type": kind, "name": named.required("name")? }))
        }
        "allowed_tools" => {
            let missing = || ApiError::missing("tool_choice.allowed_tools");
            let allowed = fields.object("allowed_tools")?.ok_or_else(missing)?;
            let tools = allowed.list("tools")?.map_or(&[][..], Vec::as_slice).iter();
            let flat = tools.map(|tool| match tool["type"].as_str() {
                Some(kind) => json!({ "type": kind, "name": tool[kind]["name"] }),
                None => tool.clone(),
            });
            Ok(json!({
                "type": "allowed_tools",
                "mode": allowed.get("mode"),
                "tools": flat.collect::<Vec<_>>(),
            }))
        }
        other => Err(fields.bad_word("type", other, "'function', 'custom', 'allowed_tools'")),
    }
}

fn usage_of(usage: Option<Usage>) -> Value {
    let usage = usage.unwrap_or_default();
    let mut shown = json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": { "cached_tokens": usage.input_tokens_details.cached_tokens },
        "completion_tokens_details": {
            "reasoning_tokens": usage.output_tokens_details.reasoning_tokens,
        },
    });
    if let Some(cost) = usage.cost {
        let cost = serde_json::to_value(cost).expect("costs are plain data");
        for name in ["cost", "cost_details"] {
            shown[name] = cost[name].clone();
        }
    }
    shown
}

fn finish_reason(response: &Response, calls: usize) -> &'static str {
    match response.incomplete_details.as_ref().map(|d| d.reason) {
        Some(IncompleteReason::ContentFilter) => "content_filter",
        Some(
            IncompleteReason::MaxOutputTokens
            | IncompleteReason::MaxSteps
            | IncompleteReason::TimeLimit
            | IncompleteReason::CostLimit
            | IncompleteReason::Cancelled,
        ) => "length",
        None if calls > 0 => "tool_calls",
        None => "stop",
    }
}

/// A call as chat has it.
fn call_of(item: &Value) -> Option<Value> {
    match item["type"].as_str()? {
        "function_call" => Some(json!({
            "id": item["call_id"],
            "type": "function",
            "function": { "name": item["name"], "arguments": item["arguments"] },
        })),
        "custom_tool_call" => Some(json!({
            "id": item["call_id"],
            "type": "custom",
            "custom": { "name": item["name"], "input": item["input"] },
        })),
        _ => None,
    }
}

fn texts(parts: &Value) -> String {
    let parts = parts.as_array().into_iter().flatten();
    parts.filter_map(|part| part["text"].as_str()).collect()
}

fn completion(chunks: &Chunks, response: &Response) -> Value {
    let (mut text, mut refusal, mut thought) = (String::new(), String::new(), String::new());
    let (mut calls, mut logprobs) = (vec![], vec![]);
    for item in &response.output {
        let item = serde_json::to_value(item).expect("items are plain data");
        match item["type"].as_str() {
            Some("message") => {
                text.push_str(&texts(&item["content"]));
                for part in item["content"].as_array().into_iter().flatten() {
                    refusal.push_str(part["refusal"].as_str().unwrap_or_default());
                    logprobs.extend(part["logprobs"].as_array().cloned().unwrap_or_default());
                }
            }
            Some("reasoning") => {
                let raw = texts(&item["content"]);
                thought.push_str(if raw.is_empty() { "" } else { &raw });
                if raw.is_empty() {
                    thought.push_str(&texts(&item["summary"]));
                }
            }
            _ => calls.extend(call_of(&item)),
        }
    }
    let some = |text: String| if text.is_empty() { Value::Null } else { text.into() };
    let finish = finish_reason(response, calls.len());
    let mut message = json!({
        "role": "assistant",
        "content": if text.is_empty() && !calls.is_empty() { Value::Null } else { text.into() },
        "refusal": some(refusal),
    });
    if !thought.is_empty() {
        message["reasoning_content"] = thought.clone().into();
        message["reasoning"] = thought.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    let logprobs = if logprobs.is_empty() { Value::Null } else { json!({ "content": logprobs }) };
    json!({
        "id": chunks.id,
        "object": "chat.completion",
        "created": chunks.created,
        "model": response.model,
        "choices": [{
            "index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs,
        }],
        "usage": usage_of(response.usage),
        "service_tier": response.service_tier,
        "system_fingerprint": null,
    })
}

/// Turns the events of one response into chunks.
struct Chunks {
    id: String,
    created: i64,
    /// Calls so far; the newest one has the last index.
    calls: usize,
    usage: bool,
    role_sent: bool,
}

impl Chunks {
    fn chunk(&self, response: &Response, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": response.model,
            "service_tier": response.service_tier,
            "system_fingerprint": null,
            "choices": choices,
        })
    }

    fn delta(&self, response: &Response, delta: Value, finish: Option<&str>) -> Value {
        let choice = json!({
            "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish,
        });
        self.chunk(response, json!([choice]))
    }

    /// The chunks of one event, which may be none.
    fn of(&mut self, response: &Response, event: &Event) -> Vec<Value> {
        let delta = match &event.kind {
            EventKind::Created { .. } if !self.role_sent => {
                self.role_sent = true;
                json!({ "role": "assistant", "content": "" })
            }
            EventKind::OutputTextDelta { delta, logprobs, .. } => {
                let mut chunk = self.delta(response, json!({ "content": delta }), None);
                if !logprobs.is_empty() {
                    chunk["choices"][0]["logprobs"] = json!({ "content": logprobs });
                }
                return vec![chunk];
            }
            EventKind::RefusalDelta { delta, .. } => json!({ "refusal": delta }),
            EventKind::ReasoningTextDelta { delta, .. }
            | EventKind::ReasoningSummaryTextDelta { delta, .. } => {
                json!({ "reasoning_content": delta, "reasoning": delta })
            }
            EventKind::OutputItemDone { item, .. } => {
                let item = serde_json::to_value(item).expect("items are plain data");
                let Some(mut call) = call_of(&item) else { return vec![] };
                call["index"] = json!(self.calls);
                self.calls += 1;
                json!({ "tool_calls": [call] })
            }
            EventKind::Error { code, message, .. } => {
                let error = json!({
                    "message": message, "type": "server_error", "param": null, "code": code,
                });
                return vec![json!({ "error": error })];
            }
            EventKind::Completed { response } | EventKind::Incomplete { response } => {
                let finish = finish_reason(response, self.calls);
                let mut last = vec![self.delta(response, json!({}), Some(finish))];
                if self.usage {
                    let mut chunk = self.chunk(response, json!([]));
                    chunk["usage"] = usage_of(response.usage);
                    last.push(chunk);
                }
                return last;
            }
            _ => return vec![],
        };
        vec![self.delta(response, delta, None)]
    }
}

/// Keeps connections open while nothing is said; readers skip comments.
const COMMENT: &[u8] = b": keep-alive\n\n";

fn frames(follow: Follow, chunks: Chunks) -> impl Stream<Item = Bytes> + Send {
    let state = Some((follow, chunks, None::<Box<Response>>));
    futures::stream::unfold(state, |state| async move {
        let (mut follow, mut chunks, mut response) = state?;
        loop {
            let event = follow.next().await?;
            if let EventKind::Created { response: created } = &event.kind {
                response = Some(created.clone());
            }
            let Some(known) = &response else { continue };
            let said = chunks.of(known, &event);
            let ended = event.kind.terminal().is_some();
            let mut bytes: Vec<u8> = vec![];
            for chunk in said {
                bytes.extend(format!("data: {chunk}\n\n").into_bytes());
            }
            if ended {
                bytes.extend(sse::DONE);
                return Some((Bytes::from(bytes), None));
            }
            if bytes.is_empty() {
                let waits =
                    matches!(event.kind, EventKind::InProgress { .. } | EventKind::Queued { .. });
                if !waits {
                    continue;
                }
                bytes.extend(COMMENT);
            }
            return Some((Bytes::from(bytes), Some((follow, chunks, response))));
        }
    })
}
