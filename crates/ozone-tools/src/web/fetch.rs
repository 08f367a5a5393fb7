//! Pages from the open web, politely and within limits.
//!
//! Each hop of a page is one that [`Egress`] lets through, that the request's domains allow and that
//! the site's `robots.txt` does not forbid. A host is asked a few times at once and then at a pace.
//! What a server says with a 429 or a 5xx is not its last word: it is asked again, when it says so.
//! Whatever comes, an answer has an end: in bytes as sent, in bytes unpacked, in time.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ozone_web::mark_id;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use super::robots::Robots;
use crate::egress::{Egress, EgressError, Hop};

/// Hosts whose pace is remembered.
const HOSTS_MAX: usize = 10_000;
const CACHED_MAX: usize = 1_000;

/// What fetching may use up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FetchLimits {
    /// Of one page, as sent and unpacked.
    pub bytes_max: usize,
    /// For one page with its redirects, retries and waits.
    pub time_max: Duration,
    pub redirects_max: usize,
    /// Pages that are fetched at once.
    pub at_once_max: usize,
    /// After a 429, a 5xx or a broken connection.
    pub retries_max: u32,
    /// Before the first retry where the server names none; doubled for each further one.
    pub retry_pause: Duration,
    /// A server that asks for a longer wait is not waited for.
    pub retry_after_max: Duration,
    /// Between two requests to a host, after the first `burst`.
    pub pause: Duration,
    pub burst: u32,
    pub cache_bytes_max: usize,
    /// For how long a page is not fetched again.
    pub fresh: Duration,
}

impl Default for FetchLimits {
    fn default() -> Self {
        FetchLimits {
            bytes_max: 32 << 20,
            time_max: Duration::from_secs(30),
            redirects_max: 5,
            at_once_max: 16,
            retries_max: 2,
            retry_pause: Duration::from_millis(500),
            retry_after_max: Duration::from_secs(10),
            pause: Duration::from_millis(250),
            burst: 8,
            cache_bytes_max: 64 << 20,
            fresh: Duration::from_secs(15 * 60),
        }
    }
}

/// Why a page was not fetched, in words for the model.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{url} was not fetched: {source}")]
    Egress {
        url: String,
        #[source]
        source: EgressError,
    },
    #[error("{url} may not be opened: only pages of {domains} may")]
    Elsewhere { url: String, domains: String },
    #[error("{url} is not in the cache, and this request allows no other access to the web")]
    NotCached { url: String },
    #[error("{url} was not fetched: its site does not want it ({why})")]
    Unwanted { url: String, why: String },
    #[error("{url} answered {status}{after}")]
    Status { url: String, status: StatusCode, after: String },
    #[error("{url} was not fetched: it took longer than {max:?}")]
    TimedOut { url: String, max: Duration },
    #[error("{url} leads from redirect to redirect")]
    TooManyRedirects { url: String },
    #[error("{url} was not read: {why}")]
    Packed { url: String, why: String },
}

/// What a request lets a page be fetched from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// These hosts and those below them; empty means all.
    pub domains: Vec<String>,
    /// Nothing is fetched: what is cached is all there is.
    pub only_cached: bool,
}

impl Allowed {
    pub fn allows(&self, url: &str) -> bool {
        if self.domains.is_empty() {
            return true;
        }
        let parsed = Url::parse(url).ok();
        let Some(host) = parsed.as_ref().and_then(|url| url.host_str()) else { return false };
        let is_below = |domain: &str| {
            host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
        };
        self.domains.iter().any(|domain| is_below(domain))
    }

    /// `Err` says which pages may.
    pub fn check(&self, url: &str) -> Result<(), FetchError> {
        match self.allows(url) {
            true => Ok(()),
            false => {
                let domains = self.domains.join(", ");
                Err(FetchError::Elsewhere { url: url.to_owned(), domains })
            }
        }
    }
}

/// What an address gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// Where the redirects led.
    pub url: String,
    pub media_type: Option<String>,
    pub bytes: Vec<u8>,
    /// What was left out, and why.
    pub cut: Option<String>,
}

/// Fetches pages. Any number may ask at once.
pub struct Fetcher {
    egress: Egress,
    limits: FetchLimits,
    robots: Option<Robots>,
    places: Semaphore,
    /// By host: when its next request would begin if all kept their distance.
    paces: Mutex<HashMap<String, Instant>>,
    cache: Mutex<Cache>,
}

impl Fetcher {
    /// `heeds_robots`: a site's `robots.txt` is read and kept.
    pub fn new(egress: Egress, limits: FetchLimits, heeds_robots: bool) -> Fetcher {
        Fetcher {
            egress,
            limits,
            robots: heeds_robots.then(Robots::default),
            places: Semaphore::new(limits.at_once_max.max(1)),
            paces: Mutex::default(),
            cache: Mutex::default(),
        }
    }

