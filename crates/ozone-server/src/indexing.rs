//! Files on their way into the index of a vector store, in the background.
//!
//! A file is read part by part, and what was read of it goes into the index before the rest is read:
//! the first page of a long document is found while the last one is still to come, and the file's
//! card says how far it is. Each piece first looks whether its file is still wanted. A file that
//! cannot be read to its end leaves nothing in the index, and one that a killed process left
//! half-indexed is indexed anew at the next start.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ozone_files::{Part, Said, Unit, Unreadable};
use ozone_store::Change;
use ozone_store::passages::{Chunking, Passage, Source};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::app::App;
use crate::error::{ApiError, causes};
use crate::vector_stores::{PENDING, Shelf, chunking_of};

/// Passages that go into the index in one transaction: journals wait for it.
const PASSAGES_AT_ONCE: usize = 32;
/// What was read waits no longer than this for more to go along with.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// What is missing of a file is told so often.
const NOTES_MAX: usize = 20;

impl App {
    /// Goes on with what a process that is gone had to index.
    pub async fn resume_indexing(self: &Arc<Self>) -> Result<(), ApiError> {
        for pending in self.store.all_documents(PENDING).await? {
            let file = pending.body["file"].as_str().unwrap_or_default().to_owned();
            let run = pending.body["run"].clone();
            self.tasks.spawn(self.clone().index(pending.tenant, pending.parent, file, run));
        }
        Ok(())
    }

    /// Indexes one file, whatever becomes of others.
    pub async fn index(self: Arc<Self>, tenant: String, store: String, file: String, run: Value) {
        let work = async {
            // Nobody closes it.
            let _place = self.indexing.acquire().await;
            self.index_file(&tenant, &store, &file, &run).await
        };
        let failed = tokio::select! {
            done = work => done,
            // The next start goes on.
            () = self.draining.cancelled() => return,
        };
        let Err(failed) = failed else { return };
        let (code, message) = match &failed {
            NotIndexed::Unwanted => return,
            NotIndexed::Unreadable(Unreadable::Unsupported(why)) => ("unsupported_file", why),
            NotIndexed::Unreadable(Unreadable::Invalid(why)) => ("invalid_file", why),
            NotIndexed::Failed(e) => {
                tracing::error!("{file} in {store}: {}", causes(e));
                ("server_error", &"The file could not be indexed.".to_owned())
            }
        };
        let failed = self.step(&tenant, &store, &file, &run, |card| {
            card["view"]["status"] = json!("failed");
            card["view"]["last_error"] = json!({ "code": code, "message": message });
            card["view"]["usage_bytes"] = json!(0);
            vec![Change::DeletePassages { shelf: store.clone(), file: Some(file.clone()) }]
        });
        match failed.await {
            Ok(()) | Err(NotIndexed::Unwanted | NotIndexed::Unreadable(_)) => {}
            Err(NotIndexed::Failed(e)) => tracing::error!("{file} in {store}: {}", causes(&e)),
        }
    }

    /// One change of a file that is being indexed, if it is still wanted.
    async fn step(
        &self,
        tenant: &str,
        store: &str,
        file: &str,
        run: &Value,
        change: impl FnOnce(&mut Value) -> Vec<Change>,
    ) -> Result<(), NotIndexed> {
        let mut shelf = match Shelf::open_living(self, tenant, store).await {
            Err(ApiError::NotFound { .. } | ApiError::Invalid { .. }) => {
                return Err(NotIndexed::Unwanted);
            }
            shelf => shelf?,
        };
        let before = shelf.file(file).await?.filter(|card| is_wanted(card, run));
        let Some(before) = before else { return Err(NotIndexed::Unwanted) };
        let mut after = before.clone();
        let changes = change(&mut after);
        shelf.set(file, Some(&before), Some(after)).await?;
        shelf.changes.extend(changes);
        shelf.commit().await?;
        Ok(())
    }

    async fn index_file(
        &self,
        tenant: &str,
        store: &str,
        file: &str,
        run: &Value,
    ) -> Result<(), NotIndexed> {
        let card = self.vector_store_file(tenant, store, file).await?;
        let card = card.filter(|card| is_wanted(card, run)).ok_or(NotIndexed::Unwanted)?;
        let bytes = self.store.bytes(file).await.map_err(ApiError::from)?.ok_or_else(|| {
            NotIndexed::Unreadable(Unreadable::Invalid("The file was deleted.".into()))
        })?;
        let name = card["filename"].as_str().unwrap_or("file").to_owned();
        let source = Source { shelf: store.to_owned(), file: file.to_owned() };
        let mut index = Index::new(source, chunking_of(&card["view"]));
        let mut reading =
            self.reader.begin(&name, bytes.into()).await.map_err(ApiError::internal)?;
        while let Some(said) = reading.next().await.map_err(ApiError::internal)? {
            match said {
                Said::Begins { parts, .. } => index.progress.parts = parts,
                Said::Part(part) => {
                    index = blocking(move || index.take(&part)).await?;
                    while index.is_due() {
                        let piece = index.piece();
                        self.step(tenant, store, file, run, |card| piece.note(card)).await?;
                    }
                }
                Said::Note { text } => index.notes.push(text),
                Said::Refused { why } => return Err(NotIndexed::Unreadable(why)),
                Said::Picture { .. } | Said::Ended => {}
            }
        }
        index.ended = true;
        loop {
            let piece = index.piece();
            let is_last = piece.is_last;
            self.step(tenant, store, file, run, |card| piece.note(card)).await?;
            if is_last {
                return Ok(());
            }
        }
    }
}

