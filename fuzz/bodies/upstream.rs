//! What an upstream sends: server-sent events, and the answers in them. Wherever the bytes are cut,
//! the same is read; what is damaged is an error in words.

use ozone_model::upstream::{AnswerReader, Api, Fault, SseEvent, SseReader, UpstreamConfig};
use ozone_model::{SampleEvent, SampleRequest, Sampling, TokenLogprob, Turn};
use ozone_prompt::{Delta, Message, ToolSpec};

/// The first byte says how long the pieces are.
pub fn sse(data: &[u8]) {
    let Some((&size, bytes)) = data.split_first() else { return };
    let read = |size: usize| -> Vec<SseEvent> {
        let mut reader = SseReader::default();
        let mut events = vec![];
        for piece in bytes.chunks(size) {
            events.extend(reader.push(piece).expect("it is shorter than the limit"));
        }
        events.extend(reader.finish());
        events
    };
    assert_eq!(read(1 + usize::from(size)), read(bytes.len().max(1)));
}

pub fn chat(data: &[u8]) {
    check(Api::Chat, data);
}

pub fn responses(data: &[u8]) {
    check(Api::Responses, data);
}

fn check(api: Api, data: &[u8]) {
    let Some((&size, bytes)) = data.split_first() else { return };
    let whole = read(api, &[bytes]);
    assert!(whole.finished.is_some() != whole.fault.is_some(), "{whole:?}");
    let pieces: Vec<&[u8]> = bytes.chunks(1 + usize::from(size)).collect();
    assert_eq!(read(api, &pieces), whole, "where it is cut makes a difference");
}

/// All of a sample, with neighbours of one kind joined.
#[derive(Debug, PartialEq)]
pub struct Read {
    pub input_tokens: Option<u64>,
    pub deltas: Vec<Delta>,
    pub logprobs: Vec<TokenLogprob>,
    pub finished: Option<ozone_model::Sample>,
    pub fault: Option<String>,
}

pub fn read(api: Api, pieces: &[&[u8]]) -> Read {
    let config = UpstreamConfig::new("http://127.0.0.1:9/v1", api, "m", 10_000);
    let mut reader = AnswerReader::new(&config, &request());
    let mut out =
        Read { input_tokens: None, deltas: vec![], logprobs: vec![], finished: None, fault: None };
    for piece in pieces {
        let mut events = vec![];
        let pushed = reader.push(piece, &mut events);
        out.take(events);
        if let Err(fault) = pushed {
            return out.failed(fault);
        }
    }
    let mut events = vec![];
    let ended = reader.end(&mut events);
    out.take(events);
    match ended {
        Ok(()) => out,
        Err(fault) => out.failed(fault),
    }
}

fn request() -> SampleRequest {
    let parameters = serde_json::json!({
        "type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"],
    });
    let (name, description) = ("python".to_owned(), "Runs Python.".to_owned());
    SampleRequest {
        key: "k".to_owned(),
        cache_key: None,
        instructions: None,
        turns: vec![Turn::Given(Message::User { text: "What is 6*7?".to_owned() })],
        tools: vec![ToolSpec { name, description, parameters, grammar: None }],
        effort: None,
        today: None,
        sampling: Sampling::default(),
        output_tokens_max: 100,
        thinking_tokens_max: None,
        started: vec![],
        constraints: Default::default(),
    }
}

impl Read {
    fn take(&mut self, events: Vec<SampleEvent>) {
        for event in events {
            assert!(self.finished.is_none(), "nothing follows `Finished`");
            match event {
                SampleEvent::Started { input_tokens, .. } => {
                    assert_eq!(self.input_tokens.replace(input_tokens), None);
                }
                SampleEvent::Chunk { deltas, logprobs, .. } => {
                    assert!(self.input_tokens.is_some(), "`Started` comes first");
                    deltas.into_iter().for_each(|delta| self.join(delta));
                    self.logprobs.extend(logprobs);
                }
                SampleEvent::Finished(sample) => self.finished = Some(sample),
            }
        }
    }

    fn join(&mut self, delta: Delta) {
        match (self.deltas.last_mut(), delta) {
            (Some(Delta::Reasoning(a)), Delta::Reasoning(b))
            | (Some(Delta::Text(a)), Delta::Text(b)) => a.push_str(&b),
            (
                Some(Delta::ToolCallArguments { index: i, text: a }),
                Delta::ToolCallArguments { index, text: b },
            ) if *i == index => a.push_str(&b),
            (_, delta) => self.deltas.push(delta),
        }
    }

    fn failed(mut self, fault: Fault) -> Read {
        self.fault = Some(fault.to_string());
        self
    }
}
