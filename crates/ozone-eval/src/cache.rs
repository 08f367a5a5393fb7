//! Answers by the hash of everything that they depend on, the repeat included: the same question
//! of another suite, or of a run into another folder, is not asked twice.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Answered;

/// A folder of answers. A damaged entry is as good as none.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Makes the folder.
    pub fn open(folder: &Path) -> io::Result<Cache> {
        fs::create_dir_all(folder)?;
        Ok(Cache { folder: folder.to_owned() })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(&key[..2]).join(format!("{key}.json"))
    }

    pub(crate) fn get(&self, key: &str) -> Option<Answered> {
        serde_json::from_slice(&fs::read(self.path(key)).ok()?).ok()
    }

    /// Renamed into place when it is whole, so that readers never see a part.
    pub(crate) fn put(&self, key: &str, answered: &Answered) -> io::Result<()> {
        let path = self.path(key);
        fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
        let part = path.with_extension(format!("{}.part", std::process::id()));
        fs::write(&part, serde_json::to_vec(answered)?)?;
        fs::rename(&part, &path)
    }
}
