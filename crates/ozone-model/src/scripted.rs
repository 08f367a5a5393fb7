//! The tests' model: says what a script says, token by token (a token is a byte), and fails where
//! the script has it fail.
//!
//! It writes the Qwen3/Hermes format and is read by the same parser as a real model, so a test sees
//! the whole way from sampled tokens to items.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;
use ozone_prompt::{Format, Message, StreamParser};
use ozone_types::{ReasoningBudget, Usage};
use serde::{Deserialize, Serialize};

use crate::{
    Delivery, ModelBackend, ModelError, ModelInfo, Sample, SampleEvent, SampleRequest,
    SampleStream, Stop, TokenLogprob, Turn,
};

/// One sample of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "script", rename_all = "snake_case")]
pub enum Script {
    /// Raw text, as `<think>\n…\n</think>\n\n<tool_call>…`.
    Says { text: String },
    /// The stream breaks after so many bytes, the first `times` times.
    Breaks { text: String, after: usize, times: usize },
    /// Nothing more comes after so many bytes.
    Hangs { text: String, after: usize },
    /// Refuses, the first `times` times.
    Unavailable { text: String, times: usize },
}

impl Script {
    pub fn says(text: impl Into<String>) -> Self {
        Script::Says { text: text.into() }
    }

    /// A thought, then a call of `python`.
    pub fn runs(thought: &str, code: &str) -> Self {
        let call = serde_json::json!({"name": "python", "arguments": {"code": code}});
        Script::says(format!("<think>\n{thought}\n</think>\n\n<tool_call>\n{call}\n</tool_call>"))
    }

    fn text(&self) -> &str {
        match self {
            Script::Says { text }
            | Script::Breaks { text, .. }
            | Script::Hangs { text, .. }
            | Script::Unavailable { text, .. } => text,
        }
    }
}

/// How the stream of one sample ends.
#[derive(Clone, Copy)]
enum End {
    Finished,
    Broken,
    Silent,
}

/// What the conversations of one seed say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Take {
    pub script: Vec<Script>,
    /// Of each token. Without it the tokens have none.
    #[serde(default)]
    pub logprob: Option<f32>,
}

impl Take {
    pub fn new(script: impl IntoIterator<Item = Script>) -> Self {
        Take { script: script.into_iter().collect(), logprob: None }
    }

    pub fn sure(mut self, logprob: f32) -> Self {
        self.logprob = Some(logprob);
        self
    }
}

pub struct ScriptedBackend {
    info: ModelInfo,
    delivery: Delivery,
    takes: Vec<Take>,
    /// Samples are counted as they are asked for, not by what the conversation holds.
    in_order: bool,
    /// Between two tokens.
    pace: Duration,
    tries: Mutex<HashMap<(String, usize), usize>>,
    seen: Arc<Mutex<HashMap<String, u64>>>,
    requests: Mutex<Vec<SampleRequest>>,
}

impl ScriptedBackend {
    /// The n-th sample of each conversation is the n-th of the script.
    pub fn new(script: impl IntoIterator<Item = Script>) -> Self {
        ScriptedBackend::takes([Take::new(script)])
    }

    /// The conversation with seed s says the s-th of these; behind the last one they begin anew.
    pub fn takes(takes: impl IntoIterator<Item = Take>) -> Self {
        ScriptedBackend {
            info: ModelInfo {
                id: "scripted".into(),
                context_window: 1 << 20,
                reads_images: false,
                source: "a script".into(),
            },
            delivery: Delivery::Text,
            takes: takes.into_iter().collect(),
            in_order: false,
            pace: Duration::ZERO,
            tries: Mutex::default(),
            seen: Arc::default(),
            requests: Mutex::default(),
        }
    }

    pub fn named(mut self, id: &str, source: &str) -> Self {
        self.info.id = id.to_owned();
        self.info.source = source.to_owned();
        self
    }

    /// The n-th request of each conversation gets the n-th of the script, whatever the turns are: for
    /// conversations that lose some.
    pub fn in_order(mut self) -> Self {
        self.in_order = true;
        self
    }

    pub fn with_pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    pub fn with_context_window(mut self, tokens: u64) -> Self {
        self.info.context_window = tokens;
        self
    }

    /// It may be shown pictures.
    pub fn that_sees(self) -> Self {
        self.that_sees_by(Delivery::User)
    }

