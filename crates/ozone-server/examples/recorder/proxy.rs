//! Passes requests on and looks at what comes back. A stream is handed over as it came, write by
//! write; only its last event waits until the stored response was compared with it (S8) and a
//! replay with the live stream (S12), since the client may delete the response right after.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::rules::{EventRules, Heard, SseRules, replay_differs};

const BODY_BYTES_MAX: usize = 64 << 20;
/// Of one connection, and not of what it carries.
const HOP_BY_HOP: [HeaderName; 5] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::ACCEPT_ENCODING,
];

/// What passed so far.
#[derive(Default)]
pub struct Seen {
    pub streams: usize,
    /// Streams that their client left early: they were checked as far as they came.
    pub cut: usize,
    pub events: usize,
    pub sockets: usize,
    pub requests: usize,
    /// Each broken rule, and how often.
    pub broken: BTreeMap<String, usize>,
    /// The events of each response as its first stream had them.
    lines: HashMap<String, Vec<String>>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { streams, cut, events, sockets, requests, broken, .. } = self;
        writeln!(
            f,
            "recorder: {requests} requests, {sockets} sockets, {streams} streams ({cut} left \
             early), {events} events; {} rules broken",
            broken.len()
        )?;
        broken.iter().try_for_each(|(rule, times)| writeln!(f, "  {times} times: {rule}"))
    }
}

pub struct Recorder {
    upstream: String,
    client: reqwest::Client,
    seen: Mutex<Seen>,
}

