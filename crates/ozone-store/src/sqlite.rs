//! The store on SQLite in WAL mode: readers never wait for the writer.

mod connections;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ozone_types::{Event, ResponseId, ResponseStatus};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use connections::{Connections, End, Tx};

use crate::passages::{self, Hit, Piece, Search, Source};
use crate::{
    Append, Before, Change, Document, Durability, IsAlive, Library, Link, Order, Owner, Page,
    Store, StoreError, Stored, Unfinished,
};

#[derive(Clone)]
pub struct SqliteStore {
    connections: Arc<Connections>,
    /// Searches read by a connection of their own, so that a long one holds up no other reader.
    searching: Arc<Mutex<Option<Connection>>>,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the database, which is made if it is missing. Its folder must exist.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let place = || path.display().to_string();
        let open = || -> rusqlite::Result<(Connection, i64)> {
            let mut connection = connections::connect(path)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "normal")?;
            // The keeper does it.
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            let version = schema::bring(&mut connection)?;
            Ok((connection, version))
        };
        let (connection, version) = open().map_err(|e| classify(e, path))?;
        if version > schema::VERSION {
            let cause = format!("it was made by a newer Ozone (schema {version})");
            return Err(StoreError::Unwritable { place: place(), cause });
        }
        let connections = Connections::new(connection, path)
            .map_err(|e| StoreError::Unwritable { place: place(), cause: e.to_string() })?;
        Ok(SqliteStore {
            connections: Arc::new(connections),
            searching: Arc::default(),
            path: path.to_owned(),
        })
    }

    /// Runs `f` in a transaction; an error undoes what it did.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.connections.write(Durability::Process, |tx: &Tx<'_>| f(tx)).await
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.connections.read(f).await
    }

    /// Runs `f`, which only reads and may take long, on a thread that may block.
    async fn searching<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut place = store.searching.lock().unwrap_or_else(|e| e.into_inner());
            let read = || -> rusqlite::Result<T> {
                let connection = match place.take() {
                    Some(connection) => connection,
                    None => connections::reader(&store.path)?,
                };
                f(place.insert(connection))
            };
            read().map_err(|e| classify(e, &store.path))
        });
        done.await.map_err(|e| StoreError::Internal(Box::new(e)))?
    }
}

pub(crate) enum Failure {
    Store(StoreError),
    Sql(rusqlite::Error),
}

impl Failure {
    fn of(self, path: &Path) -> StoreError {
        match self {
            Failure::Store(e) => e,
            Failure::Sql(e) => classify(e, path),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(e: rusqlite::Error) -> Self {
        Failure::Sql(e)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(e: serde_json::Error) -> Self {
        Failure::Store(StoreError::Internal(Box::new(e)))
    }
}

fn classify(error: rusqlite::Error, path: &Path) -> StoreError {
    let place = path.display().to_string();
    let Some(code) = error.sqlite_error_code() else {
        return StoreError::Internal(Box::new(error));
    };
    match code {
        ErrorCode::DiskFull => StoreError::DiskFull { place },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Locked { place },
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => StoreError::Damaged { place },
        // A write that the file system refuses half-way (no space for the WAL, a quota) comes as an
        // I/O error, too.
        ErrorCode::ReadOnly
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::SystemIoFailure
        | ErrorCode::FileLockingProtocolFailed => {
            StoreError::Unwritable { place, cause: error.to_string() }
        }
        _ => StoreError::Internal(Box::new(error)),
    }
}

fn status_text(status: ResponseStatus) -> Result<String, serde_json::Error> {
    serde_json::to_string(&status)
}

type RawRow = (String, i64, String, String, String);

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<RawRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn stored((id, created_at, status, model, request): RawRow) -> Result<Stored, Failure> {
    Ok(Stored {
        id: id.parse().map_err(|e| Failure::Store(StoreError::Internal(Box::new(e))))?,
        created_at,
        status: serde_json::from_str(&status)?,
        model,
        request: serde_json::from_str(&request)?,
    })
}

fn get(connection: &Connection, id: &ResponseId) -> Result<Stored, Failure> {
    let sql = format!("select {COLUMNS} from responses where id = ?1");
    let row = connection.prepare_cached(&sql)?.query_row([id.as_str()], raw).optional()?;
    stored(row.ok_or_else(|| Failure::Store(StoreError::NotFound(id.clone())))?)
}

fn records(connection: &Connection, id: &ResponseId) -> Result<Vec<serde_json::Value>, Failure> {
    let alone = "select number + 1, body from records where response_id = ?1";
    let beside = "select records_end, records from events
                  where response_id = ?1 and records is not null";
    let mut ended: Vec<(i64, Vec<serde_json::Value>)> = vec![];
    let mut alone = connection.prepare_cached(alone)?;
    for row in alone.query_map([id.as_str()], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))? {
        let (end, body) = row?;
        ended.push((end, vec![serde_json::from_str(&body)?]));
    }
    let mut beside = connection.prepare_cached(beside)?;
    for row in beside.query_map([id.as_str()], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))? {
        let (end, bodies) = row?;
        ended.push((end, serde_json::from_str(&bodies)?));
    }
    ended.sort_by_key(|(end, _)| *end);
    Ok(ended.into_iter().flat_map(|(_, records)| records).collect())
}

fn last_event(connection: &Connection, id: &ResponseId) -> Result<Option<Event>, Failure> {
    let mut statement = connection.prepare_cached(
        "select body from events where response_id = ?1 order by sequence_number desc limit 1",
    )?;
    let body: Option<String> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}

const COLUMNS: &str = "id, created_at, status, model, request";

#[async_trait]
impl Store for SqliteStore {
    async fn create(&self, new: Stored) -> Result<(), StoreError> {
        self.write(move |connection| create(connection, new, None)).await
    }

