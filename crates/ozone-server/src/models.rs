//! `/models` in both shapes that clients ask for, and `/metrics`.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use ozone_types::Effort;
use serde_json::{Value, json};

use crate::ModelEntry;
use crate::app::App;
use crate::error::ApiError;
use crate::images;
use crate::prepare::Who;

/// What Codex tells a model that has no instructions of its own. Codex sends what the catalogue says
/// and nothing else, so without it the model would not know that it has a task to work on. Short:
/// it stands before every turn, also in a small context.
const CODEX_INSTRUCTIONS: &str = "\
You are a coding agent in the user's terminal. Work on the task until it is done.
- Look before you change: list and search files, and read the parts that matter.
- Change files with `apply_patch`. Keep changes small and in the style of the code around them.
- Then check the change: build it, run its tests, and read what they print. If something fails, find the \
cause and try again.
- Leave alone what you were not asked about; do not commit, and do not undo what others did.
- If you cannot do something, say why. End with a short message: what you changed and how you checked it.";

/// OpenAI's list in `data` and the Codex catalogue in `models`: each client reads its own.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
) -> Json<Value> {
    let usable = || app.models.iter().map(|m| &m.entry).filter(|e| tenant.may_use(&e.id));
    Json(json!({
        "object": "list",
        "data": usable().map(model).collect::<Vec<_>>(),
        "models": usable().enumerate().map(|(n, e)| catalogue(e, n)).collect::<Vec<_>>(),
    }))
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(model(&app.model(&tenant, &id)?.entry)))
}

fn model(entry: &ModelEntry) -> Value {
    let is_unknown = entry.eyes.as_ref().is_some_and(|eyes| !eyes.are_open());
    json!({
        "id": entry.id,
        "object": "model",
        "created": 0,
        "owned_by": entry.owned_by,
        "context_window": entry.backend.info().context_window,
        "pictures": if is_unknown { "unknown" } else { entry.backend.delivery().name() },
        "coords": images::coords(entry),
    })
}

/// An entry as Codex CLI reads it (codex-rs, `ModelInfo`).
fn catalogue(entry: &ModelEntry, priority: usize) -> Value {
    let info = entry.backend.info();
    let efforts = if entry.efforts.is_empty() {
        vec![Effort::Low, Effort::Medium, Effort::High]
    } else {
        entry.efforts.clone()
    };
    let levels: Vec<Value> = efforts
        .iter()
        .map(|effort| {
            let tokens = effort.thinking_tokens_max();
            let description = match tokens {
                Some(tokens) => format!("Thinks for at most {tokens} tokens"),
                None => "Thinks as long as the context allows".into(),
            };
            json!({ "effort": effort, "description": description })
        })
        .collect();
    let modalities = if info.reads_images { json!(["text", "image"]) } else { json!(["text"]) };
    json!({
        "slug": entry.id,
        "display_name": entry.id,
        "description": format!("{} on Ozone", entry.id),
        "default_reasoning_level": entry.effort.unwrap_or_default(),
        "supported_reasoning_levels": levels,
        "shell_type": "unified_exec",
        "visibility": "list",
        "supported_in_api": true,
        "priority": priority,
        "base_instructions": entry.instructions.as_deref().unwrap_or(CODEX_INSTRUCTIONS),
        "supports_reasoning_summaries": true,
        "support_verbosity": false,
        "apply_patch_tool_type": "freeform",
        "truncation_policy": { "mode": "bytes", "limit": 10_000 },
        "supports_parallel_tool_calls": true,
        "context_window": info.context_window,
        "input_modalities": modalities,
        "experimental_supported_tools": [],
    })
}

/// Prometheus' text format, version 0.0.4.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let mut text = String::new();
    let metrics = &app.metrics;
    head(&mut text, "ozone_http_requests_total", "counter", "HTTP requests by route and status.");
    for ((route, status), n) in sorted(&metrics.requests) {
        let labels = [("route", route.as_str()), ("status", &status.to_string())];
        line(&mut text, "ozone_http_requests_total", &labels, n);
    }
    head(&mut text, "ozone_responses_total", "counter", "Responses that ended.");
    for ((model, tier, status), n) in sorted(&metrics.responses) {
        let labels = [("model", model.as_str()), ("tier", tier), ("status", status)];
        line(&mut text, "ozone_responses_total", &labels, n);
    }
    head(&mut text, "ozone_tokens_total", "counter", "Tokens; cached are input, reasoning output.");
    for ((model, kind), n) in sorted(&metrics.tokens) {
        let labels = [("model", model.as_str()), ("kind", kind)];
        line(&mut text, "ozone_tokens_total", &labels, n);
    }
    head(&mut text, "ozone_responses_running", "gauge", "Responses that have a place.");
    for model in &app.models {
        let labels = [("model", model.entry.id.as_str())];
        line(&mut text, "ozone_responses_running", &labels, model.lanes.load().0 as u64);
    }
    head(&mut text, "ozone_responses_waiting", "gauge", "Responses that wait for a place.");
    for model in &app.models {
        let labels = [("model", model.entry.id.as_str())];
        line(&mut text, "ozone_responses_waiting", &labels, model.lanes.load().1 as u64);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn sorted<K: Clone + Ord>(
    counter: &std::sync::Mutex<std::collections::HashMap<K, u64>>,
) -> Vec<(K, u64)> {
    let counter = counter.lock().unwrap_or_else(|e| e.into_inner());
    let mut all: Vec<(K, u64)> = counter.iter().map(|(k, n)| (k.clone(), *n)).collect();
    all.sort();
    all
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &[(&str, &str)], n: u64) {
    let labels: Vec<String> = labels
        .iter()
        .map(|(k, v)| {
            let v = v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{k}=\"{v}\"")
        })
        .collect();
    let _ = writeln!(text, "{name}{{{}}} {n}", labels.join(","));
}
