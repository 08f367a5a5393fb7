//! Who writes a SQLite file, who reads it, and who makes it safe.
//!
//! SQLite takes one writer at a time, so there is one: a thread that puts all that waits into one
//! transaction, in which each piece of work succeeds or fails alone. It never waits for the disk.
//! What must survive a power cut is answered by a second thread, the keeper, once the log is synced,
//! so that the end of one response holds up no token of another; the keeper also moves the log into
//! the database. Readers have connections of their own and wait for neither.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use ozone_types::ResponseId;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{Failure, classify};
use crate::{Durability, StoreError};

/// How long a writer waits for another process before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pieces of work that wait for the writer; further callers wait themselves.
const WAITING_MAX: usize = 1024;
/// Pieces of work in one transaction.
const BATCH_MAX: usize = 256;
/// Reads at once.
const READING_MAX: usize = 4;
const STATEMENTS_MAX: usize = 128;
/// The log is moved into the database after so many pieces of work. Once it has so many pages (of
/// 4 KiB) the writer waits for that, so that the log begins anew: its file keeps its length, since
/// syncing one that grows takes the file system twice as long.
const LOG_WORK: usize = 4096;
const LOG_PAGES_MAX: i64 = 32 << 10;
/// What the writer keeps of the database in memory, in KiB: a page for each of a few thousand journals
/// that grow at once. Readers keep little, since each commit makes them forget.
const WRITER_CACHE_KIB: i64 = 32 << 10;
/// The most journals whose ends the writer knows.
const ENDS_MAX: usize = 8192;
/// Room that is given back when the disk is full, so that a journal can still get its end.
const RESERVE_BYTES: usize = 256 << 10;

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Without it a statement is compiled anew whenever a value is bound that a better plan might know.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// Where a journal ends.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct End {
    /// The next sequence number.
    pub event: u64,
    /// The number of the next record.
    pub record: i64,
}

/// A transaction of the writer, and where the journals end that it wrote last: who appends need not
/// look. What it knows holds as long as nobody else writes the file and nothing is undone.
pub(super) struct Tx<'a> {
    connection: &'a Connection,
    ends: &'a RefCell<Ends>,
}

#[derive(Default)]
struct Ends {
    known: HashMap<ResponseId, End>,
    /// Changes when another connection has written.
    data_version: i64,
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Tx<'_> {
    pub fn end(&self, id: &ResponseId) -> Option<End> {
        self.ends.borrow().known.get(id).copied()
    }

    pub fn ends_at(&self, id: ResponseId, end: End) {
        let known = &mut self.ends.borrow_mut().known;
        if known.len() >= ENDS_MAX && !known.contains_key(&id) {
            known.clear();
        }
        known.insert(id, end);
    }

    pub fn forget(&self, id: &ResponseId) {
        self.ends.borrow_mut().known.remove(id);
    }
}

/// Something to do with the database, and somebody who waits for it.
trait Work: Send {
    /// Where it fails, what it wrote is to be undone.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError>;
    fn durability(&self) -> Durability;
    /// What became of the transaction around it.
    fn reply(self: Box<Self>, stored: Result<(), StoreError>);
}

struct Task<T, F> {
    work: Option<F>,
    done: Option<Result<T, StoreError>>,
    tell: oneshot::Sender<Result<T, StoreError>>,
    durability: Durability,
    path: PathBuf,
}

impl<T, F> Work for Task<T, F>
where
    T: Send,
    F: FnOnce(&Tx<'_>) -> Result<T, Failure> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let run = std::panic::AssertUnwindSafe(|| work(tx));
        let done = match std::panic::catch_unwind(run) {
            Ok(done) => done.map_err(|failure| failure.of(&self.path)),
            Err(_) => Err(StoreError::Internal("a transaction panicked".into())),
        };
        self.done.insert(done).as_ref().map(drop).map_err(same)
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn reply(self: Box<Self>, stored: Result<(), StoreError>) {
        let told = match self.done {
            Some(Ok(done)) => stored.map(|()| done),
            Some(Err(own)) => Err(own),
            None => Err(stored
                .err()
                .unwrap_or_else(|| StoreError::Internal("a transaction was not run".into()))),
        };
        // Whoever asked may have gone.
        let _ = self.tell.send(told);
    }
}

/// All connections of one process to one file.
pub(super) struct Connections {
    path: PathBuf,
    /// `None` once it is closing.
    writing: Option<mpsc::Sender<Box<dyn Work>>>,
    threads: Vec<JoinHandle<()>>,
    idle: Mutex<Vec<Connection>>,
    reading: Arc<Semaphore>,
}

