//! The documents of a question: what the model is shown of them, and its tools for the rest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ozone_files::{Reader, Unreadable};
use ozone_store::passages::{Chunking, Passage, Search, Source, Weights};
use ozone_store::{Change, Library as _, MemoryStore};
use ozone_tools::documents::{Documents, document_tools};
use ozone_tools::file_search::{Searcher, Searching};
use ozone_tools::{FileSearchTool, Tool, ToolError};
use ozone_types::FoundPassage;
use tokio::sync::OnceCell;

use crate::failure::Failure;

/// Of one document's text in the question; the rest is read with tools.
const SHOWN_BYTES_MAX: usize = 32 << 10;
const FOUND_MAX: usize = 12;
/// Pages of a PDF that become pictures where no page is named.
const PAGES_MAX: u32 = 4;
/// Of a page's longer side: small print stays readable.
pub const PAGE_SIDE_PX: u32 = 2400;
const SHELF: &str = "documents";
const MORE: &str = "Read on with file_open, file_find and file_search, or with Python.";
const NO_MORE: &str = "There are no tools to read the rest.";

/// Notes the documents in a response's folder, and puts what can be read of them behind the
/// question.
pub async fn begin(
    files: &[PathBuf],
    folder: &Path,
    reader: Reader,
    context_window: u64,
    has_tools: bool,
) -> Result<String, Failure> {
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let names: Vec<String> = files.iter().filter_map(name).collect();
    let documents = Documents::begin(folder, names, reader)?;
    // All together take at most a quarter of the context, at four bytes a token.
    let mut room = usize::try_from(context_window).unwrap_or(usize::MAX);
    let mut text = String::new();
    for name in documents.names() {
        let shown = match documents.document(name).await {
            Ok(document) => {
                let more = if has_tools { MORE } else { NO_MORE };
                ozone_files::shown(&document, name, room.min(SHOWN_BYTES_MAX), more)
            }
            Err(ToolError::BadArguments(why)) => format!("[{why}]"),
            Err(e) => return Err(Failure::new(e.to_string())),
        };
        room = room.saturating_sub(shown.len());
        text.push_str("\n\n");
        text.push_str(&shown);
    }
    Ok(text)
}

/// The tools for the documents of a folder, if it holds any of a question.
pub fn tools(folder: &Path, reader: &Reader) -> Vec<Box<dyn Tool>> {
    let Some(documents) = Documents::open(folder, reader.clone()) else { return vec![] };
    let mut tools = document_tools(&documents);
    let index = Arc::new(Index { documents, store: OnceCell::new() });
    let searcher: Searcher = Arc::new(move |queries| {
        let index = index.clone();
        Box::pin(async move { index.search(&queries).await }) as Searching
    });
    tools.push(Box::new(FileSearchTool::new(searcher)));
    tools
}

/// The passages of a question's documents, indexed at the first search.
struct Index {
    documents: Documents,
    store: OnceCell<MemoryStore>,
}

impl Index {
    async fn store(&self) -> Result<&MemoryStore, ToolError> {
        self.store
            .get_or_try_init(|| async {
                let store = MemoryStore::default();
                for name in self.documents.names() {
                    let document = match self.documents.document(name).await {
                        Ok(document) => document,
                        // What cannot be read is not found; opening it says why.
                        Err(ToolError::BadArguments(_)) => continue,
                        Err(e) => return Err(e),
                    };
                    let put = tokio::task::spawn_blocking({
                        let name = name.clone();
                        move || {
                            let chunking = Chunking::default();
                            let passages = document.parts.iter().flat_map(|part| {
                                chunking.cut(&part.text).map(move |(text, overlap)| {
                                    Passage::new(text, overlap).on_page(part.page())
                                })
                            });
                            let passages = passages.collect();
                            let source = Source { shelf: SHELF.to_owned(), file: name };
                            Change::PutPassages { source, from: 0, passages }
                        }
                    });
                    let put = put.await.map_err(|e| ToolError::Internal(Box::new(e)))?;
                    store.apply(vec![put]).await.map_err(|e| ToolError::Internal(Box::new(e)))?;
                }
                Ok(store)
            })
            .await
    }

    async fn search(&self, queries: &[String]) -> Result<Vec<FoundPassage>, ToolError> {
        let store = self.store().await?;
        let mut best: Vec<(FoundPassage, u64)> = vec![];
        for query in queries {
            let search = Search {
                shelf: SHELF.to_owned(),
                query: query.clone(),
                vector: None,
                weights: Weights::default(),
                files: None,
                limit: FOUND_MAX,
            };
            let hits = store.search(search).await;
            for hit in hits.map_err(|e| ToolError::Internal(Box::new(e)))? {
                let is_it = |(found, number): &&mut (FoundPassage, u64)| {
                    found.file_id == hit.file && *number == hit.number
                };
                match best.iter_mut().find(is_it) {
                    Some((known, _)) => known.score = known.score.max(hit.score),
                    None => {
                        let found = FoundPassage {
                            file_id: hit.file.clone(),
                            filename: hit.file,
                            score: hit.score,
                            attributes: serde_json::Map::new(),
                            text: hit.text,
                            page: hit.page,
                        };
                        best.push((found, hit.number));
                    }
                }
            }
        }
        best.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
        best.truncate(FOUND_MAX);
        Ok(best.into_iter().map(|(found, _)| found).collect())
    }
}

/// A picture as it was named on the command line: a file, or the page of a PDF behind a `#`.
pub fn page_of(path: &Path) -> Option<(PathBuf, Option<u32>)> {
    let text = path.to_str()?;
    let is_pdf = |path: &str| path.to_lowercase().ends_with(".pdf");
    match text.rsplit_once('#') {
        Some((file, page)) if is_pdf(file) => Some((file.into(), Some(page.parse().ok()?))),
        _ if is_pdf(text) => Some((path.to_owned(), None)),
        _ => None,
    }
}

/// Draws pages of a PDF into a folder, and gives the pictures' names: the page that was named, or
/// the first few.
pub async fn draw(
    pdf: &Path,
    page: Option<u32>,
    folder: &Path,
    reader: &Reader,
) -> Result<Vec<PathBuf>, Failure> {
    let say = |e: &dyn std::fmt::Display| Failure::usage(format!("{}: {e}", pdf.display()));
    let bytes: Arc<[u8]> = crate::files::read(pdf)?.into();
    let stem = pdf.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut names = vec![];
    let (mut at, mut last) = (page.unwrap_or(1), page.unwrap_or(PAGES_MAX));
    while at <= last {
        let drawn = reader.picture(bytes.clone(), at, PAGE_SIDE_PX).await?;
        let (png, pages) = drawn.map_err(|why: Unreadable| say(&why))?;
        let name = PathBuf::from(format!("{stem}-page-{at}.png"));
        std::fs::write(folder.join(&name), png)?;
        names.push(name);
        if page.is_none() && at == 1 && pages > PAGES_MAX {
            eprintln!(
                "note: pages 1 to {PAGES_MAX} of {pages} become pictures; name another one with \
                 -i {}#7",
                pdf.display()
            );
        }
        last = last.min(pages);
        at += 1;
    }
    Ok(names)
}
