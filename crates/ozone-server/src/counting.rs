//! `/responses/input_tokens` and `/responses/compact`: what a request would read, and the same in
//! fewer words.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use ozone_types::item::Known;
use ozone_types::{Item, Response, ResponseStatus, Role};
use serde_json::{Value, json};

use crate::app::{App, mint};
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::prepare::Who;
use crate::request::Create;
use crate::responses::{refuse, shown};
use crate::runs::Job;
use crate::serve::Body;

impl App {
    /// Runs a job that leaves nothing behind.
    async fn run_once(self: &Arc<Self>, job: Job) -> Result<Response, ApiError> {
        let live = self.start(job).await?;
        let stop = live.cancel.clone().drop_guard();
        let response = live.finished().await?;
        stop.disarm();
        refuse(&response)?;
        if let (ResponseStatus::Failed, Some(error)) = (response.status, &response.error) {
            return Err(ApiError::Failed(error.message.clone()));
        }
        Ok(response)
    }
}

/// A body with what both routes fix.
fn unstored(body: &Value) -> Result<Value, ApiError> {
    Fields::of(body, "")?;
    let mut body = body.clone();
    for name in ["stream", "stream_options", "background", "service_tier", "context_management"] {
        body[name] = Value::Null;
    }
    body["store"] = json!(false);
    Ok(body)
}

/// Counts with the model's own template and tokenizer, by a sample of one token: what it says is
/// what a response with this body would be charged.
pub(crate) async fn input_tokens(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    tenant.admit()?;
    let create = Create::parse(&unstored(&body)?)?;
    let mut job = app.prepare(&tenant, create).await?;
    job.request.max_output_tokens = Some(1);
    let response = app.run_once(job).await?;
    let input_tokens = response.usage.map_or(0, |usage| usage.input_tokens);
    Ok(Json(json!({ "object": "response.input_tokens", "input_tokens": input_tokens })))
}

pub(crate) async fn compact(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    tenant.admit()?;
    let mut body = unstored(&body)?;
    for name in ["tools", "tool_choice", "text", "include"] {
        body[name] = Value::Null;
    }
    let mut create = Create::parse(&body)?;
    create.input.push(json!({ "role": "user", "content": ozone_agent::SUM_UP }));
    let job = app.prepare(&tenant, create).await?;
    let (earlier, input) = (job.request.earlier.clone(), job.request.input.clone());
    let model = job.request.model.clone();
    let response = app.run_once(job).await?;
    let text = response.output_text();
    if text.trim().is_empty() {
        return Err(ApiError::Failed("the model wrote no summary".into()));
    }
    // The question of ours is no part of the conversation.
    let own = input.len() - 1;
    let mut output = users(earlier.iter().chain(&input[..own]))?;
    output.push(compaction(&app, &tenant, &model, text.trim()));
    Ok(Json(json!({
        "id": response.id,
        "object": "response.compaction",
        "created_at": app.now(),
        "output": output,
        "usage": response.usage,
    })))
}

fn compaction(app: &App, tenant: &Tenant, model: &str, text: &str) -> Value {
    json!({
        "type": "compaction",
        "id": mint("cmp_"),
        "encrypted_content": app.sealer.seal(&tenant.name, model, text),
    })
}

/// What users said, word for word.
fn users<'a>(items: impl Iterator<Item = &'a Item>) -> Result<Vec<Value>, ApiError> {
    let said = items
        .filter(|item| matches!(item, Item::Known(Known::Message { role: Role::User, .. })))
        .map(|item| serde_json::to_value(shown(item)));
    said.collect::<Result<_, _>>().map_err(ApiError::internal)
}
