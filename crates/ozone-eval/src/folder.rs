//! The folder of a run: `manifest.json` says what it is, `cells.jsonl` holds its answers.
//!
//! Cells are only ever appended, a line in one write, so a killed run loses the questions under way
//! and no more. A last line that was torn is cut away; any other damage is an error with its line.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{Cell, Manifest, Plan, Session};

const MANIFEST: &str = "manifest.json";
const CELLS: &str = "cells.jsonl";

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{path} holds another run ({how}); choose another folder")]
    OtherRun { path: String, how: String },
    #[error("{path} is being written by another process")]
    Busy { path: String },
    #[error("{path}:{line}: {reason}")]
    Damaged { path: String, line: usize, reason: String },
    #[error("{path} holds no run: neither it nor a folder in it has a {}", MANIFEST)]
    NoRun { path: String },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> FolderError + '_ {
    move |source| FolderError::Io { path: path.display().to_string(), source }
}

/// A run that is open for writing, or was read.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    pub manifest: Manifest,
    /// By question and repeat: where one was asked again, the later answer.
    cells: BTreeMap<(String, u32), Cell>,
    /// `None` where it was opened for reading.
    file: Option<File>,
    /// Bytes of a torn last line that were cut away.
    pub torn_bytes: u64,
}

impl RunFolder {
    /// Begins a run, or takes up the one that is there. One process at a time may.
    pub fn open(path: &Path, plan: Plan, session: Session) -> Result<RunFolder, FolderError> {
        fs::create_dir_all(path).map_err(io_error(path))?;
        let cells_path = path.join(CELLS);
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).read(true).open(&cells_path);
        let mut file = file.map_err(io_error(&cells_path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::Busy { path: cells_path.display().to_string() });
            }
            Err(TryLockError::Error(e)) => return Err(io_error(&cells_path)(e)),
        }
        let manifest = match read_manifest(path)? {
            Some(Manifest { plan: earlier, mut sessions }) => {
                if let Some(how) = plan.differs(&earlier) {
                    return Err(FolderError::OtherRun { path: path.display().to_string(), how });
                }
                if sessions
                    .last()
                    .is_none_or(|last| Session { at: session.at, ..last.clone() } != session)
                {
                    sessions.push(session);
                }
                let repeats = plan.repeats.max(earlier.repeats);
                Manifest { plan: Plan { repeats, ..plan }, sessions }
            }
            None => Manifest { plan, sessions: vec![session] },
        };
        let manifest_path = path.join(MANIFEST);
        write_whole(&manifest_path, &manifest).map_err(io_error(&manifest_path))?;
        let text = fs::read(&cells_path).map_err(io_error(&cells_path))?;
        let (cells, whole) = parse(&cells_path, &text)?;
        let torn_bytes = (text.len() - whole) as u64;
        if torn_bytes > 0 {
            file.set_len(whole as u64).map_err(io_error(&cells_path))?;
        }
        file.flush().map_err(io_error(&cells_path))?;
        Ok(RunFolder { path: path.to_owned(), manifest, cells, file: Some(file), torn_bytes })
    }

    /// Every run in a folder or in the folders below it, for a report.
    pub fn read_all(path: &Path) -> Result<Vec<RunFolder>, FolderError> {
        const DEPTH_MAX: usize = 3;
        let mut found = vec![];
        collect(path, DEPTH_MAX, &mut found)?;
        match found.is_empty() {
            true => Err(FolderError::NoRun { path: path.display().to_string() }),
            false => Ok(found),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn get(&self, id: &str, epoch: u32) -> Option<&Cell> {
        self.cells.get(&(id.to_owned(), epoch))
    }

    /// In the order of their questions' names.
    pub fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.cells.values()
    }

    pub(crate) fn append(&mut self, cell: Cell) -> Result<(), FolderError> {
        let path = self.path.join(CELLS);
        let mut line = serde_json::to_vec(&cell).map_err(|e| io_error(&path)(e.into()))?;
        line.push(b'\n');
        let file = self.file.as_mut().ok_or_else(|| FolderError::Io {
            path: path.display().to_string(),
            source: io::Error::other("it was opened for reading"),
        })?;
        file.write_all(&line).map_err(io_error(&path))?;
        self.cells.insert((cell.id.clone(), cell.epoch), cell);
        Ok(())
    }
}

fn collect(path: &Path, depth: usize, found: &mut Vec<RunFolder>) -> Result<(), FolderError> {
    if let Some(manifest) = read_manifest(path)? {
        let cells_path = path.join(CELLS);
        let text = match fs::read(&cells_path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => vec![],
            other => other.map_err(io_error(&cells_path))?,
        };
        let (cells, whole) = parse(&cells_path, &text)?;
        let torn_bytes = (text.len() - whole) as u64;
        found.push(RunFolder { path: path.to_owned(), manifest, cells, file: None, torn_bytes });
        return Ok(());
    }
    if depth == 0 || !path.is_dir() {
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(io_error(path))?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|e| e.ok().map(|e| e.path())).filter(|p| p.is_dir()).collect();
    folders.sort();
    folders.iter().try_for_each(|folder| collect(folder, depth - 1, found))
}

fn read_manifest(path: &Path) -> Result<Option<Manifest>, FolderError> {
    let path = path.join(MANIFEST);
    let text = match fs::read_to_string(&path) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        other => other.map_err(io_error(&path))?,
    };
    serde_json::from_str(&text).map(Some).map_err(|e| FolderError::Damaged {
        path: path.display().to_string(),
        line: e.line(),
        reason: e.to_string(),
    })
}

type Cells = BTreeMap<(String, u32), Cell>;

/// The cells, and how many bytes of the text are whole lines.
fn parse(path: &Path, text: &[u8]) -> Result<(Cells, usize), FolderError> {
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let mut cells = Cells::new();
    for (index, line) in text[..whole].split(|b| *b == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let cell: Cell = serde_json::from_slice(line).map_err(|e| FolderError::Damaged {
            path: path.display().to_string(),
            line: index + 1,
            reason: format!("{e}; take the line out, and its question is asked again"),
        })?;
        cells.insert((cell.id.clone(), cell.epoch), cell);
    }
    Ok((cells, whole))
}

fn write_whole(path: &Path, value: &impl serde::Serialize) -> io::Result<()> {
    let part = path.with_extension("json.part");
    fs::write(&part, serde_json::to_vec_pretty(value)?)?;
    fs::rename(&part, path)
}