    async fn create_owned(&self, new: Stored, owner: Owner) -> Result<(), StoreError> {
        self.write(move |connection| create(connection, new, Some(owner))).await
    }

    async fn get(&self, id: &ResponseId) -> Result<Stored, StoreError> {
        let id = id.clone();
        self.read(move |connection| get(connection, &id)).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.read(move |connection| {
            let sql = format!(
                "select {COLUMNS} from responses order by created_at desc, id desc limit ?1"
            );
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map([limit as i64], raw)?;
            rows.map(|row| stored(row?)).collect()
        })
        .await
    }

    async fn append(
        &self,
        id: &ResponseId,
        append: Append,
        durability: Durability,
    ) -> Result<(), StoreError> {
        let (id, rows) = (id.clone(), Rows::of(&append)?);
        self.connections.write(durability, move |tx| write(tx, id, rows, &append.ledger)).await
    }

    async fn events(
        &self,
        id: &ResponseId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let id = id.clone();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "select body from events where response_id = ?1 and sequence_number >= ?2
                 order by sequence_number limit ?3",
            )?;
            let rows = statement
                .query_map(params![id.as_str(), from as i64, limit as i64], |row| {
                    row.get::<_, String>(0)
                })?;
            rows.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
        })
        .await
    }

    async fn records(&self, id: &ResponseId) -> Result<Vec<serde_json::Value>, StoreError> {
        let id = id.clone();
        self.read(move |connection| records(connection, &id)).await
    }

    async fn claim(&self, id: &ResponseId, owner: Owner, alive: IsAlive) -> Result<(), StoreError> {
        let id = id.clone();
        self.write(move |connection| {
            let before: Option<Option<String>> = connection
                .query_row("select owner from responses where id = ?1", [id.as_str()], |r| r.get(0))
                .optional()?;
            let Some(before) = before else {
                return Err(Failure::Store(StoreError::NotFound(id)));
            };
            if let Some(other) = before.map(|process| Owner { process })
                && other != owner
                && alive(&other)
            {
                return Err(Failure::Store(StoreError::Leased { id, owner: other.describe() }));
            }
            connection.execute(
                "update responses set owner = ?2 where id = ?1",
                params![id.as_str(), owner.process],
            )?;
            Ok(())
        })
        .await
    }
}