impl Recorder {
    /// `upstream` as `http://127.0.0.1:8033`.
    pub fn new(upstream: impl Into<String>) -> Arc<Self> {
        let seen = Mutex::default();
        Arc::new(Recorder { upstream: upstream.into(), client: reqwest::Client::new(), seen })
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn broken(&self, who: &str, what: impl fmt::Display) {
        *self.seen().broken.entry(format!("{what} [{who}]")).or_default() += 1;
    }
}

pub async fn serve(recorder: Arc<Recorder>, listener: TcpListener) -> std::io::Result<()> {
    let router = Router::new().fallback(pass).with_state(recorder);
    axum::serve(listener, router).await
}

/// A request on its way.
struct Passing {
    recorder: Arc<Recorder>,
    /// The client, and what it asked for.
    who: String,
    headers: HeaderMap,
    path: String,
}

async fn pass(State(recorder): State<Arc<Recorder>>, request: Request) -> Response {
    recorder.seen().requests += 1;
    let (mut parts, body) = request.into_parts();
    let agent = parts.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("?");
    let who = format!("{} {} from {agent}", parts.method, parts.uri.path());
    let mut headers = parts.headers.clone();
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let passing = Passing { recorder, who, headers, path };
    let upgrade = parts.headers.contains_key(header::UPGRADE);
    let passed =
        if upgrade { passing.socket(&mut parts).await } else { passing.http(&parts, body).await };
    passed
        .unwrap_or_else(|e| (StatusCode::BAD_GATEWAY, format!("the recorder: {e}")).into_response())
}

type Error = Box<dyn std::error::Error + Send + Sync>;

impl Passing {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.recorder.upstream)
    }

    fn broken(&self, what: impl fmt::Display) {
        self.recorder.broken(&self.who, what);
    }

    async fn http(self, parts: &Parts, body: Body) -> Result<Response, Error> {
        let body = to_bytes(body, BODY_BYTES_MAX).await?;
        let url = self.url(&self.path);
        let request = self.recorder.client.request(parts.method.clone(), url);
        let answer = request.headers(self.headers.clone()).body(body).send().await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        for name in &HOP_BY_HOP {
            headers.remove(name);
        }
        if !headers.contains_key("x-request-id") {
            self.broken("an answer without `x-request-id`");
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let is_stream = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
        let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
        let path = parts.uri.path();
        let is_responses = path.starts_with("/v1/responses");
        let body = if is_stream && is_responses {
            self.stream(answer)
        } else if is_stream {
            Body::from_stream(answer.bytes_stream())
        } else {
            let bytes = answer.bytes().await?;
            if is_json {
                self.json(status, path, &bytes).await;
            }
            Body::from(bytes)
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    async fn json(&self, status: StatusCode, path: &str, bytes: &Bytes) {
        let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
            return self.broken("a body that is no JSON");
        };
        if !status.is_success() {
            let keys = body["error"].as_object().map(|e| e.keys().cloned().collect::<Vec<_>>());
            if keys.is_none_or(|keys| keys != ["message", "type", "param", "code"]) {
                self.broken(format!("an error in another shape: {body}"));
            }
        } else if path == "/v1/responses" && is_over(&body) {
            if let Some(what) = self.differs_from_stored(&body).await {
                self.broken(what);
            }
        } else if self.path.starts_with("/v1/responses/") && body["object"] == "response" {
            let id = body["id"].as_str().unwrap_or_default();
            let last = self.recorder.seen().lines.get(id).and_then(|lines| lines.last()).cloned();
            let last = last.and_then(|line| serde_json::from_str::<Value>(&line).ok());
            if let Some(last) = last.map(|mut l| l["response"].take()).filter(is_over)
                && last["output"] != body["output"]
            {
                self.broken(format!("S8: GET has another output than the stream: {body}"));
            }
        }
    }

    fn stream(self, answer: reqwest::Response) -> Body {
        // A replay goes on behind what the live stream said.
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let replay_of = path.strip_prefix("/v1/responses/").map(str::to_owned);
        let after = query.split('&').find_map(|pair| pair.strip_prefix("starting_after="));
        let from = after.and_then(|n| n.parse::<usize>().ok()).map_or(0, |n| n + 1);
        let earlier = replay_of.as_ref().map(|id| {
            let seen = self.recorder.seen();
            let lines = seen.lines.get(id).map_or(&[][..], Vec::as_slice);
            lines[..from.min(lines.len())].to_vec()
        });
        self.recorder.seen().streams += 1;
        let rules = SseRules::new(EventRules::behind(&earlier.unwrap_or_default()));
        let mut watched = Watched { passing: self, rules, replay_of, kept: 0, over: false };
        let mut pieces = answer.bytes_stream();
        Body::from_stream(async_stream(move |hand_over| async move {
            while let Some(piece) = pieces.next().await {
                if let Ok(bytes) = &piece {
                    watched.write(bytes).await;
                }
                if hand_over.send(piece).await.is_err() {
                    return;
                }
            }
            watched.end();
            // What is told is told before the client sees the end.
            drop(watched);
        }))
    }

    /// S8: what is stored is what was said.
    async fn differs_from_stored(&self, said: &Value) -> Option<String> {
        if said["store"] != true {
            return None;
        }
        let id = said["id"].as_str().unwrap_or_default();
        let stored = match self.fetch(&format!("/v1/responses/{id}")).await {
            Ok(text) => serde_json::from_str::<Value>(&text).unwrap_or_default(),
            Err(why) => return Some(format!("S8: GET of the response: {why}")),
        };
        (stored != *said).then(|| format!("S8: GET says {stored} where the answer was {said}"))
    }

    /// S12, of a response that may be replayed.
    async fn replay(&self, id: &str, live: &[String]) -> Option<String> {
        let middle = live.len() / 2;
        let path = format!("/v1/responses/{id}?stream=true&starting_after={middle}");
        let text = match self.fetch(&path).await {
            Ok(text) => text,
            Err(why) => return Some(format!("S12: the replay: {why}")),
        };
        let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let lines: Vec<String> = lines.filter(|l| *l != "[DONE]").map(str::to_owned).collect();
        replay_differs(&live[middle + 1..], &lines)
    }

    async fn fetch(&self, path: &str) -> Result<String, String> {
        let mut request = self.recorder.client.get(self.url(path));
        if let Some(key) = self.headers.get(header::AUTHORIZATION) {
            request = request.header(header::AUTHORIZATION, key);
        }
        let answer = request.send().await.map_err(|e| e.to_string())?;
        let status = answer.status();
        let text = answer.text().await.map_err(|e| e.to_string())?;
        if status.is_success() { Ok(text) } else { Err(format!("{status} {text}")) }
    }

    /// The same connection on the other side, and both read until one ends.
    async fn socket(self, parts: &mut Parts) -> Result<Response, Error> {
        let url = self.url(&self.path).replacen("http", "ws", 1);
        let mut request = url.into_client_request()?;
        let own = |name: &HeaderName| {
            *name == header::UPGRADE || name.as_str().starts_with("sec-websocket-")
        };
        let passed_on = self.headers.iter().filter(|(name, _)| !own(name));
        for (name, value) in passed_on {
            request.headers_mut().insert(name, value.clone());
        }
        let server = match tokio_tungstenite::connect_async(request).await {
            Ok((server, _)) => server,
            Err(tungstenite::Error::Http(refusal)) => {
                let status = refusal.status();
                let body = refusal.into_body().unwrap_or_default();
                return Ok(
                    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
                );
            }
            Err(e) => return Err(e.into()),
        };
        let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await;
        let upgrade = upgrade.map_err(|e| e.to_string())?;
        self.recorder.seen().sockets += 1;
        let upgrade = upgrade.max_message_size(BODY_BYTES_MAX).max_frame_size(BODY_BYTES_MAX);
        Ok(upgrade.on_upgrade(move |client| self.converse(client, server)))
    }

    async fn converse<S>(self, client: WebSocket, server: S)
    where
        S: futures::Stream<Item = Result<tungstenite::Message, tungstenite::Error>>
            + futures::Sink<tungstenite::Message>
            + Send
            + 'static,
    {
        let passing = Arc::new(self);
        let (mut to_client, mut from_client) = client.split();
        let (mut to_server, mut from_server) = server.split();
        let asked = tokio::spawn(async move {
            while let Some(Ok(message)) = from_client.next().await {
                let message = match message {
                    Message::Text(text) => tungstenite::Message::text(text.as_str()),
                    Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
                    Message::Ping(_) | Message::Pong(_) => continue,
                    Message::Close(_) => break,
                };
                if to_server.send(message).await.is_err() {
                    break;
                }
            }
            let _ = to_server.close().await;
        });
        let mut lanes: HashMap<Option<String>, Watched> = HashMap::new();
        while let Some(Ok(message)) = from_server.next().await {
            let tungstenite::Message::Text(text) = message else { continue };
            passing.frame(&text, &mut lanes).await;
            if to_client.send(Message::text(text.as_str())).await.is_err() {
                break;
            }
        }
        let _ = to_client.close().await;
        asked.abort();
    }

    /// One frame of a socket, in the lane that it belongs to.
    async fn frame(self: &Arc<Self>, text: &str, lanes: &mut HashMap<Option<String>, Watched>) {
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            return self.broken(format!("a frame that is no JSON: {text}"));
        };
        let lane = frame["stream_id"].as_str().map(str::to_owned);
        // A turn that was refused is no stream.
        if frame["type"] == "error" && !lanes.contains_key(&lane) {
            let error = &frame["error"];
            if !frame["status"].is_u64() || !error["message"].is_string() {
                self.broken(format!("an error in another shape: {frame}"));
            }
            return;
        }
        if !lanes.contains_key(&lane) {
            self.recorder.seen().streams += 1;
            let passing = Passing {
                recorder: self.recorder.clone(),
                who: self.who.clone(),
                headers: self.headers.clone(),
                path: self.path.clone(),
            };
            let rules = SseRules::default();
            let watched = Watched { passing, rules, replay_of: None, kept: 0, over: false };
            lanes.insert(lane.clone(), watched);
        }
        let Some(watched) = lanes.get_mut(&lane) else { return };
        let is_last = watched.rules.events.push(text, Instant::now());
        watched.keep();
        if is_last {
            watched.last().await;
            watched.over = true;
            lanes.remove(&lane);
        }
    }
}

