//! The store of tests and of runs that shall leave nothing behind.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use ozone_types::{Event, ResponseId};
use rusqlite::Connection;

use crate::ledger::Books;
use crate::passages::{self, Hit, Piece, Search, Source};
use crate::{
    Append, Before, Change, Document, Durability, IsAlive, Library, Link, Order, Owner, Page,
    Store, StoreError, Stored, Unfinished,
};

#[derive(Default)]
pub struct MemoryStore {
    rows: Mutex<BTreeMap<ResponseId, Row>>,
    shelf: Mutex<Shelf>,
    books: Mutex<Books>,
    /// The index of passages is SQLite here, too: made when the first one comes.
    index: Mutex<Option<Connection>>,
}

/// Documents in the order in which they were added, and the bytes of files.
#[derive(Default)]
struct Shelf {
    documents: Vec<Document>,
    bytes: HashMap<String, Vec<u8>>,
}

impl Shelf {
    fn change(&mut self, change: Change) {
        match change {
            Change::Put(new) => {
                let same = |d: &&mut Document| is(d, &new.kind, &new.tenant, &new.id);
                match self.documents.iter_mut().find(same) {
                    Some(old) => *old = new,
                    None => self.documents.push(new),
                }
            }
            Change::Delete { kind, tenant, id } => {
                self.documents.retain(|d| !is(d, &kind, &tenant, &id));
            }
            Change::DeleteChildren { kind, tenant, parent } => self
                .documents
                .retain(|d| !(d.kind == kind && d.tenant == tenant && d.parent == parent)),
            Change::PutBytes { id, bytes } => {
                self.bytes.insert(id, bytes);
            }
            Change::DeleteBytes { id } => {
                self.bytes.remove(&id);
            }
            Change::PutPassages { .. } | Change::DeletePassages { .. } => {}
        }
    }
}

fn is_indexed(change: &Change) -> bool {
    matches!(change, Change::PutPassages { .. } | Change::DeletePassages { .. })
}

fn index(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::PutPassages { source, from, passages } => {
            passages::sql::put(connection, source, *from, passages)
        }
        Change::DeletePassages { shelf, file } => {
            passages::sql::delete(connection, shelf, file.as_deref())
        }
        Change::Put(_)
        | Change::Delete { .. }
        | Change::DeleteChildren { .. }
        | Change::PutBytes { .. }
        | Change::DeleteBytes { .. } => Ok(()),
    }
}

fn is(document: &Document, kind: &str, tenant: &str, id: &str) -> bool {
    document.kind == kind && document.tenant == tenant && document.id == id
}

struct Row {
    stored: Stored,
    events: Vec<Event>,
    records: Vec<serde_json::Value>,
    owner: Option<Owner>,
}

impl MemoryStore {
    fn with<T>(
        &self,
        id: &ResponseId,
        f: impl FnOnce(&mut Row) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut rows = self.rows.lock().unwrap_or_else(|e| e.into_inner());
        f(rows.get_mut(id).ok_or_else(|| StoreError::NotFound(id.clone()))?)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn index<T>(
        &self,
        f: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut place = self.index.lock().unwrap_or_else(|e| e.into_inner());
        let run = || {
            let connection = match place.take() {
                Some(connection) => connection,
                None => {
                    let connection = Connection::open_in_memory()?;
                    passages::sql::prepare(&connection)?;
                    connection
                }
            };
            f(place.insert(connection))
        };
        run().map_err(|e| StoreError::Internal(Box::new(e)))
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, stored: Stored) -> Result<(), StoreError> {
        let mut rows = self.rows.lock().unwrap_or_else(|e| e.into_inner());
        if rows.contains_key(&stored.id) {
            return Err(StoreError::Exists(stored.id));
        }
        let row = Row { stored: stored.clone(), events: vec![], records: vec![], owner: None };
        rows.insert(stored.id, row);
        Ok(())
    }

    async fn get(&self, id: &ResponseId) -> Result<Stored, StoreError> {
        self.with(id, |row| Ok(row.stored.clone()))
    }

    async fn list(&self, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let rows = self.rows.lock().unwrap_or_else(|e| e.into_inner());
        let mut all: Vec<Stored> = rows.values().map(|row| row.stored.clone()).collect();
        all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        all.truncate(limit);
        Ok(all)
    }

    async fn append(
        &self,
        id: &ResponseId,
        append: Append,
        _: Durability,
    ) -> Result<(), StoreError> {
        self.with(id, |row| {
            for (expected, event) in (row.events.len() as u64..).zip(&append.events) {
                let found = event.sequence_number;
                if found != expected {
                    return Err(StoreError::Conflict { id: id.clone(), expected, found });
                }
            }
            if let Some(last) = append.events.iter().rev().find_map(|e| e.kind.terminal()) {
                row.stored.status = last.status;
            }
            row.events.extend(append.events);
            row.records.extend(append.records);
            self.books().insert(append.ledger);
            Ok(())
        })
    }

    async fn events(
        &self,
        id: &ResponseId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.with(id, |row| {
            Ok(row.events.iter().skip(from as usize).take(limit).cloned().collect())
        })
    }

    async fn records(&self, id: &ResponseId) -> Result<Vec<serde_json::Value>, StoreError> {
        self.with(id, |row| Ok(row.records.clone()))
    }

    async fn claim(&self, id: &ResponseId, owner: Owner, alive: IsAlive) -> Result<(), StoreError> {
        self.with(id, |row| {
            if let Some(other) = row.owner.as_ref().filter(|o| **o != owner && alive(o)) {
                return Err(StoreError::Leased { id: id.clone(), owner: other.describe() });
            }
            row.owner = Some(owner);
            Ok(())
        })
    }
}

#[async_trait]
impl Library for MemoryStore {
    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut shelf = self.shelf();
        if changes.iter().any(is_indexed) {
            self.index(|connection| {
                let tx = connection.transaction()?;
                changes.iter().try_for_each(|change| index(&tx, change))?;
                tx.commit()
            })?;
        }
        changes.into_iter().for_each(|change| shelf.change(change));
        Ok(())
    }

