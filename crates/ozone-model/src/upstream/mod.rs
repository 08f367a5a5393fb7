//! The upstream backend: any server that speaks Chat Completions or Responses.
//!
//! The core is pure: `chat` and `responses` write requests and read events, `speech` makes deltas of
//! them, [`AnswerReader`] takes bytes. This file is the shell around it: which of several upstreams
//! is asked, how long it may take, and who tries again. A request is tried again only until the
//! first word of an answer; from then on a fault is [`ModelError::BrokeOff`], because nobody can
//! take back what was said.
//!
//! Dropping a sample, or the future that opens one, closes its connection: that is how the upstream
//! hears of a cancellation.

mod answer;
mod body;
mod breaker;
mod chat;
mod config;
mod errors;
mod piece;
mod pixels;
mod reader;
mod responses;
mod speech;
mod sse;

use std::collections::{BTreeSet, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use reqwest::{Client, Response, Url};
use serde_json::Value;

use crate::{
    Delivery, ModelBackend, ModelError, ModelInfo, SampleRequest, SampleStream, Sees, Turn,
};
use answer::{Answer, silent};
use body::Fields;
use breaker::{Breaker, Permit};
pub use config::{
    Api, ApiKey, OneOrMany, ReasoningField, UpstreamConfig, UpstreamConfigError, UpstreamLimits,
};
use errors::Asked;
pub use piece::Fault;
pub use reader::AnswerReader;
use responses::KeptItems;
pub use sse::{EVENT_BYTES_MAX, EventTooLong, SseEvent, SseReader};

/// Of an answer that is an error.
const ERROR_BYTES_MAX: usize = 64 << 10;
/// How long the usage may come after the answer.
const USAGE_WAIT_MAX: Duration = Duration::from_secs(5);

/// What the backend takes from the world, so that tests can give it another.
#[derive(Clone)]
pub struct Surroundings {
    pub now: Arc<dyn Fn() -> Instant + Send + Sync>,
    /// For a `retry-after` that is a date.
    pub wall: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    pub sleep: Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>,
    /// Spreads the pauses of many servers that fail at once.
    pub jitter_seed: u64,
}

impl Default for Surroundings {
    fn default() -> Self {
        Surroundings {
            now: Arc::new(Instant::now),
            wall: Arc::new(SystemTime::now),
            sleep: Arc::new(|pause| tokio::time::sleep(pause).boxed()),
            jitter_seed: RandomState::new().build_hasher().finish(),
        }
    }
}

/// One model behind one or several addresses.
///
/// What it cannot do, since no such server can be told: end a thought at `thinking_tokens_max`, go on
/// behind `started`, or be given `today` but by the instructions.
pub struct UpstreamBackend {
    shared: Arc<Shared>,
    /// What was found out since, and what is said of the model with that.
    found: OnceLock<(Sees, ModelInfo)>,
}

struct Shared {
    info: ModelInfo,
    config: UpstreamConfig,
    endpoints: Vec<Arc<Endpoint>>,
    key: Option<ApiKey>,
    headers: HeaderMap,
    kept: KeptItems,
    surroundings: Surroundings,
    jitter: Mutex<SmallRng>,
}

/// One address.
struct Endpoint {
    url: Url,
    /// For people: host and port.
    name: String,
    client: Client,
    breaker: Arc<Breaker>,
    /// Fields that it has refused.
    refused: Mutex<BTreeSet<String>>,
}

impl UpstreamBackend {
    /// `id` is the name that the model is asked for by; `env` reads the environment.
    pub fn new(
        id: impl Into<String>,
        config: UpstreamConfig,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<UpstreamBackend, UpstreamConfigError> {
        UpstreamBackend::with_surroundings(id, config, env, Surroundings::default())
    }

    pub fn with_surroundings(
        id: impl Into<String>,
        config: UpstreamConfig,
        env: impl Fn(&str) -> Option<String>,
        surroundings: Surroundings,
    ) -> Result<UpstreamBackend, UpstreamConfigError> {
        config.format()?;
        if config.context_window == 0 {
            return Err(UpstreamConfigError::Window);
        }
        let key = match &config.api_key_env {
            Some(name) => {
                let key = env(name).filter(|key| !key.trim().is_empty());
                let key = key.ok_or_else(|| UpstreamConfigError::NoKey(name.clone()))?;
                Some(ApiKey::new(key.trim()))
            }
            None => None,
        };
        let headers = headers(&config, key.as_ref())?;
        let urls = config.base_url.as_slice();
        let endpoints: Result<Vec<_>, _> = urls.iter().map(|u| Endpoint::new(u, &config)).collect();
        let endpoints = endpoints?;
        if endpoints.is_empty() {
            return Err(UpstreamConfigError::NoAddress);
        }
        let names: Vec<&str> = endpoints.iter().map(|e| e.name.as_str()).collect();
        let info = ModelInfo {
            id: id.into(),
            context_window: config.context_window,
            reads_images: config.sees().unwrap_or_default().users,
            source: format!("{} at {}", config.model, names.join(", ")),
        };
        let jitter = Mutex::new(SmallRng::seed_from_u64(surroundings.jitter_seed));
        let kept = KeptItems::default();
        let shared = Shared { info, config, endpoints, key, headers, kept, surroundings, jitter };
        Ok(UpstreamBackend { shared: Arc::new(shared), found: OnceLock::new() })
    }

    /// Whether somebody must try before pictures can be sent.
    pub fn must_look(&self) -> bool {
        self.found.get().is_none() && self.shared.config.sees().is_none()
    }

    /// Somebody has tried. The first word counts, for as long as this backend lives.
    pub fn looked(&self, found: Sees) {
        let sees = UpstreamConfig { found: Some(found), ..self.shared.config.clone() }.sees();
        let sees = sees.unwrap_or(found);
        let info = ModelInfo { reads_images: sees.users, ..self.shared.info.clone() };
        // Who lost the race heard of the same model.
        let _ = self.found.set((sees, info));
    }

    fn sees(&self) -> Sees {
        let found = self.found.get().map(|(sees, _)| *sees);
        found.or(self.shared.config.sees()).unwrap_or_default()
    }
}

fn headers(
    config: &UpstreamConfig,
    key: Option<&ApiKey>,
) -> Result<HeaderMap, UpstreamConfigError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    let agent = concat!("ozone/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    if let Some(key) = key {
        let name = || config.api_key_env.clone().unwrap_or_default();
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.secret()))
            .map_err(|_| UpstreamConfigError::Key(name()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

impl Endpoint {
    fn new(base: &str, config: &UpstreamConfig) -> Result<Arc<Endpoint>, UpstreamConfigError> {
        let base = config::base(base)?;
        let path = match config.api {
            Api::Chat => "chat/completions",
            Api::Responses => "responses",
        };
        let mut url = base.clone();
        url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
        let host = url.host_str().unwrap_or_default().to_owned();
        let name = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        let limits = &config.limits;
        let mut client = Client::builder()
            .connect_timeout(limits.connect())
            // A key goes where the configuration says, and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true);
        if matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]") {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|e| UpstreamConfigError::Client(causes(e)))?;
        let open_for = Duration::from_millis(limits.open_ms);
        let breaker = Breaker::new(limits.failures_max, open_for);
        Ok(Arc::new(Endpoint { url, name, client, breaker, refused: Mutex::default() }))
    }

    fn refused(&self) -> BTreeSet<String> {
        self.refused.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn refuses(&self, field: String) {
        self.refused.lock().unwrap_or_else(|e| e.into_inner()).insert(field);
    }
}

#[async_trait]
impl ModelBackend for UpstreamBackend {
    fn info(&self) -> &ModelInfo {
        self.found.get().map_or(&self.shared.info, |(_, info)| info)
    }

    fn delivery(&self) -> Delivery {
        self.sees().results
    }

    async fn sample(&self, request: SampleRequest) -> Result<SampleStream, ModelError> {
        if !request.started.is_empty() {
            let why = "a sample that was cut cannot be continued by an upstream";
            return Err(ModelError::BrokeOff(why.to_owned()));
        }
        let sees = self.sees();
        let hidden = |turn: &Turn| match turn {
            Turn::Shown { .. } => !sees.users,
            Turn::Returned { .. } => sees.results != Delivery::Tool,
            Turn::Given(_) | Turn::Sampled { .. } => false,
        };
        if request.turns.iter().any(hidden) {
            let why = "this model reads no pictures: choose one that does, or leave them out";
            return Err(ModelError::InvalidRequest(why.to_owned()));
        }
        let answer = Shared::answer(&self.shared, Arc::new(request)).await?;
        let events = futures::stream::unfold(answer, |mut answer| async move {
            let event = answer.next().await?;
            Some((event, answer))
        });
        Ok(events.boxed())
    }

    fn release(&self, key: &str) {
        self.shared.kept.release(key);
    }
}

impl Shared {
    /// An answer that has begun, from whichever upstream gives one.
    async fn answer(this: &Arc<Shared>, request: Arc<SampleRequest>) -> Result<Answer, ModelError> {
        let sticky = request.cache_key.as_deref().unwrap_or(&request.key);
        let order = this.order(sticky);
        let (mut round, mut last) = (0, None);
        loop {
            let mut soonest: Option<Instant> = None;
            let (mut all_open, mut all_unfit) = (true, true);
            for endpoint in &order {
                let now = (this.surroundings.now)();
                let permit = match endpoint.breaker.enter(now) {
                    Ok(permit) => permit,
                    Err(denied) => {
                        all_open &= denied.is_open;
                        all_unfit = false;
                        soonest = Some(soonest.map_or(denied.until, |s| s.min(denied.until)));
                        continue;
                    }
                };
                all_open = false;
                match Shared::ask(this, endpoint, &request, permit).await {
                    Ok(answer) => return Ok(answer),
                    Err(fault @ (Fault::Final(_) | Fault::Filtered)) => {
                        return Err(this.redacted(fault.given_up()));
                    }
                    Err(fault) => {
                        all_unfit &= matches!(fault, Fault::Unfit(_));
                        this.log(endpoint, &fault);
                        soonest = Some(this.after(endpoint, &fault, soonest));
                        last = Some(fault);
                    }
                }
            }
            let now = (this.surroundings.now)();
            let rest = soonest.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
            let pause = this.pause(round).max(rest);
            round += 1;
            let limits = &this.config.limits;
            if all_open || all_unfit || round > limits.retries_max || pause > limits.pause_max() {
                return Err(this.redacted(given_up(last, rest, all_open)));
            }
            (this.surroundings.sleep)(pause).await;
        }
    }

    /// When a round may begin again, after this fault.
    fn after(&self, endpoint: &Endpoint, fault: &Fault, soonest: Option<Instant>) -> Instant {
        let now = (self.surroundings.now)();
        let at = match fault {
            Fault::Limited { retry_after, .. } => {
                let after =
                    retry_after.unwrap_or(Duration::from_millis(self.config.limits.pause_ms));
                let until = now + after;
                endpoint.breaker.rest(until);
                until
            }
            _ => now,
        };
        soonest.map_or(at, |soonest| soonest.min(at))
    }

    /// The upstreams of this conversation, the best one first. Rendezvous hashing: when one comes or
    /// goes, only its own conversations move.
    fn order(&self, key: &str) -> Vec<Arc<Endpoint>> {
        let mut order = self.endpoints.clone();
        order.sort_by_cached_key(|e| std::cmp::Reverse(weight(key, e.url.as_str())));
        order
    }

    fn pause(&self, round: u32) -> Duration {
        let full = self.config.limits.pause_ms.saturating_mul(1 << round.min(20));
        let full = full.min(self.config.limits.pause_ms_max);
        let mut jitter = self.jitter.lock().unwrap_or_else(|e| e.into_inner());
        Duration::from_millis(full / 2 + jitter.random_range(0..=full.div_ceil(2)))
    }

    /// One request, once more for each field that the upstream turns out not to know.
    async fn ask(
        this: &Arc<Shared>,
        endpoint: &Arc<Endpoint>,
        request: &Arc<SampleRequest>,
        permit: Permit,
    ) -> Result<Answer, Fault> {
        let window = this.config.context_window;
        let mut without = endpoint.refused();
        without.extend(this.config.omit.iter().cloned());
        let output_tokens_max = Some(request.output_tokens_max).filter(|tokens| *tokens < window);
        let mut fields = Fields { without, output_tokens_max };
        for _ in 0..=body::OPTIONAL.len() {
            match Shared::ask_once(this, endpoint, request, &fields).await {
                Ok(answer) => {
                    permit.succeeded();
                    return Ok(answer);
                }
                Err(Fault::Refused { field, for_good }) => {
                    tracing::warn!(upstream = %endpoint.name, "asked again without `{field}`");
                    if for_good {
                        endpoint.refuses(field.clone());
                    }
                    fields.without.insert(field);
                }
                Err(Fault::OutputLimit) if fields.output_tokens_max.is_some() => {
                    fields.output_tokens_max = None;
                }
                Err(fault @ Fault::Passing(_)) => {
                    permit.failed((this.surroundings.now)());
                    return Err(fault);
                }
                // It answers, though not with what we want.
                Err(fault) => {
                    permit.succeeded();
                    return Err(fault);
                }
            }
        }
        Err(Fault::Passing("it refuses one field after the other".into()))
    }

    async fn ask_once(
        this: &Arc<Shared>,
        endpoint: &Arc<Endpoint>,
        request: &Arc<SampleRequest>,
        fields: &Fields,
    ) -> Result<Answer, Fault> {
        let config = &this.config;
        let body = match config.api {
            Api::Chat => chat::request(config, request, fields),
            Api::Responses => responses::request(config, request, fields, &this.kept),
        };
        pixels::check(&body, &request.turns).map_err(Fault::Final)?;
        let mut limit = config.limits.first_byte();
        let mut deadline = tokio::time::Instant::now() + limit;
        let send = endpoint
            .client
            .post(endpoint.url.clone())
            .headers(this.headers.clone())
            .body(body.to_string())
            .send();
        let response = tokio::time::timeout_at(deadline, send).await.map_err(|_| silent(limit))?;
        let response = response.map_err(|e| Fault::Passing(causes(e)))?;
        if response.status().as_u16() != 200 {
            return Err(this.refusal(response, request, &body).await);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let streams = !kind.is_some_and(|kind| kind.starts_with("application/json"));
        let mut answer = Answer {
            shared: Arc::clone(this),
            endpoint: Arc::clone(endpoint),
            request: Arc::clone(request),
            reader: AnswerReader::new(config, request),
            response: Some(response),
            ready: VecDeque::new(),
            fault: None,
            whole: (!streams).then(Vec::new),
        };
        while !answer.reader.started() {
            let read = tokio::time::timeout_at(deadline, answer.read()).await;
            match read.map_err(|_| silent(limit))? {
                // Its first word and its fault came together.
                Err(fault) if answer.reader.started() => {
                    answer.response = None;
                    answer.fault = Some(fault);
                }
                read => read?,
            }
            limit = config.limits.idle();
            deadline = tokio::time::Instant::now() + limit;
        }
        Ok(answer)
    }

    async fn refusal(
        &self,
        mut response: Response,
        request: &SampleRequest,
        body: &Value,
    ) -> Fault {
        let status = response.status().as_u16();
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let now = (self.surroundings.wall)();
        let pause =
            errors::retry_after(header(RETRY_AFTER.as_str()), header("retry-after-ms"), now);
        let mut text = vec![];
        let read = async {
            while let Ok(Some(bytes)) = response.chunk().await {
                text.extend_from_slice(&bytes);
                if text.len() >= ERROR_BYTES_MAX {
                    break;
                }
            }
        };
        // An error that does not come to its end is still an error.
        let _ = tokio::time::timeout(USAGE_WAIT_MAX, read).await;
        text.truncate(ERROR_BYTES_MAX);
        let asked = Asked {
            context_window: self.config.context_window,
            input_tokens: reader::estimate_request(request),
        };
        errors::of_status(status, pause, &String::from_utf8_lossy(&text), asked, body)
    }

    /// What stands behind a colon is the upstream's, and may be somebody's words.
    fn log(&self, endpoint: &Endpoint, fault: &impl std::fmt::Display) {
        let text = fault.to_string();
        let text = self.key.as_ref().map_or(text.clone(), |key| key.redact(&text));
        let kind = text.split_once(": ").map_or(text.as_str(), |(kind, _)| kind);
        tracing::warn!(upstream = %endpoint.name, "{kind}");
        tracing::debug!(upstream = %endpoint.name, "{text}");
    }

    fn redacted(&self, error: ModelError) -> ModelError {
        let Some(key) = &self.key else { return error };
        match error {
            ModelError::InvalidRequest(text) => ModelError::InvalidRequest(key.redact(&text)),
            ModelError::Unavailable(text) => ModelError::Unavailable(key.redact(&text)),
            ModelError::BrokeOff(text) => ModelError::BrokeOff(key.redact(&text)),
            ModelError::Internal(text) => ModelError::Internal(key.redact(&text)),
            other => other,
        }
    }
}

/// `rest` is what is left of a pause, `all_open` that nobody was even asked.
fn given_up(last: Option<Fault>, rest: Duration, all_open: bool) -> ModelError {
    match last {
        Some(fault) => fault.given_up(),
        None if all_open => {
            let seconds = rest.as_secs_f64().ceil();
            ModelError::Unavailable(format!(
                "it has failed too often and is left alone; try again in {seconds}s"
            ))
        }
        None => ModelError::RateLimited { retry_after: Some(rest) },
    }
}

/// FNV-1a with a finalizer, the same on every machine.
fn weight(key: &str, url: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in key.bytes().chain([0]).chain(url.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// An error with what led to it: reqwest says "error sending request" and hides the rest below.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(", ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text.replace(": ", ", ")
}
