//! Journal to server-sent events: one event, one frame, one write.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures::{Stream, StreamExt};
use ozone_store::Lines;
use ozone_types::Event;
use rand::Rng;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::runs::Live;

/// The last frame of every stream.
pub(crate) const DONE: &[u8] = b"data: [DONE]\n\n";

/// Room for the frame of a delta.
const FRAME_BYTES: usize = 512;

/// A response whose body is a stream of frames.
pub(crate) fn response(frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(frames.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A reader of a journal that holds the last event back until everything that follows from it is
/// stored, so that a client's next request finds it.
pub(crate) struct Follow {
    lines: Lines,
    /// `None` for a journal that is only read.
    done: Option<CancellationToken>,
    /// Stops the run when its only reader goes away.
    stop: Option<DropGuard>,
}

impl Follow {
    pub fn new(lines: Lines, live: Option<&Live>) -> Self {
        Follow { lines, done: live.map(|l| l.done.clone()), stop: None }
    }

    /// The run is stopped when this reader is dropped before the end.
    pub fn stopping(mut self, live: &Live) -> Self {
        self.stop = Some(live.cancel.clone().drop_guard());
        self
    }

    async fn read(&mut self) -> Option<Event> {
        self.lines.next().await.unwrap_or_else(|e| {
            tracing::error!("a journal could not be read: {}", crate::error::causes(&e));
            None
        })
    }

    pub async fn next(&mut self) -> Option<Event> {
        let mut event = self.read().await;
        if event.as_ref().is_none_or(|e| e.kind.terminal().is_some()) {
            if let Some(done) = &self.done {
                done.cancelled().await;
                if event.is_none() {
                    // Where the store failed the run, its end was written after it.
                    event = self.read().await;
                }
            }
            if event.is_some() {
                self.stop.take().map(DropGuard::disarm);
            }
        }
        event
    }
}

/// All frames of a stream, `[DONE]` behind the last event.
pub(crate) fn frames(follow: Follow, obfuscate: bool) -> impl Stream<Item = Bytes> + Send {
    enum At {
        Events(Box<Follow>),
        Done,
    }
    futures::stream::unfold(Some(At::Events(Box::new(follow))), move |at| async move {
        match at? {
            At::Events(mut follow) => {
                // A journal that ends without its last event gives a cut stream: no `[DONE]`.
                let event = follow.next().await?;
                let ended = event.kind.terminal().is_some();
                let next = if ended { At::Done } else { At::Events(follow) };
                Some((frame(&event, obfuscate), Some(next)))
            }
            At::Done => Some((Bytes::from_static(DONE), None)),
        }
    })
}

pub(crate) fn frame(event: &Event, obfuscate: bool) -> Bytes {
    let name = event.kind.name();
    let mut frame = Vec::with_capacity(FRAME_BYTES);
    frame.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
    let data = if obfuscate && name.ends_with(".delta") {
        serde_json::to_value(event).map(padded).and_then(|v| serde_json::to_writer(&mut frame, &v))
    } else {
        serde_json::to_writer(&mut frame, event)
    };
    data.expect("events are plain data");
    frame.extend_from_slice(b"\n\n");
    Bytes::from(frame)
}

/// Frames of deltas get a length that says nothing of their text.
fn padded(mut event: Value) -> Value {
    const BLOCK: usize = 32;
    let length = event.get("delta").and_then(Value::as_str).map_or(0, str::len);
    let padding = BLOCK - length % BLOCK;
    let mut rng = rand::rng();
    let noise: String =
        (0..padding).map(|_| rng.sample(rand::distr::Alphanumeric) as char).collect();
    event["obfuscation"] = noise.into();
    event
}
