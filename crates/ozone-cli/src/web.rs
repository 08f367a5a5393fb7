//! `[web]` of the configuration: folders of pages that models may search and read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ozone_store::passages::terms;
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
}

/// One `[[web.site]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteEntry {
    folder: PathBuf,
    /// The address of the folder.
    url: Option<String>,
}

impl WebEntry {
    /// Paths of a file are relative to its folder.
    pub fn sites(self, folder: &Path) -> Result<Vec<Site>, Failure> {
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
        self.site.into_iter().map(site).collect()
    }
}

/// The index of the configured sites, up to date; `None` where there are none. Blocks while new
/// pages are read.
pub fn index(config: &Config) -> Result<Option<Arc<Index>>, Failure> {
    if config.sites.is_empty() {
        return Ok(None);
    }
    let path = config.data_dir()?.join("web.index");
    let (index, refreshed) =
        Index::open(path, config.sites.clone(), terms).map_err(|e| unusable(&e))?;
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