    /// The page of an address.
    pub async fn get(&self, url: &str, allowed: &Allowed) -> Result<Arc<Fetched>, FetchError> {
        let parsed = self.egress.url(url);
        let mut parsed = parsed.map_err(|source| FetchError::Egress { url: plain(url), source })?;
        parsed.set_fragment(None);
        let asked = parsed.to_string();
        if let Some(known) = self.cached(&asked, allowed) {
            return Ok(known);
        }
        if allowed.only_cached {
            return Err(FetchError::NotCached { url: asked });
        }
        let max = self.limits.time_max;
        let fetching = async {
            let _place = self.places.acquire().await;
            self.follow(parsed, allowed).await
        };
        let fetched = tokio::time::timeout(max, fetching).await;
        let (fetched, may_keep) =
            fetched.map_err(|_| FetchError::TimedOut { url: asked.clone(), max })??;
        let fetched = Arc::new(fetched);
        if may_keep {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.put(&asked, &fetched, self.limits.cache_bytes_max);
            cache.put(&fetched.url, &fetched, self.limits.cache_bytes_max);
        }
        Ok(fetched)
    }

    fn cached(&self, url: &str, allowed: &Allowed) -> Option<Arc<Fetched>> {
        let age_max = (!allowed.only_cached).then_some(self.limits.fresh);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(url, age_max).filter(|known| allowed.allows(&known.url))
    }

    /// The address of a page that was fetched, by its mark.
    pub fn by_mark(&self, mark: &str) -> Option<String> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.kept.values().map(|kept| &kept.page.url).find(|url| mark_id(url) == mark).cloned()
    }

    /// With whether it may be cached.
    async fn follow(&self, first: Url, allowed: &Allowed) -> Result<(Fetched, bool), FetchError> {
        let mut url = first.clone();
        for _ in 0..=self.limits.redirects_max {
            allowed.check(url.as_str())?;
            let mut pause = self.limits.pause;
            if let Some(robots) = &self.robots {
                let rule = robots.rule(&url, |url| self.try_hard(url, None)).await?;
                if let Err(why) = rule.check(&url) {
                    return Err(FetchError::Unwanted { url: url.to_string(), why });
                }
                pause = rule.pause.unwrap_or(pause).max(pause);
            }
            match self.try_hard(url, Some(pause)).await? {
                Got::Page(page) if page.status.is_success() => {
                    return Ok((page.fetched, page.may_keep));
                }
                Got::Page(page) => {
                    let (url, after) = (page.fetched.url, String::new());
                    return Err(FetchError::Status { url, status: page.status, after });
                }
                Got::Redirect(next) => url = next,
            }
        }
        Err(FetchError::TooManyRedirects { url: first.to_string() })
    }

    /// One hop, with its retries. Where there is no `pause`, it waits for nobody.
    async fn try_hard(&self, url: Url, pause: Option<Duration>) -> Result<Got, FetchError> {
        let mut retries = 0;
        loop {
            if let Some(pause) = pause {
                tokio::time::sleep_until(self.turn(&url, pause)).await;
            }
            let got = self.try_once(&url).await;
            let left = retries < self.limits.retries_max;
            let wait = match &got {
                Ok(Got::Page(page)) if is_passing(page.status) => page.retry_after,
                Err(FetchError::Egress { source: EgressError::Http { .. }, .. }) if left => None,
                _ => return got,
            };
            let own = self.limits.retry_pause * 2u32.saturating_pow(retries);
            let wait = wait.unwrap_or(own);
            if !left || wait > self.limits.retry_after_max {
                return got.and_then(|got| Err(got.given_up(wait)));
            }
            retries += 1;
            tokio::time::sleep(wait).await;
        }
    }

    /// When this host may be asked next.
    fn turn(&self, url: &Url, pause: Duration) -> Instant {
        let now = Instant::now();
        // A site that names a delay of its own means between any two.
        let ahead = if pause > self.limits.pause { 0 } else { self.limits.burst };
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        if paces.len() >= HOSTS_MAX {
            paces.retain(|_, next| *next > now);
        }
        let next = paces.entry(url.authority().to_owned()).or_insert(now);
        let own = (*next).max(now);
        *next = own + pause;
        own.checked_sub(pause * ahead).map_or(now, |early| early.max(now))
    }

    async fn try_once(&self, url: &Url) -> Result<Got, FetchError> {
        let failed = |source| FetchError::Egress { url: url.to_string(), source };
        let mut request = self.egress.request(Method::GET, url.clone());
        let accept = "text/html, text/plain, text/csv, application/json, */*;q=0.5";
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(accept));
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let response = match self.egress.hop(request).await.map_err(failed)? {
            Hop::Redirect(next) => return Ok(Got::Redirect(next.url().clone())),
            Hop::Answer(response) => response,
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let mut fetched = Fetched {
            url: url.to_string(),
            media_type: text(header::CONTENT_TYPE).map(str::to_owned),
            bytes: vec![],
            cut: None,
        };
        if status.is_success() {
            let max = self.limits.bytes_max;
            let (sent, is_cut) = body(response, max).await.map_err(failed)?;
            let encoding = text(header::CONTENT_ENCODING).unwrap_or_default().to_lowercase();
            fetched.bytes = unpacked(url, &encoding, sent, max).await?;
            fetched.cut = is_cut.then(|| format!("only the first {max} bytes of it"));
        }
        let may_keep = !text(header::CACHE_CONTROL).unwrap_or_default().contains("no-store");
        Ok(Got::Page(Answer { status, retry_after: retry_after(&headers), may_keep, fetched }))
    }
}

