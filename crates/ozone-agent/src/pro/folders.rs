//! Files of samples: each begins with a copy of the response's folder, and the winner's files become
//! the response's. Symbolic links are not followed: untrusted code may have made them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ozone_types::ResponseId;

/// How deep folders may be nested that are copied.
const DEPTH_MAX: u32 = 16;

/// The folder of a response, and beside it those of its samples.
#[derive(Debug, Clone)]
pub struct Folders {
    own: PathBuf,
    samples: PathBuf,
}

impl Folders {
    pub fn of(own: impl Into<PathBuf>) -> Folders {
        let own = own.into();
        let mut samples = own.clone().into_os_string();
        samples.push(".samples");
        Folders { own, samples: samples.into() }
    }

    /// The folder of a sample. One that it had before a crash is kept as it is.
    pub fn sample(&self, id: &ResponseId) -> io::Result<PathBuf> {
        let folder = self.samples.join(id.as_str());
        if !folder.is_dir() {
            // Whole or not at all, so that a crash leaves no half of it.
            let begun = self.samples.join(format!("{id}.begun"));
            if begun.exists() {
                fs::remove_dir_all(&begun)?;
            }
            fs::create_dir_all(&begun)?;
            if self.own.is_dir() {
                copy(&self.own, &begun, DEPTH_MAX)?;
            }
            fs::rename(&begun, &folder)?;
        }
        Ok(folder)
    }

    /// The winner's files become the response's, and the other samples' go.
    pub fn crown(&self, winner: &ResponseId) -> io::Result<()> {
        let folder = self.samples.join(winner.as_str());
        if folder.is_dir() {
            fs::create_dir_all(&self.own)?;
            copy(&folder, &self.own, DEPTH_MAX)?;
        }
        self.clear()
    }

    /// No sample needs its files any more.
    pub fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.samples) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

fn copy(from: &Path, to: &Path, depth_left: u32) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        // What the code of another sample has put in its place.
        if fs::symlink_metadata(&target).is_ok_and(|m| m.file_type().is_symlink()) {
            fs::remove_file(&target)?;
        }
        if kind.is_file() {
            fs::copy(entry.path(), &target)?;
        } else if kind.is_dir() && depth_left > 0 {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target, depth_left - 1)?;
        }
    }
    Ok(())
}
