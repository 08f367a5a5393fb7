//! Search engines that the operator has, each by its own HTTP API.
//!
//! What a backend says against a request is told as it is: that nothing was found and that nothing
//! was looked for are two things, and a model that takes one for the other gives up too early.

use std::fmt;
use std::time::Duration;

use ozone_web::{Found, plain_text};
use reqwest::header::{self, HeaderName, HeaderValue};
use reqwest::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::egress::{Beyond, Egress, EgressError, body};

const TIME_MAX: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MAX: usize = 4 << 20;
const SNIPPET_CHARS_MAX: usize = 300;
const CAUSE_CHARS_MAX: usize = 300;
/// More domains than this would make a query of nothing else.
const SITES_MAX: usize = 5;

/// The kinds of search engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    Searxng,
    Brave,
    Tavily,
    Exa,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Engine::Searxng => "SearXNG",
            Engine::Brave => "Brave",
            Engine::Tavily => "Tavily",
            Engine::Exa => "Exa",
        }
    }

    /// Where it is, unless the operator says otherwise. `None`: everybody runs their own.
    pub fn url(self) -> Option<&'static str> {
        match self {
            Engine::Searxng => None,
            Engine::Brave => Some("https://api.search.brave.com/"),
            Engine::Tavily => Some("https://api.tavily.com/"),
            Engine::Exa => Some("https://api.exa.ai/"),
        }
    }

    pub fn needs_key(self) -> bool {
        self != Engine::Searxng
    }
}

/// Why a backend gave nothing, in words for the model and the operator.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("{0} could not be asked: {1}")]
    Egress(&'static str, #[source] EgressError),
    #[error("{0} did not answer within {TIME_MAX:?}")]
    TimedOut(&'static str),
    #[error(
        "SearXNG refused (403 Forbidden): its JSON format is off; its operator must add `json` to \
         `search.formats` of its settings.yml"
    )]
    JsonIsOff,
    #[error("{name} refused ({status}){cause}")]
    Refused { name: &'static str, status: StatusCode, cause: String },
    #[error("{0} answered with something else than results: {1}")]
    NotResults(&'static str, String),
    #[error("SearXNG's own engines failed: {0}")]
    EnginesFailed(String),
}

/// A search engine with its address and its key.
pub struct Backend {
    engine: Engine,
    url: Url,
    key: Option<HeaderValue>,
    egress: Egress,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({:?} at {})", self.engine, self.url)
    }
}

impl Backend {
    /// The operator named the URL, so it may be anywhere.
    pub fn new(
        engine: Engine,
        url: &str,
        key: Option<&str>,
        beyond: Beyond,
    ) -> Result<Backend, EgressError> {
        let bad = |why: String| EgressError::BadUrl(why);
        let mut url = Url::parse(url).map_err(|e| bad(format!("no URL: {e}")))?;
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        let trusted = url.host_str().map(str::to_owned);
        let egress = Egress::to(Beyond { trusted, ..beyond })?;
        egress.url(url.as_str())?;
        let value = |key: &str| match engine {
            Engine::Searxng | Engine::Tavily => HeaderValue::from_str(&format!("Bearer {key}")),
            Engine::Brave | Engine::Exa => HeaderValue::from_str(key),
        };
        let key = key.map(value).transpose();
        let mut key = key.map_err(|_| bad("its key holds what no header may".into()))?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        Ok(Backend { engine, url, key, egress })
    }

