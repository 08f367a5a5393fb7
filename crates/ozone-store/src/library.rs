//! What a server keeps beside the journals: documents (conversations and their items, the cards of
//! files, batches, containers), the bytes of files, and the view over all responses that a restart
//! needs.
//!
//! A document is JSON to the store: the server gives it its meaning. That keeps one table, one
//! transaction and one conformance suite for everything that a tenant can list.

use async_trait::async_trait;
use ozone_types::{Event, ResponseId};
use serde_json::Value;

use crate::passages::{Hit, Passage, Piece, Search, Source};
use crate::{Ledger, Owner, Store, StoreError, Stored};

/// A JSON document of one tenant. `(kind, tenant, id)` names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// As `conversation` or `file`.
    pub kind: String,
    pub tenant: String,
    pub id: String,
    /// The id of what it belongs to; empty for nothing.
    pub parent: String,
    pub body: Value,
}

/// One change of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Adds the document, or replaces its parent and body; its place in lists stays.
    Put(Document),
    Delete {
        kind: String,
        tenant: String,
        id: String,
    },
    /// All documents of one kind that belong to `parent`.
    DeleteChildren {
        kind: String,
        tenant: String,
        parent: String,
    },
    PutBytes {
        id: String,
        bytes: Vec<u8>,
    },
    DeleteBytes {
        id: String,
    },
    /// Adds passages of a file from number `from` on; they are found at once.
    PutPassages {
        source: Source,
        from: u64,
        passages: Vec<Passage>,
    },
    /// Those of a file, or all of a shelf.
    DeletePassages {
        shelf: String,
        file: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// In the order in which they were added.
    Ascending,
    #[default]
    Descending,
}

/// A piece of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// `None` lists whatever parent they have.
    pub parent: Option<String>,
    /// Starts behind the document of this id; one that does not exist gives an empty page.
    pub after: Option<String>,
    pub order: Order,
    pub limit: usize,
}

/// A response that has not ended, as a restart finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfinished {
    pub stored: Stored,
    pub owner: Option<Owner>,
}

/// Tells which response another one goes on from.
pub type Before = fn(&Stored) -> Option<ResponseId>;

/// A response of a chain: what was asked, how it ended, and what its loop remembers.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    pub stored: Stored,
    /// The newest event.
    pub last: Option<Event>,
    pub records: Vec<serde_json::Value>,
}

/// The store of a server. The contracts of [`Store`] and [`Ledger`] hold; `apply` is all or nothing.
#[async_trait]
pub trait Library: Store + Ledger {
    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError>;

    /// Stores a response with its runner and with these changes, in one step where the store can.
    async fn create_with(
        &self,
        stored: Stored,
        owner: Owner,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        self.apply(changes).await?;
        self.create_owned(stored, owner).await
    }

    async fn document(
        &self,
        kind: &str,
        tenant: &str,
        id: &str,
    ) -> Result<Option<Document>, StoreError>;

    async fn documents(
        &self,
        kind: &str,
        tenant: &str,
        page: &Page,
    ) -> Result<Vec<Document>, StoreError>;

    /// All documents of one kind, of every tenant, oldest first.
    async fn all_documents(&self, kind: &str) -> Result<Vec<Document>, StoreError>;

    async fn bytes(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// The published passages that fit best, best first.
    async fn search(&self, search: Search) -> Result<Vec<Hit>, StoreError>;

    /// The passages of a file from number `from` on, published or not.
    async fn passages(
        &self,
        source: &Source,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Piece>, StoreError>;

    /// The newest event of a response.
    async fn last_event(&self, id: &ResponseId) -> Result<Option<Event>, StoreError>;

    /// A response and those before it, newest first, at most `limit`. It ends where one is missing.
    async fn chain(
        &self,
        newest: &ResponseId,
        before: Before,
        limit: usize,
    ) -> Result<Vec<Link>, StoreError>;

    /// The responses that have not ended, oldest first.
    async fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError>;

    /// Removes a response with its journal.
    async fn delete(&self, id: &ResponseId) -> Result<(), StoreError>;
}
