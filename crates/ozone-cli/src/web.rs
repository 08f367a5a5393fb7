//! `[web]` of the configuration: what models may search, and what they may open.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ozone_files::Reader;
use ozone_store::passages::terms;
use ozone_tools::egress::{Beyond, Egress, IpNet};
use ozone_tools::web::fetch::{FetchLimits, Fetcher};
use ozone_tools::web::search::{Backend, Engine};
use ozone_tools::web::{Document, Documents, Web};
use ozone_web::{Index, IndexError, Refreshed, Site};
use serde::Deserialize;

use crate::config::Config;
use crate::failure::Failure;

/// How often the folders are looked at while the server runs.
const REFRESH: Duration = Duration::from_secs(10);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebEntry {
    site: Vec<SiteEntry>,
    search: Vec<SearchEntry>,
    /// Whether pages of the open web are opened. Default: if a search engine finds them.
    fetch: Option<bool>,
    /// Whether a site's robots.txt is heeded.
    robots: Option<bool>,
    /// Between two requests to one host, after the first few.
    pause_ms: Option<u64>,
    /// Names that stand for an address and port of the operator's.
    hosts: BTreeMap<String, SocketAddr>,
}

/// One `[[web.site]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteEntry {
    folder: PathBuf,
    /// The address of the folder.
    url: Option<String>,
}

/// One `[[web.search]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchEntry {
    kind: Engine,
    url: Option<String>,
    api_key_env: Option<String>,
}

/// `[web]`, checked as far as that takes no look at anything.
#[derive(Debug, Default)]
pub struct WebConfig {
    sites: Vec<Site>,
    search: Vec<SearchEntry>,
    fetch: Option<bool>,
    robots: bool,
    pause: Option<Duration>,
    hosts: BTreeMap<String, SocketAddr>,
}

impl WebConfig {
    fn fetches(&self) -> bool {
        self.fetch.unwrap_or(!self.search.is_empty())
    }
}

impl WebEntry {
    /// Paths of a file are relative to its folder.
    pub fn checked(self, folder: &Path) -> Result<WebConfig, Failure> {
        let lower = |(name, address): (String, SocketAddr)| (name.to_lowercase(), address);
        Ok(WebConfig {
            fetch: self.fetch,
            robots: self.robots.unwrap_or(true),
            pause: self.pause_ms.map(Duration::from_millis),
            hosts: self.hosts.into_iter().map(lower).collect(),
            sites: WebEntry::sites(self.site, folder)?,
            search: self.search,
        })
    }

    fn sites(entries: Vec<SiteEntry>, folder: &Path) -> Result<Vec<Site>, Failure> {
        let site = |entry: SiteEntry| {
            let parsed = entry.url.as_deref().map(str::parse).transpose();
            let url: Option<url::Url> = parsed.map_err(|e| {
                let url = entry.url.clone().unwrap_or_default();
                Failure::usage(format!("[[web.site]]: `{url}` is no address of a site ({e})"))
            })?;
            if let Some(url) = url.as_ref().filter(|url| !matches!(url.scheme(), "http" | "https"))
            {
                let why = "write one such as https://intranet.example/";
                return Err(Failure::usage(format!("[[web.site]]: `{url}`: {why}")));
            }
            Ok(Site { folder: folder.join(entry.folder), url })
        };
        entries.into_iter().map(site).collect()
    }
}

/// What is configured of the web; `None` where nothing is. Blocks while new pages of sites are read.
pub fn open(config: &Config) -> Result<Option<Arc<Web>>, Failure> {
    let web = &config.web;
    let wrong = |what: &str, e: &dyn std::fmt::Display| Failure::usage(format!("{what}: {e}"));
    let networks = networks(&config.reachable_networks)?;
    let beyond = Beyond { networks, hosts: web.hosts.clone(), ..Beyond::default() };
    let backends = web.search.iter().map(|entry| backend(entry, beyond.clone()));
    let backends: Vec<Backend> = backends.collect::<Result<_, _>>()?;
    let fetcher = match web.fetches() {
        true => {
            let egress = Egress::to(beyond).map_err(|e| wrong("[web]", &e))?;
            let own = FetchLimits::default();
            let limits = FetchLimits { pause: web.pause.unwrap_or(own.pause), ..own };
            Some(Fetcher::new(egress, limits, web.robots))
        }
        false => None,
    };
    let index = index(config)?;
    let is_empty = index.is_none() && backends.is_empty() && fetcher.is_none();
    let documents = Some(documents(crate::files::reader()?));
    Ok((!is_empty).then(|| Arc::new(Web { index, backends, fetcher, documents })))
}

