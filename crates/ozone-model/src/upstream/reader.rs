//! Bytes of an upstream's answer to the events of a sample. No I/O: the tests and the fuzzer push
//! bytes, the backend pushes what its socket gives.

use ozone_types::{ReasoningBudget, Usage};
use serde_json::Value;

use super::chat::ChatReader;
use super::config::{Api, UpstreamConfig};
use super::errors::Asked;
use super::piece::{Ended, Fault, Piece, Used, excerpt};
use super::responses::ResponsesReader;
use super::speech::Speech;
use super::sse::{SseEvent, SseReader};
use crate::{ModelError, Sample, SampleEvent, SampleRequest, Stop, Turn};

/// Reads the body of one answer with status 200. Push bytes, cut anywhere, until it is
/// [`finished`](AnswerReader::finished) or the body ends, then `end`.
pub struct AnswerReader {
    sse: Option<SseReader>,
    wire: Wire,
    speech: Option<Speech>,
    bytes_left: u64,
    asked: Asked,
    output_tokens_max: u64,
    budget: Option<ReasoningBudget>,
    used: Option<Used>,
    ended: Option<Ended>,
    started: bool,
}

enum Wire {
    Chat(ChatReader),
    Responses(ResponsesReader),
}

impl AnswerReader {
    /// A format that the configuration names wrongly is recognised instead: the backend has refused
    /// such a configuration.
    pub fn new(config: &UpstreamConfig, request: &SampleRequest) -> AnswerReader {
        let turn = request.turns.iter().filter(|t| matches!(t, Turn::Sampled { .. })).count();
        let format = config.format().ok().flatten();
        let asked = Asked {
            context_window: config.context_window,
            input_tokens: estimate_request(request),
        };
        let speech = Speech::new(&request.tools, format, config.thinking_open, turn);
        AnswerReader {
            sse: Some(SseReader::default()),
            wire: match config.api {
                Api::Chat => Wire::Chat(ChatReader::new(asked)),
                Api::Responses => Wire::Responses(ResponsesReader::new(asked)),
            },
            speech: Some(speech),
            bytes_left: config.limits.response_bytes_max,
            asked,
            output_tokens_max: request.output_tokens_max,
            budget: request.thinking_tokens_max.map(|tokens_max| ReasoningBudget {
                tokens_max,
                enforced: false,
                forced_ends: 0,
            }),
            used: None,
            ended: None,
            started: false,
        }
    }

    /// Something was said: from here on nobody may try again.
    pub fn started(&self) -> bool {
        self.started
    }

    /// The answer is complete; only its usage may still come.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// `Finished` is out: whatever still comes is ignored.
    pub fn finished(&self) -> bool {
        self.speech.is_none()
    }

