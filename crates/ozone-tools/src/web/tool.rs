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
use ozone_web::{Browser, Found, Index, IndexError, Mistake, Page, fused, mark_id};
use serde::Deserialize;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::fetch::{Allowed, Fetcher};
use super::files::Files;
use super::read::{Documents, document_ending, read};
use super::search::Backend;
use super::{WebAction, WebCall, WebSeen, search};
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
    /// Without it PDFs and Office documents are only kept as files.
    pub documents: Option<Documents>,
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
        let document = match (&self.web.documents, document_ending(&fetched)) {
            (Some(documents), Some(ending)) => {
                Some(documents(format!("document.{ending}"), fetched.bytes.clone()).await)
            }
            _ => None,
        };
        let files = self.files.clone();
        let reading = blocking(move || read(&fetched, document, files.as_ref())).await?;
        let (page, kept) = reading.map_err(ToolError::Unavailable)?;
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

/// Of all three tools.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Arguments {
    id: Option<Value>,
    url: Option<String>,
    line: Option<i64>,
    lines: Option<i64>,
    pattern: Option<String>,
}

/// Which page a call means.
enum Wanted {
    Open(Arc<Page>),
    Address(String),
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ToolError> {
    spawn_blocking(job).await.map_err(|e| ToolError::Internal(Box::new(e)))
}

fn mistaken(mistake: Mistake) -> ToolError {
    ToolError::BadArguments(mistake.to_string())
}
