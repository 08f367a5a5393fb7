//! `tracing` spans to finished spans.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::export::Message;

/// Attributes that are lists by convention, though they hold one word here.
const LISTS: &[&str] = &["gen_ai.response.finish_reasons"];

/// A span under way, and when it has ended.
#[derive(Debug)]
pub(crate) struct Span {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent: Option<[u8; 8]>,
    /// The program that asked keeps this trace; a trace that begins here is kept.
    sampled: bool,
    name: String,
    kind: u8,
    start: SystemTime,
    end: SystemTime,
    attributes: Vec<(&'static str, Value)>,
    failed: bool,
}

impl Span {
    /// As OTLP spells it in JSON.
    pub fn otlp(&self) -> Value {
        let mut span = json!({
            "traceId": hex(&self.trace_id),
            "spanId": hex(&self.span_id),
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": nanoseconds(self.start),
            "endTimeUnixNano": nanoseconds(self.end),
            "attributes": self.attributes.iter().map(attribute).collect::<Vec<_>>(),
            // Unset, or an error.
            "status": if self.failed { json!({ "code": 2 }) } else { json!({}) },
        });
        if let Some(parent) = &self.parent {
            span["parentSpanId"] = json!(hex(parent));
        }
        span
    }

    fn set(&mut self, name: &'static str, value: Value) {
        match (name, value.as_str()) {
            ("otel.name", Some(name)) => self.name = name.to_owned(),
            // INTERNAL, SERVER, CLIENT.
            ("otel.kind", Some(kind)) => {
                self.kind = match kind {
                    "client" => 3,
                    "server" => 2,
                    _ => 1,
                }
            }
            // A span above it in this program is nearer.
            ("traceparent", Some(text)) if self.parent.is_none() => {
                let Some(asker) = context(text) else { return };
                (self.trace_id, self.parent, self.sampled) = (asker.0, Some(asker.1), asker.2);
            }
            ("traceparent", _) => {}
            _ => {
                self.failed |= name == "error.type";
                self.attributes.retain(|(known, _)| *known != name);
                self.attributes.push((name, value));
            }
        }
    }
}

/// The trace, the span that asked, and whether they are kept. What cannot be read begins a new
/// trace. Source: W3C Trace Context, "Traceparent Header Field Values".
fn context(traceparent: &str) -> Option<([u8; 16], [u8; 8], bool)> {
    let mut parts = traceparent.split('-');
    let [version] = unhex(parts.next()?)?;
    let (trace_id, span_id) = (unhex(parts.next()?)?, unhex(parts.next()?)?);
    let [flags] = unhex(parts.next()?)?;
    let understood = match version {
        0 => parts.next().is_none(),
        // Later versions may only add parts.
        1..0xff => true,
        0xff => false,
    };
    let valid = understood && trace_id != [0; 16] && span_id != [0; 8];
    valid.then_some((trace_id, span_id, flags & 1 == 1))
}

/// Lower-case digits alone, as the specification has it.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 64-bit numbers are strings in the JSON of protobuf.
fn nanoseconds(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}

fn attribute((name, value): &(&'static str, Value)) -> Value {
    let typed = match value {
        Value::Bool(value) => json!({ "boolValue": value }),
        Value::Number(n) if n.is_f64() => json!({ "doubleValue": n }),
        Value::Number(n) if n.is_i64() => json!({ "intValue": n.to_string() }),
        // Not one batch may be refused for a number that has no room in 64 bits with a sign.
        Value::Number(n) => json!({ "stringValue": n.to_string() }),
        Value::String(text) => json!({ "stringValue": text }),
        other => json!({ "stringValue": other.to_string() }),
    };
    match LISTS.contains(name) {
        true => json!({ "key": name, "value": { "arrayValue": { "values": [typed] } } }),
        false => json!({ "key": name, "value": typed }),
    }
}

impl Visit for Span {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), json!(format!("{value:?}")));
    }
}

/// Keeps a [`Span`] beside each span, and queues it when that ends.
pub(crate) struct Spans {
    pub queue: mpsc::Sender<Message>,
    pub dropped: Arc<AtomicU64>,
}

impl<S> Layer<S> for Spans
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(here) = context.span(id) else { return };
        let parent = here.parent();
        let above = parent.as_ref().and_then(|parent| {
            let extensions = parent.extensions();
            extensions.get::<Span>().map(|span| (span.trace_id, span.span_id, span.sampled))
        });
        let now = SystemTime::now();
        let mut span = Span {
            trace_id: above.map_or_else(rand::random, |(trace_id, ..)| trace_id),
            span_id: rand::random(),
            parent: above.map(|(_, span_id, _)| span_id),
            sampled: above.is_none_or(|(.., sampled)| sampled),
            name: attributes.metadata().name().to_owned(),
            kind: 1,
            start: now,
            end: now,
            attributes: vec![],
            failed: false,
        };
        attributes.record(&mut span);
        here.extensions_mut().insert(span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(here) = context.span(id)
            && let Some(span) = here.extensions_mut().get_mut::<Span>()
        {
            values.record(span);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).and_then(|here| here.extensions_mut().remove::<Span>());
        let Some(mut span) = span.filter(|span| span.sampled) else { return };
        span.end = SystemTime::now();
        if self.queue.try_send(Message::Ended(Box::new(span))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
