//! `apply_patch`: one change of one file, which the client makes or which is made in the container.
//!
//! In the container it works on the files that Python and the shell see, through a folder that no
//! path leads out of. A change is noted beside them before it is made, with what the file was and
//! will be, so that a run that is killed in the middle makes it once: the file tells which of the
//! two it is.

use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use async_trait::async_trait;
use ozone_prompt::ToolSpec;
use ozone_python::{WORK_DIR, WorkDir};
use ozone_types::PatchOperation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::python::Shared;
use crate::{Call, OnText, Shown, Tool, ToolError, ToolOutput, cap};

/// What the model calls it.
pub const NAME: &str = "apply_patch";
/// The largest file that is changed.
const FILE_BYTES_MAX: u64 = 8 << 20;
const PATH_BYTES_MAX: usize = 1024;
/// How many files are looked at for names that are near, and how many are told.
const FILES_MAX: usize = 4096;
const NEAR_MAX: usize = 8;
/// Our own files in the host's folder. A note is of use until its response has ended.
const OURS: &str = ".ozone-";
const NOTE: &str = ".ozone-patch-";
const NOTE_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// What the model is told of the tool.
pub fn spec() -> ToolSpec {
    let description = "Creates, changes or deletes one file. A `diff` is in the V4A form. To create \
         a file, each of its lines stands behind a `+`. To change one, write pieces: a line `@@`, or \
         `@@ ` and a line above the place such as a function's head; then about three lines of \
         context before and after the change, each behind a space, lines that go behind `-`, lines \
         that come behind `+`. Context and removed lines are copied exactly from the file; there are \
         no line numbers.";
    let properties = json!({
        "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
        "path": {"type": "string", "description": "The file, relative to the folder."},
        "diff": {"type": "string", "description": "Not for delete_file."}
    });
    crate::spec(NAME, description, properties, json!(["type", "path"]))
}

/// What these arguments ask for. The error is the model's to read.
pub fn operation(arguments: &str) -> Result<PatchOperation, String> {
    let example = r#"write {"type": "update_file", "path": "a.py", "diff": "@@\n-old\n+new\n"}"#;
    let operation: PatchOperation = serde_json::from_str(arguments)
        .map_err(|e| format!("the arguments are not as they should be ({e}); {example}"))?;
    if operation.path().trim().is_empty() {
        return Err(format!("the `path` is empty; {example}"));
    }
    Ok(operation)
}

/// The arguments of a call that asks for this.
pub fn arguments(operation: &PatchOperation) -> String {
    serde_json::to_value(operation).unwrap_or(Value::Null).to_string()
}

/// The `apply_patch` tool of one response, beside its Python.
pub struct PatchTool {
    spec: ToolSpec,
    container_id: String,
    place: Shared,
}

impl PatchTool {
    pub(crate) fn new(place: Shared, container_id: String) -> Self {
        PatchTool { spec: spec(), container_id, place }
    }
}

#[async_trait]
impl Tool for PatchTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn shown(&self) -> Shown {
        Shown::Patch { container_id: self.container_id.clone() }
    }

    /// What was changed is told by the files.
    fn resumed(&mut self, _: usize) {}

    async fn call(&mut self, call: Call, _: &mut OnText<'_>) -> Result<ToolOutput, ToolError> {
        let (key, chars_max) = (call.key, call.output_chars_max);
        let failed = |why: String| {
            let text = cap(&format!("failed: {why}"), chars_max);
            ToolOutput { text, failed: true, ..ToolOutput::default() }
        };
        let asked = operation(&call.arguments);
        let asked = asked.and_then(|operation| Ok((plain(operation.path())?, operation)));
        let (path, operation) = match asked {
            Ok(asked) => asked,
            Err(why) => return Ok(failed(why)),
        };
        let mut place = self.place.lock().await;
        let changing = move |work: &WorkDir, host: Option<&Path>| {
            let change = Change { work, host, key: &key, path: &path, operation: &operation };
            let made = change.make();
            let is_gone = made.is_ok() && matches!(operation, PatchOperation::DeleteFile { .. });
            (made, if is_gone { vec![path.clone()] } else { vec![] })
        };
        let (made, files) = place.change(changing).await?;
        Ok(match made {
            Ok(text) => ToolOutput { text: cap(&text, chars_max), files, ..ToolOutput::default() },
            Err(why) => failed(why),
        })
    }
}