/// What was read of a file and is not in the index yet.
struct Index {
    source: Source,
    chunking: Chunking,
    /// With the bytes of text that they add.
    waiting: VecDeque<(Passage, usize)>,
    put: u64,
    put_at: Instant,
    progress: Progress,
    notes: Vec<String>,
    /// Nothing more will be read.
    ended: bool,
}

/// How far a file is: in parts, where it has some, or in bytes of its text.
#[derive(Clone, Default)]
struct Progress {
    unit: Option<Unit>,
    /// Of the document, where that is known.
    parts: Option<u32>,
    parts_read: u32,
    text_bytes: usize,
    text_bytes_put: usize,
}

impl Progress {
    fn shown(&self, ended: bool) -> Value {
        match self.unit {
            None | Some(Unit::Text) => {
                json!({ "unit": "byte", "done": self.text_bytes_put, "of": self.text_bytes })
            }
            Some(unit) => {
                let of = if ended { Some(self.parts_read) } else { self.parts };
                json!({ "unit": unit, "done": self.parts_read, "of": of })
            }
        }
    }
}

/// What goes into the index at once.
struct Piece {
    changes: Vec<Change>,
    bytes: usize,
    progress: Value,
    notes: Vec<String>,
    is_first: bool,
    is_last: bool,
}

impl Index {
    fn new(source: Source, chunking: Chunking) -> Self {
        Index {
            source,
            chunking,
            waiting: VecDeque::new(),
            put: 0,
            put_at: Instant::now(),
            progress: Progress::default(),
            notes: vec![],
            ended: false,
        }
    }

    /// Cuts a part to passages. None holds text of two parts, so each has one page.
    fn take(mut self, part: &Part) -> Self {
        let heading = part.entry.as_ref().map(|entry| format!("File: {entry}\n"));
        let text = heading.unwrap_or_default() + &part.text;
        for (piece, overlap) in self.chunking.cut(&text) {
            let passage = Passage::new(piece, overlap).on_page(part.page());
            self.waiting.push_back((passage, piece.len() - overlap));
        }
        let progress = &mut self.progress;
        // Of an archive, its members are counted.
        progress.unit = Some(progress.unit.unwrap_or(part.unit));
        progress.parts_read += 1;
        progress.text_bytes += text.len();
        self
    }

    fn is_due(&self) -> bool {
        let is_old = self.put_at.elapsed() > WAIT_MAX;
        self.waiting.len() >= PASSAGES_AT_ONCE || is_old && !self.waiting.is_empty()
    }

    fn piece(&mut self) -> Piece {
        let count = self.waiting.len().min(PASSAGES_AT_ONCE);
        let (passages, new): (Vec<Passage>, Vec<usize>) = self.waiting.drain(..count).unzip();
        let is_first = self.put == 0;
        let is_last = self.ended && self.waiting.is_empty();
        let Source { shelf, file } = self.source.clone();
        // What a killed process left.
        let before = is_first.then_some(Change::DeletePassages { shelf, file: Some(file) });
        let bytes = passages.iter().map(|passage| passage.text().len()).sum();
        let put = Change::PutPassages { source: self.source.clone(), from: self.put, passages };
        self.put += count as u64;
        self.put_at = Instant::now();
        self.progress.text_bytes_put += new.iter().sum::<usize>();
        if is_last {
            // Blanks between passages are in none.
            self.progress.text_bytes_put = self.progress.text_bytes;
        }
        self.notes.truncate(NOTES_MAX);
        let changes = before.into_iter().chain([put]).collect();
        let (progress, notes) = (self.progress.shown(is_last), self.notes.clone());
        Piece { changes, bytes, progress, notes, is_first, is_last }
    }
}

impl Piece {
    /// Notes on the file's card what goes in.
    fn note(self, card: &mut Value) -> Vec<Change> {
        let view = &mut card["view"];
        let used = if self.is_first { 0 } else { view["usage_bytes"].as_u64().unwrap_or(0) };
        view["usage_bytes"] = json!(used + self.bytes as u64);
        view["x_progress"] = self.progress;
        if !self.notes.is_empty() {
            view["x_notes"] = json!(self.notes);
        }
        if self.is_last {
            view["status"] = json!("completed");
        }
        self.changes
    }
}

/// Why a file did not come to its end.
enum NotIndexed {
    /// It was deleted, cancelled or replaced meanwhile.
    Unwanted,
    Unreadable(Unreadable),
    Failed(ApiError),
}

impl From<ApiError> for NotIndexed {
    fn from(e: ApiError) -> Self {
        NotIndexed::Failed(e)
    }
}

fn is_wanted(card: &Value, run: &Value) -> bool {
    card["run"] == *run && card["view"]["status"] == "in_progress"
}

/// Runs what takes a processor for long. A panic in there is our fault, and one file's alone.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
}