    /// The pictures of tools are delivered to it so.
    pub fn that_sees_by(mut self, delivery: Delivery) -> Self {
        self.info.reads_images = delivery != Delivery::Text;
        self.delivery = delivery;
        self
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<SampleRequest> {
        self.requests.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn take(&self, seed: u64) -> Option<&Take> {
        let count = self.takes.len().max(1) as u64;
        self.takes.get((seed % count) as usize)
    }

    /// Counts the tries of one sample.
    fn try_number(&self, key: &str, step: usize) -> usize {
        let mut tries = self.tries.lock().unwrap_or_else(|e| e.into_inner());
        let count = tries.entry((key.to_owned(), step)).or_default();
        *count += 1;
        *count
    }
}

/// A text whose thoughts are held to so many tokens, and how many of them had to be ended.
fn held(text: &str, tokens_max: Option<u64>) -> (String, u64) {
    const OPEN: &str = "<think>\n";
    const CLOSE: &str = "\n</think>";
    let Some(mut left) = tokens_max.map(|max| usize::try_from(max).unwrap_or(usize::MAX)) else {
        return (text.to_owned(), 0);
    };
    let (mut out, mut rest, mut ended) = (String::new(), text, 0);
    while let Some((before, behind)) = rest.split_once(OPEN) {
        let (thought, after) = behind.split_once(CLOSE).unwrap_or((behind, ""));
        let mut kept = thought.len().min(left);
        while !thought.is_char_boundary(kept) {
            kept -= 1;
        }
        ended += u64::from(kept < thought.len());
        left -= kept;
        let close = if behind.contains(CLOSE) || kept < thought.len() { CLOSE } else { "" };
        out.extend([before, OPEN, &thought[..kept], close]);
        rest = after;
    }
    out.push_str(rest);
    (out, ended)
}

/// Each byte of the conversation is a token.
fn prompt(request: &SampleRequest) -> Vec<u32> {
    let bytes = |text: &str| -> Vec<u32> { text.bytes().map(u32::from).collect() };
    let turns = request.turns.iter().flat_map(|turn| match turn {
        Turn::Sampled { ids, .. } if !ids.is_empty() => ids.clone(),
        Turn::Shown { text, .. } => bytes(text),
        Turn::Returned { result, .. } => bytes(&said(result)),
        Turn::Given(message) | Turn::Sampled { message, .. } => bytes(&said(message)),
    });
    request.instructions.iter().flat_map(|text| bytes(text)).chain(turns).collect()
}

fn said(message: &Message) -> String {
    match message {
        Message::System { text } | Message::Developer { text } | Message::User { text } => {
            text.clone()
        }
        Message::Assistant { reasoning, text, tool_calls } => {
            let calls = tool_calls.iter().flat_map(|call| [&*call.name, &*call.arguments]);
            let all = [reasoning.as_deref().unwrap_or_default(), text];
            all.into_iter().chain(calls).collect()
        }
        Message::ToolResult { output, .. } => output.clone(),
    }
}

#[async_trait]
impl ModelBackend for ScriptedBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn delivery(&self) -> Delivery {
        self.delivery
    }

    async fn sample(&self, request: SampleRequest) -> Result<SampleStream, ModelError> {
        self.requests.lock().unwrap_or_else(|e| e.into_inner()).push(request.clone());
        let input = prompt(&request).len() as u64;
        let context_window = self.info.context_window;
        if input >= context_window {
            return Err(ModelError::ContextLength { input_tokens: input, context_window });
        }
        let step = match self.in_order {
            true => self.try_number(&request.key, usize::MAX) - 1,
            false => request.turns.iter().filter(|t| matches!(t, Turn::Sampled { .. })).count(),
        };
        let take = self.take(request.sampling.seed);
        let script = take.map_or(&[][..], |take| &take.script);
        let Some(script) = script.get(step) else {
            let why = format!("the script has {} samples and was asked for more", script.len());
            return Err(ModelError::Internal(why));
        };
        let tries = self.try_number(&request.key, step);
        let (text, forced_ends) = held(script.text(), request.thinking_tokens_max);
        let text = text.into_bytes();
        let (until, end) = match script {
            Script::Unavailable { times, .. } if tries <= *times => {
                return Err(ModelError::Unavailable("the script refuses".into()));
            }
            Script::Breaks { after, times, .. } if tries <= *times => (*after, End::Broken),
            Script::Hangs { after, .. } => (*after, End::Silent),
            _ => (text.len(), End::Finished),
        };
        let cached = {
            let mut seen = self.seen.lock().unwrap_or_else(|e| e.into_inner());
            let before = seen.entry(request.key.clone()).or_default();
            let cached = (*before).min(input);
            *before = input + text.len() as u64;
            cached
        };

        let limit = usize::try_from(request.output_tokens_max).unwrap_or(usize::MAX);
        let speech = Speech {
            parser: StreamParser::for_text(Format::HermesQwen, &request.tools, false),
            stop: if limit < text.len() { Stop::Length } else { Stop::EndOfTurn },
            until: until.min(limit).min(text.len()),
            text,
            said: 0,
            end,
            usage: (input, cached),
            reasoning_tokens: 0,
            budget: request.thinking_tokens_max.map(|tokens_max| ReasoningBudget {
                tokens_max,
                enforced: true,
                forced_ends,
            }),
            logprob: take.and_then(|t| t.logprob).filter(|_| request.sampling.top_logprobs > 0),
        };
        let started = SampleEvent::Started { input_tokens: input, cached_tokens: cached };
        let rest = speech.behind(request.started.len()).stream(self.pace);
        Ok(stream::once(async { Ok(started) }).chain(rest).boxed())
    }

    fn knows_ids(&self) -> bool {
        true
    }

    fn prompt(&self, request: &SampleRequest) -> Result<Vec<u32>, ModelError> {
        Ok(prompt(request))
    }

    fn measures(&self) -> bool {
        self.takes.iter().any(|take| take.logprob.is_some())
    }

    fn release(&self, key: &str) {
        self.seen.lock().unwrap_or_else(|e| e.into_inner()).remove(key);
    }
}

/// A sample that is being said.
struct Speech {
    parser: StreamParser,
    text: Vec<u8>,
    said: usize,
    until: usize,
    end: End,
    stop: Stop,
    usage: (u64, u64),
    reasoning_tokens: u64,
    budget: Option<ReasoningBudget>,
    logprob: Option<f32>,
}

impl Speech {
    /// Goes on behind tokens that were said before.
    fn behind(mut self, started: usize) -> Self {
        while self.said < started.min(self.until) {
            self.byte();
        }
        self
    }