/// A finished response, as it is stored.
fn is_over(response: &Value) -> bool {
    matches!(response["status"].as_str(), Some("completed" | "incomplete" | "failed"))
}

/// A stream that passes by. What it broke is told when it is over, or was left.
struct Watched {
    passing: Passing,
    rules: SseRules,
    replay_of: Option<String>,
    /// How many of its events are among those that were seen.
    kept: usize,
    /// It came to its end; otherwise the client left.
    over: bool,
}

impl Watched {
    async fn write(&mut self, bytes: &[u8]) {
        let heard = self.rules.write(bytes, Instant::now());
        self.keep();
        if heard == Heard::Last {
            self.last().await;
        }
    }

    /// Keeps the new events for later replays, and compares them with earlier ones (S12).
    fn keep(&mut self) {
        let events = &mut self.rules.events;
        let id = self.replay_of.clone();
        let id = id.or_else(|| events.created().map(|response| response.id.to_string()));
        let Some(id) = id else { return };
        let mut seen = self.passing.recorder.seen();
        let known = seen.lines.entry(id).or_default();
        for (at, line) in events.lines.iter().enumerate().skip(self.kept) {
            match known.get(at) {
                None if known.len() == at => known.push(line.clone()),
                None => {}
                Some(before) => {
                    let one = std::slice::from_ref;
                    events.broken.extend(replay_differs(one(before), one(line)));
                }
            }
        }
        self.kept = events.lines.len();
    }

    /// Nothing more will come.
    fn end(&mut self) {
        self.rules.end();
        self.over = true;
    }

    /// The last event has come, and the client does not know it yet.
    async fn last(&mut self) {
        let events = &self.rules.events;
        let Some(said) = events.last() else { return };
        let mut broken: Vec<String> = vec![];
        broken.extend(self.passing.differs_from_stored(&said).await);
        let may_be_replayed = said["store"] == true && said["background"] == true;
        if may_be_replayed {
            let id = said["id"].as_str().unwrap_or_default().to_owned();
            broken.extend(self.passing.replay(&id, &events.lines).await);
        }
        self.rules.events.broken.extend(broken);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let events = &mut self.rules.events;
        let mut seen = self.passing.recorder.seen();
        seen.events += events.lines.len();
        seen.cut += usize::from(!self.over && !events.ended());
        let broken = std::mem::take(&mut events.broken);
        drop(seen);
        for what in broken {
            self.passing.broken(what);
        }
    }
}

/// The stream of what `produce` hands over. It ends with its reader.
fn async_stream<T, F>(
    produce: impl FnOnce(tokio::sync::mpsc::Sender<T>) -> F,
) -> impl futures::Stream<Item = T> + Send + 'static
where
    T: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let producer = tokio::spawn(produce(sender));
    let producer = tokio_util::task::AbortOnDropHandle::new(producer);
    futures::stream::poll_fn(move |cx| {
        let _ = &producer;
        receiver.poll_recv(cx)
    })
}
