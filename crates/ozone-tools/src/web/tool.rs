//! The three tools of one response, over one [`Browser`].
//!
//! A page is looked for among the operator's own, then fetched if that is allowed. What a call
//! showed of a page goes with its output, and an answer can cite only that. Whatever goes wrong with
//! a page is a text that the model reads.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::future::join_all;
use ozone_prompt::ToolSpec;
use ozone_types::{SeenLines, WebResult, WebSource};
use ozone_web::{Browser, Found, Index, IndexError, Mistake, Page, Unreadable, fused, mark_id};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::fetch::{Allowed, Fetched, Fetcher};
use super::files::Files;
use super::search::Backend;
use super::{Arguments, WebAction, WebCall, WebSeen, search};
use crate::file_search::queries;
use crate::{Call, OnText, Shown, Tool, ToolError, ToolOutput};

/// What models can search and open. All responses share it.
#[derive(Default)]
pub struct Web {
    /// Pages of the operator's own.
    pub index: Option<Arc<Index>>,
    pub backends: Vec<Backend>,
    /// Opens pages of the open web; without it only pages of the index are opened.
    pub fetcher: Option<Fetcher>,
}

/// How a response may look at pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOptions {
    pub allowed: Allowed,
    /// Of one search.
    pub results_max: usize,
    /// Where Python works: what was opened becomes files there.
    pub folder: Option<PathBuf>,
}

impl Default for WebOptions {
    fn default() -> Self {
        WebOptions { allowed: Allowed::default(), results_max: 10, folder: None }
    }
}

/// The tools of one response. Where there is nothing to search, there is no search.
pub fn tools(web: &Arc<Web>, options: &WebOptions) -> Vec<Box<dyn Tool>> {
    let searches = web.index.is_some() || !web.backends.is_empty();
    let look = Arc::new(Look {
        web: web.clone(),
        options: options.clone(),
        files: options.folder.clone().map(Files::of),
        browser: Mutex::default(),
        kept: Mutex::default(),
    });
    let tool = |call: WebCall| -> Box<dyn Tool> {
        Box::new(WebTool { call, spec: call.spec(), look: look.clone() })
    };
    let offered = WebCall::ALL.into_iter().filter(|call| searches || *call != WebCall::Search);
    offered.map(tool).collect()
}

struct WebTool {
    call: WebCall,
    spec: ToolSpec,
    look: Arc<Look>,
}

/// What one response has looked at.
struct Look {
    web: Arc<Web>,
    options: WebOptions,
    files: Option<Files>,
    browser: Mutex<Browser>,
    /// What was kept as files of which page, in words.
    kept: Mutex<HashMap<String, String>>,
}

#[async_trait]
impl Tool for WebTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn shown(&self) -> Shown {
        Shown::Web(self.call)
    }

    /// What was open is not any more; a page is found again by its mark or its address.
    fn resumed(&mut self, _: usize) {}

    async fn call(&mut self, call: Call, _: &mut OnText<'_>) -> Result<ToolOutput, ToolError> {
        let stopped = |text: String| ToolOutput { text, failed: true, ..ToolOutput::default() };
        let looking = self.look.clone().run(self.call, &call.arguments, call.output_chars_max);
        tokio::select! {
            looked = looking => looked,
            () = call.cancel.cancelled() => Ok(stopped("the call was stopped".into())),
            () = tokio::time::sleep(call.timeout) => {
                Ok(stopped(format!("the call was stopped after {:?}", call.timeout)))
            }
        }
    }
}

impl Look {
    async fn run(
        self: Arc<Self>,
        call: WebCall,
        given: &str,
        chars_max: usize,
    ) -> Result<ToolOutput, ToolError> {
        if call == WebCall::Search {
            return self.search(queries(given)?, chars_max).await;
        }
        let arguments: Arguments = serde_json::from_str(given).map_err(|e| {
            let why = format!("the arguments are not as they should be ({e})");
            ToolError::BadArguments(why)
        })?;
        let page = self.page(&arguments, call).await?;
        blocking(move || self.show(call, page, arguments, chars_max)).await?
    }