impl Connections {
    /// `connection` has made the schema and will write.
    pub fn new(connection: Connection, path: &Path) -> std::io::Result<Connections> {
        let reserve = reserve(path);
        if !reserve.exists() && std::fs::write(&reserve, vec![0; RESERVE_BYTES]).is_err() {
            // A disk that has no room for it now will be reported by the first append.
            let _ = std::fs::remove_file(&reserve);
        }
        let (writing, work) = mpsc::channel(WAITING_MAX);
        let (committed, to_keep) = std_mpsc::sync_channel(WAITING_MAX);
        let log_is_long = Arc::new(AtomicBool::new(false));
        let keeper = Keeper {
            path: path.to_owned(),
            log_path: with_suffix(path, "-wal"),
            log: None,
            connection: None,
            log_is_long: log_is_long.clone(),
        };
        let path_kept = path.to_owned();
        // Slower where it cannot be set, and no worse.
        let _ = connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB);
        let ends = RefCell::default();
        let writer =
            Writer { connection, path: path_kept, committed, ends, written: 0, log_is_long };
        let threads = vec![
            std::thread::Builder::new().name("store".into()).spawn(move || writer.run(work))?,
            std::thread::Builder::new().name("keeper".into()).spawn(move || keeper.run(to_keep))?,
        ];
        Ok(Connections {
            path: path.to_owned(),
            writing: Some(writing),
            threads,
            idle: Mutex::default(),
            reading: Arc::new(Semaphore::new(READING_MAX)),
        })
    }

    /// Runs `work` in a transaction; its errors undo what it did.
    pub async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::Internal("the writer of the database has stopped".into());
        let (tell, told) = oneshot::channel();
        let path = self.path.clone();
        let task = Task { work: Some(work), done: None, tell, durability, path };
        let writing = self.writing.as_ref().ok_or_else(gone)?;
        writing.send(Box::new(task)).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// Runs `work`, which only reads, on a thread that may block.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.reading.clone().acquire_owned().await;
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let idle = this.idle.lock().unwrap_or_else(|e| e.into_inner()).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => reader(&this.path).map_err(|e| classify(e, &this.path))?,
            };
            let done = work(&connection).map_err(|failure| failure.of(&this.path));
            this.idle.lock().unwrap_or_else(|e| e.into_inner()).push(connection);
            done
        });
        done.await.map_err(|e| StoreError::Internal(Box::new(e)))?
    }
}