/// What one hop gave.
pub(super) enum Got {
    Page(Answer),
    Redirect(Url),
}

pub(super) struct Answer {
    pub status: StatusCode,
    retry_after: Option<Duration>,
    may_keep: bool,
    pub fetched: Fetched,
}

impl Got {
    fn given_up(self, wait: Duration) -> FetchError {
        let (url, status) = match self {
            Got::Page(page) => (page.fetched.url, page.status),
            Got::Redirect(url) => (url.to_string(), StatusCode::FOUND),
        };
        let after = match status {
            StatusCode::TOO_MANY_REQUESTS => {
                format!(" and asks to wait {} s: use another source, or try later", wait.as_secs())
            }
            _ => ", also when asked again".to_owned(),
        };
        FetchError::Status { url, status, after }
    }
}

/// What may be over soon.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// In seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

/// As much as there is room for, and whether there was more.
async fn body(mut response: Response, max: usize) -> Result<(Vec<u8>, bool), EgressError> {
    let mut bytes = vec![];
    while let Some(chunk) = response.chunk().await.map_err(crate::egress::http)? {
        let room = max - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((bytes, true));
        }
    }
    Ok((bytes, false))
}

async fn unpacked(
    url: &Url,
    encoding: &str,
    sent: Vec<u8>,
    max: usize,
) -> Result<Vec<u8>, FetchError> {
    let failed = |why: String| FetchError::Packed { url: url.to_string(), why };
    match encoding {
        "" | "identity" => return Ok(sent),
        "gzip" | "x-gzip" => {}
        other => {
            let other: String = other.chars().take(40).collect();
            return Err(failed(format!("it is packed as `{other}`, which was not asked for")));
        }
    }
    let unpacking = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![];
        let unpacking = flate2::read::MultiGzDecoder::new(&sent[..]).take(max as u64 + 1);
        { unpacking }.read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = unpacking.await.map_err(|e| failed(e.to_string()))?;
    let bytes = bytes.map_err(|e| failed(format!("it cannot be unpacked ({e})")))?;
    match bytes.len() > max {
        true => Err(failed(format!("it unpacks to more than {max} bytes"))),
        false => Ok(bytes),
    }
}

/// An address as it was given, for a message.
fn plain(url: &str) -> String {
    url.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Pages by their addresses; the one that was used longest ago goes first.
#[derive(Default)]
struct Cache {
    kept: HashMap<String, Kept>,
    bytes: usize,
    uses: u64,
}

struct Kept {
    page: Arc<Fetched>,
    at: Instant,
    used: u64,
}

impl Cache {
    fn get(&mut self, url: &str, age_max: Option<Duration>) -> Option<Arc<Fetched>> {
        self.uses += 1;
        let kept = self.kept.get_mut(url)?;
        if age_max.is_some_and(|max| kept.at.elapsed() > max) {
            return None;
        }
        kept.used = self.uses;
        Some(kept.page.clone())
    }

    fn put(&mut self, url: &str, page: &Arc<Fetched>, bytes_max: usize) {
        self.remove(url);
        if page.bytes.len() > bytes_max / 2 {
            return;
        }
        self.uses += 1;
        self.bytes += page.bytes.len();
        let kept = Kept { page: page.clone(), at: Instant::now(), used: self.uses };
        self.kept.insert(url.to_owned(), kept);
        while self.bytes > bytes_max || self.kept.len() > CACHED_MAX {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(url, _)| url.clone()) else { break };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, url: &str) {
        if let Some(kept) = self.kept.remove(url) {
            self.bytes -= kept.page.bytes.len();
        }
    }
}