    async fn search(
        self: Arc<Self>,
        queries: Vec<String>,
        chars_max: usize,
    ) -> Result<ToolOutput, ToolError> {
        let (max, domains) = (self.options.results_max, &self.options.allowed.domains);
        let mut lists: Vec<Vec<Found>> = vec![];
        let mut notes: Vec<String> = vec![];
        if let Some(index) = self.web.index.clone() {
            let (look, queries) = (self.clone(), queries.clone());
            let allows = move |url: &str| look.options.allowed.allows(url);
            lists.push(blocking(move || index.search(&queries, max, allows)).await?);
        }
        if !self.options.allowed.only_cached {
            let asked = self.web.backends.iter().flat_map(|backend| {
                queries.iter().map(move |query| backend.search(query, max, domains))
            });
            for answer in join_all(asked).await {
                match answer {
                    Ok(found) => lists.push(found),
                    Err(e) => {
                        tracing::warn!("a search failed: {e}");
                        let note = format!("[Not everything was searched: {e}]");
                        notes.extend(Some(note).filter(|note| !notes.contains(note)));
                    }
                }
            }
        } else if !self.web.backends.is_empty() {
            notes.push("[Only pages kept here were searched: the request allows no more]".into());
        }
        for list in &mut lists {
            list.retain(|found| self.options.allowed.allows(&found.url));
        }
        // Whether nothing fits or nobody looked are two things.
        let was_searched = !lists.is_empty();
        let found = fused(lists, max);
        let shown = self.browser().results(&found, chars_max);
        let sources = shown.leads.iter().map(|lead| WebSource::Url { url: lead.url.clone() });
        let action = search(queries, sources.collect());
        let shown_of = found.into_iter().take(shown.leads.len()).map(|found| WebResult {
            url: found.url,
            title: found.title,
            snippet: found.snippet,
            date: found.date,
        });
        let web = Some(Box::new(WebSeen { action, lines: vec![], found: shown_of.collect() }));
        let text = match was_searched {
            true => std::iter::once(shown.text).chain(notes).collect::<Vec<_>>().join("\n"),
            false if notes.is_empty() => "there is nothing to search".to_owned(),
            false => notes.join("\n").replace("Not everything", "Nothing"),
        };
        Ok(ToolOutput { text, web, failed: !was_searched, ..ToolOutput::default() })
    }

    fn show(
        &self,
        call: WebCall,
        page: Arc<Page>,
        arguments: Arguments,
        chars_max: usize,
    ) -> Result<ToolOutput, ToolError> {
        let url = page.url.clone();
        let (mut shown, action) = if call == WebCall::Open {
            let kept = self.kept(&page).unwrap_or_default();
            let line = arguments.line.unwrap_or(1).max(1).unsigned_abs();
            let count = arguments.lines.map(|lines| lines.max(1).unsigned_abs());
            let room = chars_max.saturating_sub(kept.chars().count());
            let mut shown = self.browser().open(page, line, count, room).map_err(mistaken)?;
            shown.text.push_str(&kept);
            (shown, WebAction::OpenPage { url: Some(url) })
        } else {
            let pattern = arguments.pattern.unwrap_or_default();
            let shown = self.browser().find(page, &pattern, chars_max).map_err(mistaken)?;
            (shown, WebAction::FindInPage { url, pattern })
        };
        let lines = std::mem::take(&mut shown.lines).into_iter().map(|lines| SeenLines {
            mark: mark_id(&lines.url),
            url: lines.url,
            title: lines.title,
            first: lines.first,
            last: lines.last,
        });
        let web = Some(Box::new(WebSeen { action, lines: lines.collect(), found: vec![] }));
        Ok(ToolOutput { text: shown.text, web, ..ToolOutput::default() })
    }

