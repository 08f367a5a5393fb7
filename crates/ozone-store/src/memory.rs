//! The store of tests and of runs that shall leave nothing behind.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use ozone_types::{Event, ResponseId};

use crate::{Append, Durability, IsAlive, Owner, Store, StoreError, Stored};

#[derive(Default)]
pub struct MemoryStore {
    rows: Mutex<BTreeMap<ResponseId, Row>>,
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
