//! What a tracer is told of a run, in the names of OpenTelemetry's GenAI conventions: this file is
//! their one table, because they still move.
//!
//! Spans of `tracing`, so that who reads them is nobody's business here, and nobody who does not
//! listen pays. Never contents: no text of users, models or tools, and no arguments.
//! Source: open-telemetry/semantic-conventions-genai, status Development, November 2026.

use ozone_model::{ModelError, SampleRequest, Stop};
use ozone_tools::ToolOutput;
use ozone_types::{Response, ResponseId, Usage};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::record::Sampled;
use crate::request::Request;

macro_rules! span {
    ($name:literal, $($fields:tt)*) => {
        tracing::info_span!(target: "ozone::spans", $name, $($fields)*)
    };
}

/// A whole response.
pub(crate) fn agent(request: &Request, id: &ResponseId) -> Span {
    let previous = request.echo.previous_response_id.as_ref();
    span!(
        "invoke_agent",
        // Its parent, if there is one.
        "traceparent" = request.traceparent,
        "otel.name" = "invoke_agent ozone",
        "gen_ai.operation.name" = "invoke_agent",
        "gen_ai.agent.name" = "ozone",
        "gen_ai.provider.name" = "ozone",
        "gen_ai.request.model" = request.model,
        "gen_ai.response.id" = id.as_str(),
        "gen_ai.request.previous_response.id" = previous.map(ResponseId::as_str),
        "gen_ai.conversation.id" = request.echo.conversation,
        "gen_ai.usage.input_tokens" = Empty,
        "gen_ai.usage.output_tokens" = Empty,
        "gen_ai.usage.cache_read.input_tokens" = Empty,
        "gen_ai.usage.reasoning.output_tokens" = Empty,
        // No convention has a name for these.
        "ozone.response.status" = Empty,
        "ozone.service_tier" = request.echo.service_tier,
        "error.type" = Empty,
    )
}

/// A whole response within its span.
pub(crate) async fn within<E>(
    span: Span,
    run: impl Future<Output = Result<Response, E>>,
) -> Result<Response, E> {
    let ended = run.instrument(span.clone()).await;
    match &ended {
        Ok(response) => agent_ended(&span, response),
        Err(_) => {
            span.record("error.type", "internal");
        }
    }
    ended
}

fn agent_ended(span: &Span, response: &Response) {
    if let Some(status) = word(&response.status) {
        span.record("ozone.response.status", status.as_str());
    }
    if let Some(error) = response.error.as_ref().and_then(|error| word(&error.code)) {
        span.record("error.type", error.as_str());
    }
    if let Some(usage) = &response.usage {
        used(span, usage);
    }
}

/// One sample of the model.
pub(crate) fn chat(model: &str, request: &SampleRequest) -> Span {
    let sampling = request.sampling;
    span!(
        "chat",
        "otel.name" = format!("chat {model}"),
        "otel.kind" = "client",
        "gen_ai.operation.name" = "chat",
        "gen_ai.provider.name" = "ozone",
        "gen_ai.request.model" = model,
        "gen_ai.request.temperature" = f64::from(sampling.temperature),
        "gen_ai.request.top_p" = f64::from(sampling.top_p),
        "gen_ai.request.seed" = sampling.seed,
        "gen_ai.request.max_tokens" = request.output_tokens_max,
        "gen_ai.request.stream" = true,
        "gen_ai.response.finish_reasons" = Empty,
        "gen_ai.usage.input_tokens" = Empty,
        "gen_ai.usage.output_tokens" = Empty,
        "gen_ai.usage.cache_read.input_tokens" = Empty,
        "gen_ai.usage.reasoning.output_tokens" = Empty,
        "error.type" = Empty,
    )
}

pub(crate) fn sampled(span: &Span, sampled: &Sampled) {
    let reason = match sampled.stop() {
        Stop::Length | Stop::ContextFull => "length",
        Stop::ContentFilter => "content_filter",
        Stop::EndOfTurn if sampled.calls.is_empty() => "stop",
        Stop::EndOfTurn => "tool_call",
    };
    span.record("gen_ai.response.finish_reasons", reason);
    used(span, &sampled.usage);
}

pub(crate) fn summed_up(span: &Span, usage: &Usage) {
    span.record("gen_ai.response.finish_reasons", "stop");
    used(span, usage);
}

pub(crate) fn sample_failed(span: &Span, error: &ModelError) {
    let kind = match error {
        ModelError::ContextLength { .. } => "context_length_exceeded",
        ModelError::InvalidRequest(_) => "invalid_request",
        ModelError::Busy { .. } => "busy",
        ModelError::RateLimited { .. } => "rate_limit_exceeded",
        ModelError::Unavailable(_) => "unavailable",
        ModelError::BrokeOff(_) => "broke_off",
        ModelError::Internal(_) => "internal",
    };
    span.record("error.type", kind);
    span.record("gen_ai.response.finish_reasons", "error");
}

/// One call of a tool that runs here.
pub(crate) fn tool(name: &str, call_id: &str) -> Span {
    span!(
        "execute_tool",
        "otel.name" = format!("execute_tool {name}"),
        "gen_ai.operation.name" = "execute_tool",
        "gen_ai.tool.name" = name,
        "gen_ai.tool.call.id" = call_id,
        // It runs on the agent's side.
        "gen_ai.tool.type" = "extension",
        "error.type" = Empty,
    )
}

pub(crate) fn ran(span: &Span, output: &ToolOutput) {
    if output.failed {
        span.record("error.type", "tool_error");
    }
}

fn used(span: &Span, usage: &Usage) {
    span.record("gen_ai.usage.input_tokens", usage.input_tokens);
    span.record("gen_ai.usage.output_tokens", usage.output_tokens);
    let cached = usage.input_tokens_details.cached_tokens;
    span.record("gen_ai.usage.cache_read.input_tokens", cached);
    let reasoning = usage.output_tokens_details.reasoning_tokens;
    span.record("gen_ai.usage.reasoning.output_tokens", reasoning);
}

/// As the API spells it.
fn word(value: &impl serde::Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}