/// What was handed over is still written.
impl Drop for Connections {
    fn drop(&mut self) {
        self.writing = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn reserve(path: &Path) -> PathBuf {
    path.with_extension("reserve")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

struct Writer {
    connection: Connection,
    path: PathBuf,
    committed: std_mpsc::SyncSender<Kept>,
    ends: RefCell<Ends>,
    /// Pieces of work since the keeper last moved the log.
    written: usize,
    log_is_long: Arc<AtomicBool>,
}

/// What the writer hands to the keeper.
enum Kept {
    /// To be synced.
    Work(Vec<Box<dyn Work>>),
    /// The log has grown.
    Log,
}

impl Writer {
    fn run(mut self, mut work: mpsc::Receiver<Box<dyn Work>>) {
        while let Some(first) = work.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && let Ok(next) = work.try_recv()
            {
                batch.push(next);
            }
            self.written += batch.len();
            self.commit(batch);
            if self.written >= LOG_WORK {
                self.written = 0;
                // A keeper that is behind looks soon enough.
                let _ = self.committed.try_send(Kept::Log);
            }
            if self.log_is_long.swap(false, Ordering::Relaxed) {
                // The keeper has just moved nearly all of it.
                let _ = move_log(&self.connection);
            }
        }
    }

    fn commit(&self, mut batch: Vec<Box<dyn Work>>) {
        match self.transaction(&mut batch) {
            Ok(()) => {
                let (to_keep, done): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(|work| work.durability() == Durability::Power);
                for work in done {
                    work.reply(Ok(()));
                }
                if !to_keep.is_empty()
                    && let Err(std_mpsc::SendError(Kept::Work(lost))) =
                        self.committed.send(Kept::Work(to_keep))
                {
                    for work in lost {
                        work.reply(Err(StoreError::Internal("the keeper has stopped".into())));
                    }
                }
            }
            Err(e) => {
                self.ends.borrow_mut().known.clear();
                if !self.connection.is_autocommit() {
                    let _ = self.connection.execute_batch("rollback");
                }
                self.make_room(&e);
                for work in batch {
                    work.reply(Err(same(&e)));
                }
            }
        }
    }

    fn transaction(&self, batch: &mut [Box<dyn Work>]) -> Result<(), StoreError> {
        let run = |sql: &str| {
            let done = self.connection.prepare_cached(sql).and_then(|mut s| s.execute([]));
            done.map(drop).map_err(|e| classify(e, &self.path))
        };
        run("begin immediate")?;
        self.look_for_others()?;
        let tx = Tx { connection: &self.connection, ends: &self.ends };
        if let [only] = batch {
            // What it wrote is undone with the transaction.
            return match only.run(&tx) {
                Ok(()) => run("commit"),
                Err(e) => Err(e),
            };
        }
        for work in batch {
            run("savepoint work")?;
            if let Err(e) = work.run(&tx) {
                self.ends.borrow_mut().known.clear();
                if self.connection.is_autocommit() {
                    // A full disk, for one, undoes the whole transaction.
                    return Err(e);
                }
                self.make_room(&e);
                run("rollback to work")?;
            }
            run("release work")?;
        }
        run("commit")
    }

    /// Forgets where journals ended if another process has written since.
    fn look_for_others(&self) -> Result<(), StoreError> {
        let version = self.connection.prepare_cached("pragma data_version");
        let version = version.and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        let version: i64 = version.map_err(|e| classify(e, &self.path))?;
        let mut ends = self.ends.borrow_mut();
        if ends.data_version != version {
            *ends = Ends { known: HashMap::new(), data_version: version };
        }
        Ok(())
    }

    fn make_room(&self, error: &StoreError) {
        if matches!(error, StoreError::DiskFull { .. }) {
            let _ = std::fs::remove_file(reserve(&self.path));
        }
    }
}

/// Syncs the log for those who wait for it, and moves it into the database.
struct Keeper {
    path: PathBuf,
    log_path: PathBuf,
    log: Option<File>,
    /// Opened when there is something to move.
    connection: Option<Connection>,
    log_is_long: Arc<AtomicBool>,
}

impl Keeper {
    fn run(mut self, committed: std_mpsc::Receiver<Kept>) {
        while let Ok(first) = committed.recv() {
            let (mut waiting, mut log_has_grown, mut next) = (vec![], false, Some(first));
            while let Some(kept) = next {
                match kept {
                    Kept::Work(work) => waiting.extend(work),
                    Kept::Log => log_has_grown = true,
                }
                next = if waiting.len() < WAITING_MAX { committed.try_recv().ok() } else { None };
            }
            if !waiting.is_empty() {
                let synced = self.sync();
                for work in waiting {
                    work.reply(synced.as_ref().map(drop).map_err(same));
                }
            }
            if log_has_grown {
                self.move_log();
            }
        }
    }

    /// What SQLite does itself with `synchronous = full`, on a thread that nobody else waits for.
    fn sync(&mut self) -> Result<(), StoreError> {
        let failed = |e: std::io::Error| StoreError::Unwritable {
            place: self.path.display().to_string(),
            cause: e.to_string(),
        };
        if self.log.is_none() {
            self.log = match File::open(&self.log_path) {
                Ok(log) => Some(log),
                // Where the file system has no shared memory there is no log either, and SQLite has
                // synced what it wrote.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                Err(e) => return Err(failed(e)),
            };
        }
        self.log.as_ref().map_or(Ok(()), |log| log.sync_data().map_err(failed))
    }

    fn move_log(&mut self) {
        if self.connection.is_none() {
            self.connection = connect(&self.path).ok();
        }
        // A log that cannot be moved now stays where it is, as safe as before.
        let pages = self.connection.as_ref().and_then(|connection| move_log(connection).ok());
        self.log_is_long.fetch_or(pages >= Some(LOG_PAGES_MAX), Ordering::Relaxed);
    }
}

/// As far as nobody reads what stood there before. Gives the pages that the log has.
fn move_log(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("pragma wal_checkpoint(passive)", [], |row| row.get(1))
}

/// The same error once more, for another who waited for the same transaction.
fn same(error: &StoreError) -> StoreError {
    match error {
        StoreError::DiskFull { place } => StoreError::DiskFull { place: place.clone() },
        StoreError::Locked { place } => StoreError::Locked { place: place.clone() },
        StoreError::Damaged { place } => StoreError::Damaged { place: place.clone() },
        StoreError::Unwritable { place, cause } => {
            StoreError::Unwritable { place: place.clone(), cause: cause.clone() }
        }
        other => StoreError::Internal(other.to_string().into()),
    }
}
