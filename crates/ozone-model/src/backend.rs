//! The seam between the loop and whatever samples tokens.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use ozone_prompt::{Day, Delta, Effort, Message, Problem, ToolSpec};
use ozone_types::Usage;
use serde::{Deserialize, Serialize};

/// What a user and the loop may know of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The name it is asked for by.
    pub id: String,
    /// The most tokens that a conversation and its answer may have together.
    pub context_window: u64,
    pub reads_images: bool,
    /// Where the weights come from, for people: a file, an address.
    pub source: String,
}

/// A piece of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    Given(Message),
    /// A user's words with pictures. Only for a model that `reads_images`; another refuses it.
    Shown {
        text: String,
        images: Vec<Image>,
    },
    /// A tool's result with pictures in it. Only for a model to which they are delivered so
    /// ([`Delivery::Tool`]); another refuses it.
    Returned {
        /// Always `Message::ToolResult`.
        result: Message,
        images: Vec<Image>,
    },
    /// What this model said before. `ids` are the tokens that it sampled, so that they need not be
    /// made from text again; empty where the backend has none.
    Sampled {
        ids: Vec<u32>,
        message: Message,
    },
}

/// A picture as its file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// As `image/png`.
    pub media_type: String,
    pub bytes: Arc<[u8]>,
}

/// How a picture that a tool gave reaches a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// In the tool's message.
    Tool,
    /// In a user's turn behind the results, with a label.
    User,
    /// Not at all: the model reads what tools measured and read of it, and is told that it cannot
    /// see.
    #[default]
    Text,
}

impl Delivery {
    pub fn name(self) -> &'static str {
        match self {
            Delivery::Tool => "tool",
            Delivery::User => "user",
            Delivery::Text => "text",
        }
    }
}

/// What a model gets to see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sees {
    /// The pictures of a user's turn.
    pub users: bool,
    /// Those of tools.
    pub results: Delivery,
}

impl From<Delivery> for Sees {
    /// Where nobody has looked closer, whoever sees anything sees what users show.
    fn from(results: Delivery) -> Sees {
        Sees { users: results != Delivery::Text, results }
    }
}

/// How tokens are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0 takes the most likely token.
    pub temperature: f32,
    pub top_p: f32,
    /// 0 keeps all.
    pub top_k: u32,
    pub min_p: f32,
    pub seed: u64,
    /// How many alternatives are reported beside each token (at most 20).
    pub top_logprobs: u8,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling { temperature: 0.0, top_p: 1.0, top_k: 0, min_p: 0.0, seed: 0, top_logprobs: 0 }
    }
}

/// Which tools a sample may or must call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Calls {
    #[default]
    Auto,
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// What the sample must look like. A backend that can enforces it (see [`ModelBackend::enforces`]);
/// what it does not enforce, the loop checks and asks for again.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraints {
    pub calls: Calls,
    /// `false`: at most one call.
    pub parallel_calls: bool,
    /// A JSON schema that the text, where there is one, must fit.
    pub text: Option<serde_json::Value>,
}

impl Default for Constraints {
    fn default() -> Self {
        Constraints { calls: Calls::Auto, parallel_calls: true, text: None }
    }
}

/// Which constraints a backend's samples cannot break.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Enforces {
    /// A call has an offered name and arguments that fit its schema.
    pub arguments: bool,
    /// [`Constraints::calls`].
    pub calls: bool,
    /// [`Constraints::text`].
    pub text: bool,
}

/// One sample: the conversation so far, and how to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleRequest {
    /// Names the conversation. A backend may keep what it computed under it until
    /// [`ModelBackend::release`].
    pub key: String,
    /// Conversations that begin alike (`prompt_cache_key`): of several upstreams, the same one gets
    /// them. Without it `key` decides.
    pub cache_key: Option<String>,
    pub instructions: Option<String>,
    pub turns: Vec<Turn>,
    /// Only these may be called.
    pub tools: Vec<ToolSpec>,
    pub effort: Option<Effort>,
    pub today: Option<Day>,
    pub sampling: Sampling,
    pub output_tokens_max: u64,
    /// Thinking is ended by force after so many tokens. An upstream is only asked to. The sample's
    /// usage says what came of it.
    pub thinking_tokens_max: Option<u64>,
    /// Ids of this very sample that a killed run had sampled: the sample goes on behind them, and
    /// their deltas are not reported again.
    pub started: Vec<u32>,
    pub constraints: Constraints,
}

