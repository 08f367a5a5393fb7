//! Who asks, and how much they may ask for.
//!
//! A key names a tenant. What one tenant stored, no other sees. Keys are kept as digests, so that
//! finding one does not depend on its characters and no log can hold it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::error::ApiError;

/// A secret that does not print.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: impl Into<String>) -> Self {
        Secret(secret.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// One key, as a configuration file has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// The tenant. Several keys may share one.
    pub name: String,
    pub key: Secret,
    /// Spends together with the other keys of its project.
    #[serde(default)]
    pub project: Option<String>,
    /// Sees what everybody used, and sets spend limits.
    #[serde(default)]
    pub admin: bool,
    /// `None` allows every model.
    #[serde(default)]
    pub models: Option<Vec<String>>,
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    #[serde(default)]
    pub tokens_per_minute: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    #[error("a key has fewer than {KEY_CHARS_MIN} characters: `{name}`")]
    Short { name: String },
    #[error("two entries have the same key: `{name}`")]
    Twice { name: String },
    #[error("a key has no name")]
    Nameless,
    #[error("a limit of `{name}` is 0, which would refuse everything")]
    Zero { name: String },
    #[error("the keys of `{name}` belong to different projects")]
    Projects { name: String },
}

const KEY_CHARS_MIN: usize = 8;

/// The tenant of a server without keys.
pub const LOCAL_TENANT: &str = "local";

/// All keys. None: whoever reaches the server may use it, so it serves only loopback.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    by_digest: HashMap<[u8; 32], Arc<Tenant>>,
    /// Of each tenant.
    projects: HashMap<String, Option<String>>,
}

impl Keys {
    pub fn new(entries: impl IntoIterator<Item = KeyEntry>) -> Result<Self, BadKeys> {
        let (mut by_digest, mut projects) = (HashMap::new(), HashMap::new());
        for entry in entries {
            let name = entry.name.trim().to_owned();
            if name.is_empty() {
                return Err(BadKeys::Nameless);
            }
            if entry.key.0.chars().count() < KEY_CHARS_MIN {
                return Err(BadKeys::Short { name });
            }
            if entry.requests_per_minute == Some(0) || entry.tokens_per_minute == Some(0) {
                return Err(BadKeys::Zero { name });
            }
            let project = entry.project.map(|p| p.trim().to_owned()).filter(|p| !p.is_empty());
            let known = projects.insert(name.clone(), project.clone());
            if known.is_some_and(|known| known != project) {
                return Err(BadKeys::Projects { name });
            }
            let tenant = Tenant {
                name: name.clone(),
                admin: entry.admin,
                models: entry.models,
                requests: entry.requests_per_minute.map(Bucket::per_minute),
                tokens: entry.tokens_per_minute.map(Bucket::per_minute),
            };
            if by_digest.insert(digest(&entry.key.0), Arc::new(tenant)).is_some() {
                return Err(BadKeys::Twice { name });
            }
        }
        Ok(Keys { by_digest, projects })
    }