/// PDFs and Office documents of the web are read as a user's are.
fn documents(reader: Reader) -> Documents {
    Arc::new(move |name, bytes| {
        let reader = reader.clone();
        Box::pin(async move {
            let read = reader.document(&name, bytes.into()).await;
            let read = read.map_err(|e| format!("the reader did not start ({e})"))?;
            let document = read.map_err(|why| why.to_string())?;
            let parts = document.parts.into_iter().map(|part| (part.label(), part.text));
            Ok(Document { parts: parts.collect(), notes: document.notes })
        })
    })
}

/// What of it works, for a person.
pub fn probe(config: &Config) -> Vec<Result<String, String>> {
    let web = match open(config) {
        Ok(Some(web)) => web,
        Ok(None) => return vec![],
        Err(e) => return vec![Err(e.to_string())],
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return vec![Err(e.to_string())],
    };
    let pages = web.index.iter().map(|index| Ok(format!("{} pages of own sites", index.pages())));
    let searches = web.backends.iter().map(|backend| {
        let found = runtime.block_on(backend.search("weather", 5, &[]));
        let told = found.map(|found| format!("{} gives {} results", backend.name(), found.len()));
        told.map_err(|e| e.to_string())
    });
    pages.chain(searches).collect()
}

fn backend(entry: &SearchEntry, beyond: Beyond) -> Result<Backend, Failure> {
    let SearchEntry { kind, url, api_key_env } = entry;
    let wrong = |why: String| Failure::usage(format!("[[web.search]] {kind:?}: {why}"));
    let Some(url) = url.as_deref().or(kind.url()) else {
        return Err(wrong("give its address, as url = \"http://127.0.0.1:8888/\"".into()));
    };
    let key = match api_key_env {
        Some(name) => match std::env::var(name) {
            Ok(key) if !key.trim().is_empty() => Some(key.trim().to_owned()),
            _ => return Err(wrong(format!("the environment variable {name} holds no key"))),
        },
        None if kind.needs_key() => {
            return Err(wrong("name the variable that holds its key, as api_key_env".into()));
        }
        None => None,
    };
    Backend::new(*kind, url, key.as_deref(), beyond).map_err(|e| wrong(e.to_string()))
}

/// Those of `reachable_networks`.
pub fn networks(spelt: &[String]) -> Result<Vec<IpNet>, Failure> {
    let network = |text: &String| {
        let address = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
        text.parse().ok().or_else(address).ok_or_else(|| {
            Failure::usage(format!(
                "`reachable_networks`: `{text}` is no network; write one as 10.0.0.0/8"
            ))
        })
    };
    spelt.iter().map(network).collect()
}

/// The index of the configured sites, up to date.
fn index(config: &Config) -> Result<Option<Arc<Index>>, Failure> {
    if config.web.sites.is_empty() {
        return Ok(None);
    }
    let path = config.data_dir()?.join("web.index");
    let (index, refreshed) =
        Index::open(path, config.web.sites.clone(), terms).map_err(|e| unusable(&e))?;
    tell(&refreshed);
    Ok(Some(Arc::new(index)))
}

/// Keeps the index up to date until it is dropped.
pub async fn keep_fresh(index: Arc<Index>) {
    loop {
        tokio::time::sleep(REFRESH).await;
        let own = index.clone();
        match tokio::task::spawn_blocking(move || own.refresh()).await {
            Ok(Ok(refreshed)) if refreshed.read + refreshed.gone > 0 => tell(&refreshed),
            Ok(Ok(_)) => {}
            Ok(Err(e)) => tracing::warn!("the pages of [web] are as they were: {}", unusable(&e)),
            Err(_) => return,
        }
    }
}

fn tell(refreshed: &Refreshed) {
    let Refreshed { pages, read, gone, unreadable } = refreshed;
    tracing::info!("{pages} pages; {read} files read, {gone} gone, {unreadable} are no pages");
}

fn unusable(error: &IndexError) -> Failure {
    let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})"));
    Failure::usage(format!("[web]: {error}{}", cause.unwrap_or_default()))
}
