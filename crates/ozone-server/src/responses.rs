//! `/responses`: create, get, follow, cancel, delete, and what was put in.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::{Extension, Json};
use ozone_store::{Change, Reader, StoreError};
use ozone_types::item::Known;
use ozone_types::{
    Content, ErrorCode, EventKind, Item, ItemStatus, Response, ResponseId, ResponseStatus, Role,
    Text,
};
use serde_json::{Value, json};

use crate::app::App;
use crate::error::ApiError;
use crate::prepare::{Paging, Who};
use crate::request::{Create, Include};
use crate::runs::ITEM;
use crate::serve::Body;
use crate::sse::{self, Follow};
use crate::web_search::is_web_search;

/// The version of today has 55; later ones may add to it.
const TRACEPARENT_BYTES_MAX: usize = 128;

type Pairs = Query<Vec<(String, String)>>;

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Query(query): Pairs,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<HttpResponse, ApiError> {
    refuse_beta(&query)?;
    let limits = tenant.admit()?;
    let create = Create::parse(&body)?;
    let (stream, background, obfuscate) = (create.stream, create.background, create.obfuscate);
    let ignored = ignored_tools(&app, &create.tools);
    let mut job = app.prepare(&tenant, create).await?;
    job.request.traceparent = traceparent(&headers);
    let live = app.start(job).await?;
    let mut response = match (stream, background) {
        (true, background) => {
            let follow = Follow::new(live.reader.lines(0), Some(&live));
            let follow = if background { follow } else { follow.stopping(&live) };
            sse::response(sse::frames(follow, obfuscate))
        }
        (false, true) => Json(snapshot(&app, &live.id).await?).into_response(),
        (false, false) => {
            // A client that hangs up stops its run.
            let stop = live.cancel.clone().drop_guard();
            let response = live.finished().await?;
            stop.disarm();
            refuse(&response)?;
            Json(response).into_response()
        }
    };
    let headers = response.headers_mut();
    for (name, value) in limits {
        headers.insert(name, HeaderValue::from(value));
    }
    if let Some(ignored) = ignored {
        headers.insert("x-ozone-ignored-tools", ignored);
    }
    Ok(response)
}

/// The client's span that asked. Whoever reads it checks it; only its length has a limit here.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    short(headers.get("traceparent")?.to_str().ok()?)
}

pub(crate) fn short(traceparent: &str) -> Option<String> {
    (traceparent.len() <= TRACEPARENT_BYTES_MAX).then(|| traceparent.to_owned())
}

pub(crate) fn refuse_beta(query: &[(String, String)]) -> Result<(), ApiError> {
    if query.iter().any(|(k, v)| k == "beta" && v == "true") {
        let message = "The beta of this API is not served here.";
        return Err(ApiError::coded("beta", "unsupported_beta", message));
    }
    Ok(())
}

/// Tool types that are echoed and not offered to the model.
fn ignored_tools(app: &App, tools: &[Value]) -> Option<HeaderValue> {
    const OFFERED: &[&str] = &[
        "function",
        "custom",
        "namespace",
        "code_interpreter",
        "file_search",
        "image_generation",
        "mcp",
        "shell",
        "apply_patch",
    ];
    let offered =
        |kind: &&str| OFFERED.contains(kind) || (app.web.is_some() && is_web_search(kind));
    let kinds = tools.iter().filter_map(|t| t["type"].as_str());
    let mut ignored: Vec<&str> = kinds.filter(|kind| !offered(kind)).collect();
    ignored.sort_unstable();
    ignored.dedup();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    ignored.retain(|t| t.len() <= 64 && t.chars().all(plain));
    (!ignored.is_empty()).then(|| HeaderValue::from_str(&ignored.join(", ")).ok()).flatten()
}

/// A response that failed by the client's mistake, or for want of room, before it said anything is
/// an error of its request.
pub(crate) fn refuse(response: &Response) -> Result<(), ApiError> {
    let Some(error) = response.error.as_ref().filter(|_| response.output.is_empty()) else {
        return Ok(());
    };
    let message = error.message.clone();
    match error.code {
        ErrorCode::ContextLengthExceeded => {
            Err(ApiError::coded("input", "context_length_exceeded", message))
        }
        ErrorCode::InvalidPrompt => Err(ApiError::coded("input", "invalid_prompt", message)),
        ErrorCode::RateLimitExceeded => Err(match asked_wait(&message) {
            Some(retry_after) => ApiError::RateLimited { what: "the model".into(), retry_after },
            None => ApiError::RateLimited {
                what: format!("the model ({message})"),
                retry_after: Duration::from_secs(2),
            },
        }),
        _ => Ok(()),
    }
}