/// A step of a sample.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleEvent {
    /// The prompt is in. `cached_tokens` of its tokens had been computed before.
    Started { input_tokens: u64, cached_tokens: u64 },
    /// Sampled tokens and what they say. `ids` may come without a delta (the start of a tag), and a
    /// delta without ids (the rest of one, at the end; an upstream).
    Chunk { ids: Vec<u32>, deltas: Vec<Delta>, logprobs: Vec<TokenLogprob> },
    /// Exactly one, the last.
    Finished(Sample),
}

/// One sampled token's logprob, and those of its likeliest rivals.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    pub bytes: Vec<u8>,
    pub logprob: f32,
    pub top: Vec<(Vec<u8>, f32)>,
}

impl TokenLogprob {
    /// Of each id of a chunk. A chunk with an id that was forced measures none of them.
    pub fn of_each(ids: &[u32], logprobs: &[TokenLogprob]) -> Vec<Option<f32>> {
        match ids.len() == logprobs.len() {
            true => logprobs.iter().map(|token| Some(token.logprob)).collect(),
            false => vec![None; ids.len()],
        }
    }
}

/// A finished sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub stop: Stop,
    /// All ids of the sample, those of `started` included.
    pub ids: Vec<u32>,
    /// Always `Message::Assistant`.
    pub message: Message,
    /// Calls that could not be read, in words that the model can mend them by. An index is that of
    /// the call in `message`.
    pub problems: Vec<Problem>,
    pub usage: Usage,
    /// An upstream did not say what it used: `usage` is a guess from the length of the texts.
    pub usage_estimated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The model ended its turn, with or without calls.
    EndOfTurn,
    /// `output_tokens_max`.
    Length,
    /// The context window is full.
    ContextFull,
    /// Whoever serves the model let it say no more.
    ContentFilter,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelError {
    /// The user's mistake; final.
    #[error(
        "the question is too long for this model: {input_tokens} tokens, and its context holds \
         {context_window}; shorten it, or choose a model with a longer context"
    )]
    ContextLength { input_tokens: u64, context_window: u64 },
    /// The user's mistake; final.
    #[error("{0}")]
    InvalidRequest(String),
    /// The queue is full: try again later.
    #[error("the model is busy: {waiting} requests wait already")]
    Busy { waiting: usize },
    /// Somebody else's limit on requests: try again later, not at once.
    #[error("the model takes no more requests now{}", try_again(.retry_after))]
    RateLimited { retry_after: Option<Duration> },
    /// The same request may succeed later.
    #[error("the model stopped answering: {0}")]
    Unavailable(String),
    /// It stopped in the middle of a sample that cannot be continued, since its ids are not known;
    /// to sample again would say the beginning twice. Final.
    #[error("the model broke off in the middle: {0}")]
    BrokeOff(String),
    /// Ours.
    #[error("the model failed: {0}")]
    Internal(String),
}

/// In OpenAI's words: clients read the seconds from them.
fn try_again(after: &Option<Duration>) -> String {
    after.map_or_else(String::new, |after| {
        format!(": please try again in {}s", after.as_secs_f64().ceil().max(1.0))
    })
}

/// A sample as it comes. Dropping it cancels the sample within one decode step.
pub type SampleStream = BoxStream<'static, Result<SampleEvent, ModelError>>;

/// Whatever samples tokens: a GGUF file in process, an upstream, a script.
///
/// Any number of samples may run at once; a backend queues what it cannot run, up to a stated limit
/// (`Busy`). A stream is one `Started`, chunks, one `Finished`, or an error that ends it. Deltas
/// joined equal the message of `Finished`. The same request gives the same sample at temperature 0
/// or with the same seed, where the backend controls its sampling. Before `sample` has returned a
/// backend may try again by itself; from then on nobody retries but the loop.
#[async_trait]
pub trait ModelBackend: Send + Sync + 'static {
    fn info(&self) -> &ModelInfo;

    async fn sample(&self, request: SampleRequest) -> Result<SampleStream, ModelError>;

    /// What its samples cannot break; by default, nothing.
    fn enforces(&self) -> Enforces {
        Enforces::default()
    }

    /// How the pictures that tools give reach it.
    fn delivery(&self) -> Delivery {
        if self.info().reads_images { Delivery::User } else { Delivery::Text }
    }

    /// Whether each token comes with its logprob, those of thoughts included, where
    /// [`Sampling::top_logprobs`] asks for it.
    fn measures(&self) -> bool {
        false
    }

    /// Whether [`ModelBackend::prompt`] and samples have ids.
    fn knows_ids(&self) -> bool {
        false
    }

    /// The tokens that the model sees for a request, `started` not included.
    fn prompt(&self, _: &SampleRequest) -> Result<Vec<u32>, ModelError> {
        Err(ModelError::InvalidRequest("the tokens of this model are not known here".into()))
    }

    /// The conversation is over: what was kept under `key` may go.
    fn release(&self, key: &str);
}