    fn byte(&mut self) -> SampleEvent {
        let byte = self.text[self.said];
        self.said += 1;
        let deltas = self.parser.push_bytes(&[byte]);
        if deltas.iter().any(|d| matches!(d, ozone_prompt::Delta::Reasoning(_))) {
            self.reasoning_tokens += 1;
        }
        let measured = |logprob| TokenLogprob { bytes: vec![byte], logprob, top: vec![] };
        let logprobs = self.logprob.map(measured).into_iter().collect();
        SampleEvent::Chunk { ids: vec![u32::from(byte)], deltas, logprobs }
    }

    fn finish(self) -> Vec<Result<SampleEvent, ModelError>> {
        let ids: Vec<u32> = self.text[..self.said].iter().map(|b| u32::from(*b)).collect();
        let (deltas, parsed) = match self.stop {
            Stop::EndOfTurn => self.parser.finish(),
            Stop::Length | Stop::ContextFull | Stop::ContentFilter => self.parser.finish_cut_off(),
        };
        let (input, cached) = self.usage;
        let sample = Sample {
            stop: self.stop,
            message: parsed.to_message(|index| format!("call_{index}")),
            problems: parsed.problems,
            usage: Usage::of_sample(input, cached, ids.len() as u64, self.reasoning_tokens)
                .with_budget(self.budget),
            usage_estimated: false,
            ids,
        };
        let rest = SampleEvent::Chunk { ids: vec![], deltas, logprobs: vec![] };
        vec![Ok(rest), Ok(SampleEvent::Finished(sample))]
    }

    fn stream(
        self,
        pace: Duration,
    ) -> impl futures::Stream<Item = Result<SampleEvent, ModelError>> + Send {
        let steps = stream::unfold(Some(self), move |speech| async move {
            let mut speech = speech?;
            if !pace.is_zero() {
                tokio::time::sleep(pace).await;
            }
            if speech.said < speech.until {
                let event = speech.byte();
                return Some((vec![Ok(event)], Some(speech)));
            }
            match speech.end {
                End::Finished => Some((speech.finish(), None)),
                End::Broken => {
                    let e = ModelError::Unavailable("the script breaks off".into());
                    Some((vec![Err(e)], None))
                }
                End::Silent => std::future::pending().await,
            }
        });
        steps.flat_map(stream::iter)
    }
}
