//! The stream rules S1 to S12 of the design, on what a client gets: the frames of a stream as they
//! pass by. `Fold` checks the events themselves (S2 to S10); what surrounds them is checked here.

use std::time::{Duration, Instant};

use ozone_types::{Event, EventKind, Fold, Response};
use serde_json::Value;

/// S11: a stream that says nothing for so long looks dead to a client.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// The events of one response in the order in which they came.
#[derive(Default)]
pub struct EventRules {
    fold: Fold,
    /// The events as they were written, without padding.
    pub lines: Vec<String>,
    heard: Option<Instant>,
    error_waits: bool,
    ended: bool,
    pub broken: Vec<String>,
}

impl EventRules {
    /// A replay that begins behind `earlier`.
    pub fn behind(earlier: &[String]) -> Self {
        let mut rules = EventRules::default();
        let now = Instant::now();
        for line in earlier {
            rules.push(line, now);
        }
        // What the live stream broke is told there.
        rules.broken.clear();
        rules.heard = None;
        rules
    }

    /// `true` when this was the last event.
    pub fn push(&mut self, line: &str, now: Instant) -> bool {
        let line = &plain(line);
        let silence = now - self.heard.replace(now).unwrap_or(now);
        if silence > SILENCE_MAX {
            self.broken.push(format!("S11: nothing was said for {silence:?}"));
        }
        self.lines.push(line.to_owned());
        let event: Event = match serde_json::from_str(line) {
            Ok(event) => event,
            Err(e) => {
                self.broken.push(format!("an event cannot be read: {e}: {line}"));
                return false;
            }
        };
        if self.error_waits && !matches!(event.kind, EventKind::Failed { .. }) {
            self.broken.push(format!("`{}` behind `error`", event.kind.name()));
        }
        self.error_waits = matches!(event.kind, EventKind::Error { .. });
        let was_sound = self.broken.is_empty();
        if let Err(e) = self.fold.push(&event)
            && was_sound
        {
            // One broken rule makes others of what follows.
            self.broken.push(e.to_string());
        }
        self.ended |= event.kind.terminal().is_some();
        event.kind.terminal().is_some()
    }

    pub fn created(&self) -> Option<&Response> {
        self.fold.created()
    }

    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The object of the last event as it was written.
    pub fn last(&self) -> Option<Value> {
        if !self.ended {
            return None;
        }
        let mut event: Value = serde_json::from_str(self.lines.last()?).ok()?;
        Some(event["response"].take())
    }

    /// The stream is over: it must have had its last event.
    pub fn end(&mut self) {
        if !self.ended {
            self.broken.push("the stream ended without its last event".into());
        }
    }
}

/// What a piece of a stream of server-sent events was.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Nothing,
    /// The last event is in it.
    Last,
}

/// A stream of server-sent events, piece by piece.
#[derive(Default)]
pub struct SseRules {
    pub events: EventRules,
    rest: String,
    done: bool,
}

impl SseRules {
    pub fn new(events: EventRules) -> Self {
        SseRules { events, ..SseRules::default() }
    }

    /// One write of the server.
    pub fn write(&mut self, bytes: &[u8], now: Instant) -> Heard {
        // Ozone writes JSON in UTF-8 and a frame at once, so no character is cut.
        self.rest.push_str(&String::from_utf8_lossy(bytes));
        let (mut frames, mut heard) = (0, Heard::Nothing);
        while let Some(end) = self.rest.find("\n\n") {
            let frame: String = self.rest.drain(..end + 2).collect();
            frames += 1;
            if self.frame(frame.trim_end(), now) {
                heard = Heard::Last;
            }
        }
        if frames > 1 {
            self.broken(format!("S1: {frames} frames in one write"));
        }
        heard
    }

    fn frame(&mut self, frame: &str, now: Instant) -> bool {
        if frame == "data: [DONE]" {
            if self.done || !self.events.ended() {
                self.broken("`[DONE]` is not behind the last event".into());
            }
            self.done = true;
            return false;
        }
        let parts = frame.strip_prefix("event: ").and_then(|rest| rest.split_once("\ndata: "));
        let Some((name, data)) = parts else {
            self.broken(format!("S1: a frame without `event:` and `data:`: {frame}"));
            return false;
        };
        let kind =
            serde_json::from_str(data).ok().and_then(|mut v: Value| match v["type"].take() {
                Value::String(kind) => Some(kind),
                _ => None,
            });
        if kind.as_deref() != Some(name) {
            self.broken(format!("S1: `event: {name}` of {data}"));
        }
        self.events.push(data, now)
    }

    fn broken(&mut self, what: String) {
        self.events.broken.push(what);
    }

    pub fn end(&mut self) {
        self.events.end();
        if !self.rest.is_empty() {
            self.broken(format!("S1: the stream ended within a frame: {}", self.rest));
        }
        if self.events.ended() && !self.done {
            self.broken("the stream ended without `[DONE]`".into());
        }
    }
}

/// An event without what belongs to one stream of it alone: padding, and the name of a lane.
fn plain(line: &str) -> String {
    if !line.contains("\"obfuscation\":") && !line.contains("\"stream_id\":") {
        return line.to_owned();
    }
    let Ok(Value::Object(mut event)) = serde_json::from_str(line) else { return line.to_owned() };
    for key in ["obfuscation", "stream_id"] {
        event.shift_remove(key);
    }
    Value::Object(event).to_string()
}

/// S12: the first line in which a replay differs from the live stream.
pub fn replay_differs(live: &[String], replay: &[String]) -> Option<String> {
    if let Some((a, b)) = live.iter().zip(replay).find(|(a, b)| a != b) {
        return Some(format!("S12: a replay says {b} where the stream said {a}"));
    }
    (live.len() != replay.len())
        .then(|| format!("S12: a replay has {} events of {}", replay.len(), live.len()))
}