    /// What came before a fault stands in `out` all the same.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<SampleEvent>) -> Result<(), Fault> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| Fault::Passing("its answer is longer than the limit".into()))?;
        let Some(sse) = &mut self.sse else { return Ok(()) };
        let events = sse.push(bytes).map_err(|e| Fault::Passing(e.to_string()))?;
        events.iter().try_for_each(|event| self.event(event, out))
    }

    /// The body has ended.
    pub fn end(&mut self, out: &mut Vec<SampleEvent>) -> Result<(), Fault> {
        if let Some(event) = self.sse.take().and_then(SseReader::finish) {
            self.event(&event, out)?;
        }
        if self.finished() {
            return Ok(());
        }
        if self.ended.is_none() {
            return Err(Fault::Passing("its stream ended before the answer did".into()));
        }
        self.finish(out);
        Ok(())
    }

    /// The body of an upstream that does not stream.
    pub fn whole(&mut self, body: &[u8], out: &mut Vec<SampleEvent>) -> Result<(), Fault> {
        let value: Value = serde_json::from_slice(body).map_err(|_| {
            let text = String::from_utf8_lossy(&body[..body.len().min(2000)]).into_owned();
            Fault::Passing(format!("it sent what is not JSON: `{}`", excerpt(&text)))
        })?;
        if super::errors::is_error(&value) {
            return Err(super::errors::in_stream(&value, self.asked));
        }
        let pieces = match &mut self.wire {
            Wire::Chat(chat) => chat.read_value(&value)?,
            Wire::Responses(responses) => responses.read_value(&value)?,
        };
        self.pieces(pieces, out)?;
        self.sse = None;
        self.end(out)
    }

    /// Complete output items of the Responses API, for the next turn.
    pub fn take_items(&mut self) -> Vec<Value> {
        match &mut self.wire {
            Wire::Chat(_) => vec![],
            Wire::Responses(responses) => std::mem::take(&mut responses.done),
        }
    }

    fn event(&mut self, event: &SseEvent, out: &mut Vec<SampleEvent>) -> Result<(), Fault> {
        if self.finished() {
            return Ok(());
        }
        let pieces = match &mut self.wire {
            Wire::Chat(chat) => chat.read(event),
            Wire::Responses(responses) => responses.read(event),
        };
        let pieces = match pieces {
            // What was said before it stands.
            Err(Fault::Filtered) if self.started => {
                vec![Piece::Ended(Ended::Filtered), Piece::Done]
            }
            pieces => pieces?,
        };
        self.pieces(pieces, out)
    }

    fn pieces(&mut self, pieces: Vec<Piece>, out: &mut Vec<SampleEvent>) -> Result<(), Fault> {
        let (mut deltas, mut logprobs, mut said, mut done) = (vec![], vec![], false, false);
        for piece in pieces {
            match piece {
                Piece::Used(used) => self.used = Some(used),
                Piece::Ended(ended) => self.ended = Some(ended),
                Piece::Logprobs(more) => logprobs.extend(more),
                Piece::Done => done = true,
                piece => {
                    said |= !matches!(piece, Piece::Break);
                    if let Some(speech) = &mut self.speech {
                        deltas.extend(speech.push(piece));
                    }
                }
            }
        }
        if said || !logprobs.is_empty() {
            self.start(out);
        }
        if !deltas.is_empty() || !logprobs.is_empty() {
            out.push(SampleEvent::Chunk { ids: vec![], deltas, logprobs });
        }
        if done {
            if self.ended.is_none() && !self.started {
                return Err(Fault::Passing("it said nothing, and not that it had ended".into()));
            }
            self.finish(out);
        }
        Ok(())
    }

    /// Upstreams count their input late: until then it is a guess.
    fn start(&mut self, out: &mut Vec<SampleEvent>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let (input_tokens, cached_tokens) = match self.used {
            Some(used) => (used.input, used.cached.min(used.input)),
            None => (self.asked.input_tokens, 0),
        };
        out.push(SampleEvent::Started { input_tokens, cached_tokens });
    }

    fn finish(&mut self, out: &mut Vec<SampleEvent>) {
        let Some(speech) = self.speech.take() else { return };
        self.start(out);
        let ended = self.ended.unwrap_or(Ended::EndOfTurn);
        let (deltas, said) = speech.finish(ended != Ended::EndOfTurn);
        if !deltas.is_empty() {
            out.push(SampleEvent::Chunk { ids: vec![], deltas, logprobs: vec![] });
        }
        let used = self.used.unwrap_or_else(|| Used {
            input: self.asked.input_tokens,
            cached: 0,
            output: estimate(said.bytes),
            reasoning: None,
        });
        let shared = || (used.output as f64 * said.reasoning_share).round() as u64;
        let reasoning = used.reasoning.unwrap_or_else(shared);
        out.push(SampleEvent::Finished(Sample {
            stop: self.stop(ended, &used),
            ids: vec![],
            message: said.message,
            problems: said.problems,
            usage: Usage::of_sample(used.input, used.cached, used.output, reasoning)
                .with_budget(self.budget),
            usage_estimated: self.used.is_none(),
        }));
    }

    /// Upstreams have one word for both limits.
    fn stop(&self, ended: Ended, used: &Used) -> Stop {
        let full = used.input + used.output + 1 >= self.asked.context_window;
        let limited = used.output + 1 >= self.output_tokens_max;
        match ended {
            Ended::EndOfTurn => Stop::EndOfTurn,
            Ended::Filtered => Stop::ContentFilter,
            Ended::Length if full && !limited => Stop::ContextFull,
            Ended::Length => Stop::Length,
        }
    }
}

/// About four bytes are a token in the languages that models are mostly trained on.
fn estimate(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

/// A guess at a request's tokens: enough for `Started`, and for usage where there is none.
pub fn estimate_request(request: &SampleRequest) -> u64 {
    const IMAGE_TOKENS: u64 = 1000;
    const TURN_TOKENS: u64 = 4;
    let turn = |turn: &Turn| match turn {
        Turn::Shown { text, images } => {
            estimate(text.len() as u64) + IMAGE_TOKENS * images.len() as u64
        }
        Turn::Returned { result, images } => {
            estimate(bytes_of(result)) + IMAGE_TOKENS * images.len() as u64
        }
        Turn::Given(message) | Turn::Sampled { message, .. } => estimate(bytes_of(message)),
    };
    let turns: u64 = request.turns.iter().map(|t| turn(t) + TURN_TOKENS).sum();
    let tools: usize = request
        .tools
        .iter()
        .map(|t| t.name.len() + t.description.len() + t.parameters.to_string().len())
        .sum();
    let instructions = request.instructions.as_ref().map_or(0, String::len);
    turns + estimate((tools + instructions) as u64)
}

fn bytes_of(message: &ozone_prompt::Message) -> u64 {
    use ozone_prompt::Message;
    let bytes = match message {
        Message::System { text } | Message::Developer { text } | Message::User { text } => {
            text.len()
        }
        Message::Assistant { reasoning, text, tool_calls } => {
            let calls: usize = tool_calls.iter().map(|c| c.name.len() + c.arguments.len()).sum();
            reasoning.as_ref().map_or(0, String::len) + text.len() + calls
        }
        Message::ToolResult { output, .. } => output.len(),
    };
    bytes as u64
}

/// For those who read an answer without an upstream.
impl From<Fault> for ModelError {
    fn from(fault: Fault) -> ModelError {
        fault.given_up()
    }
}
