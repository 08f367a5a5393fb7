//! The journal of one response, as its writer and its readers hold it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use ozone_cost::LedgerLine;
use ozone_types::{Event, EventKind, Fold, FoldError, ResponseId};
use tokio::sync::watch;

use crate::{Append, Durability, Store, StoreError};

/// How many events a reader takes at a time.
const READ_AHEAD: usize = 256;
/// How many of the newest events readers in this process get without asking the store.
const TAIL_MAX: usize = 32;

/// The writer's side. It numbers the events and keeps what they amount to, so that the loop asks
/// it, and not a copy of its own, where the response stands.
pub struct Journal {
    store: Arc<dyn Store>,
    id: ResponseId,
    fold: Fold,
    /// An append failed: what is stored is read again before the next one.
    stale: bool,
    /// What the next append writes into the ledger.
    charges: Vec<LedgerLine>,
    tail: Arc<Tail>,
    written: watch::Sender<u64>,
}

impl Journal {
    /// Opens the journal of a stored response at its end.
    pub async fn open(store: Arc<dyn Store>, id: ResponseId) -> Result<Self, StoreError> {
        let fold = read(&*store, &id).await?;
        Ok(Journal::at(store, id, fold))
    }

    /// The journal of a response that was stored just now, and has no events yet.
    pub fn new(store: Arc<dyn Store>, id: ResponseId) -> Self {
        Journal::at(store, id, Fold::default())
    }

    fn at(store: Arc<dyn Store>, id: ResponseId, fold: Fold) -> Self {
        let written = watch::Sender::new(fold.next_sequence_number());
        let tail = Arc::default();
        Journal { store, id, fold, stale: false, charges: vec![], tail, written }
    }

    pub fn id(&self) -> &ResponseId {
        &self.id
    }

    pub fn fold(&self) -> &Fold {
        &self.fold
    }

    /// What is stored, read again after an append that failed.
    pub async fn stored(&mut self) -> Result<&Fold, StoreError> {
        if std::mem::take(&mut self.stale) {
            self.fold = read(&*self.store, &self.id).await?;
        }
        Ok(&self.fold)
    }

    /// Puts a line into the ledger with the next append, so that a step and what it cost are stored
    /// together or not at all.
    pub fn charge(&mut self, line: LedgerLine) {
        self.charges.push(line);
    }

    /// Appends events and records in one transaction; readers see them once they are stored. An
    /// event that would break the stream's rules is our own fault and is not stored.
    pub async fn append(
        &mut self,
        kinds: Vec<EventKind>,
        records: Vec<serde_json::Value>,
        durability: Durability,
    ) -> Result<(), StoreError> {
        self.stored().await?;
        self.stale = true;
        let events: Vec<Event> = (self.fold.next_sequence_number()..)
            .zip(kinds)
            .map(|(sequence_number, kind)| Event { kind, sequence_number })
            .collect();
        for event in &events {
            self.fold.push(event).map_err(broken)?;
        }
        let ledger = self.charges.clone();
        let newest = events[events.len().saturating_sub(TAIL_MAX)..].to_vec();
        self.store.append(&self.id, Append { events, records, ledger }, durability).await?;
        self.charges.clear();
        self.stale = false;
        self.tail.push(newest);
        self.written.send_replace(self.fold.next_sequence_number());
        Ok(())
    }

    /// A reader that starts at sequence number `from` and follows until the last event.
    pub fn lines(&self, from: u64) -> Lines {
        self.reader().lines(from)
    }

    /// Makes readers, also after the journal was moved into its run.
    pub fn reader(&self) -> Reader {
        Reader {
            store: self.store.clone(),
            id: self.id.clone(),
            tail: self.tail.clone(),
            written: self.written.subscribe(),
        }
    }

    pub async fn records(&self) -> Result<Vec<serde_json::Value>, StoreError> {
        self.store.records(&self.id).await
    }
}

async fn read(store: &dyn Store, id: &ResponseId) -> Result<Fold, StoreError> {
    let mut fold = Fold::default();
    loop {
        let events = store.events(id, fold.next_sequence_number(), READ_AHEAD).await?;
        for event in &events {
            fold.push(event).map_err(broken)?;
        }
        if events.len() < READ_AHEAD {
            return Ok(fold);
        }
    }
}

fn broken(e: FoldError) -> StoreError {
    StoreError::Internal(Box::new(e))
}

/// The newest events, once they are stored, for readers that keep up with the writer. They are in
/// order and without gaps.
#[derive(Default)]
struct Tail(Mutex<VecDeque<Event>>);

impl Tail {
    fn push(&self, events: Vec<Event>) {
        let mut tail = self.0.lock().unwrap_or_else(|e| e.into_inner());
        for event in events {
            // An append may have been stored though it was said to have failed.
            if tail.back().is_some_and(|last| last.sequence_number + 1 != event.sequence_number) {
                tail.clear();
            }
            if tail.len() == TAIL_MAX {
                tail.pop_front();
            }
            tail.push_back(event);
        }
    }

    /// Empty where the store must be asked.
    fn from(&self, next: u64) -> Vec<Event> {
        let tail = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let first = tail.front().map(|event| event.sequence_number);
        let Some(known) = first.and_then(|first| next.checked_sub(first)) else { return vec![] };
        tail.iter().skip(usize::try_from(known).unwrap_or(usize::MAX)).cloned().collect()
    }
}

/// Makes readers of one journal.
#[derive(Clone)]
pub struct Reader {
    store: Arc<dyn Store>,
    id: ResponseId,
    tail: Arc<Tail>,
    written: watch::Receiver<u64>,
}

impl Reader {
    /// For a journal that nobody writes any more: its lines end where it ends.
    pub fn of_stored(store: Arc<dyn Store>, id: ResponseId) -> Self {
        Reader { store, id, tail: Arc::default(), written: watch::Sender::new(0).subscribe() }
    }

    /// A reader that starts at sequence number `from` and follows until the last event.
    pub fn lines(&self, from: u64) -> Lines {
        Lines {
            store: self.store.clone(),
            id: self.id.clone(),
            tail: self.tail.clone(),
            next: from,
            ready: vec![].into_iter(),
            ended: false,
            written: self.written.clone(),
        }
    }

    pub async fn records(&self) -> Result<Vec<serde_json::Value>, StoreError> {
        self.store.records(&self.id).await
    }

    /// What was journaled so far.
    pub async fn fold(&self) -> Result<Fold, StoreError> {
        read(&*self.store, &self.id).await
    }
}

/// A reader of one journal. It ends after the last event, or when the writer is gone.
pub struct Lines {
    store: Arc<dyn Store>,
    id: ResponseId,
    tail: Arc<Tail>,
    next: u64,
    ready: std::vec::IntoIter<Event>,
    ended: bool,
    written: watch::Receiver<u64>,
}

impl Lines {
    pub async fn next(&mut self) -> Result<Option<Event>, StoreError> {
        loop {
            if let Some(event) = self.ready.next() {
                self.next = event.sequence_number + 1;
                self.ended = event.kind.terminal().is_some();
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            let writer_gone = self.written.wait_for(|written| *written > self.next).await.is_err();
            let mut events = self.tail.from(self.next);
            if events.is_empty() {
                events = self.store.events(&self.id, self.next, READ_AHEAD).await?;
            }
            if events.is_empty() && writer_gone {
                return Ok(None);
            }
            self.ready = events.into_iter();
        }
    }
}