fn create(connection: &Connection, new: Stored, owner: Option<Owner>) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(
        "insert or ignore into responses (id, created_at, status, model, request, owner)
         values (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let changed = insert.execute(params![
        new.id.as_str(),
        new.created_at,
        status_text(new.status)?,
        new.model,
        serde_json::to_string(&new.request)?,
        owner.map(|owner| owner.process)
    ])?;
    if changed == 1 { Ok(()) } else { Err(Failure::Store(StoreError::Exists(new.id))) }
}

/// An append as it is stored, made where there is more than one thread for it.
struct Rows {
    /// With their sequence numbers.
    events: Vec<(u64, String)>,
    records: Vec<String>,
    /// How the response ended.
    status: Option<String>,
}

impl Rows {
    fn of(append: &Append) -> Result<Rows, StoreError> {
        let rows = || -> Result<Rows, serde_json::Error> {
            let event = |e: &Event| Ok((e.sequence_number, serde_json::to_string(e)?));
            let ended = append.events.iter().rev().find_map(|e| e.kind.terminal());
            Ok(Rows {
                events: append.events.iter().map(event).collect::<Result<_, _>>()?,
                records: append
                    .records
                    .iter()
                    .map(serde_json::to_string)
                    .collect::<Result<_, _>>()?,
                status: ended.map(|response| status_text(response.status)).transpose()?,
            })
        };
        rows().map_err(|e| StoreError::Internal(Box::new(e)))
    }
}

fn write(
    tx: &Tx<'_>,
    id: ResponseId,
    rows: Rows,
    ledger: &[ozone_cost::LedgerLine],
) -> Result<(), Failure> {
    let mut end = match tx.end(&id) {
        Some(end) => end,
        None => stored_end(tx, &id)?,
    };
    let mut beside = None;
    let found = rows.events.first().map(|(number, _)| *number);
    if !rows.records.is_empty() && found.is_some() {
        end.record += rows.records.len() as i64;
        beside = Some((format!("[{}]", rows.records.join(",")), end.record));
    } else if !rows.records.is_empty() {
        let mut insert = tx.prepare_cached("insert into records values (?1, ?2, ?3)")?;
        for body in &rows.records {
            insert.execute(params![id.as_str(), end.record, body])?;
            end.record += 1;
        }
    }
    let mut insert = tx.prepare_cached(
        "insert into events (response_id, sequence_number, body, records, records_end)
         values (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (number, body) in &rows.events {
        if *number != end.event {
            let (expected, found) = (end.event, found.unwrap_or(*number));
            return Err(Failure::Store(StoreError::Conflict { id, expected, found }));
        }
        let (records, records_end) = beside.take().unzip();
        insert.execute(params![id.as_str(), *number as i64, body, records, records_end])?;
        end.event += 1;
    }
    crate::ledger::insert(tx, ledger)?;
    match rows.status {
        Some(status) => {
            tx.prepare_cached("update responses set status = ?2 where id = ?1")?
                .execute(params![id.as_str(), status])?;
            tx.forget(&id);
        }
        None => tx.ends_at(id, end),
    }
    Ok(())
}

fn stored_end(connection: &Connection, id: &ResponseId) -> Result<End, Failure> {
    let sql = "select 1 from responses where id = ?1";
    let known = connection.prepare_cached(sql)?.query_row([id.as_str()], |_| Ok(())).optional()?;
    known.ok_or_else(|| Failure::Store(StoreError::NotFound(id.clone())))?;
    let next = |sql: &str| -> rusqlite::Result<i64> {
        connection.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0))
    };
    let event = "select coalesce(max(sequence_number) + 1, 0) from events where response_id = ?1";
    let alone = "select coalesce(max(number) + 1, 0) from records where response_id = ?1";
    let beside = "select coalesce(max(records_end), 0) from events where response_id = ?1";
    Ok(End { event: next(event)? as u64, record: next(alone)?.max(next(beside)?) })
}

const DOCUMENT: &str = "kind, tenant, id, parent, body";

type RawDocument = (String, String, String, String, String);

fn raw_document(row: &rusqlite::Row<'_>) -> rusqlite::Result<RawDocument> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn document((kind, tenant, id, parent, body): RawDocument) -> Result<Document, Failure> {
    Ok(Document { kind, tenant, id, parent, body: serde_json::from_str(&body)? })
}

fn change(tx: &Connection, change: Change) -> Result<(), Failure> {
    match change {
        Change::Put(new) => {
            let body = serde_json::to_string(&new.body)?;
            tx.prepare_cached(
                "insert into documents (kind, tenant, id, parent, body) values (?1, ?2, ?3, ?4, ?5)
                 on conflict (kind, tenant, id)
                 do update set parent = excluded.parent, body = excluded.body",
            )?
            .execute(params![new.kind, new.tenant, new.id, new.parent, body])?
        }
        Change::Delete { kind, tenant, id } => tx
            .prepare_cached("delete from documents where kind = ?1 and tenant = ?2 and id = ?3")?
            .execute(params![kind, tenant, id])?,
        Change::DeleteChildren { kind, tenant, parent } => tx
            .prepare_cached(
                "delete from documents where kind = ?1 and tenant = ?2 and parent = ?3",
            )?
            .execute(params![kind, tenant, parent])?,
        Change::PutBytes { id, bytes } => tx
            .prepare_cached("insert or replace into bytes (id, body) values (?1, ?2)")?
            .execute(params![id, bytes])?,
        Change::DeleteBytes { id } => {
            tx.prepare_cached("delete from bytes where id = ?1")?.execute(params![id])?
        }
        Change::PutPassages { source, from, passages } => {
            return Ok(passages::sql::put(tx, &source, from, &passages)?);
        }
        Change::DeletePassages { shelf, file } => {
            return Ok(passages::sql::delete(tx, &shelf, file.as_deref())?);
        }
    };
    Ok(())
}

#[async_trait]
impl Library for SqliteStore {
    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.write(move |tx| changes.into_iter().try_for_each(|one| change(tx, one))).await
    }

    async fn create_with(
        &self,
        new: Stored,
        owner: Owner,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            create(tx, new, Some(owner))?;
            changes.into_iter().try_for_each(|one| change(tx, one))
        })
        .await
    }

    async fn document(
        &self,
        kind: &str,
        tenant: &str,
        id: &str,
    ) -> Result<Option<Document>, StoreError> {
        let (kind, tenant, id) = (kind.to_owned(), tenant.to_owned(), id.to_owned());
        self.read(move |connection| {
            let sql = format!(
                "select {DOCUMENT} from documents where kind = ?1 and tenant = ?2 and id = ?3"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let row = statement.query_row(params![kind, tenant, id], raw_document).optional()?;
            row.map(document).transpose()
        })
        .await
    }

    async fn documents(
        &self,
        kind: &str,
        tenant: &str,
        page: &Page,
    ) -> Result<Vec<Document>, StoreError> {
        let (kind, tenant, page) = (kind.to_owned(), tenant.to_owned(), page.clone());
        self.read(move |connection| {
            let (beyond, direction) = match page.order {
                Order::Ascending => (">", "asc"),
                Order::Descending => ("<", "desc"),
            };
            let sql = format!(
                "select {DOCUMENT} from documents where kind = ?1 and tenant = ?2
                 and (?3 is null or parent = ?3)
                 and (?4 is null or number {beyond} (
                     select number from documents where kind = ?1 and tenant = ?2 and id = ?4))
                 order by number {direction} limit ?5"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(
                params![kind, tenant, page.parent, page.after, page.limit as i64],
                raw_document,
            )?;
            rows.map(|row| document(row?)).collect()
        })
        .await
    }

    async fn all_documents(&self, kind: &str) -> Result<Vec<Document>, StoreError> {
        let kind = kind.to_owned();
        self.read(move |connection| {
            let sql = format!("select {DOCUMENT} from documents where kind = ?1 order by number");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([kind], raw_document)?;
            rows.map(|row| document(row?)).collect()
        })
        .await
    }

    async fn bytes(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| {
            let sql = "select body from bytes where id = ?1";
            Ok(connection.query_row(sql, [id], |row| row.get(0)).optional()?)
        })
        .await
    }

    async fn search(&self, search: Search) -> Result<Vec<Hit>, StoreError> {
        self.searching(move |connection| passages::sql::search(connection, &search)).await
    }

    async fn passages(
        &self,
        source: &Source,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Piece>, StoreError> {
        let source = source.clone();
        self.searching(move |connection| passages::sql::pieces(connection, &source, from, limit))
            .await
    }

    async fn last_event(&self, id: &ResponseId) -> Result<Option<Event>, StoreError> {
        let id = id.clone();
        self.read(move |connection| last_event(connection, &id)).await
    }

    async fn chain(
        &self,
        newest: &ResponseId,
        before: Before,
        limit: usize,
    ) -> Result<Vec<Link>, StoreError> {
        let newest = newest.clone();
        self.read(move |connection| {
            let (mut links, mut next) = (vec![], Some(newest));
            while let Some(id) = next.filter(|_| links.len() < limit) {
                let stored = match get(connection, &id) {
                    Ok(stored) => stored,
                    Err(Failure::Store(StoreError::NotFound(_))) => break,
                    Err(e) => return Err(e),
                };
                let (last, records) = (last_event(connection, &id)?, records(connection, &id)?);
                next = before(&stored);
                links.push(Link { stored, last, records });
            }
            Ok(links)
        })
        .await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        self.read(move |connection| {
            let sql = format!(
                "select {COLUMNS}, owner from responses
                 where status in ('\"queued\"', '\"in_progress\"') order by created_at, id"
            );
            let mut statement = connection.prepare(&sql)?;
            let rows =
                statement.query_map([], |row| Ok((raw(row)?, row.get::<_, Option<String>>(5)?)))?;
            rows.map(|row| {
                let (row, owner) = row?;
                let owner = owner.map(|process| Owner { process });
                Ok(Unfinished { stored: stored(row)?, owner })
            })
            .collect()
        })
        .await
    }

    async fn delete(&self, id: &ResponseId) -> Result<(), StoreError> {
        let id = id.clone();
        let delete = move |tx: &Tx<'_>| {
            tx.forget(&id);
            let gone = tx.execute("delete from responses where id = ?1", [id.as_str()])?;
            if gone == 0 {
                return Err(Failure::Store(StoreError::NotFound(id)));
            }
            tx.execute("delete from events where response_id = ?1", [id.as_str()])?;
            tx.execute("delete from records where response_id = ?1", [id.as_str()])?;
            Ok(())
        };
        self.connections.write(Durability::Process, delete).await
    }
}
