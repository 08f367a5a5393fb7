//! `POST /images/generations`: OpenAI's plain route. A request becomes one of `/responses` that must
//! call `image_generation` and is not stored, so that there is no second way to a picture.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::{Extension, Json};
use ozone_types::item::Known;
use ozone_types::{ImageFacts, Item, Response, ResponseStatus, Usage};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::image_generation::KIND;
use crate::prepare::Who;
use crate::request::Create;
use crate::responses::{refuse, traceparent};
use crate::serve::Body;

/// Pictures of one request.
const PICTURES_MAX: u64 = 4;
/// Of the tool, as they are spelt there.
const OF_TOOL: [&str; 6] =
    ["background", "moderation", "output_compression", "output_format", "quality", "size"];
const TOLD: &str = "Make exactly one picture of what the user describes, with image_generation. If it \
     cannot be made, say why in a sentence.";

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<HttpResponse, ApiError> {
    let limits = tenant.admit()?;
    let fields = Fields::of(&body, "")?;
    let count = fields.integer("n", 1, PICTURES_MAX)?.unwrap_or(1);
    let create = Create::parse(&to_responses(&app, &tenant, &fields)?)?;
    let (mut running, mut made) = (vec![], vec![]);
    for _ in 0..count {
        let mut job = app.prepare(&tenant, create.clone()).await?;
        job.request.traceparent = traceparent(&headers);
        let live = app.start(job).await?;
        // A client that hangs up, or a picture that fails, stops them all.
        running.push((live.cancel.clone().drop_guard(), live));
    }
    for (stop, live) in running {
        let response = live.finished().await?;
        stop.disarm();
        made.push(picture(response)?);
    }
    let mut answer = Json(answered(&app, &made)).into_response();
    for (name, value) in limits {
        answer.headers_mut().insert(name, HeaderValue::from(value));
    }
    Ok(answer)
}

/// The same request as `/responses` has it.
fn to_responses(app: &App, tenant: &Tenant, fields: &Fields<'_>) -> Result<Value, ApiError> {
    let unsupported = |name: &str, why: &str| {
        Err(ApiError::unsupported(name, format!("Unsupported parameter: '{name}': {why}.")))
    };
    if fields.bool("stream")?.unwrap_or(false) {
        return unsupported("stream", "beginnings of pictures are streamed by '/responses' alone");
    }
    if fields.get("style").is_some() {
        return unsupported("style", "say it in the prompt");
    }
    if fields.string("response_format")?.is_some_and(|format| format != "b64_json") {
        return unsupported("response_format", "pictures are given as 'b64_json' alone");
    }
    let mut tool = json!({ "type": KIND, "action": "generate" });
    for name in OF_TOOL {
        if let Some(value) = fields.get(name) {
            tool[name] = value.clone();
        }
    }
    // A model that is served makes the picture; any other name is one of an image model.
    let served = |model: &str| app.models.iter().any(|m| m.entry.id == model);
    let model = match fields.string("model")? {
        Some(model) if served(model) => model.to_owned(),
        named => {
            if let Some(named) = named {
                tool["model"] = json!(named);
            }
            let able = app.models.iter().map(|model| &model.entry);
            let mut able = able.filter(|m| !m.narrow && tenant.may_use(&m.id));
            let able = able.next().ok_or_else(|| {
                let message = "No model here makes pictures; configure one.".to_owned();
                ApiError::NotFound { message, code: Some("model_not_found") }
            })?;
            able.id.clone()
        }
    };
    let mut body = json!({
        "model": model,
        "input": fields.required("prompt")?,
        "instructions": TOLD,
        "tools": [tool],
        "tool_choice": {"type": KIND},
        "store": false,
    });
    if let Some(user) = fields.get("user") {
        body["user"] = user.clone();
    }
    Ok(body)
}

struct Picture {
    result: String,
    facts: ImageFacts,
    usage: Usage,
}

/// The last picture of a response, or why there is none.
fn picture(response: Response) -> Result<Picture, ApiError> {
    refuse(&response)?;
    if let (ResponseStatus::Failed, Some(error)) = (response.status, &response.error) {
        return Err(ApiError::Failed(error.message.clone()));
    }
    let usage = response.usage.unwrap_or_default();
    let said: String = response.output.iter().filter_map(said).collect();
    let mut pictures = response.output.into_iter().rev().filter_map(|item| match item {
        Item::Known(Known::ImageGenerationCall { result: Some(result), facts, .. }) => {
            Some(Picture { result, facts: *facts, usage })
        }
        _ => None,
    });
    pictures.next().ok_or_else(|| {
        let said: String = said.trim().chars().take(1_000).collect();
        let why = if said.is_empty() { "the model gave no reason" } else { said.as_str() };
        ApiError::coded("prompt", "image_not_made", format!("No picture was made: {why}"))
    })
}

fn said(item: &Item) -> Option<String> {
    match item {
        Item::Known(Known::Message { content, .. }) => Some(content.joined()),
        _ => None,
    }
}

fn answered(app: &App, made: &[Picture]) -> Value {
    let facts = made.first().map(|picture| picture.facts.clone()).unwrap_or_default();
    let mut usage = Usage::default();
    made.iter().for_each(|picture| usage += picture.usage);
    let data = made.iter().map(|Picture { result, facts, .. }| {
        let mut one = json!({ "b64_json": result });
        if let Some(title) = &facts.revised_prompt {
            one["revised_prompt"] = json!(title);
        }
        one
    });
    json!({
        "created": app.now(),
        "data": data.collect::<Vec<_>>(),
        "background": facts.background,
        "output_format": facts.output_format,
        "quality": facts.quality,
        "size": facts.size,
        "x_engine": facts.x_engine,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "input_tokens_details": {"text_tokens": usage.input_tokens, "image_tokens": 0},
        },
    })
}
