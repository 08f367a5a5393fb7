//! The files of a question, beside the code that reads them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ozone_files::{Limits, Reader};

use crate::failure::Failure;

/// The largest file that is put beside the code.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What reads files as text: this program, started again for each file.
pub fn reader() -> Result<Reader, Failure> {
    let executable = std::env::current_exe()?;
    Ok(Reader::new(Some(&executable), Limits::default()))
}

/// Copies files of the user's to where code and tools find them by their names.
pub fn copy<'a>(
    paths: impl Iterator<Item = &'a PathBuf> + Clone,
    files_dir: &Path,
) -> Result<(), Failure> {
    std::fs::create_dir_all(files_dir).map_err(|e| {
        Failure::new(format!("the folder {} cannot be made ({e})", files_dir.display()))
    })?;
    for (at, path) in paths.clone().enumerate() {
        let mut before = paths.clone().take(at);
        if before.any(|other| other.file_name() == path.file_name() && other != path) {
            let name = path.display();
            return Err(Failure::usage(format!("two files have the name of {name}; rename one")));
        }
        let bytes = read(path)?;
        let name = path
            .file_name()
            .ok_or_else(|| Failure::usage(format!("{} names no file", path.display())))?;
        std::fs::write(files_dir.join(name), bytes)
            .map_err(|e| Failure::new(format!("cannot copy {}: {e}", path.display())))?;
    }
    Ok(())
}

pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let say =
        |e: &dyn std::fmt::Display| Failure::usage(format!("cannot read {}: {e}", path.display()));
    let length = path.metadata().map_err(|e| say(&e))?.len();
    if length > FILE_BYTES_MAX {
        return Err(say(&format!("{length} bytes, at most {FILE_BYTES_MAX} are taken")));
    }
    std::fs::read(path).map_err(|e| say(&e))
}

/// Whether a file begins as pictures do that a model can look at.
pub fn is_picture(path: &Path) -> bool {
    let mut head = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    let is_webp = &head == b"RIFF" && path.extension().is_some_and(|end| end == "webp");
    read.is_ok() && (is_webp || matches!(&head, b"\x89PNG" | [0xff, 0xd8, 0xff, _] | b"GIF8"))
}

/// Files that the code wrote; an empty folder goes.
pub fn kept(files_dir: &Path) -> Vec<String> {
    let _ = std::fs::remove_dir(files_dir);
    let Ok(entries) = std::fs::read_dir(files_dir) else { return vec![] };
    let is_hidden =
        |entry: &std::fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
    let seen = entries.filter_map(Result::ok).filter(|entry| !is_hidden(entry));
    let mut names: Vec<String> = seen.map(|entry| entry.path().display().to_string()).collect();
    names.sort();
    names
}
