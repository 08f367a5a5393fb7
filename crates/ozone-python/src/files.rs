//! The host's copies of a work folder's files.
//!
//! They outlive the kernel: after a restart they are put back, and what a user gave is there
//! again. What other tools put there meanwhile is brought in before the next call. Nobody but us
//! writes into the host's folder, so its names are what we made them.

use std::collections::HashMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use ozone_sandbox::{Entry, WorkDir};

use crate::{ExecuteOptions, OutputFile, PythonError};

/// More directory entries than this are not looked at.
const MAX_ENTRIES: usize = 4_096;
/// Of all files that one call brings out.
const MAX_COLLECTED_BYTES: u64 = 128 << 20;

#[derive(Debug)]
enum Folder {
    Given(PathBuf),
    /// Removed with the kernel.
    Own(tempfile::TempDir),
}

#[derive(Debug)]
pub(crate) struct Files {
    folder: Folder,
    /// What the jail's folder held when it was last looked at.
    known: HashMap<PathBuf, Entry>,
    /// Length and time of the host's files that the jail has.
    shared: HashMap<PathBuf, Stamp>,
}

/// How the names of what we keep beside a container's files begin.
const OURS: &str = ".ozone-";

type Stamp = (u64, Option<SystemTime>);

impl Files {
    pub(crate) fn new(folder: Option<PathBuf>) -> Result<Files, PythonError> {
        let doing = PythonError::io("make a folder for files");
        let folder = match folder {
            Some(folder) => std::fs::create_dir_all(&folder).map(|()| Folder::Given(folder)),
            None => tempfile::Builder::new().prefix("ozone-files-").tempdir().map(Folder::Own),
        };
        Ok(Files { folder: folder.map_err(doing)?, known: HashMap::new(), shared: HashMap::new() })
    }

    pub(crate) fn folder(&self) -> &Path {
        match &self.folder {
            Folder::Given(path) => path,
            Folder::Own(folder) => folder.path(),
        }
    }

    /// Puts the host's files into a fresh work folder. Says how many did not fit.
    pub(crate) fn restore(&mut self, work: &WorkDir) -> io::Result<u64> {
        self.shared.clear();
        let (_, failed) = self.copy_in(work);
        self.look(work)?;
        Ok(failed)
    }

    /// Puts in what other tools gave the host's folder since. Says how many files did not fit.
    pub(crate) fn bring(&mut self, work: &WorkDir) -> io::Result<u64> {
        let (brought, failed) = self.copy_in(work);
        if !brought.is_empty() {
            // What the code itself changed meanwhile is still to be collected.
            let entries = work.list(MAX_ENTRIES)?.into_iter();
            let own = entries.filter(|entry| brought.contains(&entry.path));
            self.known.extend(own.map(|entry| (entry.path.clone(), entry)));
        }
        Ok(failed)
    }

    /// The files that were new or changed, and how many could not be copied.
    fn copy_in(&mut self, work: &WorkDir) -> (Vec<PathBuf>, u64) {
        let (mut brought, mut failed) = (vec![], 0);
        for path in files_below(self.folder()) {
            let relative = path.strip_prefix(self.folder()).unwrap_or(&path).to_owned();
            let stamp = stamp(&path);
            if stamp.is_some() && self.shared.get(&relative) == stamp.as_ref() {
                continue;
            }
            let put = std::fs::read(&path).and_then(|bytes| work.write(&relative, &bytes));
            failed += u64::from(put.is_err());
            self.shared.extend(stamp.map(|stamp| (relative.clone(), stamp)));
            if put.is_ok() {
                brought.push(relative);
            }
        }
        (brought, failed)
    }

    /// A file for the code to read, now and after restarts.
    pub(crate) fn put(&mut self, work: &WorkDir, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = Path::new(name);
        if !path.components().all(|part| matches!(part, Component::Normal(_))) || name.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a relative file name"));
        }
        work.write(path, bytes)?;
        self.keep(path, bytes)?;
        self.look(work)
    }

    fn look(&mut self, work: &WorkDir) -> io::Result<()> {
        let entries = work.list(MAX_ENTRIES)?.into_iter();
        self.known = entries.map(|entry| (entry.path.clone(), entry)).collect();
        Ok(())
    }

    /// Copies out what is new or changed. The second part says what was left out.
    pub(crate) fn collect(
        &mut self,
        work: &WorkDir,
        options: &ExecuteOptions,
    ) -> io::Result<(Vec<OutputFile>, Vec<String>)> {
        let entries = work.list(MAX_ENTRIES)?;
        let changed = entries.iter().filter(|entry| self.known.get(&entry.path) != Some(entry));
        let changed: Vec<Entry> = changed.cloned().collect();
        self.known = entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        let left_out = changed.len().saturating_sub(options.max_files);
        let mut room = MAX_COLLECTED_BYTES;
        let mut files = Vec::new();
        for entry in changed.into_iter().take(options.max_files) {
            let most = options.max_file_bytes.min(room);
            let bytes = work.read(&entry.path, most).ok();
            let kept = bytes
                .and_then(|bytes| Some((bytes.len() as u64, self.keep(&entry.path, &bytes).ok()?)));
            room -= kept.as_ref().map_or(0, |(bytes, _)| *bytes);
            files.push(OutputFile {
                name: entry.path.display().to_string(),
                bytes: kept.as_ref().map_or(entry.bytes, |(bytes, _)| *bytes),
                host_path: kept.map(|(_, path)| path),
            });
        }
        let notes = (left_out > 0).then(|| format!("{left_out} more files were not copied"));
        Ok((files, notes.into_iter().collect()))
    }

    /// A file that was taken away from the work folder does not come back with the next kernel.
    pub(crate) fn forget(&mut self, relative: &Path) {
        self.shared.remove(relative);
        let _ = std::fs::remove_file(self.folder().join(relative));
    }

    fn keep(&mut self, relative: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
        let target = self.folder().join(relative);
        let parent = target.parent().unwrap_or(self.folder());
        std::fs::create_dir_all(parent)?;
        let mut file = tempfile::NamedTempFile::with_prefix_in(".ozone-", parent)?;
        io::Write::write_all(&mut file, bytes)?;
        file.persist(&target)?;
        self.shared.extend(stamp(&target).map(|stamp| (relative.to_owned(), stamp)));
        Ok(target)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    path.metadata().ok().map(|metadata| (metadata.len(), metadata.modified().ok()))
}

/// The plain files below a folder, sorted, but for our own notes; links are not followed.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let hidden = entry.file_name().to_str().is_none_or(|name| name.starts_with(OURS));
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !hidden => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && !hidden => found.push(entry.path()),
                _ => {}
            }
        }
        if found.len() > MAX_ENTRIES {
            break;
        }
    }
    found.sort();
    found
}