    /// The page that a call speaks of.
    async fn page(&self, arguments: &Arguments, call: WebCall) -> Result<Arc<Page>, ToolError> {
        let url = match self.wanted(arguments, call)? {
            Wanted::Open(page) => return Ok(page),
            Wanted::Address(url) => url,
        };
        self.options.allowed.check(&url).map_err(|e| ToolError::Unavailable(e.to_string()))?;
        let known = self.browser().known(&url);
        if let Some(page) = known {
            return Ok(page);
        }
        if let Some(index) = self.web.index.clone() {
            let address = url.clone();
            match blocking(move || index.page(&address)).await? {
                Ok(Some(page)) => return Ok(Arc::new(page)),
                Ok(None) => {}
                Err(e @ (IndexError::Gone { .. } | IndexError::Unreadable { .. })) => {
                    return Err(ToolError::Unavailable(e.to_string()));
                }
                Err(ours) => return Err(ToolError::Internal(Box::new(ours))),
            }
        }
        let Some(fetcher) = &self.web.fetcher else {
            return Err(ToolError::Unavailable(format!(
                "{url} is not among the pages that can be opened here: those that `web_search` \
                 finds, and what they link to among themselves"
            )));
        };
        let fetched = fetcher.get(&url, &self.options.allowed).await;
        let fetched = fetched.map_err(|e| ToolError::Unavailable(e.to_string()))?;
        let files = self.files.clone();
        let (page, kept) = blocking(move || read(&fetched, files.as_ref())).await??;
        if let Some(kept) = kept {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(page.url.clone(), kept);
        }
        Ok(Arc::new(page))
    }