    /// As people know it.
    pub fn name(&self) -> &'static str {
        self.engine.name()
    }

    /// The best first, at most `max`. Of other domains than these there may be some, too.
    pub async fn search(
        &self,
        query: &str,
        max: usize,
        domains: &[String],
    ) -> Result<Vec<Found>, SearchError> {
        let asking = self.ask(query, max, domains);
        let asked = tokio::time::timeout(TIME_MAX, asking).await;
        asked.unwrap_or(Err(SearchError::TimedOut(self.engine.name())))
    }

    async fn ask(
        &self,
        query: &str,
        max: usize,
        domains: &[String],
    ) -> Result<Vec<Found>, SearchError> {
        let name = self.engine.name();
        let failed = |e| SearchError::Egress(name, e);
        let request = self.request(query, max, domains).map_err(failed)?;
        let response = self.egress.send(request).await.map_err(failed)?;
        let status = response.status();
        let bytes = body(response, ANSWER_BYTES_MAX).await.map_err(failed)?;
        if self.engine == Engine::Searxng && status == StatusCode::FORBIDDEN {
            return Err(SearchError::JsonIsOff);
        }
        if !status.is_success() {
            return Err(SearchError::Refused { name, status, cause: cause(&bytes) });
        }
        let answer: Value = serde_json::from_slice(&bytes)
            .map_err(|e| SearchError::NotResults(name, e.to_string()))?;
        let mut found = self.found(&answer).ok_or_else(|| {
            SearchError::NotResults(name, "there is no list of results in it".to_owned())
        })?;
        if found.is_empty()
            && let Some(engines) = failed_engines(&answer)
        {
            return Err(SearchError::EnginesFailed(engines));
        }
        found.truncate(max);
        Ok(found)
    }

    fn request(&self, query: &str, max: usize, domains: &[String]) -> Result<Request, EgressError> {
        // Engines without a filter of their own read it from the query.
        let sites: Vec<String> = domains.iter().map(|domain| format!("site:{domain}")).collect();
        let narrowed = match sites.len() {
            1..=SITES_MAX => format!("{query} {}", sites.join(" OR ")),
            _ => query.to_owned(),
        };
        let at = |path: &str| {
            self.url.join(path).map_err(|e| EgressError::BadUrl(format!("no URL: {e}")))
        };
        let key = |name: HeaderName| self.key.clone().map(|key| (name, key));
        let (url, body, key) = match self.engine {
            Engine::Searxng => {
                let mut url = at("search")?;
                url.query_pairs_mut().append_pair("q", &narrowed).append_pair("format", "json");
                (url, None, key(header::AUTHORIZATION))
            }
            Engine::Brave => {
                let mut url = at("res/v1/web/search")?;
                let count = max.clamp(1, 20).to_string();
                url.query_pairs_mut().append_pair("q", &narrowed).append_pair("count", &count);
                (url, None, key(HeaderName::from_static("x-subscription-token")))
            }
            Engine::Tavily => {
                let body = json!({"query": query, "max_results": max.clamp(1, 20),
                    "include_domains": domains});
                (at("search")?, Some(body), key(header::AUTHORIZATION))
            }
            Engine::Exa => {
                let mut body = json!({"query": query, "numResults": max.clamp(1, 25),
                    "contents": {"text": {"maxCharacters": SNIPPET_CHARS_MAX}}});
                if !domains.is_empty() {
                    body["includeDomains"] = json!(domains);
                }
                (at("search")?, Some(body), key(HeaderName::from_static("x-api-key")))
            }
        };
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut request = self.egress.request(method, url);
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.extend(key);
        if let Some(body) = body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }
        Ok(request)
    }

    fn found(&self, answer: &Value) -> Option<Vec<Found>> {
        let (list, snippet, date): (_, &[&str], &[&str]) = match self.engine {
            Engine::Searxng => (answer.get("results"), &["content"], &["publishedDate"]),
            // Where nothing was found there is no `web`.
            Engine::Brave => match answer.get("web") {
                Some(web) => (web.get("results"), &["description"], &["page_age", "age"]),
                None => return answer.get("type").map(|_| vec![]),
            },
            Engine::Tavily => (answer.get("results"), &["content"], &["published_date"]),
            Engine::Exa => (answer.get("results"), &["text", "summary"], &["publishedDate"]),
        };
        let text = |result: &Value, keys: &[&str]| {
            let said = keys.iter().find_map(|key| result.get(key)?.as_str().map(str::to_owned));
            said.unwrap_or_default()
        };
        let found = list?.as_array()?.iter().filter_map(|result| {
            let url = Url::parse(result.get("url")?.as_str()?).ok()?;
            let url = url.scheme().starts_with("http").then(|| url.to_string())?;
            let title = plain_text(&text(result, &["title"]), SNIPPET_CHARS_MAX);
            let date: String = text(result, date).chars().take(10).collect();
            Some(Found {
                title: if title.is_empty() { url.clone() } else { title },
                url,
                snippet: plain_text(&text(result, snippet), SNIPPET_CHARS_MAX),
                date: (!date.is_empty()).then(|| plain_text(&date, 10)),
                score: 0.0,
            })
        });
        Some(found.collect())
    }
}

/// What the server says about it, as far as it is words.
fn cause(bytes: &[u8]) -> String {
    let said: Option<Value> = serde_json::from_slice(bytes).ok();
    let said = said.and_then(|said| {
        let places = ["/detail/error", "/error/detail", "/error/message", "/error", "/message"];
        places
            .iter()
            .chain(&["/detail"])
            .find_map(|at| said.pointer(at)?.as_str().map(str::to_owned))
    });
    said.map(|said| format!(": {}", plain_text(&said, CAUSE_CHARS_MAX))).unwrap_or_default()
}

/// SearXNG's list of engines that did not answer, as `google: timeout, bing: CAPTCHA`.
fn failed_engines(answer: &Value) -> Option<String> {
    let engines = answer.get("unresponsive_engines")?.as_array()?.iter().filter_map(|pair| {
        let (name, why) = (pair.get(0)?.as_str()?, pair.get(1)?.as_str()?);
        Some(format!("{name}: {why}"))
    });
    let engines: Vec<String> = engines.take(10).collect();
    (!engines.is_empty()).then(|| plain_text(&engines.join(", "), CAUSE_CHARS_MAX))
}