/// How long the model itself wants to be left alone, as its error says.
fn asked_wait(message: &str) -> Option<Duration> {
    let (_, wait) = message.rsplit_once("try again in ")?;
    wait.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
}

/// A response as it stands.
pub(crate) async fn snapshot(app: &App, id: &ResponseId) -> Result<Response, ApiError> {
    let last = app.store.last_event(id).await?;
    if let Some(ended) = last.as_ref().and_then(|e| e.kind.terminal()) {
        return Ok(ended.clone());
    }
    let reader = match app.live(id) {
        Some(live) => live.reader.clone(),
        None => Reader::of_stored(app.base_store(), id.clone()),
    };
    let fold = reader.fold().await?;
    if let Some(ended) = fold.finished() {
        return Ok(ended.clone());
    }
    let Some(mut response) = fold.created().cloned() else {
        // Claimed, and about to write its first event.
        return Err(ApiError::Conflict(format!("Response '{id}' is just being started.")));
    };
    response.output = fold.items().to_vec();
    let waits = last.is_some_and(|e| match e.kind {
        EventKind::Queued { .. } => true,
        EventKind::Created { response } => response.status == ResponseStatus::Queued,
        _ => false,
    });
    response.status = if waits { ResponseStatus::Queued } else { ResponseStatus::InProgress };
    Ok(response)
}

pub(crate) fn parse_id(id: &str) -> Result<ResponseId, ApiError> {
    id.parse().map_err(|_| {
        let id: String = id.chars().take(80).collect();
        ApiError::not_found(format!("Response with id '{id}' not found."))
    })
}

/// `include`, `include[]` of a query.
fn included(query: &[(String, String)]) -> Result<Include, ApiError> {
    let names = ["include", "include[]"];
    let words = query.iter().filter(|(k, _)| names.contains(&k.as_str())).map(|(_, v)| v.as_str());
    Include::parse(words)
}

fn flag(query: &[(String, String)], name: &str) -> Result<bool, ApiError> {
    match query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str()) {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => {
            let message = format!("Invalid '{name}': expected true or false.");
            Err(ApiError::coded(name, "invalid_value", message))
        }
    }
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
    Query(query): Pairs,
) -> Result<HttpResponse, ApiError> {
    let include = included(&query)?;
    let id = parse_id(&id)?;
    let (_, serve) = app.stored(&tenant.name, &id).await?;
    let after = query.iter().find(|(k, _)| k == "starting_after").map(|(_, v)| v.as_str());
    if !flag(&query, "stream")? {
        if after.is_some() {
            let message = "'starting_after' is only allowed when 'stream' is true.";
            return Err(ApiError::coded("starting_after", "invalid_value", message));
        }
        let mut response = snapshot(&app, &id).await?;
        if include.search_results {
            show_search_results(&app, &mut response).await?;
        }
        return Ok(Json(response).into_response());
    }
    if !serve.stream {
        let message = "This response cannot be streamed because it was not created with \
                       'stream' set to true.";
        return Err(ApiError::coded("stream", "invalid_value", message));
    }
    let from = match after {
        None => 0,
        Some(text) => {
            let after: u64 = text.parse().map_err(|_| {
                let message = "Invalid 'starting_after': expected a sequence number.";
                ApiError::coded("starting_after", "invalid_value", message)
            })?;
            after.saturating_add(1)
        }
    };
    let obfuscate = flag(&query, "include_obfuscation")?;
    let live = app.live(&id);
    let follow = match &live {
        Some(live) => Follow::new(live.reader.lines(from), Some(live)),
        None => {
            let reader = Reader::of_stored(app.base_store(), id);
            Follow::new(reader.lines(from), None)
        }
    };
    Ok(sse::response(sse::frames(follow, obfuscate)))
}

/// What its searches found, also where the request did not ask for it.
async fn show_search_results(app: &App, response: &mut Response) -> Result<(), ApiError> {
    let records = app.store.records(&response.id).await?;
    let kept = ozone_agent::remembered(response.output.clone(), records);
    for (shown, kept) in response.output.iter_mut().zip(kept) {
        if matches!(kept, Item::Known(Known::FileSearchCall { .. })) {
            *shown = kept;
        }
    }
    Ok(())
}

pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Response>, ApiError> {
    let id = parse_id(&id)?;
    let (_, serve) = app.stored(&tenant.name, &id).await?;
    if !serve.background {
        let message = "Only responses that were created with 'background' set to true can be \
                       cancelled.";
        return Err(ApiError::coded("response_id", "invalid_value", message));
    }
    stop(&app, &id).await?;
    Ok(Json(snapshot(&app, &id).await?))
}

/// Stops a run and waits for its end. One that has ended stays as it is.
async fn stop(app: &App, id: &ResponseId) -> Result<(), ApiError> {
    if let Some(live) = app.live(id) {
        live.cancel.cancel();
        live.done.cancelled().await;
        return Ok(());
    }
    let ended = app.store.last_event(id).await?.is_some_and(|e| e.kind.terminal().is_some());
    if ended {
        return Ok(());
    }
    Err(ApiError::Conflict(format!("Response '{id}' is being run by another process.")))
}

pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id = parse_id(&id)?;
    app.stored(&tenant.name, &id).await?;
    stop(&app, &id).await?;
    let last = app.store.last_event(&id).await?;
    let pro = last.as_ref().and_then(|e| e.kind.terminal()).and_then(|r| r.pro.as_ref());
    let samples = pro.map_or(&[][..], |pro| &pro.child_ids);
    for id in samples.iter().chain([&id]) {
        match app.store.delete(id).await {
            Ok(()) | Err(StoreError::NotFound(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    app.memory(&tenant.name).unlink(id.as_str()).await?;
    let (kind, tenant, parent) = (ITEM.to_owned(), tenant.name.clone(), id.to_string());
    app.store.apply(vec![Change::DeleteChildren { kind, tenant, parent }]).await?;
    Ok(Json(json!({ "id": id, "object": "response", "deleted": true })))
}

pub(crate) async fn input_items(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    Path(id): Path<String>,
    Query(query): Pairs,
) -> Result<Json<Value>, ApiError> {
    included(&query)?;
    let paging = Paging::parse(&query, 100)?;
    let id = parse_id(&id)?;
    let (request, _) = app.stored(&tenant.name, &id).await?;
    let mut items: Vec<Item> = request.input.iter().map(shown).collect();
    if paging.page.order == ozone_store::Order::Descending {
        items.reverse();
    }
    if let Some(after) = &paging.page.after {
        let at = items.iter().position(|item| item.id() == Some(after.as_str()));
        let at = at.ok_or_else(|| {
            let message = format!("Item with id '{after}' is not among the input items.");
            ApiError::coded("after", "invalid_value", message)
        })?;
        items.drain(..=at);
    }
    items.truncate(paging.page.limit);
    let values: Result<Vec<Value>, _> = items.iter().map(serde_json::to_value).collect();
    Ok(Json(paging.list(values.map_err(ApiError::internal)?)))
}

/// An item of the input as its client may see it: what was sealed stays sealed, and clients read
/// it as they read an output: a message in parts, with a status.
pub(crate) fn shown(item: &Item) -> Item {
    let mut item = item.clone();
    let Item::Known(known) = &mut item else { return item };
    match known {
        Known::Reasoning { content, encrypted_content: Some(_), .. } => content.clear(),
        Known::Message { role, content, status, .. } => {
            if let Text::Plain(text) = content {
                let text = std::mem::take(text);
                let part = match role {
                    Role::Assistant => Content::output_text(text),
                    Role::User | Role::System | Role::Developer => Content::InputText { text },
                };
                *content = Text::Parts(vec![part]);
            }
            status.get_or_insert(ItemStatus::Completed);
        }
        Known::FunctionCall { status, .. }
        | Known::FunctionCallOutput { status, .. }
        | Known::CustomToolCall { status, .. }
        | Known::CustomToolCallOutput { status, .. }
        | Known::ShellCall { status, .. }
        | Known::ShellCallOutput { status, .. }
        | Known::ApplyPatchCall { status, .. } => {
            status.get_or_insert(ItemStatus::Completed);
        }
        Known::Compaction { text, .. } => *text = None,
        Known::WebSearchCall { seen, .. } => *seen = None,
        Known::ImageGenerationCall { drawn, .. } => *drawn = None,
        Known::Reasoning { .. }
        | Known::CodeInterpreterCall { .. }
        | Known::FileSearchCall { .. }
        | Known::ApplyPatchCallOutput { .. }
        | Known::McpListTools { .. }
        | Known::McpApprovalRequest { .. }
        | Known::McpApprovalResponse { .. }
        | Known::McpCall { .. } => {}
    }
    item
}
