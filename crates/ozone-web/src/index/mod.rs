//! An index of one's own over folders of saved pages.
//!
//! It is one file on disk with each page's terms and text ([`file`]), and postings in memory. Pages
//! whose file has not changed are copied from the index before, so that keeping up costs what has
//! changed. BM25 ranks; words of a title count more. An engine such as tantivy would serve millions
//! of pages; for what folders hold a table of postings is faster to build and to load.

mod file;
mod walk;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use url::Url;

use crate::browser::mark_id;
use crate::page::{Page, Unreadable};
use file::{Entry, Stored};

/// What splits a text into the terms that are looked for.
pub type Terms = fn(&str) -> Vec<String>;

/// The most different terms of a query that count.
const QUERY_TERMS_MAX: usize = 32;
/// The parameters of BM25, as they are mostly set (Robertson and Zaragoza, 2009).
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// Reciprocal ranks of several queries are fused with it (Cormack et al., 2009).
pub(crate) const RANK_OFFSET: f64 = 60.0;
/// Ranks of each query that are fused.
const RANKS_MAX: usize = 100;
const SNIPPET_CHARS: usize = 300;

/// A folder of pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub folder: PathBuf,
    /// The address of the folder. Without one a page's address is the one that it was saved from,
    /// or that of its file.
    pub url: Option<Url>,
}

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the folder {path} cannot be read")]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the index {path} cannot be written")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the page of {url} cannot be read any more")]
    Gone {
        url: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the page of {url} cannot be read: {source}")]
    Unreadable { url: String, source: Unreadable },
}

/// A page that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub url: String,
    pub title: String,
    /// What the page says about it.
    pub snippet: String,
    /// As whoever found it says, mostly `2026-05-31`.
    pub date: Option<String>,
    pub score: f64,
}

/// What keeping up has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshed {
    pub pages: usize,
    /// Files that were read.
    pub read: usize,
    /// Pages that are gone.
    pub gone: usize,
    /// Files that are no pages.
    pub unreadable: usize,
}

/// Finds pages. Any number of threads may search while one keeps it up to date.
pub struct Index {
    path: PathBuf,
    sites: Vec<Site>,
    terms: Terms,
    state: RwLock<Arc<State>>,
    refreshing: Mutex<()>,
}

/// The index as it was when it was loaded.
#[derive(Default)]
struct State {
    stored: Stored,
    by_url: HashMap<String, usize>,
    /// By term: pages, by their place, and how often they have it.
    postings: HashMap<String, Vec<(u32, u16)>>,
    pages: usize,
    length_mean: f64,
}

impl Index {
    /// Loads the index from its file, if there is one, and brings it up to date.
    pub fn open(
        path: impl Into<PathBuf>,
        sites: Vec<Site>,
        terms: Terms,
    ) -> Result<(Index, Refreshed), IndexError> {
        let path = path.into();
        let state = RwLock::new(Arc::new(State::load(&path)));
        let index = Index { path, sites, terms, state, refreshing: Mutex::new(()) };
        let refreshed = index.refresh()?;
        Ok((index, refreshed))
    }

    /// Brings the index up to date with the folders.
    pub fn refresh(&self) -> Result<Refreshed, IndexError> {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.state();
        let files = walk::files(&self.sites)?;
        let (refreshed, has_changed) =
            file::renew(&self.path, &before.stored, &self.sites, &files, self.terms)?;
        if has_changed {
            let state = Arc::new(State::load(&self.path));
            *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        }
        Ok(Refreshed { pages: self.state().pages, ..refreshed })
    }