/// A path within the folder. Models also write the folder's own, as the code sees it.
fn plain(path: &str) -> Result<PathBuf, String> {
    let given = path.trim();
    let bare = given.strip_prefix("sandbox:").unwrap_or(given);
    let inside = bare.strip_prefix(WORK_DIR).and_then(|rest| rest.strip_prefix('/'));
    let mut plain = PathBuf::new();
    for part in Path::new(inside.unwrap_or(bare)).components() {
        match part {
            Component::Normal(part) if part.as_encoded_bytes().starts_with(OURS.as_bytes()) => {
                return Err(format!("`{given}` is not yours: names with `{OURS}` are taken"));
            }
            Component::Normal(part) => plain.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(format!(
                    "`{given}` leads out of the folder: give a path within it, such as `src/a.py`"
                ));
            }
        }
    }
    if plain.as_os_str().is_empty() || given.len() > PATH_BYTES_MAX {
        return Err(format!("the path has 1 to {PATH_BYTES_MAX} bytes and names a file"));
    }
    Ok(plain)
}

/// What a change was to do, noted before it is made.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// Of the call.
    key: String,
    before: Option<String>,
    after: Option<String>,
    told: String,
}

/// One change that is being made. Its errors are for the model.
struct Change<'a> {
    work: &'a WorkDir,
    /// Outlives the process.
    host: Option<&'a Path>,
    key: &'a str,
    path: &'a Path,
    operation: &'a PatchOperation,
}

