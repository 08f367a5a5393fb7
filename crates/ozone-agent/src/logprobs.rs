//! Which tokens an answer's text is made of: tags and reasoning have logprobs, too, and a parser
//! may give text later than its tokens came.

use std::collections::VecDeque;

use ozone_model::TokenLogprob;
use serde_json::{Value, json};

/// The most tokens that wait for their text.
const WAITING_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Logprobs {
    waiting: VecDeque<TokenLogprob>,
    /// How many rivals are shown.
    top: usize,
}

impl Logprobs {
    pub fn new(top: u8) -> Self {
        Logprobs { waiting: VecDeque::new(), top: top.into() }
    }

    pub fn push(&mut self, new: Vec<TokenLogprob>) {
        self.waiting.extend(new);
        let excess = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..excess);
    }

    /// This was said otherwise than as the answer's text.
    pub fn skip(&mut self, text: &str) {
        self.take(text);
    }

    /// The tokens of this text, and none of those before it any more.
    pub fn take(&mut self, text: &str) -> Vec<Value> {
        let bytes: Vec<u8> = self.waiting.iter().flat_map(|t| t.bytes.clone()).collect();
        let Some(from) = find(&bytes, text.as_bytes()) else { return vec![] };
        let to = from + text.len();
        let (mut at, mut taken) = (0, vec![]);
        while at < to
            && let Some(token) = self.waiting.pop_front()
        {
            at += token.bytes.len();
            if at > from {
                taken.push(self.shown(&token));
            }
        }
        taken
    }

    fn shown(&self, token: &TokenLogprob) -> Value {
        let one = |bytes: &[u8], logprob: f32| {
            json!({
                "token": String::from_utf8_lossy(bytes),
                "bytes": bytes,
                "logprob": f64::from(logprob)
            })
        };
        let mut shown = one(&token.bytes, token.logprob);
        let top = token.top.iter().take(self.top).map(|(bytes, logprob)| one(bytes, *logprob));
        shown["top_logprobs"] = top.collect();
        shown
    }
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    if text.is_empty() || bytes.is_empty() {
        return None;
    }
    bytes.windows(text.len()).position(|window| window == text)
}
