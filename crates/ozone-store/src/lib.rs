//! The `Store` seam: the journal of every response, on SQLite and in memory.
//!
//! A journal is append-only. The loop is its only writer; the terminal, the server and a run that
//! goes on after a crash are its readers. What was streamed is what is stored, because streams are
//! read from here. Alone in knowing SQL.

mod journal;
mod ledger;
mod library;
mod memory;
pub mod passages;
mod sqlite;

use async_trait::async_trait;
use ozone_cost::LedgerLine;
use ozone_types::{Event, ResponseId, ResponseStatus};
use serde::{Deserialize, Serialize};

pub use journal::{Journal, Lines, Reader};
pub use ledger::{Ledger, Spent};
pub use library::{Before, Change, Document, Library, Link, Order, Page, Unfinished};
pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no response `{0}` is stored here")]
    NotFound(ResponseId),
    #[error("response `{0}` exists already")]
    Exists(ResponseId),
    /// Two writers: the second one must stop.
    #[error("sequence number {found} of `{id}` where {expected} was due: somebody else writes it")]
    Conflict { id: ResponseId, expected: u64, found: u64 },
    #[error("response `{id}` is being run by {owner}")]
    Leased { id: ResponseId, owner: String },
    #[error(
        "the disk is full: nothing more can be stored in {place}; free some space, then resume"
    )]
    DiskFull { place: String },
    #[error("another process holds the database {place} locked; try again, or use another --data")]
    Locked { place: String },
    #[error("the database {place} is damaged or no database; move it away, or use another --data")]
    Damaged { place: String },
    #[error("the database {place} cannot be written: {cause}")]
    Unwritable { place: String, cause: String },
    #[error("the store failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How far an append must have got before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives the death of this process: deltas.
    Process,
    /// Survives a power cut: the start and end of a tool call, the end of the response.
    Power,
}

/// What a response was asked, opaque to the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    pub id: ResponseId,
    /// Seconds since 1970.
    pub created_at: i64,
    pub status: ResponseStatus,
    pub model: String,
    pub request: serde_json::Value,
}

/// One append: events for everybody, records that only the loop reads (sampled ids, where a tool
/// call stands), and what the step cost, in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Append {
    pub events: Vec<Event>,
    pub records: Vec<serde_json::Value>,
    /// A line whose key is known is left as it is.
    pub ledger: Vec<LedgerLine>,
}

/// Who runs a response. A second runner is refused until the first one is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Distinguishes processes over reboots: boot id, process id and its start time.
    pub process: String,
}

/// Tells whether the process of an owner still runs.
pub type IsAlive = fn(&Owner) -> bool;

/// The journal of all responses.
///
/// One writer at a time appends to a response: `append` checks that its first sequence number is
/// the next one. Any number of readers may read at once, from any process. Methods may be called
/// from any thread; dropping a future may or may not have done its work.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    async fn create(&self, stored: Stored) -> Result<(), StoreError>;

    /// The same with its runner, in one step where the store can.
    async fn create_owned(&self, stored: Stored, owner: Owner) -> Result<(), StoreError> {
        let id = stored.id.clone();
        self.create(stored).await?;
        self.claim(&id, owner, |_| true).await
    }

    async fn get(&self, id: &ResponseId) -> Result<Stored, StoreError>;

    /// The newest `limit` responses, newest first.
    async fn list(&self, limit: usize) -> Result<Vec<Stored>, StoreError>;

    /// Appends all or nothing. A terminal event also sets the response's status.
    async fn append(
        &self,
        id: &ResponseId,
        append: Append,
        durability: Durability,
    ) -> Result<(), StoreError>;

    /// Events from sequence number `from` on, at most `limit`.
    async fn events(
        &self,
        id: &ResponseId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError>;

    /// All records in the order in which they were appended.
    async fn records(&self, id: &ResponseId) -> Result<Vec<serde_json::Value>, StoreError>;

    /// Makes `owner` the runner. Fails with `Leased` while `alive` says that the one before is.
    async fn claim(&self, id: &ResponseId, owner: Owner, alive: IsAlive) -> Result<(), StoreError>;
}

impl Owner {
    /// This process.
    pub fn this_process() -> Self {
        let pid = std::process::id();
        Owner { process: format!("{}:{pid}:{}", boot_id(), start_time(pid).unwrap_or_default()) }
    }

    /// `true` while the process runs on this machine. An owner of another boot is gone.
    pub fn is_alive(&self) -> bool {
        let mut parts = self.process.split(':');
        let (boot, pid, started) = (parts.next(), parts.next(), parts.next());
        let Some(pid) = pid.and_then(|p| p.parse::<u32>().ok()) else { return false };
        boot == Some(boot_id().as_str()) && start_time(pid).as_deref() == started
    }

    /// For messages: `process 1234`.
    pub fn describe(&self) -> String {
        format!("process {}", self.process.split(':').nth(1).unwrap_or("?"))
    }
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// Field 22 of `/proc/PID/stat`: the start time in clock ticks since boot (proc(5)). `None` when
/// there is no such process or only its exit status is left.
fn start_time(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18).map(str::to_owned) }
}