    /// The pages that fit these queries best, each once, best first. `is_wanted` is asked of their
    /// addresses.
    pub fn search(
        &self,
        queries: &[String],
        limit: usize,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Vec<Found> {
        let state = self.state();
        let mut fused: HashMap<u32, f64> = HashMap::new();
        let mut looked_for: Vec<String> = vec![];
        for query in queries {
            let mut wanted: Vec<String> = vec![];
            for term in (self.terms)(query) {
                if !wanted.contains(&term) && wanted.len() < QUERY_TERMS_MAX {
                    wanted.push(term);
                }
            }
            for (rank, page) in state.ranked(&wanted, &is_wanted).into_iter().enumerate() {
                *fused.entry(page).or_default() += 1.0 / (RANK_OFFSET + rank as f64 + 1.0);
            }
            looked_for.extend(wanted);
        }
        let mut best: Vec<(u32, f64)> = fused.into_iter().collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        best.truncate(limit);
        let found = |(page, score): (u32, f64)| {
            let entry = &state.stored.entries[page as usize];
            let snippet = snippet(&state.stored.text(entry), &looked_for);
            Found { url: entry.url.clone(), title: entry.title.clone(), snippet, date: None, score }
        };
        best.into_iter().map(found).collect()
    }

    /// The page of an address as its file has it now; `None` where there is no such page.
    pub fn page(&self, url: &str) -> Result<Option<Page>, IndexError> {
        let state = self.state();
        let Some(at) = spellings(url).iter().find_map(|url| state.by_url.get(url).copied()) else {
            return Ok(None);
        };
        let entry = &state.stored.entries[at];
        file::page(entry).map(Some)
    }

    /// The address of the page of this mark.
    pub fn by_mark(&self, mark: &str) -> Option<String> {
        let state = self.state();
        state.by_url.keys().find(|url| mark_id(url) == mark).cloned()
    }

    pub fn pages(&self) -> usize {
        self.state().pages
    }

    fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl State {
    fn load(path: &Path) -> State {
        let mut state = State::default();
        let mut length = 0;
        state.stored = Stored::load(path, |at, entry: &Entry, terms| {
            if entry.is_page && !state.by_url.contains_key(&entry.url) {
                state.by_url.insert(entry.url.clone(), at);
                length += u64::from(entry.length);
                for (term, count) in terms {
                    state.postings.entry(term).or_default().push((at as u32, count));
                }
            }
        });
        state.pages = state.by_url.len();
        state.length_mean = length as f64 / state.pages.max(1) as f64;
        state
    }

    /// The pages with any of these terms, best first.
    fn ranked(&self, wanted: &[String], is_wanted: &impl Fn(&str) -> bool) -> Vec<u32> {
        let mut scores: HashMap<u32, f64> = HashMap::new();
        for term in wanted {
            let Some(postings) = self.postings.get(term) else { continue };
            let (n, holding) = (self.pages as f64, postings.len() as f64);
            let idf = ((n - holding + 0.5) / (holding + 0.5)).ln_1p();
            for (page, count) in postings {
                let length = f64::from(self.stored.entries[*page as usize].length);
                let count = f64::from(*count);
                let damped = K1 * (1.0 - B + B * length / self.length_mean.max(1.0));
                *scores.entry(*page).or_default() += idf * count * (K1 + 1.0) / (count + damped);
            }
        }
        let mut ranked: Vec<(u32, f64)> = scores.into_iter().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let pages = ranked.into_iter().map(|(page, _)| page);
        pages
            .filter(|page| is_wanted(&self.stored.entries[*page as usize].url))
            .take(RANKS_MAX)
            .collect()
    }
}

/// How an address may be spelt: without its fragment, with or without the slash at its end, by
/// either scheme.
fn spellings(url: &str) -> Vec<String> {
    let Ok(mut parsed) = Url::parse(url) else { return vec![] };
    parsed.set_fragment(None);
    let mut all = vec![parsed.to_string()];
    let text = parsed.to_string();
    if let Some(bare) = text.strip_suffix('/') {
        all.push(bare.to_owned());
    } else if parsed.query().is_none() {
        all.push(format!("{text}/"));
    }
    for at in 0..all.len() {
        let other = match all[at].split_once("://") {
            Some(("https", rest)) => format!("http://{rest}"),
            Some(("http", rest)) => format!("https://{rest}"),
            _ => continue,
        };
        all.push(other);
    }
    all
}

/// The lines from the one on that has most of the terms. Terms are stems, which their words mostly
/// begin with.
fn snippet(text: &str, terms: &[String]) -> String {
    let held = |line: &str| {
        let line = line.to_lowercase();
        terms.iter().filter(|term| line.contains(term.as_str())).count()
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut best = (0, 0);
    for (at, line) in lines.iter().enumerate() {
        let count = held(line);
        if count > best.1 {
            best = (at, count);
        }
    }
    let from = lines[best.0.min(lines.len())..].join(" ");
    let mut cut: String = from.chars().take(SNIPPET_CHARS).collect();
    if cut.len() < from.len() {
        cut.push('…');
    }
    cut
}