    /// As an environment variable holds them: `name:key`, separated by commas or spaces. A key
    /// without a name gets `key-1`, `key-2`…
    pub fn parse(text: &str) -> Result<Self, BadKeys> {
        let parts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|p| !p.is_empty());
        Keys::new(parts.enumerate().map(|(index, part)| {
            let (name, key) = match part.split_once(':') {
                Some((name, key)) => (name.to_owned(), key),
                None => (format!("key-{}", index + 1), part),
            };
            KeyEntry {
                name,
                key: Secret::new(key),
                project: None,
                admin: false,
                models: None,
                requests_per_minute: None,
                tokens_per_minute: None,
            }
        }))
    }

    pub fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }

    /// Whether there is a tenant of this name.
    pub(crate) fn has(&self, tenant: &str) -> bool {
        self.projects.contains_key(tenant)
    }

    pub(crate) fn project(&self, tenant: &str) -> Option<&str> {
        self.projects.get(tenant)?.as_deref()
    }

    pub(crate) fn projects(&self) -> impl Iterator<Item = &str> {
        self.projects.values().filter_map(|project| project.as_deref())
    }

    /// Tokens are known when they are used: the tenant's next request pays for them.
    pub(crate) fn used(&self, tenant: &str, tokens: u64) {
        for key in self.by_digest.values().filter(|t| t.name == tenant) {
            if let Some(bucket) = &key.tokens {
                bucket.debit(tokens as f64);
            }
        }
    }

    /// The tenant of an `Authorization` header (or `x-api-key`).
    pub(crate) fn tenant(&self, given: Option<&str>) -> Result<Arc<Tenant>, ApiError> {
        if self.is_empty() {
            return Ok(Arc::new(Tenant::local()));
        }
        let Some(given) = given else {
            let message = "You didn't provide an API key. Send it as `Authorization: Bearer KEY`.";
            return Err(ApiError::Unauthorized(message.into()));
        };
        let key = given.strip_prefix("Bearer ").or(given.strip_prefix("bearer ")).unwrap_or(given);
        let found = self.by_digest.get(&digest(key.trim())).cloned();
        found.ok_or_else(|| ApiError::Unauthorized("Incorrect API key provided.".into()))
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Who asks.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub name: String,
    pub admin: bool,
    models: Option<Vec<String>>,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

impl Tenant {
    fn local() -> Self {
        Tenant::named(LOCAL_TENANT)
    }

    /// A tenant whose request was admitted before.
    pub fn named(name: &str) -> Self {
        Tenant { name: name.to_owned(), admin: false, models: None, requests: None, tokens: None }
    }

    pub fn may_use(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|m| m == model))
    }

    /// Takes one request off the limits. Gives what is left, for the headers.
    pub fn admit(&self) -> Result<Vec<(&'static str, u64)>, ApiError> {
        let limited = |what: &str, retry_after| ApiError::RateLimited {
            what: format!("{what} of `{}`", self.name),
            retry_after,
        };
        let mut headers = vec![];
        if let Some(tokens) = &self.tokens {
            let left = tokens.take(0.0).map_err(|wait| limited("tokens per minute", wait))?;
            headers.push(("x-ratelimit-limit-tokens", tokens.capacity as u64));
            headers.push(("x-ratelimit-remaining-tokens", left));
        }
        if let Some(requests) = &self.requests {
            let left = requests.take(1.0).map_err(|wait| limited("requests per minute", wait))?;
            headers.push(("x-ratelimit-limit-requests", requests.capacity as u64));
            headers.push(("x-ratelimit-remaining-requests", left));
        }
        Ok(headers)
    }
}

/// Fills evenly over a minute; may be in debt.
#[derive(Debug)]
struct Bucket {
    capacity: f64,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    fn per_minute(capacity: u32) -> Self {
        let capacity = f64::from(capacity);
        Bucket { capacity, level: Mutex::new((capacity, Instant::now())) }
    }

    /// Takes `n`, or says how long until it can be had. With 0, asks only to be out of debt.
    fn take(&self, n: f64) -> Result<u64, Duration> {
        let mut level = self.refilled();
        let lacking = if n == 0.0 { 1.0 } else { n } - level.0;
        if lacking > 0.0 {
            return Err(Duration::from_secs_f64(lacking * 60.0 / self.capacity));
        }
        level.0 -= n;
        Ok(level.0.max(0.0) as u64)
    }

    fn debit(&self, n: f64) {
        self.refilled().0 -= n;
    }

    fn refilled(&self) -> std::sync::MutexGuard<'_, (f64, Instant)> {
        let mut level = self.level.lock().unwrap_or_else(|e| e.into_inner());
        let now = Instant::now();
        let passed = now.duration_since(level.1).as_secs_f64();
        *level = ((level.0 + passed * self.capacity / 60.0).min(self.capacity), now);
        level
    }
}
