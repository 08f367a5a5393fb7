//! One `[[model]]` entry with `backend = "upstream"`.

use std::fmt;
use std::time::Duration;

use ozone_prompt::Format;
use ozone_types::Effort;
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Delivery, Sees};

/// As in the configuration file; [`UpstreamBackend::new`](super::UpstreamBackend::new) checks it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct UpstreamConfig {
    /// One address, as `http://127.0.0.1:9000/v1`, or several that serve the same model: a
    /// conversation stays with one of them as long as that one answers.
    #[serde(alias = "base_urls")]
    pub base_url: OneOrMany,
    #[serde(default)]
    pub api: Api,
    /// The upstream's own name of the model.
    pub model: String,
    /// The environment variable that holds the key; without it, none is sent.
    #[serde(default)]
    pub api_key_env: Option<String>,
    pub context_window: u64,
    #[serde(default)]
    pub reasoning_field: ReasoningField,
    /// Whether it takes pictures. Left out, nobody knows until somebody has tried.
    #[serde(default)]
    pub reads_images: Option<bool>,
    /// How the pictures of tools reach it: `tool`, `user` or `text`. Stands above all that is known
    /// otherwise.
    #[serde(default)]
    pub pictures: Option<Delivery>,
    /// What was found out about that. Not from the configuration.
    #[serde(skip)]
    pub found: Option<Sees>,
    /// The syntax of thinking and calls that the upstream leaves in its text: `hermes`, `deepseek`,
    /// `harmony` or `plain`. Recognised if left out.
    #[serde(default)]
    pub format: Option<String>,
    /// The upstream's template opens the thought, and its text begins in the middle of it.
    #[serde(default)]
    pub thinking_open: bool,
    /// The words for effort that this upstream knows, as `["low", "high", "xhigh"]`; others become
    /// the nearest of them. Left out: `none` to `high`.
    #[serde(default)]
    pub efforts: Vec<Effort>,
    /// The field that takes the most tokens of thinking, where there is one: vLLM's
    /// `thinking_token_budget`, others' `thinking_budget`.
    #[serde(default)]
    pub thinking_budget_field: Option<String>,
    /// Fields of the request that this upstream must not get, as `temperature`.
    #[serde(default)]
    pub omit: Vec<String>,
    /// Put into each request as they are, as `{ chat_template_kwargs = { … } }`.
    #[serde(default)]
    pub extra_body: Map<String, Value>,
    #[serde(default)]
    pub limits: UpstreamLimits,
}

impl UpstreamConfig {
    /// What it may be told, for those who look for misspelt keys.
    pub const KEYS: &[&str] = &[
        "base_url",
        "base_urls",
        "api",
        "model",
        "api_key_env",
        "context_window",
        "reasoning_field",
        "reads_images",
        "pictures",
        "format",
        "thinking_open",
        "efforts",
        "thinking_budget_field",
        "omit",
        "extra_body",
        "limits",
    ];

    /// All the rest is as it is where nothing is configured.
    pub fn new(base_url: &str, api: Api, model: &str, context_window: u64) -> UpstreamConfig {
        UpstreamConfig {
            base_url: OneOrMany::One(base_url.to_owned()),
            api,
            model: model.to_owned(),
            api_key_env: None,
            context_window,
            reasoning_field: ReasoningField::default(),
            reads_images: None,
            pictures: None,
            found: None,
            format: None,
            thinking_open: false,
            efforts: vec![],
            thinking_budget_field: None,
            omit: vec![],
            extra_body: Map::new(),
            limits: UpstreamLimits::default(),
        }
    }

    /// What it gets to see; `None` where nobody knows. What a person wrote stands above what was
    /// found out, but that it takes pictures is not yet how.
    pub fn sees(&self) -> Option<Sees> {
        let written = match (self.pictures, self.reads_images) {
            (Some(results), _) => Some(results),
            (None, Some(false)) => Some(Delivery::Text),
            (None, _) => None,
        };
        let blind = |found: &Sees| *found == Sees::from(Delivery::Text);
        let assured = self.reads_images.is_some_and(|reads| reads);
        let found = self.found.filter(|found| !(assured && blind(found)));
        let otherwise = assured.then_some(Delivery::User.into());
        written.map(Sees::from).or(found).or(otherwise)
    }

