//! The files of a question, beside the code that reads them.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use ozone_files::{Limits, Reader};
use ozone_tools::files_below;
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;

/// The largest file that is put beside the code.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// The folder's own note of what a question came with.
const GIVEN: &str = ".ozone-given.json";
/// The most files that are named behind an answer.
const SHOWN_MAX: usize = 50;

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

/// Notes what lies in a folder before any work is done there, if anything does.
pub fn note_given(files_dir: &Path) -> Result<(), Failure> {
    let names = below(files_dir);
    if names.is_empty() {
        return Ok(());
    }
    let digests = names.into_iter().map(|name| Some((digest(&files_dir.join(&name))?, name)));
    let given: HashMap<PathBuf, String> =
        digests.flatten().map(|(digest, name)| (name, digest)).collect();
    Ok(std::fs::write(files_dir.join(GIVEN), serde_json::to_vec(&given)?)?)
}

/// Files that the work made or changed: not what it was given, nor the pages that it opened. An
/// empty folder goes.
pub fn made(files_dir: &Path) -> Vec<String> {
    let _ = std::fs::remove_dir(files_dir);
    let note = std::fs::read(files_dir.join(GIVEN)).unwrap_or_default();
    let given: HashMap<PathBuf, String> = serde_json::from_slice(&note).unwrap_or_default();
    let is_given = |name: &PathBuf| {
        let before = given.get(name);
        before.is_some() && before == digest(&files_dir.join(name)).as_ref()
    };
    let mut names = below(files_dir);
    names.retain(|name| !name.starts_with(ozone_tools::web::FOLDER) && !is_given(name));
    let more = names.len().saturating_sub(SHOWN_MAX);
    let shown = names.iter().take(SHOWN_MAX).map(|name| files_dir.join(name).display().to_string());
    let more = (more > 0).then(|| format!("{more} more in {}", files_dir.display()));
    shown.chain(more).collect()
}

fn digest(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    Some(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Files by their names from the folder on; hidden ones are ours.
fn below(folder: &Path) -> Vec<PathBuf> {
    let relative = |path: PathBuf| path.strip_prefix(folder).map(Path::to_owned).ok();
    files_below(folder).into_iter().filter_map(relative).collect()
}