impl Change<'_> {
    fn make(&self) -> Result<String, String> {
        let current = self.current()?;
        let before = current.as_deref().map(digest);
        if let Some(noted) = self.noted()
            && noted.before != noted.after
            && noted.after == before
        {
            return Ok(noted.told);
        }
        let name = self.path.display();
        let (new, told) = match (self.operation, current) {
            (PatchOperation::CreateFile { .. }, Some(_)) => {
                return Err(format!(
                    "`{name}` exists already: change it with update_file, or delete it first"
                ));
            }
            (PatchOperation::CreateFile { diff, .. }, None) => {
                let text = ozone_patch::create(diff).map_err(|e| e.to_string())?;
                let told = format!("created `{name}`, {}", lines(text.lines().count()));
                (Some(text.into_bytes()), told)
            }
            (_, None) => return Err(self.missing()),
            (PatchOperation::DeleteFile { .. }, Some(_)) => (None, format!("deleted `{name}`")),
            (PatchOperation::UpdateFile { diff, .. }, Some(bytes)) => {
                let text = String::from_utf8(bytes)
                    .map_err(|_| format!("`{name}` is no text in UTF-8: change it with Python"))?;
                let updated = ozone_patch::update(&text, diff)
                    .map_err(|why| format!("`{name}` was not changed: {why}"))?;
                let (added, removed) = (updated.lines_added, updated.lines_removed);
                let mut told =
                    format!("updated `{name}`: {} added, {removed} removed", lines(added));
                for note in &updated.notes {
                    told.push_str(&format!("\n[{note}]"));
                }
                (Some(updated.text.into_bytes()), told)
            }
        };
        if new.as_ref().is_some_and(|new| new.len() as u64 > FILE_BYTES_MAX) {
            return Err(too_large(self.path));
        }
        let after = new.as_deref().map(digest);
        let note = Note { key: self.key.to_owned(), before, after, told: told.clone() };
        self.note(&note).map_err(|e| format!("the folder cannot be written ({e})"))?;
        let done = match new {
            Some(bytes) => self.work.replace(self.path, &bytes),
            None => self.work.remove(self.path),
        };
        done.map(|()| told).map_err(|e| format!("`{name}` cannot be written: {}", reason(&e)))
    }

    /// What the file holds. `None`: there is none.
    fn current(&self) -> Result<Option<Vec<u8>>, String> {
        match self.work.read(self.path, FILE_BYTES_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => Err(too_large(self.path)),
            Err(e) => Err(format!("`{}` cannot be read: {}", self.path.display(), reason(&e))),
        }
    }

    /// That there is no such file, and which there are.
    fn missing(&self) -> String {
        let name = self.path.display();
        let entries = self.work.list(FILES_MAX).unwrap_or_default();
        let mut others: Vec<(bool, f64, String)> = entries
            .into_iter()
            .map(|entry| {
                let likeness =
                    likeness(&self.path.to_string_lossy(), &entry.path.to_string_lossy());
                let same_name = entry.path.file_name() == self.path.file_name();
                (same_name, likeness, entry.path.display().to_string())
            })
            .collect();
        if others.is_empty() {
            return format!("there is no file `{name}`: the folder is empty; use create_file");
        }
        others.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
        let more = others.len().saturating_sub(NEAR_MAX);
        let near = others.into_iter().take(NEAR_MAX).map(|(.., path)| format!("`{path}`"));
        let near = near.collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("there is no file `{name}`; there are {near}{more}")
    }

    fn note_path(&self, host: &Path) -> PathBuf {
        host.join(format!("{NOTE}{}.json", &digest(self.key.as_bytes())[..16]))
    }

    /// What an earlier process meant to do for the same call.
    fn noted(&self) -> Option<Note> {
        let note = fs::read(self.note_path(self.host?)).ok()?;
        serde_json::from_slice(&note).ok().filter(|note: &Note| note.key == self.key)
    }

    fn note(&self, note: &Note) -> io::Result<()> {
        let Some(host) = self.host else { return Ok(()) };
        forget_old(host);
        let (path, begun) = (self.note_path(host), host.join(format!("{NOTE}begun")));
        let mut file = fs::File::create(&begun)?;
        io::Write::write_all(&mut file, &serde_json::to_vec(note)?)?;
        file.sync_all()?;
        fs::rename(begun, path)
    }
}

/// Takes away notes that no run can want any more.
fn forget_old(host: &Path) {
    let is_old = |entry: &fs::DirEntry| {
        let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let age = changed.and_then(|time| SystemTime::now().duration_since(time).ok());
        age.is_some_and(|age| age > NOTE_AGE_MAX)
    };
    for entry in fs::read_dir(host).into_iter().flatten().take(FILES_MAX).flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(NOTE.as_bytes()) && is_old(&entry) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lines(count: usize) -> String {
    format!("{count} line{}", if count == 1 { "" } else { "s" })
}

fn too_large(path: &Path) -> String {
    format!(
        "`{}` is larger than {} MiB: change it with Python",
        path.display(),
        FILE_BYTES_MAX >> 20
    )
}

/// Why a file cannot be had, in words for the model.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotADirectory => "a file stands where a folder would be".into(),
        io::ErrorKind::StorageFull => "there is no room left".into(),
        _ => error.to_string(),
    }
}

/// How much two paths have in common, by their pairs of letters.
fn likeness(a: &str, b: &str) -> f64 {
    let pairs = |text: &str| -> Vec<(char, char)> {
        let lower = text.to_lowercase();
        lower.chars().zip(lower.chars().skip(1)).collect()
    };
    let (a, mut b) = (pairs(a), pairs(b));
    let all = (a.len() + b.len()).max(1) as f64;
    let mut common = 0;
    for pair in a {
        if let Some(at) = b.iter().position(|other| *other == pair) {
            b.swap_remove(at);
            common += 1;
        }
    }
    2.0 * f64::from(common) / all
}
