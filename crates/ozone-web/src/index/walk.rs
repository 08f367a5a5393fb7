//! The files of the folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::{IndexError, Site};

/// Files that are taken of all folders together.
const FILES_MAX: usize = 200_000;
/// Folders within one another.
const DEPTH_MAX: usize = 32;
/// Endings of pages. A file without any is looked into.
const ENDINGS: &[&str] = &["html", "htm", "xhtml", "md", "markdown", "txt", "csv", "tsv", "json"];

/// A file that may be a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Of the site, by its place.
    pub site: usize,
    pub path: PathBuf,
    /// Nanoseconds since 1970.
    pub modified: u64,
    pub bytes: u64,
}

/// All files in the order of their sites and names. Links are not followed, and what begins with a
/// dot is left alone.
pub(super) fn files(sites: &[Site]) -> Result<Vec<File>, IndexError> {
    let mut files = vec![];
    for (site, Site { folder, .. }) in sites.iter().enumerate() {
        let failed = |source| IndexError::Folder { path: folder.clone(), source };
        let folder = folder.canonicalize().map_err(failed)?;
        fs::read_dir(&folder).map_err(failed)?;
        let mut open = vec![(folder, 0)];
        while let Some((folder, depth)) = open.pop() {
            let mut inner = vec![];
            // A folder that went away meanwhile has no files.
            for entry in sorted(&folder).unwrap_or_default() {
                let path = entry.path();
                let hidden = entry.file_name().to_string_lossy().starts_with('.');
                let Ok(metadata) = entry.metadata() else { continue };
                if hidden {
                    continue;
                } else if metadata.is_dir() && depth < DEPTH_MAX {
                    inner.push((path, depth + 1));
                } else if metadata.is_file() && is_page(&path) {
                    let modified = metadata.modified().ok();
                    let since = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                    let modified = since.unwrap_or(Duration::ZERO).as_nanos() as u64;
                    files.push(File { site, path, modified, bytes: metadata.len() });
                    if files.len() >= FILES_MAX {
                        tracing::warn!("more than {FILES_MAX} files: the rest is not indexed");
                        return Ok(files);
                    }
                }
            }
            open.extend(inner.into_iter().rev());
        }
    }
    Ok(files)
}

fn sorted(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

fn is_page(path: &Path) -> bool {
    match path.extension() {
        None => true,
        Some(ending) => ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)),
    }
}