    fn wanted(&self, arguments: &Arguments, call: WebCall) -> Result<Wanted, ToolError> {
        let browser = self.browser();
        let id = arguments.id.as_ref().filter(|id| !id.is_null()).map(|id| match id {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let Some(wanted) = given(&arguments.url).or_else(|| given(&id)) else {
            return match browser.last().filter(|_| call == WebCall::Find) {
                Some(page) => Ok(Wanted::Open(page)),
                None => {
                    let why = r#"which page? Give its `id` or its `url`, such as {"id": "1"}"#;
                    Err(ToolError::BadArguments(why.into()))
                }
            };
        };
        let by_mark = |mark: &str| {
            let own = self.web.index.as_ref().and_then(|index| index.by_mark(mark));
            own.or_else(|| self.web.fetcher.as_ref()?.by_mark(mark))
        };
        let url = browser
            .address(&wanted)
            .or_else(|mistake| by_mark(wanted.trim()).ok_or_else(|| mistaken(mistake)))?;
        Ok(Wanted::Address(url))
    }

    /// What of a page Python finds as files, in words.
    fn kept(&self, page: &Page) -> Option<String> {
        let files = self.files.as_ref()?;
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let told = all.entry(page.url.clone()).or_insert_with(|| match files.tables(page) {
            Ok(tables) if tables.is_empty() => String::new(),
            Ok(tables) => {
                let each = tables.iter().map(|(name, rows)| format!("{name} ({rows} rows)"));
                let names: Vec<String> = each.collect();
                format!("\n[Its tables, for Python: {}]", names.join(", "))
            }
            Err(e) => format!("\n[Its tables could not be kept as files: {e}]"),
        });
        Some(told.clone())
    }

    fn browser(&self) -> MutexGuard<'_, Browser> {
        self.browser.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which page a call means.
enum Wanted {
    Open(Arc<Page>),
    Address(String),
}

/// The page that bytes are, and what of them Python finds as a file, in words. What is no text
/// becomes a page that says what it is, if it can be kept.
fn read(fetched: &Fetched, files: Option<&Files>) -> Result<(Page, Option<String>), ToolError> {
    let Fetched { url, media_type, bytes, cut } = fetched;
    let keep = |ending: &str| files.map(|files| files.keep(url, ending, bytes));
    let unusable = |why: &dyn std::fmt::Display| ToolError::Unavailable(format!("{url}: {why}"));
    let media = media_type.as_deref();
    let is_svg = media.is_some_and(|media| media.starts_with("image/svg"));
    let page = match is_svg {
        true => Err(Unreadable::Kind("a picture")),
        false => Page::read(url, media, bytes),
    };
    match page {
        Ok(mut page) => {
            let part = if cut.is_some() { ", cut like the page" } else { "" };
            let kept = data_ending(url, media).and_then(keep).map(|kept| match kept {
                Ok(name) => format!("\n[For Python: {name} ({} bytes{part})]", bytes.len()),
                Err(e) => format!("\n[It could not be kept as a file for Python: {e}]"),
            });
            page.cut = cut.clone().or(page.cut);
            Ok((page, kept))
        }
        Err(Unreadable::Empty) => Err(unusable(&Unreadable::Empty)),
        Err(e @ Unreadable::Kind(kind)) => {
            let (what, ending) = match picture(bytes).or(is_svg.then_some("svg")) {
                Some(ending) => ("a picture", ending),
                None if bytes.starts_with(b"%PDF") => ("a PDF", "pdf"),
                None => (kind, ending(url).unwrap_or("bin")),
            };
            if cut.is_some() {
                return Err(unusable(&format!(
                    "it is {what}, and {} bytes of it are too few",
                    bytes.len()
                )));
            }
            let name = match keep(ending) {
                None => return Err(unusable(&e)),
                Some(kept) => kept.map_err(|why| unusable(&format!("{e}, and not kept: {why}")))?,
            };
            let how = match what {
                "a picture" => format!(
                    "image tools open it by its name, such as {{\"image\": \"{name}\"}}, if there \
                     are any"
                ),
                _ => "its text is not read here".to_owned(),
            };
            let line =
                format!("It is {what} of {} bytes, kept for Python as {name}; {how}.", bytes.len());
            Ok((Page::described(url, vec![line]), Some(String::new())))
        }
    }
}

/// The ending of a file of data, which Python reads better than its page.
fn data_ending(url: &str, media_type: Option<&str>) -> Option<&'static str> {
    let media = media_type.map(|m| m.split(';').next().unwrap_or(m).trim().to_lowercase());
    let by_type = match media.as_deref() {
        Some("text/csv") => Some("csv"),
        Some("text/tab-separated-values") => Some("tsv"),
        Some("application/json") => Some("json"),
        Some("text/html" | "application/xhtml+xml") => return None,
        _ => None,
    };
    by_type.or_else(|| match ending(url)? {
        "csv" => Some("csv"),
        "tsv" => Some("tsv"),
        "json" => Some("json"),
        _ => None,
    })
}

/// Of the kinds that are worth a name.
fn ending(url: &str) -> Option<&'static str> {
    const KNOWN: &[&str] =
        &["csv", "tsv", "json", "zip", "gz", "xlsx", "xls", "ods", "docx", "pptx", "parquet", "db"];
    let path = url.split(['?', '#']).next().unwrap_or(url).to_lowercase();
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    KNOWN.iter().find(|known| **known == ending).copied()
}

/// The ending of a picture, by its first bytes.
fn picture(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 6] = [
        (b"\x89PNG", "png"),
        (b"\xff\xd8\xff", "jpg"),
        (b"GIF8", "gif"),
        (b"BM", "bmp"),
        (b"II*\0", "tif"),
        (b"MM\0*", "tif"),
    ];
    let known = kinds.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, ending)| *ending);
    known.or_else(|| (bytes.starts_with(b"RIFF") && bytes.get(8..12)? == b"WEBP").then_some("webp"))
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ToolError> {
    spawn_blocking(job).await.map_err(|e| ToolError::Internal(Box::new(e)))
}

fn mistaken(mistake: Mistake) -> ToolError {
    ToolError::BadArguments(mistake.to_string())
}
