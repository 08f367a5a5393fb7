//! `GET /responses` as a WebSocket: the same events, without a request for each turn.
//!
//! Turns of one lane run one after the other; lanes (`stream_id`, only when a client sends one) run
//! side by side. What is not stored can be gone on with on the same socket and nowhere else.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response as HttpResponse;
use futures::{SinkExt, StreamExt};
use ozone_types::{Event, EventKind, Item, ResponseId, ResponseStatus, Usage};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::app::App;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::prepare::Who;
use crate::request::{Before, Create};
use crate::responses;
use crate::sse::Follow;

/// How long a connection may live.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
const LANES_MAX: usize = 32;
/// Turns that wait in one lane.
const WAITING_MAX: usize = 32;
/// Frames that wait for a slow client; then the runs wait.
const FRAMES_MAX: usize = 256;
/// Unstored responses that one connection remembers.
const REMEMBERED_MAX: usize = 64;

pub(crate) async fn connect(
    State(app): State<Arc<App>>,
    Extension(tenant): Extension<Who>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<HttpResponse, ApiError> {
    let upgrade = upgrade.map_err(|_| ApiError::UpgradeRequired)?;
    let max = app.limits.body_bytes_max;
    Ok(upgrade
        .max_message_size(max)
        .max_frame_size(max)
        .on_upgrade(move |socket| converse(app, tenant, socket)))
}

/// The unstored responses of one connection, with everything before them.
#[derive(Default)]
pub(crate) struct Memory {
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    items: HashMap<String, Vec<Item>>,
    /// Their ids, oldest first.
    order: VecDeque<String>,
}

impl Memory {
    pub fn get(&self, id: &ResponseId) -> Option<Vec<Item>> {
        self.lock().items.get(id.as_str()).cloned()
    }

    fn keep(&self, id: &ResponseId, items: Vec<Item>) {
        let mut memory = self.lock();
        memory.items.insert(id.to_string(), items);
        memory.order.push_back(id.to_string());
        if memory.order.len() > REMEMBERED_MAX
            && let Some(oldest) = memory.order.pop_front()
        {
            memory.items.remove(&oldest);
        }
    }

    fn forget(&self, id: &ResponseId) {
        self.lock().items.remove(id.as_str());
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// One lane of a connection.
struct Lane {
    app: Arc<App>,
    tenant: Who,
    memory: Arc<Memory>,
    stream_id: Option<String>,
    frames: mpsc::Sender<String>,
}

async fn converse(app: Arc<App>, tenant: Who, socket: WebSocket) {
    let (mut sink, mut messages) = socket.split();
    let (frames, mut outgoing) = mpsc::channel::<String>(FRAMES_MAX);
    let writer = tokio::spawn(async move {
        while let Some(text) = outgoing.recv().await {
            if sink.send(Message::Text(text.into())).await.is_err() {
                return;
            }
        }
        let _ = sink.close().await;
    });
    let memory = Arc::new(Memory::default());
    let mut lanes: HashMap<Option<String>, mpsc::Sender<Value>> = HashMap::new();
    let end = tokio::time::sleep(LIFETIME);
    let mut end = std::pin::pin!(end);
    loop {
        let message = tokio::select! {
            message = messages.next() => message,
            () = app.draining.cancelled() => break,
            () = &mut end => {
                let message = "This connection has reached its limit of 60 minutes.".to_owned();
                let code = "websocket_connection_limit_reached";
                let _ = frames.send(error_frame(&ApiError::Limit { message, code }, None)).await;
                break;
            }
        };
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Binary(_))) => {
                let error = ApiError::invalid("", "Frames are JSON text.");
                let _ = frames.send(error_frame(&error, None)).await;
                continue;
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
        };
        let (stream_id, body) = match create_of(&text) {
            Ok(create) => create,
            Err(e) => {
                let _ = frames.send(error_frame(&e, None)).await;
                continue;
            }
        };
        if !lanes.contains_key(&stream_id) && lanes.len() >= LANES_MAX {
            let message = format!("A connection has at most {LANES_MAX} streams.");
            let error = ApiError::invalid("stream_id", message);
            let _ = frames.send(error_frame(&error, stream_id.as_deref())).await;
            continue;
        }
        let lane = lanes.entry(stream_id.clone()).or_insert_with(|| {
            let (turns, waiting) = mpsc::channel(WAITING_MAX);
            let lane = Lane {
                app: app.clone(),
                tenant: tenant.clone(),
                memory: memory.clone(),
                stream_id: stream_id.clone(),
                frames: frames.clone(),
            };
            tokio::spawn(lane.run(waiting));
            turns
        });
        if lane.try_send(body).is_err() {
            let error = ApiError::Overloaded { waiting: WAITING_MAX };
            let _ = frames.send(error_frame(&error, stream_id.as_deref())).await;
        }
    }
    // The lanes end with their turns; a writer that finds nobody ends them at once.
    let client_left = !app.draining.is_cancelled();
    drop((lanes, frames));
    if client_left {
        writer.abort();
    }
    let _ = writer.await;
}

/// The lane and the body of a frame.
fn create_of(text: &str) -> Result<(Option<String>, Value), ApiError> {
    let mut body: Value = serde_json::from_str(text)
        .map_err(|e| ApiError::invalid("", format!("We could not parse your frame: {e}.")))?;
    let fields = Fields::of(&body, "")?;
    match fields.required("type")? {
        "response.create" => {}
        other => return Err(fields.bad_word("type", other, "'response.create'")),
    }
    let stream_id = fields.string("stream_id")?.map(str::to_owned);
    if stream_id.as_ref().is_some_and(|id| id.len() > 128) {
        return Err(ApiError::invalid("stream_id", "A 'stream_id' has at most 128 bytes."));
    }
    if fields.bool("background")?.unwrap_or(false) {
        let message = "Unsupported parameter: 'background': not over a WebSocket.";
        return Err(ApiError::unsupported("background", message));
    }
    body["stream"] = json!(true);
    body["stream_options"] = Value::Null;
    Ok((stream_id, body))
}

fn error_frame(error: &ApiError, stream_id: Option<&str>) -> String {
    let body = error.body();
    let mut frame = json!({
        "type": "error",
        "status": error.status().as_u16(),
        "error": {
            "type": body.kind, "code": body.code, "message": body.message, "param": body.param,
        },
    });
    if let Some(id) = stream_id {
        frame["stream_id"] = json!(id);
    }
    frame.to_string()
}

impl Lane {
    async fn run(self, mut turns: mpsc::Receiver<Value>) {
        while let Some(body) = turns.recv().await {
            if let Err(e) = self.turn(&body).await {
                let frame = error_frame(&e, self.stream_id.as_deref());
                if self.frames.send(frame).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn turn(&self, body: &Value) -> Result<(), ApiError> {
        let parent = body["previous_response_id"].as_str().and_then(|id| id.parse().ok());
        let done = self.respond(body).await;
        if let (Some(parent), Err(_) | Ok(ResponseStatus::Failed)) = (&parent, &done) {
            self.memory.forget(parent);
        }
        done.map(drop)
    }

    async fn respond(&self, body: &Value) -> Result<ResponseStatus, ApiError> {
        self.tenant.admit()?;
        let generate = Fields::of(body, "")?.bool("generate")?.unwrap_or(true);
        let mut body = body.clone();
        if !generate && body["input"].is_null() {
            body["input"] = json!([]);
        }
        let create = Create::parse(&body)?;
        if !generate {
            return self.warm_up(create).await;
        }
        let store = create.store;
        let mut job = self.app.prepare_on(&self.tenant, create, Some(&self.memory)).await?;
        // A frame has no headers; this is how Codex sends them.
        let traceparent = body["client_metadata"]["ws_request_header_traceparent"].as_str();
        job.request.traceparent = traceparent.and_then(responses::short);
        let mut items = [job.request.earlier.clone(), job.request.input.clone()].concat();
        let live = self.app.start(job).await?;
        let mut follow = Follow::new(live.reader.lines(0), Some(&live)).stopping(&live);
        while let Some(event) = follow.next().await {
            let ended = event.kind.terminal().map(|response| response.status);
            if self.frames.send(self.frame(&event)).await.is_err() {
                // Nobody reads: dropping the reader stops the run.
                return Ok(ResponseStatus::Cancelled);
            }
            let Some(status) = ended else { continue };
            if let (false, EventKind::Completed { response }) = (store, event.kind) {
                let records = live.reader.records().await?;
                items.extend(ozone_agent::remembered(response.output, records));
                self.memory.keep(&response.id, items);
            }
            return Ok(status);
        }
        Err(ApiError::Draining)
    }

    /// Remembers an input without an answer to it.
    async fn warm_up(&self, mut create: Create) -> Result<ResponseStatus, ApiError> {
        create.store = false;
        let empty = create.input.is_empty() && create.before == Before::Nothing;
        if empty {
            // Only its settings are sent: there is nothing to be checked with them yet.
            create.input.push(json!({ "role": "user", "content": "-" }));
        }
        let job = self.app.prepare_on(&self.tenant, create, Some(&self.memory)).await?;
        let mut items = job.request.earlier.clone();
        if !empty {
            items.extend(job.request.input.clone());
        }
        let mut response = job.request.response(job.id.clone(), self.app.now(), &[]);
        let created = EventKind::Created { response: Box::new(response.clone()) };
        response.status = ResponseStatus::Completed;
        response.completed_at = Some(self.app.now());
        response.usage = Some(Usage::default());
        let completed = EventKind::Completed { response: Box::new(response) };
        for (sequence_number, kind) in (0..).zip([created, completed]) {
            let frame = self.frame(&Event { kind, sequence_number });
            let _ = self.frames.send(frame).await;
        }
        self.memory.keep(&job.id, items);
        Ok(ResponseStatus::Completed)
    }

    fn frame(&self, event: &Event) -> String {
        let Some(id) = &self.stream_id else {
            return serde_json::to_string(event).expect("events are plain data");
        };
        let mut value = serde_json::to_value(event).expect("events are plain data");
        value["stream_id"] = json!(id);
        value.to_string()
    }
}