    async fn document(
        &self,
        kind: &str,
        tenant: &str,
        id: &str,
    ) -> Result<Option<Document>, StoreError> {
        Ok(self.shelf().documents.iter().find(|d| is(d, kind, tenant, id)).cloned())
    }

    async fn documents(
        &self,
        kind: &str,
        tenant: &str,
        page: &Page,
    ) -> Result<Vec<Document>, StoreError> {
        let shelf = self.shelf();
        let mut all: Vec<&Document> =
            shelf.documents.iter().filter(|d| d.kind == kind && d.tenant == tenant).collect();
        if page.order == Order::Descending {
            all.reverse();
        }
        let start = match &page.after {
            None => 0,
            Some(after) => all.iter().position(|d| d.id == *after).map_or(all.len(), |at| at + 1),
        };
        let belongs = |d: &&&Document| page.parent.as_ref().is_none_or(|p| d.parent == *p);
        Ok(all[start..].iter().filter(belongs).take(page.limit).map(|d| (*d).clone()).collect())
    }

    async fn all_documents(&self, kind: &str) -> Result<Vec<Document>, StoreError> {
        Ok(self.shelf().documents.iter().filter(|d| d.kind == kind).cloned().collect())
    }

    async fn bytes(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.shelf().bytes.get(id).cloned())
    }

    async fn search(&self, search: Search) -> Result<Vec<Hit>, StoreError> {
        self.index(|connection| passages::sql::search(connection, &search))
    }

    async fn passages(
        &self,
        source: &Source,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Piece>, StoreError> {
        self.index(|connection| passages::sql::pieces(connection, source, from, limit))
    }

    async fn last_event(&self, id: &ResponseId) -> Result<Option<Event>, StoreError> {
        self.with(id, |row| Ok(row.events.last().cloned()))
    }

    async fn chain(
        &self,
        newest: &ResponseId,
        before: Before,
        limit: usize,
    ) -> Result<Vec<Link>, StoreError> {
        let (mut links, mut next) = (vec![], Some(newest.clone()));
        while let Some(id) = next.filter(|_| links.len() < limit) {
            let link = self.with(&id, |row| {
                let (stored, last) = (row.stored.clone(), row.events.last().cloned());
                Ok(Link { stored, last, records: row.records.clone() })
            });
            let Ok(link) = link else { break };
            next = before(&link.stored);
            links.push(link);
        }
        Ok(links)
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        let rows = self.rows.lock().unwrap_or_else(|e| e.into_inner());
        let mut all: Vec<Unfinished> = rows
            .values()
            .filter(|row| !row.stored.status.is_terminal())
            .map(|row| Unfinished { stored: row.stored.clone(), owner: row.owner.clone() })
            .collect();
        all.sort_by(|a, b| {
            (a.stored.created_at, &a.stored.id).cmp(&(b.stored.created_at, &b.stored.id))
        });
        Ok(all)
    }

    async fn delete(&self, id: &ResponseId) -> Result<(), StoreError> {
        let mut rows = self.rows.lock().unwrap_or_else(|e| e.into_inner());
        rows.remove(id).map(drop).ok_or_else(|| StoreError::NotFound(id.clone()))
    }
}