    /// `None`: to be recognised by the first characters.
    pub(super) fn format(&self) -> Result<Option<Format>, UpstreamConfigError> {
        match &self.format {
            Some(name) => match Format::from_name(name) {
                Some(format) => Ok(Some(format)),
                None => Err(UpstreamConfigError::Format(name.clone())),
            },
            None if self.model.to_lowercase().contains("deepseek") => Ok(Some(Format::DeepSeekR1)),
            None => Ok(None),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub fn as_slice(&self) -> &[String] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `POST {base_url}/chat/completions`
    #[default]
    Chat,
    /// `POST {base_url}/responses`
    Responses,
}

/// Where an upstream wants its earlier thinking. All names are understood in what it sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningField {
    #[default]
    ReasoningContent,
    Reasoning,
    /// It is not sent back.
    None,
}

impl ReasoningField {
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            ReasoningField::ReasoningContent => Some("reasoning_content"),
            ReasoningField::Reasoning => Some("reasoning"),
            ReasoningField::None => None,
        }
    }
}

/// What an upstream may take of our time and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UpstreamLimits {
    pub connect_ms_max: u64,
    /// From the request to the first byte of the answer's body: the whole prefill.
    pub first_byte_ms_max: u64,
    /// Between two pieces of the answer.
    pub idle_ms_max: u64,
    /// Tries after the first one, in rounds over all upstreams of the model.
    pub retries_max: u32,
    /// The first pause between two rounds; each further one is twice as long.
    pub pause_ms: u64,
    /// The longest pause, also where an upstream asks for a longer one: then the request fails.
    pub pause_ms_max: u64,
    /// Failures in a row after which an upstream is left alone.
    pub failures_max: u32,
    /// How long it is left alone.
    pub open_ms: u64,
    pub response_bytes_max: u64,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        UpstreamLimits {
            connect_ms_max: 10_000,
            first_byte_ms_max: 300_000,
            idle_ms_max: 300_000,
            retries_max: 3,
            pause_ms: 250,
            pause_ms_max: 20_000,
            failures_max: 5,
            open_ms: 15_000,
            response_bytes_max: 256 << 20,
        }
    }
}

impl UpstreamLimits {
    pub(super) fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms_max)
    }

    pub(super) fn first_byte(&self) -> Duration {
        Duration::from_millis(self.first_byte_ms_max)
    }

    pub(super) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms_max)
    }

    pub(super) fn pause_max(&self) -> Duration {
        Duration::from_millis(self.pause_ms_max)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamConfigError {
    #[error("the model has no `base_url`")]
    NoAddress,
    #[error("`base_url` is `{url}`: {why}")]
    Address { url: String, why: String },
    #[error("the environment variable `{0}` (`api_key_env`) is not set")]
    NoKey(String),
    #[error("the key in `{0}` has characters that no HTTP header may have")]
    Key(String),
    #[error("`format` is `{0}`, and may be `hermes`, `deepseek`, `harmony` or `plain`")]
    Format(String),
    #[error("`context_window` must be more than 0")]
    Window,
    #[error("no HTTP client could be made: {0}")]
    Client(String),
}

/// `http://host/v1`, without the slash at its end.
pub(super) fn base(url: &str) -> Result<Url, UpstreamConfigError> {
    let bad = |why: &str| UpstreamConfigError::Address { url: shown(url), why: why.to_owned() };
    let parsed = Url::parse(url.trim().trim_end_matches('/')).map_err(|e| bad(&e.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(bad("it must begin with `http://` or `https://`"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(bad("a key belongs into an environment variable (`api_key_env`)"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(bad("it may have no `?` and no `#`"));
    }
    Ok(parsed)
}

/// Without what may be a password.
fn shown(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}…{}", &url[..scheme + 3], &url[at..]),
        _ => url.to_owned(),
    }
}

/// A secret that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    pub fn new(key: impl Into<String>) -> ApiKey {
        ApiKey(key.into())
    }

    pub(super) fn secret(&self) -> &str {
        &self.0
    }

    /// Some upstreams repeat the key in their errors.
    pub(super) fn redact(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "[redacted]") }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
