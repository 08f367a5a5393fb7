//! What both dialects come down to, and what can go wrong in either.

use std::time::Duration;

use serde_json::Value;

use crate::{ModelError, TokenLogprob};

/// A step of an upstream's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    Reasoning(String),
    /// The answer, or whatever the upstream left in it.
    Text(String),
    /// Something that is neither begins: the next text is a new paragraph.
    Break,
    /// `call` counts the calls of this answer from 0; its pieces may come in any order.
    CallStart {
        call: usize,
        id: String,
        name: String,
    },
    CallArguments {
        call: usize,
        text: String,
    },
    Logprobs(Vec<TokenLogprob>),
    Used(Used),
    Ended(Ended),
    /// Nothing more comes.
    Done,
}

/// Tokens, as the upstream counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    pub reasoning: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    EndOfTurn,
    Length,
    Filtered,
}

/// Why an upstream did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// Another try, here or elsewhere, may succeed.
    #[error("{0}")]
    Passing(String),
    /// It wants fewer requests, or is full.
    #[error("{why}")]
    Limited { why: String, retry_after: Option<Duration> },
    /// It wants a request without this field, which an answer can do without: always, or with the
    /// value that this request has.
    #[error("it refuses `{field}`")]
    Refused { field: String, for_good: bool },
    /// The prompt alone would fit, but not with as many tokens of output as were asked for.
    #[error("the output limit does not fit into the context window")]
    OutputLimit,
    /// Its content filter refuses the prompt, or goes on with the answer no further.
    #[error("the upstream's content filter stopped the answer")]
    Filtered,
    /// This upstream cannot serve us at all, however often it is asked; another one may.
    #[error("{0}")]
    Unfit(String),
    /// The request is at fault, wherever it is sent.
    #[error(transparent)]
    Final(#[from] ModelError),
}

impl Fault {
    /// Once something was said, a second try would say it twice.
    pub fn in_mid_sample(self) -> ModelError {
        match self {
            Fault::Final(error) => error,
            Fault::Filtered => self.given_up(),
            other => ModelError::BrokeOff(other.to_string()),
        }
    }

    /// When nobody tries again.
    pub fn given_up(self) -> ModelError {
        match self {
            Fault::Final(error) => error,
            Fault::Filtered => ModelError::InvalidRequest(self.to_string()),
            Fault::Limited { retry_after, .. } => ModelError::RateLimited { retry_after },
            Fault::Unfit(why) => ModelError::Internal(why),
            other => ModelError::Unavailable(other.to_string()),
        }
    }
}

/// Much that is a number may be missing or null.
pub fn count(value: &Value, path: &[&str]) -> Option<u64> {
    let value = path.iter().try_fold(value, |value, key| value.get(key))?;
    value.as_u64().or_else(|| value.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64))
}

/// A string that is there and not empty.
pub fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// Of what a peer sent, as much as helps to see what it was.
pub fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// `logprobs` of either dialect: a list of `{token, bytes, logprob, top_logprobs}`.
pub fn logprobs(list: Option<&Value>) -> Option<Piece> {
    let bytes = |token: &Value| -> Vec<u8> {
        let listed = token.get("bytes").and_then(Value::as_array).map(|bytes| {
            bytes.iter().filter_map(|b| u8::try_from(b.as_u64()?).ok()).collect::<Vec<u8>>()
        });
        let spelt = || text(token, "token").unwrap_or_default().as_bytes().to_vec();
        listed.filter(|bytes| !bytes.is_empty()).unwrap_or_else(spelt)
    };
    let logprob = |token: &Value| Some(token.get("logprob")?.as_f64()? as f32);
    let tokens: Vec<TokenLogprob> = list?
        .as_array()?
        .iter()
        .filter_map(|token| {
            let top = token.get("top_logprobs").and_then(Value::as_array);
            let top = top.into_iter().flatten();
            Some(TokenLogprob {
                bytes: bytes(token),
                logprob: logprob(token)?,
                top: top.filter_map(|rival| Some((bytes(rival), logprob(rival)?))).collect(),
            })
        })
        .collect();
    (!tokens.is_empty()).then_some(Piece::Logprobs(tokens))
}
